/* resample.h - moves and pools of pixels on NHWC float32: upsampling, pixel shuffles, pooling, zero padding.
 * Outputs never overlap inputs. Backward passes overwrite dx. */
#ifndef TS_KERNELS_RESAMPLE_H
#define TS_KERNELS_RESAMPLE_H

#include "base/parallel.h"

#include <stddef.h>
#include <stdint.h>

/* y [batch][h*factor][w*factor][c] repeats every pixel of x [batch][h][w][c]. */
void ts_upsample_nearest(float *y, const float *x, int batch, int h, int w, int c, int factor, ts_pool *pool);
/* dx [batch][h][w][c] = sum of dy over each factor x factor block. */
void ts_upsample_nearest_backward(float *dx, const float *dy, int batch, int h, int w, int c, int factor,
                                  ts_pool *pool);

/* PyTorch PixelShuffle: x [batch][h][w][c*f*f] -> y [batch][h*f][w*f][c]; channel c*f*f + fy*f + fx goes to (fy, fx). */
void ts_pixel_shuffle(float *y, const float *x, int batch, int h, int w, int c, int factor, ts_pool *pool);
/* Its inverse, which is also its backward pass: x [batch][h*f][w*f][c] -> y [batch][h][w][c*f*f]. */
void ts_pixel_unshuffle(float *y, const float *x, int batch, int h, int w, int c, int factor, ts_pool *pool);

/* Pooled extent: floor, or ceil mode as PyTorch (the last window starts inside the input, and may overhang). */
int ts_pool_extent(int extent, int kernel, int stride, int ceil_mode);
/* y [batch][out_h][out_w][c]: maximum over kernel x kernel windows at `stride`, no padding; windows that overhang are
 * clipped. out_h, out_w as ts_pool_extent says. */
void ts_max_pool(float *y, const float *x, int batch, int h, int w, int c, int kernel, int stride, int out_h, int out_w,
                 ts_pool *pool);
/* dx [batch][h][w][c]: dy goes to the first maximum (row-major) of its window, found again from x. */
void ts_max_pool_backward(float *dx, const float *dy, const float *x, int batch, int h, int w, int c, int kernel,
                          int stride, int out_h, int out_w, ts_pool *pool);

/* y [batch][h/factor][w/factor][c] = mean of factor x factor blocks; rows and columns at the end that fill no block are
 * dropped. */
void ts_mean_pool(float *y, const float *x, int batch, int h, int w, int c, int factor, ts_pool *pool);
/* dx [batch][h][w][c]: each pixel of a block gets dy / factor^2, a dropped one 0. */
void ts_mean_pool_backward(float *dx, const float *dy, int batch, int h, int w, int c, int factor, ts_pool *pool);

/* y [batch][top+h+bottom][left+w+right][c]: x with zeros around it. */
void ts_pad_zero(float *y, const float *x, int batch, int h, int w, int c, int top, int left, int bottom, int right,
                 ts_pool *pool);
/* y [batch][h][w][c] = the part of x [batch][top+h+bottom][left+w+right][c] inside those margins: padding's backward. */
void ts_crop(float *y, const float *x, int batch, int h, int w, int c, int top, int left, int bottom, int right,
             ts_pool *pool);

#endif
