/* op_tangent.c - rows of tangents: of a layer's input x[1] along x[0]. That of a convolution is the convolution without
 * its bias, that of a linear op the op itself. */
#include "graph/node.h"
#include "kernels/act.h"
#include "kernels/norm.h"

static tess_status infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape t = ts_node_input(g, node, 0), x = ts_node_input(g, node, 1);
    if (t.n != x.n || t.h != x.h || t.w != x.w || t.c != x.c) {
        return ts_fail(err, TESS_ERR_INPUT, "%s needs a tangent of its input's shape.", ts_op_row_of(node->op)->name);
    }
    node->shape = x;
    return TESS_OK;
}

/* ---- leaky_relu: t * slope(x) ---------------------------------------------------------------------------------- */

static void leaky_forward(const ts_call *c) {
    ts_act_backward(c->y, c->x[0], c->x[1], ts_shape_count(c->ys), TS_ACT_LEAKY_RELU, c->node->slope, c->pool);
}

static void leaky_backward(const ts_call *c) {
    ts_act_backward(c->dx[0], c->dy, c->x[1], ts_shape_count(c->ys), TS_ACT_LEAKY_RELU, c->node->slope, c->pool);
}

const ts_op_row ts_row_leaky_relu_tangent = {.name = "leaky_relu_tangent",
                                             .inputs = 2,
                                             .flags = TS_NEEDS_X1 | TS_IN_PLACE | TS_CONSTANT_X1,
                                             .shape = infer,
                                             .forward = leaky_forward,
                                             .backward = leaky_backward};

/* ---- group_norm ------------------------------------------------------------------------------------------------ */

static size_t pixels(ts_shape s) { return (size_t)s.h * (size_t)s.w; }

static tess_status norm_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    const ts_param *gamma = ts_params_at(ts_weights_params(node->weights), node->w);
    const int channels = ts_node_input(g, node, 1).c;
    if (node->groups < 1 || channels % node->groups != 0 || gamma->dims[0] != channels) {
        return ts_fail(err, TESS_ERR_INPUT, "%s does not fit %d channels in %d groups.", gamma->name, channels,
                       node->groups);
    }
    return infer(g, node, err);
}

static void norm_forward(const ts_call *c) {
    const ts_node *n = c->node;
    ts_group_norm_tangent(c->y, c->saved, c->saved + c->ys.n * n->groups, c->x[0], c->x[1],
                          ts_weights_values(n->weights, n->w), c->ys.n, pixels(c->ys), c->ys.c, n->groups, n->eps,
                          c->work, c->pool);
}

static void norm_backward(const ts_call *c) {
    const ts_node *n = c->node;
    ts_group_norm_tangent_backward(c->dx[0], c->dx[1], ts_call_grads(c, n->w), c->dy, c->x[0], c->x[1], c->saved,
                                   c->saved + c->ys.n * n->groups, ts_weights_values(n->weights, n->w), c->ys.n,
                                   pixels(c->ys), c->ys.c, n->groups, c->work, c->pool);
}

static size_t norm_saved(const ts_graph *g, const ts_node *node) {
    (void)g;
    return 2 * (size_t)node->shape.n * (size_t)node->groups;
}

static size_t norm_work(const ts_graph *g, const ts_node *node, bool backward, int threads) {
    (void)g;
    (void)threads;
    return (backward ? 1 : 2) * (size_t)node->shape.n * (size_t)node->shape.c;
}

const ts_op_row ts_row_group_norm_tangent = {.name = "group_norm_tangent",
                                             .inputs = 2,
                                             .flags = TS_NEEDS_X | TS_NEEDS_X1 | TS_IN_PLACE,
                                             .shape = norm_infer,
                                             .forward = norm_forward,
                                             .backward = norm_backward,
                                             .saved = norm_saved,
                                             .work = norm_work};
