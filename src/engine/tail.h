/* tail.h - the decoder from its last weight on, in a graph of its own: how strongly a gradient at the pixels pulls at that
 * weight, without a backward through the whole decoder. VQGAN's adaptive weight (Esser et al. 2021, arXiv:2012.09841,
 * equation 7) asks for it twice a step. */
#ifndef TS_ENGINE_TAIL_H
#define TS_ENGINE_TAIL_H

#include "graph/graph.h"
#include "nets/config.h"

typedef struct ts_tail ts_tail;

/* The decoder's layer that the tail begins with: that of its last parameter W of rank above 1; -1: there is none. */
int ts_tail_layer(const ts_params *params);

/* Planned, without memory. in: the shape of what enters that layer. `weights`, the autoencoder's, and `grads`, the store that its gradients go to,
 * are borrowed. The caller owns *out, untouched on failure. Errors: MEMORY, TOO_LARGE, INPUT (no such layer). */
tess_status ts_tail_new(const ts_config *config, ts_weights *weights, float *grads, ts_shape in, int threads,
                        ts_tail **out, ts_error *err);
/* Takes ts_tail_bytes of `room` (ts_graph_alloc_in), or memory of its own. Errors: MEMORY. */
tess_status ts_tail_alloc(ts_tail *tail, float *room, ts_error *err);
size_t ts_tail_bytes(const ts_tail *tail);
void ts_tail_free(ts_tail *tail);
/* x: what enters the layer. */
void ts_tail_forward(ts_tail *tail, const float *x, ts_pool *pool);
/* The norm of d (sum of dy * y) / dW; dy is shaped like the pictures y. After forward, as often as needed. Gradients of
 * the tail's parameters in the store are scratch here: they are overwritten. */
double ts_tail_norm(ts_tail *tail, const float *dy, ts_pool *pool);

#endif
