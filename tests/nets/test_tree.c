/* Tree order of codes: a permutation, coarse clusters under the top bits, the zero code first when asked. */
#include "test.h"

#include <stdlib.h>

#include "base/rng.h"
#include "nets/tree.h"

#define DIM 5

static double spread(const float *codes, const int *order, int from, int count) {
    double sum = 0;
    for (int d = 0; d < DIM; d++) {
        double mean = 0;
        for (int i = 0; i < count; i++) mean += codes[order[from + i] * DIM + d] / (double)count;
        for (int i = 0; i < count; i++) sum += pow(codes[order[from + i] * DIM + d] - mean, 2);
    }
    return sum;
}

static void test_order(void) {
    static const int sizes[] = {1, 2, 3, 5, 16, 37, 64, 100, 128};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int n = sizes[s], order[128], seen[128] = {0};
        float codes[128 * DIM];
        ts_rng rng = ts_rng_new(5, (uint64_t)n);
        ts_rng_fill_normal(&rng, codes, (size_t)n * DIM, 1);
        memset(codes, 0, DIM * sizeof *codes);
        for (int zero = 0; zero < 2; zero++) {
            test_row("%d codes", n);
            memset(seen, 0, sizeof seen);
            CHECK_INT(ts_tree_order(codes, n, DIM, zero, order, NULL), TESS_OK);
            for (int i = 0; i < n; i++) CHECK(order[i] >= 0 && order[i] < n && seen[order[i]]++ == 0);
            if (zero) CHECK_INT(order[0], 0);
            /* halves, quarters and eighths of an index range are tighter than the whole */
            double whole = spread(codes, order, 0, n), halves = 0, eighths = 0;
            for (int i = 0; i < 2 && n == 128; i++) halves += spread(codes, order, i * 64, 64);
            for (int i = 0; i < 8 && n == 128; i++) eighths += spread(codes, order, i * 16, 16);
            CHECK(n < 128 || (halves < 0.9 * whole && eighths < 0.6 * whole));
        }
    }
}

/* Two clumps far apart: the top bit must be the clump. */
static void test_top_bit(void) {
    float codes[32 * DIM];
    int order[32];
    ts_rng rng = ts_rng_new(6, 1);
    for (int i = 0; i < 32; i++) {
        for (int d = 0; d < DIM; d++)
            codes[i * DIM + d] = ts_rng_normal(&rng) + (d == 2 ? (i % 2 ? 20.0f : -20.0f) : 0);
    }
    CHECK_INT(ts_tree_order(codes, 32, DIM, false, order, NULL), TESS_OK);
    for (int i = 1; i < 16; i++) {
        CHECK_INT(order[i] % 2, order[0] % 2);
        CHECK_INT(order[16 + i] % 2, order[16] % 2);
    }
    CHECK(order[0] % 2 != order[16] % 2);
}

/* Codes all alike still give a permutation. */
static void test_equal_codes(void) {
    float codes[8 * DIM] = {0};
    int order[8], sum = 0;
    CHECK_INT(ts_tree_order(codes, 8, DIM, true, order, NULL), TESS_OK);
    for (int i = 0; i < 8; i++) sum += 1 << order[i];
    CHECK_INT(sum, 255);
    CHECK_INT(order[0], 0);
}

int main(void) {
    RUN(test_order);
    RUN(test_top_bit);
    RUN(test_equal_codes);
    return test_end();
}
