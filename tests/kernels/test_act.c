/* test_act.c - activations and elementwise arithmetic against double precision. */
#include "kernels/act.h"
#include "kernels/pointwise.h"
#include "support.h"

static double act_double(ts_act act, double x, double slope) {
    switch (act) {
    case TS_ACT_NONE: return x;
    case TS_ACT_RELU: return x > 0 ? x : 0;
    case TS_ACT_LEAKY_RELU: return x > 0 ? x : slope * x;
    case TS_ACT_SILU: return x / (1 + exp(-x));
    case TS_ACT_GELU: return x / 2 * (1 + tanh(sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
    case TS_ACT_TANH: return tanh(x);
    }
    return NAN;
}

static const ts_act ACTS[] = {TS_ACT_NONE, TS_ACT_RELU, TS_ACT_LEAKY_RELU, TS_ACT_SILU, TS_ACT_GELU, TS_ACT_TANH};

/* Every length up to two vectors and more, in place and not, values and slopes (by central differences in double). */
static void test_activations(void) {
    for (int k = 0; k < 6; k++)
        for (size_t n = 1; n < 70; n += n < 36 ? 1 : 33) {
            test_row("act %d n %d", ACTS[k], (int)n);
            const double slope = (double)0.2f;
            float *x = make_random(n, 6), *dy = make_random(n, 1), *y = make_skewed(n, 1), *dx = make_skewed(n, 2);
            double *want = make_double(n), *want_dx = make_double(n);
            for (size_t i = 0; i < n; i++) {
                const double v = x[i], h = 1e-5;
                want[i] = act_double(ACTS[k], v, slope);
                want_dx[i] = (double)dy[i] * (act_double(ACTS[k], v + h, slope) - act_double(ACTS[k], v - h, slope)) /
                             (2 * h);
            }
            ts_act_forward(y, x, n, ACTS[k], 0.2f, NULL);
            ts_act_backward(dx, dy, x, n, ACTS[k], 0.2f, NULL);
            CHECK_CLOSE(y, want, n, 1e-6, 2e-6);
            CHECK_CLOSE(dx, want_dx, n, 1e-5, 1e-5);
            float *same = make_copy(x, n), *same_dx = make_copy(dy, n);
            ts_act_backward(same_dx, same_dx, same, n, ACTS[k], 0.2f, NULL);
            ts_act_forward(same, same, n, ACTS[k], 0.2f, NULL);
            CHECK_BYTES(same, y, n * sizeof *y);
            CHECK_BYTES(same_dx, dx, n * sizeof *dx);
            ts_free(want);
            ts_free(want_dx);
            release();
        }
}

static void test_act_golden(void) {
    static const uint64_t WANT[6][2] = {
        {0x646f358e3307ec9b, 0x920676842ba77ed9}, {0x8010d31f007e1c64, 0x6db20dc76729deaf},
        {0x26a657a3117104f4, 0xf221ba52bccafe2e}, {0xfb7756a5cd39d5cc, 0xb2f03108c8d62876},
        {0xfa6edc657f4988eb, 0x50c8b0ad6bd2dec3}, {0x65ef8dac403476cd, 0x06a1bf568a07db6e}};
    enum { N = 50000 };
    for (int k = 0; k < 6; k++) {
        test_row("act %d", ACTS[k]);
        test_rng = ts_rng_new(11, 1);
        float *x = make_random(N, 12), *dy = make_random(N, 1), *y = make(N), *dx = make(N), *threaded = make(N);
        ts_pool *pool = ts_pool_new(3);
        ts_act_forward(y, x, N, ACTS[k], 0.1f, NULL);
        ts_act_forward(threaded, x, N, ACTS[k], 0.1f, pool);
        ts_act_backward(dx, dy, x, N, ACTS[k], 0.1f, pool);
        CHECK_BYTES(threaded, y, N * sizeof *y);
        CHECK_GOLDEN(y, N, WANT[k][0]);
        CHECK_GOLDEN(dx, N, WANT[k][1]);
        ts_pool_free(pool);
        release();
    }
}

static void test_pointwise(void) {
    for (size_t n = 1; n < 40; n += 3) {
        test_row("n %d", (int)n);
        float *a = make_random(n, 2), *b = make_random(n, 2), *y = make_skewed(n, 1);
        double *want = make_double(n);
        ts_vadd(y, a, b, n, NULL);
        for (size_t i = 0; i < n; i++) want[i] = (double)a[i] + (double)b[i];
        CHECK_CLOSE(y, want, n, 2 * EPS, 0);
        ts_vmul(y, a, b, n, NULL);
        for (size_t i = 0; i < n; i++) want[i] = (double)a[i] * (double)b[i];
        CHECK_CLOSE(y, want, n, 2 * EPS, 0);
        for (size_t i = 0; i < n; i++) want[i] = (double)y[i] + (double)a[i] * (double)b[i];
        ts_vmul_add(y, a, b, n, NULL);
        CHECK_CLOSE(y, want, n, 1e-6, 1e-6);
        for (size_t i = 0; i < n; i++) want[i] = (double)y[i] + 0.75 * (double)b[i];
        ts_vaxpy(y, b, 0.75f, n, NULL);
        CHECK_CLOSE(y, want, n, 1e-6, 1e-6);
        ts_vscale(y, a, -3, n, NULL);
        for (size_t i = 0; i < n; i++) want[i] = -3 * (double)a[i];
        CHECK_CLOSE(y, want, n, 2 * EPS, 0);
        ts_vfill(y, 2.5f, n, NULL);
        for (size_t i = 0; i < n; i++) want[i] = 2.5;
        CHECK_CLOSE(y, want, n, 0, 0);
        ts_free(want);
        release();
    }
}

static void test_rows(void) {
    enum { ROWS = 7, C = 19 };
    float *x = make_random(ROWS * C, 1), *scale = make_random(C, 1), *shift = make_random(C, 1), *y = make(ROWS * C);
    double want[ROWS * C];
    ts_channel_affine(y, x, scale, shift, ROWS, C, NULL);
    for (int i = 0; i < ROWS * C; i++) want[i] = (double)x[i] * (double)scale[i % C] + (double)shift[i % C];
    CHECK_CLOSE(y, want, ROWS * C, 1e-6, 1e-6);
    ts_channel_affine(y, x, scale, NULL, ROWS, C, NULL);
    for (int i = 0; i < ROWS * C; i++) want[i] = (double)x[i] * (double)scale[i % C];
    CHECK_CLOSE(y, want, ROWS * C, 2 * EPS, 0);
    float *wide = make_zero(ROWS * 30);
    ts_copy_columns(wide, 30, 4, x, C, 2, ROWS, 11, NULL);
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < 30; i++) CHECK(wide[r * 30 + i] == (i >= 4 && i < 15 ? x[r * C + i - 2] : 0));
    release();
}

int main(void) {
    RUN(test_activations);
    RUN(test_act_golden);
    RUN(test_pointwise);
    RUN(test_rows);
    return test_end();
}
