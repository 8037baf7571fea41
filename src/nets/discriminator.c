#include "nets/discriminator.h"

#include <stdio.h>
#include <string.h>

#include "nets/sequential.h"

#define DEVIATION 0.02f /* of the conv weights (DCGAN, Radford et al. 2015) */
#define EPS 1e-6f       /* of the norms */

/* One scale as a list of layers: at most conv, leaky_relu, three times conv, norm, leaky_relu, again, conv. */
typedef struct scale {
    char prefix[28];
    ts_layer layers[2 + 3 * (TS_DISCRIMINATOR_FEATURES - 1) + 1];
    ts_sequential list; /* into the above */
} scale;

static ts_layer *append(scale *s, ts_layer_kind kind, int in, int out) {
    ts_layer *l = &s->layers[s->list.count++];
    *l = (ts_layer){.kind = kind, .in = in, .out = out};
    return l;
}

static void append_conv(scale *s, int in, int out, int stride) {
    ts_layer *l = append(s, TS_LAYER_CONV, in, out);
    l->kernel = 4;
    l->stride = stride;
    l->bias = true;
    for (int i = 0; i < 4; i++) l->pad[i] = 1;
}

static void append_norm(scale *s, int channels, int groups) {
    ts_layer *l = append(s, TS_LAYER_NORM, channels, channels);
    l->groups = groups;
    l->eps = EPS;
}

static void make_scale(const ts_discriminator_config *c, int number, scale *s) {
    int in = 3;
    memset(s, 0, sizeof *s);
    snprintf(s->prefix, sizeof s->prefix, "discriminator.%d", number);
    s->list = (ts_sequential){s->prefix, s->layers, 0};
    for (int i = 0; i <= c->layers; i++) {
        int out = c->width * (i < 3 ? 1 << i : 8);
        append_conv(s, in, out, i < c->layers ? 2 : 1);
        if (i > 0 && c->groups > 0) append_norm(s, out, c->groups);
        append(s, TS_LAYER_LEAKY_RELU, out, out);
        in = out;
    }
    append_conv(s, in, 1, 1);
}

tess_status ts_discriminator_params(const ts_discriminator_config *c, ts_params *params, ts_error *err) {
    tess_status status = TESS_OK;
    for (int i = 0; i < c->scales && status >= 0; i++) {
        scale s;
        make_scale(c, i, &s);
        status = ts_sequential_params(&s.list, params, err);
    }
    return status;
}

static void init_layer(const scale *s, int i, const ts_params *params, float *values, ts_rng *rng) {
    char name[TS_PARAM_NAME];
    snprintf(name, sizeof name, "%s.%d.weight", s->prefix, i);
    int index = ts_params_find(params, name);
    if (index < 0) return; /* an activation */
    const ts_param *p = ts_params_at(params, index);
    float *w = values + p->offset;
    if (s->layers[i].kind == TS_LAYER_CONV) ts_rng_fill_normal(rng, w, p->count, DEVIATION);
    else
        for (size_t k = 0; k < p->count; k++) w[k] = 1;
}

void ts_discriminator_init(const ts_discriminator_config *c, const ts_params *params, float *values, ts_rng *rng) {
    for (int i = 0; i < c->scales; i++) {
        scale s;
        make_scale(c, i, &s);
        for (int k = 0; k < s.list.count; k++) init_layer(&s, k, params, values, rng);
    }
}

ts_discriminator ts_discriminator_build(ts_graph *g, const ts_discriminator_config *c, ts_weights *weights, ts_tensor x,
                                        ts_tensor t) {
    const bool tangent = t != TS_NONE;
    ts_discriminator d = {.scales = c->scales, .features = c->layers + 1};
    for (int i = 0; i < c->scales; i++) {
        scale s;
        make_scale(c, i, &s);
        if (i > 0) x = ts_graph_mean_pool(g, x, 2);
        if (i > 0 && tangent) t = ts_graph_mean_pool(g, t, 2);
        ts_tensor h = x, dh = t;
        for (int k = 0, feature = 0; k < s.list.count; k++) {
            const ts_tensor y = ts_sequential_layer(g, &s.list, k, weights, h);
            if (tangent) dh = ts_sequential_tangent(g, &s.list, k, weights, h, y, dh);
            if (s.layers[k].kind == TS_LAYER_LEAKY_RELU) d.feature[i][feature++] = y;
            h = y;
        }
        d.logits[i] = h;
        d.tangent[i] = dh;
    }
    return d;
}

/* The strided convs give floor(h / 2^layers), the other two take one each. */
int ts_discriminator_least(const ts_discriminator_config *c) { return 3 << (c->layers + c->scales - 1); }
