/* op_attention.c - row: attention of one or several heads over the places of each picture. */
#include "graph/node.h"
#include "kernels/attention.h"

static tess_status attention_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    const ts_shape q = ts_node_input(g, node, 0);
    for (int k = 1; k < 3; k++) {
        const ts_shape s = ts_node_input(g, node, k);
        if (s.n != q.n || s.h != q.h || s.w != q.w || s.c != q.c) {
            return ts_fail(err, TESS_ERR_INPUT, "attention needs equal shapes, not %dx%dx%dx%d and %dx%dx%dx%d.", q.n,
                           q.h, q.w, q.c, s.n, s.h, s.w, s.c);
        }
    }
    if (node->heads < 1 || q.c % node->heads != 0) {
        return ts_fail(err, TESS_ERR_INPUT, "%d channels are not %d heads.", q.c, node->heads);
    }
    node->shape = q;
    return TESS_OK;
}

static ts_attention attention_of(const ts_node *n) {
    const ts_shape s = n->shape;
    return (ts_attention){s.n, (size_t)s.h * (size_t)s.w, s.c, n->heads, n->logits};
}

static void attention_forward(const ts_call *c) {
    const ts_attention a = attention_of(c->node);
    ts_attention_forward(&a, c->y, c->saved, c->x[0], c->x[1], c->x[2], c->work, c->pool);
}

static void attention_backward(const ts_call *c) {
    const ts_attention a = attention_of(c->node);
    ts_attention_backward(&a, c->dx[0], c->dx[1], c->dx[2], c->dy, c->y, c->saved, c->x[0], c->x[1], c->x[2], c->work,
                          c->pool);
}

static size_t attention_saved(const ts_graph *g, const ts_node *node) {
    const ts_attention a = attention_of(node);
    return g->mode == TS_GRAPH_TRAINING ? ts_attention_stats(&a) : 0;
}

static size_t attention_work(const ts_graph *g, const ts_node *node, bool backward, int threads) {
    const ts_attention a = attention_of(node);
    (void)g;
    return backward ? ts_attention_scratch_back(&a, threads) : ts_attention_scratch(&a, threads);
}

static uint64_t attention_macs(const ts_graph *g, const ts_node *node) {
    (void)g;
    return 2 * (uint64_t)ts_shape_count(node->shape) * (uint64_t)node->shape.h * (uint64_t)node->shape.w;
}

const ts_op_row ts_row_attention = {.name = "attention",
                                    .inputs = 3,
                                    .flags = TS_NEEDS_X | TS_NEEDS_X1 | TS_NEEDS_X2 | TS_NEEDS_Y,
                                    .shape = attention_infer,
                                    .forward = attention_forward,
                                    .backward = attention_backward,
                                    .saved = attention_saved,
                                    .work = attention_work,
                                    .macs = attention_macs};
