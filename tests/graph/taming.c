#include "taming.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct builder {
    ts_graph *graph;
    ts_params *params;
    ts_weights *weights;
    int count; /* of parameters declared: names are numbers */
} builder;

static int declare(builder *b, ts_param_layout layout, int rank, const int *dims) {
    char name[16];
    snprintf(name, sizeof name, "p%d", b->count++);
    if (ts_params_add(b->params, name, layout, rank, dims, NULL) < 0) abort();
    return ts_params_find(b->params, name);
}

static int channels(const builder *b, ts_tensor x) { return ts_graph_shape(b->graph, x).c; }

static ts_tensor conv(builder *b, ts_tensor x, int out, int kernel) {
    const int w = declare(b, TS_PARAM_CONV, 4, (int[]){out, channels(b, x), kernel, kernel});
    const int bias = declare(b, TS_PARAM_PLAIN, 1, &out);
    return ts_graph_conv2d(b->graph, x, b->weights, w, bias, 1, kernel / 2);
}

static ts_tensor norm(builder *b, ts_tensor x) {
    const int c = channels(b, x), gamma = declare(b, TS_PARAM_PLAIN, 1, &c), beta = declare(b, TS_PARAM_PLAIN, 1, &c);
    return ts_graph_group_norm(b->graph, x, b->weights, gamma, beta, c < 32 ? c : 32, 1e-6f);
}

static ts_tensor normal_silu(builder *b, ts_tensor x) { return ts_graph_silu(b->graph, norm(b, x)); }

static ts_tensor resnet(builder *b, ts_tensor x, int out) {
    ts_tensor h = conv(b, normal_silu(b, x), out, 3);
    h = conv(b, normal_silu(b, h), out, 3);
    return ts_graph_add(b->graph, channels(b, x) == out ? x : conv(b, x, out, 1), h);
}

static ts_tensor attention(builder *b, ts_tensor x) {
    const int c = channels(b, x);
    const ts_tensor h = norm(b, x);
    const ts_tensor q = conv(b, h, c, 1), k = conv(b, h, c, 1), v = conv(b, h, c, 1);
    return ts_graph_add(b->graph, x, conv(b, ts_graph_attention(b->graph, q, k, v, 1, 1.0f), c, 1));
}

ts_tensor taming_decoder(ts_graph *g, ts_params *params, ts_weights *weights, ts_tensor z, int ch) {
    static const int multiples[] = {1, 1, 2, 2, 4};
    builder b = {g, params, weights, 0};
    ts_tensor x = conv(&b, conv(&b, z, 2 * ch, 1), 4 * ch, 3);
    x = resnet(&b, attention(&b, resnet(&b, x, 4 * ch)), 4 * ch);
    for (int level = 4; level >= 0; level--) {
        for (int i = 0; i < 3; i++) {
            x = resnet(&b, x, multiples[level] * ch);
            if (level == 4) x = attention(&b, x);
        }
        if (level > 0) x = conv(&b, ts_graph_upsample_nearest(g, x, 2), channels(&b, x), 3);
    }
    x = conv(&b, normal_silu(&b, x), 3, 3);
    ts_graph_output(g, x);
    return x;
}
