/* fuse.c - which nodes run as part of another: what a convolution does while it loads and stores, and activations
 * with what they follow.
 *
 * Storing (both modes): conv -> activation and conv -> add, in one pass over the output; in inference also pixel_shuffle.
 * Followers keep their own backward, so in training only those are joined whose backward needs no tensor that is then
 * never written. Loading (inference): pad becomes the conv's own padding; upsample_nearest, pixel_unshuffle, an
 * activation and group_norm (with or without one) are applied to the values as they are read, so that none of those
 * tensors exists; such a norm only makes a scale and a shift per channel.
 *
 * Results: all but two joins are the same arithmetic on the same values, and the bits agree as long as the joined shape
 * runs by the same algorithm. An enlarging convolution adds up weights first. A norm that is applied while loading is
 * x scale + shift instead of (x - mean) rstd gamma + beta: they differ by at most 4 2^-24 (|x| + |mean|) rstd |gamma|
 * and what rounding beta adds to either, so by some 2^-22 (1 + |mean| / deviation) of the norm's own size. */
#include "graph/node.h"

static bool inference(const ts_graph *g) { return g->mode == TS_GRAPH_INFERENCE; }

static bool is_act(const ts_node *n) { return ts_op_act(n->op) != TS_ACT_NONE; }

/* The number of live readers of tensor t; *last: one of them. */
static int readers(const ts_graph *g, ts_tensor t, ts_tensor *last) {
    int count = 0;
    for (int i = t + 1; i < g->count; i++) {
        const ts_node *n = &g->nodes[i];
        for (int k = 0; k < ts_op_row_of(n->op)->inputs && !n->gone; k++) {
            if (n->in[k] != t) continue;
            *last = i;
            count++;
        }
    }
    return count;
}

/* The only node that reads tensor t, or TS_NONE if there are several or t must stay readable. */
static ts_tensor sole_reader(const ts_graph *g, ts_tensor t) {
    ts_tensor reader = TS_NONE;
    return !g->nodes[t].output && readers(g, t, &reader) == 1 ? reader : TS_NONE;
}

/* The plan for another shape, if there is one and no faster algorithm is given up for it. */
static bool replan(ts_conv *plan, const ts_conv_shape *shape) {
    ts_conv made;
    if (ts_conv_plan(&made, shape, NULL) < 0) return false;
    if (plan->algorithm > TS_CONV_STRIP && made.algorithm != plan->algorithm) return false;
    *plan = made;
    return true;
}

/* ---- storing --------------------------------------------------------------------------------------------------- */

/* Node `next` is done by node `host`, in whose place its tensor lies. */
static ts_tensor join(ts_graph *g, ts_tensor host, ts_tensor next) {
    g->nodes[next].host = host;
    return next;
}

/* The activation that follows `tail` and can be applied before its input is ever written, or TS_NONE. */
static ts_tensor joinable_act(const ts_graph *g, ts_tensor next) {
    if (next == TS_NONE || !is_act(&g->nodes[next])) return TS_NONE;
    return ts_node_needs(&g->nodes[next]) & TS_NEEDS_X ? TS_NONE : next;
}

static bool join_shuffle(ts_graph *g, ts_node *conv, const ts_node *shuffle) {
    if (!inference(g) || shuffle->op != TS_OP_PIXEL_SHUFFLE || conv->conv.shape.shuffle > 1) return false;
    ts_conv_shape shape = conv->conv.shape;
    shape.shuffle = shuffle->factor;
    return replan(&conv->conv, &shape);
}

static void join_add(ts_graph *g, ts_tensor i, ts_tensor tail, ts_tensor next) {
    ts_node *conv = &g->nodes[i];
    if (next == TS_NONE || g->nodes[next].op != TS_OP_ADD) return;
    const ts_node *add = &g->nodes[next];
    ts_tensor other = add->in[0] == tail ? add->in[1] : add->in[0];
    if (other >= i) return; /* must be there when the convolution stores */
    conv->sum = join(g, i, next);
    conv->residual = other;
}

static void join_stores(ts_graph *g, ts_tensor i) {
    ts_node *conv = &g->nodes[i];
    ts_tensor tail = i;
    for (ts_tensor next = sole_reader(g, tail); next != TS_NONE; next = sole_reader(g, tail)) {
        if (conv->act == TS_NONE && joinable_act(g, next) != TS_NONE) {
            conv->act = tail = join(g, i, next);
            if (ts_node_needs(&g->nodes[next]) & TS_NEEDS_Y) return;
        } else if (join_shuffle(g, conv, &g->nodes[next])) {
            tail = join(g, i, next);
        } else {
            join_add(g, i, tail, next);
            return;
        }
    }
}

/* ---- loading --------------------------------------------------------------------------------------------------- */

enum { CHAIN = 4 }; /* pad, upsample or unshuffle, activation */

/* What a convolution can take over from the nodes before it. */
typedef struct load {
    ts_tensor x;    /* what it then reads */
    ts_tensor norm; /* applied to it, or TS_NONE */
    ts_tensor act;  /* and then this, or TS_NONE */
    ts_conv plan;
    ts_tensor chain[CHAIN]; /* nodes that vanish */
    int length;
} load;

/* Joins a node that only moves pixels to the plan, if the plan can take it. */
static bool join_move(load *l, const ts_node *n) {
    ts_conv_shape s = l->plan.shape;
    const bool whole = s.upsample <= 1 && s.unshuffle <= 1;
    if (n->op == TS_OP_PAD && l->length == 0) {
        const int *e = n->edge;
        s.height -= e[0] + e[2], s.width -= e[1] + e[3];
        s.pad_top += e[0], s.pad_left += e[1], s.pad_bottom += e[2], s.pad_right += e[3];
    } else if (n->op == TS_OP_UPSAMPLE_NEAREST && whole && n->factor == 2) {
        const bool same = s.pad_top == 1 && s.pad_left == 1 && s.pad_bottom == 1 && s.pad_right == 1;
        if (s.kernel_h != 3 || s.kernel_w != 3 || s.stride != 1 || !same) return false;
        s.upsample = 2;
    } else if (n->op == TS_OP_PIXEL_UNSHUFFLE && whole) {
        s.unshuffle = n->factor;
    } else {
        return false;
    }
    return replan(&l->plan, &s);
}

/* A convolution has one slope for both its activations. */
static bool slopes_agree(const ts_graph *g, const ts_node *conv, const ts_node *act) {
    const ts_node *after = conv->act == TS_NONE ? NULL : &g->nodes[conv->act];
    return act->op != TS_OP_LEAKY_RELU || !after || after->op != TS_OP_LEAKY_RELU || after->slope == act->slope;
}

/* Goes up from the input of convolution i. A norm is taken if `any`, or if it is known to be taken by all its readers;
 * an activation right after a norm that is not taken is left to the norm. */
static load load_of(const ts_graph *g, ts_tensor i, bool any) {
    const ts_node *conv = &g->nodes[i];
    load l = {.x = conv->in[0], .norm = TS_NONE, .act = TS_NONE, .plan = conv->conv};
    while (l.length < CHAIN) {
        const ts_node *n = &g->nodes[l.x];
        if (n->op == TS_OP_GROUP_NORM && (any || n->affine)) {
            if (l.plan.shape.unshuffle > 1 || n->output) break; /* its channels are not the convolution's */
            l.norm = l.x;
            l.x = n->in[0];
            break;
        }
        if (sole_reader(g, l.x) == TS_NONE || n->host != TS_NONE) break;
        if (is_act(n) && l.act == TS_NONE && slopes_agree(g, conv, n)) {
            const ts_node *before = &g->nodes[n->in[0]];
            if (before->op == TS_OP_GROUP_NORM && !any && !before->affine) break;
            l.act = l.x;
        } else if (!join_move(&l, n)) {
            break;
        }
        l.chain[l.length++] = l.x;
        l.x = n->in[0];
    }
    return l;
}

static void join_loads(ts_graph *g, ts_tensor i) {
    ts_node *conv = &g->nodes[i];
    const load l = load_of(g, i, false);
    for (int k = 0; k < l.length; k++) g->nodes[l.chain[k]].gone = true;
    conv->in[0] = l.x;
    conv->norm = l.norm;
    conv->load = l.act;
    conv->conv = l.plan;
}

/* A norm whose every reader can apply it while loading makes only the scale and shift. */
static void choose_norms(ts_graph *g) {
    for (int i = 0; i < g->count; i++) {
        if (g->nodes[i].op != TS_OP_CONV2D) continue;
        const load l = load_of(g, i, true);
        if (l.norm != TS_NONE) g->nodes[l.norm].takers++;
    }
    for (int i = 0; i < g->count; i++) {
        ts_node *n = &g->nodes[i];
        ts_tensor last;
        if (n->op == TS_OP_GROUP_NORM) n->affine = n->takers > 0 && readers(g, i, &last) == n->takers;
    }
}

void ts_graph_fuse(ts_graph *g) {
    for (int i = 0; i < g->count; i++) {
        if (g->nodes[i].op == TS_OP_CONV2D) join_stores(g, i);
    }
    if (inference(g)) {
        choose_norms(g);
        for (int i = 0; i < g->count; i++) {
            if (g->nodes[i].op == TS_OP_CONV2D) join_loads(g, i);
        }
    }
    for (int i = 0; i < g->count; i++) {
        ts_node *norm = &g->nodes[i];
        if (norm->op != TS_OP_GROUP_NORM || norm->affine) continue;
        ts_tensor next = joinable_act(g, sole_reader(g, i));
        if (next != TS_NONE) norm->act = join(g, i, next);
    }
}
