/* op_point.c - rows that work value by value: activations, add, mul, scale; and quantize. */
#include "graph/node.h"
#include "kernels/pointwise.h"

static size_t count(const ts_call *c) { return ts_shape_count(c->ys); }

static size_t rows(ts_shape s) { return (size_t)s.n * (size_t)s.h * (size_t)s.w; }

static tess_status infer_same(const ts_graph *g, ts_node *node, ts_error *err) {
    (void)err;
    node->shape = ts_node_input(g, node, 0);
    return TESS_OK;
}

static tess_status infer_alike(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape a = ts_node_input(g, node, 0), b = ts_node_input(g, node, 1);
    if (a.n != b.n || a.h != b.h || a.w != b.w || a.c != b.c) {
        return ts_fail(err, TESS_ERR_INPUT, "%s needs equal shapes, not %dx%dx%dx%d and %dx%dx%dx%d.",
                       ts_op_row_of(node->op)->name, a.n, a.h, a.w, a.c, b.n, b.h, b.w, b.c);
    }
    node->shape = a;
    return TESS_OK;
}

/* ---- activations. relu and leaky_relu tell their slope by the sign of y, which is that of x: they keep y only ---- */

static void act_forward(const ts_call *c) {
    ts_act_forward(c->y, c->x[0], count(c), ts_op_act(c->node->op), c->node->slope, c->pool);
}

static void act_backward(const ts_call *c) {
    const float *x = ts_op_row_of(c->node->op)->flags & TS_NEEDS_Y ? c->y : c->x[0];
    ts_act_backward(c->dx[0], c->dy, x, count(c), ts_op_act(c->node->op), c->node->slope, c->pool);
}

#define ACTIVATION(id, need)                                                                                           \
    const ts_op_row ts_row_##id = {.name = #id,                                                                        \
                                   .inputs = 1,                                                                        \
                                   .flags = (need) | TS_IN_PLACE,                                                      \
                                   .shape = infer_same,                                                                \
                                   .forward = act_forward,                                                             \
                                   .backward = act_backward}
ACTIVATION(silu, TS_NEEDS_X);
ACTIVATION(gelu, TS_NEEDS_X);
ACTIVATION(relu, TS_NEEDS_Y);
ACTIVATION(leaky_relu, TS_NEEDS_Y);
ACTIVATION(tanh, TS_NEEDS_X);

/* ---- arithmetic ------------------------------------------------------------------------------------------------ */

static void add_forward(const ts_call *c) { ts_vadd(c->y, c->x[0], c->x[1], count(c), c->pool); }

const ts_op_row ts_row_add = {.name = "add",
                              .inputs = 2,
                              .flags = TS_IN_PLACE | TS_PASS_THROUGH,
                              .shape = infer_alike,
                              .forward = add_forward}; /* the graph itself passes dy on */

static void mul_forward(const ts_call *c) { ts_vmul(c->y, c->x[0], c->x[1], count(c), c->pool); }

static void mul_backward(const ts_call *c) {
    for (int k = 0; k < 2; k++) {
        if (c->dx[k]) ts_vmul(c->dx[k], c->dy, c->x[1 - k], count(c), c->pool);
    }
}

const ts_op_row ts_row_mul = {.name = "mul",
                              .inputs = 2,
                              .flags = TS_NEEDS_X | TS_NEEDS_X1 | TS_IN_PLACE,
                              .shape = infer_alike,
                              .forward = mul_forward,
                              .backward = mul_backward};

static void scale_forward(const ts_call *c) {
    const float *table = c->node->table;
    ts_channel_affine(c->y, c->x[0], table, table + c->ys.c, rows(c->ys), c->ys.c, c->pool);
}

static void scale_backward(const ts_call *c) {
    ts_channel_affine(c->dx[0], c->dy, c->node->table, NULL, rows(c->ys), c->ys.c, c->pool);
}

const ts_op_row ts_row_scale = {.name = "scale",
                                .inputs = 1,
                                .flags = TS_IN_PLACE,
                                .shape = infer_same,
                                .forward = scale_forward,
                                .backward = scale_backward};

/* ---- quantize -------------------------------------------------------------------------------------------------- */

static void quantize_forward(const ts_call *c) {
    const ts_quantize_hooks *h = &c->node->hooks;
    h->forward(h->self, c->x[0], c->y, rows(c->ys), c->ys.c, c->pool);
}

static void quantize_backward(const ts_call *c) {
    const ts_quantize_hooks *h = &c->node->hooks;
    h->backward(h->self, c->x[0], c->dy, c->dx[0], rows(c->ys), c->ys.c, c->pool);
}

const ts_op_row ts_row_quantize = {.name = "quantize",
                                   .inputs = 1,
                                   .flags = TS_NEEDS_X,
                                   .shape = infer_same,
                                   .forward = quantize_forward,
                                   .backward = quantize_backward};
