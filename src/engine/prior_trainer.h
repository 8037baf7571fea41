/* prior_trainer.h - the training of a prior, behind a tess_trainer whose config has train.prior.
 *
 * A frozen tokenizer (init) turns every training picture into tokens once: its middle, grid x factor pixels large, and with
 * train.flip that mirrored. A step: a batch of those -> m = max(1, ceil(cos(pi/2 u) N)) places of each become MASK -> mean
 * cross-entropy over the masked places of the batch -> AdamW, EMA. All randomness comes from one generator in the state, so
 * that a checkpoint resumes exactly (given the same pictures and captions in the same order). */
#ifndef TS_ENGINE_PRIOR_TRAINER_H
#define TS_ENGINE_PRIOR_TRAINER_H

#include "base/parallel.h"
#include "base/rng.h"
#include "engine/captions.h"
#include "engine/engine.h"
#include "graph/graph.h"
#include "io/safetensors.h"
#include "nets/prior.h"

/* The figures of the last step; NaN before the first. */
typedef struct ts_prior_figures {
    double total, accuracy, lr, grad_norm;
} ts_prior_figures;

typedef struct ts_prior_trainer {
    tess_model *tokenizer;                        /* NULL before init */
    tess_encoder *encoder;                        /* over it, while there is something to encode */
    ts_params *params;                            /* prior.* */
    float *values, *grads, *first, *second, *ema; /* stores: weights, gradients, Adam's moments, EMA weights */
    ts_weights *weights;
    ts_graph *graph; /* NULL when it must be made afresh: batch or threads have changed */
    ts_prior net;
    ts_tensor target, loss;
    uint16_t *tokens;  /* [encoded pictures][1 or 2 with flip][places] */
    int encoded, room; /* pictures */
    uint8_t *crop;     /* [rows factor][columns factor][3] */
    uint32_t *order;   /* [places]: scratch of drawing places */
    int32_t *words;    /* [words][TS_TEXT_FEATURES]: scratch of reading captions */
    ts_rng rng;
    long step, skipped, skipped_in_row, adam_steps, images;
    ts_prior_figures figures;
} ts_prior_trainer;

/* Makes t->prior for t->config. Errors: MEMORY, TOO_LARGE. */
tess_status ts_prior_trainer_new(tess_trainer *t);
void ts_prior_trainer_free(ts_prior_trainer *p); /* NULL is allowed */
void ts_prior_trainer_drop_graph(ts_prior_trainer *p);

/* Takes the tokenizer from a model file, and its prior's weights if that has the same form. Errors: those of loading; MODEL
 * (its nets are not the config's). */
tess_status ts_prior_trainer_init(tess_trainer *t, const void *model, size_t size);
/* Encodes some pictures, or does a step: MORE or DONE. Errors: STATE, MEMORY, NUMERIC (100 bad steps in a row). */
tess_status ts_prior_trainer_step(tess_trainer *t);
tess_status ts_prior_trainer_ready(tess_trainer *t); /* makes the graph fit config and threads. Errors: MEMORY */
/* One step with the batch that lies in the graph's inputs. OK (also when the step was skipped), or NUMERIC. */
tess_status ts_prior_trainer_run(tess_trainer *t);
/* NaN for a figure that a prior's training does not have. */
double ts_prior_trainer_stat(const tess_trainer *t, const char *name);
/* batch, steps, lr. Errors: OPTION. */
tess_status ts_prior_trainer_set(tess_trainer *t, const char *option, double value);

/* prior_trainer_file.c */
tess_status ts_prior_trainer_checkpoint(tess_trainer *t, uint8_t **bytes, size_t *size);
tess_status ts_prior_trainer_resume(tess_trainer *t, const ts_safetensors *file);
/* The tokenizer's model file as it was, with the prior's EMA weights. */
tess_status ts_prior_trainer_model(tess_trainer *t, int half, uint8_t **bytes, size_t *size);
tess_status ts_prior_trainer_check(tess_trainer *t); /* Is the tokenizer the config's? Errors: MODEL */

#endif
