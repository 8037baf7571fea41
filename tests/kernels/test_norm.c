/* test_norm.c - group normalisation against double precision; its gradient against differences of that. */
#include "kernels/norm.h"
#include "support.h"

typedef struct norm_case {
    int batch, pixels, channels, groups;
    float offset; /* a large common offset tests the variance */
} norm_case;

static const norm_case CASES[] = {{1, 1, 4, 2, 0},  {2, 9, 12, 3, 0},      {1, 300, 64, 32, 0}, {2, 35, 24, 1, 0},
                                  {1, 50, 7, 7, 0}, {1, 700, 32, 4, 1000}, {3, 20, 48, 2, -5}};

static double reference(const norm_case *k, const float *x, const double *nudge, const float *gamma, const float *beta,
                        float eps, double *y, const float *dy) {
    const int each = k->channels / k->groups;
    double dot = 0;
    for (int n = 0; n < k->batch; n++)
        for (int g = 0; g < k->groups; g++) {
            double mean = 0, variance = 0;
            for (int p = 0; p < k->pixels; p++)
                for (int c = g * each; c < (g + 1) * each; c++) {
                    const int at = (n * k->pixels + p) * k->channels + c;
                    mean += (double)x[at] + nudge[at];
                }
            mean /= k->pixels * each;
            for (int p = 0; p < k->pixels; p++)
                for (int c = g * each; c < (g + 1) * each; c++) {
                    const int at = (n * k->pixels + p) * k->channels + c;
                    const double d = (double)x[at] + nudge[at] - mean;
                    variance += d * d;
                }
            const double rstd = 1 / sqrt(variance / (k->pixels * each) + (double)eps);
            for (int p = 0; p < k->pixels; p++)
                for (int c = g * each; c < (g + 1) * each; c++) {
                    const int at = (n * k->pixels + p) * k->channels + c;
                    y[at] = ((double)x[at] + nudge[at] - mean) * rstd * (double)gamma[c] + (double)beta[c];
                    dot += y[at] * (double)dy[at];
                }
        }
    return dot;
}

static void test_group_norm(void) {
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const norm_case *k = &CASES[i];
        const size_t n = (size_t)(k->batch * k->pixels * k->channels), c = (size_t)k->channels,
                     stats = (size_t)(k->batch * k->groups);
        const float eps = 1e-6f;
        test_row("case %d", (int)i);
        float *x = make_random(n, 1), *gamma = make_random(c, 1), *beta = make_random(c, 1), *dy = make_random(n, 1);
        for (size_t q = 0; q < n; q++) x[q] += k->offset;
        float *y = make_skewed(n, 1), *mean = make(stats), *rstd = make(stats), *dx = make_skewed(n, 1),
              *dgamma = make_zero(c), *dbeta = make_zero(c);
        float *scratch = make(2 * (size_t)k->batch * c);
        double *want = make_double(n), *moved = make_double(n), *nudge = make_double(n);
        ts_pool *pool = ts_pool_new(3);
        ts_group_norm_forward(y, mean, rstd, x, gamma, beta, k->batch, (size_t)k->pixels, k->channels, k->groups, eps,
                              TS_ACT_NONE, 0, pool);
        ts_group_norm_backward(dx, dgamma, dbeta, dy, x, mean, rstd, gamma, k->batch, (size_t)k->pixels, k->channels,
                               k->groups, scratch, pool);
        ts_pool_free(pool);
        reference(k, x, nudge, gamma, beta, eps, want, dy);
        const double loose = k->offset != 0 ? fabs((double)k->offset) * 4e-7 : 0;
        if (k->pixels * k->channels / k->groups > 2) CHECK_CLOSE(y, want, n, 1e-5, 1e-5 + loose);
        for (size_t at = 0; at < n && k->pixels > 1; at += n / 23 + 1) { /* some inputs, by central differences */
            const double h = 1e-5;
            nudge[at] = h;
            const double up = reference(k, x, nudge, gamma, beta, eps, moved, dy);
            nudge[at] = -h;
            const double down = reference(k, x, nudge, gamma, beta, eps, moved, dy);
            nudge[at] = 0;
            CHECK_NEAR(dx[at], (up - down) / (2 * h), 2e-4 + 30 * loose);
        }
        for (size_t q = 0; q < c; q++) {
            double sum = 0, unit = 0;
            for (size_t p = q; p < n; p += c) {
                sum += (double)dy[p];
                unit += (double)dy[p] * (want[p] - (double)beta[q]) / (double)gamma[q];
            }
            CHECK_NEAR(dbeta[q], sum, 1e-4);
            if (k->pixels > 1) CHECK_NEAR(dgamma[q], unit, 1e-3 + 300 * loose);
        }
        float *alone = make(n);
        ts_group_norm_forward(alone, mean, rstd, x, gamma, beta, k->batch, (size_t)k->pixels, k->channels, k->groups,
                              eps, TS_ACT_NONE, 0, NULL);
        CHECK_BYTES(alone, y, n * sizeof *y);
        ts_free(want);
        ts_free(moved);
        ts_free(nudge);
        release();
    }
}

/* mean and rstd of one image against double, whatever the offset, spread and first pixels. */
typedef enum filling { EVEN, FAR_START, FAR_END, CONSTANT, TINY, HUGE_VALUES } filling;

static void fill_case(float *x, size_t pixels, size_t channels, float offset, filling how) {
    fill(x, pixels * channels, how == CONSTANT ? 0 : 1);
    for (size_t i = 0; i < pixels * channels; i++) {
        const size_t p = i / channels;
        x[i] += offset;
        if ((how == FAR_START && p < 3) || (how == FAR_END && p + 70 > pixels)) x[i] += 3000;
        if (how == TINY) x[i] *= 1e-12f;
        if (how == HUGE_VALUES) x[i] *= 1e15f;
    }
}

static void check_moments(const float *x, size_t pixels, size_t channels, size_t groups, const float *mean,
                          const float *rstd, double eps) {
    const size_t each = channels / groups;
    for (size_t g = 0; g < groups; g++) {
        double sum = 0, square = 0;
        for (size_t i = 0; i < pixels * each; i++) sum += (double)x[i / each * channels + g * each + i % each];
        const double m = sum / (double)(pixels * each);
        for (size_t i = 0; i < pixels * each; i++) {
            const double d = (double)x[i / each * channels + g * each + i % each] - m;
            square += d * d;
        }
        const double deviation = sqrt(square / (double)(pixels * each)), want = 1 / sqrt(deviation * deviation + eps);
        CHECK_NEAR(mean[g], m, fabs(m) * EPS + deviation * 1e-6);
        CHECK_NEAR(rstd[g], want, want * 1e-5);
    }
}

static void test_moments(void) {
    static const struct {
        size_t pixels, channels, groups;
        float offset;
        filling how;
    } ROWS[] = {{5000, 8, 2, 0, EVEN},       {1025, 260, 65, 3, EVEN},      {2000, 6, 6, 1e5f, EVEN},
                {4096, 16, 4, 0, FAR_START}, {4096, 16, 4, 0, FAR_END},     {777, 64, 32, -7, CONSTANT},
                {900, 12, 3, 0.5f, TINY},    {1200, 12, 3, 0, HUGE_VALUES}, {63, 512, 32, 1, EVEN},
                {1, 4, 2, 5, EVEN},          {130, 300, 1, 10, EVEN}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const size_t n = ROWS[i].pixels * ROWS[i].channels, c = ROWS[i].channels;
        test_row("moments %d", (int)i);
        float *x = make(n), *gamma = make_random(c, 1), *beta = make_random(c, 1), *mean = make(ROWS[i].groups),
              *rstd = make(ROWS[i].groups), *scale = make(c), *shift = make(c), *y = make(n);
        fill_case(x, ROWS[i].pixels, c, ROWS[i].offset, ROWS[i].how);
        ts_pool *pool = ts_pool_new(3);
        ts_group_norm_affine(scale, shift, mean, rstd, x, gamma, beta, 1, ROWS[i].pixels, (int)c, (int)ROWS[i].groups,
                             1e-20f, pool);
        check_moments(x, ROWS[i].pixels, c, ROWS[i].groups, mean, rstd, 1e-20);
        ts_group_norm_forward(y, mean, rstd, x, gamma, beta, 1, ROWS[i].pixels, (int)c, (int)ROWS[i].groups, 1e-20f,
                              TS_ACT_NONE, 0, pool);
        for (size_t k = 0; k < n; k += n / 50 + 1) { /* the affine form is the same function */
            const double size = fabs((double)x[k] * (double)scale[k % c]) + fabs((double)shift[k % c]) + 1;
            CHECK_NEAR(x[k] * scale[k % c] + shift[k % c], y[k], size * 8 * EPS);
        }
        float *active = make_copy(x, n);
        ts_group_norm_forward(active, mean, rstd, active, gamma, beta, 1, ROWS[i].pixels, (int)c, (int)ROWS[i].groups,
                              1e-20f, TS_ACT_SILU, 0, NULL);
        ts_act_forward(y, y, n, TS_ACT_SILU, 0, NULL);
        CHECK_BYTES(active, y, n * sizeof(float));
        ts_pool_free(pool);
        release();
    }
}

static void test_golden(void) {
    enum { P = 333, C = 40 };
    test_rng = ts_rng_new(5, 5);
    float *x = make_random(2 * P * C, 1), *gamma = make_random(C, 1), *beta = make_random(C, 1), *y = make(2 * P * C),
          *mean = make(16), *rstd = make(16);
    float *dy = make_random(2 * P * C, 1), *dx = make(2 * P * C), *dgamma = make_zero(C), *dbeta = make_zero(C),
          *scratch = make(4 * C);
    ts_group_norm_forward(y, mean, rstd, x, gamma, beta, 2, P, C, 8, 1e-5f, TS_ACT_NONE, 0, NULL);
    ts_group_norm_backward(dx, dgamma, dbeta, dy, x, mean, rstd, gamma, 2, P, C, 8, scratch, NULL);
    CHECK_GOLDEN(y, 2 * P * C, 0xad3a94b48e08fc0b);
    CHECK_GOLDEN(dx, 2 * P * C, 0xf33b77d16555730d);
    CHECK(dgamma[0] != 0 && dbeta[C - 1] != 0);
    release();
}

int main(void) {
    RUN(test_group_norm);
    RUN(test_moments);
    RUN(test_golden);
    return test_end();
}
