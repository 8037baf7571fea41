/* op_depthwise.c - row: depthwise, one odd square filter per channel. */
#include "graph/node.h"
#include "kernels/depthwise.h"

static tess_status depthwise_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0);
    const ts_params *params = ts_weights_params(node->weights);
    const ts_param *w = ts_params_at(params, node->w);
    const int k = node->kernel;
    const bool fits = w->layout == TS_PARAM_CONV && w->rank == 4 && w->dims[0] == x.c && w->dims[1] == 1 &&
                      w->dims[2] == k && w->dims[3] == k && k % 2 == 1 && k <= TS_DEPTHWISE_MAX;
    if (!fits || (node->b >= 0 && ts_params_at(params, node->b)->count != (size_t)x.c)) {
        return ts_fail(err, TESS_ERR_INPUT, "%s does not fit a depthwise kernel of %d on %d channels.", w->name, k,
                       x.c);
    }
    node->shape = x;
    return TESS_OK;
}

static ts_depthwise depthwise_of(const ts_node *n) {
    return (ts_depthwise){n->shape.n, n->shape.h, n->shape.w, n->shape.c, n->kernel};
}

/* The filters, widened to the start of the call's workspace where they are held as float16; *rest: what follows. */
static const float *filters(const ts_call *c, float **rest) {
    *rest = c->work + ts_params_at(ts_weights_params(c->node->weights), c->node->w)->count;
    return ts_weights_widened(c->node->weights, c->node->w, c->work);
}

static void depthwise_forward(const ts_call *c) {
    const ts_depthwise d = depthwise_of(c->node);
    float *rest;
    const float *w = filters(c, &rest);
    ts_depthwise_forward(&d, c->y, c->x[0], w, ts_weights_values(c->node->weights, c->node->b), false, rest, c->pool);
}

static void depthwise_backward(const ts_call *c) {
    const ts_depthwise d = depthwise_of(c->node);
    float *rest, *dw = ts_call_grads(c, c->node->w);
    const float *w = filters(c, &rest);
    if (dw) ts_depthwise_backward_weight(&d, dw, ts_call_grads(c, c->node->b), c->x[0], c->dy, c->pool);
    if (c->dx[0]) ts_depthwise_forward(&d, c->dx[0], c->dy, w, NULL, true, rest, c->pool);
}

static size_t depthwise_work(const ts_graph *g, const ts_node *node, bool backward, int threads) {
    const ts_depthwise d = depthwise_of(node);
    (void)g;
    (void)backward;
    return ts_params_at(ts_weights_params(node->weights), node->w)->count + ts_depthwise_scratch(&d, threads);
}

static uint64_t depthwise_macs(const ts_graph *g, const ts_node *node) {
    (void)g;
    return ts_shape_count(node->shape) * (uint64_t)node->kernel * (uint64_t)node->kernel;
}

const ts_op_row ts_row_depthwise = {.name = "depthwise",
                                    .inputs = 1,
                                    .flags = TS_NEEDS_X,
                                    .shape = depthwise_infer,
                                    .forward = depthwise_forward,
                                    .backward = depthwise_backward,
                                    .work = depthwise_work,
                                    .macs = depthwise_macs};
