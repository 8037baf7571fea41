/* op_loss.c - rows: l1, l2, ms_ssim, lpips, cross_entropy. A loss is one float; its gradient goes to x[0] and is scaled by the
 * seed. */
#include <string.h>

#include "graph/node.h"
#include "kernels/cross_entropy.h"
#include "kernels/loss.h"

static tess_status loss_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape a = ts_node_input(g, node, 0), b = ts_node_input(g, node, 1);
    if (a.n != b.n || a.h != b.h || a.w != b.w || a.c != b.c) {
        return ts_fail(err, TESS_ERR_INPUT, "%s needs a target of %dx%dx%dx%d, not %dx%dx%dx%d.",
                       ts_op_row_of(node->op)->name, a.n, a.h, a.w, a.c, b.n, b.h, b.w, b.c);
    }
    node->shape = (ts_shape){1, 1, 1, 1};
    return TESS_OK;
}

static void l1_forward(const ts_call *c) {
    *c->y = (float)ts_loss_l1(NULL, c->x[0], c->x[1], ts_shape_count(c->xs[0]), 0, c->pool);
}

static void l1_backward(const ts_call *c) {
    ts_loss_l1(c->dx[0], c->x[0], c->x[1], ts_shape_count(c->xs[0]), c->node->seed, c->pool);
}

const ts_op_row ts_row_l1 = {.name = "l1",
                             .inputs = 2,
                             .flags = TS_LOSS | TS_CONSTANT_X1 | TS_NEEDS_X | TS_NEEDS_X1,
                             .shape = loss_infer,
                             .forward = l1_forward,
                             .backward = l1_backward};

static void l2_forward(const ts_call *c) {
    *c->y = (float)ts_loss_l2(NULL, c->x[0], c->x[1], ts_shape_count(c->xs[0]), 0, c->pool);
}

static void l2_backward(const ts_call *c) {
    ts_loss_l2(c->dx[0], c->x[0], c->x[1], ts_shape_count(c->xs[0]), c->node->seed, c->pool);
}

const ts_op_row ts_row_l2 = {.name = "l2",
                             .inputs = 2,
                             .flags = TS_LOSS | TS_CONSTANT_X1 | TS_NEEDS_X | TS_NEEDS_X1,
                             .shape = loss_infer,
                             .forward = l2_forward,
                             .backward = l2_backward};

/* ---- ms_ssim: value and gradient share most of their work, so forward computes both and keeps the gradient ------- */

static double ms_ssim(const ts_call *c, float *grad, float weight) {
    ts_shape s = c->xs[0];
    return ts_ms_ssim(grad, c->x[0], c->x[1], s.n, s.h, s.w, s.c, ts_ms_ssim_scales(s.h, s.w), c->node->range, weight,
                      c->work, c->pool);
}

static void ms_ssim_forward(const ts_call *c) {
    bool keep = c->saved && c->node->seed != 0;
    *c->y = (float)(1 - ms_ssim(c, keep ? c->saved : NULL, -c->node->seed));
}

static void ms_ssim_backward(const ts_call *c) {
    memcpy(c->dx[0], c->saved, ts_shape_count(c->xs[0]) * sizeof *c->saved);
}

static size_t ms_ssim_saved(const ts_graph *g, const ts_node *node) {
    return g->mode == TS_GRAPH_TRAINING && g->nodes[node->in[0]].grad ? ts_shape_count(ts_node_input(g, node, 0)) : 0;
}

static size_t ms_ssim_work(const ts_graph *g, const ts_node *node, bool backward, int threads) {
    (void)threads;
    ts_shape s = ts_node_input(g, node, 0);
    return backward ? 0 : ts_ms_ssim_scratch(s.n, s.h, s.w, s.c);
}

const ts_op_row ts_row_ms_ssim = {.name = "ms_ssim",
                                  .inputs = 2,
                                  .flags = TS_LOSS | TS_CONSTANT_X1,
                                  .shape = loss_infer,
                                  .forward = ms_ssim_forward,
                                  .backward = ms_ssim_backward,
                                  .saved = ms_ssim_saved,
                                  .work = ms_ssim_work};

/* ---- lpips ------------------------------------------------------------------------------------------------------ */

static tess_status lpips_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    const ts_param *lin = ts_params_at(ts_weights_params(node->weights), node->w);
    int channels = ts_node_input(g, node, 0).c;
    if (lin->count != (size_t)channels) {
        return ts_fail(err, TESS_ERR_INPUT, "%s has %d weights for %d channels.", lin->name, (int)lin->count, channels);
    }
    return loss_infer(g, node, err);
}

static double lpips(const ts_call *c, float *grad, float weight) {
    ts_shape s = c->xs[0];
    return ts_lpips_head(grad, c->x[0], c->x[1], ts_weights_values(c->node->weights, c->node->w),
                         (size_t)s.n * (size_t)s.h * (size_t)s.w, s.c, weight, c->pool);
}

static void lpips_forward(const ts_call *c) { *c->y = (float)lpips(c, NULL, 0); }

static void lpips_backward(const ts_call *c) { lpips(c, c->dx[0], c->node->seed); }

const ts_op_row ts_row_lpips = {.name = "lpips",
                                .inputs = 2,
                                .flags = TS_LOSS | TS_CONSTANT_X1 | TS_NEEDS_X | TS_NEEDS_X1,
                                .shape = lpips_infer,
                                .forward = lpips_forward,
                                .backward = lpips_backward};

/* ---- cross_entropy ---------------------------------------------------------------------------------------------- */

static tess_status entropy_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0), t = ts_node_input(g, node, 1);
    if (t.n != x.n || t.h != x.h || t.w != x.w || t.c != 1 || !(node->share >= 0 && node->share <= 1)) {
        return ts_fail(err, TESS_ERR_INPUT, "cross_entropy needs a target of %dx%dx%dx1 and smoothing from 0 to 1.",
                       x.n, x.h, x.w);
    }
    node->shape = (ts_shape){1, 1, 1, 1};
    return TESS_OK;
}

static double entropy(const ts_call *c, float *grad, float weight) {
    ts_shape s = c->xs[0];
    return ts_cross_entropy(grad, c->x[0], c->x[1], (size_t)s.n * (size_t)s.h * (size_t)s.w, s.c, c->node->share,
                            weight, c->pool);
}

static void entropy_forward(const ts_call *c) { *c->y = (float)entropy(c, NULL, 0); }

static void entropy_backward(const ts_call *c) { entropy(c, c->dx[0], c->node->seed); }

const ts_op_row ts_row_cross_entropy = {.name = "cross_entropy",
                                        .inputs = 2,
                                        .flags = TS_LOSS | TS_CONSTANT_X1 | TS_NEEDS_X | TS_NEEDS_X1,
                                        .shape = entropy_infer,
                                        .forward = entropy_forward,
                                        .backward = entropy_backward};
