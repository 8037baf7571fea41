/* test_loss.c - losses against double precision, gradients against central differences of the double reference. */
#include "kernels/loss.h"
#include "support.h"

/* ---- pointwise ---------------------------------------------------------------------------------------------- */
static void test_pointwise_losses(void) {
    for (size_t n = 1; n < 300000; n = n * 7 + 2) {
        test_row("n %d", (int)n);
        float *x = make_random(n, 1), *y = make_random(n, 1), *g1 = make_skewed(n, 1), *g2 = make_skewed(n, 1);
        double l1 = 0, l2 = 0, *want1 = make_double(n), *want2 = make_double(n);
        x[0] = y[0];
        for (size_t i = 0; i < n; i++) {
            const double d = (double)x[i] - (double)y[i];
            l1 += fabs(d) / (double)n;
            l2 += d * d / (double)n;
            want1[i] = 0.5 * (double)((d > 0) - (d < 0)) / (double)n;
            want2[i] = 0.5 * 2 * d / (double)n;
        }
        ts_pool *pool = ts_pool_new(3);
        const double got1 = ts_loss_l1(g1, x, y, n, 0.5f, pool), got2 = ts_loss_l2(g2, x, y, n, 0.5f, pool);
        CHECK_NEAR(got1, l1, 1e-6 * l1);
        CHECK_NEAR(got2, l2, 1e-6 * l2);
        CHECK_CLOSE(g1, want1, n, 1e-6, 0);
        CHECK_CLOSE(g2, want2, n, 1e-6, 1e-7 / (double)n);
        CHECK(ts_loss_l1(NULL, x, y, n, 1, NULL) == got1 && ts_loss_l2(NULL, x, y, n, 1, NULL) == got2);
        ts_pool_free(pool);
        ts_free(want1);
        ts_free(want2);
        release();
    }
}

/* ---- LPIPS -------------------------------------------------------------------------------------------------- */
static double lpips_double(const double *x, const float *y, const float *head, size_t rows, size_t c) {
    double total = 0;
    for (size_t r = 0; r < rows; r++) {
        double nx = 1e-10, ny = 1e-10;
        for (size_t i = 0; i < c; i++)
            nx += x[r * c + i] * x[r * c + i], ny += (double)y[r * c + i] * (double)y[r * c + i];
        for (size_t i = 0; i < c; i++) {
            const double d = x[r * c + i] / sqrt(nx) - (double)y[r * c + i] / sqrt(ny);
            total += (double)head[i] * d * d;
        }
    }
    return total / (double)rows;
}

static void test_lpips(void) {
    static const size_t SHAPES[][2] = {{1, 3}, {7, 64}, {100, 128}, {33, 384}, {5, 17}};
    for (int s = 0; s < 5; s++) {
        const size_t rows = SHAPES[s][0], c = SHAPES[s][1], n = rows * c;
        test_row("%dx%d", (int)rows, (int)c);
        float *x = make_random(n, 2), *y = make_random(n, 2), *head = make_random(c, 1), *grad = make_skewed(n, 3);
        double *wide = make_double(n);
        for (size_t i = 0; i < n; i++) wide[i] = x[i];
        ts_pool *pool = ts_pool_new(3);
        const double got = ts_lpips_head(grad, x, y, head, rows, (int)c, 0.25f, pool);
        CHECK_NEAR(got, lpips_double(wide, y, head, rows, c), 2e-6);
        for (size_t i = 0; i < n; i += n / 19 + 1) {
            const double h = 1e-5;
            wide[i] = (double)x[i] + h;
            const double up = lpips_double(wide, y, head, rows, c);
            wide[i] = (double)x[i] - h;
            const double down = lpips_double(wide, y, head, rows, c);
            wide[i] = x[i];
            CHECK_NEAR(grad[i], 0.25 * (up - down) / (2 * h), 2e-6 / (double)rows);
        }
        CHECK(ts_lpips_head(NULL, x, y, head, rows, (int)c, 1, NULL) == got);
        ts_pool_free(pool);
        ts_free(wide);
        release();
    }
    float *zero = make_zero(20), *head = make_random(4, 1), *grad = make(20); /* zero features: no NaN */
    CHECK_NEAR(ts_lpips_head(grad, zero, zero, head, 5, 4, 1, NULL), 0, 0);
    for (int i = 0; i < 20; i++) CHECK(grad[i] == 0);
    release();
}

/* ---- MS-SSIM ------------------------------------------------------------------------------------------------ */
/* Plain double precision, one 2-D window at a time. */
static double ms_ssim_double(const double *x0, const double *y0, int h, int w, int c, int scales, double range) {
    static const double WEIGHTS[] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
    double sum_weights = 0, total = 0;
    for (int k = 0; k < scales; k++) sum_weights += WEIGHTS[k];
    const double c1 = pow(0.01 * range, 2), c2 = pow(0.03 * range, 2);
    for (int ch = 0; ch < c; ch++) {
        int hh = h, ww = w;
        double *x = make_double((size_t)(h * w)), *y = make_double((size_t)(h * w)), product = 1;
        for (int i = 0; i < h * w; i++) x[i] = x0[i * c + ch], y[i] = y0[i * c + ch];
        for (int k = 0; k < scales; k++) {
            int size[2] = {11, 11};
            while (size[0] > hh) size[0] -= 2;
            while (size[1] > ww) size[1] -= 2;
            double gauss[2][11], norm[2] = {0, 0};
            for (int a = 0; a < 2; a++)
                for (int i = 0; i < size[a]; i++) norm[a] += gauss[a][i] = exp(-pow(i - size[a] / 2, 2) / 4.5);
            double mean = 0;
            const int rows = hh - size[0] + 1, columns = ww - size[1] + 1;
            for (int r = 0; r < rows; r++)
                for (int q = 0; q < columns; q++) {
                    double m[5] = {0};
                    for (int a = 0; a < size[0]; a++)
                        for (int b = 0; b < size[1]; b++) {
                            const double g = gauss[0][a] / norm[0] * gauss[1][b] / norm[1], u = x[(r + a) * ww + q + b],
                                         v = y[(r + a) * ww + q + b];
                            m[0] += g * u, m[1] += g * v, m[2] += g * u * u, m[3] += g * v * v, m[4] += g * u * v;
                        }
                    const double cs = (2 * (m[4] - m[0] * m[1]) + c2) / (m[2] - m[0] * m[0] + m[3] - m[1] * m[1] + c2);
                    mean += (k == scales - 1 ? (2 * m[0] * m[1] + c1) / (m[0] * m[0] + m[1] * m[1] + c1) : 1) * cs;
                }
            product *= pow(fmax(mean / (rows * columns), 1e-6), WEIGHTS[k] / sum_weights);
            for (int r = 0; r < hh / 2; r++)
                for (int q = 0; q < ww / 2; q++) {
                    const int p = 2 * r * ww + 2 * q;
                    x[r * (ww / 2) + q] = (x[p] + x[p + 1] + x[p + ww] + x[p + ww + 1]) / 4;
                    y[r * (ww / 2) + q] = (y[p] + y[p + 1] + y[p + ww] + y[p + ww + 1]) / 4;
                }
            hh /= 2;
            ww /= 2;
        }
        total += product / c;
        ts_free(x);
        ts_free(y);
    }
    return total;
}

typedef struct ssim_case {
    int batch, h, w, c, scales;
    float range;
} ssim_case;

static void test_ms_ssim(void) {
    static const ssim_case CASES[] = {{1, 1, 1, 1, 1, 2},   {1, 5, 30, 2, 1, 2},  {2, 13, 17, 3, 1, 2},
                                      {1, 23, 31, 3, 2, 2}, {2, 48, 45, 3, 3, 2}, {1, 46, 64, 1, 3, 255}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const ssim_case *k = &CASES[i];
        const size_t plane = (size_t)(k->h * k->w * k->c), n = (size_t)k->batch * plane;
        test_row("case %d", (int)i);
        float *x = make_random(n, 0.3f), *y = make(n), *grad = make_skewed(n, 1),
              *scratch = make(ts_ms_ssim_scratch(k->batch, k->h, k->w, k->c));
        for (size_t q = 0; q < n; q++) {
            x[q] = x[q] + 0.5f * sinf((float)q * 0.01f);
            y[q] = 0.8f * x[q] + (float)(q % 7) * 0.02f;
            if (k->range > 2) x[q] = 127.5f + 127.5f * x[q], y[q] = 127.5f + 127.5f * y[q];
        }
        double *wx = make_double(n), *wy = make_double(n), want = 0;
        for (size_t q = 0; q < n; q++) wx[q] = x[q], wy[q] = y[q];
        for (int b = 0; b < k->batch; b++)
            want += ms_ssim_double(wx + (size_t)b * plane, wy + (size_t)b * plane, k->h, k->w, k->c, k->scales,
                                   (double)k->range) /
                    k->batch;
        ts_pool *pool = ts_pool_new(2);
        const double got = ts_ms_ssim(grad, x, y, k->batch, k->h, k->w, k->c, k->scales, k->range, 3, scratch, pool);
        CHECK_NEAR(got, want, 2e-5);
        CHECK(k->h < 11 || got < 0.999); /* the reference itself must have something to say */
        const double step = 1e-4 * (double)k->range;
        for (size_t q = 0; q < n; q += n / 13 + 1) {
            const size_t b = q / plane;
            double two[2];
            for (int side = 0; side < 2; side++) {
                wx[q] = (double)x[q] + (side ? step : -step);
                two[side] = ms_ssim_double(wx + b * plane, wy + b * plane, k->h, k->w, k->c, k->scales,
                                           (double)k->range) /
                            k->batch;
            }
            wx[q] = x[q];
            const double slope = 3 * (two[1] - two[0]) / (2 * step);
            CHECK_NEAR(grad[q], slope, 2e-3 * fabs(slope) + 2e-5 / (double)k->range);
        }
        CHECK(ts_ms_ssim(NULL, x, y, k->batch, k->h, k->w, k->c, k->scales, k->range, 1, scratch, NULL) == got);
        CHECK_NEAR(ts_ms_ssim(NULL, x, x, k->batch, k->h, k->w, k->c, k->scales, k->range, 1, scratch, NULL), 1, 1e-5);
        ts_pool_free(pool);
        ts_free(wx);
        ts_free(wy);
        release();
    }
}

static void test_scales(void) {
    CHECK_INT(ts_ms_ssim_scales(161, 200), 5);
    CHECK_INT(ts_ms_ssim_scales(160, 200), 4);
    CHECK_INT(ts_ms_ssim_scales(500, 81), 4);
    CHECK_INT(ts_ms_ssim_scales(64, 64), 3);
    CHECK_INT(ts_ms_ssim_scales(11, 11), 1);
    CHECK_INT(ts_ms_ssim_scales(1, 1), 1);
}

int main(void) {
    RUN(test_pointwise_losses);
    RUN(test_lpips);
    RUN(test_ms_ssim);
    RUN(test_scales);
    return test_end();
}
