/* test_layer_norm.c - layer normalisation and its gradient against double precision. */
#include "kernels/layer_norm.h"
#include "support.h"

static const struct {
    int rows, channels;
    float offset; /* a large common offset tests the variance */
} CASES[] = {{1, 2, 0}, {3, 7, 0}, {80, 256, 0}, {5, 37, 1000}, {300, 65, -5}, {129, 130, 0}};

static void test_layer_norm(void) {
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const size_t rows = (size_t)CASES[i].rows, c = (size_t)CASES[i].channels, n = rows * c;
        const double off = fabs((double)CASES[i].offset), loose = off * 4e-7, eps = (double)1e-5f;
        test_row("%d rows of %d", (int)rows, (int)c);
        float *x = make_random(n, 1), *gamma = make_random(c, 1), *beta = make_random(c, 1), *dy = make_random(n, 1);
        for (size_t k = 0; k < n; k++) x[k] += CASES[i].offset;
        float *y = make_skewed(n, 1), *stats = make(2 * rows), *dx = make_skewed(n, 3), *dgamma = make_zero(c),
              *dbeta = make_zero(c);
        double *want = make_double(n), *want_dx = make_double(n), *want_g = make_double(c), *want_b = make_double(c);
        for (size_t r = 0; r < rows; r++) {
            const float *row = x + r * c, *slope = dy + r * c;
            double mean = 0, square = 0, m1 = 0, m2 = 0;
            for (size_t k = 0; k < c; k++) mean += (double)row[k] / (double)c;
            for (size_t k = 0; k < c; k++) square += ((double)row[k] - mean) * ((double)row[k] - mean) / (double)c;
            const double rstd = 1 / sqrt(square + eps);
            for (size_t k = 0; k < c; k++) {
                const double unit = ((double)row[k] - mean) * rstd, g = (double)slope[k] * (double)gamma[k];
                want[r * c + k] = unit * (double)gamma[k] + (double)beta[k];
                want_g[k] += unit * (double)slope[k];
                want_b[k] += (double)slope[k];
                m1 += g / (double)c;
                m2 += g * unit / (double)c;
            }
            for (size_t k = 0; k < c; k++) {
                const double unit = ((double)row[k] - mean) * rstd, g = (double)slope[k] * (double)gamma[k];
                want_dx[r * c + k] = rstd * (g - m1 - unit * m2);
            }
        }
        ts_pool *pool = ts_pool_new(3);
        ts_layer_norm_forward(y, stats, x, gamma, beta, rows, (int)c, 1e-5f, pool);
        ts_layer_norm_backward(dx, dgamma, dbeta, dy, x, stats, gamma, rows, (int)c, pool);
        const double stretch = c == 2 ? 30 : 1; /* rstd may be large */
        CHECK_CLOSE(y, want, n, 1e-5, 1e-5 * stretch + loose);
        CHECK_CLOSE(dx, want_dx, n, 1e-4, 2e-5 * stretch + 10 * loose);
        CHECK_CLOSE(dgamma, want_g, c, 1e-5, 1e-5 * (double)rows * stretch + loose * (double)rows);
        CHECK_CLOSE(dbeta, want_b, c, 1e-5, 1e-5);
        float *alone = make_copy(x, n), *dx_alone = make(n), *dgamma_alone = make_zero(c), *dbeta_alone = make_zero(c);
        ts_layer_norm_backward(dx_alone, dgamma_alone, NULL, dy, x, stats, gamma, rows, (int)c, NULL);
        ts_layer_norm_backward(NULL, NULL, dbeta_alone, dy, x, stats, gamma, rows, (int)c, NULL);
        ts_layer_norm_forward(alone, stats, alone, gamma, beta, rows, (int)c, 1e-5f, NULL); /* in place */
        CHECK_BYTES(alone, y, n * sizeof *y);
        CHECK_BYTES(dx_alone, dx, n * sizeof *dx);
        CHECK_BYTES(dgamma_alone, dgamma, c * sizeof *dgamma);
        CHECK_BYTES(dbeta_alone, dbeta, c * sizeof *dbeta);
        ts_pool_free(pool);
        double *all[] = {want, want_dx, want_g, want_b};
        for (int k = 0; k < 4; k++) ts_free(all[k]);
        release();
    }
}

/* A constant row is its beta; parameters' gradients are added to. */
static void test_constant(void) {
    enum { C = 19 };
    float *x = make(C), *gamma = make_random(C, 1), *beta = make_random(C, 1), *y = make(C), *stats = make(2);
    float *dgamma = make(C), *dbeta = make(C);
    for (int i = 0; i < C; i++) x[i] = 7, dgamma[i] = 1, dbeta[i] = 2;
    ts_layer_norm_forward(y, stats, x, gamma, beta, 1, C, 1e-5f, NULL);
    CHECK_BYTES(y, beta, C * sizeof *y);
    ts_layer_norm_backward(NULL, dgamma, dbeta, x, x, stats, gamma, 1, C, NULL);
    for (int i = 0; i < C; i++) {
        CHECK_NEAR(dgamma[i], 1, 0);
        CHECK_NEAR(dbeta[i], 9, 0);
    }
    release();
}

/* Scalar, simd128, SSE4.1 and AVX2 without FMA agree to the bit. */
static void test_golden(void) {
    enum { ROWS = 70, C = 83 };
    test_rng = ts_rng_new(3, 3);
    float *x = make_random(ROWS * C, 1), *gamma = make_random(C, 1), *beta = make_random(C, 1),
          *dy = make_random(ROWS * C, 1);
    float *y = make(ROWS * C), *stats = make(2 * ROWS), *dx = make(ROWS * C), *dgamma = make_zero(C),
          *dbeta = make_zero(C);
    ts_layer_norm_forward(y, stats, x, gamma, beta, ROWS, C, 1e-5f, NULL);
    ts_layer_norm_backward(dx, dgamma, dbeta, dy, x, stats, gamma, ROWS, C, NULL);
    CHECK_GOLDEN(y, ROWS * C, 0x1b2e398a24aa5d3b);
    CHECK_GOLDEN(dx, ROWS * C, 0xc0cf4704752ff6f8);
    CHECK_GOLDEN(dgamma, C, 0xc3673e659391149d);
    CHECK(dbeta[C - 1] != 0);
    release();
}

int main(void) {
    RUN(test_layer_norm);
    RUN(test_constant);
    RUN(test_golden);
    return test_end();
}
