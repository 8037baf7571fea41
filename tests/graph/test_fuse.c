/* What is joined to what, that joining changes no value, and the memory that is left to plan for. */
#include "test.h"

#include <stdlib.h>

#include "base/rng.h"
#include "graph/node.h"
#include "taming.h"

/* ---- the decoder that memory is planned for ---------------------------------------------------------------------- */

static int live(const ts_graph *g, ts_op op) {
    int count = 0;
    for (int i = 0; i < g->count; i++) {
        const ts_node *n = &g->nodes[i];
        count += n->op == op && !n->gone && n->host == TS_NONE && !n->affine;
    }
    return count;
}

/* Two tensors of the full size live together in its last blocks, a third one never; all else must fit beside them. */
static void test_taming_memory(void) {
    for (int side = 16; side <= 32; side += 16) {
        ts_graph *g = NULL;
        ts_params *params = NULL;
        ts_weights *weights = NULL;
        CHECK_INT(ts_params_new(&params, NULL), TESS_OK);
        CHECK_INT(ts_weights_new(params, NULL, NULL, &weights, NULL), TESS_OK); /* planned, never run */
        CHECK_INT(ts_graph_new(TS_GRAPH_INFERENCE, &g, NULL), TESS_OK);
        ts_tensor z = ts_graph_input(g, (ts_shape){1, side, side, 256}, false);
        ts_tensor y = taming_decoder(g, params, weights, z, 128);
        const double macs = (double)ts_graph_macs(g);
        CHECK_INT(ts_graph_plan(g, 1, NULL), TESS_OK);
        const size_t two = 2 * (size_t)(16 * side) * (size_t)(16 * side) * 128 * sizeof(float);
        test_row("%d x %d: %.1f of %.1f MB", 16 * side, 16 * side, (double)ts_graph_bytes(g) * 1e-6,
                 (double)two * 1e-6);
        CHECK_INT(ts_graph_shape(g, y).h, 16 * side);
        CHECK(ts_graph_bytes(g) <= two + two / 4);
        CHECK_NEAR(macs * 1e-9, side == 16 ? 126.4 : 508.7, 0.1);
        CHECK_NEAR((double)ts_graph_macs(g), macs, 0); /* fusing does not change what is counted */
        CHECK_INT(live(g, TS_OP_GROUP_NORM), 0);
        CHECK_INT(live(g, TS_OP_SILU), 0);
        CHECK_INT(live(g, TS_OP_UPSAMPLE_NEAREST), 0);
        CHECK_INT(live(g, TS_OP_ADD), 0);
        ts_graph_free(g);
        ts_weights_free(weights);
        ts_params_free(params);
    }
}

/* ---- small graphs ------------------------------------------------------------------------------------------------ */

typedef struct small {
    ts_params *params;
    float *values;
    ts_weights *weights;
    ts_graph *graph;
    int count;
    ts_tensor x, y;
} small;

enum { CHANNELS = 8, HEIGHT = 6, WIDTH = 4, VALUES = 1 << 14 }; /* enough for every net but the large one */

static small small_new(uint64_t seed) {
    small s = {.values = malloc(VALUES * sizeof(float))};
    ts_rng rng = ts_rng_new(seed, 1);
    ts_rng_fill_normal(&rng, s.values, VALUES, 0.2f);
    CHECK_INT(ts_params_new(&s.params, NULL), TESS_OK);
    CHECK_INT(ts_weights_new(s.params, s.values, NULL, &s.weights, NULL), TESS_OK);
    CHECK_INT(ts_graph_new(TS_GRAPH_INFERENCE, &s.graph, NULL), TESS_OK);
    s.x = ts_graph_input(s.graph, (ts_shape){2, HEIGHT, WIDTH, CHANNELS}, false);
    return s;
}

static void small_free(small *s) {
    ts_graph_free(s->graph);
    ts_weights_free(s->weights);
    ts_params_free(s->params);
    free(s->values);
}

static int param(small *s, ts_param_layout layout, int rank, const int *dims) {
    char name[16];
    snprintf(name, sizeof name, "p%d", s->count++);
    CHECK_INT(ts_params_add(s->params, name, layout, rank, dims, NULL), TESS_OK);
    return ts_params_find(s->params, name);
}

static ts_tensor conv(small *s, ts_tensor x, int out, int kernel, int stride, int pad) {
    const int c = ts_graph_shape(s->graph, x).c, w = param(s, TS_PARAM_CONV, 4, (int[]){out, c, kernel, kernel});
    return ts_graph_conv2d(s->graph, x, s->weights, w, param(s, TS_PARAM_PLAIN, 1, &out), stride, pad);
}

static ts_tensor norm(small *s, ts_tensor x) {
    const int c = ts_graph_shape(s->graph, x).c, gamma = param(s, TS_PARAM_PLAIN, 1, &c);
    return ts_graph_group_norm(s->graph, x, s->weights, gamma, param(s, TS_PARAM_PLAIN, 1, &c), 2, 1e-5f);
}

/* What becomes of a graph: the names of the nodes that still run, in order. */
static void running(const ts_graph *g, char *text, size_t capacity) {
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < g->count; i++) {
        const ts_node *n = &g->nodes[i];
        if (n->gone || n->host != TS_NONE || n->op == TS_OP_INPUT) continue;
        used += (size_t)snprintf(text + used, capacity - used, "%s%s%s", used ? " " : "", ts_op_row_of(n->op)->name,
                                 n->affine ? "*" : "");
    }
}

typedef ts_tensor recipe(small *s);

static ts_tensor normal_silu_conv(small *s) { return conv(s, ts_graph_silu(s->graph, norm(s, s->x)), 5, 3, 1, 1); }
static ts_tensor norm_read_twice(small *s) {
    ts_tensor h = norm(s, s->x);
    return ts_graph_mul(s->graph, conv(s, h, CHANNELS, 1, 1, 0), conv(s, h, CHANNELS, 3, 1, 1));
}
static ts_tensor norm_also_added(small *s) {
    ts_tensor h = norm(s, s->x);
    return ts_graph_mul(s->graph, conv(s, h, CHANNELS, 1, 1, 0), h);
}
static ts_tensor norm_silu_read_twice(small *s) { /* one pass makes both */
    ts_tensor h = ts_graph_silu(s->graph, norm(s, s->x));
    return ts_graph_mul(s->graph, conv(s, h, CHANNELS, 1, 1, 0), conv(s, h, CHANNELS, 3, 1, 1));
}
static ts_tensor norm_kept(small *s) {
    ts_tensor h = norm(s, s->x);
    ts_graph_output(s->graph, h);
    return conv(s, h, 5, 1, 1, 0);
}
static ts_tensor residual(small *s) {
    ts_tensor h = conv(s, ts_graph_silu(s->graph, s->x), CHANNELS, 3, 1, 1);
    return ts_graph_add(s->graph, s->x, conv(s, ts_graph_silu(s->graph, h), CHANNELS, 3, 1, 1));
}
static ts_tensor residual_of_one(small *s) { /* reads and adds the same tensor */
    return ts_graph_add(s->graph, s->x, conv(s, ts_graph_relu(s->graph, s->x), CHANNELS, 3, 1, 1));
}
static ts_tensor uneven_pad(small *s) {
    return conv(s, ts_graph_pad(s->graph, ts_graph_relu(s->graph, s->x), 0, 0, 1, 1), 5, 3, 2, 0);
}
static ts_tensor wide_pad(small *s) { return conv(s, ts_graph_pad(s->graph, s->x, 3, 0, 1, 1), 5, 3, 2, 0); }
static ts_tensor folded(small *s) { /* and unfolded, with the activation on either side */
    ts_tensor h = conv(s, ts_graph_pixel_unshuffle(s->graph, ts_graph_gelu(s->graph, s->x), 2), 12, 1, 1, 0);
    return ts_graph_relu(s->graph, ts_graph_pixel_shuffle(s->graph, h, 2));
}
static ts_tensor folded_norm(small *s) { /* its channels are not the convolution's */
    return conv(s, ts_graph_pixel_unshuffle(s->graph, norm(s, s->x), 2), 4, 3, 1, 1);
}
static ts_tensor unfolded_sum(small *s) {
    ts_tensor h = ts_graph_pixel_unshuffle(s->graph, ts_graph_tanh(s->graph, s->x), 2);
    h = ts_graph_pixel_shuffle(s->graph, conv(s, h, 4 * CHANNELS, 1, 1, 0), 2);
    return ts_graph_add(s->graph, h, s->x);
}
static ts_tensor slopes(small *s) { /* a convolution has one slope */
    ts_tensor h = conv(s, ts_graph_leaky_relu(s->graph, s->x, 0.3f), 5, 3, 1, 1);
    return ts_graph_leaky_relu(s->graph, h, 0.1f);
}
static ts_tensor kept_between(small *s) {
    ts_tensor h = conv(s, s->x, CHANNELS, 3, 1, 1);
    ts_graph_output(s->graph, h);
    return conv(s, ts_graph_relu(s->graph, h), 4, 1, 1, 0);
}
static ts_tensor enlarged(small *s) {
    ts_tensor h = ts_graph_silu(s->graph, norm(s, s->x));
    return conv(s, ts_graph_upsample_nearest(s->graph, h, 2), 5, 3, 1, 1);
}
static ts_tensor enlarged_otherwise(small *s) {
    return conv(s, ts_graph_upsample_nearest(s->graph, s->x, 2), 5, 5, 1, 2);
}

typedef struct row {
    const char *name;
    recipe *build;
    const char *left; /* running() */
    double tolerance; /* 0: the same bits as unfused */
} row;

static const row rows[] = {
    {"norm silu conv", normal_silu_conv, "group_norm* conv2d", 1e-6},
    {"norm, two convs", norm_read_twice, "group_norm* conv2d conv2d mul", 1e-6},
    {"norm, conv and mul", norm_also_added, "group_norm conv2d mul", 0},
    {"norm silu, two convs", norm_silu_read_twice, "group_norm conv2d conv2d mul", 0},
    {"norm kept", norm_kept, "group_norm conv2d", 0},
    {"residual", residual, "conv2d conv2d", 0},
    {"residual of one", residual_of_one, "conv2d", 0},
    {"uneven pad", uneven_pad, "conv2d", 0},
    {"wide pad", wide_pad, "pad conv2d", 0},
    {"folded", folded, "conv2d", 0},
    {"folded norm", folded_norm, "group_norm conv2d", 0},
    {"unfolded sum", unfolded_sum, "conv2d", 0},
    {"two slopes", slopes, "leaky_relu conv2d", 0},
    {"kept between", kept_between, "conv2d conv2d", 0},
    {"enlarged", enlarged, "group_norm* conv2d", 1e-5},
    {"enlarged, 5x5", enlarged_otherwise, "upsample_nearest conv2d", 0},
};

/* Each graph as it is, and with every tensor kept, which forbids joining: the same values. */
static void test_joins(void) {
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        float y[2][2 * HEIGHT * WIDTH * CHANNELS * 4];
        size_t n = 0;
        char left[128];
        test_row("%s", rows[r].name);
        for (int apart = 0; apart < 2; apart++) {
            small s = small_new(r);
            s.y = rows[r].build(&s);
            ts_graph_output(s.graph, s.y);
            for (int i = 0; apart && i < s.graph->count; i++) ts_graph_output(s.graph, i);
            CHECK_INT(ts_graph_plan(s.graph, 1, NULL), TESS_OK);
            CHECK_INT(ts_graph_alloc(s.graph, NULL), TESS_OK);
            if (!apart) {
                running(s.graph, left, sizeof left);
                CHECK_TEXT(left, rows[r].left);
            }
            ts_rng rng = ts_rng_new(r, 2);
            ts_rng_fill_normal(&rng, ts_graph_data(s.graph, s.x), 2 * HEIGHT * WIDTH * CHANNELS, 1);
            ts_graph_forward(s.graph, NULL);
            n = ts_shape_count(ts_graph_shape(s.graph, s.y));
            memcpy(y[apart], ts_graph_data(s.graph, s.y), n * sizeof(float));
            small_free(&s);
        }
        if (rows[r].tolerance == 0) CHECK_BYTES(y[0], y[1], n * sizeof(float));
        for (size_t i = 0; i < n; i++) CHECK_NEAR(y[0][i], y[1][i], rows[r].tolerance * 4);
    }
}

/* A larger net, whose convolutions run by every algorithm there is: joining may round differently, not more. Each value
 * is a sum of a few hundred products of either sign, so that 1e-4 of the largest is far above rounding. */
static void test_large(void) {
    enum { SIDE = 20, DEEP = 32, OUT = 4 * SIDE * SIDE * 3 };
    static float y[2][OUT];
    float largest = 0;
    for (int apart = 0; apart < 2; apart++) {
        small s = small_new(77);
        ts_graph *g = s.graph;
        free(s.values);
        s.values = malloc((1 << 17) * sizeof(float));
        ts_rng rng = ts_rng_new(77, 3);
        ts_rng_fill_normal(&rng, s.values, 1 << 17, 0.06f);
        ts_weights_use(s.weights, s.values);
        ts_tensor x = ts_graph_input(g, (ts_shape){1, SIDE, SIDE, DEEP}, false), z = x;
        for (int i = 0; i < 2; i++) {
            ts_tensor h = conv(&s, ts_graph_silu(g, norm(&s, x)), 2 * DEEP, 3, 1, 1);
            h = conv(&s, ts_graph_relu(g, norm(&s, h)), DEEP, 3, 1, 1);
            x = ts_graph_add(g, x, h);
        }
        x = conv(&s, ts_graph_pad(g, x, 1, 0, 1, 2), 4 * DEEP, 3, 1, 0); /* [20][20] */
        x = conv(&s, ts_graph_pixel_shuffle(g, x, 2), DEEP, 3, 2, 1);
        x = conv(&s, ts_graph_upsample_nearest(g, ts_graph_silu(g, norm(&s, x)), 2), DEEP, 3, 1, 1);
        s.y = conv(&s, x, 3, 3, 1, 1);
        ts_graph_output(g, s.y);
        for (int i = 0; apart && i < g->count; i++) ts_graph_output(g, i);
        CHECK_INT(ts_graph_plan(g, 1, NULL), TESS_OK);
        CHECK_INT(ts_graph_alloc(g, NULL), TESS_OK);
        CHECK_INT(ts_shape_count(ts_graph_shape(g, s.y)), OUT);
        ts_rng_fill_normal(&rng, ts_graph_data(g, z), SIDE * SIDE * DEEP, 1);
        ts_graph_forward(g, NULL);
        memcpy(y[apart], ts_graph_data(g, s.y), sizeof y[apart]);
        small_free(&s);
    }
    for (int i = 0; i < OUT; i++) largest = fmaxf(largest, fabsf(y[1][i]));
    CHECK(largest > 0.01f);
    for (int i = 0; i < OUT; i++) CHECK_NEAR(y[0][i], y[1][i], 1e-4 * (double)largest);
}

/* ---- weights held as float16 -------------------------------------------------------------------------------------- */

/* Convolutions, one of them transposed and one far larger than the others, over float16 and over the same values as
 * floats: the same bits, again after another graph came along, and no room for widening is kept. */
static void test_half_weights(void) {
    small s = small_new(5);
    ts_weights *floats = NULL, *halves = NULL;
    float plain[256] = {0}, file[1024], y[2][2][1024];
    uint16_t half[VALUES];
    const int w[3] = {param(&s, TS_PARAM_CONV, 4, (int[]){16, CHANNELS, 1, 1}),
                      param(&s, TS_PARAM_CONV, 4, (int[]){16, 4, 4, 4}),
                      param(&s, TS_PARAM_CONV, 4, (int[]){5, 4, 3, 3})};
    const int bias = param(&s, TS_PARAM_PLAIN, 1, (int[]){5});
    for (int i = 0; i < ts_params_count(s.params); i++) {
        const ts_param *p = ts_params_at(s.params, i);
        ts_param_write(p, s.values, file);
        ts_param_read_split(p, plain, half, file);
        ts_param_write_store(p, (ts_store){plain, half}, file); /* rounded */
        ts_param_read(p, s.values, file);
    }
    CHECK_INT(ts_weights_over(s.params, (ts_store){s.values, NULL}, &floats, NULL), TESS_OK);
    CHECK_INT(ts_weights_over(s.params, (ts_store){plain, half}, &halves, NULL), TESS_OK);
    for (int k = 0; k < 2; k++) {
        ts_weights *weights = k ? halves : floats;
        for (int round = 0; round < 2; round++) {
            ts_graph *g = NULL;
            CHECK_INT(ts_graph_new(TS_GRAPH_INFERENCE, &g, NULL), TESS_OK);
            ts_tensor x = ts_graph_input(g, (ts_shape){1, 5 - round, 4, CHANNELS}, false);
            ts_tensor h = ts_graph_conv2d(g, x, weights, w[0], -1, 1, 0);
            h = ts_graph_conv_transpose2d(g, h, weights, w[1], -1, 2, 1);
            h = ts_graph_conv2d(g, h, weights, w[2], bias, 1, 1);
            ts_graph_output(g, h);
            CHECK_INT(ts_graph_plan(g, 1, NULL), TESS_OK);
            CHECK_INT(ts_graph_alloc(g, NULL), TESS_OK);
            ts_rng rng = ts_rng_new(8, 2);
            ts_rng_fill_normal(&rng, ts_graph_data(g, x), ts_shape_count(ts_graph_shape(g, x)), 1);
            ts_graph_forward(g, NULL);
            test_row("round %d", round);
            memcpy(y[k][round], ts_graph_data(g, h), ts_shape_count(ts_graph_shape(g, h)) * sizeof(float));
            if (k) CHECK_BYTES(y[0][round], y[1][round], ts_shape_count(ts_graph_shape(g, h)) * sizeof(float));
            ts_graph_free(g);
        }
        CHECK(ts_weights_values(weights, bias) != NULL);
        CHECK((ts_weights_values(weights, w[0]) == NULL) == (k == 1));
    }
    ts_weights_free(floats);
    ts_weights_free(halves);
    small_free(&s);
}

int main(void) {
    RUN(test_joins);
    RUN(test_large);
    RUN(test_half_weights);
    RUN(test_taming_memory);
    return test_end();
}
