/* weights.h - what graphs ask of ts_weights: values, gradients, and prepared panels. Only src/graph includes this. */
#ifndef TS_GRAPH_WEIGHTS_H
#define TS_GRAPH_WEIGHTS_H

#include "graph/params.h"
#include "kernels/conv.h"

/* NULL for param -1 and for a conv weight that is held as float16. */
const float *ts_weights_values(const ts_weights *weights, int param);
/* The values; where they are held as float16, a copy in `room` (as many floats). */
const float *ts_weights_widened(const ts_weights *weights, int param, float *room);
float *ts_weights_grads(const ts_weights *weights, int param); /* NULL for param -1 or frozen weights */
bool ts_weights_frozen(const ts_weights *weights);

/* Reserves the panels of a conv weight for one direction (`back`: the data gradient's), shared by all graphs whose
 * plans agree. *slot stays valid as long as the weights. */
tess_status ts_weights_prepare(ts_weights *weights, int param, const ts_conv *plan, bool back, int *slot,
                               ts_error *err);
/* The panels, packed afresh if the values changed since. */
const float *ts_weights_panels(ts_weights *weights, int slot, ts_pool *pool);
/* What a forward pass takes: the panels, or for plans that stream the values. */
ts_filter ts_weights_filter(ts_weights *weights, int slot, ts_pool *pool);

#endif
