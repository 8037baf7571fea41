/* op_place.c - rows about sequences of places: places (learned positions), join, part. */
#include <limits.h>
#include <string.h>

#include "graph/node.h"
#include "kernels/pointwise.h"

/* Floats of one picture. Copies take a picture for a row of so many columns. */
static size_t image(ts_shape s) { return (size_t)s.h * (size_t)s.w * (size_t)s.c; }

/* ---- places ------------------------------------------------------------------------------------------------------ */

static tess_status places_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0);
    const ts_param *table = ts_params_at(ts_weights_params(node->weights), node->w);
    if (table->layout != TS_PARAM_PLAIN || table->count != image(x) || image(x) > INT_MAX) {
        return ts_fail(err, TESS_ERR_INPUT, "%s does not fit %dx%d places of %d channels.", table->name, x.h, x.w, x.c);
    }
    node->shape = x;
    return TESS_OK;
}

static void places_forward(const ts_call *c) {
    ts_channel_affine(c->y, c->x[0], NULL, ts_weights_values(c->node->weights, c->node->w), (size_t)c->ys.n,
                      (int)image(c->ys), c->pool);
}

static void places_backward(const ts_call *c) {
    float *dtable = ts_call_grads(c, c->node->w);
    const size_t each = image(c->ys);
    for (size_t n = 0; dtable && n < (size_t)c->ys.n; n++) ts_vadd(dtable, dtable, c->dy + n * each, each, c->pool);
    if (c->dx[0]) memcpy(c->dx[0], c->dy, ts_shape_count(c->ys) * sizeof *c->dy);
}

const ts_op_row ts_row_places = {.name = "places",
                                 .inputs = 1,
                                 .flags = TS_IN_PLACE,
                                 .shape = places_infer,
                                 .forward = places_forward,
                                 .backward = places_backward};

/* ---- join, part -------------------------------------------------------------------------------------------------- */

static tess_status misfit(const ts_node *node, ts_shape x, ts_error *err) {
    return ts_fail(err, TESS_ERR_INPUT, "%s cannot take a tensor of %dx%dx%dx%d.", ts_op_row_of(node->op)->name, x.n,
                   x.h, x.w, x.c);
}

static tess_status join_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape a = ts_node_input(g, node, 0), b = ts_node_input(g, node, 1);
    if (a.n != b.n || a.c != b.c || image(a) > INT_MAX / 2 || image(b) > INT_MAX / 2) return misfit(node, b, err);
    node->shape = (ts_shape){a.n, 1, a.h * a.w + b.h * b.w, a.c};
    return TESS_OK;
}

static void join_forward(const ts_call *c) {
    const int whole = (int)image(c->ys);
    for (int k = 0, first = 0; k < 2; k++) {
        const int part = (int)image(c->xs[k]);
        ts_copy_columns(c->y, whole, first, c->x[k], part, 0, (size_t)c->ys.n, part, c->pool);
        first += part;
    }
}

static void join_backward(const ts_call *c) {
    const int whole = (int)image(c->ys);
    for (int k = 0, first = 0; k < 2; k++) {
        const int part = (int)image(c->xs[k]);
        if (c->dx[k]) ts_copy_columns(c->dx[k], part, 0, c->dy, whole, first, (size_t)c->ys.n, part, c->pool);
        first += part;
    }
}

const ts_op_row ts_row_join = {
    .name = "join", .inputs = 2, .shape = join_infer, .forward = join_forward, .backward = join_backward};

static tess_status part_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0);
    const int *e = node->edge; /* first, height, width */
    if (e[0] < 0 || e[1] < 1 || e[2] < 1 || image(x) > INT_MAX) return misfit(node, x, err);
    if ((size_t)e[0] + (size_t)e[1] * (size_t)e[2] > (size_t)x.h * (size_t)x.w) return misfit(node, x, err);
    node->shape = (ts_shape){x.n, e[1], e[2], x.c};
    return TESS_OK;
}

static void part_forward(const ts_call *c) {
    const int part = (int)image(c->ys);
    ts_copy_columns(c->y, part, 0, c->x[0], (int)image(c->xs[0]), c->node->edge[0] * c->ys.c, (size_t)c->ys.n, part,
                    c->pool);
}

static void part_backward(const ts_call *c) {
    const int part = (int)image(c->ys);
    ts_vfill(c->dx[0], 0, ts_shape_count(c->xs[0]), c->pool);
    ts_copy_columns(c->dx[0], (int)image(c->xs[0]), c->node->edge[0] * c->ys.c, c->dy, part, 0, (size_t)c->ys.n, part,
                    c->pool);
}

const ts_op_row ts_row_part = {
    .name = "part", .inputs = 1, .shape = part_infer, .forward = part_forward, .backward = part_backward};
