/* The upscaler's net: shapes of what it gives, and how far an output reaches into the picture. */
#include <stdlib.h>

#include "test.h"

#include "base/alloc.h"
#include "base/rng.h"
#include "nets/upscaler.h"

enum { LATENTS = 24 }; /* along a side of the large picture */

static const ts_config CONFIG = {.quantizer = {.type = TS_QUANTIZER_VQ, .levels = 1, .size = 8, .dim = 5},
                                 .upscaler = {.by2 = {.width = 8, .blocks = 1, .mid = 12, .tail = 1},
                                              .by4 = {.width = 12, .blocks = 3, .mid = 8, .tail = 2}}};

typedef struct net {
    ts_params *params;
    float *values;
    ts_weights *weights;
    ts_graph *graph;
    ts_tensor x;
    ts_upscaler out;
} net;

static net make(int factor) {
    net n = {0};
    ts_rng rng = ts_rng_new(1, 1);
    const int side = LATENTS * 8 / factor;
    CHECK_INT(ts_params_new(&n.params, NULL), TESS_OK);
    CHECK_INT(ts_upscaler_params(&CONFIG.upscaler, 5, n.params, NULL), TESS_OK);
    n.values = ts_calloc(ts_params_floats(n.params), sizeof *n.values);
    for (int i = 0; i < ts_params_count(n.params); i++) {
        const ts_param *p = ts_params_at(n.params, i);
        ts_rng_fill_normal(&rng, n.values + p->offset, p->count, 0.3F);
    }
    CHECK_INT(ts_weights_new(n.params, n.values, NULL, &n.weights, NULL), TESS_OK);
    CHECK_INT(ts_graph_new(TS_GRAPH_INFERENCE, &n.graph, NULL), TESS_OK);
    n.x = ts_graph_input(n.graph, (ts_shape){1, side, side, 3}, false);
    n.out = ts_upscaler_build(n.graph, &CONFIG, factor, n.weights, n.x, true, true);
    ts_graph_output(n.graph, n.out.smooth);
    ts_graph_output(n.graph, n.out.latents);
    CHECK_INT(ts_graph_plan(n.graph, 1, NULL), TESS_OK);
    CHECK_INT(ts_graph_alloc(n.graph, NULL), TESS_OK);
    return n;
}

static void drop(net *n) {
    ts_graph_free(n->graph);
    ts_weights_free(n->weights);
    ts_free(n->values);
    ts_params_free(n->params);
}

/* The net's outputs for a grey picture with one bright pixel (none: at < 0). */
static void run(net *n, int at, float *smooth, float *latents) {
    const ts_shape in = ts_graph_shape(n->graph, n->x);
    float *x = ts_graph_data(n->graph, n->x);
    for (size_t i = 0; i < ts_shape_count(in); i++) x[i] = 0.1F;
    if (at >= 0) x[at * 3] = 0.9F;
    ts_graph_forward(n->graph, NULL);
    memcpy(smooth, ts_graph_data(n->graph, n->out.smooth), (size_t)LATENTS * LATENTS * 64 * 3 * sizeof *smooth);
    memcpy(latents, ts_graph_data(n->graph, n->out.latents), (size_t)LATENTS * LATENTS * 5 * sizeof *latents);
}

static int larger(int a, int b) { return a > b ? a : b; }

/* How far from latent `from` along a side something changed, in latents; side: values along a side of one. */
static int spread(const float *a, const float *b, int side, int channels, int from) {
    int most = 0;
    const int extent = LATENTS * side;
    for (int y = 0; y < extent; y++)
        for (int x = 0; x < extent; x++)
            if (memcmp(a + (y * extent + x) * channels, b + (y * extent + x) * channels,
                       (size_t)channels * sizeof *a) != 0)
                most = larger(most, larger(abs(y / side - from), abs(x / side - from)));
    return most;
}

static void test_radius(void) {
    static float smooth[2][LATENTS * LATENTS * 64 * 3], latents[2][LATENTS * LATENTS * 5];
    for (int factor = 2; factor <= 4; factor += 2) {
        net n = make(factor);
        const ts_upscaler_net *config = ts_upscaler_of(&CONFIG.upscaler, factor);
        const int scale = 8 / factor, side = LATENTS * scale, middle = LATENTS / 2;
        int near = 0, far = 0;
        run(&n, -1, smooth[0], latents[0]);
        for (int corner = 0; corner < 2; corner++) { /* the first and the last pixel of a latent */
            const int at = middle * scale + corner * (scale - 1);
            run(&n, at * side + at, smooth[1], latents[1]);
            near = larger(near, spread(smooth[0], smooth[1], 8, 3, middle));
            far = larger(far, spread(latents[0], latents[1], 1, 5, middle));
        }
        test_row("factor %d", factor);
        CHECK_INT(ts_upscaler_radius(config, false), near);
        CHECK_INT(ts_upscaler_radius(config, true), far);
        drop(&n);
    }
}

static void test_of(void) {
    const ts_upscaler_config one = {.by4 = {.width = 8}};
    CHECK(ts_upscaler_of(&one, 4) == &one.by4);
    CHECK(!ts_upscaler_of(&one, 2) && !ts_upscaler_of(&one, 3));
    CHECK(ts_upscaler_any(&one) && !ts_upscaler_any(&(ts_upscaler_config){0}));
}

int main(void) {
    RUN(test_of);
    RUN(test_radius);
    return test_end();
}
