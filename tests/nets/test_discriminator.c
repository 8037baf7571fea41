/* The PatchGAN discriminator: names and shapes against taming-transformers' NLayerDiscriminator, its grid of logits and
 * what a logit sees, its start values, the gradient of the whole net and its tangent. */
#include "test.h"

#include <stdlib.h>

#include "nets/discriminator.h"

typedef struct net {
    ts_params *params;
    float *values, *grads;
    ts_weights *weights;
} net;

static net net_new(const ts_discriminator_config *c) {
    net n = {0};
    ts_rng rng = ts_rng_new(7, 7);
    CHECK_INT(ts_params_new(&n.params, NULL), TESS_OK);
    CHECK_INT(ts_discriminator_params(c, n.params, NULL), TESS_OK);
    n.values = calloc(ts_params_floats(n.params), sizeof *n.values);
    n.grads = calloc(ts_params_floats(n.params), sizeof *n.grads);
    ts_discriminator_init(c, n.params, n.values, &rng);
    CHECK_INT(ts_weights_new(n.params, n.values, n.grads, &n.weights, NULL), TESS_OK);
    return n;
}

static void net_free(net *n) {
    ts_weights_free(n->weights);
    ts_params_free(n->params);
    free(n->values);
    free(n->grads);
}

static const ts_param *entry(const net *n, const char *name) {
    int index = ts_params_find(n->params, name);
    return CHECK(index >= 0) ? ts_params_at(n->params, index) : NULL;
}

static size_t weight_count(const net *n) {
    size_t count = 0;
    for (int i = 0; i < ts_params_count(n->params); i++) count += ts_params_at(n->params, i)->count;
    return count;
}

/* Convs of 16 taps with a bias, norms of two floats a channel. */
static size_t expected(const ts_discriminator_config *c) {
    size_t in = 3, count = 0;
    for (int i = 0; i <= c->layers; i++) {
        size_t out = (size_t)c->width * (i < 3 ? (size_t)1 << i : 8);
        count += 16 * in * out + out + (i > 0 && c->groups > 0 ? 2 * out : 0);
        in = out;
    }
    return (size_t)c->scales * (count + 16 * in + 1);
}

static void test_parameters(void) {
    static const ts_discriminator_config rows[] = {{2, 8, 0, 1}, {3, 32, 8, 1}, {3, 64, 32, 1}, {4, 16, 4, 3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_row("layers %d width %d", rows[i].layers, rows[i].width);
        net n = net_new(&rows[i]);
        CHECK_INT(weight_count(&n), expected(&rows[i]));
        net_free(&n);
    }
    /* taming's 2.77 M: 64 wide, 3 layers; there the normed convs (128 + 256 + 512 channels) have no bias. */
    net n = net_new(&rows[2]);
    CHECK_INT(weight_count(&n), 2765633 + 128 + 256 + 512);
    const ts_param *p = entry(&n, "discriminator.0.0.weight");
    if (p) CHECK(p->dims[0] == 64 && p->dims[1] == 3 && p->dims[2] == 4 && p->dims[3] == 4);
    p = entry(&n, "discriminator.0.5.weight"); /* 0 conv 1 act 2 conv 3 norm 4 act 5 conv 6 norm 7 act 8 conv 9 norm */
    if (p) CHECK(p->dims[0] == 256 && p->dims[1] == 128);
    p = entry(&n, "discriminator.0.9.bias");
    if (p) CHECK(p->count == 512);
    p = entry(&n, "discriminator.0.11.weight");
    if (p) CHECK(p->dims[0] == 1 && p->dims[1] == 512);
    CHECK_INT(ts_params_find(n.params, "discriminator.0.1.weight"), -1);
    net_free(&n);
}

/* Normal weights of deviation .02, zero biases, norms of 1 and 0; the same from the same generator. */
static void test_start(void) {
    ts_discriminator_config c = {3, 32, 8, 2};
    net n = net_new(&c), again = net_new(&c);
    CHECK_BYTES(n.values, again.values, ts_params_floats(n.params) * sizeof(float));
    for (int i = 0; i < ts_params_count(n.params); i++) {
        const ts_param *p = ts_params_at(n.params, i);
        const float *v = n.values + p->offset;
        double sum = 0, squares = 0, count = (double)p->count;
        test_row("%s", p->name);
        for (size_t k = 0; k < p->count; k++) sum += v[k], squares += (double)v[k] * v[k];
        if (p->layout == TS_PARAM_CONV) {
            CHECK_NEAR(sum / count, 0, 5 * 0.02 / sqrt(count));
            CHECK_NEAR(sqrt(squares / count), 0.02, 5 * 0.02 / sqrt(2 * count));
        } else {
            bool bias = strstr(p->name, "bias") != NULL;
            CHECK_NEAR(sum, bias ? 0 : count, 0);
            CHECK_NEAR(squares, bias ? 0 : count, 0);
        }
    }
    net_free(&n);
    net_free(&again);
}

typedef struct run {
    ts_graph *graph;
    ts_tensor x;
    ts_discriminator d;
} run;

static run run_new(const net *n, const ts_discriminator_config *c, int batch, int h, int w) {
    run r = {0};
    CHECK_INT(ts_graph_new(TS_GRAPH_TRAINING, &r.graph, NULL), TESS_OK);
    r.x = ts_graph_input(r.graph, (ts_shape){batch, h, w, 3}, true);
    r.d = ts_discriminator_build(r.graph, c, n->weights, r.x, TS_NONE);
    for (int s = 0; s < r.d.scales; s++) {
        ts_graph_start(r.graph, r.d.logits[s]);
        for (int k = 0; k < r.d.features; k++) ts_graph_start(r.graph, r.d.feature[s][k]);
    }
    CHECK_INT(ts_graph_plan(r.graph, 1, NULL), TESS_OK);
    CHECK_INT(ts_graph_alloc(r.graph, NULL), TESS_OK);
    return r;
}

static void run_forward(run *r, const float *x) {
    memcpy(ts_graph_data(r->graph, r->x), x, ts_shape_count(ts_graph_shape(r->graph, r->x)) * sizeof *x);
    ts_graph_forward(r->graph, NULL);
}

/* A picture of 256 gives 30 x 30 logits; the smallest side gives one at the coarsest scale, one less is refused. */
static void test_shapes(void) {
    ts_discriminator_config c = {3, 8, 0, 1};
    net n = net_new(&c);
    run r = run_new(&n, &c, 1, 256, 256);
    ts_shape s = ts_graph_shape(r.graph, r.d.logits[0]);
    CHECK(s.h == 30 && s.w == 30 && s.c == 1);
    CHECK_INT(r.d.features, 4);
    for (int k = 0; k < 4; k++) {
        s = ts_graph_shape(r.graph, r.d.feature[0][k]);
        CHECK_INT(s.c, 8 << k);
        CHECK_INT(s.h, k < 3 ? 128 >> k : 31);
    }
    ts_graph_free(r.graph);
    net_free(&n);
    for (c.layers = 2; c.layers <= 4; c.layers++) {
        for (c.scales = 1; c.scales <= TS_DISCRIMINATOR_SCALES; c.scales++) {
            int least = ts_discriminator_least(&c);
            test_row("layers %d scales %d least %d", c.layers, c.scales, least);
            n = net_new(&c);
            r = run_new(&n, &c, 1, least, least + 1);
            s = ts_graph_shape(r.graph, r.d.logits[c.scales - 1]);
            CHECK(s.h == 1 && s.w == 1);
            ts_graph_free(r.graph);
            CHECK_INT(ts_graph_new(TS_GRAPH_TRAINING, &r.graph, NULL), TESS_OK);
            r.x = ts_graph_input(r.graph, (ts_shape){1, least - 1, least, 3}, true);
            ts_discriminator_build(r.graph, &c, n.weights, r.x, TS_NONE);
            CHECK(ts_graph_plan(r.graph, 1, NULL) < 0);
            ts_graph_free(r.graph);
            net_free(&n);
        }
    }
}

static void fill(float *x, size_t n, uint64_t seed) {
    ts_rng rng = ts_rng_new(seed, 1);
    ts_rng_fill_normal(&rng, x, n, 0.5f);
}

/* Without norms a logit sees 70 x 70 pixels (the paper's 70 x 70 PatchGAN): logit (15, 15) of a 256 picture starts at
 * pixel 8 * 15 - 23 = 97 and ends at 166. Strongest at the centre, so the pixels just inside are what is tested. */
static void test_field(void) {
    ts_discriminator_config c = {3, 8, 0, 1};
    net n = net_new(&c);
    size_t floats = (size_t)256 * 256 * 3;
    float *x = malloc(floats * sizeof *x);
    run r = run_new(&n, &c, 1, 256, 256);
    fill(x, floats, 3);
    run_forward(&r, x);
    for (int k = 0; k < r.d.features; k++) {
        ts_tensor f = r.d.feature[0][k];
        memset(ts_graph_grad_data(r.graph, f), 0, ts_shape_count(ts_graph_shape(r.graph, f)) * sizeof(float));
    }
    float *dt = ts_graph_grad_data(r.graph, r.d.logits[0]), row[256] = {0}, column[256] = {0};
    memset(dt, 0, 900 * sizeof *dt);
    dt[15 * 30 + 15] = 1;
    ts_graph_backward(r.graph, NULL);
    const float *dx = ts_graph_grad_data(r.graph, r.x);
    for (size_t i = 0; i < floats; i++) {
        row[i / 768] += fabsf(dx[i]);
        column[i / 3 % 256] += fabsf(dx[i]);
    }
    for (int i = 0; i < 256; i++) {
        CHECK((row[i] > 0) == (i >= 97 && i <= 166));
        CHECK((column[i] > 0) == (i >= 97 && i <= 166));
    }
    free(x);
    ts_graph_free(r.graph);
    net_free(&n);
}

/* f = sum of given weights times logits and features, over two scales with norms. */
static double objective(run *r, const float *x, float *const *dy) {
    double sum = 0;
    run_forward(r, x);
    for (int s = 0, at = 0; s < r->d.scales; s++) {
        for (int k = 0; k <= r->d.features; k++, at++) {
            ts_tensor t = k < r->d.features ? r->d.feature[s][k] : r->d.logits[s];
            const float *y = ts_graph_data(r->graph, t);
            for (size_t i = 0; i < ts_shape_count(ts_graph_shape(r->graph, t)); i++) sum += (double)y[i] * dy[at][i];
        }
    }
    return sum;
}

/* Along random directions of picture and weights the change is what the gradients say. */
static void test_gradient(void) {
    ts_discriminator_config c = {2, 8, 4, 2};
    net n = net_new(&c);
    enum { SIDE = 32, FLOATS = 2 * SIDE * SIDE * 3 };
    size_t floats = ts_params_floats(n.params), at = 0;
    float *x = malloc(FLOATS * sizeof *x), *moved = malloc(FLOATS * sizeof *x), *way = malloc(FLOATS * sizeof *x),
          *values = malloc(floats * sizeof *values), *turn = calloc(floats, sizeof *turn),
          *dy[TS_DISCRIMINATOR_SCALES * (TS_DISCRIMINATOR_FEATURES + 1)];
    run r = run_new(&n, &c, 2, SIDE, SIDE);
    fill(n.values, floats, 9); /* larger than at the start: every layer counts */
    for (size_t i = 0; i < floats; i++) n.values[i] *= 0.4f;
    memcpy(values, n.values, floats * sizeof *values);
    ts_weights_changed(n.weights);
    fill(x, FLOATS, 4);
    run_forward(&r, x);
    for (int s = 0; s < r.d.scales; s++) {
        for (int k = 0; k <= r.d.features; k++, at++) {
            ts_tensor t = k < r.d.features ? r.d.feature[s][k] : r.d.logits[s];
            size_t count = ts_shape_count(ts_graph_shape(r.graph, t));
            dy[at] = malloc(count * sizeof **dy);
            fill(dy[at], count, 20 + at);
            memcpy(ts_graph_grad_data(r.graph, t), dy[at], count * sizeof **dy);
        }
    }
    ts_graph_backward(r.graph, NULL);
    double along_x = 0, along_w = 0, up, down;
    const float h = 2e-4f, *dx = ts_graph_grad_data(r.graph, r.x);
    for (int i = 0; i < FLOATS; i++) way[i] = dx[i] > 0 ? 1 : -1, along_x += fabs((double)dx[i]);
    for (int i = 0; i < FLOATS; i++) moved[i] = x[i] + h * way[i];
    up = objective(&r, moved, dy);
    for (int i = 0; i < FLOATS; i++) moved[i] = x[i] - h * way[i];
    down = objective(&r, moved, dy);
    CHECK_NEAR((up - down) / (2 * (double)h), along_x, 0.01 * along_x);
    for (int p = 0; p < ts_params_count(n.params); p++) {
        const ts_param *e = ts_params_at(n.params, p);
        for (size_t i = e->offset; i < e->offset + e->count; i++) {
            turn[i] = n.grads[i] > 0 ? 1 : -1;
            along_w += fabs((double)n.grads[i]);
        }
    }
    double ends[2];
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < floats; i++) n.values[i] = values[i] + (k ? -1e-4f : 1e-4f) * turn[i];
        ts_weights_changed(n.weights);
        ends[k] = objective(&r, x, dy);
    }
    CHECK_NEAR((ends[0] - ends[1]) / 2e-4, along_w, 0.01 * along_w);
    for (size_t i = 0; i < at; i++) free(dy[i]);
    free(x);
    free(moved);
    free(way);
    free(values);
    free(turn);
    ts_graph_free(r.graph);
    net_free(&n);
}

/* The tangent J t against backward's J^T dy, of every scale: sum dy (J t) = sum (J^T dy) t. */
static void test_tangent(void) {
    ts_discriminator_config c = {2, 8, 4, 2};
    enum { SIDE = 32, FLOATS = 2 * SIDE * SIDE * 3 };
    net n = net_new(&c);
    run r = run_new(&n, &c, 2, SIDE, SIDE);
    ts_graph *g = NULL;
    float *x = malloc(FLOATS * sizeof *x), *t = malloc(FLOATS * sizeof *t);
    CHECK_INT(ts_graph_new(TS_GRAPH_TRAINING, &g, NULL), TESS_OK);
    const ts_shape shape = {2, SIDE, SIDE, 3};
    const ts_tensor at = ts_graph_input(g, shape, false), along = ts_graph_input(g, shape, false);
    const ts_discriminator d = ts_discriminator_build(g, &c, n.weights, at, along);
    for (int s = 0; s < d.scales; s++) ts_graph_start(g, d.tangent[s]);
    CHECK_INT(ts_graph_plan(g, 1, NULL), TESS_OK);
    CHECK_INT(ts_graph_alloc(g, NULL), TESS_OK);
    for (size_t i = 0; i < ts_params_floats(n.params); i++) n.values[i] *= 4;
    ts_weights_changed(n.weights);
    fill(x, FLOATS, 5);
    fill(t, FLOATS, 6);
    memcpy(ts_graph_data(g, at), x, FLOATS * sizeof *x);
    memcpy(ts_graph_data(g, along), t, FLOATS * sizeof *t);
    ts_graph_forward(g, NULL);
    for (int s = 0; s < d.scales; s++) {
        const size_t count = ts_shape_count(ts_graph_shape(g, d.tangent[s]));
        double by_tangent = 0, by_gradient = 0;
        run_forward(&r, x);
        for (int q = 0; q < r.d.scales; q++) {
            for (int k = 0; k <= r.d.features; k++) {
                const ts_tensor y = k < r.d.features ? r.d.feature[q][k] : r.d.logits[q];
                float *dy = ts_graph_grad_data(r.graph, y);
                memset(dy, 0, ts_shape_count(ts_graph_shape(r.graph, y)) * sizeof *dy);
                if (q == s && k == r.d.features) fill(dy, count, 7);
            }
        }
        const float *dy = ts_graph_grad_data(r.graph, r.d.logits[s]), *tangent = ts_graph_data(g, d.tangent[s]);
        for (size_t i = 0; i < count; i++) by_tangent += (double)dy[i] * (double)tangent[i];
        ts_graph_backward(r.graph, NULL);
        const float *dx = ts_graph_grad_data(r.graph, r.x);
        for (int i = 0; i < FLOATS; i++) by_gradient += (double)dx[i] * (double)t[i];
        CHECK(fabs(by_gradient) > 1e-3);
        CHECK_NEAR(by_tangent, by_gradient, 1e-4 * fabs(by_gradient));
    }
    free(x);
    free(t);
    ts_graph_free(g);
    ts_graph_free(r.graph);
    net_free(&n);
}

int main(void) {
    RUN(test_parameters);
    RUN(test_start);
    RUN(test_shapes);
    RUN(test_field);
    RUN(test_gradient);
    RUN(test_tangent);
    return test_end();
}
