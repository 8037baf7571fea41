/* conv.h - 2-D convolution, forward and backward, on NHWC float32; transposed convolution is its backward.
 *
 * Memory order of weights and of their gradients: [kh][kw][in][out] (files hold OIHW: one transpose at loading).
 * A plan (ts_conv_plan) fixes shape and algorithm; packing turns weights into the panels that the plan's algorithm
 * wants, once per change of weights. Everything is implicit GEMM on the tile of gemm.h: no im2col.
 *
 * Every output is one chain over (ky, kx, channel) starting from the bias (up to three outputs of 8 n inputs: eight
 * interleaved chains, or more in fused builds, joined by halves, the bias last): its bits depend only on the input under its
 * window, never on where the window lies in the picture or on threads. So a tile with its halo gives the whole
 * picture's pixels exactly. Borders are zeros that take part in the sum.
 *
 * Transposed convolution (PyTorch ConvTranspose2d, weight file order I O kh kw, in memory [kh][kw][O][I]): plan the
 * convolution that maps its output to its input, then
 *     forward   y  = ts_conv_transposed(plan, x, panels of ts_conv_pack_back, fuse)
 *     dx        = ts_conv_forward(plan, dy, panels of ts_conv_pack, NULL)
 *     dweight  += ts_conv_backward_weight(plan, x := dy, dy := x), dbias by ts_sum_rows of dy.
 */
#ifndef TS_KERNELS_CONV_H
#define TS_KERNELS_CONV_H

#include "base/parallel.h"
#include "base/status.h"
#include "kernels/act.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ts_conv_shape {
    int batch, height, width;                     /* input */
    int in, out;                                  /* channels */
    int kernel_h, kernel_w;                       /* 1 .. 31 */
    int stride;                                   /* 1 .. 8 */
    int pad_top, pad_left, pad_bottom, pad_right; /* zeros; each below the kernel's extent */
    /* Steps joined to the convolution; 0 and 1: none. height, width, in, out and pads are those of the convolution. */
    int upsample;  /* 2: x is [height / 2][width / 2][in], enlarged (nearest); for 3x3, stride 1, pads 1 */
    int unshuffle; /* f: x is [height f][width f][in / f^2], taken space to depth (channel order c f^2 + fy f + fx) */
    int shuffle;   /* f: y is [out_h f][out_w f][out / f^2], stored depth to space (the same order) */
} ts_conv_shape;

/* The weights of a forward pass: what ts_conv_pack made; or for plans that stream (`streams`) the values themselves,
 * [kh][kw][in][out], as float32 or float16 (the other NULL), from which the pass makes panels as it goes. */
typedef struct ts_filter {
    const float *panels;
    const float *values;
    const uint16_t *halves;
} ts_filter;

/* What a forward pass does besides the convolution, while it loads and stores. */
typedef struct ts_conv_fuse {
    const float *bias; /* [out] or NULL */
    ts_act act;        /* y = act(conv(x) + bias) + add */
    float slope;       /* of leaky_relu, in act and load_act */
    const float *add;  /* same shape as y, or NULL; may be y itself */
    /* The convolution sees load_act(x * scale + shift), inside the picture; its border stays zero. [batch][in] each; NULL:
     * x itself. This is group normalisation with its activation. */
    const float *scale, *shift;
    ts_act load_act;
} ts_conv_fuse;

typedef enum ts_conv_algorithm {
    TS_CONV_DIRECT,  /* rows of x are used in place: 1x1, or no padding */
    TS_CONV_STRIP,   /* bands of x are copied into a zero-bordered strip first */
    TS_CONV_WINOGRAD /* 3x3, stride 1: tiles of outputs with fewer multiplications, see winograd.h */
} ts_conv_algorithm;

typedef struct ts_conv {
    ts_conv_shape shape;
    int out_h, out_w;            /* (height + pads - kernel) / stride + 1 */
    ts_conv_algorithm algorithm; /* of the forward pass */
    bool streams;                /* the forward pass takes values or halves; panels is 0 */
    int band;                    /* output rows per task, forward; depends on the shape alone */
    int tile, tile_back; /* outputs along a side of a Winograd tile, forward and back: 6, 4 or 2; 0: not Winograd */
    int tile_weight;     /* the same of the gradient of weights: 4 or 0 */
    size_t panels;       /* floats of ts_conv_pack's result */
    size_t panels_back;  /* floats of ts_conv_pack_back's result */
} ts_conv;

/* Fills the plan. TESS_ERR_INPUT for sizes below 1, kernels larger than the padded input or anything out of the ranges
 * above; TESS_ERR_TOO_LARGE when a tensor would exceed 2^40 bytes (2^31 on 32-bit machines). */
tess_status ts_conv_plan(ts_conv *plan, const ts_conv_shape *shape, ts_error *err);

/* Floats of scratch for each pass with the given number of threads (ts_pool_threads); may be 0. Scratch is 64-byte
 * aligned and needs no clearing. */
size_t ts_conv_scratch_forward(const ts_conv *plan, int threads);
size_t ts_conv_scratch_data(const ts_conv *plan, int threads);
size_t ts_conv_scratch_weight(const ts_conv *plan, int threads);

/* weights [kh][kw][in][out] -> panels for the forward pass / for the backward pass to the input. */
void ts_conv_pack(const ts_conv *plan, float *panels, const float *weights, ts_pool *pool);
void ts_conv_pack_back(const ts_conv *plan, float *panels, const float *weights, ts_pool *pool);

/* y [n][out_h][out_w][out] = conv(x) and what `fuse` asks for (NULL: nothing). y must not overlap x. */
void ts_conv_forward(const ts_conv *plan, float *y, const float *x, ts_filter filter, const ts_conv_fuse *fuse,
                     float *scratch, ts_pool *pool);
/* dx [n][height][width][in] is overwritten with the gradient with respect to the input. */
void ts_conv_backward_data(const ts_conv *plan, float *dx, const float *dy, const float *panels_back, float *scratch,
                           ts_pool *pool);
/* The same product as a transposed convolution: y [n][height][width][in] from x [n][out_h][out_w][out], with what `fuse`
 * asks for; bias [in], scale and shift [batch][out]. Scratch as ts_conv_scratch_data. */
void ts_conv_transposed(const ts_conv *plan, float *y, const float *x, const float *panels_back,
                        const ts_conv_fuse *fuse, float *scratch, ts_pool *pool);
/* dweights [kh][kw][in][out] and dbias [out] (may be NULL) accumulate. */
void ts_conv_backward_weight(const ts_conv *plan, float *dweights, float *dbias, const float *x, const float *dy,
                             float *scratch, ts_pool *pool);

/* sums [columns] += column sums of x [rows][columns] (a bias gradient). scratch: ts_sum_rows_scratch floats. */
void ts_sum_rows(float *sums, const float *x, size_t rows, int columns, float *scratch, ts_pool *pool);
size_t ts_sum_rows_scratch(size_t rows, int columns);
/* y [rows][columns] += bias [columns]. */
void ts_add_bias(float *y, const float *bias, size_t rows, int columns, ts_pool *pool);

#endif
