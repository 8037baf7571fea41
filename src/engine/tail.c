#include "engine/tail.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/optim.h"
#include "nets/autoencoder.h"

#define PREFIX "decoder."

struct ts_tail {
    ts_graph *graph;
    ts_tensor x, y;
    float *grads; /* of the tail's parameters, which are the store's last of the decoder */
    size_t floats;
    const ts_param *weight;
    const float *pull; /* its gradient, in grads */
};

static bool in_decoder(const ts_param *p) { return strncmp(p->name, PREFIX, sizeof PREFIX - 1) == 0; }

static int layer_of(const ts_param *p) {
    int layer = 0;
    for (const char *c = p->name + sizeof PREFIX - 1; *c >= '0' && *c <= '9'; c++) layer = 10 * layer + (*c - '0');
    return layer;
}

static const ts_param *last_weight(const ts_params *params) {
    for (int i = ts_params_count(params) - 1; i >= 0; i--) {
        const ts_param *p = ts_params_at(params, i);
        if (in_decoder(p) && p->rank > 1) return p;
    }
    return NULL;
}

int ts_tail_layer(const ts_params *params) {
    const ts_param *p = last_weight(params);
    return p ? layer_of(p) : -1;
}

/* The part of the store that backward writes to. */
static void find_grads(ts_tail *tail, const ts_params *params, float *grads) {
    size_t begin = SIZE_MAX, end = 0;
    for (int i = 0; i < ts_params_count(params); i++) {
        const ts_param *p = ts_params_at(params, i);
        if (!in_decoder(p) || layer_of(p) < layer_of(tail->weight)) continue;
        if (p->offset < begin) begin = p->offset;
        if (p->offset + p->count > end) end = p->offset + p->count;
    }
    tail->grads = grads + begin;
    tail->floats = end - begin;
    tail->pull = grads + tail->weight->offset;
}

static tess_status build(ts_tail *tail, const ts_config *c, ts_weights *weights, ts_shape in, int threads,
                         ts_error *err) {
    tess_status status = ts_graph_new(TS_GRAPH_TRAINING, &tail->graph, err);
    if (status < 0) return status;
    tail->x = ts_graph_input(tail->graph, in, false);
    tail->y = ts_autoencoder_decoder_part(tail->graph, c, weights, tail->x, layer_of(tail->weight), c->decoder_count);
    ts_graph_start(tail->graph, tail->y);
    ts_graph_keep(tail->graph);
    return ts_graph_plan(tail->graph, threads, err);
}

tess_status ts_tail_new(const ts_config *config, ts_weights *weights, float *grads, ts_shape in, int threads,
                        ts_tail **out, ts_error *err) {
    const ts_params *params = ts_weights_params(weights);
    ts_tail *tail = ts_calloc(1, sizeof *tail);
    if (!tail) return ts_fail_memory(err, sizeof *tail);
    tail->weight = last_weight(params);
    tess_status status = TESS_OK;
    if (!tail->weight) {
        status = ts_fail(err, TESS_ERR_INPUT,
                         "train.adversarial.balance \"layer\" needs a decoder with weights; take \"image\".");
    } else {
        find_grads(tail, params, grads);
        status = build(tail, config, weights, in, threads, err);
    }
    if (status >= 0) *out = tail;
    else ts_tail_free(tail);
    return status;
}

tess_status ts_tail_alloc(ts_tail *tail, float *room, ts_error *err) {
    return ts_graph_alloc_in(tail->graph, room, err);
}

size_t ts_tail_bytes(const ts_tail *tail) { return ts_graph_bytes(tail->graph); }

void ts_tail_free(ts_tail *tail) {
    if (!tail) return;
    ts_graph_free(tail->graph);
    ts_free(tail);
}

void ts_tail_forward(ts_tail *tail, const float *x, ts_pool *pool) {
    memcpy(ts_graph_data(tail->graph, tail->x), x, ts_shape_count(ts_graph_shape(tail->graph, tail->x)) * sizeof *x);
    ts_graph_forward(tail->graph, pool);
}

double ts_tail_norm(ts_tail *tail, const float *dy, ts_pool *pool) {
    ts_graph *g = tail->graph;
    memcpy(ts_graph_grad_data(g, tail->y), dy, ts_shape_count(ts_graph_shape(g, tail->y)) * sizeof *dy);
    memset(tail->grads, 0, tail->floats * sizeof *tail->grads);
    ts_graph_backward(g, pool);
    return sqrt(ts_sum_squares(tail->pull, tail->weight->count, pool));
}
