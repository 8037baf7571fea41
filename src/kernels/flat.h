/* flat.h - loops over flat arrays in fixed pieces, and sums that depend on neither vector width nor threads. Internal. */
#ifndef TS_KERNELS_FLAT_H
#define TS_KERNELS_FLAT_H

#include "base/parallel.h"
#include "simd/vec.h"

#define TS_FLAT_GRAIN 16384 /* values per piece of elementwise work; a multiple of TS_STRIPES */

/* Runs body for i = begin, begin + TS_VF, ... with n = the number of values left (TS_VF or fewer at the end). */
#define TS_FLAT_LOOP(begin, end)                                                                                       \
    for (size_t i = (begin), n = 0; i < (end) && ((n = (end)-i < TS_VF ? (end)-i : TS_VF), 1); i += TS_VF)

/* TS_STRIPES partial sums: value number i goes to stripe i % TS_STRIPES, in order. */
typedef struct ts_stripes {
    vf part[TS_STRIPES / TS_VF];
} ts_stripes;

static inline ts_stripes ts_stripes_zero(void) {
    ts_stripes s;
    for (int i = 0; i < TS_STRIPES / TS_VF; i++) s.part[i] = vf_zero();
    return s;
}

/* The sum of the stripes, in double, always in the same order. */
static inline double ts_stripes_sum(const ts_stripes *s) {
    float lanes[TS_STRIPES];
    double sum = 0;
    for (int i = 0; i < TS_STRIPES / TS_VF; i++) vf_store(lanes + i * TS_VF, s->part[i]);
    for (int i = 0; i < TS_STRIPES; i++) sum += (double)lanes[i];
    return sum;
}

/* Adds up `terms` numbers per block over blocks of `n` items. A block function writes its partial sums to out[terms];
 * blocks are the same for any number of threads and are joined in order. */
#define TS_SUM_BLOCKS 64
#define TS_SUM_TERMS 4
typedef void ts_block_sum(void *context, size_t begin, size_t end, double *out);
void ts_sum_blocks(double *total, int terms, size_t items, size_t least, ts_block_sum *block, void *context,
                   ts_pool *pool);

#endif
