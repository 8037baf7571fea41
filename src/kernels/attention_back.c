/* attention_back.c - the gradient of attention.
 *
 * With P = softmax(S), S = scale q k^T: dv = P^T dy, dP = dy v^T, dS = scale P (dP - rowsum(P dP)), dq = dS k, dk = dS^T q.
 * rowsum(P dP) is dy . y (Dao 2023, FlashAttention-2), and P follows from the maxima and sums that forward kept: one pass
 * over the tiles makes all three. A task is one head of one picture; tiles follow each other in order.
 */
#include "kernels/attention_tile.h"
#include "kernels/flat.h"
#include "simd/vmath.h"

typedef struct back_job {
    ts_attention shape;
    float *dq, *dk, *dv;
    const float *dy, *y, *stats, *q, *k, *v;
    float *scratch;
    size_t scratch_each, tile_floats;
} back_job;

/* A worker's scratch: a packed tile of k, of v and of k by rows; scores and dP of a block; a block of dq; dy . y of rows. */
typedef struct room {
    float *keys, *values, *rows, *p, *ds, *part, *along;
} room;

static size_t along_floats(const ts_attention *s) { return ts_div_up(s->tokens, 16) * 16; }

static size_t worker_floats(const ts_attention *s) {
    const size_t width = (size_t)(s->channels / s->heads);
    return 3 * ts_attention_tile_floats(s) + TS_QUERIES * (2 * TS_KEYS + width) + along_floats(s);
}

static room room_of(const back_job *j, int worker) {
    room r = {.keys = j->scratch + (size_t)worker * j->scratch_each};
    r.values = r.keys + j->tile_floats;
    r.rows = r.values + j->tile_floats;
    r.p = r.rows + j->tile_floats;
    r.ds = r.p + TS_QUERIES * TS_KEYS;
    r.along = r.ds + TS_QUERIES * TS_KEYS;
    r.part = r.along + along_floats(&j->shape);
    return r;
}

static float dot(const float *a, const float *b, size_t count) {
    ts_stripes sum = ts_stripes_zero();
    size_t part = 0;
    TS_FLAT_LOOP(0, count) {
        sum.part[part] = vf_madd(vf_load_upto(a + i, n), vf_load_upto(b + i, n), sum.part[part]);
        part = (part + 1) % (TS_STRIPES / TS_VF);
    }
    return (float)ts_stripes_sum(&sum);
}

/* p <- P and ds (dP before) <- dS, both [rows][TS_KEYS], n keys. */
static void slopes(const ts_attention_head *h, const room *m, const float *stats, size_t first, size_t rows, size_t n) {
    const vf scale = vf_set1(h->scale);
    for (size_t r = 0; r < rows; r++) {
        const vf most = vf_set1(stats[2 * (first + r)]), share = vf_set1(stats[2 * (first + r) + 1]);
        const vf along = vf_set1(m->along[first + r]);
        float *p = m->p + r * TS_KEYS, *ds = m->ds + r * TS_KEYS;
        for (size_t i = 0; i < n; i += TS_VF) {
            const vf e = vf_mul(vf_exp(vf_sub(vf_load(p + i), most)), share);
            vf_store_upto(p + i, e, n - i);
            vf_store_upto(ds + i, vf_mul(vf_mul(e, scale), vf_sub(vf_load_upto(ds + i, n - i), along)), n - i);
        }
    }
}

static void add_rows(float *to, size_t pitch, const float *from, size_t width, size_t rows) {
    for (size_t r = 0; r < rows; r++, to += pitch, from += width)
        TS_FLAT_LOOP(0, width) vf_store_upto(to + i, vf_add(vf_load_upto(to + i, n), vf_load_upto(from + i, n)), n);
}

static void clear_rows(float *to, size_t pitch, size_t width, size_t rows) {
    for (size_t r = 0; to && r < rows; r++, to += pitch) memset(to, 0, width * sizeof *to);
}

/* Everything of a tile of keys; `at`: where the head's gradients start. */
static void back_tile(const back_job *j, const ts_attention_head *h, const room *m, const float *stats, size_t at,
                      size_t tile) {
    const size_t n = ts_attention_keys(h, tile), from = tile * TS_KEYS * h->pitch, width = (size_t)h->width;
    const int keys = (int)n;
    float *dk = j->dk ? j->dk + at + from : NULL, *dv = j->dv ? j->dv + at + from : NULL;
    ts_gemm_pack(m->keys, h->k + from, h->width, keys, 1, h->pitch);
    ts_gemm_pack(m->values, h->v + from, h->width, keys, 1, h->pitch);
    if (j->dq) ts_gemm_pack(m->rows, h->k + from, keys, h->width, h->pitch, 1);
    clear_rows(dk, h->pitch, width, n);
    clear_rows(dv, h->pitch, width, n);
    for (size_t first = 0; first < h->tokens; first += TS_QUERIES) {
        const size_t rows = ts_min_size(h->tokens - first, TS_QUERIES), row = first * h->pitch;
        const float *dy = j->dy + at + row;
        ts_attention_scores(h, m->p, first, rows, tile, m->keys);
        ts_gemm(m->ds, TS_KEYS, dy, h->pitch, m->values, NULL, rows, h->width, keys, NULL);
        slopes(h, m, stats, first, rows, n);
        if (dv) ts_gemm_tn(dv, h->pitch, m->p, TS_KEYS, dy, h->pitch, rows, keys, h->width, NULL);
        if (dk) ts_gemm_tn(dk, h->pitch, m->ds, TS_KEYS, h->q + row, h->pitch, rows, keys, h->width, NULL);
        if (!j->dq) continue;
        ts_gemm(m->part, width, m->ds, TS_KEYS, m->rows, NULL, rows, keys, h->width, NULL);
        add_rows(j->dq + at + row, h->pitch, m->part, width, rows);
    }
}

static void back_task(void *context, size_t begin, size_t end, int worker) {
    const back_job *j = context;
    const room m = room_of(j, worker);
    const size_t heads = (size_t)j->shape.heads, image = j->shape.tokens * (size_t)j->shape.channels;
    for (size_t i = begin; i < end; i++) {
        const size_t picture = i / heads * image;
        const ts_attention_head first = ts_attention_head_of(&j->shape, j->q + picture, j->k + picture, j->v + picture);
        const ts_attention_head h = ts_attention_head_at(&first, i % heads);
        const size_t at = picture + i % heads * (size_t)h.width;
        clear_rows(j->dq ? j->dq + at : NULL, h.pitch, (size_t)h.width, h.tokens);
        for (size_t r = 0; r < h.tokens; r++)
            m.along[r] = dot(j->dy + at + r * h.pitch, j->y + at + r * h.pitch, (size_t)h.width);
        for (size_t t = 0; t < ts_div_up(h.tokens, TS_KEYS); t++)
            back_tile(j, &h, &m, j->stats + 2 * i * h.tokens, at, t);
    }
}

size_t ts_attention_scratch_back(const ts_attention *s, int threads) { return (size_t)threads * worker_floats(s); }

void ts_attention_backward(const ts_attention *shape, float *dq, float *dk, float *dv, const float *dy, const float *y,
                           const float *stats, const float *q, const float *k, const float *v, float *scratch,
                           ts_pool *pool) {
    back_job j = {
        *shape, dq, dk, dv, dy, y, stats, q, k, v, scratch, worker_floats(shape), ts_attention_tile_floats(shape)};
    ts_parallel(pool, (size_t)shape->batch * (size_t)shape->heads, 1, back_task, &j);
}
