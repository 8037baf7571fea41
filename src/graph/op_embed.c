/* op_embed.c - row: embed, rows of a table by ids. */
#include "graph/node.h"
#include "kernels/embed.h"
#include "kernels/pointwise.h"

static tess_status embed_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape ids = ts_node_input(g, node, 0);
    const ts_param *table = ts_params_at(ts_weights_params(node->weights), node->w);
    if (table->layout != TS_PARAM_PLAIN || table->rank != 2 || table->dims[0] != node->rows ||
        table->dims[1] != node->channels) {
        return ts_fail(err, TESS_ERR_INPUT, "%s is no table of %d rows of %d channels.", table->name, node->rows,
                       node->channels);
    }
    node->shape = (ts_shape){ids.n, ids.h, ids.w, node->channels};
    return TESS_OK;
}

static ts_embed embed_of(const ts_call *c) {
    return (ts_embed){.ids = c->x[0],
                      .places = (size_t)c->ys.n * (size_t)c->ys.h * (size_t)c->ys.w,
                      .each = (size_t)c->xs[0].c,
                      .rows = (size_t)c->node->rows,
                      .channels = (size_t)c->ys.c,
                      .mean = c->node->mean};
}

static void embed_forward(const ts_call *c) {
    const ts_embed e = embed_of(c);
    ts_embed_forward(&e, c->y, ts_weights_values(c->node->weights, c->node->w), c->pool);
}

/* Ids are steps: their own gradient is 0. */
static void embed_backward(const ts_call *c) {
    const ts_embed e = embed_of(c);
    float *dtable = ts_call_grads(c, c->node->w);
    if (dtable) ts_embed_backward(&e, dtable, c->dy, c->pool);
    if (c->dx[0]) ts_vfill(c->dx[0], 0, ts_shape_count(c->xs[0]), c->pool);
}

const ts_op_row ts_row_embed = {.name = "embed",
                                .inputs = 1,
                                .flags = TS_NEEDS_X,
                                .shape = embed_infer,
                                .forward = embed_forward,
                                .backward = embed_backward};
