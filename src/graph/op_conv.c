/* op_conv.c - rows: conv2d, conv_transpose2d, group_norm. */
#include "graph/node.h"
#include "kernels/norm.h"

static const int *weight_dims(const ts_node *node) {
    return ts_params_at(ts_weights_params(node->weights), node->w)->dims;
}

static tess_status check_weights(const ts_node *node, int in_channels, int in_axis, ts_error *err) {
    const ts_param *w = ts_params_at(ts_weights_params(node->weights), node->w);
    if (w->layout != TS_PARAM_CONV || (w->rank != 4 && w->rank != 2) || w->dims[in_axis] != in_channels) {
        return ts_fail(err, TESS_ERR_INPUT, "%s does not fit its input of %d channels.", w->name, in_channels);
    }
    if (node->b >= 0) {
        const ts_param *b = ts_params_at(ts_weights_params(node->weights), node->b);
        if (b->rank != 1 || b->dims[0] != w->dims[1 - in_axis]) {
            return ts_fail(err, TESS_ERR_INPUT, "%s does not fit %s.", b->name, w->name);
        }
    }
    return TESS_OK;
}

static ts_conv_shape conv_shape(ts_shape x, int out, const int *dims, int stride, int pad) {
    return (ts_conv_shape){.batch = x.n,
                           .height = x.h,
                           .width = x.w,
                           .in = x.c,
                           .out = out,
                           .kernel_h = dims[2],
                           .kernel_w = dims[3],
                           .stride = stride,
                           .pad_top = pad,
                           .pad_left = pad,
                           .pad_bottom = pad,
                           .pad_right = pad};
}

/* ---- conv2d -------------------------------------------------------------------------------------------------- */

static tess_status conv_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0);
    tess_status status = check_weights(node, x.c, 1, err);
    if (status < 0) return status;
    const int *dims = weight_dims(node);
    ts_conv_shape shape = conv_shape(x, dims[0], dims, node->stride, node->pad);
    status = ts_conv_plan(&node->conv, &shape, err);
    if (status < 0) return status;
    node->shape = (ts_shape){x.n, node->conv.out_h, node->conv.out_w, dims[0]};
    return TESS_OK;
}

static void conv_forward(const ts_call *c) {
    const ts_node *n = c->node;
    const ts_conv_fuse fuse = {.bias = ts_weights_values(n->weights, n->b),
                               .act = c->act,
                               .slope = c->slope,
                               .add = c->residual,
                               .scale = c->affine,
                               .shift = c->affine ? c->affine + n->conv.shape.batch * n->conv.shape.in : NULL,
                               .load_act = c->load};
    ts_conv_forward(&n->conv, c->y, c->x[0], ts_weights_filter(n->weights, n->panels[0], c->pool), &fuse, c->work,
                    c->pool);
}

static void conv_backward(const ts_call *c) {
    const ts_node *n = c->node;
    float *dw = ts_call_grads(c, n->w);
    if (dw) ts_conv_backward_weight(&n->conv, dw, ts_call_grads(c, n->b), c->x[0], c->dy, c->work, c->pool);
    if (c->dx[0]) {
        ts_conv_backward_data(&n->conv, c->dx[0], c->dy, ts_weights_panels(n->weights, n->panels[1], c->pool), c->work,
                              c->pool);
    }
}

static size_t conv_work(const ts_graph *g, const ts_node *node, bool backward, int threads) {
    (void)g;
    if (!backward) return ts_conv_scratch_forward(&node->conv, threads);
    size_t data = ts_conv_scratch_data(&node->conv, threads), weight = ts_conv_scratch_weight(&node->conv, threads);
    return data > weight ? data : weight;
}

static uint64_t conv_macs(const ts_graph *g, const ts_node *node) {
    const ts_conv_shape *s = &node->conv.shape;
    (void)g;
    return ts_shape_count(node->shape) * (uint64_t)s->in * (uint64_t)s->kernel_h * (uint64_t)s->kernel_w;
}

const ts_op_row ts_row_conv2d = {.name = "conv2d",
                                 .inputs = 1,
                                 .flags = TS_NEEDS_X,
                                 .shape = conv_infer,
                                 .forward = conv_forward,
                                 .backward = conv_backward,
                                 .work = conv_work,
                                 .macs = conv_macs};

/* ---- conv_transpose2d: the data gradient of the convolution from its output to its input ------------------------- */

static tess_status tconv_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0);
    tess_status status = check_weights(node, x.c, 0, err);
    if (status < 0) return status;
    const int *dims = weight_dims(node);
    int h = (x.h - 1) * node->stride - 2 * node->pad + dims[2], w = (x.w - 1) * node->stride - 2 * node->pad + dims[3];
    ts_shape y = {x.n, h, w, dims[1]};
    ts_conv_shape shape = conv_shape(y, x.c, dims, node->stride, node->pad);
    status = ts_conv_plan(&node->conv, &shape, err);
    if (status < 0) return status;
    node->shape = y;
    return TESS_OK;
}

static size_t rows(ts_shape s) { return (size_t)s.n * (size_t)s.h * (size_t)s.w; }

static void tconv_forward(const ts_call *c) {
    const ts_node *n = c->node;
    const ts_conv_fuse fuse = {.bias = ts_weights_values(n->weights, n->b)};
    ts_conv_transposed(&n->conv, c->y, c->x[0], ts_weights_panels(n->weights, n->panels[1], c->pool), &fuse, c->work,
                       c->pool);
}

static void tconv_backward(const ts_call *c) {
    const ts_node *n = c->node;
    float *dw = ts_call_grads(c, n->w), *db = ts_call_grads(c, n->b);
    if (dw) ts_conv_backward_weight(&n->conv, dw, NULL, c->dy, c->x[0], c->work, c->pool);
    if (db) ts_sum_rows(db, c->dy, rows(c->ys), c->ys.c, c->work, c->pool);
    if (c->dx[0]) {
        ts_conv_forward(&n->conv, c->dx[0], c->dy, ts_weights_filter(n->weights, n->panels[0], c->pool), NULL, c->work,
                        c->pool);
    }
}

static size_t tconv_work(const ts_graph *g, const ts_node *node, bool backward, int threads) {
    (void)g;
    if (!backward) return ts_conv_scratch_data(&node->conv, threads);
    size_t data = ts_conv_scratch_forward(&node->conv, threads), weight = ts_conv_scratch_weight(&node->conv, threads);
    size_t sums = ts_sum_rows_scratch(rows(node->shape), node->shape.c), most = data > weight ? data : weight;
    return most > sums ? most : sums;
}

static uint64_t tconv_macs(const ts_graph *g, const ts_node *node) {
    const int *dims = weight_dims(node);
    return ts_shape_count(ts_node_input(g, node, 0)) * (uint64_t)dims[1] * (uint64_t)dims[2] * (uint64_t)dims[3];
}

const ts_op_row ts_row_conv_transpose2d = {.name = "conv_transpose2d",
                                           .inputs = 1,
                                           .flags = TS_NEEDS_X,
                                           .shape = tconv_infer,
                                           .forward = tconv_forward,
                                           .backward = tconv_backward,
                                           .work = tconv_work,
                                           .macs = tconv_macs};

/* ---- group_norm ------------------------------------------------------------------------------------------------ */

static tess_status norm_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0);
    const ts_params *params = ts_weights_params(node->weights);
    if (node->groups < 1 || x.c % node->groups != 0 || ts_params_at(params, node->w)->dims[0] != x.c) {
        return ts_fail(err, TESS_ERR_INPUT, "%s does not fit %d channels in %d groups.",
                       ts_params_at(params, node->w)->name, x.c, node->groups);
    }
    node->shape = x;
    return TESS_OK;
}

static void norm_forward(const ts_call *c) {
    const ts_node *n = c->node;
    const int batch = c->ys.n, channels = c->ys.c;
    const size_t pixels = (size_t)c->ys.h * (size_t)c->ys.w;
    const float *gamma = ts_weights_values(n->weights, n->w), *beta = ts_weights_values(n->weights, n->b);
    float *mean = c->saved, *rstd = mean + batch * n->groups;
    if (n->affine) {
        ts_group_norm_affine(c->y, c->y + batch * channels, mean, rstd, c->x[0], gamma, beta, batch, pixels, channels,
                             n->groups, n->eps, c->pool);
    } else {
        ts_group_norm_forward(c->y, mean, rstd, c->x[0], gamma, beta, batch, pixels, channels, n->groups, n->eps,
                              c->act, c->slope, c->pool);
    }
}

/* dx is always computed: it is a by-product of what dgamma and dbeta need. */
static void norm_backward(const ts_call *c) {
    const ts_node *n = c->node;
    const float *mean = c->saved, *rstd = mean + c->ys.n * n->groups;
    float *scratch = c->work, *dx = c->dx[0] ? c->dx[0] : scratch + 2 * c->ys.n * c->ys.c;
    ts_group_norm_backward(dx, ts_call_grads(c, n->w), ts_call_grads(c, n->b), c->dy, c->x[0], mean, rstd,
                           ts_weights_values(n->weights, n->w), c->ys.n, (size_t)c->ys.h * (size_t)c->ys.w, c->ys.c,
                           n->groups, scratch, c->pool);
}

static size_t norm_saved(const ts_graph *g, const ts_node *node) {
    (void)g;
    return 2 * (size_t)node->shape.n * (size_t)node->groups;
}

static size_t norm_work(const ts_graph *g, const ts_node *node, bool backward, int threads) {
    (void)threads;
    if (!backward) return 0;
    size_t spare = g->nodes[node->in[0]].grad ? 0 : ts_shape_count(node->shape);
    return 2 * (size_t)node->shape.n * (size_t)node->shape.c + spare;
}

const ts_op_row ts_row_group_norm = {.name = "group_norm",
                                     .inputs = 1,
                                     .flags = TS_NEEDS_X | TS_IN_PLACE | TS_BY_PRODUCT,
                                     .shape = norm_infer,
                                     .forward = norm_forward,
                                     .backward = norm_backward,
                                     .saved = norm_saved,
                                     .work = norm_work};
