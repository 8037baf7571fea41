/* winograd.h - 3x3 convolution of stride 1 by Winograd's minimal filtering F(m x m, 3x3), m = 6, 4, 2. Internal.
 *
 * A tile is m x m outputs; they depend on (m+2) x (m+2) inputs d. With g the 3x3 filter of an input and output channel
 *     Y = A^T [ (G g G^T) * (B^T d B) ] A,    * element by element, summed over input channels,
 * so that (m+2)^2 / m^2 multiplications make an output instead of 9: 1.78 for m = 6, 2.25 for m = 4, 4 for m = 2 (Lavin
 * and Gray, Fast Algorithms for Convolutional Neural Networks, 2015). Each of the (m+2)^2 frequencies is a matrix product, tiles x
 * input channels by input channels x output channels. Interpolation points: 0, +-sqrt(1/2), +-sqrt(2), infinity for
 * m = 4 (Barabasz et al., Error analysis and improving the accuracy of Winograd convolution, 2018: points a and 1/a
 * balance the matrices), 0, +-1, infinity for m = 2; 0, +-1, +-2, +-1/2, infinity for m = 6, whose c below is within
 * two thousandths of the least found for points 0, +-p, +-q, +-r, infinity, while B^T and A^T are exact in binary.
 *
 * Nearest-2x upsampling before the convolution: each of the four phases of the output is a convolution of the small
 * plane with the taps (w0, w1 + w2, 0) or (0, w0 + w1, w2) along each axis. All four share one transform of the input,
 * and the filter's value at infinity, or at 0, is zero: 25 of the 36 frequencies are multiplied.
 *
 * Error. Let u = 2^-24, K the input channels, and E = |A^T| [sum over k of (|G| |g| |G^T|) * (|B^T| |d| |B|)] |A| >= the
 * sum of all the absolute values that meet in an output. Every value passes through at most 6 roundings of a line of
 * B^T and 4 of G (their constants' included), twice each for two axes, the K - 1 of the chain (one more for the product), and 2 x 7 of A^T:
 *     |error| <= (K + 36) u E to first order, plus 2^-149 E' for results below the normal range.
 * E <= c^2 max|d| sum|g| with c = 12.54 for m = 4 and 4 for m = 2 (the largest row sum of |A^T| |G| |B^T|), against 1
 * for the direct form, whose chain of 9 K has |error| <= (9 K + 2) u sum|d||g|. So in the worst case m = 2 is about as
 * accurate as the direct form and m = 4 loses a factor of 17; on ordinary data their errors are like the direct form's. m = 4 is
 * taken as long as its bound, 157 (K + 36) u, is at most 1/64 of max|d| sum|g|: up to 1600 channels; above, m = 2.
 * m = 6 passes 3 roundings of B^T, 4 of G and 4 of A^T, twice each, and sums up in chains of L = 128 channels that are
 * then added: |error| <= (min(K, L) + K / L + 24) u E with c = 39.56, so that 1565 (128 + K / 128 + 24) u is at most
 * 1/64 up to 1900 channels. On ordinary data its error is about four times that of m = 4: 4e-6 of the output's size
 * (root mean square, K = 100).
 *
 * Gradient of the weights: the adjoint of m = 4,
 *     dW = G^T [ sum over tiles of (B^T d B) * (A dY A^T) ] G,
 * 36 multiplications a tile, where the direct form takes 9 x 16. Tiles are summed up in blocks of T <= 64, a chain each,
 * and the N blocks in order. A value passes through at most 6 roundings of a line of B^T, 4 of A and 5 of G^T, twice
 * each, a chain of T, the N blocks, and the sum with what the gradient was before:
 *     |error| <= (T + N + 31) u E to first order, plus 2^-149 E',
 * E = |G^T| [ sum over tiles of (|B^T| |d| |B|) * (|A| |dY| |A^T|) ] |G| <= c^2 sum over tiles of max|d| max|dY| with
 * c = 30.73 (the largest column sum of |G| weighted by the row sums of |B^T| and |A|), against 4 for the direct form.
 */
#ifndef TS_KERNELS_WINOGRAD_H
#define TS_KERNELS_WINOGRAD_H

#include "kernels/conv.h"

enum { TS_WINOGRAD_DEPTH = 1600 }; /* channels summed up, at most, by F(4x4) and F(6x6) */

typedef enum ts_winograd_pass { TS_WINOGRAD_FORWARD, TS_WINOGRAD_BACK, TS_WINOGRAD_WEIGHT } ts_winograd_pass;

/* m: outputs along a tile's side, 6, 4 or 2; 0 where the direct form is faster or the shape is none of ours. */
int ts_winograd_tile(const ts_conv_shape *shape, ts_winograd_pass pass);
/* Does the forward pass make its panels as it goes? So it does where the panels would be read about once per pass. */
bool ts_winograd_streams(const ts_conv_shape *shape, int m);
/* Floats of the panels, and of scratch for this number of threads. */
size_t ts_winograd_panels(const ts_conv_shape *shape, int m, ts_winograd_pass pass);
size_t ts_winograd_scratch(const ts_conv *plan, ts_winograd_pass pass, int threads);
void ts_winograd_pack(const ts_conv *plan, ts_winograd_pass pass, float *panels, const float *weights, ts_pool *pool);
/* y = the forward pass of x, or (BACK) the gradient with respect to the input from x := dy. */
void ts_winograd_run(const ts_conv *plan, ts_winograd_pass pass, float *y, const float *x, ts_filter filter,
                     const ts_conv_fuse *fuse, float *scratch, ts_pool *pool);
/* dw [3][3][in][out] += the gradient with respect to the weights, with tiles of 4x4; in >= TS_MR. Floats of scratch. */
void ts_winograd_weight(const ts_conv_shape *shape, float *dw, const float *x, const float *dy, float *scratch,
                        ts_pool *pool);
size_t ts_winograd_scratch_weight(const ts_conv_shape *shape, int threads);

#endif
