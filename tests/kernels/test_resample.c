/* test_resample.c - pixel moves against their index formulas; backward passes as transposes: <y, f(x)> = <f'(y), x>. */
#include "kernels/resample.h"
#include "support.h"

enum { B = 2 };

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static size_t at(int n, int y, int x, int c, int h, int w, int channels) {
    return (size_t)(((n * h + y) * w + x) * channels + c);
}

static void test_upsample(void) {
    const int h = 5, w = 7, c = 19;
    for (int f = 1; f <= 3; f++) {
        test_row("factor %d", f);
        const size_t small = (size_t)(B * h * w * c), large = small * (size_t)(f * f);
        float *x = make_random(small, 1), *y = make_skewed(large, 1), *dy = make_random(large, 1), *dx = make(small);
        ts_upsample_nearest(y, x, B, h, w, c, f, NULL);
        int wrong = 0;
        for (int n = 0; n < B; n++)
            for (int i = 0; i < h * f; i++)
                for (int j = 0; j < w * f; j++)
                    for (int k = 0; k < c; k++)
                        wrong += y[at(n, i, j, k, h * f, w * f, c)] != x[at(n, i / f, j / f, k, h, w, c)];
        CHECK_INT(wrong, 0);
        ts_upsample_nearest_backward(dx, dy, B, h, w, c, f, NULL);
        CHECK_NEAR(dot(dx, x, small), dot(dy, y, large), 1e-3);
        release();
    }
}

static void test_shuffle(void) {
    const int h = 3, w = 5;
    for (int f = 1; f <= 4; f++)
        for (int c = 1; c <= 20; c += 6) {
            test_row("factor %d channels %d", f, c);
            const size_t n = (size_t)(B * h * w * c * f * f);
            float *x = make_random(n, 1), *y = make_skewed(n, 1), *back = make(n);
            ts_pixel_shuffle(y, x, B, h, w, c, f, NULL);
            int wrong = 0;
            for (int b = 0; b < B; b++)
                for (int i = 0; i < h * f; i++)
                    for (int j = 0; j < w * f; j++)
                        for (int k = 0; k < c; k++)
                            wrong += y[at(b, i, j, k, h * f, w * f, c)] !=
                                     x[at(b, i / f, j / f, k * f * f + i % f * f + j % f, h, w, c * f * f)];
            CHECK_INT(wrong, 0);
            ts_pixel_unshuffle(back, y, B, h, w, c, f, NULL);
            CHECK_BYTES(back, x, n * sizeof *x);
            release();
        }
}

static void test_pool_extents(void) {
    /* PyTorch: MaxPool2d(kernel, stride, ceil_mode) */
    static const int ROWS[][5] = {{55, 3, 2, 1, 27}, {54, 3, 2, 1, 27}, {13, 3, 2, 1, 6}, {2, 3, 2, 1, 1},
                                  {5, 2, 2, 1, 3},   {5, 2, 2, 0, 2},   {4, 2, 3, 1, 2},  {2, 3, 2, 0, 0},
                                  {1, 1, 3, 1, 1},   {3, 1, 3, 1, 1}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        test_row("row %d", (int)i);
        CHECK_INT(ts_pool_extent(ROWS[i][0], ROWS[i][1], ROWS[i][2], ROWS[i][3]), ROWS[i][4]);
    }
}

static void test_max_pool(void) {
    for (int h = 3; h < 9; h++) {
        const int w = 11 - h, c = 18, oh = ts_pool_extent(h, 3, 2, 1), ow = ts_pool_extent(w, 3, 2, 1);
        test_row("%dx%d", h, w);
        const size_t nx = (size_t)(B * h * w * c), ny = (size_t)(B * oh * ow * c);
        float *x = make_random(nx, 1), *y = make_skewed(ny, 1), *dy = make_random(ny, 1), *dx = make(nx);
        for (size_t i = 0; i < nx; i += 5) x[i] = 0.25f; /* ties: the first one wins */
        ts_max_pool(y, x, B, h, w, c, 3, 2, oh, ow, NULL);
        ts_max_pool_backward(dx, dy, x, B, h, w, c, 3, 2, oh, ow, NULL);
        double *want_y = make_double(ny), *want_dx = make_double(nx);
        for (int n = 0; n < B; n++)
            for (int i = 0; i < oh; i++)
                for (int j = 0; j < ow; j++)
                    for (int k = 0; k < c; k++) {
                        size_t best = at(n, 2 * i, 2 * j, k, h, w, c);
                        for (int a = 2 * i; a < 2 * i + 3 && a < h; a++)
                            for (int b = 2 * j; b < 2 * j + 3 && b < w; b++)
                                if (x[at(n, a, b, k, h, w, c)] > x[best]) best = at(n, a, b, k, h, w, c);
                        const size_t to = at(n, i, j, k, oh, ow, c);
                        want_y[to] = x[best];
                        want_dx[best] += dy[to];
                    }
        CHECK_CLOSE(y, want_y, ny, 0, 0);
        CHECK_CLOSE(dx, want_dx, nx, 1e-6, 1e-6);
        ts_free(want_y);
        ts_free(want_dx);
        release();
    }
}

static void test_mean_pool(void) {
    for (int f = 1; f < 4; f++) {
        for (int h = f; h < f + 4; h++) {
            const int w = 9 - h, c = 5, oh = h / f, ow = w / f;
            const size_t nx = (size_t)(B * h * w * c), ny = (size_t)(B * oh * ow * c);
            test_row("%dx%d / %d", h, w, f);
            float *x = make_random(nx, 1), *y = make_skewed(ny, 1), *dy = make_random(ny, 1), *dx = make(nx);
            ts_mean_pool(y, x, B, h, w, c, f, NULL);
            ts_mean_pool_backward(dx, dy, B, h, w, c, f, NULL);
            double *want = make_double(ny);
            for (int n = 0; n < B; n++)
                for (int i = 0; i < oh; i++)
                    for (int j = 0; j < ow; j++)
                        for (int k = 0; k < c; k++)
                            for (int q = 0; q < f * f; q++)
                                want[at(n, i, j, k, oh, ow, c)] +=
                                    (double)x[at(n, f * i + q / f, f * j + q % f, k, h, w, c)] / (f * f);
            CHECK_CLOSE(y, want, ny, 1e-6, 1e-7);
            CHECK_NEAR(dot(dx, x, nx), dot(dy, y, ny), 1e-4);
            ts_free(want);
            release();
        }
    }
}

static void test_margins(void) {
    const int h = 4, w = 3, c = 7, top = 1, left = 2, bottom = 3, right = 0, fh = 8, fw = 5;
    const size_t small = (size_t)(B * h * w * c), large = (size_t)(B * fh * fw * c);
    float *x = make_random(small, 1), *y = make_skewed(large, 1), *back = make(small);
    ts_pad_zero(y, x, B, h, w, c, top, left, bottom, right, NULL);
    int wrong = 0;
    for (int n = 0; n < B; n++)
        for (int i = 0; i < fh; i++)
            for (int j = 0; j < fw; j++)
                for (int k = 0; k < c; k++) {
                    const int inside = i >= top && i < top + h && j >= left && j < left + w;
                    wrong += y[at(n, i, j, k, fh, fw, c)] != (inside ? x[at(n, i - top, j - left, k, h, w, c)] : 0);
                }
    CHECK_INT(wrong, 0);
    ts_crop(back, y, B, h, w, c, top, left, bottom, right, NULL);
    CHECK_BYTES(back, x, small * sizeof *x);
    release();
}

int main(void) {
    RUN(test_upsample);
    RUN(test_shuffle);
    RUN(test_pool_extents);
    RUN(test_max_pool);
    RUN(test_mean_pool);
    RUN(test_margins);
    return test_end();
}
