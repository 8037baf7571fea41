/* attention.h - softmax attention: y = softmax(scale q k^T) v for each head, by tiles (Dao et al. 2022): a row's maximum
 * and sum run along as keys pass by, so that no matrix of scores over all tokens exists.
 *
 * q, k, v, y and their gradients: float32 [batch][tokens][channels]; head h is channels [h, h + 1) channels / heads. A
 * row's bits depend on its query and the keys and values alone, never on threads.
 */
#ifndef TS_KERNELS_ATTENTION_H
#define TS_KERNELS_ATTENTION_H

#include "base/parallel.h"

#include <stddef.h>

typedef struct ts_attention {
    int batch;
    size_t tokens;
    int channels, heads; /* heads divides channels */
    float scale;
} ts_attention;

/* y must not overlap k or v, and may be q. stats: ts_attention_stats floats for the backward pass, or NULL. scratch:
 * ts_attention_scratch floats, 64-byte aligned. */
void ts_attention_forward(const ts_attention *shape, float *y, float *stats, const float *q, const float *k,
                          const float *v, float *scratch, ts_pool *pool);
/* dq, dk, dv are overwritten (NULL: not wanted). y, stats: of forward. Scores are computed anew. scratch:
 * ts_attention_scratch_back floats. Threads share pictures and heads, not tokens. */
void ts_attention_backward(const ts_attention *shape, float *dq, float *dk, float *dv, const float *dy, const float *y,
                           const float *stats, const float *q, const float *k, const float *v, float *scratch,
                           ts_pool *pool);
size_t ts_attention_stats(const ts_attention *shape);
size_t ts_attention_scratch(const ts_attention *shape, int threads);
size_t ts_attention_scratch_back(const ts_attention *shape, int threads);

#endif
