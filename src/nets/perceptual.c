#include "nets/perceptual.h"

#include <stdio.h>

/* What follows features.0: fires by their torchvision number, a pool in front of some, a tap behind some. */
static const struct stage {
    int fire;
    bool pool, tap;
} stages[] = {{3, true, false}, {4, false, true},  {6, true, false},  {7, false, true},
              {9, true, true},  {10, false, true}, {11, false, true}, {12, false, true}};

#define STAGES ((int)(sizeof stages / sizeof *stages))

static const float image_shift[3] = {-.030f, -.088f, -.188f}, image_scale[3] = {.458f, .448f, .450f};

/* ---- parameters ------------------------------------------------------------------------------------------------ */

typedef struct declaration {
    ts_params *params;
    ts_shape_source source;
    ts_error *err;
    tess_status status; /* sticky */
} declaration;

/* Declares a conv whose weight must be [any][in][kernel][kernel]; returns its output channels. */
static int declare_conv(declaration *d, const char *name, int in, int kernel) {
    char text[TS_PARAM_NAME + 8];
    int dims[4] = {0}, rank;
    if (d->status < 0) return 0;
    snprintf(text, sizeof text, "%s.weight", name);
    rank = d->source.shape(d->source.self, text, dims);
    if (rank != 4 || dims[0] < 1 || dims[1] != in || dims[2] != kernel || dims[3] != kernel) {
        d->status = ts_fail(d->err, TESS_ERR_MODEL,
                            "The feature net's %s is %s; it must be [any, %d, %d, %d] (SqueezeNet 1.1).", text,
                            rank ? "of another shape" : "missing", in, kernel, kernel);
        return 0;
    }
    d->status = ts_params_add(d->params, text, TS_PARAM_CONV, 4, dims, d->err);
    snprintf(text, sizeof text, "%s.bias", name);
    if (d->status >= 0) d->status = ts_params_add(d->params, text, TS_PARAM_PLAIN, 1, dims, d->err);
    return dims[0];
}

static int declare_fire(declaration *d, int fire, int in) {
    char name[TS_PARAM_NAME];
    snprintf(name, sizeof name, "features.%d.squeeze", fire);
    int squeezed = declare_conv(d, name, in, 1);
    snprintf(name, sizeof name, "features.%d.expand1x1", fire);
    int narrow = declare_conv(d, name, squeezed, 1);
    snprintf(name, sizeof name, "features.%d.expand3x3", fire);
    return narrow + declare_conv(d, name, squeezed, 3);
}

static void declare_head(declaration *d, int head, int channels) {
    char name[TS_PARAM_NAME];
    snprintf(name, sizeof name, "lin%d", head);
    if (d->status >= 0) d->status = ts_params_add(d->params, name, TS_PARAM_PLAIN, 1, &channels, d->err);
}

int ts_perceptual_head(const ts_params *params, int head) {
    char name[TS_PARAM_NAME];
    snprintf(name, sizeof name, "lin%d", head);
    return ts_params_find(params, name);
}

tess_status ts_perceptual_params(ts_params *params, ts_shape_source source, ts_error *err) {
    declaration d = {.params = params, .source = source, .err = err};
    int head = 0, channels = declare_conv(&d, "features.0", 3, 3);
    declare_head(&d, head++, channels);
    for (int i = 0; i < STAGES; i++) {
        channels = declare_fire(&d, stages[i].fire, channels);
        if (stages[i].tap) declare_head(&d, head++, channels);
    }
    return d.status;
}

/* ---- graph ----------------------------------------------------------------------------------------------------- */

static ts_tensor conv(ts_graph *g, ts_weights *weights, ts_tensor x, const char *name, int stride, int pad) {
    char text[TS_PARAM_NAME + 8];
    const ts_params *params = ts_weights_params(weights);
    snprintf(text, sizeof text, "%s.weight", name);
    int w = ts_params_find(params, text);
    snprintf(text, sizeof text, "%s.bias", name);
    return ts_graph_relu(g, ts_graph_conv2d(g, x, weights, w, ts_params_find(params, text), stride, pad));
}

static ts_tensor fire(ts_graph *g, ts_weights *weights, ts_tensor x, int number) {
    char name[TS_PARAM_NAME];
    snprintf(name, sizeof name, "features.%d.squeeze", number);
    ts_tensor squeezed = conv(g, weights, x, name, 1, 0);
    snprintf(name, sizeof name, "features.%d.expand1x1", number);
    ts_tensor narrow = conv(g, weights, squeezed, name, 1, 0);
    snprintf(name, sizeof name, "features.%d.expand3x3", number);
    return ts_graph_concat(g, narrow, conv(g, weights, squeezed, name, 1, 1));
}

void ts_perceptual_features(ts_graph *g, ts_weights *weights, ts_tensor x, const float range[2],
                            ts_tensor taps[TS_PERCEPTUAL_HEADS]) {
    float scale[3], shift[3];
    int tap = 0;
    for (int c = 0; c < 3; c++) { /* range -> [-1, 1] -> the trunk's own normalisation */
        scale[c] = 2 / (range[1] - range[0]) / image_scale[c];
        shift[c] = (-2 * range[0] / (range[1] - range[0]) - 1 - image_shift[c]) / image_scale[c];
    }
    x = conv(g, weights, ts_graph_scale(g, x, scale, shift), "features.0", 2, 0);
    taps[tap++] = x;
    for (int i = 0; i < STAGES; i++) {
        if (stages[i].pool) x = ts_graph_max_pool(g, x, 3, 2);
        x = fire(g, weights, x, stages[i].fire);
        if (stages[i].tap) taps[tap++] = x;
    }
}

void ts_perceptual_build(ts_graph *graph, ts_weights *weights, ts_tensor x, ts_tensor target, const float range[2],
                         ts_tensor heads[TS_PERCEPTUAL_HEADS]) {
    ts_tensor a[TS_PERCEPTUAL_HEADS], b[TS_PERCEPTUAL_HEADS];
    ts_perceptual_features(graph, weights, target, range, b);
    ts_perceptual_features(graph, weights, x, range, a);
    for (int i = 0; i < TS_PERCEPTUAL_HEADS; i++)
        heads[i] = ts_graph_lpips(graph, a[i], b[i], weights, ts_perceptual_head(ts_weights_params(weights), i));
}
