/* nodes.c - one half of a net, node by node: what each takes, and the memory of the whole.
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

static void read_config(const char *path, ts_config *config) {
    static char text[1 << 18];
    ts_error why;
    FILE *file = fopen(path, "rb");
    if (!file) stop("the config cannot be opened");
    const size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    if (ts_config_parse(text, size, config, &why)) stop(why.text);
}

/* Random weights, as floats or split with halves. They stay until the program ends. */
static ts_weights *random_weights(const ts_config *config, bool half) {
    ts_params *params;
    ts_weights *weights;
    ts_rng rng = ts_rng_new(1, 1);
    if (ts_params_new(&params, NULL) || ts_autoencoder_params(config, params, NULL)) stop("no memory");
    float *values = ts_calloc(ts_params_floats(params) + 1, sizeof *values);
    float *plain = ts_calloc(ts_params_split(params, TS_PARAM_PLAIN) + 1, sizeof *plain);
    float *room = ts_alloc_floats(ts_params_largest(params) + 1);
    uint16_t *halves = ts_calloc(ts_params_split(params, TS_PARAM_CONV) + 1, sizeof *halves);
    if (!values || !plain || !room || !halves) stop("no memory");
    ts_autoencoder_init(config, params, values, &rng);
    for (int i = 0; i < ts_params_count(params) && half; i++) {
        ts_param_write(ts_params_at(params, i), values, room);
        ts_param_read_split(ts_params_at(params, i), plain, halves, room);
    }
    const ts_store store = half ? (ts_store){plain, halves} : (ts_store){values, NULL};
    if (ts_weights_over(params, store, &weights, NULL)) stop("no memory");
    ts_free(room);
    return weights;
}

/* One forward pass, a node at a time; ms [nodes] keeps the least. */
static void run(ts_graph *g, ts_tensor in, ts_pool *pool, double *ms) {
    ts_rng rng = ts_rng_new(2, 1);
    int next = 0;
    ts_rng_fill_normal(&rng, ts_graph_data(g, in), ts_shape_count(ts_graph_shape(g, in)), 1);
    for (bool done = false; !done;) {
        const int first = next;
        const double start = cpu_ms();
        done = ts_graph_forward_some(g, pool, &next, 0);
        const double took = cpu_ms() - start;
        int node = done ? g->count - 1 : next - 1; /* the last before `next` that runs by itself */
        while (node > first && (g->nodes[node].gone || g->nodes[node].host != TS_NONE)) node--;
        if (took < ms[node]) ms[node] = took;
    }
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

static void report(const ts_graph *g, const double *ms) {
    double total = 0, panels = 0, sums[TS_OP_COUNT] = {0};
    for (int i = 0; i < g->count; i++) {
        const ts_node *n = &g->nodes[i];
        const ts_op_row *row = ts_op_row_of(n->op);
        char name[96];
        if (n->gone || n->host != TS_NONE || n->op == TS_OP_INPUT || !isfinite(ms[i])) continue;
        const double flop = row->macs ? 2 * (double)row->macs(g, n) : 0;
        name_of(g, n, name, sizeof name);
        printf("%-52s %4dx%-4d %8.2f ms %7.1f GFLOP/s\n", name, n->shape.w, n->shape.h, ms[i], flop / ms[i] * 1e-6);
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
    static ts_config config;
    ts_graph *g = NULL;
    ts_error why;
    read_config(o.path, &config);
    ts_weights *weights = random_weights(&config, o.half);
    ts_pool *pool = o.threads > 1 ? ts_pool_new(o.threads) : NULL;
    if (ts_graph_new(TS_GRAPH_INFERENCE, &g, NULL)) stop("no memory");
    const int side = o.encoder ? o.side : o.side / ts_config_factor(&config);
    const ts_tensor in = ts_graph_input(g, (ts_shape){1, side, side, o.encoder ? 3 : config.quantizer.dim}, false);
    ts_graph_output(g, o.encoder ? ts_autoencoder_encoder(g, &config, weights, in)
                                 : ts_autoencoder_decoder(g, &config, weights, in));
    if (ts_graph_plan(g, o.threads, &why) || ts_graph_alloc(g, &why)) stop(why.text);
    double *ms = malloc((size_t)g->count * sizeof *ms);
    if (!ms) stop("no memory");
    for (int i = 0; i < g->count; i++) ms[i] = INFINITY;
    for (int i = 0; i < o.rounds + 1; i++) run(g, in, pool, ms); /* the first one also packs the weights */
    report(g, ms);
    ts_pool_free(pool);
    free(ms);
    ts_graph_free(g);
    return 0;
}
