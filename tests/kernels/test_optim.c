/* test_optim.c - AdamW against its formula in double precision over ten steps, sums of squares, moving averages. */
#include "kernels/optim.h"
#include "support.h"

static void test_adamw(void) {
    for (size_t n = 1; n < 40000; n = n * 9 + 4) {
        test_row("n %d", (int)n);
        ts_adamw o = {
            .lr = 1e-2f, .beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-8f, .weight_decay = 0.05f, .grad_scale = 0.5f};
        float *p = make_random(n, 1), *m = make_zero(n), *v = make_zero(n), *g = make(n), *p2 = make_copy(p, n),
              *m2 = make_zero(n), *v2 = make_zero(n);
        double *wp = make_double(n), *wm = make_double(n), *wv = make_double(n);
        ts_pool *pool = ts_pool_new(3);
        for (size_t i = 0; i < n; i++) wp[i] = p[i];
        for (o.step = 1; o.step <= 10; o.step++) {
            fill(g, n, 1);
            ts_adamw_step(p, m, v, g, n, &o, NULL);
            ts_adamw_step(p2, m2, v2, g, n, &o, pool);
            const double b1 = (double)o.beta1, b2 = (double)o.beta2, lr = (double)o.lr, t = (double)o.step;
            for (size_t i = 0; i < n; i++) {
                const double gi = 0.5 * (double)g[i];
                wp[i] -= lr * (double)o.weight_decay * wp[i];
                wm[i] = b1 * wm[i] + (1 - b1) * gi;
                wv[i] = b2 * wv[i] + (1 - b2) * gi * gi;
                wp[i] -= lr / (1 - pow(b1, t)) * wm[i] / (sqrt(wv[i] / (1 - pow(b2, t))) + (double)o.eps);
            }
        }
        CHECK_CLOSE(p, wp, n, 1e-5, 1e-5);
        CHECK_CLOSE(m, wm, n, 1e-5, 1e-6);
        CHECK_CLOSE(v, wv, n, 1e-5, 1e-7);
        CHECK_BYTES(p2, p, n * sizeof *p);
        ts_pool_free(pool);
        ts_free(wp);
        ts_free(wm);
        ts_free(wv);
        release();
    }
}

static void test_sum_squares(void) {
    for (size_t n = 1; n < 1000000; n = n * 11 + 3) {
        test_row("n %d", (int)n);
        float *x = make_random(n, 2);
        double want = 0;
        for (size_t i = 0; i < n; i++) want += (double)x[i] * (double)x[i];
        ts_pool *pool = ts_pool_new(3);
        const double got = ts_sum_squares(x, n, pool);
        CHECK_NEAR(got, want, 1e-5 * want);
        CHECK(ts_sum_squares(x, n, NULL) == got);
        x[n - 1] = NAN;
        CHECK(isnan(ts_sum_squares(x, n, pool)));
        x[n - 1] = INFINITY;
        CHECK(isinf(ts_sum_squares(x, n, NULL)));
        ts_pool_free(pool);
        release();
    }
}

static void test_ema(void) {
    enum { N = 37 };
    float *a = make_random(N, 1), *p = make_random(N, 1);
    double want[N];
    for (int i = 0; i < N; i++) want[i] = 0.9 * (double)a[i] + 0.1 * (double)p[i];
    ts_ema(a, p, N, 0.9f, NULL);
    CHECK_CLOSE(a, want, N, 1e-6, 1e-7);
    release();
}

int main(void) {
    RUN(test_adamw);
    RUN(test_sum_squares);
    RUN(test_ema);
    return test_end();
}
