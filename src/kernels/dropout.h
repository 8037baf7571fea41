/* dropout.h - dropout (Srivastava et al. 2014) whose mask is a function of seed, stream and place, and kept nowhere. */
#ifndef TS_KERNELS_DROPOUT_H
#define TS_KERNELS_DROPOUT_H

#include "base/parallel.h"

#include <stddef.h>
#include <stdint.h>

/* y[i] = 0 with probability p (0 <= p < 1), x[i] / (1 - p) else. The same seed, stream and i give the same choice in
 * every build: the backward pass is the same call on gradients. y may be x. */
void ts_dropout(float *y, const float *x, size_t n, float p, uint64_t seed, uint64_t stream, ts_pool *pool);

#endif
