/* optim.h - optimizer steps on flat stores of parameters. */
#ifndef TS_KERNELS_OPTIM_H
#define TS_KERNELS_OPTIM_H

#include "base/parallel.h"

#include <stddef.h>

typedef struct ts_adamw {
    float lr, beta1, beta2, eps, weight_decay;
    long step;        /* 1 for the first step */
    float grad_scale; /* multiplies every gradient (clipping); 1 = none */
} ts_adamw;

/* One AdamW step (Loshchilov & Hutter 2019) with PyTorch's semantics:
 *   p -= lr wd p;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  p -= lr / (1-b1^t) m / (sqrt(v / (1-b2^t)) + eps). */
void ts_adamw_step(float *p, float *m, float *v, const float *g, size_t n, const ts_adamw *options, ts_pool *pool);
/* Sum of squares in fixed blocks, joined in double; infinite or NaN if any value is. */
double ts_sum_squares(const float *x, size_t n, ts_pool *pool);
/* average = decay * average + (1 - decay) * p */
void ts_ema(float *average, const float *p, size_t n, float decay, ts_pool *pool);

#endif
