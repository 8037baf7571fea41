/* build.c - making a graph and appending nodes. */
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "graph/node.h"

#define NODES_MAX (1 << 16)
#if SIZE_MAX > UINT32_MAX
#define TENSOR_MAX ((size_t)1 << 38) /* floats: far over any memory, and no product below can wrap 64 bits */
#else
#define TENSOR_MAX ((size_t)1 << 28) /* floats: a gigabyte of wasm32's address space */
#endif

tess_status ts_graph_new(ts_graph_mode mode, ts_graph **out, ts_error *err) {
    ts_graph *g = ts_calloc(1, sizeof *g);
    if (!g) return ts_fail_memory(err, sizeof *g);
    g->mode = mode;
    *out = g;
    return TESS_OK;
}

void ts_graph_free(ts_graph *graph) {
    if (!graph) return;
    for (int i = 0; i < graph->count; i++) ts_free(graph->nodes[i].table);
    ts_free(graph->nodes);
    ts_free(graph->storages);
    if (!graph->borrowed) ts_free(graph->arena);
    ts_free(graph);
}

static bool grow(ts_graph *g) {
    int capacity = g->capacity ? g->capacity * 2 : 64;
    ts_node *nodes = capacity > NODES_MAX ? NULL : ts_realloc(g->nodes, (size_t)capacity * sizeof *nodes);
    if (!nodes) {
        g->status = ts_fail_memory(&g->error, (size_t)capacity * sizeof *nodes);
        return false;
    }
    g->nodes = nodes;
    g->capacity = capacity;
    return true;
}

static bool fits(ts_shape s) {
    bool over = false;
    if (s.n < 1 || s.h < 1 || s.w < 1 || s.c < 1) return false;
    size_t n = ts_mul(ts_mul((size_t)s.n, (size_t)s.h, &over), ts_mul((size_t)s.w, (size_t)s.c, &over), &over);
    bool whole = ts_mul(n, sizeof(float), &over) > 0;
    return whole && !over && n < TENSOR_MAX;
}

/* Appends a copy of `node`; its inputs are checked and its shape inferred (or taken from it, for an input). */
static ts_tensor append(ts_graph *g, ts_node node) {
    const ts_op_row *row = ts_op_row_of(node.op);
    if (g->status < 0) return TS_NONE;
    if (g->planned) {
        g->status = ts_fail(&g->error, TESS_ERR_STATE, "This graph is planned already; nothing can be added.");
        return TS_NONE;
    }
    for (int k = 0; k < row->inputs; k++) {
        if (node.in[k] < 0 || node.in[k] >= g->count) {
            g->status = ts_fail(&g->error, TESS_ERR_STATE, "%s was given no tensor.", row->name);
            return TS_NONE;
        }
    }
    if (g->count == g->capacity && !grow(g)) return TS_NONE;
    node.act = node.sum = node.residual = node.norm = node.load = node.host = TS_NONE;
    node.panels[0] = node.panels[1] = -1;
    node.value = node.gradient = node.saved = -1;
    node.work[0] = node.work[1] = -1;
    for (int k = 0; k < TS_INPUTS; k++) node.spill[k] = -1;
    if (row->shape) {
        tess_status status = row->shape(g, &node, &g->error);
        if (status < 0) {
            g->status = status;
            return TS_NONE;
        }
    }
    if (!fits(node.shape)) {
        g->status = ts_fail(&g->error, TESS_ERR_TOO_LARGE, "%s would make a tensor of %dx%dx%dx%d.", row->name,
                            node.shape.n, node.shape.h, node.shape.w, node.shape.c);
        return TS_NONE;
    }
    g->nodes[g->count] = node;
    return g->count++;
}

static ts_node ternary(ts_op op, ts_tensor a, ts_tensor b, ts_tensor c) {
    return (ts_node){.op = op, .in = {a, b, c}, .w = -1, .b = -1};
}

static ts_node binary(ts_op op, ts_tensor a, ts_tensor b) { return ternary(op, a, b, TS_NONE); }

static ts_node unary(ts_op op, ts_tensor x) { return binary(op, x, TS_NONE); }

ts_tensor ts_graph_input(ts_graph *g, ts_shape shape, bool grad) {
    ts_node n = unary(TS_OP_INPUT, TS_NONE);
    n.shape = shape;
    n.grad = grad;
    return append(g, n);
}

/* A node with parameters: w must exist, b may be -1. */
static ts_tensor append_weighted(ts_graph *g, ts_node n, ts_weights *weights, int w, int b) {
    int count = weights ? ts_params_count(ts_weights_params(weights)) : 0;
    if (g->status < 0) return TS_NONE;
    if (w < 0 || w >= count || b >= count) {
        g->status = ts_fail(&g->error, TESS_ERR_STATE, "%s was given a parameter that is not declared.",
                            ts_op_row_of(n.op)->name);
        return TS_NONE;
    }
    n.weights = weights;
    n.w = w;
    n.b = b < 0 ? -1 : b;
    return append(g, n);
}

ts_tensor ts_graph_conv2d(ts_graph *g, ts_tensor x, ts_weights *weights, int w, int b, int stride, int pad) {
    ts_node n = unary(TS_OP_CONV2D, x);
    n.stride = stride;
    n.pad = pad;
    return append_weighted(g, n, weights, w, b);
}

ts_tensor ts_graph_conv_transpose2d(ts_graph *g, ts_tensor x, ts_weights *weights, int w, int b, int stride, int pad) {
    ts_node n = unary(TS_OP_CONV_TRANSPOSE2D, x);
    n.stride = stride;
    n.pad = pad;
    return append_weighted(g, n, weights, w, b);
}

ts_tensor ts_graph_group_norm(ts_graph *g, ts_tensor x, ts_weights *weights, int gamma, int beta, int groups,
                              float eps) {
    ts_node n = unary(TS_OP_GROUP_NORM, x);
    n.groups = groups;
    n.eps = eps;
    return append_weighted(g, n, weights, gamma, beta);
}

ts_tensor ts_graph_silu(ts_graph *g, ts_tensor x) { return append(g, unary(TS_OP_SILU, x)); }

ts_tensor ts_graph_gelu(ts_graph *g, ts_tensor x) { return append(g, unary(TS_OP_GELU, x)); }

ts_tensor ts_graph_relu(ts_graph *g, ts_tensor x) { return append(g, unary(TS_OP_RELU, x)); }

ts_tensor ts_graph_leaky_relu(ts_graph *g, ts_tensor x, float slope) {
    ts_node n = unary(TS_OP_LEAKY_RELU, x);
    n.slope = slope;
    return append(g, n);
}

ts_tensor ts_graph_tanh(ts_graph *g, ts_tensor x) { return append(g, unary(TS_OP_TANH, x)); }

ts_tensor ts_graph_add(ts_graph *g, ts_tensor a, ts_tensor b) { return append(g, binary(TS_OP_ADD, a, b)); }

ts_tensor ts_graph_mul(ts_graph *g, ts_tensor a, ts_tensor b) { return append(g, binary(TS_OP_MUL, a, b)); }

ts_tensor ts_graph_scale(ts_graph *g, ts_tensor x, const float *scale, const float *shift) {
    ts_node n = unary(TS_OP_SCALE, x);
    ts_tensor t = append(g, n);
    if (t == TS_NONE) return TS_NONE;
    size_t c = (size_t)g->nodes[t].shape.c;
    float *table = ts_alloc_floats(2 * c);
    if (!table) {
        g->status = ts_fail_memory(&g->error, 2 * c * sizeof *table);
        return TS_NONE;
    }
    memcpy(table, scale, c * sizeof *table);
    memcpy(table + c, shift, c * sizeof *table);
    g->nodes[t].table = table;
    return t;
}

ts_tensor ts_graph_concat(ts_graph *g, ts_tensor a, ts_tensor b) { return append(g, binary(TS_OP_CONCAT, a, b)); }

ts_tensor ts_graph_slice(ts_graph *g, ts_tensor x, int channel, int channels) {
    ts_node n = unary(TS_OP_SLICE, x);
    n.channel = channel;
    n.channels = channels;
    return append(g, n);
}

ts_tensor ts_graph_pad(ts_graph *g, ts_tensor x, int top, int left, int bottom, int right) {
    ts_node n = unary(TS_OP_PAD, x);
    n.edge[0] = top, n.edge[1] = left, n.edge[2] = bottom, n.edge[3] = right;
    return append(g, n);
}

static ts_tensor append_factor(ts_graph *g, ts_op op, ts_tensor x, int factor) {
    ts_node n = unary(op, x);
    n.factor = factor;
    return append(g, n);
}

ts_tensor ts_graph_upsample_nearest(ts_graph *g, ts_tensor x, int factor) {
    return append_factor(g, TS_OP_UPSAMPLE_NEAREST, x, factor);
}

ts_tensor ts_graph_pixel_shuffle(ts_graph *g, ts_tensor x, int factor) {
    return append_factor(g, TS_OP_PIXEL_SHUFFLE, x, factor);
}

ts_tensor ts_graph_pixel_unshuffle(ts_graph *g, ts_tensor x, int factor) {
    return append_factor(g, TS_OP_PIXEL_UNSHUFFLE, x, factor);
}

ts_tensor ts_graph_max_pool(ts_graph *g, ts_tensor x, int kernel, int stride) {
    ts_node n = unary(TS_OP_MAX_POOL, x);
    n.kernel = kernel;
    n.stride = stride;
    return append(g, n);
}

ts_tensor ts_graph_mean_pool(ts_graph *g, ts_tensor x, int factor) {
    return append_factor(g, TS_OP_MEAN_POOL, x, factor);
}

ts_tensor ts_graph_attention(ts_graph *g, ts_tensor q, ts_tensor k, ts_tensor v, int heads, float scale) {
    ts_node n = ternary(TS_OP_ATTENTION, q, k, v);
    n.heads = heads;
    n.logits = scale;
    return append(g, n);
}

ts_tensor ts_graph_layer_norm(ts_graph *g, ts_tensor x, ts_weights *weights, int gamma, int beta, float eps) {
    ts_node n = unary(TS_OP_LAYER_NORM, x);
    n.eps = eps;
    return append_weighted(g, n, weights, gamma, beta);
}

ts_tensor ts_graph_embed(ts_graph *g, ts_tensor ids, ts_weights *weights, int table, int rows, int channels,
                         bool mean) {
    ts_node n = unary(TS_OP_EMBED, ids);
    n.rows = rows;
    n.channels = channels;
    n.mean = mean;
    return append_weighted(g, n, weights, table, -1);
}

ts_tensor ts_graph_places(ts_graph *g, ts_tensor x, ts_weights *weights, int table) {
    return append_weighted(g, unary(TS_OP_PLACES, x), weights, table, -1);
}

ts_tensor ts_graph_join(ts_graph *g, ts_tensor a, ts_tensor b) { return append(g, binary(TS_OP_JOIN, a, b)); }

ts_tensor ts_graph_part(ts_graph *g, ts_tensor x, int first, int height, int width) {
    ts_node n = unary(TS_OP_PART, x);
    n.edge[0] = first, n.edge[1] = height, n.edge[2] = width;
    return append(g, n);
}

ts_tensor ts_graph_depthwise(ts_graph *g, ts_tensor x, ts_weights *weights, int w, int b, int kernel) {
    ts_node n = unary(TS_OP_DEPTHWISE, x);
    n.kernel = kernel;
    return append_weighted(g, n, weights, w, b);
}

ts_tensor ts_graph_dropout(ts_graph *g, ts_tensor x, float p) {
    ts_node n = unary(TS_OP_DROPOUT, x);
    n.share = p;
    return p == 0 || g->mode == TS_GRAPH_INFERENCE ? x : append(g, n);
}

void ts_graph_dropout_seed(ts_graph *g, uint64_t seed) { g->dropout_seed = seed; }

ts_tensor ts_graph_cross_entropy(ts_graph *g, ts_tensor logits, ts_tensor target, float smoothing) {
    ts_node n = binary(TS_OP_CROSS_ENTROPY, logits, target);
    n.share = smoothing;
    return append(g, n);
}

ts_tensor ts_graph_quantize(ts_graph *g, ts_tensor z, ts_quantize_hooks hooks) {
    ts_node n = unary(TS_OP_QUANTIZE, z);
    n.hooks = hooks;
    return append(g, n);
}

ts_tensor ts_graph_l1(ts_graph *g, ts_tensor x, ts_tensor target) { return append(g, binary(TS_OP_L1, x, target)); }

ts_tensor ts_graph_l2(ts_graph *g, ts_tensor x, ts_tensor target) { return append(g, binary(TS_OP_L2, x, target)); }

ts_tensor ts_graph_ms_ssim(ts_graph *g, ts_tensor x, ts_tensor target, float range) {
    ts_node n = binary(TS_OP_MS_SSIM, x, target);
    n.range = range;
    return append(g, n);
}

ts_tensor ts_graph_lpips(ts_graph *g, ts_tensor x, ts_tensor target, ts_weights *weights, int lin) {
    return append_weighted(g, binary(TS_OP_LPIPS, x, target), weights, lin, -1);
}

ts_tensor ts_graph_leaky_relu_tangent(ts_graph *g, ts_tensor t, ts_tensor x, float slope) {
    ts_node n = binary(TS_OP_LEAKY_RELU_TANGENT, t, x);
    n.slope = slope;
    return append(g, n);
}

ts_tensor ts_graph_group_norm_tangent(ts_graph *g, ts_tensor t, ts_tensor x, ts_weights *weights, int gamma, int groups,
                                      float eps) {
    ts_node n = binary(TS_OP_GROUP_NORM_TANGENT, t, x);
    n.groups = groups;
    n.eps = eps;
    return append_weighted(g, n, weights, gamma, -1);
}

void ts_graph_output(ts_graph *g, ts_tensor t) {
    if (t >= 0 && t < g->count && !g->planned) g->nodes[t].output = true;
}

void ts_graph_start(ts_graph *g, ts_tensor t) {
    if (t < 0 || t >= g->count || g->planned) return;
    g->nodes[t].output = g->nodes[t].start = true;
}

void ts_graph_reserve(ts_graph *g, size_t floats) {
    if (!g->planned) g->reserve = floats;
}

void ts_graph_keep(ts_graph *g) {
    if (!g->planned) g->keep = true;
}

ts_shape ts_graph_shape(const ts_graph *g, ts_tensor t) {
    return t >= 0 && t < g->count ? g->nodes[t].shape : (ts_shape){0, 0, 0, 0};
}

size_t ts_graph_largest(const ts_graph *g) {
    size_t largest = 0;
    for (int i = 0; i < g->count && g->status >= 0; i++) {
        const size_t count = ts_shape_count(g->nodes[i].shape);
        if (count > largest) largest = count;
    }
    return largest;
}
