/* loss.h - losses and their gradients on NHWC float32.
 *
 * Each function returns the loss (a mean) and, if grad is not NULL, writes grad = weight * d loss / d x (overwritten).
 * y is a constant. Sums run in fixed blocks and are joined in double: same bits for any number of threads.
 */
#ifndef TS_KERNELS_LOSS_H
#define TS_KERNELS_LOSS_H

#include "base/parallel.h"

#include <stddef.h>

/* mean |x - y|; the gradient at x = y is 0. */
double ts_loss_l1(float *grad, const float *x, const float *y, size_t n, float weight, ts_pool *pool);
/* mean (x - y)^2 */
double ts_loss_l2(float *grad, const float *x, const float *y, size_t n, float weight, ts_pool *pool);

#define TS_SSIM_SCALES 5
/* How many of the five scales fit: the window (11) must fit into the shorter side at the coarsest scale, so 161 px and
 * up have all five (tf.image's rule), smaller pictures fewer, never below one. */
int ts_ms_ssim_scales(int h, int w);
/* Floats of scratch for the call below. */
size_t ts_ms_ssim_scratch(int batch, int h, int w, int c);
/* MS-SSIM (Wang, Simoncelli, Bovik 2003), not 1 - MS-SSIM: 11x11 Gaussian of sigma 1.5, K1 = .01, K2 = .03, windows
 * wholly inside, scale weights .0448 .2856 .3001 .2363 .1333, 2x2 mean pooling in between, product per image and
 * channel, mean over both; contrast terms and the last SSIM below 0 count as 0 (no gradient there: the floor is 1e-6).
 * With fewer scales the weights are rescaled to sum 1; a side under 11 px takes
 * the largest odd window that fits.
 * range: of the values (2 for [-1, 1], 255 for bytes). scales: 1 .. ts_ms_ssim_scales (1 = plain SSIM). */
double ts_ms_ssim(float *grad, const float *x, const float *y, int batch, int h, int w, int c, int scales, float range,
                  float weight, float *scratch, ts_pool *pool);

/* One LPIPS head (Zhang et al. 2018): mean over batch and pixels of sum_c head[c] (x/|x| - y/|y|)^2,
 * |x| = sqrt(sum_c x^2 + 1e-10). x, y: [rows][channels], rows = batch * pixels. grad: to x. */
double ts_lpips_head(float *grad, const float *x, const float *y, const float *head, size_t rows, int channels,
                     float weight, ts_pool *pool);

#endif
