/* attention_tile.h - what attention's forward and backward share: a head of a picture and a tile of its scores. Internal. */
#ifndef TS_KERNELS_ATTENTION_TILE_H
#define TS_KERNELS_ATTENTION_TILE_H

#include "base/size.h"
#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "simd/vec.h"

enum { TS_QUERIES = 48, TS_KEYS = 128 }; /* multiples of every TS_MR; of every TS_NR and of TS_STRIPES */

/* One head of one picture: rows of `width` floats, `pitch` apart. */
typedef struct ts_attention_head {
    const float *q, *k, *v;
    size_t tokens, pitch;
    int width;
    float scale;
} ts_attention_head;

/* The first head of the picture whose tensors start there. */
static inline ts_attention_head ts_attention_head_of(const ts_attention *s, const float *q, const float *k,
                                                     const float *v) {
    return (ts_attention_head){q, k, v, s->tokens, (size_t)s->channels, s->channels / s->heads, s->scale};
}

static inline ts_attention_head ts_attention_head_at(const ts_attention_head *first, size_t head) {
    const size_t at = head * (size_t)first->width;
    ts_attention_head h = *first;
    h.q += at, h.k += at, h.v += at;
    return h;
}

/* Keys of a tile: TS_KEYS, or what the last one has. */
static inline size_t ts_attention_keys(const ts_attention_head *h, size_t tile) {
    return ts_min_size(h->tokens - tile * TS_KEYS, TS_KEYS);
}

/* Floats of a packed tile of keys or values. */
static inline size_t ts_attention_tile_floats(const ts_attention *s) {
    const int width = s->channels / s->heads;
    return ts_max_size(ts_gemm_packed(width, TS_KEYS), ts_gemm_packed(TS_KEYS, width));
}

/* Scores [rows][TS_KEYS] of `rows` queries from `first` on with the keys of a tile, packed in `keys`; what lies beyond the
 * last key's vector is not touched, what lies in it beyond the last key is of no meaning. */
static inline void ts_attention_scores(const ts_attention_head *h, float *scores, size_t first, size_t rows,
                                       size_t tile, const float *keys) {
    const size_t n = ts_attention_keys(h, tile), vectors = ts_div_up(n, TS_VF);
    const vf scale = vf_set1(h->scale);
    ts_gemm(scores, TS_KEYS, h->q + first * h->pitch, h->pitch, keys, NULL, rows, h->width, (int)n, NULL);
    for (size_t r = 0; r < rows; r++, scores += TS_KEYS) {
        for (size_t i = n; i < vectors * TS_VF; i++) scores[i] = 0;
        for (size_t i = 0; i < vectors * TS_VF; i += TS_VF) vf_store(scores + i, vf_mul(vf_load(scores + i), scale));
    }
}

#endif
