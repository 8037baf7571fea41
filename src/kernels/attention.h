/* attention.h - softmax attention of one head: y = softmax(scale q k^T) v, by tiles (Dao et al. 2022): a row's maximum
 * and sum run along as keys pass by, so that no matrix of scores over all tokens exists.
 *
 * q, k, v, y and their gradients: float32 [batch][tokens][channels]. A row's bits depend on its query and the keys and
 * values alone, never on threads.
 */
#ifndef TS_KERNELS_ATTENTION_H
#define TS_KERNELS_ATTENTION_H

#include "base/parallel.h"

#include <stddef.h>

/* y must not overlap k or v, and may be q. scratch: ts_attention_scratch floats, 64-byte aligned. */
void ts_attention_forward(float *y, const float *q, const float *k, const float *v, int batch, size_t tokens,
                          int channels, float scale, float *scratch, ts_pool *pool);
/* dq, dk, dv are overwritten (NULL: not wanted). Scores are computed anew. scratch: ts_attention_scratch_back floats. */
void ts_attention_backward(float *dq, float *dk, float *dv, const float *dy, const float *q, const float *k,
                           const float *v, int batch, size_t tokens, int channels, float scale, float *scratch,
                           ts_pool *pool);
size_t ts_attention_scratch(size_t tokens, int channels, int threads);
size_t ts_attention_scratch_back(size_t tokens, int channels, int threads);

#endif
