/* plan.c - ends building: which nodes run fused or in place, and where every tensor lies.
 *
 * Time is counted in steps: forward of node i is step i, backward is step 2 n - 1 - i. Every tensor, gradient, saved
 * statistic and workspace is a storage with a birth and a death; storages that live at one time do not overlap. They
 * are placed largest first at the lowest offset that is free for their whole life. */
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "graph/node.h"

#define ALIGN_FLOATS 16
#define FOREVER INT_MAX
#define BEFORE (-1) /* written by the caller ahead of forward */

static int backward_step(const ts_graph *g, int node) { return 2 * g->count - 1 - node; }

static unsigned row_flags(const ts_node *n) { return ts_op_row_of(n->op)->flags; }

static int inputs(const ts_node *n) { return ts_op_row_of(n->op)->inputs; }

/* Its input is read for the gradient of weights alone. */
static bool is_conv(const ts_node *n) {
    return n->op == TS_OP_CONV2D || n->op == TS_OP_CONV_TRANSPOSE2D || n->op == TS_OP_DEPTHWISE;
}

bool ts_node_trains(const ts_node *n) { return n->weights && n->op != TS_OP_LPIPS && !ts_weights_frozen(n->weights); }

static bool is_loss(const ts_node *n) { return (row_flags(n) & TS_LOSS) != 0; }

/* Does a gradient go to input k of the node? */
static bool grad_to(const ts_graph *g, const ts_node *n, int k) {
    return n->grad && g->nodes[n->in[k]].grad && ts_node_gives(n, k);
}

unsigned ts_node_needs(const ts_node *n) {
    if (!n->grad || n->op == TS_OP_INPUT) return 0;
    unsigned flags = row_flags(n) & (TS_NEEDS_X | TS_NEEDS_X1 | TS_NEEDS_X2 | TS_NEEDS_Y);
    return is_conv(n) && !ts_node_trains(n) ? flags & ~(unsigned)TS_NEEDS_X : flags;
}

static void mark_gradients(ts_graph *g) {
    for (int i = 0; i < g->count; i++) {
        ts_node *n = &g->nodes[i];
        if (g->mode == TS_GRAPH_INFERENCE) n->grad = false;
        if (n->op == TS_OP_INPUT || g->mode == TS_GRAPH_INFERENCE) continue;
        n->grad = ts_node_trains(n);
        for (int k = 0; k < inputs(n); k++) n->grad = n->grad || (g->nodes[n->in[k]].grad && ts_node_gives(n, k));
    }
}

/* ---- storages -------------------------------------------------------------------------------------------------- */

static int new_storage(ts_graph *g, size_t floats, int birth, int death) {
    if (g->storage_count == g->storage_capacity) {
        int capacity = g->storage_capacity ? g->storage_capacity * 2 : 64;
        ts_storage *list = ts_realloc(g->storages, (size_t)capacity * sizeof *list);
        if (!list) {
            g->status = ts_fail_memory(&g->error, (size_t)capacity * sizeof *list);
            return -1;
        }
        g->storages = list;
        g->storage_capacity = capacity;
    }
    g->storages[g->storage_count] = (ts_storage){.floats = floats, .birth = birth, .death = death};
    return g->storage_count++;
}

static void extend(ts_graph *g, int storage, int step) {
    if (storage < 0) return;
    ts_storage *s = &g->storages[storage];
    if (step < s->birth) s->birth = step;
    if (step > s->death) s->death = step;
}

/* The last step that reads tensor t, forward or backward. A fused conv reads its addend at its own step. */
static int last_read(const ts_graph *g, ts_tensor t) {
    const ts_node *n = &g->nodes[t];
    int last = t;
    if (n->output || is_loss(n)) return FOREVER;
    if (ts_node_needs(n) & TS_NEEDS_Y) last = backward_step(g, t);
    for (int i = 0; i < g->count; i++) {
        const ts_node *m = &g->nodes[i];
        for (int k = 0; k < inputs(m) && !m->gone; k++) {
            if (m->in[k] != t) continue;
            int step = ts_node_needs(m) & (unsigned)TS_NEEDS_X << k ? backward_step(g, i) : m->host != TS_NONE ? t : i;
            if (step > last) last = step;
        }
        if ((m->residual == t || m->norm == t) && i > last) last = i;
    }
    return g->keep && last >= g->count ? FOREVER : last;
}

/* The storage of tensor x if the node may write its own value over it, else -1. */
static int over(const ts_graph *g, int node, ts_tensor x) {
    const ts_node *a = &g->nodes[node], *b = &g->nodes[x];
    if (ts_shape_count(a->shape) != ts_shape_count(b->shape) || last_read(g, x) > node) return -1;
    if (b->op == TS_OP_INPUT && g->mode == TS_GRAPH_TRAINING) return -1;
    return g->storages[b->value].death <= node ? b->value : -1;
}

static size_t value_floats(const ts_node *n) {
    return n->affine ? 2 * (size_t)n->shape.n * (size_t)n->shape.c : ts_shape_count(n->shape);
}

/* The storage of something that node i reads and may write over: an input if its row says so, a convolution's addend. */
static int reusable(const ts_graph *g, int i) {
    const ts_node *n = &g->nodes[i];
    int found = -1;
    for (int k = 0; k < inputs(n) && found < 0 && (row_flags(n) & TS_IN_PLACE) && !n->affine; k++)
        found = over(g, i, n->in[k]);
    if (n->residual != TS_NONE && n->residual != n->in[0]) found = over(g, i, n->residual);
    return found;
}

static void place_values(ts_graph *g) {
    for (int i = 0; i < g->count && g->status >= 0; i++) {
        ts_node *n = &g->nodes[i];
        if (n->gone) continue;
        n->value = n->host != TS_NONE ? g->nodes[n->host].value : reusable(g, i);
        if (n->value < 0) n->value = new_storage(g, value_floats(n), n->op == TS_OP_INPUT ? BEFORE : i, i);
        if (n->value < 0) return;
        extend(g, n->value, last_read(g, i));
    }
}

/* ---- gradients ------------------------------------------------------------------------------------------------- */

/* The last node that gives tensor t a gradient (the first to do so in backward), or -1. *count: how many do. */
static int last_giver(const ts_graph *g, ts_tensor t, int *count) {
    int last = -1;
    *count = 0;
    for (int i = t + 1; i < g->count; i++) {
        const ts_node *n = &g->nodes[i];
        for (int k = 0; k < inputs(n); k++) {
            if (n->in[k] != t || !grad_to(g, n, k)) continue;
            last = i;
            ++*count;
        }
    }
    return last;
}

/* May input t of the pass-through node i share the gradient storage of i? Only if nobody reads that storage after
 * another giver of t has added to it. */
static bool may_share(const ts_graph *g, int i, ts_tensor t, bool single) {
    const ts_storage *s = &g->storages[g->nodes[i].gradient];
    int givers, last = last_giver(g, t, &givers);
    if (g->nodes[t].op == TS_OP_INPUT || g->nodes[t].start || g->nodes[t].gradient >= 0) return false;
    if (last != i || s->changed > backward_step(g, i)) return false;
    if (single || givers == 1) return single && givers == 1;
    for (int j = t + 1; j < g->count; j++) {
        for (int k = 0; k < inputs(&g->nodes[j]); k++) {
            if (g->nodes[j].in[k] != t || !grad_to(g, &g->nodes[j], k)) continue;
            if (j == i && g->nodes[j].in[0] == g->nodes[j].in[1]) return false;
            if (j != i && backward_step(g, j) <= s->death) return false;
        }
    }
    return true;
}

static void share(ts_graph *g, int i, ts_tensor t) {
    ts_storage *s = &g->storages[g->nodes[i].gradient];
    int first = 0;
    g->nodes[t].gradient = g->nodes[i].gradient;
    for (int j = g->count - 1; j > t; j--) { /* the giver of lowest number adds last */
        for (int k = 0; k < inputs(&g->nodes[j]); k++) {
            if (j != i && g->nodes[j].in[k] == t && grad_to(g, &g->nodes[j], k)) first = j;
        }
    }
    if (first > 0 && backward_step(g, first) > s->changed) s->changed = backward_step(g, first);
    extend(g, g->nodes[t].gradient, backward_step(g, t));
}

/* Runs down the nodes, in the order of backward: a node's own gradient has its place before its inputs look at it. */
static void place_gradients(ts_graph *g) {
    for (int i = g->count - 1; i >= 0 && g->status >= 0; i--) {
        ts_node *n = &g->nodes[i];
        int givers, last = last_giver(g, i, &givers);
        if (!n->grad || is_loss(n) || (last < 0 && !n->start)) continue;
        if (n->gradient < 0) {
            int birth = n->start ? BEFORE : backward_step(g, last);
            int death = n->op == TS_OP_INPUT ? FOREVER : backward_step(g, i);
            n->gradient = new_storage(g, ts_shape_count(n->shape), birth, death);
            if (n->gradient < 0) return;
            g->storages[n->gradient].changed = -1;
        }
        if (!(row_flags(n) & TS_PASS_THROUGH)) continue;
        for (int pass = 0; pass < 2; pass++) { /* inputs read here alone first: they only read */
            for (int k = 0; k < inputs(n); k++) {
                if (grad_to(g, n, k) && may_share(g, i, n->in[k], pass == 0)) share(g, i, n->in[k]);
            }
        }
    }
}

/* Gradients after a tensor's first are computed aside and added. */
static void place_spills(ts_graph *g) {
    for (int i = 0; i < g->count && g->status >= 0; i++) {
        ts_node *n = &g->nodes[i];
        if (row_flags(n) & TS_PASS_THROUGH) continue;
        for (int k = 0; k < inputs(n); k++) {
            int givers, step = backward_step(g, i);
            if (!grad_to(g, n, k)) continue;
            bool first = last_giver(g, n->in[k], &givers) == i && !g->nodes[n->in[k]].start && !ts_node_repeats(n, k);
            if (!first) n->spill[k] = new_storage(g, ts_shape_count(g->nodes[n->in[k]].shape), step, step);
        }
    }
}

static void place_work(ts_graph *g) {
    for (int i = 0; i < g->count && g->status >= 0; i++) {
        ts_node *n = &g->nodes[i];
        const ts_op_row *row = ts_op_row_of(n->op);
        size_t saved = row->saved && !n->gone ? row->saved(g, n) : 0;
        int last = !n->grad ? i : g->keep ? FOREVER : backward_step(g, i);
        if (saved) n->saved = new_storage(g, saved, i, last);
        for (int back = 0; back < (n->grad ? 2 : 1); back++) {
            size_t work = row->work && !n->gone && (n->host == TS_NONE || back) ? row->work(g, n, back, g->threads) : 0;
            int step = back ? backward_step(g, i) : i;
            if (work) n->work[back] = new_storage(g, work, step, step);
        }
    }
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static bool lives_with(const ts_storage *a, const ts_storage *b) {
    return a->birth <= b->death && b->birth <= a->death;
}

/* The lowest place for storage s that clears all of `placed`, which is sorted by place. */
static size_t lowest_place(const ts_graph *g, const int *placed, int count, const ts_storage *s) {
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        const ts_storage *p = &g->storages[placed[i]];
        if (!lives_with(p, s) || p->at + p->floats <= at) continue;
        if (p->at >= at + s->floats) break;
        at = p->at + p->floats;
    }
    return at;
}

static void insert(const ts_graph *g, int *placed, int count, int storage) {
    int i = count;
    while (i > 0 && g->storages[placed[i - 1]].at > g->storages[storage].at) {
        placed[i] = placed[i - 1];
        i--;
    }
    placed[i] = storage;
}

static bool larger(const ts_graph *g, int a, int b) {
    const ts_storage *s = &g->storages[a], *t = &g->storages[b];
    return s->floats != t->floats ? s->floats > t->floats : a < b;
}

static void place_all(ts_graph *g) {
    int n = g->storage_count;
    int *order = ts_calloc((size_t)n + 1, 2 * sizeof *order), *placed = order + n;
    if (!order) {
        g->status = ts_fail_memory(&g->error, 2 * (size_t)n * sizeof *order);
        return;
    }
    for (int i = 0; i < n; i++) { /* insertion sort: a few hundred entries, mostly runs of equal size */
        ts_storage *s = &g->storages[i];
        s->floats = (s->floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
        int at = i;
        while (at > 0 && larger(g, i, order[at - 1])) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    for (int i = 0; i < n; i++) {
        ts_storage *s = &g->storages[order[i]];
        s->at = lowest_place(g, placed, i, s);
        if (s->at + s->floats > g->floats) g->floats = s->at + s->floats;
        insert(g, placed, i, order[i]);
    }
    ts_free(order);
    if (g->floats > SIZE_MAX / sizeof(float)) {
        g->status = ts_fail(&g->error, TESS_ERR_TOO_LARGE,
                            "The net needs more memory than can be addressed at this picture size.");
    }
}

tess_status ts_graph_plan(ts_graph *g, int threads, ts_error *err) {
    if (g->status >= 0 && g->planned) g->status = ts_fail(&g->error, TESS_ERR_STATE, "This graph is planned already.");
    if (g->status >= 0) {
        g->threads = threads < 1 ? 1 : threads;
        mark_gradients(g);
        ts_graph_fuse(g);
        place_values(g);
    }
    if (g->status >= 0) place_gradients(g);
    if (g->status >= 0) place_spills(g);
    if (g->status >= 0) place_work(g);
    g->room = g->status >= 0 && g->reserve ? new_storage(g, g->reserve, g->count - 1, g->count) : -1;
    if (g->status >= 0) place_all(g);
    g->planned = g->status >= 0;
    if (g->status < 0 && err) *err = g->error;
    return g->status;
}

size_t ts_graph_bytes(const ts_graph *g) { return g->floats * sizeof(float); }
