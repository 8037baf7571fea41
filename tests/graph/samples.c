#include "samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"

typedef struct row {
    ts_op op;
    ts_shape a, b;                /* inputs; b.n 0: none */
    int out, kernel, stride, pad; /* conv: output channels; norm: groups in stride; others as named */
    bool bias;
} row;

/* Shapes are small, odd where they can be, and cross vector and panel widths. */
static const row rows[] = {
    {TS_OP_CONV2D, {2, 5, 4, 3}, {0}, 5, 3, 1, 1, true},
    {TS_OP_CONV2D, {1, 6, 7, 17}, {0}, 9, 1, 1, 0, true},
    {TS_OP_CONV2D, {1, 8, 6, 4}, {0}, 6, 4, 2, 1, false},
    {TS_OP_CONV2D, {1, 7, 7, 2}, {0}, 3, 3, 2, 0, true},
    {TS_OP_CONV2D, {1, 4, 5, 3}, {0}, 2, 5, 1, 2, true},
    {TS_OP_CONV_TRANSPOSE2D, {2, 3, 4, 5}, {0}, 3, 4, 2, 1, true},
    {TS_OP_CONV_TRANSPOSE2D, {1, 4, 3, 6}, {0}, 4, 2, 2, 0, false},
    {TS_OP_CONV_TRANSPOSE2D, {1, 4, 4, 3}, {0}, 5, 3, 1, 1, true},
    {TS_OP_GROUP_NORM, {2, 3, 4, 6}, {0}, 0, 0, 2, 0, true},
    {TS_OP_GROUP_NORM, {1, 4, 4, 5}, {0}, 0, 0, 5, 0, true},
    {TS_OP_SILU, {1, 3, 5, 7}, {0}, 0, 0, 0, 0, false},
    {TS_OP_GELU, {1, 3, 5, 7}, {0}, 0, 0, 0, 0, false},
    {TS_OP_RELU, {1, 3, 5, 7}, {0}, 0, 0, 0, 0, false},
    {TS_OP_LEAKY_RELU, {1, 3, 5, 7}, {0}, 0, 0, 0, 0, false},
    {TS_OP_TANH, {1, 3, 5, 7}, {0}, 0, 0, 0, 0, false},
    {TS_OP_ADD, {2, 3, 2, 5}, {2, 3, 2, 5}, 0, 0, 0, 0, false},
    {TS_OP_MUL, {2, 3, 2, 5}, {2, 3, 2, 5}, 0, 0, 0, 0, false},
    {TS_OP_SCALE, {2, 3, 2, 5}, {0}, 0, 0, 0, 0, false},
    {TS_OP_CONCAT, {2, 3, 2, 5}, {2, 3, 2, 3}, 0, 0, 0, 0, false},
    {TS_OP_SLICE, {2, 3, 2, 7}, {0}, 3, 0, 2, 0, false},
    {TS_OP_PAD, {2, 3, 2, 4}, {0}, 0, 0, 0, 0, false},
    {TS_OP_UPSAMPLE_NEAREST, {2, 3, 2, 5}, {0}, 0, 0, 2, 0, false},
    {TS_OP_UPSAMPLE_NEAREST, {1, 2, 3, 4}, {0}, 0, 0, 3, 0, false},
    {TS_OP_PIXEL_SHUFFLE, {2, 3, 2, 12}, {0}, 0, 0, 2, 0, false},
    {TS_OP_PIXEL_SHUFFLE, {1, 2, 2, 32}, {0}, 0, 0, 4, 0, false},
    {TS_OP_PIXEL_UNSHUFFLE, {2, 4, 6, 3}, {0}, 0, 0, 2, 0, false},
    {TS_OP_MAX_POOL, {2, 6, 7, 3}, {0}, 0, 3, 2, 0, false},
    {TS_OP_MAX_POOL, {1, 4, 4, 2}, {0}, 0, 2, 2, 0, false},
    {TS_OP_MEAN_POOL, {2, 5, 4, 3}, {0}, 0, 0, 2, 0, false},
    {TS_OP_MEAN_POOL, {1, 6, 7, 5}, {0}, 0, 0, 3, 0, false},
    {TS_OP_ATTENTION, {2, 3, 2, 5}, {2, 3, 2, 5}, 0, 0, 1, 0, false}, /* the third input is like the second */
    {TS_OP_ATTENTION, {1, 4, 5, 8}, {1, 4, 5, 8}, 0, 0, 1, 0, false},
    {TS_OP_ATTENTION, {2, 3, 7, 15}, {2, 3, 7, 15}, 0, 0, 3, 0, false},
    {TS_OP_LAYER_NORM, {2, 3, 2, 7}, {0}, 0, 0, 0, 0, true},
    {TS_OP_LAYER_NORM, {1, 2, 3, 37}, {0}, 0, 0, 0, 0, true},
    {TS_OP_EMBED, {2, 3, 2, 1}, {0}, 7, 5, 0, 0, false},
    {TS_OP_EMBED, {2, 2, 2, 4}, {0}, 18, 6, 1, 0, false}, /* means */
    {TS_OP_PLACES, {3, 2, 3, 5}, {0}, 0, 0, 0, 0, false},
    {TS_OP_JOIN, {2, 1, 3, 5}, {2, 2, 2, 5}, 0, 0, 0, 0, false},
    {TS_OP_PART, {2, 1, 9, 5}, {0}, 2, 3, 2, 0, false}, /* places 2 .. 7 as 3 x 2 */
    {TS_OP_DEPTHWISE, {2, 5, 7, 5}, {0}, 0, 3, 1, 1, true},
    {TS_OP_DEPTHWISE, {1, 6, 11, 17}, {0}, 0, 5, 1, 2, false},
    {TS_OP_DEPTHWISE, {1, 2, 3, 4}, {0}, 0, 7, 1, 3, true}, /* larger than the picture */
    {TS_OP_DROPOUT, {2, 3, 4, 7}, {0}, 0, 0, 0, 0, false},
    {TS_OP_CROSS_ENTROPY, {2, 3, 2, 7}, {2, 3, 2, 1}, 0, 0, 0, 0, false},
    {TS_OP_CROSS_ENTROPY, {1, 2, 3, 37}, {1, 2, 3, 1}, 0, 0, 1, 0, false}, /* smoothed */
    {TS_OP_QUANTIZE, {2, 3, 2, 4}, {0}, 0, 0, 0, 0, false},
    {TS_OP_L1, {2, 3, 4, 3}, {2, 3, 4, 3}, 0, 0, 0, 0, false},
    {TS_OP_L2, {2, 3, 4, 3}, {2, 3, 4, 3}, 0, 0, 0, 0, false},
    {TS_OP_MS_SSIM, {1, 24, 23, 2}, {1, 24, 23, 2}, 0, 0, 0, 0, false},
    {TS_OP_LPIPS, {2, 3, 4, 6}, {2, 3, 4, 6}, 0, 0, 0, 0, false},
    {TS_OP_LEAKY_RELU_TANGENT, {1, 3, 5, 7}, {1, 3, 5, 7}, 0, 0, 0, 0, false},
    {TS_OP_GROUP_NORM_TANGENT, {2, 3, 4, 6}, {2, 3, 4, 6}, 0, 0, 2, 0, false},
    {TS_OP_GROUP_NORM_TANGENT, {1, 4, 4, 5}, {1, 4, 4, 5}, 0, 0, 5, 0, false},
};

#define ROWS (sizeof rows / sizeof *rows)

int sample_count(ts_op op) {
    int n = 0;
    for (size_t i = 0; i < ROWS; i++) n += rows[i].op == op;
    return n;
}

static const row *find(ts_op op, int i) {
    for (size_t k = 0; k < ROWS; k++) {
        if (rows[k].op == op && i-- == 0) return &rows[k];
    }
    return NULL;
}

/* A smooth stand-in for a quantizer: zq = z + z^2 / 8, per value, so that its hooks can be checked by differences. */
static void bend(void *self, const float *z, float *zq, size_t n, int dim, ts_pool *pool) {
    (void)self;
    (void)pool;
    for (size_t i = 0; i < n * (size_t)dim; i++) zq[i] = z[i] + z[i] * z[i] / 8;
}

static void bend_back(void *self, const float *z, const float *dzq, float *dz, size_t n, int dim, ts_pool *pool) {
    (void)self;
    (void)pool;
    for (size_t i = 0; i < n * (size_t)dim; i++) dz[i] = dzq[i] * (1 + z[i] / 4);
}

static int declare(ts_sample *s, const char *name, ts_param_layout layout, int rank, const int *dims) {
    if (ts_params_add(s->params, name, layout, rank, dims, NULL) < 0) abort();
    return ts_params_find(s->params, name);
}

static void declare_all(ts_sample *s, const row *r, int *w, int *b) {
    *w = *b = -1;
    int in = r->a.c;
    if (r->op == TS_OP_CONV2D) *w = declare(s, "w", TS_PARAM_CONV, 4, (int[]){r->out, in, r->kernel, r->kernel});
    if (r->op == TS_OP_CONV_TRANSPOSE2D)
        *w = declare(s, "w", TS_PARAM_CONV, 4, (int[]){in, r->out, r->kernel, r->kernel});
    if (r->op == TS_OP_GROUP_NORM || r->op == TS_OP_GROUP_NORM_TANGENT || r->op == TS_OP_LAYER_NORM ||
        r->op == TS_OP_LPIPS)
        *w = declare(s, "w", TS_PARAM_PLAIN, 1, &in);
    if (r->op == TS_OP_EMBED) *w = declare(s, "w", TS_PARAM_PLAIN, 2, (int[]){r->kernel, r->out});
    if (r->op == TS_OP_PLACES) *w = declare(s, "w", TS_PARAM_PLAIN, 2, (int[]){r->a.h * r->a.w, in});
    if (r->op == TS_OP_DEPTHWISE) *w = declare(s, "w", TS_PARAM_CONV, 4, (int[]){in, 1, r->kernel, r->kernel});
    if (r->bias) *b = declare(s, "b", TS_PARAM_PLAIN, 1, r->out ? &r->out : &in);
}

static ts_tensor build(ts_sample *s, const row *r, int w, int b) {
    static const float scale[8] = {1, -2, .5f, 3, .25f}, shift[8] = {.1f, .2f, .3f, -.4f, .5f};
    ts_graph *g = s->graph;
    ts_tensor x = s->x[0], y = s->x[1];
    switch (r->op) {
    case TS_OP_CONV2D: return ts_graph_conv2d(g, x, s->weights, w, b, r->stride, r->pad);
    case TS_OP_CONV_TRANSPOSE2D: return ts_graph_conv_transpose2d(g, x, s->weights, w, b, r->stride, r->pad);
    case TS_OP_GROUP_NORM: return ts_graph_group_norm(g, x, s->weights, w, b, r->stride, 1e-5f);
    case TS_OP_SILU: return ts_graph_silu(g, x);
    case TS_OP_GELU: return ts_graph_gelu(g, x);
    case TS_OP_RELU: return ts_graph_relu(g, x);
    case TS_OP_LEAKY_RELU: return ts_graph_leaky_relu(g, x, 0.2f);
    case TS_OP_TANH: return ts_graph_tanh(g, x);
    case TS_OP_ADD: return ts_graph_add(g, x, y);
    case TS_OP_MUL: return ts_graph_mul(g, x, y);
    case TS_OP_SCALE: return ts_graph_scale(g, x, scale, shift);
    case TS_OP_CONCAT: return ts_graph_concat(g, x, y);
    case TS_OP_SLICE: return ts_graph_slice(g, x, r->stride, r->out);
    case TS_OP_PAD: return ts_graph_pad(g, x, 1, 2, 0, 3);
    case TS_OP_UPSAMPLE_NEAREST: return ts_graph_upsample_nearest(g, x, r->stride);
    case TS_OP_PIXEL_SHUFFLE: return ts_graph_pixel_shuffle(g, x, r->stride);
    case TS_OP_PIXEL_UNSHUFFLE: return ts_graph_pixel_unshuffle(g, x, r->stride);
    case TS_OP_MAX_POOL: return ts_graph_max_pool(g, x, r->kernel, r->stride);
    case TS_OP_MEAN_POOL: return ts_graph_mean_pool(g, x, r->stride);
    case TS_OP_ATTENTION: return ts_graph_attention(g, x, y, s->x[2], r->stride, 0.7f);
    case TS_OP_LAYER_NORM: return ts_graph_layer_norm(g, x, s->weights, w, b, 1e-5f);
    case TS_OP_EMBED: return ts_graph_embed(g, x, s->weights, w, r->kernel, r->out, r->stride);
    case TS_OP_PLACES: return ts_graph_places(g, x, s->weights, w);
    case TS_OP_JOIN: return ts_graph_join(g, x, y);
    case TS_OP_PART: return ts_graph_part(g, x, r->out, r->kernel, r->stride);
    case TS_OP_DEPTHWISE: return ts_graph_depthwise(g, x, s->weights, w, b, r->kernel);
    case TS_OP_DROPOUT: return ts_graph_dropout(g, x, 0.3f);
    case TS_OP_CROSS_ENTROPY: return ts_graph_cross_entropy(g, x, y, r->stride ? 0.1f : 0);
    case TS_OP_QUANTIZE: return ts_graph_quantize(g, x, (ts_quantize_hooks){NULL, bend, bend_back});
    case TS_OP_L1: return ts_graph_l1(g, x, y);
    case TS_OP_L2: return ts_graph_l2(g, x, y);
    case TS_OP_MS_SSIM: return ts_graph_ms_ssim(g, x, y, 2);
    case TS_OP_LPIPS: return ts_graph_lpips(g, x, y, s->weights, w);
    case TS_OP_LEAKY_RELU_TANGENT: return ts_graph_leaky_relu_tangent(g, x, y, 0.2f);
    case TS_OP_GROUP_NORM_TANGENT: return ts_graph_group_norm_tangent(g, x, y, s->weights, w, r->stride, 1e-5f);
    default: return TS_NONE;
    }
}

/* Values 0.05 apart and shuffled, none near 0: differences of +-0.01 cross no kink of relu, |x - y| or a maximum.
 * The two inputs are offset against each other by half a step. */
static void fill(float *x, size_t n, float shift, ts_rng *rng) {
    for (size_t i = 0; i < n; i++)
        x[i] = ((float)i - (float)(n / 2) + 0.5f) * (n > 100 ? 2.0f / (float)n : 0.05f) + shift;
    for (size_t i = n - 1; i > 0; i--) {
        size_t j = ts_rng_below(rng, (uint32_t)i + 1);
        float v = x[i];
        x[i] = x[j];
        x[j] = v;
    }
}

ts_sample sample_new(ts_op op, int i, int threads) {
    const row *r = find(op, i);
    ts_sample s = {.x = {TS_NONE, TS_NONE, TS_NONE}};
    ts_rng rng = ts_rng_new(77, (uint64_t)op * 16 + (uint64_t)i);
    int w, b;
    bool loss = (ts_op_row_of(op)->flags & TS_LOSS) != 0;
    if (ts_params_new(&s.params, NULL) < 0 || ts_graph_new(TS_GRAPH_TRAINING, &s.graph, NULL) < 0) abort();
    declare_all(&s, r, &w, &b);
    size_t n = ts_params_floats(s.params) + 16;
    s.values = ts_calloc(n, sizeof(float));
    s.grads = ts_calloc(n, sizeof(float));
    if (!s.values || !s.grads) abort();
    for (size_t k = 0; k < n; k++)
        s.values[k] = op == TS_OP_LPIPS ? 0.1f + ts_rng_uniform(&rng) : 0.5f * ts_rng_normal(&rng);
    if (ts_weights_new(s.params, s.values, op == TS_OP_LPIPS ? NULL : s.grads, &s.weights, NULL) < 0) abort();
    s.x[0] = ts_graph_input(s.graph, r->a, true);
    if (r->b.n) s.x[1] = ts_graph_input(s.graph, r->b, !loss);
    if (op == TS_OP_ATTENTION) s.x[2] = ts_graph_input(s.graph, r->b, true);
    s.y = build(&s, r, w, b);
    if (!loss) ts_graph_start(s.graph, s.y);
    if (ts_graph_plan(s.graph, threads, NULL) < 0 || ts_graph_alloc(s.graph, NULL) < 0) abort();
    for (int k = 0; k < SAMPLE_INPUTS; k++) {
        if (s.x[k] == TS_NONE) continue;
        size_t count = ts_shape_count(ts_graph_shape(s.graph, s.x[k]));
        s.in[k] = ts_alloc_floats(count);
        if (!s.in[k]) abort();
        fill(s.in[k], count, 0.025f * (float)k, &rng);
        if (op == TS_OP_EMBED || (op == TS_OP_CROSS_ENTROPY && k == 1)) /* some count for nothing */
            for (size_t m = 0; m < count; m++) s.in[k][m] = (float)ts_rng_below(&rng, 6) - 1;
    }
    return s;
}

void sample_forward(ts_sample *s, ts_pool *pool) {
    for (int k = 0; k < SAMPLE_INPUTS; k++) {
        if (s->x[k] == TS_NONE) continue;
        memcpy(ts_graph_data(s->graph, s->x[k]), s->in[k],
               ts_shape_count(ts_graph_shape(s->graph, s->x[k])) * sizeof(float));
    }
    ts_weights_changed(s->weights);
    ts_graph_forward(s->graph, pool);
}

void sample_free(ts_sample *s) {
    ts_graph_free(s->graph);
    ts_weights_free(s->weights);
    ts_params_free(s->params);
    ts_free(s->values);
    ts_free(s->grads);
    for (int k = 0; k < SAMPLE_INPUTS; k++) ts_free(s->in[k]);
}
