#include "nets/sequential.h"

#include <math.h>
#include <stdio.h>

#define LEAKY_SLOPE 0.2f /* as in PatchGAN and everywhere else in this field */
#define POOL_EPS 1e-5f   /* of a tiny block's pool */

/* ---- parameters ------------------------------------------------------------------------------------------------ */

/* part: "" or ".conv1"; kind: "weight" or "bias". */
static void parameter_name(char name[TS_PARAM_NAME], const char *prefix, int i, const char *part, const char *kind) {
    snprintf(name, TS_PARAM_NAME, "%s.%d%s.%s", prefix, i, part, kind);
}

typedef struct declaration {
    ts_params *params;
    ts_error *err;
    tess_status status; /* sticky */
} declaration;

static void declare(declaration *d, const char *prefix, int i, const char *part, const char *kind,
                    ts_param_layout layout, int rank, const int *dims) {
    char name[TS_PARAM_NAME];
    parameter_name(name, prefix, i, part, kind);
    if (d->status >= 0) d->status = ts_params_add(d->params, name, layout, rank, dims, d->err);
}

/* dims in file order: conv out, in; transposed conv in, out. */
static void declare_conv(declaration *d, const char *prefix, int i, const char *part, int a, int b, int kernel,
                         int bias) {
    declare(d, prefix, i, part, "weight", TS_PARAM_CONV, 4, (int[]){a, b, kernel, kernel});
    if (bias > 0) declare(d, prefix, i, part, "bias", TS_PARAM_PLAIN, 1, &bias);
}

static void declare_norm(declaration *d, const char *prefix, int i, const char *part, int channels) {
    declare(d, prefix, i, part, "weight", TS_PARAM_PLAIN, 1, &channels);
    declare(d, prefix, i, part, "bias", TS_PARAM_PLAIN, 1, &channels);
}

static void declare_resnet(declaration *d, const char *prefix, int i, const ts_layer *l) {
    declare_norm(d, prefix, i, ".norm1", l->in);
    declare_conv(d, prefix, i, ".conv1", l->out, l->in, 3, l->out);
    declare_norm(d, prefix, i, ".norm2", l->out);
    declare_conv(d, prefix, i, ".conv2", l->out, l->out, 3, l->out);
    if (l->in != l->out) declare_conv(d, prefix, i, ".shortcut", l->out, l->in, 1, l->out);
}

static const char *const attention_convs[] = {".q", ".k", ".v", ".proj"};

static void declare_attention(declaration *d, const char *prefix, int i, const ts_layer *l) {
    declare_norm(d, prefix, i, ".norm", l->in);
    for (int k = 0; k < 4; k++) declare_conv(d, prefix, i, attention_convs[k], l->in, l->in, 1, l->in);
}

static void declare_tiny(declaration *d, const char *prefix, int i, const ts_layer *l) {
    declare_conv(d, prefix, i, ".conv1", l->out, l->in, 3, l->out);
    declare_conv(d, prefix, i, ".conv2", l->out, l->out, 3, l->out);
    declare_conv(d, prefix, i, ".conv3", l->out, l->out, 3, l->out);
    if (l->in != l->out) declare_conv(d, prefix, i, ".skip", l->out, l->in, 1, 0);
    if (l->pool == 0) return;
    declare_conv(d, prefix, i, ".pool1", 4 * l->in, l->in, 1, 0);
    declare_norm(d, prefix, i, ".pool_norm", 4 * l->in);
    declare_conv(d, prefix, i, ".pool2", l->in, 4 * l->in, 1, 0);
}

static void declare_layer(declaration *d, const char *prefix, int i, const ts_layer *l) {
    switch (l->kind) {
    case TS_LAYER_CONV: declare_conv(d, prefix, i, "", l->out, l->in, l->kernel, l->bias ? l->out : 0); break;
    case TS_LAYER_TCONV: declare_conv(d, prefix, i, "", l->in, l->out, l->kernel, l->bias ? l->out : 0); break;
    case TS_LAYER_RES:
        declare_conv(d, prefix, i, ".conv1", l->hidden, l->in, l->kernels[0], l->hidden);
        declare_conv(d, prefix, i, ".conv2", l->in, l->hidden, l->kernels[1], l->in);
        break;
    case TS_LAYER_NORM: declare_norm(d, prefix, i, "", l->in); break;
    case TS_LAYER_RESNET: declare_resnet(d, prefix, i, l); break;
    case TS_LAYER_ATTENTION: declare_attention(d, prefix, i, l); break;
    case TS_LAYER_TINY: declare_tiny(d, prefix, i, l); break;
    default: break;
    }
}

tess_status ts_sequential_params(const ts_sequential *s, ts_params *params, ts_error *err) {
    declaration d = {.params = params, .err = err};
    for (int i = 0; i < s->count; i++) declare_layer(&d, s->prefix, i, &s->layers[i]);
    return d.status;
}

/* ---- start values ---------------------------------------------------------------------------------------------- */

static float *values_of(const ts_params *params, float *values, const char *prefix, int i, const char *part,
                        const char *kind, size_t *count) {
    char name[TS_PARAM_NAME];
    parameter_name(name, prefix, i, part, kind);
    int index = ts_params_find(params, name);
    if (index < 0) return NULL;
    *count = ts_params_at(params, index)->count;
    return values + ts_params_at(params, index)->offset;
}

/* PyTorch's default for nn.Conv2d and nn.ConvTranspose2d: both uniform(-b, b), b = 1 / sqrt(fan_in). For the transposed
 * one PyTorch counts fan_in over its output channels. */
static void init_conv(const ts_params *params, float *values, const char *prefix, int i, const char *part,
                      int fan_channels, int kernel, ts_rng *rng) {
    size_t n = 0;
    float bound = 1 / sqrtf((float)fan_channels * (float)kernel * (float)kernel);
    float *w = values_of(params, values, prefix, i, part, "weight", &n);
    if (w) ts_rng_fill_uniform(rng, w, n, bound);
    float *b = values_of(params, values, prefix, i, part, "bias", &n);
    if (b) ts_rng_fill_uniform(rng, b, n, bound);
}

static void init_norm(const ts_params *params, float *values, const char *prefix, int i, const char *part) {
    size_t n = 0;
    float *gamma = values_of(params, values, prefix, i, part, "weight", &n);
    for (size_t k = 0; gamma && k < n; k++) gamma[k] = 1;
}

/* The blocks of the field start as PyTorch makes them; parts that a block has not are passed over. */
static void init_block(const ts_params *params, float *values, const char *prefix, int i, const ts_layer *l,
                       ts_rng *rng) {
    static const char *const norms[] = {".norm1", ".norm2", ".norm", ".pool_norm"};
    if (l->kind == TS_LAYER_ATTENTION) {
        for (int k = 0; k < 4; k++) init_conv(params, values, prefix, i, attention_convs[k], l->in, 1, rng);
    } else {
        init_conv(params, values, prefix, i, ".conv1", l->in, 3, rng);
        init_conv(params, values, prefix, i, ".conv2", l->out, 3, rng);
        init_conv(params, values, prefix, i, ".conv3", l->out, 3, rng);
        init_conv(params, values, prefix, i, ".shortcut", l->in, 1, rng);
        init_conv(params, values, prefix, i, ".skip", l->in, 1, rng);
        init_conv(params, values, prefix, i, ".pool1", l->in, 1, rng);
        init_conv(params, values, prefix, i, ".pool2", 4 * l->in, 1, rng);
    }
    for (int k = 0; k < 4; k++) init_norm(params, values, prefix, i, norms[k]);
}

void ts_sequential_init(const ts_sequential *s, const ts_params *params, float *values, ts_rng *rng) {
    for (int i = 0; i < s->count; i++) {
        const ts_layer *l = &s->layers[i];
        if (l->kind == TS_LAYER_CONV) init_conv(params, values, s->prefix, i, "", l->in, l->kernel, rng);
        if (l->kind == TS_LAYER_TCONV) init_conv(params, values, s->prefix, i, "", l->out, l->kernel, rng);
        if (l->kind == TS_LAYER_RES) init_conv(params, values, s->prefix, i, ".conv1", l->in, l->kernels[0], rng);
        if (l->kind == TS_LAYER_NORM) init_norm(params, values, s->prefix, i, "");
        if (l->kind >= TS_LAYER_RESNET && l->kind <= TS_LAYER_TINY) init_block(params, values, s->prefix, i, l, rng);
    }
}

/* ---- graphs ---------------------------------------------------------------------------------------------------- */

typedef struct builder {
    ts_graph *graph;
    ts_weights *weights;
    const char *prefix;
} builder;

static int find(const builder *b, int i, const char *part, const char *kind) {
    char name[TS_PARAM_NAME];
    parameter_name(name, b->prefix, i, part, kind);
    return ts_params_find(ts_weights_params(b->weights), name);
}

static ts_tensor conv(const builder *b, ts_tensor x, int i, const char *part, int stride, int pad) {
    return ts_graph_conv2d(b->graph, x, b->weights, find(b, i, part, "weight"), find(b, i, part, "bias"), stride, pad);
}

static ts_tensor activation(ts_graph *g, ts_tensor x, ts_layer_kind kind) {
    switch (kind) {
    case TS_LAYER_SILU: return ts_graph_silu(g, x);
    case TS_LAYER_RELU: return ts_graph_relu(g, x);
    case TS_LAYER_LEAKY_RELU: return ts_graph_leaky_relu(g, x, LEAKY_SLOPE);
    case TS_LAYER_GELU: return ts_graph_gelu(g, x);
    default: return ts_graph_tanh(g, x);
    }
}

static ts_tensor norm(const builder *b, ts_tensor x, int i, const char *part, int groups, float eps) {
    return ts_graph_group_norm(b->graph, x, b->weights, find(b, i, part, "weight"), find(b, i, part, "bias"), groups,
                               eps);
}

/* A conv layer, with zeros where its pads differ; bias: a parameter or -1. */
static ts_tensor conv_layer(const builder *b, ts_tensor x, int i, const ts_layer *l, int bias) {
    const int *p = l->pad, w = find(b, i, "", "weight");
    const bool even = p[0] == p[1] && p[0] == p[2] && p[0] == p[3];
    if (!even) x = ts_graph_pad(b->graph, x, p[0], p[1], p[2], p[3]);
    return ts_graph_conv2d(b->graph, x, b->weights, w, bias, l->stride, even ? p[0] : 0);
}

static ts_tensor residual(const builder *b, ts_tensor x, int i, const ts_layer *l) {
    ts_tensor h = conv(b, activation(b->graph, x, l->act), i, ".conv1", 1, (l->kernels[0] - 1) / 2);
    h = conv(b, activation(b->graph, h, l->act), i, ".conv2", 1, (l->kernels[1] - 1) / 2);
    return ts_graph_add(b->graph, x, h);
}

static ts_tensor resnet(const builder *b, ts_tensor x, int i, const ts_layer *l) {
    ts_graph *g = b->graph;
    ts_tensor h = conv(b, ts_graph_silu(g, norm(b, x, i, ".norm1", l->groups, l->eps)), i, ".conv1", 1, 1);
    ts_tensor shortcut = l->in == l->out ? x : conv(b, x, i, ".shortcut", 1, 0);
    h = conv(b, ts_graph_silu(g, norm(b, h, i, ".norm2", l->groups, l->eps)), i, ".conv2", 1, 1);
    return ts_graph_add(g, shortcut, h);
}

static ts_tensor attention(const builder *b, ts_tensor x, int i, const ts_layer *l) {
    ts_tensor n = norm(b, x, i, ".norm", l->groups, l->eps), part[3];
    for (int k = 0; k < 3; k++) part[k] = conv(b, n, i, attention_convs[k], 1, 0);
    ts_tensor a = ts_graph_attention(b->graph, part[0], part[1], part[2], 1, 1 / sqrtf((float)l->in));
    return ts_graph_add(b->graph, x, conv(b, a, i, attention_convs[3], 1, 0));
}

static ts_tensor tiny(const builder *b, ts_tensor x, int i, const ts_layer *l) {
    ts_graph *g = b->graph;
    if (l->pool > 0) {
        ts_tensor p = norm(b, conv(b, x, i, ".pool1", 1, 0), i, ".pool_norm", l->pool, POOL_EPS);
        x = ts_graph_add(g, x, conv(b, ts_graph_relu(g, p), i, ".pool2", 1, 0));
    }
    ts_tensor skip = l->in == l->out ? x : conv(b, x, i, ".skip", 1, 0);
    ts_tensor h = ts_graph_relu(g, conv(b, x, i, ".conv1", 1, 1));
    h = ts_graph_relu(g, conv(b, h, i, ".conv2", 1, 1));
    return ts_graph_relu(g, ts_graph_add(g, skip, conv(b, h, i, ".conv3", 1, 1)));
}

static ts_tensor times(ts_graph *g, ts_tensor x, int channels, float factor) {
    static const float none[TS_CLAMP_CHANNELS];
    float scale[TS_CLAMP_CHANNELS];
    for (int c = 0; c < channels; c++) scale[c] = factor;
    return ts_graph_scale(g, x, scale, none);
}

static ts_tensor layer(const builder *b, ts_tensor x, int i, const ts_layer *l) {
    ts_graph *g = b->graph;
    switch (l->kind) {
    case TS_LAYER_CONV: return conv_layer(b, x, i, l, find(b, i, "", "bias"));
    case TS_LAYER_TCONV:
        return ts_graph_conv_transpose2d(g, x, b->weights, find(b, i, "", "weight"), find(b, i, "", "bias"), l->stride,
                                         l->pad[0]);
    case TS_LAYER_RES: return residual(b, x, i, l);
    case TS_LAYER_NORM: return norm(b, x, i, "", l->groups, l->eps);
    case TS_LAYER_RESNET: return resnet(b, x, i, l);
    case TS_LAYER_ATTENTION: return attention(b, x, i, l);
    case TS_LAYER_TINY: return tiny(b, x, i, l);
    case TS_LAYER_SOFT_CLAMP: return times(g, ts_graph_tanh(g, times(g, x, l->in, 1 / l->limit)), l->in, l->limit);
    case TS_LAYER_UP: return ts_graph_upsample_nearest(g, x, l->factor);
    case TS_LAYER_SHUFFLE: return ts_graph_pixel_shuffle(g, x, l->factor);
    case TS_LAYER_UNSHUFFLE: return ts_graph_pixel_unshuffle(g, x, l->factor);
    default: return activation(g, x, l->kind);
    }
}

ts_tensor ts_sequential_layer(ts_graph *graph, const ts_sequential *s, int i, ts_weights *weights, ts_tensor x) {
    builder b = {.graph = graph, .weights = weights, .prefix = s->prefix};
    return layer(&b, x, i, &s->layers[i]);
}

ts_tensor ts_sequential_tangent(ts_graph *graph, const ts_sequential *s, int i, ts_weights *weights, ts_tensor x,
                                ts_tensor y, ts_tensor t) {
    const builder b = {.graph = graph, .weights = weights, .prefix = s->prefix};
    const ts_layer *l = &s->layers[i];
    switch (l->kind) {
    case TS_LAYER_CONV: return conv_layer(&b, t, i, l, -1);
    case TS_LAYER_NORM:
        return ts_graph_group_norm_tangent(graph, t, x, weights, find(&b, i, "", "weight"), l->groups, l->eps);
    case TS_LAYER_LEAKY_RELU: return ts_graph_leaky_relu_tangent(graph, t, y, LEAKY_SLOPE);
    default: return TS_NONE;
    }
}

ts_tensor ts_sequential_build(ts_graph *graph, const ts_sequential *s, ts_weights *weights, ts_tensor x) {
    for (int i = 0; i < s->count; i++) x = ts_sequential_layer(graph, s, i, weights, x);
    return x;
}
