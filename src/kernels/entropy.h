/* entropy.h - the entropy loss of a quantizer (Yu et al. 2024, MAGVIT-v2, arXiv:2310.05737; IBQ, Shi et al. 2024,
 * arXiv:2412.02692): every latent should be sure of its code, all latents together should use every code.
 *
 * p_r = softmax over k of -|z_r - e_k|^2 / temperature; loss = mean over r of H(p_r) - gamma * H(mean over r of p_r), in
 * nats. Both functions return the loss and ADD weight * its gradient to their outputs. Results do not depend on threads.
 * A latent that is not finite makes the loss NaN. */
#ifndef TS_KERNELS_ENTROPY_H
#define TS_KERNELS_ENTROPY_H

#include "base/parallel.h"

#include <stddef.h>

/* Floats of scratch for the call below: the probabilities of some 128 latents (fewer where codes are many) and a few
 * copies of the codes. */
size_t ts_code_entropy_scratch(size_t rows, int codes, int dim);
/* z: [rows][dim], codebook: [codes][dim]. dz [rows][dim] and dcodebook [codes][dim] (may be NULL) are added to.
 * Distances are taken as |e|^2 - 2 z.e, so that logits carry an error of about 1e-6 |z| |e| / temperature. */
double ts_code_entropy(float *dz, float *dcodebook, const float *z, const float *codebook, size_t rows, int codes,
                       int dim, float temperature, float gamma, float weight, float *scratch, ts_pool *pool);

/* The same for the codes of lookup-free quantization, all corners (+-s, .., +-s), factor by factor: a latent's H(p) is
 * exactly the sum over channels of the entropy of one bit with p = sigmoid(4 z s / temperature), the softmax over the
 * two ends; H of the mean is taken as that sum too (bits counted as independent: the joint distribution of 2^dim codes
 * is never made). z, dz: [rows][dim], dim <= TS_ENTROPY_BITS. */
#define TS_ENTROPY_BITS 16
double ts_bit_entropy(float *dz, const float *z, size_t rows, int dim, float s, float temperature, float gamma,
                      float weight);

#endif
