/* quantizer.h - latents to codes and back, behind one interface: VQ (EMA or gradient trained), residual VQ, FSQ, LFQ,
 * none.
 *
 * Level l works on the residual r_0 = z, r_{l+1} = r_l - e_l; z_q is the sum of the chosen codes. Choice:
 * k = argmin |r - e_k|^2 + lambda * bits_k, ties to the lowest k; all in float32. In levels >= 1 code 0 is the zero
 * vector. FSQ has one level; its code k is the mixed-radix number of its bins (first channel fastest). LFQ has one level;
 * its code k is the number its bits make (first channel lowest).
 * With `normalize` latents and codes have length one: latents as they come from the encoder (ts_unit_hooks), codes
 * after ts_quantizer_settle. Type none has no codes and no tokens: coding passes latents on.
 * Tokens are uint16, level-major: token (level, row) is tokens[level * rows + row]. */
#ifndef TS_NETS_QUANTIZER_H
#define TS_NETS_QUANTIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"
#include "nets/config.h"

typedef struct ts_pool ts_pool;
typedef struct ts_quantizer ts_quantizer;

/* The caller owns *out; untouched on failure. VQ codes start at zero until set, loaded or initialised from data. */
tess_status ts_quantizer_new(const ts_quantizer_config *config, ts_quantizer **out, ts_error *err);
void ts_quantizer_free(ts_quantizer *quantizer);

int ts_quantizer_levels(const ts_quantizer *quantizer);
int ts_quantizer_size(const ts_quantizer *quantizer);
int ts_quantizer_dim(const ts_quantizer *quantizer);
/* [levels][size][dim]. FSQ, LFQ: the grid, read only. */
float *ts_quantizer_codebook(ts_quantizer *quantizer);
/* To be called after codes were written: those of a quantizer with `normalize` get length one. Others stay. */
void ts_quantizer_settle(ts_quantizer *quantizer);
/* Code lengths in bits, [levels][size]; zeros until set. */
float *ts_quantizer_bits(ts_quantizer *quantizer);
const ts_quantizer_config *ts_quantizer_config_of(const ts_quantizer *quantizer);

/* ---- coding: const, allocates nothing, safe from several threads at once with a scratch each -------------------- */
/* Floats of scratch for ts_quantizer_encode. */
size_t ts_quantizer_scratch(const ts_quantizer *quantizer, size_t rows);
/* z [rows][dim] -> tokens [levels][rows] (first `levels` levels), and zq [rows][dim] if not NULL (may be z). */
void ts_quantizer_encode(const ts_quantizer *quantizer, const float *z, size_t rows, int levels, float lambda,
                         uint16_t *tokens, float *zq, float *scratch, ts_pool *pool);
/* tokens [levels][rows] -> zq [rows][dim]. Tokens must be < size (check them where they come in). */
void ts_quantizer_decode(const ts_quantizer *quantizer, const uint16_t *tokens, size_t rows, int levels, float *zq,
                         ts_pool *pool);

/* The nearest codes, level by level, of latents zq [rows][dim] that are sums of codes or mixtures of such: like encode
 * with lambda 0, but for FSQ, whose encode bounds what comes from the encoder. */
void ts_quantizer_nearest(const ts_quantizer *quantizer, const float *zq, size_t rows, int levels, uint16_t *tokens,
                          float *scratch, ts_pool *pool);

/* ---- training ---------------------------------------------------------------------------------------------------- */
/* dz from dzq, straight through: VQ and LFQ copy it, FSQ keeps the slope of its bounding tanh. */
void ts_quantizer_backward(const ts_quantizer *quantizer, const float *z, const float *dzq, float *dz, size_t rows,
                           ts_pool *pool);
/* residual [rows][dim] -= the codes that `tokens` [rows] name in that level. */
void ts_quantizer_residual(const ts_quantizer *quantizer, int level, float *residual, const uint16_t *tokens,
                           size_t rows);
/* bits of one level from usage counts [size]: -log2((n_k + a) / (N + K a)), a = 0.01 N / K, clamped to [0, 16]. */
void ts_quantizer_set_bits(ts_quantizer *quantizer, int level, const float *count);

#endif
