/* adversary.h - the discriminator of a trainer and its part of a step (VQGAN, Esser et al. 2021, arXiv:2012.09841).
 *
 * A step: ts_adversary_judge measures both sides' losses with the discriminator as it stands, leaves its gradients in
 * `grads` and adds the generator's to dL/dy; if everything was finite ts_adversary_apply moves the discriminator and the
 * averages. A step that is not applied leaves no trace.
 *
 * d_loss = mean over scales of (real + fake) / 2 + lecam * mean over scales of LeCam [+ r1_every * r1 / 2 * R1 in every
 * r1_every-th step]; adversarial = mean over scales of the generator's loss + features * mean over scales and layers of
 * mean |f(y) - f(x)|; to the generator it counts weight * min(1, (k + 1) / ramp) * d_weight. */
#ifndef TS_ENGINE_ADVERSARY_H
#define TS_ENGINE_ADVERSARY_H

#include "engine/tail.h"
#include "graph/graph.h"
#include "nets/config.h"
#include "nets/discriminator.h"

/* The figures of a step: NaN where nothing was measured. */
typedef struct ts_adversary_figures {
    double generator, discriminator, features, r1, lecam; /* losses, unweighted; discriminator: d_loss */
    double real, fake;                                    /* mean logits */
    double accuracy;                                      /* of the step: 1 if every logit has the right sign */
    double weight;                                        /* d_weight, before weight and ramp */
    double grad_norm;                                     /* the discriminator's, before clipping; NaN while it rests */
} ts_adversary_figures;

ts_adversary_figures ts_adversary_nothing(void); /* all NaN */

/* Moving averages that a step starts from. */
typedef struct ts_adversary_averages {
    float real, fake; /* mean logits, from 0 (LeCam's anchors) */
    float accuracy;   /* from 0.5, decay 0.95 */
} ts_adversary_averages;

/* The discriminator at one batch. */
typedef struct ts_critic {
    ts_graph *graph; /* NULL: not built */
    ts_tensor x, v;  /* v: what `tangent` goes along, there alone */
    ts_discriminator net;
} ts_critic;

typedef struct ts_adversary {
    ts_params *params;
    float *values, *grads, *first, *second; /* stores: weights, gradients, Adam's moments */
    ts_weights *weights;
    ts_adversary_averages averages;
    long steps; /* of Adam */
    ts_adversary_figures figures;
    ts_critic real, fake; /* over the same weights; fake has a gradient at the pictures too */
    ts_critic tangent;    /* R1's: x with its tangent v, from whose logits backward starts; not built without r1 */
    bool matching;        /* fake's features are starts */
} ts_adversary;

/* What a step looks at; everything is borrowed. */
typedef struct ts_adversary_batch {
    const float *x, *y; /* pictures and reconstructions, [batch][size][size][3] */
    const float *dy;    /* the image losses' gradient at y */
    ts_tail *tail;      /* forward done; NULL unless balance is TS_BALANCE_LAYER */
    long k;             /* steps since train.adversarial.from, >= 0 */
} ts_adversary_batch;

/* A discriminator with random weights from the config's seed. The caller owns *out, untouched on failure. Errors: MEMORY.*/
tess_status ts_adversary_new(const ts_config *config, ts_adversary **out, ts_error *err);
void ts_adversary_free(ts_adversary *a);
void ts_adversary_drop_graphs(ts_adversary *a);
/* Plans the graphs for the config's batches, features and r1 on or off; to be dropped before they are planned anew.
 * Errors: MEMORY, TOO_LARGE. */
tess_status ts_adversary_plan(ts_adversary *a, const ts_config *config, int threads, ts_error *err);
/* Takes ts_adversary_bytes of `room` (ts_graph_alloc_in), or memory of its own. Errors: MEMORY. */
tess_status ts_adversary_alloc(ts_adversary *a, float *room, ts_error *err);
size_t ts_adversary_bytes(const ts_adversary *a);

/* See above. Adds the weighted gradient to dy (which may be batch->dy); returns what it adds to the total loss. */
double ts_adversary_judge(ts_adversary *a, const ts_config *config, const ts_adversary_batch *batch, float *dy,
                          ts_pool *pool);
/* Were the discriminator's loss and gradient of the last judgement finite? */
bool ts_adversary_good(const ts_adversary *a, const ts_config *config);
/* AdamW, unless accuracy is above the gate, and averages. */
void ts_adversary_apply(ts_adversary *a, const ts_config *config, ts_pool *pool);

#endif
