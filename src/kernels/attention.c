/* attention.c - softmax attention, forward, by tiles of QUERIES x KEYS.
 *
 * Keys and values are packed once per image, a head and a tile at a time. A task takes a head's block of queries; tile after
 * tile it makes scores, raises each row's maximum, and scales what it has by exp(old maximum - new).
 */
#include "kernels/attention.h"

#include "kernels/attention_tile.h"
#include "kernels/flat.h"
#include "simd/vmath.h"

static const float LEAST = -3.0e38f;

/* What is kept of a row of scores: its maximum and the sum of exp(score - maximum). */
typedef struct row_state {
    float most, sum;
} row_state;

typedef struct forward_job {
    ts_attention_head head; /* of the picture's first */
    float *y, *stats;
    float *keys, *values; /* packed tiles of all heads: [width][KEYS] of k, [KEYS][width] of v */
    size_t tiles, each;   /* of a head; floats of a packed tile */
    float *scratch;
    size_t scratch_each;
} forward_job;

static void pack_task(void *context, size_t begin, size_t end, int worker) {
    const forward_job *j = context;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        const ts_attention_head h = ts_attention_head_at(&j->head, i / j->tiles);
        const size_t tile = i % j->tiles, at = tile * TS_KEYS * h.pitch;
        const int n = (int)ts_attention_keys(&h, tile);
        ts_gemm_pack(j->keys + i * j->each, h.k + at, h.width, n, 1, h.pitch);
        ts_gemm_pack(j->values + i * j->each, h.v + at, n, h.width, h.pitch, 1);
    }
}

static float row_most(const float *scores, size_t n, float most) {
    vf all = vf_set1(most);
    float lanes[TS_VF];
    for (size_t i = 0; i < n; i += TS_VF) all = vf_max(all, vf_load(scores + i));
    vf_store(lanes, all);
    for (int i = 0; i < TS_VF; i++) most = lanes[i] > most ? lanes[i] : most;
    return most;
}

static float exp_of(float x) {
    float lanes[TS_VF];
    vf_store(lanes, vf_exp(vf_set1(x)));
    return lanes[0];
}

/* scores <- exp(scores - maximum so far) for n scores, a multiple of TS_STRIPES; their sum joins the state. Returns what
 * earlier sums are scaled by. */
static float row_exp(float *scores, size_t n, row_state *state) {
    const float most = row_most(scores, n, state->most), fade = exp_of(state->most - most);
    const vf top = vf_set1(most);
    ts_stripes sum = ts_stripes_zero();
    for (size_t i = 0; i < n; i += TS_STRIPES)
        for (size_t s = 0; s < TS_STRIPES / TS_VF; s++) {
            const vf p = vf_exp(vf_sub(vf_load(scores + i + s * TS_VF), top));
            vf_store(scores + i + s * TS_VF, p);
            sum.part[s] = vf_add(sum.part[s], p);
        }
    *state = (row_state){most, state->sum * fade + (float)ts_stripes_sum(&sum)};
    return fade;
}

/* acc <- acc * fade + x */
static void fade_add(float *acc, float fade, const float *x, size_t count) {
    const vf f = vf_set1(fade);
    TS_FLAT_LOOP(0, count)
    vf_store_upto(acc + i, vf_madd(vf_load_upto(acc + i, n), f, vf_load_upto(x + i, n)), n);
}

static void forward_block(const forward_job *j, size_t head, size_t first, float *scores) {
    const ts_attention_head h = ts_attention_head_at(&j->head, head);
    const size_t rows = ts_min_size(h.tokens - first, TS_QUERIES), c = (size_t)h.width;
    float *acc = scores + TS_QUERIES * TS_KEYS, *part = acc + TS_QUERIES * c;
    row_state states[TS_QUERIES];
    for (size_t r = 0; r < rows; r++) states[r] = (row_state){LEAST, 0};
    for (size_t t = 0; t < j->tiles; t++) {
        const size_t n = ts_attention_keys(&h, t), wide = ts_div_up(n, TS_STRIPES) * TS_STRIPES;
        const size_t at = (head * j->tiles + t) * j->each;
        float fade[TS_QUERIES];
        ts_attention_scores(&h, scores, first, rows, t, j->keys + at);
        for (size_t r = 0; r < rows; r++) {
            float *row = scores + r * TS_KEYS;
            for (size_t i = n; i < wide; i++) row[i] = LEAST;
            fade[r] = row_exp(row, wide, &states[r]);
        }
        ts_gemm(t ? part : acc, c, scores, TS_KEYS, j->values + at, NULL, rows, (int)n, h.width, NULL);
        for (size_t r = 0; r < rows && t; r++) fade_add(acc + r * c, fade[r], part + r * c, c);
    }
    for (size_t r = 0; r < rows; r++) {
        float *y = j->y + head * c + (first + r) * h.pitch;
        const vf sum = vf_set1(states[r].sum);
        TS_FLAT_LOOP(0, c) vf_store_upto(y + i, vf_div(vf_load_upto(acc + r * c + i, n), sum), n);
        if (!j->stats) continue;
        float *stats = j->stats + 2 * (head * h.tokens + first + r);
        stats[0] = states[r].most, stats[1] = 1 / states[r].sum;
    }
}

static void forward_task(void *context, size_t begin, size_t end, int worker) {
    const forward_job *j = context;
    const size_t blocks = ts_div_up(j->head.tokens, TS_QUERIES);
    for (size_t i = begin; i < end; i++)
        forward_block(j, i / blocks, i % blocks * TS_QUERIES, j->scratch + (size_t)worker * j->scratch_each);
}

static size_t worker_floats(const ts_attention *s) {
    return TS_QUERIES * (TS_KEYS + 2 * (size_t)(s->channels / s->heads)); /* a multiple of 16 */
}

size_t ts_attention_stats(const ts_attention *s) { return 2 * (size_t)s->batch * (size_t)s->heads * s->tokens; }

size_t ts_attention_scratch(const ts_attention *s, int threads) {
    const size_t tiles = (size_t)s->heads * ts_div_up(s->tokens, TS_KEYS);
    return 2 * tiles * ts_attention_tile_floats(s) + (size_t)threads * worker_floats(s);
}

void ts_attention_forward(const ts_attention *shape, float *y, float *stats, const float *q, const float *k,
                          const float *v, float *scratch, ts_pool *pool) {
    const size_t heads = (size_t)shape->heads, image = shape->tokens * (size_t)shape->channels;
    forward_job j = {.tiles = ts_div_up(shape->tokens, TS_KEYS)};
    j.each = ts_attention_tile_floats(shape);
    j.keys = scratch;
    j.values = j.keys + heads * j.tiles * j.each;
    j.scratch = j.values + heads * j.tiles * j.each;
    j.scratch_each = worker_floats(shape);
    for (size_t n = 0; n < (size_t)shape->batch; n++) {
        j.head = ts_attention_head_of(shape, q + n * image, k + n * image, v + n * image);
        j.y = y + n * image;
        j.stats = stats ? stats + 2 * n * heads * shape->tokens : NULL;
        ts_parallel(pool, heads * j.tiles, 1, pack_task, &j);
        ts_parallel(pool, heads * ts_div_up(shape->tokens, TS_QUERIES), 1, forward_task, &j);
    }
}
