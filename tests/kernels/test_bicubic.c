/* Bicubic resampling against its formula in double, on sizes that enlarge, reduce, and do both. */
#include "support.h"

#include "kernels/bicubic.h"

static double keys(double x) {
    x = fabs(x);
    return x < 1 ? 1.5 * x * x * x - 2.5 * x * x + 1 : x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

/* Weight of sample k for output i: the filter over all samples that there are, divided by its sum. */
static double weight(int i, int k, int n, int m) {
    const double scale = (double)n / m, stretch = scale > 1 ? scale : 1, centre = (i + 0.5) * scale;
    double sum = 0;
    for (int j = 0; j < n; j++) sum += keys((j + 0.5 - centre) / stretch);
    return keys((k + 0.5 - centre) / stretch) / sum;
}

static double expected(const float *x, int h, int w, int c, int out_h, int out_w, int oy, int ox, int channel) {
    double sum = 0;
    for (int y = 0; y < h; y++)
        for (int k = 0; k < w; k++)
            sum += weight(oy, y, h, out_h) * weight(ox, k, w, out_w) * (double)x[(y * w + k) * c + channel];
    return sum;
}

static const struct {
    int h, w, c, out_h, out_w;
} SIZES[] = {{5, 7, 3, 20, 28},  {6, 9, 3, 12, 18}, {24, 32, 3, 6, 8}, {20, 14, 3, 10, 7},
             {1, 1, 3, 4, 4},    {8, 8, 1, 1, 1},   {1, 13, 1, 4, 52}, {13, 1, 4, 3, 2},
             {10, 11, 5, 7, 19}, {4, 3, 3, 4, 3},   {2, 40, 1, 2, 9}};

static void test_formula(void) {
    for (size_t s = 0; s < sizeof SIZES / sizeof *SIZES; s++) {
        const int h = SIZES[s].h, w = SIZES[s].w, c = SIZES[s].c, out_h = SIZES[s].out_h, out_w = SIZES[s].out_w;
        const size_t scratch = ts_bicubic_scratch(h, out_h, w, out_w, c, 1);
        float *x = make_skewed((size_t)(h * w * c), 1), *y = make((size_t)(out_h * out_w * c)), *room = make(scratch);
        ts_rng rng = ts_rng_new(s, 1);
        double worst = 0;
        ts_rng_fill_uniform(&rng, x, (size_t)(h * w * c), 1);
        ts_bicubic(y, out_h, out_w, x, h, w, c, room, NULL);
        for (int oy = 0; oy < out_h; oy++)
            for (int ox = 0; ox < out_w; ox++)
                for (int k = 0; k < c; k++) {
                    const double off = fabs(expected(x, h, w, c, out_h, out_w, oy, ox, k) -
                                            (double)y[(oy * out_w + ox) * c + k]);
                    if (!(off <= worst)) worst = off;
                }
        test_row("%d x %d x %d to %d x %d", h, w, c, out_h, out_w);
        CHECK_NEAR(worst, 0, 2e-6);
        release();
    }
}

static void test_constant(void) {
    float *x = make(6 * 5 * 3), *y = make(24 * 20 * 3), *room = make(ts_bicubic_scratch(6, 24, 5, 20, 3, 1));
    for (int i = 0; i < 6 * 5 * 3; i++) x[i] = 0.75F;
    ts_bicubic(y, 24, 20, x, 6, 5, 3, room, NULL);
    for (int i = 0; i < 24 * 20 * 3; i++) CHECK_NEAR(y[i], 0.75, 1e-6);
    release();
}

static void test_threads(void) {
    const size_t scratch = ts_bicubic_scratch(37, 148, 41, 164, 3, 3);
    float *x = make(37 * 41 * 3), *a = make(148 * 164 * 3), *b = make(148 * 164 * 3), *room = make(scratch);
    ts_pool *pool = ts_pool_new(3);
    ts_rng rng = ts_rng_new(3, 3);
    ts_rng_fill_uniform(&rng, x, 37 * 41 * 3, 1);
    ts_bicubic(a, 148, 164, x, 37, 41, 3, room, NULL);
    ts_bicubic(b, 148, 164, x, 37, 41, 3, room, pool);
    CHECK_BYTES(a, b, 148 * 164 * 3 * sizeof *a);
    ts_pool_free(pool);
    release();
}

int main(void) {
    RUN(test_formula);
    RUN(test_constant);
    RUN(test_threads);
    return test_end();
}
