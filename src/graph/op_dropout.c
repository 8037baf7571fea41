/* op_dropout.c - row: dropout. Its mask follows from the graph's seed and the node's number, so backward makes it again. */
#include "graph/node.h"
#include "kernels/dropout.h"

static tess_status dropout_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    if (!(node->share >= 0 && node->share < 1)) {
        return ts_fail(err, TESS_ERR_INPUT, "A share of %g cannot be dropped.", (double)node->share);
    }
    node->shape = ts_node_input(g, node, 0);
    return TESS_OK;
}

static void drop(const ts_call *c, float *to, const float *from) {
    const uint64_t number = (uint64_t)(c->node - c->graph->nodes);
    ts_dropout(to, from, ts_shape_count(c->ys), c->node->share, c->graph->dropout_seed, number, c->pool);
}

static void dropout_forward(const ts_call *c) { drop(c, c->y, c->x[0]); }

static void dropout_backward(const ts_call *c) { drop(c, c->dx[0], c->dy); }

const ts_op_row ts_row_dropout = {.name = "dropout",
                                  .inputs = 1,
                                  .flags = TS_IN_PLACE,
                                  .shape = dropout_infer,
                                  .forward = dropout_forward,
                                  .backward = dropout_backward};
