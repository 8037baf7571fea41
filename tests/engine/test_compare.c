/* test_compare.c - PSNR, SSIM and MS-SSIM against a plain double-precision second formulation. */
#include <stdlib.h>

#include "base/rng.h"
#include "tesserae.h"
#include "test.h"

static const double WEIGHTS[5] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};

/* One window's statistics by the definition: a full 2-D sum around the weighted means. */
static void window_terms(const double *a, const double *b, int width, int y, int x, const double *gy, int ny,
                         const double *gx, int nx, double *ssim, double *cs) {
    double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
    for (int r = 0; r < ny; r++)
        for (int c = 0; c < nx; c++) {
            const double w = gy[r] * gx[c];
            ma += w * a[(y + r) * width + x + c], mb += w * b[(y + r) * width + x + c];
        }
    for (int r = 0; r < ny; r++)
        for (int c = 0; c < nx; c++) {
            const double w = gy[r] * gx[c], da = a[(y + r) * width + x + c] - ma, db = b[(y + r) * width + x + c] - mb;
            aa += w * da * da, bb += w * db * db, ab += w * da * db;
        }
    const double c1 = 2.55 * 2.55, c2 = 7.65 * 7.65;
    *cs = (2 * ab + c2) / (aa + bb + c2);
    *ssim = *cs * (2 * ma * mb + c1) / (ma * ma + mb * mb + c1);
}

static int gaussian(int extent, double g[11]) {
    int n = 11;
    double sum = 0;
    while (n > extent) n -= 2;
    for (int i = 0; i < n; i++) sum += g[i] = exp(-pow(i - (n - 1) / 2.0, 2) / 4.5);
    for (int i = 0; i < n; i++) g[i] /= sum;
    return n;
}

static void mean_terms(const double *a, const double *b, int width, int height, double *ssim, double *cs) {
    double gx[11], gy[11];
    const int nx = gaussian(width, gx), ny = gaussian(height, gy);
    *ssim = *cs = 0;
    for (int y = 0; y + ny <= height; y++)
        for (int x = 0; x + nx <= width; x++) {
            double s, c;
            window_terms(a, b, width, y, x, gy, ny, gx, nx, &s, &c);
            *ssim += s, *cs += c;
        }
    const double count = (double)(height - ny + 1) * (width - nx + 1);
    *ssim /= count, *cs /= count;
}

static double *halve(const double *a, int width, int height) {
    const int w = (width + 1) / 2, h = (height + 1) / 2;
    double *out = malloc(sizeof *out * (size_t)w * (size_t)h);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const int y1 = 2 * y + 1 < height ? 2 * y + 1 : 2 * y, x1 = 2 * x + 1 < width ? 2 * x + 1 : 2 * x;
            out[y * w + x] =
                (a[2 * y * width + 2 * x] + a[2 * y * width + x1] + a[y1 * width + 2 * x] + a[y1 * width + x1]) / 4;
        }
    return out;
}

static void reference(const uint8_t *p, const uint8_t *q, int width, int height, int channels, double out[4]) {
    const int colours = channels == 1 ? 1 : 3;
    double square = 0;
    out[2] = out[3] = 0;
    for (int c = 0; c < colours; c++) {
        int w = width, h = height, scales = 1;
        for (int side = width < height ? width : height; scales < 5 && (side + 1) / 2 >= 11; scales++)
            side = (side + 1) / 2;
        double *a = malloc(sizeof *a * (size_t)w * (size_t)h), *b = malloc(sizeof *b * (size_t)w * (size_t)h),
               product = 1, weights = 0;
        for (int i = 0; i < w * h; i++) {
            a[i] = p[i * channels + c], b[i] = q[i * channels + c];
            if (channels == 4) { /* as it shows on black, in whole steps */
                a[i] = floor(a[i] * p[i * 4 + 3] / 255 + 0.5);
                b[i] = floor(b[i] * q[i * 4 + 3] / 255 + 0.5);
            }
            square += (a[i] - b[i]) * (a[i] - b[i]);
        }
        for (int s = 0; s < scales; s++) weights += WEIGHTS[s];
        for (int s = 0; s < scales; s++) {
            double ssim, cs;
            mean_terms(a, b, w, h, &ssim, &cs);
            if (s == 0) out[2] += ssim / colours;
            const double term = s == scales - 1 ? ssim : cs;
            product *= pow(term > 0 ? term : 0, WEIGHTS[s] / weights);
            double *a2 = halve(a, w, h), *b2 = halve(b, w, h);
            free(a), free(b);
            a = a2, b = b2, w = (w + 1) / 2, h = (h + 1) / 2;
        }
        free(a), free(b);
        out[3] += product / colours;
    }
    out[0] = square / ((double)width * height * colours);
    out[1] = 10 * log10(255.0 * 255.0 / out[0]);
}

static void test_against_reference(void) {
    static const int CASES[][4] = {{170, 163, 3, 40}, {161, 180, 1, 3}, {160, 90, 4, 90}, {33, 21, 3, 10},
                                   {12, 7, 3, 20},    {5, 40, 1, 60},   {1, 1, 3, 9}};
    ts_rng rng = ts_rng_new(9, 1);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const int width = CASES[i][0], height = CASES[i][1], channels = CASES[i][2], noise = CASES[i][3];
        test_row("%d x %d x %d noise %d", width, height, channels, noise);
        const int count = width * height * channels;
        uint8_t *p = malloc((size_t)count), *q = malloc((size_t)count);
        for (int k = 0; k < count; k++) {
            const double smooth = 128 + 90 * sin(k * 0.013) + 20 * cos(k * 0.4);
            p[k] = (uint8_t)smooth;
            const int v = p[k] + (int)ts_rng_below(&rng, (uint32_t)noise) - noise / 2;
            q[k] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
        double got[4], want[4];
        CHECK_INT(tess_compare(p, q, width, height, channels, got), TESS_OK);
        reference(p, q, width, height, channels, want);
        CHECK_NEAR(got[0], want[0], 1e-9 * want[0]);
        CHECK_NEAR(got[1], want[1], 1e-9);
        CHECK_NEAR(got[2], want[2], 2e-6);
        CHECK_NEAR(got[3], want[3], 2e-6);
        CHECK_INT(tess_compare(p, p, width, height, channels, got), TESS_OK);
        CHECK(got[0] == 0 && isinf(got[1]));
        CHECK_NEAR(got[2], 1, 1e-6);
        CHECK_NEAR(got[3], 1, 1e-6);
        free(p), free(q);
    }
}

static void test_hidden_pixels_do_not_count(void) {
    const uint8_t a[8] = {255, 0, 9, 0, 40, 50, 60, 255}, b[8] = {0, 77, 200, 0, 40, 50, 60, 255};
    double out[4];
    CHECK_INT(tess_compare(a, b, 2, 1, 4, out), TESS_OK);
    CHECK(out[0] == 0);
}

static void test_refusals(void) {
    uint8_t p[12] = {0};
    double out[4];
    CHECK_INT(tess_compare(p, p, 0, 2, 3, out), TESS_ERR_INPUT);
    CHECK_INT(tess_compare(p, p, 2, 2, 2, out), TESS_ERR_INPUT);
    CHECK_INT(tess_compare(NULL, p, 2, 2, 3, out), TESS_ERR_INPUT);
    CHECK_INT(tess_compare(p, p, 70000, 2, 3, out), TESS_ERR_INPUT);
}

int main(void) {
    RUN(test_against_reference);
    RUN(test_hidden_pixels_do_not_count);
    RUN(test_refusals);
    return test_end();
}
