#include "nets/upscaler.h"

#include <stdio.h>

#include "nets/sequential.h"
#include "nets/unit.h"

const ts_upscaler_net *ts_upscaler_of(const ts_upscaler_config *config, int factor) {
    const ts_upscaler_net *net = factor == 2 ? &config->by2 : factor == 4 ? &config->by4 : NULL;
    return net && net->width ? net : NULL;
}

/* Pixels of the input along a side of a place of the grid. */
static int fold(int factor) { return 4 / factor; }

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static void parameter_name(char name[TS_PARAM_NAME], int factor, const char *part, const char *kind) {
    snprintf(name, TS_PARAM_NAME, "upscaler.%d.%s.%s", factor, part, kind);
}

static tess_status declare(ts_params *params, int factor, const char *part, int out, int in, int kernel,
                           ts_error *err) {
    char name[TS_PARAM_NAME];
    parameter_name(name, factor, part, "weight");
    const tess_status status = ts_params_add(params, name, TS_PARAM_CONV, 4, (int[]){out, in, kernel, kernel}, err);
    parameter_name(name, factor, part, "bias");
    return status < 0 ? status : ts_params_add(params, name, TS_PARAM_PLAIN, 1, &out, err);
}

/* A row of residual blocks, "upscaler.FACTOR.part.i". */
typedef struct blocks {
    char prefix[TS_PARAM_NAME];
    ts_layer layers[TS_LAYERS_MAX];
    ts_sequential row;
} blocks;

static const ts_sequential *make_blocks(blocks *b, int factor, const char *part, int channels, int count) {
    snprintf(b->prefix, sizeof b->prefix, "upscaler.%d.%s", factor, part);
    for (int i = 0; i < count; i++)
        b->layers[i] = (ts_layer){.kind = TS_LAYER_RES,
                                  .in = channels,
                                  .out = channels,
                                  .kernels = {3, 3},
                                  .hidden = channels,
                                  .act = TS_LAYER_SILU};
    b->row = (ts_sequential){b->prefix, b->layers, count};
    return &b->row;
}

static tess_status declare_net(ts_params *params, const ts_upscaler_net *n, int factor, int dim, ts_error *err) {
    blocks b;
    const int f = fold(factor);
    tess_status status = declare(params, factor, "stem", n->width, 3 * f * f, 3, err);
    if (status >= 0) status = ts_sequential_params(make_blocks(&b, factor, "body", n->width, n->blocks), params, err);
    if (status >= 0) status = declare(params, factor, "join", n->width, n->width, 3, err);
    if (status >= 0) status = declare(params, factor, "smooth", 48, n->width, 3, err);
    if (status >= 0) status = declare(params, factor, "in", n->mid, 4 * n->width, 1, err);
    if (status >= 0) status = ts_sequential_params(make_blocks(&b, factor, "tail", n->mid, n->tail), params, err);
    return status < 0 ? status : declare(params, factor, "out", dim, n->mid, 1, err);
}

tess_status ts_upscaler_params(const ts_upscaler_config *config, int dim, ts_params *params, ts_error *err) {
    tess_status status = TESS_OK;
    for (int factor = 2; factor <= 4 && status >= 0; factor += 2) {
        const ts_upscaler_net *n = ts_upscaler_of(config, factor);
        if (n) status = declare_net(params, n, factor, dim, err);
    }
    return status;
}

/* ---- graph ------------------------------------------------------------------------------------------------------- */

typedef struct builder {
    ts_graph *g;
    ts_weights *weights;
    int factor;
} builder;

static ts_tensor conv(const builder *b, ts_tensor x, const char *part, int kernel) {
    char weight[TS_PARAM_NAME], bias[TS_PARAM_NAME];
    const ts_params *params = ts_weights_params(b->weights);
    parameter_name(weight, b->factor, part, "weight");
    parameter_name(bias, b->factor, part, "bias");
    return ts_graph_conv2d(b->g, x, b->weights, ts_params_find(params, weight), ts_params_find(params, bias), 1,
                           kernel / 2);
}

static ts_tensor row(const builder *b, ts_tensor x, const char *part, int channels, int count) {
    blocks made;
    return ts_sequential_build(b->g, make_blocks(&made, b->factor, part, channels, count), b->weights, x);
}

ts_upscaler ts_upscaler_build(ts_graph *g, const ts_config *config, int factor, ts_weights *weights, ts_tensor x,
                              bool smooth, bool latents) {
    const builder b = {g, weights, factor};
    const ts_upscaler_net *n = ts_upscaler_of(&config->upscaler, factor);
    ts_upscaler u = {TS_NONE, TS_NONE};
    if (fold(factor) > 1) x = ts_graph_pixel_unshuffle(g, x, fold(factor));
    ts_tensor a = conv(&b, x, "stem", 3);
    a = ts_graph_add(g, a, conv(&b, row(&b, a, "body", n->width, n->blocks), "join", 3));
    if (smooth) u.smooth = ts_graph_pixel_shuffle(g, conv(&b, ts_graph_silu(g, a), "smooth", 3), 4);
    if (!latents) return u;
    ts_tensor t = conv(&b, ts_graph_pixel_unshuffle(g, a, 2), "in", 1);
    u.latents = conv(&b, ts_graph_silu(g, row(&b, t, "tail", n->mid, n->tail)), "out", 1);
    if (config->quantizer.normalize) u.latents = ts_graph_quantize(g, u.latents, ts_unit_hooks());
    return u;
}

int ts_upscaler_radius(const ts_upscaler_net *net, bool latents) {
    const int features = 1 + 2 * net->blocks + 1; /* places of the grid */
    const int smooth = (features + 1 + 1) / 2;
    return latents ? (features + 1) / 2 + 2 * net->tail : smooth;
}
