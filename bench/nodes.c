/* nodes.c - one half of a net, node by node: what each takes, and the memory of the whole. A program, or a WebAssembly
 * module in a page (bench/web/nodes.mjs).
 *
 *     nodes CONFIG.json [--encoder] [--half] [--side N] [--threads N] [--rounds N]
 *
 * Weights are random (--half: held as float16), the picture is N x N pixels (256). Milliseconds are processor time, the
 * least of the rounds; GFLOP/s are those of the direct convolution. A line per node that still runs; then sums by
 * kind. `node -e "import('./bench/web/lib/nets.mjs').then((n) => console.log(JSON.stringify(n.taesd)))"` prints a config.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "graph/node.h"
#include "nets/autoencoder.h"

static struct {
    ts_config config;
    ts_graph *graph;
    ts_tensor in;
    ts_pool *pool;
    int next;
    ts_error why;
} net;

/* Random weights, as floats or split with halves. They stay until the program ends. */
static ts_weights *random_weights(const ts_config *config, bool half) {
    ts_params *params;
    ts_weights *weights = NULL;
    ts_rng rng = ts_rng_new(1, 1);
    if (ts_params_new(&params, NULL) || ts_autoencoder_params(config, params, NULL)) return NULL;
    float *values = ts_calloc(ts_params_floats(params) + 1, sizeof *values);
    float *plain = ts_calloc(ts_params_split(params, TS_PARAM_PLAIN) + 1, sizeof *plain);
    float *room = ts_alloc_floats(ts_params_largest(params) + 1);
    uint16_t *halves = ts_calloc(ts_params_split(params, TS_PARAM_CONV) + 1, sizeof *halves);
    if (!values || !plain || !room || !halves) return NULL;
    ts_autoencoder_init(config, params, values, &rng);
    for (int i = 0; i < ts_params_count(params) && half; i++) {
        ts_param_write(ts_params_at(params, i), values, room);
        ts_param_read_split(ts_params_at(params, i), plain, halves, room);
    }
    const ts_store store = half ? (ts_store){plain, halves} : (ts_store){values, NULL};
    if (ts_weights_over(params, store, &weights, NULL)) return NULL;
    ts_free(room);
    return weights;
}

/* Builds the half of net.config and takes its memory; false leaves the reason in net.why. */
static bool build(bool encoder, bool half, int pixels, int threads) {
    ts_weights *weights = random_weights(&net.config, half);
    if (!weights || ts_graph_new(TS_GRAPH_INFERENCE, &net.graph, &net.why)) return false;
    ts_graph *g = net.graph;
    const int side = encoder ? pixels : pixels / ts_config_factor(&net.config);
    net.in = ts_graph_input(g, (ts_shape){1, side, side, encoder ? 3 : net.config.quantizer.dim}, false);
    ts_graph_output(g, encoder ? ts_autoencoder_encoder(g, &net.config, weights, net.in)
                               : ts_autoencoder_decoder(g, &net.config, weights, net.in));
    return !ts_graph_plan(g, threads, &net.why) && !ts_graph_alloc(g, &net.why);
}

static void begin(void) {
    ts_rng rng = ts_rng_new(2, 1);
    net.next = 0;
    ts_rng_fill_normal(&rng, ts_graph_data(net.graph, net.in), ts_shape_count(ts_graph_shape(net.graph, net.in)), 1);
}

static bool runs(const ts_node *n) { return !n->gone && n->host == TS_NONE && n->op != TS_OP_INPUT; }

/* Runs one node and tells which; -1 when none is left. */
static int advance(void) {
    const ts_graph *g = net.graph;
    const int first = net.next;
    if (first == g->count) return -1;
    int node = ts_graph_forward_some(net.graph, net.pool, &net.next, 0) ? g->count - 1 : net.next - 1;
    while (node > first && !runs(&g->nodes[node])) node--; /* the last before `next` */
    return runs(&g->nodes[node]) ? node : -1;
}

static double flops_of(const ts_node *n) {
    const ts_op_row *row = ts_op_row_of(n->op);
    return row->macs ? 2 * (double)row->macs(net.graph, n) : 0;
}

static void name_of(const ts_graph *g, const ts_node *n, char *text, size_t size) {
    const ts_conv_shape *s = &n->conv.shape;
    const ts_tensor joined[4] = {n->load, n->act, n->sum, TS_NONE};
    if (n->op != TS_OP_CONV2D) snprintf(text, size, "%s%s", ts_op_row_of(n->op)->name, n->affine ? " (scale)" : "");
    else
        snprintf(text, size, "conv %dx%d%s%s %d->%d alg %d%s%s%s%s", s->kernel_h, s->kernel_w,
                 s->stride > 1 ? " strided" : "", s->upsample > 1 ? " up" : "", s->in, s->out, (int)n->conv.algorithm,
                 n->conv.streams ? " streams" : "", s->unshuffle > 1 ? " unshuffle" : "",
                 s->shuffle > 1 ? " shuffle" : "", n->norm != TS_NONE ? " norm" : "");
    for (int k = 0; k < 3; k++) {
        const size_t used = strlen(text);
        if (joined[k] != TS_NONE) snprintf(text + used, size - used, " %s", ts_op_row_of(g->nodes[joined[k]].op)->name);
    }
}

#ifdef __EMSCRIPTEN__
#include <emscripten.h>

static char text[1 << 18];

EMSCRIPTEN_KEEPALIVE char *text_room(void);
EMSCRIPTEN_KEEPALIVE int build_net(int size, int encoder, int half, int pixels);
EMSCRIPTEN_KEEPALIVE void begin_net(void);
EMSCRIPTEN_KEEPALIVE int run_node(void);
EMSCRIPTEN_KEEPALIVE double node_flops(int node);
EMSCRIPTEN_KEEPALIVE int node_side(int node);
EMSCRIPTEN_KEEPALIVE const char *node_name(int node);

/* Where the page writes the config; build_net reads `size` bytes of it and gives the number of nodes, 0 after a fault. */
char *text_room(void) { return text; }
int build_net(int size, int encoder, int half, int pixels) {
    if (ts_config_parse(text, (size_t)size, &net.config, &net.why)) return 0;
    return build(encoder, half, pixels, 1) ? net.graph->count : 0;
}
void begin_net(void) { begin(); }
int run_node(void) { return advance(); }
double node_flops(int node) { return flops_of(&net.graph->nodes[node]); }
int node_side(int node) { return net.graph->nodes[node].shape.h; }
const char *node_name(int node) { /* in text_room */
    name_of(net.graph, &net.graph->nodes[node], text, sizeof text);
    return text;
}

#else

typedef struct options {
    const char *path;
    bool encoder, half;
    int side, threads, rounds;
} options;

_Noreturn static void stop(const char *why) {
    fprintf(stderr, "nodes: %s\n", why);
    exit(1);
}

static double cpu_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static options read_options(int argc, char **argv) {
    options o = {.side = 256, .threads = 1, .rounds = 3};
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (strcmp(argv[i], "--encoder") == 0) o.encoder = true;
        else if (strcmp(argv[i], "--half") == 0) o.half = true;
        else if (strcmp(argv[i], "--side") == 0 && more) o.side = atoi(argv[++i]);
        else if (strcmp(argv[i], "--threads") == 0 && more) o.threads = atoi(argv[++i]);
        else if (strcmp(argv[i], "--rounds") == 0 && more) o.rounds = atoi(argv[++i]);
        else o.path = argv[i];
    }
    if (!o.path) stop("say which config: nodes CONFIG.json");
    return o;
}

static void read_config(const char *path) {
    static char text[1 << 18];
    FILE *file = fopen(path, "rb");
    if (!file) stop("the config cannot be opened");
    const size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    if (ts_config_parse(text, size, &net.config, &net.why)) stop(net.why.text);
}

static void report(const double *ms) {
    const ts_graph *g = net.graph;
    double total = 0, panels = 0, sums[TS_OP_COUNT] = {0};
    for (int i = 0; i < g->count; i++) {
        const ts_node *n = &g->nodes[i];
        char name[96];
        if (!runs(n) || !isfinite(ms[i])) continue;
        name_of(g, n, name, sizeof name);
        printf("%-52s %4dx%-4d %8.2f ms %7.1f GFLOP/s\n", name, n->shape.w, n->shape.h, ms[i],
               flops_of(n) / ms[i] * 1e-6);
        if (n->op == TS_OP_CONV2D && !n->conv.streams) panels += (double)n->conv.panels * sizeof(float);
        total += ms[i];
        sums[n->op] += ms[i];
    }
    for (int op = 0; op < TS_OP_COUNT; op++) {
        if (sums[op] > 0) printf("all %-48s %20.2f ms\n", ts_op_row_of((ts_op)op)->name, sums[op]);
    }
    printf("all %69.2f ms %7.1f GFLOP/s\n", total, 2e-6 * (double)ts_graph_macs(g) / total);
    printf("memory of tensors and workspace: %.1f MB, largest tensor %.1f MB; of packed weights: %.1f MB\n",
           (double)ts_graph_bytes(g) * 1e-6, (double)ts_graph_largest(g) * sizeof(float) * 1e-6, panels * 1e-6);
}

int main(int argc, char **argv) {
    const options o = read_options(argc, argv);
    read_config(o.path);
    net.pool = o.threads > 1 ? ts_pool_new(o.threads) : NULL;
    if (!build(o.encoder, o.half, o.side, o.threads)) stop(net.why.text[0] ? net.why.text : "no memory");
    const int count = net.graph->count;
    double *ms = malloc((size_t)count * sizeof *ms);
    if (!ms) stop("no memory");
    for (int i = 0; i < count; i++) ms[i] = INFINITY;
    for (int round = 0; round < o.rounds + 1; round++) { /* the first one also packs the weights */
        begin();
        for (int node = 0; node >= 0;) {
            const double start = cpu_ms();
            node = advance();
            if (node >= 0) ms[node] = fmin(ms[node], cpu_ms() - start);
        }
    }
    report(ms);
    ts_pool_free(net.pool);
    free(ms);
    ts_graph_free(net.graph);
    return 0;
}
#endif
