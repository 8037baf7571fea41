/* vq.h - nearest code search and codebook statistics. Codebooks have at most 65536 codes. */
#ifndef TS_KERNELS_VQ_H
#define TS_KERNELS_VQ_H

#include "base/parallel.h"

#include <stddef.h>
#include <stdint.h>

/* Floats of the packed codebook. */
size_t ts_vq_packed(int codes, int dim);
/* Packs codes [codes][dim] together with cost_k = |e_k|^2 + lambda * bits[k] (bits NULL or lambda 0: no rate term). */
void ts_vq_pack(float *packed, const float *codebook, const float *bits, float lambda, int codes, int dim);
/* index[r] = the k that minimises |x_r - e_k|^2 + lambda * bits_k, ties to the lowest k; x: [rows][dim] with ldx
 * floats between rows. The distance is taken as cost_k / 2 - x.e_k (one rounding chain over dim), so two codes nearer to
 * each other than float rounding may swap. score (may be NULL): [rows] the minimum plus |x|^2 is |x - e|^2 + rate;
 * here without the |x|^2 term. NaN rows get index 0. */
void ts_vq_lookup(uint16_t *index, float *score, const float *x, size_t ldx, const float *packed, size_t rows,
                  int codes, int dim, ts_pool *pool);
/* The `keep` lowest costs of one row in rising order (ties: lowest k first), for beam search. index, score: [rows][keep]. */
void ts_vq_best(uint16_t *index, float *score, int keep, const float *x, size_t ldx, const float *packed, size_t rows,
                int codes, int dim, ts_pool *pool);
/* count[k] += 1 and sum[k] += x_r for k = index[r], rows in order (deterministic). count: [codes], sum: [codes][dim]. */
void ts_vq_accumulate(float *count, float *sum, const uint16_t *index, const float *x, size_t ldx, size_t rows,
                      int dim);
/* y[r] = (accumulate ? y[r] : 0) + codebook[index[r]]; y: [rows] with ldy floats between rows. */
void ts_vq_gather(float *y, size_t ldy, const float *codebook, const uint16_t *index, size_t rows, int dim,
                  int accumulate, ts_pool *pool);

#endif
