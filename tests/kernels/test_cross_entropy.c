/* test_cross_entropy.c - cross-entropy and its gradient against double precision. */
#include "kernels/cross_entropy.h"
#include "support.h"

typedef struct entropy_case {
    int rows, classes;
    float size, smoothing; /* of the logits */
    int least;             /* targets start here: -1, some do not count */
} entropy_case;

static const entropy_case CASES[] = {{1, 1, 1, 0, 0},       {3, 2, 1, 0, -1},      {50, 37, 5, 0.1f, -1},
                                     {9, 512, 30, 0.1f, 0}, {130, 65, 1, 1, -1},   {4, 1000, 2000, 0, 0},
                                     {7, 19, 0, 0.3f, -1},  {6, 5, 1, 0.1f, -1000}}; /* the last: none counts */

static double answer_of(const entropy_case *k, const float *x, const float *target, double weight, double *grad) {
    const double s = (double)k->smoothing;
    double loss = 0;
    int count = 0;
    for (int r = 0; r < k->rows; r++) count += target[r] >= 0;
    for (int r = 0; r < k->rows; r++, x += k->classes, grad += k->classes) {
        double most = -INFINITY, sum = 0, mean = 0;
        if (target[r] < 0) continue;
        for (int i = 0; i < k->classes; i++) most = fmax(most, (double)x[i]);
        for (int i = 0; i < k->classes; i++) sum += exp((double)x[i] - most);
        for (int i = 0; i < k->classes; i++) {
            const double label = (i == (int)target[r] ? 1 - s : 0) + s / k->classes;
            mean += ((double)x[i] - most - log(sum)) * label;
            grad[i] = weight / count * (exp((double)x[i] - most) / sum - label);
        }
        loss -= mean / count;
    }
    return loss;
}

static void test_cross_entropy(void) {
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const entropy_case *k = &CASES[i];
        const size_t rows = (size_t)k->rows, n = rows * (size_t)k->classes;
        test_row("case %d", (int)i);
        float *x = make_random(n, k->size), *target = make(rows), *grad = make_skewed(n, 1), *alone = make(n);
        double *want = make_double(n);
        for (size_t r = 0; r < rows; r++)
            target[r] = (float)k->least +
                        (float)ts_rng_below(&test_rng, (uint32_t)(k->classes - (k->least == -1 ? -1 : 0)));
        const double loss = answer_of(k, x, target, 3, want);
        ts_pool *pool = ts_pool_new(3);
        const double got = ts_cross_entropy(grad, x, target, rows, k->classes, k->smoothing, 3, pool);
        ts_pool_free(pool);
        CHECK_NEAR(got, loss, 2e-6 * (1 + fabs(loss) + (double)k->size));
        CHECK_CLOSE(grad, want, n, 1e-6 * (2 + (double)k->size), 3e-6);
        CHECK(ts_cross_entropy(alone, x, target, rows, k->classes, k->smoothing, 3, NULL) == got);
        CHECK(ts_cross_entropy(NULL, x, target, rows, k->classes, k->smoothing, 0, NULL) == got);
        CHECK_BYTES(alone, grad, n * sizeof *grad);
        ts_free(want);
        release();
    }
}

/* A target past the last class is the last one; NaN in a row that counts shows in the loss. */
static void test_odd_targets(void) {
    float x[3] = {1, 2, 4};
    const float past = 7, last = 2, none = NAN;
    CHECK(ts_cross_entropy(NULL, x, &past, 1, 3, 0, 1, NULL) == ts_cross_entropy(NULL, x, &last, 1, 3, 0, 1, NULL));
    CHECK_NEAR(ts_cross_entropy(NULL, x, &none, 1, 3, 0, 1, NULL), 0, 0);
    x[1] = NAN;
    CHECK(isnan(ts_cross_entropy(NULL, x, &last, 1, 3, 0, 1, NULL)));
}

int main(void) {
    RUN(test_cross_entropy);
    RUN(test_odd_targets);
    return test_end();
}
