/* rng.c - PCG32 and what is drawn from it. */
#include "base/rng.h"

#include <math.h>

#define LN2 0.69314718055994530942

ts_rng ts_rng_new(uint64_t seed, uint64_t stream) {
    ts_rng rng = {0, (stream << 1) | 1};
    ts_rng_u32(&rng);
    rng.state += seed;
    ts_rng_u32(&rng);
    return rng;
}

uint32_t ts_rng_u32(ts_rng *rng) {
    const uint64_t old = rng->state;
    rng->state = old * 6364136223846793005ull + rng->stream;
    const uint32_t mixed = (uint32_t)(((old >> 18) ^ old) >> 27);
    const uint32_t turn = (uint32_t)(old >> 59);
    return (mixed >> turn) | (mixed << ((32 - turn) & 31));
}

uint32_t ts_rng_below(ts_rng *rng, uint32_t n) {
    const uint32_t least = (0u - n) % n; /* values below this would make some results likelier */
    for (;;) {
        const uint32_t value = ts_rng_u32(rng);
        if (value >= least) return value % n;
    }
}

float ts_rng_uniform(ts_rng *rng) { return (float)(ts_rng_u32(rng) >> 8) * 0x1p-24f; }

float ts_rng_normal(ts_rng *rng) {
    for (;;) {
        const double a = (double)(int32_t)ts_rng_u32(rng) * 0x1p-31;
        const double b = (double)(int32_t)ts_rng_u32(rng) * 0x1p-31;
        const double s = a * a + b * b;
        if (s < 1 && s > 0) return (float)(a * sqrt(-2 * LN2 * log2(s) / s));
    }
}

void ts_rng_fill_normal(ts_rng *rng, float *values, size_t n, float deviation) {
    for (size_t i = 0; i < n; i++) values[i] = ts_rng_normal(rng) * deviation;
}

void ts_rng_fill_uniform(ts_rng *rng, float *values, size_t n, float bound) {
    for (size_t i = 0; i < n; i++) values[i] = (2 * ts_rng_uniform(rng) - 1) * bound;
}

void ts_rng_shuffle(ts_rng *rng, uint32_t *values, size_t n) {
    for (size_t i = n; i > 1; i--) {
        const size_t j = ts_rng_below(rng, (uint32_t)i);
        const uint32_t swap = values[i - 1];
        values[i - 1] = values[j];
        values[j] = swap;
    }
}
