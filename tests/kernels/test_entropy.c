/* test_entropy.c - the entropy loss of a quantizer against double precision, gradients against central differences of
 * the double reference. */
#include "kernels/entropy.h"
#include "support.h"

typedef struct problem {
    size_t rows, codes, dim;
    double temperature, gamma;
} problem;

/* The loss as the header writes it, all of p at once. */
static double reference(const problem *p, const double *z, const double *e) {
    double *mean = make_double(p->codes), *share = make_double(p->codes), sure = 0, spread = 0;
    for (size_t r = 0; r < p->rows; r++) {
        double least = INFINITY, total = 0;
        for (size_t k = 0; k < p->codes; k++) {
            share[k] = 0;
            for (size_t i = 0; i < p->dim; i++)
                share[k] += (z[r * p->dim + i] - e[k * p->dim + i]) * (z[r * p->dim + i] - e[k * p->dim + i]);
            least = fmin(least, share[k]);
        }
        for (size_t k = 0; k < p->codes; k++) total += share[k] = exp((least - share[k]) / p->temperature);
        for (size_t k = 0; k < p->codes; k++) {
            const double q = share[k] / total;
            if (q > 0) sure -= q * log(q) / (double)p->rows;
            mean[k] += q / (double)p->rows;
        }
    }
    for (size_t k = 0; k < p->codes; k++)
        if (mean[k] > 0) spread -= mean[k] * log(mean[k]);
    ts_free(mean);
    ts_free(share);
    return sure - p->gamma * spread;
}

/* Central differences of the reference at some of x's values, which are restored. */
static void check_gradient(const problem *p, double *z, double *e, double *x, size_t n, const float *grad,
                           double weight, const char *what) {
    double largest = 1e-9, worst = 0;
    for (size_t i = 0; i < n; i += n / 37 + 1) {
        const double was = x[i], h = 1e-4 * p->temperature;
        x[i] = was + h;
        const double up = reference(p, z, e);
        x[i] = was - h;
        const double down = reference(p, z, e);
        x[i] = was;
        const double want = weight * (up - down) / (2 * h);
        largest = fmax(largest, fabs(want));
        worst = fmax(worst, fabs((double)grad[i] - want));
    }
    test_check(worst <= 1e-3 * largest, __FILE__, __LINE__, "%s: off by %.3g of %.3g", what, worst, largest);
}

static void test_codes(void) {
    static const problem rows[] = {{1, 2, 1, 1, 1},      {5, 3, 2, 0.5, 0},        {40, 37, 4, 1, 1},
                                   {300, 64, 4, 0.3, 2}, {131, 1030, 3, 0.1, 0.5}, {130, 16, 8, 10, 1}};
    for (size_t t = 0; t < sizeof rows / sizeof *rows; t++) {
        const problem *p = &rows[t];
        const size_t nz = p->rows * p->dim, ne = p->codes * p->dim;
        const size_t scratch = ts_code_entropy_scratch(p->rows, (int)p->codes, (int)p->dim);
        test_row("%d rows, %d codes of %d", (int)p->rows, (int)p->codes, (int)p->dim);
        float *z = make_random(nz, 1), *e = make_random(ne, 1), *dz = make_skewed(nz, 1), *de = make_skewed(ne, 1),
              *again = make(nz), *codes_again = make(ne);
        double *wide_z = make_double(nz), *wide_e = make_double(ne);
        for (size_t i = 0; i < nz; i++) wide_z[i] = z[i], dz[i] = again[i] = 0;
        for (size_t i = 0; i < ne; i++) wide_e[i] = e[i], de[i] = codes_again[i] = 0;
        ts_pool *pool = ts_pool_new(3);
        const double want = reference(p, wide_z, wide_e);
        const double got = ts_code_entropy(dz, de, z, e, p->rows, (int)p->codes, (int)p->dim, (float)p->temperature,
                                           (float)p->gamma, 0.7f, make(scratch), pool);
        CHECK_NEAR(got, want, 1e-5 * fmax(1, fabs(want)));
        check_gradient(p, wide_z, wide_e, wide_z, nz, dz, 0.7, "dz");
        check_gradient(p, wide_z, wide_e, wide_e, ne, de, 0.7, "codes");
        CHECK(ts_code_entropy(again, codes_again, z, e, p->rows, (int)p->codes, (int)p->dim, (float)p->temperature,
                              (float)p->gamma, 0.7f, make(scratch), NULL) == got);
        CHECK_BYTES(again, dz, nz * sizeof *dz);
        CHECK_BYTES(codes_again, de, ne * sizeof *de);
        for (size_t i = 0; i < nz; i++) again[i] = 1; /* added to, and codes may stand still */
        ts_code_entropy(again, NULL, z, e, p->rows, (int)p->codes, (int)p->dim, (float)p->temperature, (float)p->gamma,
                        0.7f, make(scratch), NULL);
        for (size_t i = 0; i < nz; i++) CHECK_NEAR(again[i], 1 + dz[i], 1e-6);
        ts_pool_free(pool);
        ts_free(wide_z);
        ts_free(wide_e);
        release();
    }
}

/* At a low temperature p is one code for certain: a latent's entropy is 0, all of them have that of the counts. */
static void test_certain(void) {
    enum { ROWS = 200, CODES = 4, DIM = 2 };
    const float codes[CODES * DIM] = {1, 1, 1, -1, -1, 1, -1, -1};
    float *z = make(ROWS * DIM), *dz = make(ROWS * DIM), *scratch = make(ts_code_entropy_scratch(ROWS, CODES, DIM));
    for (int r = 0; r < ROWS; r++) {
        const int k = r % 4 == 3 ? 0 : r % 4; /* 1/2, 1/4, 1/4, 0 */
        for (int i = 0; i < DIM; i++) z[r * DIM + i] = codes[k * DIM + i] * 1.1f, dz[r * DIM + i] = 0;
    }
    CHECK_NEAR(ts_code_entropy(dz, NULL, z, codes, ROWS, CODES, DIM, 1e-3f, 1, 1, scratch, NULL), -1.5 * log(2), 1e-5);
    for (int i = 0; i < ROWS * DIM; i++) CHECK_NEAR(dz[i], 0, 1e-6);
    z[5] = NAN;
    CHECK(isnan(ts_code_entropy(dz, NULL, z, codes, ROWS, CODES, DIM, 1, 1, 1, scratch, NULL)));
    release();
}

/* Bits against the same loss over all corners: a latent's part is equal; the mean's part too when bits are independent
 * (here: one bit), and never smaller else. */
static void test_bits(void) {
    for (size_t dim = 1; dim <= 5; dim++) {
        const problem alone = {60, (size_t)1 << dim, dim, 0.8, 0};
        const double s = 1 / sqrt((double)dim);
        double *e = make_double(alone.codes * dim), *wide = make_double(60 * dim);
        float *z = make_random(60 * dim, 1), *dz = make_skewed(60 * dim, 1);
        test_row("dim %d", (int)dim);
        for (size_t i = 0; i < alone.codes * dim; i++) e[i] = i / dim >> i % dim & 1 ? s : -s;
        for (size_t i = 0; i < 60 * dim; i++) wide[i] = z[i], dz[i] = 0;
        const double want = reference(&alone, wide, e);
        CHECK_NEAR(ts_bit_entropy(dz, z, 60, (int)dim, (float)s, 0.8f, 0, 3), want, 1e-6 * want);
        check_gradient(&alone, wide, e, wide, 60 * dim, dz, 3, "dz");
        problem both = alone;
        both.gamma = 2;
        for (size_t i = 0; i < 60 * dim; i++) dz[i] = 0;
        const double bound = reference(&both, wide, e), got = ts_bit_entropy(dz, z, 60, (int)dim, (float)s, 0.8f, 2, 3);
        if (dim == 1) {
            CHECK_NEAR(got, bound, 1e-6);
            check_gradient(&both, wide, e, wide, 60, dz, 3, "dz of both");
        } else {
            CHECK(got <= bound + 1e-6);
        }
        ts_free(e);
        ts_free(wide);
        release();
    }
}

/* The mean's part, channel by channel: the sum of one-channel losses. Far latents overflow nothing. */
static void test_bits_apart(void) {
    enum { ROWS = 50, DIM = 3 };
    float *z = make_random(ROWS * DIM, 1), *dz = make(ROWS * DIM), one[ROWS], done[ROWS];
    double sum = 0;
    for (int i = 0; i < ROWS * DIM; i++) dz[i] = 0;
    const double got = ts_bit_entropy(dz, z, ROWS, DIM, 0.5f, 0.4f, 1.5f, 1);
    for (int d = 0; d < DIM; d++) {
        for (int r = 0; r < ROWS; r++) one[r] = z[r * DIM + d], done[r] = 0;
        sum += ts_bit_entropy(done, one, ROWS, 1, 0.5f, 0.4f, 1.5f, 1);
        for (int r = 0; r < ROWS; r++) CHECK_NEAR(dz[r * DIM + d], done[r], 1e-9);
    }
    CHECK_NEAR(got, sum, 1e-12);
    const float far[4] = {1e30f, -1e30f, 1e30f, 1e30f};
    CHECK_NEAR(ts_bit_entropy(dz, far, 4, 1, 1, 1e-3f, 1, 1), 0.25 * log(0.25) + 0.75 * log(0.75), 1e-12);
    CHECK(isnan(ts_bit_entropy(dz, (float[]){NAN, 1}, 2, 1, 1, 1, 1, 1)));
    release();
}

int main(void) {
    RUN(test_codes);
    RUN(test_certain);
    RUN(test_bits);
    RUN(test_bits_apart);
    return test_end();
}
