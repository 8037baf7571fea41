/* test_membrane.c - membranes held along polynomials that solve the discrete equation exactly, with edges of any form, and
 * what must hold of any solution: balance at each open place, nothing beyond the edge's extremes, fixed places untouched. */
#include "kernels/membrane.h"
#include "support.h"

enum { CHANNELS = 3 };
static const float TOLERANCE = 1e-3F;

/* Solutions of u(x-1) + u(x+1) + u(y-1) + u(y+1) = 4 u. */
static float harmonic(int c, int y, int x) {
    const float a = (float)x, b = (float)y;
    return c == 0 ? 3 + 2 * a - b : c == 1 ? (a * a - b * b) / 50 : (a * a * a - 3 * a * b * b) / 4000;
}

/* Forms of open places on a grid: none of them touches its border. */
static bool is_open(int form, int y, int x, int height, int width) {
    if (y == 0 || x == 0 || y == height - 1 || x == width - 1) return false;
    const double dy = y - height * 0.45, dx = x - width * 0.55, far = sqrt(dy * dy + dx * dx);
    switch (form) {
    case 0: return true;
    case 1: return far < height * 0.4;
    case 2: return (x + 2 * y) % 7 < 4;                              /* strokes */
    case 3: return x % 16 == 3 || y % 11 == 5 || (x > 20 && y > 20); /* one place wide, and a block */
    case 4: return far > height * 0.15 && far < height * 0.45;       /* a ring */
    default: return y == height / 2 && x == width / 2;               /* a single place */
    }
}

static void test_harmonic(void) {
    static const int sizes[][2] = {{3, 3}, {5, 17}, {33, 32}, {64, 97}, {150, 201}};
    for (int i = 0; i < 5; i++)
        for (int form = 0; form < 6; form++) {
            const int h = sizes[i][0], w = sizes[i][1];
            const size_t n = (size_t)(h * w);
            test_row("%d x %d, form %d", h, w, form);
            uint8_t *open = ts_calloc(n, 1);
            float *u = make(n * CHANNELS);
            for (int y = 0; y < h; y++)
                for (int x = 0; x < w; x++) {
                    const size_t p = (size_t)(y * w + x);
                    open[p] = is_open(form, y, x, h, w) ? 7 : 0;
                    for (int c = 0; c < CHANNELS; c++) u[p * CHANNELS + (size_t)c] = open[p] ? 9 : harmonic(c, y, x);
                }
            CHECK_INT(ts_membrane(u, open, h, w, CHANNELS, TOLERANCE, NULL), TESS_OK);
            double worst = 0;
            int touched = 0;
            for (size_t p = 0; p < n; p++)
                for (int c = 0; c < CHANNELS; c++) {
                    const float want = harmonic(c, (int)p / w, (int)p % w), got = u[p * CHANNELS + (size_t)c];
                    worst = fmax(worst, fabs((double)got - (double)want));
                    touched += !open[p] && got != want;
                }
            CHECK_INT(touched, 0);
            CHECK_NEAR(worst, 0, 10 * (double)TOLERANCE); /* values go up to a few thousand */
            ts_free(open);
            release();
        }
}

/* At the grid's border nothing pulls: held at its left and right ends a band becomes a ramp. */
static void test_border(void) {
    const int h = 20, w = 41;
    float *u = make_zero((size_t)(h * w));
    uint8_t *open = ts_calloc((size_t)(h * w), 1);
    for (int y = 0; y < h; y++) {
        u[y * w + w - 1] = 40;
        for (int x = 1; x < w - 1; x++) open[y * w + x] = 1;
    }
    CHECK_INT(ts_membrane(u, open, h, w, 1, TOLERANCE, NULL), TESS_OK);
    for (int p = 0; p < h * w; p++) CHECK_NEAR(u[p], p % w, 0.01);
    ts_free(open);
    release();
}

/* Held at one corner, or on one side of a narrow passage: the value spreads everywhere. */
static void test_far(void) {
    const int h = 120, w = 90;
    float *u = make_zero((size_t)(h * w));
    uint8_t *open = ts_calloc((size_t)(h * w), 1);
    memset(open, 1, (size_t)(h * w));
    open[0] = 0;
    u[0] = 200;
    CHECK_INT(ts_membrane(u, open, h, w, 1, TOLERANCE, NULL), TESS_OK);
    for (int p = 0; p < h * w; p += 97) CHECK_NEAR(u[p], 200, 0.05);
    ts_free(open);
    release();
}

/* Random edges: each open place is its neighbours' mean and lies within the edge's range; any start ends there. */
static void test_random(void) {
    const int h = 70, w = 83;
    const size_t n = (size_t)(h * w);
    uint8_t *open = ts_calloc(n, 1);
    float *u = make_random(n, 100), *v = make_copy(u, n);
    for (size_t p = 0; p < n; p++) {
        open[p] = ts_rng_uniform(&test_rng) < 0.7F;
        if (open[p]) v[p] = 0;
    }
    CHECK_INT(ts_membrane(u, open, h, w, 1, TOLERANCE, NULL), TESS_OK);
    CHECK_INT(ts_membrane(v, open, h, w, 1, TOLERANCE, NULL), TESS_OK);
    double worst = 0, apart = 0;
    for (int p = 0; p < (int)n; p++) {
        double sum = 0, count = 0;
        if (p % w) sum += (double)u[p - 1], count++;
        if ((p + 1) % w) sum += (double)u[p + 1], count++;
        if (p >= w) sum += (double)u[p - w], count++;
        if (p + w < (int)n) sum += (double)u[p + w], count++;
        if (open[p]) worst = fmax(worst, fabs(sum / count - (double)u[p]));
        apart = fmax(apart, fabs((double)u[p] - (double)v[p]));
        CHECK(fabs((double)u[p]) <= 100.01);
    }
    CHECK_NEAR(worst, 0, 0.01);
    CHECK_NEAR(apart, 0, 0.01);
    ts_free(open);
    release();
}

static void test_nothing_to_do(void) {
    float u[6] = {1, 2, 3, 4, 5, 6};
    const uint8_t all[6] = {1, 1, 1, 1, 1, 1}, none[6] = {0};
    CHECK_INT(ts_membrane(u, all, 2, 3, 1, TOLERANCE, NULL), TESS_OK);
    CHECK_INT(ts_membrane(u, none, 2, 3, 1, TOLERANCE, NULL), TESS_OK);
    for (int i = 0; i < 6; i++) CHECK_NEAR(u[i], i + 1, 0);
    CHECK_INT(ts_membrane(u, all, 1, 1, 1, TOLERANCE, NULL), TESS_OK);
}

int main(void) {
    RUN(test_harmonic);
    RUN(test_border);
    RUN(test_far);
    RUN(test_random);
    RUN(test_nothing_to_do);
    return test_end();
}
