/* test_rng.c - known values, bounds, moments, saved state, shuffles. */
#include "base/rng.h"
#include "test.h"

/* The reference sequence of pcg32 (seed 42, stream 54), from its authors' demo. */
static void test_known(void) {
    static const uint32_t WANT[] = {0xa15c02b7, 0x7b47f409, 0xba1d3330, 0x83d2f293, 0xbfa4784b, 0xcbed606e};
    ts_rng rng = ts_rng_new(42, 54);
    for (int i = 0; i < 6; i++) CHECK_INT(ts_rng_u32(&rng), WANT[i]);
}

static void test_ranges(void) {
    ts_rng rng = ts_rng_new(1, 1);
    int counts[7] = {0};
    for (int i = 0; i < 70000; i++) counts[ts_rng_below(&rng, 7)]++;
    for (int i = 0; i < 7; i++) CHECK_NEAR(counts[i], 10000, 450);
    for (int i = 0; i < 100; i++) CHECK_INT(ts_rng_below(&rng, 1), 0);
    double low = 1, high = 0;
    for (int i = 0; i < 10000; i++) {
        const double u = (double)ts_rng_uniform(&rng);
        low = fmin(low, u);
        high = fmax(high, u);
    }
    CHECK(low >= 0 && low < 1e-3 && high < 1 && high > 0.999);
}

static void test_normal(void) {
    enum { N = 200000 };
    static float x[N];
    ts_rng rng = ts_rng_new(3, 9);
    ts_rng_fill_normal(&rng, x, N, 2);
    double mean = 0, variance = 0, fourth = 0;
    int beyond = 0;
    for (int i = 0; i < N; i++) {
        const double v = (double)x[i] / 2;
        mean += v / N;
        variance += v * v / N;
        fourth += v * v * v * v / N;
        beyond += fabs(v) > 3;
    }
    CHECK_NEAR(mean, 0, 0.01);
    CHECK_NEAR(variance, 1, 0.015);
    CHECK_NEAR(fourth, 3, 0.1);
    CHECK_NEAR(beyond, 0.0027 * N, 100);
    ts_rng_fill_uniform(&rng, x, N, 0.5f);
    variance = 0;
    for (int i = 0; i < N; i++) variance += (double)x[i] * (double)x[i] / N;
    CHECK_NEAR(variance, 1.0 / 12, 1e-3);
}

static void test_state(void) {
    ts_rng a = ts_rng_new(5, 0), other = ts_rng_new(5, 1);
    for (int i = 0; i < 10; i++) ts_rng_normal(&a);
    ts_rng b = a;
    int same = 0;
    for (int i = 0; i < 100; i++) {
        CHECK(ts_rng_normal(&a) == ts_rng_normal(&b));
        same += ts_rng_u32(&a) == ts_rng_u32(&other);
        ts_rng_u32(&b);
    }
    CHECK(same < 3);
}

static void test_shuffle(void) {
    uint32_t order[50], seen[50] = {0}, moved = 0;
    for (uint32_t i = 0; i < 50; i++) order[i] = i;
    ts_rng rng = ts_rng_new(8, 8);
    ts_rng_shuffle(&rng, order, 50);
    for (uint32_t i = 0; i < 50; i++) {
        seen[order[i]]++;
        moved += order[i] != i;
    }
    for (int i = 0; i < 50; i++) CHECK_INT(seen[i], 1);
    CHECK(moved > 40);
    ts_rng_shuffle(&rng, order, 0);
}

int main(void) {
    RUN(test_known);
    RUN(test_ranges);
    RUN(test_normal);
    RUN(test_state);
    RUN(test_shuffle);
    return test_end();
}
