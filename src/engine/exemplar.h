/* exemplar.h - latents of a hole copied from elsewhere in the same picture, as Criminisi, Perez and Toyama (2004) copy
 * patches of pixels: from the hole's edge inwards, each open place takes the latent of the known place whose surroundings
 * are most like its own.
 *
 * Surroundings are windows of 5 x 5 latents under a Gaussian. Known and settled places count fully; of an open place
 * what a smooth filling would have there counts a little, as a guide. Windows of all candidates are one matrix, so that
 * comparing a place with all of them is a row of a matrix product. */
#ifndef TS_ENGINE_EXEMPLAR_H
#define TS_ENGINE_EXEMPLAR_H

#include "base/rng.h"
#include "engine/net.h"

enum {
    TS_EXEMPLAR_RADIUS = 2, /* of a window */
    TS_EXEMPLAR_CELLS = (2 * TS_EXEMPLAR_RADIUS + 1) * (2 * TS_EXEMPLAR_RADIUS + 1),
    TS_EXEMPLAR_REACH = 32,        /* how far around a hole candidates lie, in places */
    TS_EXEMPLAR_CANDIDATES = 8192, /* at most; of more, ones spread evenly over the area */
    TS_EXEMPLAR_LEAST = 64,        /* fewer are none: the same few would come again and again */
    TS_EXEMPLAR_BEST = 8           /* a draw is among so many */
};

/* All arrays are [area.height][area.width]. */
typedef struct ts_exemplar {
    ts_span area;       /* of the grid */
    int dim;            /* channels of a latent */
    float *latents;     /* [..][dim]: of known places; of open ones the guide, and when settled the copy. Borrowed */
    const float *guide; /* [..][dim]: latents as they were at the start. Borrowed */
    uint8_t *open;      /* 1: not settled yet */
    int left, total;    /* of these, now and at the start */
    float weight[TS_EXEMPLAR_CELLS];
    int *candidates, count;               /* 0: nothing can be copied */
    float *packed, *queries, *scores;     /* matrices: windows of candidates, of some places; places x candidates */
    int *front, *chosen, front_count, at; /* places that are settled next, where from, how far that is */
    float *support;                       /* of open places, how much of their surroundings is settled: scratch */
    double temperature;
    ts_rng rng;
} ts_exemplar;

/* Begins: `latents` is filled and will hold the result, `guide` a copy of it; `open`: [grid's rows][columns], not 0 in the
 * hole, of which the area shows a part. All are to outlive it. Temperature 0: always the best match; above, one of the TS_EXEMPLAR_BEST best, drawn.
 * Not to be stepped if there is no candidate. Free with ts_exemplar_free whatever this
 * returned. Errors: MEMORY. */
tess_status ts_exemplar_init(ts_exemplar *e, ts_span area, int columns, int dim, float *latents, const float *guide,
                             const uint8_t *open, double temperature, uint64_t seed, ts_error *err);
void ts_exemplar_free(ts_exemplar *e);
/* Settles some places: MORE or DONE. */
tess_status ts_exemplar_step(ts_exemplar *e, ts_pool *pool);

#endif
