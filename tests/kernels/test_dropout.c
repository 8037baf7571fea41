/* test_dropout.c - dropout: which values go, how many, and that the mask is a function of seed, stream and place. */
#include "kernels/dropout.h"
#include "support.h"

enum { N = 100003 };

static size_t agreeing(const float *a, const float *b) {
    size_t same = 0;
    for (size_t i = 0; i < N; i++) same += (a[i] == 0) == (b[i] == 0);
    return same;
}

static void test_share(void) {
    for (int tenths = 1; tenths < 10; tenths += 4) {
        const float p = (float)tenths / 10;
        float *x = make(N), *y = make_skewed(N, 1);
        size_t gone = 0, pairs = 0;
        for (size_t i = 0; i < N; i++) x[i] = 2;
        ts_dropout(y, x, N, p, 5, 3, NULL);
        for (size_t i = 0; i < N; i++) {
            gone += y[i] == 0;
            pairs += i && y[i] == 0 && y[i - 1] == 0;
            if (y[i] != 0) CHECK_NEAR(y[i], 2 / (1 - (double)p), 1e-5);
        }
        const double q = (double)p;
        CHECK_NEAR((double)gone / N, q, 5 * sqrt(q * (1 - q) / N)); /* five deviations */
        CHECK_NEAR((double)pairs / N, q * q, 0.01);                 /* neighbours do not know of each other */
        release();
    }
}

static void test_mask(void) {
    float *x = make(N), *y = make(N), *other = make(N);
    for (size_t i = 0; i < N; i++) x[i] = 1;
    ts_pool *pool = ts_pool_new(3);
    ts_dropout(y, x, N, 0.5f, 5, 3, pool);
    ts_pool_free(pool);
    memcpy(other, x, N * sizeof *x);
    ts_dropout(other, other, N, 0.5f, 5, 3, NULL); /* in place */
    CHECK_BYTES(other, y, N * sizeof *y);
    ts_dropout(other, x, N - 7, 0.5f, 5, 3, NULL); /* the length is no part of it */
    CHECK_BYTES(other, y, (N - 7) * sizeof *y);
    ts_dropout(other, x, N, 0.5f, 6, 3, NULL);
    CHECK_NEAR((double)agreeing(other, y) / N, 0.5, 0.01);
    ts_dropout(other, x, N, 0.5f, 5, 4, NULL);
    CHECK_NEAR((double)agreeing(other, y) / N, 0.5, 0.01);
    ts_dropout(other, x, N, 0, 5, 3, NULL);
    CHECK_BYTES(other, x, N * sizeof *x);
    release();
}

/* The same choice in every build, of either numeric class. */
static void test_golden(void) {
    float x[64], y[64];
    uint64_t kept = 0;
    for (int i = 0; i < 64; i++) x[i] = 1;
    ts_dropout(y, x, 64, 0.5f, 1, 2, NULL);
    for (int i = 0; i < 64; i++) kept |= (uint64_t)(y[i] != 0) << i;
    test_check(kept == 0xa7f31d5eae5e91fbull, __FILE__, __LINE__, "mask is 0x%016llx", (unsigned long long)kept);
}

int main(void) {
    RUN(test_share);
    RUN(test_mask);
    RUN(test_golden);
    return test_end();
}
