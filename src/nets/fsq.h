/* fsq.h - finite scalar quantization (Mentzer et al. 2023, arXiv:2309.15505): every channel is bounded by a tanh and
 * rounded to one of its bins; the code is the mixed-radix number of the digits, first channel fastest; latent values
 * are digits scaled to [-1, 1]. */
#ifndef TS_NETS_FSQ_H
#define TS_NETS_FSQ_H

#include <stddef.h>
#include <stdint.h>

#include "nets/config.h"

typedef struct ts_pool ts_pool;

/* digit = round(tanh(z + shift) * reach - offset), in -width .. bins - 1 - width; latent = digit / width. */
typedef struct ts_fsq {
    int dim;
    int bins[TS_BINS_MAX], basis[TS_BINS_MAX];
    float reach[TS_BINS_MAX], offset[TS_BINS_MAX], shift[TS_BINS_MAX], width[TS_BINS_MAX];
} ts_fsq;

ts_fsq ts_fsq_new(const int *bins, int dim);
/* The latent of every code: [size][dim]. */
void ts_fsq_grid(const ts_fsq *fsq, float *codebook, size_t size);
/* z [rows][dim] -> tokens [rows]; scratch: rows * dim floats. NaN becomes the lowest digit. */
void ts_fsq_encode(const ts_fsq *fsq, const float *z, size_t rows, uint16_t *tokens, float *scratch, ts_pool *pool);
/* The tokens of the grid's latents nearest to zq [rows][dim], which are latents already: no bound is laid on them. */
void ts_fsq_nearest(const ts_fsq *fsq, const float *zq, size_t rows, uint16_t *tokens);
/* dz = dzq * reach / width * (1 - tanh^2(z + shift)): rounding has slope one. */
void ts_fsq_backward(const ts_fsq *fsq, const float *z, const float *dzq, float *dz, size_t rows, ts_pool *pool);

#endif
