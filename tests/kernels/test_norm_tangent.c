/* test_norm_tangent.c - the tangent of group normalisation against differences of the norm in double precision, its
 * gradient against differences of those. */
#include "kernels/norm.h"
#include "support.h"

typedef struct norm_case {
    int batch, pixels, channels, groups;
    float offset; /* of x */
} norm_case;

/* Groups of many channels and of one; more channels than a chunk, more pixels than a block. */
static const norm_case CASES[] = {{2, 9, 12, 3, 0},   {1, 300, 64, 32, 0}, {2, 35, 24, 1, 0}, {1, 50, 7, 7, 0},
                                  {1, 20, 140, 2, 0}, {3, 20, 80, 80, -5}, {1, 600, 6, 2, 40}};
static const double EPSILON = 1e-6;

/* y = (x + e t - mean) * rstd * gamma, over one group. */
static void normalise(const norm_case *k, double *y, const double *x, const double *t, double e, const double *gamma) {
    const int each = k->channels / k->groups, n = k->pixels * each;
    double mean = 0, variance = 0;
    for (int i = 0; i < n; i++) {
        const int at = i / each * k->channels + i % each;
        mean += (y[at] = x[at] + e * t[at]) / n;
    }
    for (int i = 0; i < n; i++) {
        const double d = y[i / each * k->channels + i % each] - mean;
        variance += d * d / n;
    }
    for (int i = 0; i < n; i++) {
        double *at = &y[i / each * k->channels + i % each];
        *at = (*at - mean) / sqrt(variance + EPSILON) * gamma[i % each];
    }
}

/* s by a central difference; returns sum ds s. `turn` holds two arrays of the size. */
static double reference(const norm_case *k, double *s, const double *x, const double *t, const double *gamma,
                        const float *ds, double *turn) {
    const double h = 1e-4;
    const int n = k->batch * k->pixels * k->channels, each = k->channels / k->groups;
    double dot = 0;
    for (int image = 0; image < k->batch; image++)
        for (int c = 0; c < k->channels; c += each) {
            const int at = image * k->pixels * k->channels + c;
            normalise(k, turn + at, x + at, t + at, h, gamma + c);
            normalise(k, turn + n + at, x + at, t + at, -h, gamma + c);
        }
    for (int i = 0; i < n; i++) {
        s[i] = (turn[i] - turn[n + i]) / (2 * h);
        dot += s[i] * (double)ds[i];
    }
    return dot;
}

/* Some of the gradients at `at`, by differences of the dot product. */
typedef struct problem {
    const norm_case *k;
    double *x, *t, *gamma, *s, *turn;
    const float *ds;
} problem;

static void check_gradient(const problem *p, double *at, const float *grad, size_t n, double tolerance, int line) {
    const double h = 1e-3;
    double largest = 1e-3;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)grad[i]));
    for (size_t i = 0; i < n; i += n / 29 + 1) {
        const double was = at[i];
        at[i] = was + h;
        const double up = reference(p->k, p->s, p->x, p->t, p->gamma, p->ds, p->turn);
        at[i] = was - h;
        const double down = reference(p->k, p->s, p->x, p->t, p->gamma, p->ds, p->turn);
        at[i] = was;
        const double want = (up - down) / (2 * h);
        test_check(fabs((double)grad[i] - want) <= tolerance * largest, __FILE__, line,
                   "gradient %lu is %.7g, not %.7g", (unsigned long)i, (double)grad[i], want);
    }
}

static double *doubles(const float *x, size_t n) {
    double *out = make_double(n);
    for (size_t i = 0; i < n; i++) out[i] = (double)x[i];
    return out;
}

static void test_tangent(void) {
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const norm_case *k = &CASES[i];
        const size_t n = (size_t)(k->batch * k->pixels * k->channels), c = (size_t)k->channels,
                     stats = (size_t)(k->batch * k->groups);
        test_row("case %d", (int)i);
        float *x = make_random(n, 1), *t = make_random(n, 1), *gamma = make_random(c, 1), *ds = make_random(n, 1);
        for (size_t q = 0; q < n; q++) x[q] += k->offset, t[q] += 0.3f;
        float *s = make_skewed(n, 1), *mean = make(stats), *rstd = make(stats), *dt = make_skewed(n, 1),
              *dx = make_skewed(n, 3), *dgamma = make_zero(c), *scratch = make(2 * (size_t)k->batch * c);
        ts_pool *pool = ts_pool_new(3);
        ts_group_norm_tangent(s, mean, rstd, t, x, gamma, k->batch, (size_t)k->pixels, k->channels, k->groups,
                              (float)EPSILON, scratch, pool);
        ts_group_norm_tangent_backward(dt, dx, dgamma, ds, t, x, mean, rstd, gamma, k->batch, (size_t)k->pixels,
                                       k->channels, k->groups, scratch, pool);
        ts_pool_free(pool);
        problem p = {k, doubles(x, n), doubles(t, n), doubles(gamma, c), make_double(n), make_double(2 * n), ds};
        const double loose = 1 + fabs((double)k->offset);
        reference(k, p.s, p.x, p.t, p.gamma, ds, p.turn);
        CHECK_CLOSE(s, p.s, n, 1e-5, 2e-6 * loose);
        check_gradient(&p, p.t, dt, n, 1e-5 * loose, __LINE__);
        check_gradient(&p, p.x, dx, n, 1e-4 * loose, __LINE__);
        check_gradient(&p, p.gamma, dgamma, c, 1e-5 * loose, __LINE__);
        double *const all[] = {p.x, p.t, p.gamma, p.s, p.turn};
        for (size_t q = 0; q < sizeof all / sizeof *all; q++) ts_free(all[q]);
        release();
    }
}

/* In place, over t or x, and without a pool: the same bits. Gradients that nobody wants are left out. */
static void test_places(void) {
    enum { P = 33, C = 20, N = 2 * P * C };
    float *x = make_random(N, 1), *t = make_random(N, 1), *gamma = make_random(C, 1), *ds = make_random(N, 1),
          *s = make(N), *mean = make(8), *rstd = make(8), *scratch = make(4 * C), *one = make(N), *other = make(N),
          *dgamma = make_zero(C);
    ts_pool *pool = ts_pool_new(2);
    ts_group_norm_tangent(s, mean, rstd, t, x, gamma, 2, P, C, 4, 1e-6f, scratch, pool);
    for (int over = 0; over < 2; over++) {
        float *a = make_copy(t, N), *b = make_copy(x, N);
        ts_group_norm_tangent(over ? b : a, mean, rstd, a, b, gamma, 2, P, C, 4, 1e-6f, scratch, NULL);
        CHECK_BYTES(over ? b : a, s, N * sizeof *s);
    }
    ts_group_norm_tangent_backward(one, other, dgamma, ds, t, x, mean, rstd, gamma, 2, P, C, 4, scratch, pool);
    float *dt = make(N), *dx = make(N), *twice = make_copy(dgamma, C);
    ts_group_norm_tangent_backward(dt, NULL, NULL, ds, t, x, mean, rstd, gamma, 2, P, C, 4, scratch, NULL);
    ts_group_norm_tangent_backward(NULL, dx, twice, ds, t, x, mean, rstd, gamma, 2, P, C, 4, scratch, NULL);
    CHECK_BYTES(dt, one, N * sizeof *dt);
    CHECK_BYTES(dx, other, N * sizeof *dx);
    for (int c = 0; c < C; c++) CHECK_NEAR(twice[c], 2 * dgamma[c], 1e-6 * fabs((double)dgamma[c]));
    ts_pool_free(pool);
    release();
}

static void test_golden(void) {
    enum { P = 333, C = 40, N = 2 * P * C };
    test_rng = ts_rng_new(5, 5);
    float *x = make_random(N, 1), *t = make_random(N, 1), *gamma = make_random(C, 1), *ds = make_random(N, 1),
          *s = make(N), *mean = make(16), *rstd = make(16), *dt = make(N), *dx = make(N), *dgamma = make_zero(C),
          *scratch = make(4 * C);
    ts_group_norm_tangent(s, mean, rstd, t, x, gamma, 2, P, C, 8, 1e-5f, scratch, NULL);
    ts_group_norm_tangent_backward(dt, dx, dgamma, ds, t, x, mean, rstd, gamma, 2, P, C, 8, scratch, NULL);
    CHECK_GOLDEN(s, N, 0x4398a15ceb0d39db);
    CHECK_GOLDEN(dt, N, 0xd751c364108ca534);
    CHECK_GOLDEN(dx, N, 0x97314dbee33a30c5);
    CHECK(dgamma[0] != 0 && dgamma[C - 1] != 0);
    release();
}

int main(void) {
    RUN(test_tangent);
    RUN(test_places);
    RUN(test_golden);
    return test_end();
}
