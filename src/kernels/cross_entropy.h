/* cross_entropy.h - softmax cross-entropy with label smoothing (Szegedy et al. 2016), as PyTorch's. */
#ifndef TS_KERNELS_CROSS_ENTROPY_H
#define TS_KERNELS_CROSS_ENTROPY_H

#include "base/parallel.h"

#include <stddef.h>

/* Mean, over rows whose target is not negative, of -(1 - smoothing) log p_t - smoothing mean_k log p_k, p = softmax(x);
 * nats; 0 where no row counts. x: [rows][classes]; target: [rows], classes as floats (past the last: the last).
 * grad [rows][classes], if not NULL, = weight * the gradient to x (overwritten, 0 in rows that do not count). Sums run in
 * fixed blocks: the same bits for any number of threads. */
double ts_cross_entropy(float *grad, const float *x, const float *target, size_t rows, int classes, float smoothing,
                        float weight, ts_pool *pool);

#endif
