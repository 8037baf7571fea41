/* transformer.c - a transformer's forward pass, node by node, as the prior runs it; then one depthwise layer.
 *
 *     transformer [--layers N] [--width N] [--heads N] [--places N] [--batch N] [--rounds N]      (6, 256, 4, 80, 2, 200)
 *
 * Weights are random. Microseconds are processor time of one thread, the least of the rounds, and the sum over the layers.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "graph/node.h"

typedef struct options {
    int layers, width, heads, places, batch, rounds;
} options;

typedef struct net {
    ts_graph *graph;
    ts_params *params;
    ts_weights *weights;
    float *values;
    ts_tensor in;
} net;

_Noreturn static void stop(const char *why) {
    fprintf(stderr, "transformer: %s\n", why);
    exit(1);
}

static double cpu_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int declare(ts_params *p, int layer, const char *part, ts_param_layout layout, int rank, const int *dims) {
    char name[TS_PARAM_NAME];
    snprintf(name, sizeof name, "%d.%s", layer, part);
    if (ts_params_add(p, name, layout, rank, dims, NULL)) stop("no memory");
    return ts_params_find(p, name);
}

static ts_tensor linear(net *t, ts_tensor x, int layer, const char *part, int out) {
    char bias[16];
    const int in = ts_graph_shape(t->graph, x).c;
    snprintf(bias, sizeof bias, "%s.b", part);
    const int w = declare(t->params, layer, part, TS_PARAM_CONV, 2, (int[]){out, in});
    return ts_graph_conv2d(t->graph, x, t->weights, w, declare(t->params, layer, bias, TS_PARAM_PLAIN, 1, &out), 1, 0);
}

static ts_tensor norm(net *t, ts_tensor x, int layer, const char *part) {
    const int width = ts_graph_shape(t->graph, x).c, w = declare(t->params, layer, part, TS_PARAM_PLAIN, 1, &width);
    return ts_graph_layer_norm(t->graph, x, t->weights, w, w, 1e-5f);
}

static ts_tensor transformer(net *t, const options *o, ts_tensor x) {
    ts_graph *g = t->graph;
    for (int i = 0; i < o->layers; i++) {
        ts_tensor qkv = linear(t, norm(t, x, i, "norm1"), i, "qkv", 3 * o->width), part[3];
        for (int k = 0; k < 3; k++) part[k] = ts_graph_slice(g, qkv, k * o->width, o->width);
        const float scale = 1 / sqrtf((float)(o->width / o->heads));
        ts_tensor seen = ts_graph_attention(g, part[0], part[1], part[2], o->heads, scale);
        x = ts_graph_add(g, linear(t, seen, i, "proj", o->width), x);
        ts_tensor wide = ts_graph_gelu(g, linear(t, norm(t, x, i, "norm2"), i, "up", 4 * o->width));
        x = ts_graph_add(g, linear(t, wide, i, "down", o->width), x);
    }
    return x;
}

static void begin(net *t) {
    if (ts_params_new(&t->params, NULL) || ts_weights_new(t->params, NULL, NULL, &t->weights, NULL)) stop("no memory");
    if (ts_graph_new(TS_GRAPH_INFERENCE, &t->graph, NULL)) stop("no memory");
}

static void finish(net *t, ts_tensor y) {
    ts_error why = {0};
    ts_rng rng = ts_rng_new(1, 1);
    ts_graph_output(t->graph, y);
    if (ts_graph_plan(t->graph, 1, &why)) stop(why.text);
    t->values = calloc(ts_params_floats(t->params), sizeof *t->values);
    if (!t->values) stop("no memory");
    ts_rng_fill_normal(&rng, t->values, ts_params_floats(t->params), 0.05f);
    ts_weights_use(t->weights, t->values);
    if (ts_graph_alloc(t->graph, &why)) stop(why.text);
}

static bool runs(const ts_node *n) { return !n->gone && n->host == TS_NONE && n->op != TS_OP_INPUT; }

static double flops_of(const ts_graph *g, const ts_node *n) {
    const ts_op_row *row = ts_op_row_of(n->op);
    return row->macs ? 2 * (double)row->macs(g, n) : 0;
}

static void name_of(const ts_node *n, char *text, size_t size) {
    if (n->op == TS_OP_CONV2D)
        snprintf(text, size, "linear %d->%d alg %d", n->conv.shape.in, n->conv.shape.out, (int)n->conv.algorithm);
    else snprintf(text, size, "%s %d", ts_op_row_of(n->op)->name, n->shape.c);
}

/* Runs all nodes of a net by themselves and prints what those of one name take together. */
static void measure(net *t, int rounds) {
    ts_graph *g = t->graph;
    double *us = malloc((size_t)g->count * sizeof *us), total = 0;
    if (!us) stop("no memory");
    for (int i = 0; i < g->count; i++) us[i] = INFINITY;
    for (int round = 0; round < rounds; round++) {
        ts_rng rng = ts_rng_new(2, 1);
        ts_rng_fill_normal(&rng, ts_graph_data(g, t->in), ts_shape_count(ts_graph_shape(g, t->in)), 1);
        for (int next = 0; next < g->count;) {
            const int first = next;
            const double start = cpu_us();
            ts_graph_forward_some(g, NULL, &next, 0);
            const double took = cpu_us() - start;
            int node = next - 1;
            while (node > first && !runs(&g->nodes[node])) node--;
            us[node] = fmin(us[node], took);
        }
    }
    for (int i = 0; i < g->count; i++) {
        char name[64], other[64];
        double sum = 0, flops = 0;
        bool seen = false;
        if (!runs(&g->nodes[i]) || !isfinite(us[i])) continue;
        name_of(&g->nodes[i], name, sizeof name);
        for (int k = 0; k < g->count; k++) {
            if (!runs(&g->nodes[k]) || !isfinite(us[k])) continue;
            name_of(&g->nodes[k], other, sizeof other);
            if (strcmp(name, other) != 0) continue;
            seen |= k < i;
            sum += us[k], flops += flops_of(g, &g->nodes[k]);
        }
        total += us[i];
        if (!seen) printf("%-28s %9.1f us %7.1f GFLOP/s\n", name, sum, flops / sum * 1e-3);
    }
    printf("%-28s %9.1f us %7.1f GFLOP/s\n", "all", total, 2e-3 * (double)ts_graph_macs(g) / total);
    free(us);
}

static void release(net *t) {
    ts_graph_free(t->graph);
    ts_weights_free(t->weights);
    ts_params_free(t->params);
    free(t->values);
}

int main(int argc, char **argv) {
    options o = {6, 256, 4, 80, 2, 200};
    const char *names[] = {"--layers", "--width", "--heads", "--places", "--batch", "--rounds"};
    int *to[] = {&o.layers, &o.width, &o.heads, &o.places, &o.batch, &o.rounds};
    for (int i = 1; i + 1 < argc; i += 2)
        for (int k = 0; k < 6; k++)
            if (strcmp(argv[i], names[k]) == 0) *to[k] = atoi(argv[i + 1]);
    net t = {0}, d = {0};
    begin(&t);
    t.in = ts_graph_input(t.graph, (ts_shape){o.batch, 1, o.places, o.width}, false);
    finish(&t, transformer(&t, &o, t.in));
    measure(&t, o.rounds);
    release(&t);
    begin(&d);
    d.in = ts_graph_input(d.graph, (ts_shape){1, 64, 96, 96}, false);
    const int channels = 96, w = declare(d.params, 0, "w", TS_PARAM_CONV, 4, (int[]){96, 1, 5, 5});
    const int b = declare(d.params, 0, "b", TS_PARAM_PLAIN, 1, &channels);
    finish(&d, ts_graph_depthwise(d.graph, d.in, d.weights, w, b, 5));
    measure(&d, o.rounds);
    release(&d);
    return 0;
}
