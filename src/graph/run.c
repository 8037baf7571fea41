/* run.c - forward and backward over a planned graph. */
#include <string.h>

#include "base/alloc.h"
#include "graph/node.h"
#include "kernels/pointwise.h"

static int inputs(const ts_node *n) { return ts_op_row_of(n->op)->inputs; }

static bool is_loss(const ts_node *n) { return (ts_op_row_of(n->op)->flags & TS_LOSS) != 0; }

static bool grad_to(const ts_graph *g, const ts_node *n, int k) {
    return n->grad && g->nodes[n->in[k]].grad && ts_node_gives(n, k);
}

/* Does this backward compute that gradient? */
static bool wanted_to(const ts_graph *g, const ts_node *n, int k) {
    return grad_to(g, n, k) && g->nodes[n->in[k]].wanted;
}

static float *memory(const ts_graph *g, int storage) { return storage < 0 ? NULL : g->arena + g->storages[storage].at; }

/* ---- memory ----------------------------------------------------------------------------------------------------- */

/* Which directions of panels a node uses: [0] ts_conv_pack, [1] ts_conv_pack_back. */
static void panels_wanted(const ts_graph *g, const ts_node *n, bool wanted[2]) {
    bool back = n->grad && g->nodes[n->in[0]].grad;
    wanted[0] = n->op == TS_OP_CONV2D || (n->op == TS_OP_CONV_TRANSPOSE2D && back);
    wanted[1] = n->op == TS_OP_CONV_TRANSPOSE2D || (n->op == TS_OP_CONV2D && back);
}

tess_status ts_graph_alloc(ts_graph *g, ts_error *err) { return ts_graph_alloc_in(g, NULL, err); }

tess_status ts_graph_alloc_in(ts_graph *g, float *memory, ts_error *err) {
    if (!g->planned) return ts_fail(err, TESS_ERR_STATE, "A graph must be planned before it is allocated.");
    if (g->arena) return TESS_OK;
    for (int i = 0; i < g->count; i++) {
        ts_node *n = &g->nodes[i];
        bool wanted[2];
        if (n->op != TS_OP_CONV2D && n->op != TS_OP_CONV_TRANSPOSE2D) continue;
        panels_wanted(g, n, wanted);
        for (int back = 0; back < 2; back++) {
            if (!wanted[back]) continue;
            tess_status status = ts_weights_prepare(n->weights, n->w, &n->conv, back, &n->panels[back], err);
            if (status < 0) return status;
        }
    }
    g->borrowed = memory != NULL;
    g->arena = memory ? memory : ts_alloc_floats(g->floats ? g->floats : 1);
    return g->arena ? TESS_OK : ts_fail_memory(err, g->floats * sizeof(float));
}

float *ts_graph_reserved(const ts_graph *g) { return g->arena ? memory(g, g->room) : NULL; }

float *ts_graph_data(ts_graph *g, ts_tensor t) {
    if (!g->arena || t < 0 || t >= g->count) return NULL;
    const ts_node *n = &g->nodes[t];
    return n->output || n->op == TS_OP_INPUT || is_loss(n) ? memory(g, n->value) : NULL;
}

float *ts_graph_grad_data(ts_graph *g, ts_tensor t) {
    if (!g->arena || t < 0 || t >= g->count) return NULL;
    const ts_node *n = &g->nodes[t];
    return n->start || n->op == TS_OP_INPUT ? memory(g, n->gradient) : NULL;
}

void ts_graph_seed(ts_graph *g, ts_tensor loss, float weight) {
    if (loss >= 0 && loss < g->count && is_loss(&g->nodes[loss])) g->nodes[loss].seed = weight;
}

uint64_t ts_graph_macs(const ts_graph *g) {
    uint64_t total = 0;
    for (int i = 0; i < g->count; i++) {
        const ts_op_row *row = ts_op_row_of(g->nodes[i].op);
        if (row->macs) total += row->macs(g, &g->nodes[i]);
    }
    return total;
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

static void prepare_call(const ts_graph *g, const ts_node *n, ts_pool *pool, ts_call *c) {
    *c = (ts_call){
        .graph = g, .node = n, .ys = n->shape, .y = memory(g, n->value), .saved = memory(g, n->saved), .pool = pool};
    for (int k = 0; k < inputs(n); k++) {
        c->xs[k] = g->nodes[n->in[k]].shape;
        c->x[k] = memory(g, g->nodes[n->in[k]].value);
    }
}

/* What the node does for those that were joined to it. */
static void prepare_fused(const ts_graph *g, const ts_node *n, ts_call *c) {
    const ts_tensor acts[2] = {n->act, n->load};
    ts_act *const to[2] = {&c->act, &c->load};
    for (int k = 0; k < 2; k++) {
        if (acts[k] == TS_NONE) continue;
        const ts_node *act = &g->nodes[acts[k]];
        *to[k] = ts_op_act(act->op);
        if (act->op == TS_OP_LEAKY_RELU) c->slope = act->slope;
    }
    if (n->residual != TS_NONE) c->residual = memory(g, g->nodes[n->residual].value);
    if (n->norm != TS_NONE) c->affine = memory(g, g->nodes[n->norm].value);
}

/* What the marked nodes are made from runs too. */
static void spread_active(ts_graph *g) {
    for (int i = g->count - 1; i >= 0; i--) {
        const ts_node *n = &g->nodes[i];
        for (int k = 0; n->active && k < inputs(n); k++) g->nodes[n->in[k]].active = true;
        if (n->active && n->norm != TS_NONE) g->nodes[n->norm].active = true;
    }
}

/* Runs marked nodes from `first` on until `macs` multiply-adds are done; the node to go on from. */
static int run_active(ts_graph *g, ts_pool *pool, int first, uint64_t macs) {
    uint64_t done = 0;
    bool ran = false;
    if (ts_pool_threads(pool) > g->threads) pool = NULL;
    for (int i = first; i < g->count; i++) {
        const ts_node *n = &g->nodes[i];
        const ts_op_row *row = ts_op_row_of(n->op);
        ts_call call;
        if (!n->active || n->host != TS_NONE || !row->forward) continue;
        if (ran && done >= macs) return i;
        ran = true;
        prepare_call(g, n, pool, &call);
        call.work = memory(g, n->work[0]);
        prepare_fused(g, n, &call);
        row->forward(&call);
        if (row->macs) done += row->macs(g, n);
    }
    return g->count;
}

/* What outputs, and losses in use, are made from. */
static void mark_wanted(ts_graph *g) {
    for (int i = 0; i < g->count; i++) {
        ts_node *n = &g->nodes[i];
        n->active = n->output || (is_loss(n) && (n->seed != 0 || g->mode == TS_GRAPH_INFERENCE));
    }
    spread_active(g);
}

void ts_graph_forward(ts_graph *g, ts_pool *pool) {
    mark_wanted(g);
    run_active(g, pool, 0, UINT64_MAX);
}

bool ts_graph_forward_some(ts_graph *g, ts_pool *pool, int *next, uint64_t macs) {
    mark_wanted(g);
    *next = run_active(g, pool, *next, macs);
    return *next == g->count;
}

void ts_graph_forward_to(ts_graph *g, ts_tensor t, ts_pool *pool) {
    if (t < 0 || t >= g->count) return;
    for (int i = 0; i < g->count; i++) g->nodes[i].active = i == t;
    spread_active(g);
    run_active(g, pool, 0, UINT64_MAX);
}

/* Where the gradient of input k is computed: in place the first time, aside afterwards. */
static float *destination(const ts_graph *g, const ts_node *n, int k) {
    const ts_node *x = &g->nodes[n->in[k]];
    bool again = x->written || ts_node_repeats(n, k);
    return memory(g, again ? n->spill[k] : x->gradient);
}

static void pass_through(ts_graph *g, const ts_node *n, const float *dy, ts_pool *pool) {
    for (int k = 0; k < inputs(n); k++) {
        ts_node *x = &g->nodes[n->in[k]];
        float *dx = memory(g, x->gradient);
        if (!wanted_to(g, n, k)) continue;
        if (x->written) ts_vadd(dx, dx, dy, ts_shape_count(x->shape), pool);
        else if (dx != dy) memcpy(dx, dy, ts_shape_count(x->shape) * sizeof *dx);
        x->written = true;
    }
}

static void backward(ts_graph *g, const ts_node *n, ts_pool *pool) {
    const ts_op_row *row = ts_op_row_of(n->op);
    ts_call call;
    prepare_call(g, n, pool, &call);
    call.dy = memory(g, n->gradient);
    call.work = memory(g, n->work[1]);
    if (row->flags & TS_PASS_THROUGH) {
        pass_through(g, n, call.dy, pool);
        return;
    }
    for (int k = 0; k < inputs(n); k++) {
        bool placed = wanted_to(g, n, k) || (row->flags & TS_BY_PRODUCT && grad_to(g, n, k));
        call.dx[k] = placed ? destination(g, n, k) : NULL;
    }
    row->backward(&call);
    for (int k = 0; k < inputs(n); k++) {
        if (!call.dx[k]) continue;
        ts_node *x = &g->nodes[n->in[k]];
        float *dx = memory(g, x->gradient);
        if (call.dx[k] != dx) ts_vadd(dx, dx, call.dx[k], ts_shape_count(x->shape), pool);
        x->written = true;
    }
}

/* Which tensors lie between the starts and a gradient that is asked for. */
static void mark_gradients(ts_graph *g) {
    for (int i = 0; i < g->count; i++) {
        ts_node *n = &g->nodes[i];
        n->written = n->start;
        n->wanted = n->op == TS_OP_INPUT ? n->grad && (g->kinds & TS_GRADIENTS_INPUTS)
                                         : ts_node_trains(n) && (g->kinds & TS_GRADIENTS_WEIGHTS);
        for (int k = 0; k < inputs(n); k++) n->wanted |= wanted_to(g, n, k);
    }
}

void ts_graph_backward_to(ts_graph *g, unsigned kinds, ts_pool *pool) {
    if (ts_pool_threads(pool) > g->threads) pool = NULL;
    g->kinds = kinds;
    mark_gradients(g);
    for (int i = g->count - 1; i >= 0; i--) {
        const ts_node *n = &g->nodes[i];
        bool reached = is_loss(n) ? n->seed != 0 : n->written;
        if (n->active && n->wanted && reached && n->op != TS_OP_INPUT) backward(g, n, pool);
    }
}

void ts_graph_backward(ts_graph *g, ts_pool *pool) {
    ts_graph_backward_to(g, TS_GRADIENTS_WEIGHTS | TS_GRADIENTS_INPUTS, pool);
}
