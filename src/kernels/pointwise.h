/* pointwise.h - elementwise arithmetic on flat arrays. Outputs may be the same array as any input. */
#ifndef TS_KERNELS_POINTWISE_H
#define TS_KERNELS_POINTWISE_H

#include "base/parallel.h"

#include <stddef.h>

void ts_vadd(float *y, const float *a, const float *b, size_t n, ts_pool *pool);     /* y = a + b */
void ts_vmul(float *y, const float *a, const float *b, size_t n, ts_pool *pool);     /* y = a * b */
void ts_vmul_add(float *y, const float *a, const float *b, size_t n, ts_pool *pool); /* y += a * b */
void ts_vscale(float *y, const float *x, float scale, size_t n, ts_pool *pool);      /* y = x * scale */
void ts_vaxpy(float *y, const float *x, float scale, size_t n, ts_pool *pool);       /* y += x * scale */
void ts_vfill(float *y, float value, size_t n, ts_pool *pool);
/* y = x * scale[c] + shift[c] on [rows][channels]; either array may be NULL (1, 0). The backward pass is the same call
 * with shift NULL. */
void ts_channel_affine(float *y, const float *x, const float *scale, const float *shift, size_t rows, int channels,
                       ts_pool *pool);
/* Copies columns between matrices of different widths: y[r][y_first + i] = x[r][x_first + i] for i < columns. Concat is
 * two of these, slice is one. */
void ts_copy_columns(float *y, int y_width, int y_first, const float *x, int x_width, int x_first, size_t rows,
                     int columns, ts_pool *pool);

#endif
