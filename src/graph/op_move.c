/* op_move.c - rows that move pixels: concat, slice, pad, upsample_nearest, pixel_shuffle, pixel_unshuffle, max_pool,
 * mean_pool. */
#include "graph/node.h"
#include "kernels/pointwise.h"
#include "kernels/resample.h"

static size_t rows(ts_shape s) { return (size_t)s.n * (size_t)s.h * (size_t)s.w; }

static tess_status misfit(const ts_node *node, ts_shape x, ts_error *err) {
    return ts_fail(err, TESS_ERR_INPUT, "%s cannot take a tensor of %dx%dx%dx%d.", ts_op_row_of(node->op)->name, x.n,
                   x.h, x.w, x.c);
}

/* ---- concat, slice --------------------------------------------------------------------------------------------- */

static tess_status concat_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape a = ts_node_input(g, node, 0), b = ts_node_input(g, node, 1);
    if (a.n != b.n || a.h != b.h || a.w != b.w) return misfit(node, b, err);
    node->shape = (ts_shape){a.n, a.h, a.w, a.c + b.c};
    return TESS_OK;
}

static void concat_forward(const ts_call *c) {
    for (int k = 0, first = 0; k < 2; first += c->xs[k++].c) {
        ts_copy_columns(c->y, c->ys.c, first, c->x[k], c->xs[k].c, 0, rows(c->ys), c->xs[k].c, c->pool);
    }
}

static void concat_backward(const ts_call *c) {
    for (int k = 0, first = 0; k < 2; first += c->xs[k++].c) {
        if (c->dx[k]) ts_copy_columns(c->dx[k], c->xs[k].c, 0, c->dy, c->ys.c, first, rows(c->ys), c->xs[k].c, c->pool);
    }
}

const ts_op_row ts_row_concat = {
    .name = "concat", .inputs = 2, .shape = concat_infer, .forward = concat_forward, .backward = concat_backward};

static tess_status slice_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0);
    if (node->channel < 0 || node->channels < 1 || node->channel + node->channels > x.c) return misfit(node, x, err);
    node->shape = (ts_shape){x.n, x.h, x.w, node->channels};
    return TESS_OK;
}

static void slice_forward(const ts_call *c) {
    ts_copy_columns(c->y, c->ys.c, 0, c->x[0], c->xs[0].c, c->node->channel, rows(c->ys), c->ys.c, c->pool);
}

static void slice_backward(const ts_call *c) {
    ts_vfill(c->dx[0], 0, ts_shape_count(c->xs[0]), c->pool);
    ts_copy_columns(c->dx[0], c->xs[0].c, c->node->channel, c->dy, c->ys.c, 0, rows(c->ys), c->ys.c, c->pool);
}

const ts_op_row ts_row_slice = {
    .name = "slice", .inputs = 1, .shape = slice_infer, .forward = slice_forward, .backward = slice_backward};

/* ---- pad ------------------------------------------------------------------------------------------------------- */

static tess_status pad_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0);
    const int *e = node->edge;
    for (int i = 0; i < 4; i++) {
        if (e[i] < 0 || e[i] > 1 << 20) return misfit(node, x, err);
    }
    node->shape = (ts_shape){x.n, x.h + e[0] + e[2], x.w + e[1] + e[3], x.c};
    return TESS_OK;
}

static void pad_forward(const ts_call *c) {
    const int *e = c->node->edge;
    ts_shape s = c->xs[0];
    ts_pad_zero(c->y, c->x[0], s.n, s.h, s.w, s.c, e[0], e[1], e[2], e[3], c->pool);
}

static void pad_backward(const ts_call *c) {
    const int *e = c->node->edge;
    ts_shape s = c->xs[0];
    ts_crop(c->dx[0], c->dy, s.n, s.h, s.w, s.c, e[0], e[1], e[2], e[3], c->pool);
}

const ts_op_row ts_row_pad = {
    .name = "pad", .inputs = 1, .shape = pad_infer, .forward = pad_forward, .backward = pad_backward};

/* ---- upsample and shuffles ------------------------------------------------------------------------------------- */

static tess_status upsample_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0);
    if (node->factor < 1 || node->factor > 64) return misfit(node, x, err);
    node->shape = (ts_shape){x.n, x.h * node->factor, x.w * node->factor, x.c};
    return TESS_OK;
}

static void upsample_forward(const ts_call *c) {
    ts_shape s = c->xs[0];
    ts_upsample_nearest(c->y, c->x[0], s.n, s.h, s.w, s.c, c->node->factor, c->pool);
}

static void upsample_backward(const ts_call *c) {
    ts_shape s = c->xs[0];
    ts_upsample_nearest_backward(c->dx[0], c->dy, s.n, s.h, s.w, s.c, c->node->factor, c->pool);
}

const ts_op_row ts_row_upsample_nearest = {.name = "upsample_nearest",
                                           .inputs = 1,
                                           .shape = upsample_infer,
                                           .forward = upsample_forward,
                                           .backward = upsample_backward};

static tess_status shuffle_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0);
    int f = node->factor;
    if (f < 1 || f > 64 || x.c % (f * f)) return misfit(node, x, err);
    node->shape = (ts_shape){x.n, x.h * f, x.w * f, x.c / (f * f)};
    return TESS_OK;
}

static tess_status unshuffle_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0);
    int f = node->factor;
    if (f < 1 || f > 64 || x.h % f || x.w % f) return misfit(node, x, err);
    node->shape = (ts_shape){x.n, x.h / f, x.w / f, x.c * f * f};
    return TESS_OK;
}

/* `small` is the side with few pixels and many channels, `large` the other. */
static void shuffle(float *large, const float *from, ts_shape small, ts_shape big, int factor, ts_pool *pool) {
    ts_pixel_shuffle(large, from, small.n, small.h, small.w, big.c, factor, pool);
}

static void unshuffle(float *little, const float *from, ts_shape small, ts_shape big, int factor, ts_pool *pool) {
    ts_pixel_unshuffle(little, from, small.n, small.h, small.w, big.c, factor, pool);
}

static void shuffle_forward(const ts_call *c) { shuffle(c->y, c->x[0], c->xs[0], c->ys, c->node->factor, c->pool); }

static void shuffle_backward(const ts_call *c) {
    unshuffle(c->dx[0], c->dy, c->xs[0], c->ys, c->node->factor, c->pool);
}

static void unshuffle_forward(const ts_call *c) { unshuffle(c->y, c->x[0], c->ys, c->xs[0], c->node->factor, c->pool); }

static void unshuffle_backward(const ts_call *c) {
    shuffle(c->dx[0], c->dy, c->ys, c->xs[0], c->node->factor, c->pool);
}

const ts_op_row ts_row_pixel_shuffle = {.name = "pixel_shuffle",
                                        .inputs = 1,
                                        .shape = shuffle_infer,
                                        .forward = shuffle_forward,
                                        .backward = shuffle_backward};
const ts_op_row ts_row_pixel_unshuffle = {.name = "pixel_unshuffle",
                                          .inputs = 1,
                                          .shape = unshuffle_infer,
                                          .forward = unshuffle_forward,
                                          .backward = unshuffle_backward};

/* ---- max_pool --------------------------------------------------------------------------------------------------- */

static tess_status pool_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0);
    if (node->kernel < 1 || node->stride < 1) return misfit(node, x, err);
    node->shape = (ts_shape){x.n, ts_pool_extent(x.h, node->kernel, node->stride, 1),
                             ts_pool_extent(x.w, node->kernel, node->stride, 1), x.c};
    return TESS_OK;
}

static void pool_forward(const ts_call *c) {
    ts_shape s = c->xs[0];
    ts_max_pool(c->y, c->x[0], s.n, s.h, s.w, s.c, c->node->kernel, c->node->stride, c->ys.h, c->ys.w, c->pool);
}

static void pool_backward(const ts_call *c) {
    ts_shape s = c->xs[0];
    ts_max_pool_backward(c->dx[0], c->dy, c->x[0], s.n, s.h, s.w, s.c, c->node->kernel, c->node->stride, c->ys.h,
                         c->ys.w, c->pool);
}

const ts_op_row ts_row_max_pool = {.name = "max_pool",
                                   .inputs = 1,
                                   .flags = TS_NEEDS_X,
                                   .shape = pool_infer,
                                   .forward = pool_forward,
                                   .backward = pool_backward};

/* ---- mean_pool -------------------------------------------------------------------------------------------------- */

static tess_status mean_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    ts_shape x = ts_node_input(g, node, 0);
    int f = node->factor;
    if (f < 1 || f > 64 || x.h < f || x.w < f) return misfit(node, x, err);
    node->shape = (ts_shape){x.n, x.h / f, x.w / f, x.c};
    return TESS_OK;
}

static void mean_forward(const ts_call *c) {
    ts_shape s = c->xs[0];
    ts_mean_pool(c->y, c->x[0], s.n, s.h, s.w, s.c, c->node->factor, c->pool);
}

static void mean_backward(const ts_call *c) {
    ts_shape s = c->xs[0];
    ts_mean_pool_backward(c->dx[0], c->dy, s.n, s.h, s.w, s.c, c->node->factor, c->pool);
}

const ts_op_row ts_row_mean_pool = {
    .name = "mean_pool", .inputs = 1, .shape = mean_infer, .forward = mean_forward, .backward = mean_backward};
