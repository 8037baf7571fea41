/* op_layer_norm.c - row: layer_norm, over the channels of each place. */
#include "graph/node.h"
#include "kernels/layer_norm.h"

static size_t rows(ts_shape s) { return (size_t)s.n * (size_t)s.h * (size_t)s.w; }

static tess_status norm_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0);
    const int params[2] = {node->w, node->b};
    for (int k = 0; k < 2; k++) {
        const ts_param *p = params[k] < 0 ? NULL : ts_params_at(ts_weights_params(node->weights), params[k]);
        if (!p || p->count != (size_t)x.c) {
            return ts_fail(err, TESS_ERR_INPUT, "%s does not fit %d channels.", p ? p->name : "layer_norm", x.c);
        }
    }
    node->shape = x;
    return TESS_OK;
}

static void norm_forward(const ts_call *c) {
    const ts_node *n = c->node;
    ts_layer_norm_forward(c->y, c->saved, c->x[0], ts_weights_values(n->weights, n->w),
                          ts_weights_values(n->weights, n->b), rows(c->ys), c->ys.c, n->eps, c->pool);
}

static void norm_backward(const ts_call *c) {
    const ts_node *n = c->node;
    ts_layer_norm_backward(c->dx[0], ts_call_grads(c, n->w), ts_call_grads(c, n->b), c->dy, c->x[0], c->saved,
                           ts_weights_values(n->weights, n->w), rows(c->ys), c->ys.c, c->pool);
}

static size_t norm_saved(const ts_graph *g, const ts_node *node) {
    (void)g;
    return 2 * rows(node->shape);
}

const ts_op_row ts_row_layer_norm = {.name = "layer_norm",
                                     .inputs = 1,
                                     .flags = TS_NEEDS_X | TS_IN_PLACE,
                                     .shape = norm_infer,
                                     .forward = norm_forward,
                                     .backward = norm_backward,
                                     .saved = norm_saved};
