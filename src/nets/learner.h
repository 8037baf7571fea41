/* learner.h - a quantizer in training: what a step remembers, how codes move, and what use the codes are put to.
 *
 * A step is: choose (levels, lambda) -> the graph's quantize node runs the hooks -> backward -> if the step is good,
 * ts_learner_update. Nothing of the quantizer changes before that, so a step with a bad loss is dropped by not calling
 * it. Formulas: ARCHITECTURE.md, "Quantizer maths". */
#ifndef TS_NETS_LEARNER_H
#define TS_NETS_LEARNER_H

#include "graph/graph.h"
#include "nets/quantizer.h"

typedef struct ts_learner ts_learner;

/* Statistics cover at least the last TS_WINDOW latents (and every one of the last step). */
#define TS_WINDOW 65536

/* rows: latents per step. The quantizer is borrowed. Counts start at 1, sums at the codes. */
tess_status ts_learner_new(ts_quantizer *quantizer, size_t rows, ts_learner **out, ts_error *err);
void ts_learner_free(ts_learner *learner);
/* Another number of latents per step; the state stays. Errors: MEMORY, then nothing changes. */
tess_status ts_learner_resize(ts_learner *learner, size_t rows, ts_error *err);

/* What the next forward uses; levels 1 .. the quantizer's. quantize false: latents pass unchanged. */
void ts_learner_choose(ts_learner *learner, bool quantize, int levels, float lambda);
ts_quantize_hooks ts_learner_hooks(ts_learner *learner);

/* Gradient-trained codes: adds `weight` * the sum over levels of mean((sg r_l - e_l)^2) to the training loss: *loss
 * is that sum (unweighted), grad [levels][size][dim] accumulates. The pinned zero codes get none. After forward. */
void ts_learner_codebook_loss(const ts_learner *learner, float weight, double *loss, float *grad);

/* The entropy loss (kernels/entropy.h) of the last forward's latents, summed over its levels, each on its residuals:
 * *loss is that sum, unweighted; `weight` * its gradient is added to dz [rows][dim] and, for codes trained by gradient, to
 * grad [levels][size][dim] (NULL for others; the pinned zero codes get none). Uses c->temperature and c->entropy_gamma.
 * Does nothing but *loss = 0 without quantization, and for FSQ. After forward, before backward. Errors: MEMORY, the first
 * time; nothing is added then. */
tess_status ts_learner_entropy(ts_learner *learner, const ts_loss_config *c, float weight, double *loss, float *dz,
                               float *grad, ts_pool *pool, ts_error *err);

/* After a good step: EMA of counts (and of sums and codes for update "ema"), restart of dead codes by random latents of
 * the batch, bits, statistics. */
void ts_learner_update(ts_learner *learner, ts_rng *rng);

/* The statistics of ts_learner_update alone, for codes that stand still. */
void ts_learner_observe(ts_learner *learner);
/* Statistics start anew: the numbers of the codes have changed. */
void ts_learner_forget(ts_learner *learner);
/* Codes that are not in the window restart when their level is next updated, as those below `restart` do. */
void ts_learner_revive(ts_learner *learner);

/* k-means of each level on the residuals of `rows` latents z [rows][dim] (overwritten), `rounds` rounds; codes that
 * nobody chooses take a random residual. Counts become assignments per latent of a training step. FSQ, LFQ: does nothing.
 * Errors: MEMORY, then the codes are unchanged. */
tess_status ts_learner_fit(ts_learner *learner, float *z, size_t rows, int rounds, ts_rng *rng, ts_pool *pool,
                           ts_error *err);

/* Sets counts and sums from codes and bits (a model file has no counts). */
void ts_learner_adopt(ts_learner *learner);

/* State beyond the quantizer's own, to be saved and restored: count [levels][size], sum [levels][size][dim]. */
float *ts_learner_count(ts_learner *learner);
float *ts_learner_sum(ts_learner *learner);
/* The statistics' window, likewise: `window` [levels][TS_WINDOW] tokens in a ring, `filled` [levels][2] = how many,
 * where next. */
uint16_t *ts_learner_window(ts_learner *learner);
uint32_t *ts_learner_filled(ts_learner *learner);
void ts_learner_recount(ts_learner *learner); /* after restoring the window */

typedef struct ts_usage {
    double perplexity; /* 2^entropy, mean over the levels seen in the window */
    long used, dead;   /* codes seen and not seen in the window, all levels */
} ts_usage;
ts_usage ts_learner_usage(const ts_learner *learner);
/* Code lengths (quantizer.bits) per latent of the last step, summed over its levels. */
double ts_learner_bits(const ts_learner *learner);
const uint32_t *ts_learner_counts(const ts_learner *learner, int level); /* [size] over the window */

#endif
