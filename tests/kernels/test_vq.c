/* test_vq.c - code search against double precision, ties, rates, statistics. */
#include "kernels/vq.h"
#include "support.h"

static double cost(const float *x, const float *e, int dim, double rate) {
    double sum = rate;
    for (int d = 0; d < dim; d++) sum += ((double)x[d] - (double)e[d]) * ((double)x[d] - (double)e[d]);
    return sum;
}

static double square(const float *x, int dim) {
    double sum = 0;
    for (int d = 0; d < dim; d++) sum += (double)x[d] * (double)x[d];
    return sum;
}

static const int SIZES[][3] = {{1, 1, 1},    {7, 5, 3},    {50, 64, 8},  {33, 1000, 16},
                               {20, 130, 4}, {9, 4096, 5}, {100, 17, 32}};

static void test_lookup(void) {
    for (int s = 0; s < 7; s++) {
        const size_t rows = (size_t)SIZES[s][0], ldx = (size_t)SIZES[s][2] + 2;
        const int codes = SIZES[s][1], dim = SIZES[s][2];
        for (int rated = 0; rated < 2; rated++) {
            test_row("rows %d codes %d dim %d rate %d", (int)rows, codes, dim, rated);
            const float lambda = 0.05f;
            float *x = make_random(rows * ldx, 1), *book = make_random((size_t)(codes * dim), 1),
                  *bits = make_random((size_t)codes, 1);
            float *packed = make(ts_vq_packed(codes, dim)), *score = make(rows);
            for (int k = 0; k < codes; k++) bits[k] = 8 + 8 * bits[k];
            uint16_t *index = ts_calloc(rows, 2), *again = ts_calloc(rows, 2);
            ts_vq_pack(packed, book, rated ? bits : NULL, lambda, codes, dim);
            ts_vq_lookup(index, score, x, ldx, packed, rows, codes, dim, NULL);
            ts_pool *pool = ts_pool_new(3);
            ts_vq_lookup(again, NULL, x, ldx, packed, rows, codes, dim, pool);
            CHECK_BYTES(again, index, rows * 2);
            for (size_t r = 0; r < rows; r++) {
                const float *row = x + r * ldx;
                double best = INFINITY;
                for (int k = 0; k < codes; k++)
                    best = fmin(best, cost(row, book + k * dim, dim, rated ? (double)lambda * (double)bits[k] : 0));
                const int k = index[r];
                if (!CHECK(k < codes)) continue;
                const double rate = rated ? (double)lambda * (double)bits[k] : 0;
                CHECK_NEAR(cost(row, book + k * dim, dim, rate), best, 1e-6 * (dim + 1)); /* as good as the best */
                CHECK_NEAR((double)score[r] + square(row, dim), best, 2e-6 * (dim + 1));
            }
            ts_pool_free(pool);
            ts_free(index);
            ts_free(again);
            release();
        }
    }
}

/* Copies of the best code: the first one wins, wherever the copies fall in panels and lanes. */
static void test_ties(void) {
    enum { CODES = 300, DIM = 6 };
    static const int FIRST[] = {0, 3, 15, 16, 17, 63, 64, 127, 200, 298};
    float *book = make_random(CODES * DIM, 1), *packed = make(ts_vq_packed(CODES, DIM));
    for (int i = 0; i < 10; i++) {
        float *copy = make_copy(book, CODES * DIM), x[DIM] = {9, 9, 9, 9, 9, 9};
        uint16_t index = 7777;
        for (int k = FIRST[i]; k < CODES; k += 1 + k % 3)
            for (int d = 0; d < DIM; d++) copy[k * DIM + d] = 9;
        test_row("first %d", FIRST[i]);
        ts_vq_pack(packed, copy, NULL, 0, CODES, DIM);
        ts_vq_lookup(&index, NULL, x, DIM, packed, 1, CODES, DIM, NULL);
        CHECK_INT(index, FIRST[i]);
    }
    float bad[DIM] = {1, NAN, 0, 0, 0, 0};
    uint16_t index = 7777;
    ts_vq_lookup(&index, NULL, bad, DIM, packed, 1, CODES, DIM, NULL);
    CHECK_INT(index, 0);
    release();
}

static void test_best(void) {
    enum { ROWS = 23, CODES = 150, DIM = 7, KEEP = 6 };
    float *x = make_random(ROWS * DIM, 1), *book = make_random(CODES * DIM, 1),
          *packed = make(ts_vq_packed(CODES, DIM)), *score = make(ROWS * KEEP);
    uint16_t index[ROWS * KEEP], nearest[ROWS];
    ts_vq_pack(packed, book, NULL, 0, CODES, DIM);
    ts_vq_best(index, score, KEEP, x, DIM, packed, ROWS, CODES, DIM, NULL);
    ts_vq_lookup(nearest, NULL, x, DIM, packed, ROWS, CODES, DIM, NULL);
    for (int r = 0; r < ROWS; r++) {
        CHECK_INT(index[r * KEEP], nearest[r]);
        int better = 0; /* codes clearly nearer than the last one kept */
        const double last = cost(x + r * DIM, book + index[r * KEEP + KEEP - 1] * DIM, DIM, 0);
        for (int k = 0; k < CODES; k++) better += cost(x + r * DIM, book + k * DIM, DIM, 0) < last - 1e-5;
        CHECK(better <= KEEP - 1);
        for (int i = 1; i < KEEP; i++)
            CHECK(score[r * KEEP + i - 1] <= score[r * KEEP + i] && index[r * KEEP + i] != index[r * KEEP + i - 1]);
    }
    release();
}

static void test_statistics(void) {
    enum { ROWS = 40, CODES = 9, DIM = 5 };
    float *x = make_random(ROWS * DIM, 1), *book = make_random(CODES * DIM, 1), *count = make_zero(CODES),
          *sum = make_zero(CODES * DIM), *y = make(ROWS * DIM);
    uint16_t index[ROWS];
    double want_sum[CODES * DIM] = {0}, want_count[CODES] = {0}, want_y[ROWS * DIM];
    for (int r = 0; r < ROWS; r++) index[r] = (uint16_t)ts_rng_below(&test_rng, CODES);
    for (int r = 0; r < ROWS; r++)
        for (int d = 0; d < DIM; d++) {
            want_count[index[r]] += d == 0;
            want_sum[index[r] * DIM + d] += (double)x[r * DIM + d];
            want_y[r * DIM + d] = 2 * (double)book[index[r] * DIM + d];
        }
    ts_vq_accumulate(count, sum, index, x, DIM, ROWS, DIM);
    CHECK_CLOSE(count, want_count, CODES, 0, 0);
    CHECK_CLOSE(sum, want_sum, CODES * DIM, 1e-6, 1e-6);
    ts_vq_gather(y, DIM, book, index, ROWS, DIM, 0, NULL);
    ts_vq_gather(y, DIM, book, index, ROWS, DIM, 1, NULL);
    CHECK_CLOSE(y, want_y, ROWS * DIM, 0, 0);
    release();
}

int main(void) {
    RUN(test_lookup);
    RUN(test_ties);
    RUN(test_best);
    RUN(test_statistics);
    return test_end();
}
