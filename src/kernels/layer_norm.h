/* layer_norm.h - layer normalisation (Ba, Kiros & Hinton 2016) over the channels of each place, as PyTorch's LayerNorm. */
#ifndef TS_KERNELS_LAYER_NORM_H
#define TS_KERNELS_LAYER_NORM_H

#include "base/parallel.h"

#include <stddef.h>

/* y = (x - mean) * rstd * gamma + beta, with mean and (biased) variance over the channels of a row.
 * x, y: [rows][channels]; gamma, beta: [channels]; y may be x. stats: [rows][2], mean and rstd, kept for the backward
 * pass. */
void ts_layer_norm_forward(float *y, float *stats, const float *x, const float *gamma, const float *beta, size_t rows,
                           int channels, float eps, ts_pool *pool);
/* dx is overwritten, dgamma and dbeta [channels] are added to; any of them may be NULL. */
void ts_layer_norm_backward(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x, const float *stats,
                            const float *gamma, size_t rows, int channels, ts_pool *pool);

#endif
