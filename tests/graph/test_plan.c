/* Memory plan, fusion and threads: random nets run with everything packed, fused and in place must give the very
 * bits that they give when every tensor is kept apart. */
#include "test.h"

#include <stdlib.h>

#include "base/rng.h"
#include "samples.h"

#define PARAMS 24
#define ROOM 700 /* floats for others between forward and backward */

/* A random net: built twice from the same numbers, once plainly and once with every tensor an output (which forbids
 * fusing, working in place and sharing memory). */
typedef struct net {
    ts_params *params;
    float *values, *grads;
    ts_weights *weights;
    ts_graph *graph;
    ts_tensor x, target, loss;
    ts_shape in;
} net;

static int conv_param(ts_params *params, int *used, int out, int in, int kernel, int *bias) {
    char name[32];
    snprintf(name, sizeof name, "w%d", (*used)++);
    CHECK_INT(ts_params_add(params, name, TS_PARAM_CONV, 4, (int[]){out, in, kernel, kernel}, NULL), TESS_OK);
    int w = ts_params_find(params, name);
    snprintf(name, sizeof name, "w%d", (*used)++);
    CHECK_INT(ts_params_add(params, name, TS_PARAM_PLAIN, 1, &out, NULL), TESS_OK);
    *bias = ts_params_find(params, name);
    return w;
}

static ts_tensor norm(net *m, int *used, ts_tensor x) {
    char name[32];
    int p[2];
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "w%d", (*used)++);
        CHECK_INT(ts_params_add(m->params, name, TS_PARAM_PLAIN, 1, &m->in.c, NULL), TESS_OK);
        p[i] = ts_params_find(m->params, name);
    }
    return ts_graph_group_norm(m->graph, x, m->weights, p[0], p[1], 2, 1e-5f);
}

/* One random node after `tensors[n - 1]`, whose shape is kept or comes back: all tensors of the list have one shape. */
static ts_tensor grow(net *m, ts_tensor *tensors, int n, int *used, ts_rng *rng) {
    ts_graph *g = m->graph;
    ts_tensor last = tensors[n - 1], other = tensors[ts_rng_below(rng, (uint32_t)n)];
    int c = m->in.c, b, w;
    switch (ts_rng_below(rng, 18)) {
    case 0:
    case 1: w = conv_param(m->params, used, c, c, 3, &b); return ts_graph_conv2d(g, last, m->weights, w, b, 1, 1);
    case 2:
        w = conv_param(m->params, used, c, c, 1, &b);
        return ts_graph_relu(g, ts_graph_conv2d(g, last, m->weights, w, b, 1, 0));
    case 3:
        w = conv_param(m->params, used, c, c, 1, &b);
        return ts_graph_add(g, other, ts_graph_silu(g, ts_graph_conv2d(g, last, m->weights, w, b, 1, 0)));
    case 4: return ts_graph_silu(g, last);
    case 5: return ts_graph_leaky_relu(g, last, 0.1f);
    case 6: return ts_graph_add(g, last, other);
    case 7: return ts_graph_mul(g, ts_graph_tanh(g, last), other);
    case 8: return ts_graph_pixel_shuffle(g, ts_graph_pixel_unshuffle(g, last, 2), 2);
    case 9: return ts_graph_slice(g, ts_graph_concat(g, last, other), c / 2, c);
    case 10:
        w = conv_param(m->params, used, c, c, 3, &b);
        return ts_graph_add(g, last, ts_graph_conv2d(g, ts_graph_silu(g, last), m->weights, w, b, 1, 1));
    case 11: return ts_graph_max_pool(g, ts_graph_upsample_nearest(g, last, 2), 2, 2);
    case 12: return ts_graph_relu(g, norm(m, used, last));
    case 13:
        w = conv_param(m->params, used, c, c, 3, &b);
        return ts_graph_add(g, ts_graph_conv2d(g, ts_graph_silu(g, norm(m, used, last)), m->weights, w, b, 1, 1),
                            other);
    case 14: /* one norm, two readers */
        last = norm(m, used, other);
        w = conv_param(m->params, used, c, c, 1, &b);
        other = ts_graph_conv2d(g, last, m->weights, w, b, 1, 0);
        w = conv_param(m->params, used, c, c, 3, &b);
        return ts_graph_add(g, ts_graph_conv2d(g, last, m->weights, w, b, 1, 1), other);
    case 15:
        w = conv_param(m->params, used, c, c, 3, &b);
        return ts_graph_conv2d(g, ts_graph_pad(g, last, 1, 2, 1, 0), m->weights, w, b, 1, 0);
    case 16:
        w = conv_param(m->params, used, 4 * c, 4 * c, 1, &b);
        last = ts_graph_conv2d(g, ts_graph_pixel_unshuffle(g, last, 2), m->weights, w, b, 1, 0);
        return ts_graph_add(g, ts_graph_relu(g, ts_graph_pixel_shuffle(g, last, 2)), other);
    case 17:
        w = conv_param(m->params, used, c, c, 3, &b);
        last = ts_graph_conv2d(g, ts_graph_leaky_relu(g, last, 0.3f), m->weights, w, b, 1, 1);
        return ts_graph_leaky_relu(g, last, 0.1f);
    default: return last;
    }
}

/* The parameters of a net are declared while it grows, so the store is made for the most there can be. */
static net net_new(uint64_t seed, ts_graph_mode mode, bool apart, int threads) {
    net m = {.in = {2, 6, 4, 8}};
    ts_rng rng = ts_rng_new(seed, 1);
    ts_tensor tensors[32];
    int used = 0, n = 1;
    size_t most = PARAMS * 1024;
    m.values = calloc(most, sizeof *m.values);
    m.grads = calloc(most, sizeof *m.grads);
    CHECK_INT(ts_params_new(&m.params, NULL), TESS_OK);
    CHECK_INT(ts_weights_new(m.params, m.values, m.grads, &m.weights, NULL), TESS_OK);
    CHECK_INT(ts_graph_new(mode, &m.graph, NULL), TESS_OK);
    m.x = ts_graph_input(m.graph, m.in, true);
    m.target = ts_graph_input(m.graph, m.in, false);
    tensors[0] = m.x;
    while (n < 14) {
        tensors[n] = grow(&m, tensors, n, &used, &rng);
        n++;
    }
    m.loss = ts_graph_l2(m.graph, tensors[n - 1], m.target);
    for (int i = 0; apart && i < m.graph->count; i++) ts_graph_output(m.graph, i);
    if (!apart && mode == TS_GRAPH_TRAINING && seed % 3 == 0) ts_graph_keep(m.graph);
    if (!apart && mode == TS_GRAPH_TRAINING) ts_graph_reserve(m.graph, ROOM);
    CHECK_INT(ts_graph_plan(m.graph, threads, NULL), TESS_OK);
    CHECK_INT(ts_graph_alloc(m.graph, NULL), TESS_OK);
    ts_rng_fill_normal(&rng, m.values, most, 0.15f);
    return m;
}

static void net_free(net *m) {
    ts_graph_free(m->graph);
    ts_weights_free(m->weights);
    ts_params_free(m->params);
    free(m->values);
    free(m->grads);
}

/* Forward, and backward in training mode; twice, so that left-overs of the first would show. What others leave in the
 * reserved room in between does not matter, and a kept graph's backward may be repeated. Returns the loss. */
static float run(net *m, uint64_t seed, ts_pool *pool, float *dx) {
    for (int round = 0; round < 2; round++) {
        ts_rng rng = ts_rng_new(seed, 2);
        size_t n = ts_shape_count(m->in);
        ts_rng_fill_normal(&rng, ts_graph_data(m->graph, m->x), n, 1);
        ts_rng_fill_normal(&rng, ts_graph_data(m->graph, m->target), n, 1);
        memset(m->grads, 0, ts_params_floats(m->params) * sizeof *m->grads);
        ts_graph_seed(m->graph, m->loss, 3);
        ts_graph_forward(m->graph, pool);
        if (!dx) continue;
        if (ts_graph_reserved(m->graph)) memset(ts_graph_reserved(m->graph), 0xff, ROOM * sizeof(float));
        ts_graph_backward(m->graph, pool);
        if (m->graph->keep) { /* again, from nothing */
            memset(m->grads, 0, ts_params_floats(m->params) * sizeof *m->grads);
            ts_graph_backward(m->graph, pool);
        }
        memcpy(dx, ts_graph_grad_data(m->graph, m->x), n * sizeof *dx);
    }
    return *ts_graph_data(m->graph, m->loss);
}

static bool disjoint(const ts_graph *g) {
    for (int i = 0; i < g->storage_count; i++) {
        for (int j = 0; j < i; j++) {
            const ts_storage *a = &g->storages[i], *b = &g->storages[j];
            bool meet = a->birth <= b->death && b->birth <= a->death;
            if (meet && a->at < b->at + b->floats && b->at < a->at + a->floats) return false;
        }
        if (g->storages[i].at + g->storages[i].floats > g->floats) return false;
    }
    return true;
}

/* Scale and shift of a norm that is applied while loading are rounded apart from each other. */
static bool affine(const net *m) {
    bool found = false;
    for (int i = 0; i < m->graph->count; i++) found |= m->graph->nodes[i].affine;
    return found;
}

static void test_reuse_changes_nothing(void) {
    float dx[2][512];
    size_t saved = 0, fused = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        for (int training = 0; training < 2; training++) {
            ts_graph_mode mode = training ? TS_GRAPH_TRAINING : TS_GRAPH_INFERENCE;
            net a = net_new(seed, mode, false, 1), b = net_new(seed, mode, true, 1);
            test_row("seed %d, %s", (int)seed, training ? "training" : "inference");
            CHECK(disjoint(a.graph));
            float one = run(&a, seed, NULL, training ? dx[0] : NULL),
                  two = run(&b, seed, NULL, training ? dx[1] : NULL);
            if (affine(&a)) CHECK_NEAR(one, two, 1e-6 * (double)two);
            else CHECK(isfinite(one) && memcmp(&one, &two, sizeof one) == 0);
            if (training) {
                CHECK_BYTES(dx[0], dx[1], ts_shape_count(a.in) * sizeof(float));
                CHECK_BYTES(a.grads, b.grads, ts_params_floats(a.params) * sizeof(float));
            }
            saved += ts_graph_bytes(a.graph) < ts_graph_bytes(b.graph);
            for (int i = 0; i < a.graph->count; i++) fused += a.graph->nodes[i].host != TS_NONE;
            net_free(&a);
            net_free(&b);
        }
    }
    test_row("all");
    CHECK(saved > 290); /* and the plan is worth having */
    CHECK(fused > 300);
}

/* Gradients that share memory, pass through and are joined: along the gradient g of a random net the loss must rise by
 * |g| per unit. A gradient that is wrong anywhere shortens the rise. Kinks and float32 leave about 2 %. */
static void test_random_gradients(void) {
    int wrong = 0, tried = 0;
    for (uint64_t seed = 300; seed < 420; seed++) {
        net m = net_new(seed, TS_GRAPH_TRAINING, false, 1);
        size_t n = ts_shape_count(m.in), params = ts_params_floats(m.params);
        float dx[512], x[512], target[512], *values = malloc(params * sizeof *values);
        ts_rng rng = ts_rng_new(seed, 2);
        double squares = 0, loss[2];
        run(&m, seed, NULL, dx);
        ts_rng_fill_normal(&rng, x, n, 1);
        ts_rng_fill_normal(&rng, target, n, 1);
        memcpy(values, m.values, params * sizeof *values);
        for (size_t i = 0; i < n; i++) squares += (double)dx[i] * (double)dx[i];
        for (size_t i = 0; i < params; i++) squares += (double)m.grads[i] * (double)m.grads[i];
        double length = sqrt(squares), step = 3e-4;
        for (int s = 0; s < 2; s++) {
            double scale = (s ? -step : step) / length;
            for (size_t i = 0; i < n; i++) {
                ts_graph_data(m.graph, m.x)[i] = (float)((double)x[i] + scale * (double)dx[i]);
            }
            for (size_t i = 0; i < params; i++) m.values[i] = (float)((double)values[i] + scale * (double)m.grads[i]);
            memcpy(ts_graph_data(m.graph, m.target), target, n * sizeof *target);
            ts_weights_changed(m.weights);
            ts_graph_forward(m.graph, NULL);
            loss[s] = 3 * (double)*ts_graph_data(m.graph, m.loss);
        }
        double rise = (loss[0] - loss[1]) / (2 * step);
        tried++;
        if (!(fabs(rise - length) <= 0.02 * length)) wrong++;
        free(values);
        net_free(&m);
    }
    test_row("%d of %d nets", wrong, tried);
    CHECK(wrong == 0);
}

static void test_threads_change_nothing(void) {
    float dx[2][512];
    ts_pool *pool = ts_pool_new(3);
    for (uint64_t seed = 200; seed < 230; seed++) {
        net a = net_new(seed, TS_GRAPH_TRAINING, false, 1), b = net_new(seed, TS_GRAPH_TRAINING, false, 3);
        test_row("seed %d", (int)seed);
        float one = run(&a, seed, NULL, dx[0]), two = run(&b, seed, pool, dx[1]);
        CHECK(memcmp(&one, &two, sizeof one) == 0);
        CHECK_BYTES(dx[0], dx[1], ts_shape_count(a.in) * sizeof(float));
        CHECK_BYTES(a.grads, b.grads, ts_params_floats(a.params) * sizeof(float));
        net_free(&a);
        net_free(&b);
    }
    ts_pool_free(pool);
}

/* Samples of the table once more, each with one thread and with three. */
static void test_threads_for_every_op(void) {
    ts_pool *pool = ts_pool_new(3);
    for (int op = TS_OP_INPUT + 1; op < TS_OP_COUNT; op++) {
        for (int i = 0; i < sample_count((ts_op)op); i++) {
            ts_sample a = sample_new((ts_op)op, i, 1), b = sample_new((ts_op)op, i, 3);
            test_row("%s %d", ts_op_row_of((ts_op)op)->name, i);
            ts_graph_seed(a.graph, a.y, 1); /* a loss runs when it counts */
            ts_graph_seed(b.graph, b.y, 1);
            sample_forward(&a, NULL);
            sample_forward(&b, pool);
            CHECK_BYTES(ts_graph_data(a.graph, a.y), ts_graph_data(b.graph, b.y),
                        ts_shape_count(ts_graph_shape(a.graph, a.y)) * sizeof(float));
            sample_free(&a);
            sample_free(&b);
        }
    }
    ts_pool_free(pool);
}

/* A chain of n equal tensors needs two of them at a time in inference; so does a residual chain, whose sums are made
 * where the addend lies. */
static void test_inference_peak(void) {
    for (int residual = 0; residual < 2; residual++) {
        net m = {.in = {1, 32, 32, 16}};
        int used = 0, b, w;
        CHECK_INT(ts_params_new(&m.params, NULL), TESS_OK);
        m.values = calloc(64 * 1024, sizeof *m.values);
        CHECK_INT(ts_weights_new(m.params, m.values, NULL, &m.weights, NULL), TESS_OK);
        CHECK_INT(ts_graph_new(TS_GRAPH_INFERENCE, &m.graph, NULL), TESS_OK);
        ts_tensor x = ts_graph_input(m.graph, m.in, false);
        for (int i = 0; i < 8; i++) {
            w = conv_param(m.params, &used, 16, 16, 3, &b);
            ts_tensor y = ts_graph_conv2d(m.graph, residual ? ts_graph_silu(m.graph, x) : x, m.weights, w, b, 1, 1);
            x = residual ? ts_graph_add(m.graph, x, y) : ts_graph_silu(m.graph, y);
        }
        ts_graph_output(m.graph, x);
        CHECK_INT(ts_graph_plan(m.graph, 1, NULL), TESS_OK);
        size_t work = 0; /* of the convolution, on top */
        for (int i = 0; i < m.graph->count; i++) {
            int s = m.graph->nodes[i].work[0];
            if (s >= 0 && m.graph->storages[s].floats > work) work = m.graph->storages[s].floats;
        }
        test_row(residual ? "residual" : "plain");
        CHECK_INT(ts_graph_bytes(m.graph), (2u * ts_shape_count(m.in) + work) * sizeof(float));
        net_free(&m);
    }
}

static void test_errors(void) {
    ts_graph *g = NULL;
    ts_error err = {{0}};
    CHECK_INT(ts_graph_new(TS_GRAPH_INFERENCE, &g, NULL), TESS_OK);
    ts_tensor a = ts_graph_input(g, (ts_shape){1, 4, 4, 3}, false),
              b = ts_graph_input(g, (ts_shape){1, 4, 5, 3}, false);
    ts_tensor c = ts_graph_add(g, a, b);
    CHECK_INT(c, TS_NONE);
    CHECK_INT(ts_graph_silu(g, c), TS_NONE);
    CHECK_INT(ts_graph_plan(g, 1, &err), TESS_ERR_INPUT);
    CHECK_TEXT(err.text, "add needs equal shapes, not 1x4x4x3 and 1x4x5x3.");
    ts_graph_free(g);
    CHECK_INT(ts_graph_new(TS_GRAPH_INFERENCE, &g, NULL), TESS_OK);
    a = ts_graph_input(g, (ts_shape){1 << 20, 1 << 20, 1 << 10, 64}, false);
    CHECK_INT(a, TS_NONE);
    CHECK_INT(ts_graph_plan(g, 1, &err), TESS_ERR_TOO_LARGE);
    CHECK_INT(ts_graph_alloc(g, &err), TESS_ERR_STATE);
    ts_graph_free(g);
}

int main(void) {
    RUN(test_reuse_changes_nothing);
    RUN(test_random_gradients);
    RUN(test_threads_change_nothing);
    RUN(test_threads_for_every_op);
    RUN(test_inference_peak);
    RUN(test_errors);
    return test_end();
}
