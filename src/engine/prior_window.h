/* prior_window.h - a convolutional prior (nets/conv_prior.h) at work on a large grid, in windows.
 *
 * The area that is asked about is cut into cores; a core is seen with TS_PRIOR_CONTEXT places around it, and what lies
 * outside the grid as zeros. This context is less than the net's receptive field on purpose: it is trained on crops of
 * 32 x 32 places, so what lies further off told it nothing. Windows of a job have one size and follow from grid and area
 * alone, so that threads do not change the bits. */
#ifndef TS_ENGINE_PRIOR_WINDOW_H
#define TS_ENGINE_PRIOR_WINDOW_H

#include "engine/engine.h"
#include "engine/net.h"
#include "graph/graph.h"

enum {
    TS_PRIOR_CORE = 32,    /* side of a core at most, in places */
    TS_PRIOR_CONTEXT = 16, /* places seen on each side of it, at least */
    TS_PRIOR_ROWS = 64     /* places whose logits are made at a time */
};

/* A grid of which each place knows its first `known` levels. Borrowed. */
typedef struct ts_token_state {
    const uint16_t *tokens; /* [levels of the model][height][width] */
    const uint8_t *known;   /* [height][width] */
    int height, width;
} ts_token_state;

typedef struct ts_prior_window {
    const tess_model *model;
    ts_weights *weights;
    float *scale; /* prior.scale */
    ts_graph *body, *heads[TS_LEVELS_MAX];
    ts_tensor in, features, rows[TS_LEVELS_MAX], logits[TS_LEVELS_MAX];
    int height, width, threads; /* of the graphs */
    int next;                   /* node of the body to go on from */
    /* the job */
    int grid_height, grid_width;
    ts_span area;
    int rows_of_cores, columns;
    ts_span window; /* the one looked at */
} ts_prior_window;

/* Makes an empty one; borrows the model, whose prior must be convolutional. Free with ts_prior_window_free whatever this
 * returned. Errors: MODEL (a scale that is not positive), MEMORY. */
tess_status ts_prior_window_init(ts_prior_window *w, const tess_model *model, ts_error *err);
void ts_prior_window_free(ts_prior_window *w);

/* The part of a grid that windows over an area see. */
ts_span ts_prior_window_seen(int grid_height, int grid_width, ts_span area);
/* Makes ready for the places of an area (width and height >= 1) of a grid. Errors: MEMORY. */
tess_status ts_prior_window_place(ts_prior_window *w, int grid_height, int grid_width, ts_span area, int threads,
                                  ts_error *err);
int ts_prior_window_count(const ts_prior_window *w);
ts_span ts_prior_window_core(const ts_prior_window *w, int i); /* the places that window i is made for */

/* Looks at window i of a grid. */
void ts_prior_window_look(ts_prior_window *w, int i, const ts_token_state *state);
/* Works on what was looked at for some tens of milliseconds; true when the logits may be asked for. */
bool ts_prior_window_run(ts_prior_window *w, ts_pool *pool);
/* Logits [count][codes] of the codes of `level` at 1 <= count <= TS_PRIOR_ROWS places (y * grid width + x) of the window's
 * core; they hold until the next call. */
const float *ts_prior_window_logits(ts_prior_window *w, int level, const int *places, int count, ts_pool *pool);

#endif
