/* test_depthwise.c - depthwise convolution and its gradients against double precision. */
#include "kernels/depthwise.h"
#include "support.h"

static const ts_depthwise CASES[] = {{1, 1, 1, 1, 3},  {2, 5, 8, 3, 3},   {1, 9, 30, 20, 5}, {1, 4, 7, 33, 7},
                                     {3, 2, 9, 16, 1}, {1, 12, 17, 5, 9}, {2, 3, 2, 18, 15}, {1, 16, 24, 96, 5}};

typedef struct answer {
    double *y, *dx, *dw, *db;
} answer;

static answer answer_of(const ts_depthwise *d, const float *x, const float *w, const float *bias, const float *dy) {
    const int c = d->channels, k = d->kernel, half = k / 2;
    const size_t n = (size_t)(d->batch * d->height * d->width * c);
    const answer a = {make_double(n), make_double(n), make_double((size_t)(k * k * c)), make_double((size_t)c)};
    for (int at = 0; at < (int)n; at++) {
        const int i = at % c, column = at / c % d->width, row = at / c / d->width % d->height;
        a.y[at] = (double)bias[i];
        a.db[i] += (double)dy[at];
        for (int tap = 0; tap < k * k; tap++) {
            const int ty = tap / k - half, tx = tap % k - half;
            if (row + ty < 0 || row + ty >= d->height || column + tx < 0 || column + tx >= d->width) continue;
            const int from = at + (ty * d->width + tx) * c;
            a.y[at] += (double)x[from] * (double)w[tap * c + i];
            a.dx[from] += (double)dy[at] * (double)w[tap * c + i];
            a.dw[tap * c + i] += (double)dy[at] * (double)x[from];
        }
    }
    return a;
}

static void test_depthwise(void) {
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const ts_depthwise *d = &CASES[i];
        const size_t c = (size_t)d->channels, taps = (size_t)(d->kernel * d->kernel) * c;
        const size_t n = (size_t)(d->batch * d->height * d->width) * c;
        test_row("case %d", (int)i);
        float *x = make_random(n, 1), *w = make_random(taps, 1), *bias = make_random(c, 1), *dy = make_random(n, 1);
        float *y = make_skewed(n, 1), *dx = make_skewed(n, 2), *dw = make_zero(taps), *db = make_zero(c);
        float *scratch = make(ts_depthwise_scratch(d, 3));
        const answer want = answer_of(d, x, w, bias, dy);
        ts_pool *pool = ts_pool_new(3);
        ts_depthwise_forward(d, y, x, w, bias, false, scratch, pool);
        ts_depthwise_forward(d, dx, dy, w, NULL, true, scratch, pool);
        ts_depthwise_backward_weight(d, dw, db, x, dy, pool);
        ts_pool_free(pool);
        const double each = (double)(d->kernel * d->kernel) * 2 * EPS, all = (double)n / (double)c * 2 * EPS;
        CHECK_CLOSE(y, want.y, n, 0, each + 2 * EPS);
        CHECK_CLOSE(dx, want.dx, n, 0, each);
        CHECK_CLOSE(dw, want.dw, taps, 0, all);
        CHECK_CLOSE(db, want.db, c, 0, all);
        float *alone = make(n), *dw_alone = make_zero(taps);
        ts_depthwise_forward(d, alone, x, w, bias, false, scratch, NULL);
        CHECK_BYTES(alone, y, n * sizeof *y);
        ts_depthwise_backward_weight(d, dw_alone, NULL, x, dy, NULL);
        CHECK_BYTES(dw_alone, dw, taps * sizeof *dw);
        ts_depthwise_backward_weight(d, dw_alone, NULL, x, dy, NULL); /* added to */
        for (size_t k = 0; k < taps; k++) CHECK_NEAR(dw_alone[k], 2 * dw[k], all);
        double *lists[] = {want.y, want.dx, want.dw, want.db};
        for (int k = 0; k < 4; k++) ts_free(lists[k]);
        release();
    }
}

/* A place's bits do not depend on its block: a crop of a picture gives the same values where its taps see the same. */
static void test_crop(void) {
    const ts_depthwise whole = {1, 9, 29, 6, 5}, crop = {1, 9, 13, 6, 5};
    float *x = make_random(9 * 29 * 6, 1), *w = make_random(25 * 6, 1), *y = make(9 * 29 * 6), *part = make(9 * 13 * 6),
          *of_part = make(9 * 13 * 6), *scratch = make(ts_depthwise_scratch(&whole, 1));
    for (size_t row = 0; row < 9; row++) memcpy(part + row * 13 * 6, x + (row * 29 + 7) * 6, 13 * 6 * sizeof *x);
    ts_depthwise_forward(&whole, y, x, w, NULL, false, scratch, NULL);
    ts_depthwise_forward(&crop, of_part, part, w, NULL, false, scratch, NULL);
    for (size_t row = 0; row < 9; row++)
        CHECK_BYTES(of_part + (row * 13 + 2) * 6, y + (row * 29 + 9) * 6, 9 * 6 * sizeof *y);
    release();
}

/* Scalar, simd128, SSE4.1 and AVX2 without FMA agree to the bit. */
static void test_golden(void) {
    const ts_depthwise d = {2, 7, 13, 21, 5};
    enum { N = 2 * 7 * 13 * 21, TAPS = 25 * 21 };
    test_rng = ts_rng_new(4, 4);
    float *x = make_random(N, 1), *w = make_random(TAPS, 1), *y = make(N), *dw = make_zero(TAPS),
          *scratch = make(ts_depthwise_scratch(&d, 1));
    ts_depthwise_forward(&d, y, x, w, NULL, true, scratch, NULL);
    ts_depthwise_backward_weight(&d, dw, NULL, x, y, NULL);
    CHECK_GOLDEN(y, N, 0xf4945123347705d9);
    CHECK_GOLDEN(dw, TAPS, 0xa3bca66e72d5b5cd);
    CHECK(y[N - 1] != 0);
    release();
}

int main(void) {
    RUN(test_depthwise);
    RUN(test_crop);
    RUN(test_golden);
    return test_end();
}
