/* norm.h - group normalisation (Wu & He 2018) on NHWC float32, as PyTorch's GroupNorm. */
#ifndef TS_KERNELS_NORM_H
#define TS_KERNELS_NORM_H

#include "base/parallel.h"
#include "kernels/act.h"

#include <stddef.h>

/* y = act((x - mean) * rstd * gamma + beta), with mean and (biased) variance over the pixels and channels of a group.
 * x, y: [batch][pixels][channels]; gamma, beta: [channels]; groups divides channels; y may be x.
 * mean, rstd: [batch][groups], kept for the backward pass, which is that of act TS_ACT_NONE. */
void ts_group_norm_forward(float *y, float *mean, float *rstd, const float *x, const float *gamma, const float *beta,
                           int batch, size_t pixels, int channels, int groups, float eps, ts_act act, float slope,
                           ts_pool *pool);
/* One reading pass: mean and rstd alone. */
void ts_group_norm_moments(float *mean, float *rstd, const float *x, int batch, size_t pixels, int channels, int groups,
                           float eps, ts_pool *pool);
/* One reading pass: scale, shift [batch][channels] such that y = x * scale + shift, for a reader that applies them while
 * loading (ts_conv_fuse). Where |mean| is many times 1 / rstd, y loses the bits that x * scale and shift cancel. */
void ts_group_norm_affine(float *scale, float *shift, float *mean, float *rstd, const float *x, const float *gamma,
                          const float *beta, int batch, size_t pixels, int channels, int groups, float eps,
                          ts_pool *pool);
/* dx is overwritten (may be dy); dgamma and dbeta accumulate (NULL: frozen, not computed); gamma NULL: ones.
 * scratch: 2 * batch * channels floats. */
void ts_group_norm_backward(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x, const float *mean,
                            const float *rstd, const float *gamma, int batch, size_t pixels, int channels, int groups,
                            float *scratch, ts_pool *pool);

/* The tangent s = d y(x + e t) / d e of y above at e = 0, [batch][pixels][channels] as t and x; s may be either.
 * mean, rstd are made and kept for the backward pass; scratch: 2 * batch * channels floats. */
void ts_group_norm_tangent(float *s, float *mean, float *rstd, const float *t, const float *x, const float *gamma,
                           int batch, size_t pixels, int channels, int groups, float eps, float *scratch,
                           ts_pool *pool);
/* From ds: dt and dx are overwritten (NULL: not computed), dgamma accumulates (NULL: frozen).
 * scratch: batch * channels floats. */
void ts_group_norm_tangent_backward(float *dt, float *dx, float *dgamma, const float *ds, const float *t,
                                    const float *x, const float *mean, const float *rstd, const float *gamma, int batch,
                                    size_t pixels, int channels, int groups, float *scratch, ts_pool *pool);

#endif
