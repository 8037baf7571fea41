/* act.h - activation functions on flat arrays. */
#ifndef TS_KERNELS_ACT_H
#define TS_KERNELS_ACT_H

#include "base/parallel.h"

#include <stddef.h>

typedef enum ts_act {
    TS_ACT_NONE,
    TS_ACT_RELU,       /* max(x, 0) */
    TS_ACT_LEAKY_RELU, /* x < 0 ? slope x : x */
    TS_ACT_SILU,       /* x sigmoid(x) */
    TS_ACT_GELU,       /* tanh form: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), PyTorch's approximate="tanh" */
    TS_ACT_TANH
} ts_act;

/* y = act(x), n values; y may be x. slope is used by leaky_relu only. */
void ts_act_forward(float *y, const float *x, size_t n, ts_act act, float slope, ts_pool *pool);
/* y = act(x * scale[c] + shift[c]) over `pixels` pixels of `channels` values, in the caller's thread: group normalisation
 * and its activation (ts_group_norm_affine). scale NULL: act(x) alone. y may be x. */
void ts_act_affine(float *y, const float *x, const float *scale, const float *shift, size_t pixels, int channels,
                   ts_act act, float slope);
/* dx = dy * act'(x), from the input x of the forward pass; dx may be dy or x. */
void ts_act_backward(float *dx, const float *dy, const float *x, size_t n, ts_act act, float slope, ts_pool *pool);

#endif
