/* attention.c - softmax attention by tiles of QUERIES x KEYS.
 *
 * Keys and values are packed once per image, a tile at a time. A task takes a block of queries; tile after tile it makes
 * scores, raises each row's maximum, and scales what it has by exp(old maximum - new).
 */
#include "kernels/attention.h"

#include "base/size.h"
#include "kernels/flat.h"
#include "kernels/gemm.h"
#include "simd/vmath.h"

enum { QUERIES = 48, KEYS = 128 }; /* multiples of every TS_MR; of every TS_NR and of TS_STRIPES */
static const float LEAST = -3.0e38f;

/* What is kept of a row of scores: its maximum, the sum of exp(score - maximum) and, going back, of that times dP. */
typedef struct row_state {
    float most, sum, slope;
} row_state;

typedef struct attention {
    float *y, *dq, *dk, *dv;
    const float *q, *k, *v, *dy;
    size_t tokens, each; /* each: floats of a packed tile */
    int channels;
    float scale;
    float *keys,
        *values; /* packed tiles: [channels][KEYS] of k, and of v: [KEYS][channels], going back [channels][KEYS] */
    float *rows; /* going back: packed tiles [KEYS][channels] of k */
    row_state *states; /* going back: [tokens] */
    float *scratch;
    size_t scratch_each;
} attention;

static size_t tiles_of(size_t tokens) { return ts_div_up(tokens, KEYS); }
static size_t tile_floats(int channels) {
    return ts_max_size(ts_gemm_packed(channels, KEYS), ts_gemm_packed(KEYS, channels));
}
static size_t block_floats(int channels) { return (size_t)QUERIES * ((size_t)channels + 15) / 16 * 16; }
static size_t tile_keys(const attention *a, size_t tile) { return ts_min_size(a->tokens - tile * KEYS, KEYS); }

static void pack_task(void *context, size_t begin, size_t end, int worker) {
    const attention *a = context;
    const size_t c = (size_t)a->channels;
    (void)worker;
    for (size_t t = begin; t < end; t++) {
        const int n = (int)tile_keys(a, t);
        const float *k = a->k + t * KEYS * c, *v = a->v + t * KEYS * c;
        ts_gemm_pack(a->keys + t * a->each, k, a->channels, n, 1, c);
        if (a->rows) {
            ts_gemm_pack(a->rows + t * a->each, k, n, a->channels, c, 1);
            ts_gemm_pack(a->values + t * a->each, v, a->channels, n, 1, c);
        } else {
            ts_gemm_pack(a->values + t * a->each, v, n, a->channels, c, 1);
        }
    }
}

/* Scores of `rows` queries from `first` on with the keys of a tile: [rows][KEYS], LEAST beyond the last key. */
static void make_scores(const attention *a, float *scores, size_t first, size_t rows, size_t tile) {
    const size_t n = tile_keys(a, tile), c = (size_t)a->channels;
    const vf scale = vf_set1(a->scale);
    ts_gemm(scores, KEYS, a->q + first * c, c, a->keys + tile * a->each, NULL, rows, a->channels, (int)n, NULL);
    for (size_t r = 0; r < rows; r++, scores += KEYS) {
        for (size_t i = n; i < KEYS; i++) scores[i] = LEAST;
        for (size_t i = 0; i < KEYS; i += TS_VF) vf_store(scores + i, vf_mul(vf_load(scores + i), scale));
        for (size_t i = n; i < KEYS; i++) scores[i] = LEAST;
    }
}

static float row_most(const float *scores, float most) {
    vf all = vf_set1(most);
    float lanes[TS_VF];
    for (size_t i = 0; i < KEYS; i += TS_VF) all = vf_max(all, vf_load(scores + i));
    vf_store(lanes, all);
    for (int i = 0; i < TS_VF; i++) most = lanes[i] > most ? lanes[i] : most;
    return most;
}

static float exp_of(float x) {
    float lanes[TS_VF];
    vf_store(lanes, vf_exp(vf_set1(x)));
    return lanes[0];
}

/* scores <- exp(scores - maximum so far), their sum (and that of their products with dp) joins the state. Returns what
 * earlier sums are scaled by. */
static float row_exp(float *scores, const float *dp, row_state *state) {
    const float most = row_most(scores, state->most), fade = exp_of(state->most - most);
    const vf top = vf_set1(most);
    ts_stripes sum = ts_stripes_zero(), slope = sum;
    for (int i = 0; i < KEYS; i += TS_STRIPES)
        for (int s = 0; s < TS_STRIPES / TS_VF; s++) {
            const int at = i + s * TS_VF;
            const vf p = vf_exp(vf_sub(vf_load(scores + at), top));
            vf_store(scores + at, p);
            sum.part[s] = vf_add(sum.part[s], p);
            if (dp) slope.part[s] = vf_madd(p, vf_load(dp + at), slope.part[s]);
        }
    *state = (row_state){most, state->sum * fade + (float)ts_stripes_sum(&sum), state->slope * fade};
    if (dp) state->slope += (float)ts_stripes_sum(&slope);
    return fade;
}

/* acc <- acc * fade + x */
static void fade_add(float *acc, float fade, const float *x, size_t count) {
    const vf f = vf_set1(fade);
    TS_FLAT_LOOP(0, count)
    vf_store_upto(acc + i, vf_madd(vf_load_upto(acc + i, n), f, vf_load_upto(x + i, n)), n);
}

static void forward_task(void *context, size_t begin, size_t end, int worker) {
    const attention *a = context;
    const size_t c = (size_t)a->channels;
    float *scores = a->scratch + (size_t)worker * a->scratch_each, *acc = scores + QUERIES * KEYS;
    float *part = acc + block_floats(a->channels);
    for (size_t block = begin; block < end; block++) {
        const size_t first = block * QUERIES, rows = ts_min_size(a->tokens - first, QUERIES);
        row_state states[QUERIES];
        for (size_t r = 0; r < rows; r++) states[r] = (row_state){LEAST, 0, 0};
        memset(acc, 0, rows * c * sizeof(float));
        for (size_t t = 0; t < tiles_of(a->tokens); t++) {
            float fade[QUERIES];
            make_scores(a, scores, first, rows, t);
            for (size_t r = 0; r < rows; r++) fade[r] = row_exp(scores + r * KEYS, NULL, &states[r]);
            ts_gemm(part, c, scores, KEYS, a->values + t * a->each, NULL, rows, (int)tile_keys(a, t), a->channels,
                    NULL);
            for (size_t r = 0; r < rows; r++) fade_add(acc + r * c, fade[r], part + r * c, c);
        }
        for (size_t r = 0; r < rows; r++) TS_FLAT_LOOP(0, c)
        vf_store_upto(a->y + (first + r) * c + i, vf_div(vf_load_upto(acc + r * c + i, n), vf_set1(states[r].sum)), n);
    }
}

size_t ts_attention_scratch(size_t tokens, int channels, int threads) {
    return 2 * tiles_of(tokens) * tile_floats(channels) +
           (size_t)threads * (QUERIES * KEYS + 2 * block_floats(channels));
}

void ts_attention_forward(float *y, const float *q, const float *k, const float *v, int batch, size_t tokens,
                          int channels, float scale, float *scratch, ts_pool *pool) {
    const size_t tiles = tiles_of(tokens), image = tokens * (size_t)channels;
    attention a = {.y = y, .q = q, .k = k, .v = v, .tokens = tokens, .channels = channels, .scale = scale};
    a.each = tile_floats(channels);
    a.keys = scratch;
    a.values = a.keys + tiles * a.each;
    a.scratch = a.values + tiles * a.each;
    a.scratch_each = QUERIES * KEYS + 2 * block_floats(channels);
    for (int n = 0; n < batch; n++, a.y += image, a.q += image, a.k += image, a.v += image) {
        ts_parallel(pool, tiles, 1, pack_task, &a);
        ts_parallel(pool, ts_div_up(tokens, QUERIES), 1, forward_task, &a);
    }
}

/* ---- backward ------------------------------------------------------------------------------------------------ */
/* With P = softmax(S), S = scale q k^T: dv = P^T dy, dP = dy v^T, dS = scale P (dP - rowsum(P dP)), dq = dS k, dk = dS^T q. */

/* Scores and dp [rows][KEYS] = dy v^T (zeros beyond the last key) of a tile; `finished`, from finished states: scores <- P,
 * dp <- dS. */
static void back_tile(const attention *a, float *scores, float *dp, size_t first, size_t rows, size_t tile,
                      int finished) {
    const size_t n = tile_keys(a, tile), c = (size_t)a->channels;
    make_scores(a, scores, first, rows, tile);
    ts_gemm(dp, KEYS, a->dy + first * c, c, a->values + tile * a->each, NULL, rows, a->channels, (int)n, NULL);
    for (size_t r = 0; r < rows; r++, scores += KEYS, dp += KEYS) {
        const row_state *state = &a->states[first + r];
        memset(dp + n, 0, (KEYS - n) * sizeof(float));
        if (!finished) continue;
        const vf most = vf_set1(state->most), share = vf_set1(1 / state->sum), scale = vf_set1(a->scale);
        const vf mean = vf_set1(state->slope / state->sum);
        for (size_t i = 0; i < KEYS; i += TS_VF) {
            const vf p = vf_mul(vf_exp(vf_sub(vf_load(scores + i), most)), share);
            vf_store(scores + i, p);
            vf_store(dp + i, vf_mul(vf_mul(p, scale), vf_sub(vf_load(dp + i), mean)));
        }
    }
}

/* A block of queries: their states, then dq. */
static void query_task(void *context, size_t begin, size_t end, int worker) {
    const attention *a = context;
    const size_t c = (size_t)a->channels, tiles = tiles_of(a->tokens);
    float *scores = a->scratch + (size_t)worker * a->scratch_each, *dp = scores + QUERIES * KEYS;
    float *part = dp + QUERIES * KEYS;
    for (size_t block = begin; block < end; block++) {
        const size_t first = block * QUERIES, rows = ts_min_size(a->tokens - first, QUERIES);
        for (size_t r = 0; r < rows; r++) a->states[first + r] = (row_state){LEAST, 0, 0};
        for (size_t t = 0; t < tiles; t++) {
            back_tile(a, scores, dp, first, rows, t, 0);
            for (size_t r = 0; r < rows; r++) row_exp(scores + r * KEYS, dp + r * KEYS, &a->states[first + r]);
        }
        if (!a->dq) continue;
        float *dq = a->dq + first * c;
        memset(dq, 0, rows * c * sizeof(float));
        for (size_t t = 0; t < tiles; t++) {
            back_tile(a, scores, dp, first, rows, t, 1);
            ts_gemm(part, c, dp, KEYS, a->rows + t * a->each, NULL, rows, (int)tile_keys(a, t), a->channels, NULL);
            fade_add(dq, 1, part, rows * c);
        }
    }
}

/* A tile of keys: dk and dv, sums over blocks of queries in order. */
static void key_task(void *context, size_t begin, size_t end, int worker) {
    const attention *a = context;
    const size_t c = (size_t)a->channels;
    float *scores = a->scratch + (size_t)worker * a->scratch_each, *dp = scores + QUERIES * KEYS;
    for (size_t t = begin; t < end; t++) {
        const size_t at = t * KEYS * c, n = tile_keys(a, t);
        if (a->dk) memset(a->dk + at, 0, n * c * sizeof(float));
        if (a->dv) memset(a->dv + at, 0, n * c * sizeof(float));
        for (size_t first = 0; first < a->tokens; first += QUERIES) {
            const size_t rows = ts_min_size(a->tokens - first, QUERIES);
            back_tile(a, scores, dp, first, rows, t, 1);
            if (a->dk) ts_gemm_tn(a->dk + at, c, dp, KEYS, a->q + first * c, c, rows, (int)n, a->channels, NULL);
            if (a->dv) ts_gemm_tn(a->dv + at, c, scores, KEYS, a->dy + first * c, c, rows, (int)n, a->channels, NULL);
        }
    }
}

static size_t back_floats(int channels) { return 2 * (size_t)QUERIES * KEYS + block_floats(channels); }
static size_t state_floats(size_t tokens) { return ts_div_up(tokens * sizeof(row_state) / sizeof(float), 16) * 16; }

size_t ts_attention_scratch_back(size_t tokens, int channels, int threads) {
    return 3 * tiles_of(tokens) * tile_floats(channels) + state_floats(tokens) +
           (size_t)threads * back_floats(channels);
}

void ts_attention_backward(float *dq, float *dk, float *dv, const float *dy, const float *q, const float *k,
                           const float *v, int batch, size_t tokens, int channels, float scale, float *scratch,
                           ts_pool *pool) {
    const size_t tiles = tiles_of(tokens), c = (size_t)channels;
    attention a = {.tokens = tokens, .channels = channels, .scale = scale, .each = tile_floats(channels)};
    a.keys = scratch;
    a.values = a.keys + tiles * a.each;
    a.rows = a.values + tiles * a.each;
    a.states = (row_state *)(a.rows + tiles * a.each);
    a.scratch = (float *)a.states + state_floats(tokens);
    a.scratch_each = back_floats(channels);
    for (size_t n = 0; n < (size_t)batch; n++) {
        const size_t at = n * tokens * c;
        a.q = q + at, a.k = k + at, a.v = v + at, a.dy = dy + at;
        a.dq = dq ? dq + at : NULL, a.dk = dk ? dk + at : NULL, a.dv = dv ? dv + at : NULL;
        ts_parallel(pool, tiles, 1, pack_task, &a);
        ts_parallel(pool, ts_div_up(tokens, QUERIES), 1, query_task, &a);
        if (dk || dv) ts_parallel(pool, tiles, 1, key_task, &a);
    }
}
