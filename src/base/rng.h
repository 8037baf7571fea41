/* rng.h - a small seeded random generator (PCG32 XSH-RR, O'Neill 2014). Same numbers on every machine and build.
 * The struct is the whole state: copy it, or store its two words, to save and restore. */
#ifndef TS_BASE_RNG_H
#define TS_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct ts_rng {
    uint64_t state;
    uint64_t stream; /* odd */
} ts_rng;

/* Different streams of one seed are independent sequences. */
ts_rng ts_rng_new(uint64_t seed, uint64_t stream);
uint32_t ts_rng_u32(ts_rng *rng);
/* 0 .. n-1 without bias; n >= 1. */
uint32_t ts_rng_below(ts_rng *rng, uint32_t n);
/* [0, 1) with 24 random bits. */
float ts_rng_uniform(ts_rng *rng);
/* Standard normal (Marsaglia's polar method; draws a varying number of words). */
float ts_rng_normal(ts_rng *rng);
/* n values of mean 0 and the given deviation. */
void ts_rng_fill_normal(ts_rng *rng, float *values, size_t n, float deviation);
/* n values uniform in [-bound, bound). */
void ts_rng_fill_uniform(ts_rng *rng, float *values, size_t n, float bound);
/* Fisher-Yates over n (<= 2^32 - 1) indices. */
void ts_rng_shuffle(ts_rng *rng, uint32_t *values, size_t n);

#endif
