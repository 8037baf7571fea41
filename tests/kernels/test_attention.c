/* test_attention.c - attention and its gradients against double precision over the whole matrix of scores. */
#include "kernels/attention.h"
#include "support.h"

typedef struct attention_case {
    int batch, tokens, channels;
    float size, scale; /* of q and k; of the scores */
    int heads;
} attention_case;

static const attention_case CASES[] = {
    {1, 1, 5, 1, 1, 1},       {2, 7, 3, 1, 0.5f, 1},    {1, 256, 32, 1, 0.2f, 1},  {2, 129, 20, 1, 1, 1},
    {1, 300, 70, 1, 0.1f, 1}, {1, 1500, 4, 1, 0.5f, 1}, {1, 60, 8, 60, 1, 1}, /* up to 1e4 */
    {1, 200, 6, 0, 1, 1},     {1, 48, 16, 1, -1, 1},    {1, 130, 9, 1e-20f, 1, 1}, {2, 80, 64, 1, 0.25f, 4},
    {3, 65, 21, 1, 1, 3},     {1, 150, 7, 1, 1, 7},
};

typedef struct answer {
    double *y, *dq, *dk, *dv;
} answer;

/* One query of one head; pointers at its first channel. */
static void row_answer(const attention_case *k, const float *q, const float *key, const float *v, const float *dy,
                       double *p, answer out) {
    const int c = k->channels, width = c / k->heads;
    double most = -INFINITY, sum = 0, mean = 0;
    for (int j = 0; j < k->tokens; j++) {
        p[j] = 0;
        for (int i = 0; i < width; i++) p[j] += (double)q[i] * (double)key[j * c + i];
        p[j] *= (double)k->scale;
        most = fmax(most, p[j]);
    }
    for (int j = 0; j < k->tokens; j++) sum += p[j] = exp(p[j] - most);
    for (int j = 0; j < k->tokens; j++) {
        double dp = 0;
        p[j] /= sum;
        for (int i = 0; i < width; i++) {
            out.y[i] += p[j] * (double)v[j * c + i];
            out.dv[j * c + i] += p[j] * (double)dy[i];
            dp += (double)v[j * c + i] * (double)dy[i];
        }
        mean += p[j] * dp;
    }
    for (int j = 0; j < k->tokens; j++) {
        double dp = 0;
        for (int i = 0; i < width; i++) dp += (double)v[j * c + i] * (double)dy[i];
        const double ds = p[j] * (dp - mean) * (double)k->scale;
        for (int i = 0; i < width; i++) {
            out.dq[i] += ds * (double)key[j * c + i];
            out.dk[j * c + i] += ds * (double)q[i];
        }
    }
}

static answer answer_of(const attention_case *k, const float *q, const float *key, const float *v, const float *dy) {
    const int image = k->tokens * k->channels;
    const size_t n = (size_t)(k->batch * image);
    answer a = {make_double(n), make_double(n), make_double(n), make_double(n)};
    double *p = make_double((size_t)k->tokens);
    for (int b = 0; b < k->batch; b++)
        for (int i = 0; i < k->tokens * k->heads; i++) {
            const int from = b * image + i % k->heads * (k->channels / k->heads),
                      at = from + i / k->heads * k->channels;
            row_answer(k, q + at, key + from, v + from, dy + at, p,
                       (answer){a.y + at, a.dq + at, a.dk + from, a.dv + from});
        }
    ts_free(p);
    return a;
}

typedef struct results {
    float *y, *dq, *dk, *dv;
} results;

static results run(const attention_case *k, const float *q, const float *key, const float *v, const float *dy,
                   int threads) {
    const size_t n = (size_t)(k->batch * k->tokens * k->channels);
    const ts_attention shape = {k->batch, (size_t)k->tokens, k->channels, k->heads, k->scale};
    const results r = {make_skewed(n, 1), make_skewed(n, 2), make_skewed(n, 3), make_skewed(n, 1)};
    ts_pool *pool = threads > 1 ? ts_pool_new(threads) : NULL;
    float *scratch = make(ts_attention_scratch(&shape, threads)), *stats = make(ts_attention_stats(&shape));
    float *back = make(ts_attention_scratch_back(&shape, threads));
    ts_attention_forward(&shape, r.y, stats, q, key, v, scratch, pool);
    ts_attention_backward(&shape, r.dq, r.dk, r.dv, dy, r.y, stats, q, key, v, back, pool);
    ts_pool_free(pool);
    return r;
}

/* A score of size s is off by s (channels + 1) half ULPs; so is, relatively, its exp. */
static void test_attention(void) {
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const attention_case *k = &CASES[i];
        const size_t n = (size_t)(k->batch * k->tokens * k->channels);
        test_row("case %d", (int)i);
        float *q = make_random(n, k->size), *key = make_random(n, k->size), *v = make_random(n, 1),
              *dy = make_random(n, 1);
        const results one = run(k, q, key, v, dy, 1), many = run(k, q, key, v, dy, 3);
        const answer want = answer_of(k, q, key, v, dy);
        const double score = (double)k->size * (double)k->size * fabs((double)k->scale) * k->channels;
        const double loose = (score * (k->channels + 4) * 2 + 60) * EPS, size = 1 + (double)k->size;
        const double grown = 20 * loose * k->channels * size * fmax(1, fabs((double)k->scale));
        CHECK_CLOSE(one.y, want.y, n, 0, 4 * loose);
        CHECK_CLOSE(one.dv, want.dv, n, 4 * loose, 4 * loose);
        CHECK_CLOSE(one.dq, want.dq, n, 1e-5, grown);
        CHECK_CLOSE(one.dk, want.dk, n, 1e-5, grown);
        CHECK_BYTES(one.y, many.y, n * sizeof(float));
        CHECK_BYTES(one.dq, many.dq, n * sizeof(float));
        CHECK_BYTES(one.dk, many.dk, n * sizeof(float));
        CHECK_BYTES(one.dv, many.dv, n * sizeof(float));
        double *all[] = {want.y, want.dq, want.dk, want.dv};
        for (int a = 0; a < 4; a++) ts_free(all[a]);
        release();
    }
}

/* 64 x 64 places; y over q; gradients that are not wanted. */
static void test_many_tokens(void) {
    enum { TOKENS = 4096, C = 4 };
    const attention_case k = {1, TOKENS, C, 1, 0.5f, 1};
    const ts_attention shape = {1, TOKENS, C, 1, 0.5f};
    float *q = make_random(TOKENS * C, 1), *key = make_random(TOKENS * C, 1), *v = make_random(TOKENS * C, 1);
    float *scratch = make(ts_attention_scratch(&shape, 1));
    double *want = make_double(TOKENS * C), *p = make_double(TOKENS), *spare = make_double(TOKENS * C);
    for (int t = 0; t < TOKENS; t += 97)
        row_answer(&k, q + t * C, key, v, q + t * C, p, (answer){want + t * C, spare, spare, spare});
    ts_attention_forward(&shape, q, NULL, q, key, v, scratch, NULL);
    for (int t = 0; t < TOKENS; t += 97) CHECK_CLOSE(q + t * C, want + t * C, C, 0, 1e-5);
    ts_free(want);
    ts_free(p);
    ts_free(spare);
    release();
}

/* All values equal: the answer is that value, and no gradient flows to scores. Scores of +-1e4 choose one key. */
static void test_extremes(void) {
    enum { TOKENS = 200, C = 8 };
    const ts_attention shape = {1, TOKENS, C, 1, 1};
    float *q = make_random(TOKENS * C, 100), *key = make_random(TOKENS * C, 100), *v = make(TOKENS * C),
          *y = make(TOKENS * C);
    float *scratch = make(ts_attention_scratch(&shape, 1)), *dq = make(TOKENS * C);
    float *back = make(ts_attention_scratch_back(&shape, 1)), *stats = make(ts_attention_stats(&shape));
    for (int i = 0; i < TOKENS * C; i++) v[i] = 3;
    ts_attention_forward(&shape, y, stats, q, key, v, scratch, NULL);
    ts_attention_backward(&shape, dq, NULL, NULL, y, y, stats, q, key, v, back, NULL);
    for (int i = 0; i < TOKENS * C; i++) {
        CHECK_NEAR(y[i], 3, 1e-4);
        CHECK_NEAR(dq[i], 0, 1);
    }
    for (int t = 0; t < TOKENS; t++)
        for (int i = 0; i < C; i++) {
            q[t * C + i] = i == t % C ? 100 : -100;
            key[t * C + i] = t < C ? (i == t ? 100.0f : -100.0f) : 0;
            v[t * C + i] = (float)t;
        }
    ts_attention_forward(&shape, y, NULL, q, key, v, scratch, NULL);
    for (int i = 0; i < TOKENS * C; i++) CHECK_NEAR(y[i], i / C % C, 1e-5);
    release();
}

/* Scalar, simd128, SSE4.1 and AVX2 without FMA agree to the bit. */
static void test_golden(void) {
    const attention_case k = {1, 150, 20, 1, 0.3f, 1};
    const size_t n = 150 * 20;
    test_rng = ts_rng_new(9, 9);
    float *q = make_random(n, 1), *key = make_random(n, 1), *v = make_random(n, 1), *dy = make_random(n, 1);
    const results r = run(&k, q, key, v, dy, 1);
    CHECK_GOLDEN(r.y, n, 0x8c5fce2c30c746b4);
    CHECK_GOLDEN(r.dq, n, 0x16736ba227bacc66);
    CHECK_GOLDEN(r.dk, n, 0xcdb7000c648c4fbf);
    CHECK_GOLDEN(r.dv, n, 0x3d018c0a0d196d7c);
    CHECK(r.y[0] != 0);
    release();
}

int main(void) {
    RUN(test_attention);
    RUN(test_many_tokens);
    RUN(test_extremes);
    RUN(test_golden);
    return test_end();
}
