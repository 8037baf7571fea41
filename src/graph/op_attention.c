/* op_attention.c - row: attention, one head, over the places of each picture. */
#include <math.h>

#include "graph/node.h"
#include "kernels/pointwise.h"

static tess_status attention_infer(const ts_graph *g, ts_node *node, ts_error *err) {
    const ts_shape q = ts_node_input(g, node, 0);
    for (int k = 1; k < 3; k++) {
        const ts_shape s = ts_node_input(g, node, k);
        if (s.n != q.n || s.h != q.h || s.w != q.w || s.c != q.c) {
            return ts_fail(err, TESS_ERR_INPUT, "attention needs equal shapes, not %dx%dx%dx%d and %dx%dx%dx%d.", q.n,
                           q.h, q.w, q.c, s.n, s.h, s.w, s.c);
        }
    }
    node->shape = q;
    return TESS_OK;
}

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static void join(float *y, const float *x, double scale, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += (float)(scale * (double)x[i]);
}

/* p[j] = softmax over j of scale q k_j. */
static void weigh(float *p, const float *q, const float *k, size_t tokens, size_t c, float scale) {
    double most = -INFINITY, sum = 0;
    for (size_t j = 0; j < tokens; j++) {
        p[j] = (float)(dot(q, k + j * c, c) * (double)scale);
        most = fmax(most, (double)p[j]);
    }
    for (size_t j = 0; j < tokens; j++) sum += exp((double)p[j] - most);
    for (size_t j = 0; j < tokens; j++) p[j] = (float)(exp((double)p[j] - most) / sum);
}

static void attention_forward(const ts_call *call) {
    const size_t tokens = (size_t)call->ys.h * (size_t)call->ys.w, c = (size_t)call->ys.c;
    ts_vfill(call->y, 0, ts_shape_count(call->ys), call->pool);
    for (size_t i = 0; i < tokens * (size_t)call->ys.n; i++) {
        const size_t image = i / tokens * tokens * c;
        weigh(call->work, call->x[0] + i * c, call->x[1] + image, tokens, c, call->node->logits);
        for (size_t j = 0; j < tokens; j++) join(call->y + i * c, call->x[2] + image + j * c, (double)call->work[j], c);
    }
}

static void attention_backward(const ts_call *call) {
    const size_t tokens = (size_t)call->ys.h * (size_t)call->ys.w, c = (size_t)call->ys.c;
    float *p = call->work, *dp = p + tokens;
    const double scale = (double)call->node->logits;
    for (int k = 0; k < 3; k++) {
        if (call->dx[k]) ts_vfill(call->dx[k], 0, ts_shape_count(call->ys), call->pool);
    }
    for (size_t i = 0; i < tokens * (size_t)call->ys.n; i++) {
        const size_t image = i / tokens * tokens * c;
        const float *q = call->x[0] + i * c, *k = call->x[1] + image, *v = call->x[2] + image, *dy = call->dy + i * c;
        weigh(p, q, k, tokens, c, call->node->logits);
        for (size_t j = 0; j < tokens; j++) dp[j] = (float)dot(dy, v + j * c, c);
        const double mean = dot(p, dp, tokens);
        for (size_t j = 0; j < tokens; j++) {
            const double ds = scale * (double)p[j] * ((double)dp[j] - mean);
            if (call->dx[0]) join(call->dx[0] + i * c, k + j * c, ds, c);
            if (call->dx[1]) join(call->dx[1] + image + j * c, q, ds, c);
            if (call->dx[2]) join(call->dx[2] + image + j * c, dy, (double)p[j], c);
        }
    }
}

static size_t attention_work(const ts_graph *g, const ts_node *node, bool backward, int threads) {
    (void)g;
    (void)threads;
    return (size_t)node->shape.h * (size_t)node->shape.w * (backward ? 2 : 1);
}

static uint64_t attention_macs(const ts_graph *g, const ts_node *node) {
    (void)g;
    return 2 * (uint64_t)ts_shape_count(node->shape) * (uint64_t)node->shape.h * (uint64_t)node->shape.w;
}

const ts_op_row ts_row_attention = {.name = "attention",
                                    .inputs = 3,
                                    .flags = TS_NEEDS_X | TS_NEEDS_X1 | TS_NEEDS_X2,
                                    .shape = attention_infer,
                                    .forward = attention_forward,
                                    .backward = attention_backward,
                                    .work = attention_work,
                                    .macs = attention_macs};
