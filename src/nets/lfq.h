/* lfq.h - lookup-free quantization (Yu et al. 2024, MAGVIT-v2, arXiv:2310.05737; codes of length one as in BSQ, Zhao et
 * al. 2024, arXiv:2406.07548): every channel becomes its sign, the code is the number these bits make, first channel
 * lowest; latent values are +-1 / sqrt(dim). Training passes gradients straight through; commitment keeps latents near
 * their corner, the entropy loss (kernels/entropy.h) keeps codes in use. */
#ifndef TS_NETS_LFQ_H
#define TS_NETS_LFQ_H

#include <stddef.h>
#include <stdint.h>

/* What a bit is worth: 1 / sqrt(dim). */
float ts_lfq_unit(int dim);
/* The latent of every code: [2^dim][dim]. */
void ts_lfq_grid(float *codebook, int dim);
/* z [rows][dim] -> tokens [rows], dim <= 16. Bit i is z_i > 0: zero and NaN give 0. */
void ts_lfq_encode(const float *z, size_t rows, int dim, uint16_t *tokens);

#endif
