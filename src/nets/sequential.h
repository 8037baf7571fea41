/* sequential.h - a list of layers, run in order: its parameters, its start values, its nodes in a graph.
 *
 * Parameters are declared first, once per net, with the names of ARCHITECTURE.md ("{prefix}.{i}.weight",
 * "{prefix}.{i}.conv1.bias"), i counting as nn.Sequential does; the builders then find them by name, for any size. */
#ifndef TS_NETS_SEQUENTIAL_H
#define TS_NETS_SEQUENTIAL_H

#include "base/rng.h"
#include "graph/graph.h"
#include "nets/config.h"

typedef struct ts_sequential {
    const char *prefix;     /* "encoder" */
    const ts_layer *layers; /* borrowed, as is the prefix */
    int count;
} ts_sequential;

tess_status ts_sequential_params(const ts_sequential *s, ts_params *params, ts_error *err);
/* Random start values into a zeroed store: convs uniform(-1/sqrt(fan_in), +1/sqrt(fan_in)), weight and bias, as
 * PyTorch's default; the second conv of every res zero; norms 1 and 0. */
void ts_sequential_init(const ts_sequential *s, const ts_params *params, float *values, ts_rng *rng);
/* Appends layer i alone to the graph. x: [n][h][w][layers[i].in]. */
ts_tensor ts_sequential_layer(ts_graph *graph, const ts_sequential *s, int i, ts_weights *weights, ts_tensor x);
/* Appends the tangent of layer i, d layer(x + e t) / d e at e = 0, beside the layer that made y of x, over the same
 * weights. Of conv, norm and leaky_relu alone; TS_NONE for others. */
ts_tensor ts_sequential_tangent(ts_graph *graph, const ts_sequential *s, int i, ts_weights *weights, ts_tensor x,
                                ts_tensor y, ts_tensor t);
/* Appends all layers. */
ts_tensor ts_sequential_build(ts_graph *graph, const ts_sequential *s, ts_weights *weights, ts_tensor x);

#endif
