/* depthwise.h - one filter per channel: odd square kernels, stride 1, zeros around; NHWC float32. */
#ifndef TS_KERNELS_DEPTHWISE_H
#define TS_KERNELS_DEPTHWISE_H

#include "base/parallel.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct ts_depthwise {
    int batch, height, width, channels;
    int kernel; /* odd, 1 .. TS_DEPTHWISE_MAX */
} ts_depthwise;

#define TS_DEPTHWISE_MAX 15

/* y[p][c] = bias[c] + sum over taps of x[p + tap][c] * w[tap][c], taps in order. x, y: [batch][height][width][channels],
 * apart; w: [kernel][kernel][channels]; bias may be NULL. `flip`: taps from last to first, so that with x = dy and no bias
 * y is the gradient to x. scratch: ts_depthwise_scratch floats. */
void ts_depthwise_forward(const ts_depthwise *d, float *y, const float *x, const float *w, const float *bias, bool flip,
                          float *scratch, ts_pool *pool);
size_t ts_depthwise_scratch(const ts_depthwise *d, int threads);
/* dw [kernel][kernel][channels] and dbias [channels] (may be NULL) are added to: sums along a row, of those over a
 * picture, of those over the batch. */
void ts_depthwise_backward_weight(const ts_depthwise *d, float *dw, float *dbias, const float *x, const float *dy,
                                  ts_pool *pool);

#endif
