/* sampler.h - the state of a sampling job, shared by sampler.c (the public calls), sampler_step.c (transformers: one level,
 * a grid of one size) and sampler_levels.c (convolutional priors: residual levels, any grid). */
#ifndef TS_ENGINE_SAMPLER_H
#define TS_ENGINE_SAMPLER_H

#include "base/parallel.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "engine/prior_window.h"
#include "graph/graph.h"
#include "nets/draw.h"
#include "nets/prior.h"

typedef enum ts_sample_order { TS_ORDER_HALTON, TS_ORDER_CONFIDENCE } ts_sample_order;

typedef struct ts_sample_options {
    uint64_t seed;
    int steps, label, levels, threads; /* label: a class, or -1; levels made up, 0: all that the prior knows */
    ts_sample_order order;
    ts_draw draw;
    double guidance;
} ts_sample_options;

typedef enum ts_sample_phase {
    TS_SAMPLE_IDLE,
    TS_SAMPLE_FILLING, /* begun: the caller fills tokens and keep */
    TS_SAMPLE_RUNNING,
    TS_SAMPLE_DONE,
    TS_SAMPLE_FAILED
} ts_sample_phase;

struct tess_sampler {
    const tess_model *model;
    ts_error error;
    ts_sample_options options;
    ts_sample_phase phase;
    int32_t *words; /* [words of the prior][TS_TEXT_FEATURES] of the prompt, or NULL */
    /* the net, kept from job to job; graph NULL when it must be made afresh */
    ts_weights *weights;
    ts_graph *graph;
    ts_prior prior;
    int pictures, graph_threads; /* what the graph is made for: 2 pictures with guidance */
    ts_prior_window window;      /* instead of weights to prior: of a convolutional prior */
    ts_pool *pool;
    /* the job */
    int height, width, levels;        /* of the tokens */
    int places, wanted, masked, step; /* of the grid; tokens to be made; of these not settled yet; steps done */
    uint16_t *tokens;                 /* [levels][places] */
    uint8_t *known;                   /* [places], as all of what follows: levels that are given or settled */
    int *order, first;                /* in which places are looked at, from which on: a circle */
    double *confidence;               /* of tokens of this step, by place */
    bool *seen;                       /* scratch of the order */
    /* of a convolutional prior */
    int open;                /* places that know less than they should, all of `order` */
    int level, level_wanted; /* at work; places that did not know it at its start */
    int *chosen, count;      /* the places that this step settles, in that order */
    int at;                  /* window that is run */
    bool looking;            /* that began */
    float *logits;           /* [codes] of one place, guided */
    int *room;               /* [codes]: scratch of a draw */
    ts_rng rng;
    /* answers apart from any job */
    float *odds;     /* [codes]: tess_sampler_alternatives */
    uint16_t *mixed; /* tess_sampler_interpolate */
};

/* Ends a job, wherever it is. */
void ts_sampler_drop(tess_sampler *sampler);
/* One sampling step of a begun job: MORE or DONE. Errors: INPUT (a given token is no code), NUMERIC, MEMORY. */
tess_status ts_sample_step(tess_sampler *sampler);
/* The same for a convolutional prior: a part of a step. */
tess_status ts_sample_levels(tess_sampler *sampler);

/* What the prior thinks of one place of a grid of its size, all others known: writes `odds` [codes]. Leaves a job that is
 * under way as it is. known: room for a byte per place. Errors: NUMERIC, MEMORY. */
tess_status ts_sample_odds(tess_sampler *sampler, const uint16_t *tokens, uint8_t *known, int place, float *odds);
/* The same of a convolutional prior, for level `level` of a place that knows the levels below it: `odds` [codes]. Errors as
 * above. */
tess_status ts_level_odds(tess_sampler *sampler, const ts_token_state *state, int level, int place, float *odds);

#endif
