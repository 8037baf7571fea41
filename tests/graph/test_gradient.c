/* The gradient of every op of the table against central differences, and the contract of backward: gradients of inputs
 * are overwritten, gradients of parameters accumulate. A row of the table without samples fails. */
#include "test.h"

#include <stdlib.h>

#include "base/rng.h"
#include "samples.h"

/* f = sum dy y (or the loss itself), in double. */
static double value(ts_sample *s, const float *dy) {
    size_t n = ts_shape_count(ts_graph_shape(s->graph, s->y));
    const float *y = ts_graph_data(s->graph, s->y);
    double sum = 0;
    sample_forward(s, NULL);
    for (size_t i = 0; i < n; i++) sum += (double)y[i] * (dy ? dy[i] : 1);
    return sum;
}

/* Outputs carry a float32 error of about 1e-7 sqrt(terms); a central difference divides it by 2 h = 0.01, and its own
 * truncation is h^2 / 6 f'''. Both stay under 1 % of the largest gradient here; a wrong factor or index does not. */
#define STEP 0.005f
#define TOLERANCE 1e-2

static void compare(ts_sample *s, const float *dy, float *at, const float *grad, size_t n, const char *what) {
    double largest = 1e-3, worst = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)grad[i]));
    for (size_t i = 0; i < n; i++) {
        float was = at[i];
        at[i] = was + STEP;
        double up = value(s, dy);
        at[i] = was - STEP;
        double down = value(s, dy);
        at[i] = was;
        worst = fmax(worst, fabs((up - down) / (2 * (double)STEP) - (double)grad[i]));
    }
    test_check(worst <= TOLERANCE * largest, __FILE__, __LINE__, "%s: off by %.3g of %.3g", what, worst, largest);
}

static void run_backward(ts_sample *s, const float *dy, bool loss) {
    size_t n = ts_shape_count(ts_graph_shape(s->graph, s->y));
    if (loss) ts_graph_seed(s->graph, s->y, 1);
    sample_forward(s, NULL);
    if (!loss) memcpy(ts_graph_grad_data(s->graph, s->y), dy, n * sizeof *dy);
    ts_graph_backward(s->graph, NULL);
}

static void fill_nan(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = NAN;
}

static void check_sample(ts_op op, int i) {
    const ts_op_row *row = ts_op_row_of(op);
    bool loss = (row->flags & TS_LOSS) != 0;
    ts_sample s = sample_new(op, i, 1);
    size_t ny = ts_shape_count(ts_graph_shape(s.graph, s.y)), nw = ts_params_floats(s.params);
    float *dy = loss ? NULL : malloc(ny * sizeof *dy), *once = malloc((nw + 1) * sizeof *once);
    ts_rng rng = ts_rng_new(5, op);
    if (dy) ts_rng_fill_normal(&rng, dy, ny, 1);
    for (int k = 0; k < SAMPLE_INPUTS; k++) { /* whatever lay there before must not matter */
        float *dx = s.x[k] == TS_NONE ? NULL : ts_graph_grad_data(s.graph, s.x[k]);
        if (dx) fill_nan(dx, ts_shape_count(ts_graph_shape(s.graph, s.x[k])));
    }
    run_backward(&s, dy, loss);
    memcpy(once, s.grads, nw * sizeof *once);
    float *dx[SAMPLE_INPUTS] = {NULL}; /* kept aside: forward reuses the memory */
    for (int k = 0; k < SAMPLE_INPUTS; k++) {
        if (s.x[k] == TS_NONE || !ts_node_gives(&s.graph->nodes[s.y], k)) continue;
        size_t n = ts_shape_count(ts_graph_shape(s.graph, s.x[k]));
        dx[k] = malloc(n * sizeof **dx);
        memcpy(dx[k], ts_graph_grad_data(s.graph, s.x[k]), n * sizeof **dx);
    }
    for (int k = 0; k < SAMPLE_INPUTS; k++) {
        if (dx[k])
            compare(&s, dy, s.in[k], dx[k], ts_shape_count(ts_graph_shape(s.graph, s.x[k])),
                    (const char *[]){"dx0", "dx1", "dx2"}[k]);
        free(dx[k]);
    }
    for (int p = 0; p < ts_params_count(s.params) && !ts_weights_frozen(s.weights); p++) {
        const ts_param *param = ts_params_at(s.params, p);
        compare(&s, dy, s.values + param->offset, once + param->offset, param->count, param->name);
    }
    run_backward(&s, dy, loss); /* on top of the first: exactly twice, as both chains round alike or double exactly */
    for (size_t k = 0; k < nw; k++) CHECK_NEAR(s.grads[k], 2 * once[k], 1e-5 * fmax(1, fabs((double)once[k])));
    free(dy);
    free(once);
    sample_free(&s);
}

static void test_every_op(void) {
    for (int op = TS_OP_INPUT + 1; op < TS_OP_COUNT; op++) {
        int n = sample_count((ts_op)op);
        test_row("%s", ts_op_row_of((ts_op)op)->name);
        CHECK(n > 0);
        for (int i = 0; i < n; i++) {
            test_row("%s %d", ts_op_row_of((ts_op)op)->name, i);
            check_sample((ts_op)op, i);
        }
    }
}

/* A tensor read three times, by itself and by others: its gradients are joined. y = x x + silu(x) + x. */
static void test_fan_out(void) {
    ts_graph *g = NULL;
    if (!CHECK(ts_graph_new(TS_GRAPH_TRAINING, &g, NULL) == TESS_OK)) return;
    ts_tensor x = ts_graph_input(g, (ts_shape){1, 1, 1, 4}, true);
    ts_tensor y = ts_graph_add(g, ts_graph_add(g, ts_graph_mul(g, x, x), ts_graph_silu(g, x)), x);
    ts_graph_start(g, y);
    CHECK_INT(ts_graph_plan(g, 1, NULL), TESS_OK);
    CHECK_INT(ts_graph_alloc(g, NULL), TESS_OK);
    const float values[4] = {-1.5f, 0, 0.5f, 2};
    memcpy(ts_graph_data(g, x), values, sizeof values);
    ts_graph_forward(g, NULL);
    for (int i = 0; i < 4; i++) ts_graph_grad_data(g, y)[i] = 1;
    ts_graph_backward(g, NULL);
    for (int i = 0; i < 4; i++) {
        double v = values[i], sigmoid = 1 / (1 + exp(-v));
        CHECK_NEAR(ts_graph_grad_data(g, x)[i], 2 * v + sigmoid * (1 + v * (1 - sigmoid)) + 1, 1e-5);
    }
    ts_graph_free(g);
}

/* conv, norm, tanh, conv with random weights, its gradients to be read in `grads` and at x. */
typedef struct stack {
    ts_params *params;
    float *values, *grads;
    ts_weights *weights;
    ts_graph *graph;
    ts_tensor x, y;
} stack;

static stack stack_new(bool keep) {
    stack s = {0};
    ts_rng rng = ts_rng_new(4, 4);
    const int two = 2, four = 4;
    CHECK_INT(ts_params_new(&s.params, NULL), TESS_OK);
    CHECK_INT(ts_params_add(s.params, "a", TS_PARAM_CONV, 4, (int[]){4, 2, 3, 3}, NULL), TESS_OK);
    CHECK_INT(ts_params_add(s.params, "gamma", TS_PARAM_PLAIN, 1, &four, NULL), TESS_OK);
    CHECK_INT(ts_params_add(s.params, "beta", TS_PARAM_PLAIN, 1, &four, NULL), TESS_OK);
    CHECK_INT(ts_params_add(s.params, "b", TS_PARAM_CONV, 4, (int[]){2, 4, 3, 3}, NULL), TESS_OK);
    CHECK_INT(ts_params_add(s.params, "c", TS_PARAM_PLAIN, 1, &two, NULL), TESS_OK);
    const size_t n = ts_params_floats(s.params);
    s.values = calloc(n, sizeof *s.values);
    s.grads = calloc(n, sizeof *s.grads);
    for (int i = 0; i < ts_params_count(s.params); i++)
        ts_rng_fill_normal(&rng, s.values + ts_params_at(s.params, i)->offset, ts_params_at(s.params, i)->count, 0.5f);
    CHECK_INT(ts_weights_new(s.params, s.values, s.grads, &s.weights, NULL), TESS_OK);
    CHECK_INT(ts_graph_new(TS_GRAPH_TRAINING, &s.graph, NULL), TESS_OK);
    ts_graph *g = s.graph;
    s.x = ts_graph_input(g, (ts_shape){2, 5, 6, 2}, true);
    ts_tensor h = ts_graph_conv2d(g, s.x, s.weights, 0, -1, 1, 1);
    h = ts_graph_tanh(g, ts_graph_group_norm(g, h, s.weights, 1, 2, 2, 1e-5f));
    s.y = ts_graph_conv2d(g, h, s.weights, 3, 4, 1, 1);
    ts_graph_start(g, s.y);
    if (keep) ts_graph_keep(g);
    CHECK_INT(ts_graph_plan(g, 1, NULL), TESS_OK);
    CHECK_INT(ts_graph_alloc(g, NULL), TESS_OK);
    return s;
}

static void stack_free(stack *s) {
    ts_graph_free(s->graph);
    ts_weights_free(s->weights);
    ts_params_free(s->params);
    free(s->values);
    free(s->grads);
}

static void stack_forward(stack *s) {
    ts_rng rng = ts_rng_new(6, 6);
    ts_rng_fill_normal(&rng, ts_graph_data(s->graph, s->x), 2 * 5 * 6 * 2, 1);
    ts_graph_forward(s->graph, NULL);
}

static void stack_start(stack *s, uint64_t seed) {
    ts_rng rng = ts_rng_new(seed, 1);
    ts_rng_fill_normal(&rng, ts_graph_grad_data(s->graph, s->y), 2 * 5 * 6 * 2, 1);
    memset(s->grads, 0, ts_params_floats(s->params) * sizeof *s->grads);
}

/* A kept graph's backward, for one kind of gradients at a time and again with other starts, gives the bits of a forward
 * and a whole backward. */
static void test_backward_in_parts(void) {
    stack a = stack_new(false), b = stack_new(true);
    const size_t n = ts_params_floats(a.params) * sizeof(float), nx = 2 * 5 * 6 * 2 * sizeof(float);
    float *none = calloc(1, n);
    stack_forward(&b);
    for (uint64_t seed = 1; seed < 4; seed++) {
        stack_forward(&a);
        stack_start(&a, seed);
        ts_graph_backward(a.graph, NULL);
        stack_start(&b, seed);
        ts_graph_backward_to(b.graph, TS_GRADIENTS_WEIGHTS, NULL);
        CHECK_BYTES(b.grads, a.grads, n);
        stack_start(&b, seed);
        ts_graph_backward_to(b.graph, TS_GRADIENTS_INPUTS, NULL);
        CHECK_BYTES(b.grads, none, n);
        CHECK_BYTES(ts_graph_grad_data(b.graph, b.x), ts_graph_grad_data(a.graph, a.x), nx);
    }
    free(none);
    stack_free(&a);
    stack_free(&b);
}

/* One tensor as all three inputs of a node: its gradient is the sum of what three tensors of its values get. */
static void test_same_input(void) {
    enum { COUNT = 2 * 3 * 4 };
    float dx[3][COUNT], sum[COUNT] = {0}, values[COUNT];
    ts_rng rng = ts_rng_new(9, 1);
    ts_rng_fill_normal(&rng, values, COUNT, 1);
    for (int apart = 1; apart >= 0; apart--) {
        ts_graph *g = NULL;
        ts_tensor x[3];
        if (!CHECK(ts_graph_new(TS_GRAPH_TRAINING, &g, NULL) == TESS_OK)) return;
        for (int k = 0; k < 3; k++) x[k] = k && !apart ? x[0] : ts_graph_input(g, (ts_shape){1, 2, 3, 4}, true);
        ts_tensor y = ts_graph_attention(g, x[0], x[1], x[2], 2, 0.5f);
        ts_graph_start(g, y);
        CHECK_INT(ts_graph_plan(g, 1, NULL), TESS_OK);
        CHECK_INT(ts_graph_alloc(g, NULL), TESS_OK);
        for (int k = 0; k < 3; k++) memcpy(ts_graph_data(g, x[k]), values, sizeof values);
        ts_graph_forward(g, NULL);
        for (int i = 0; i < COUNT; i++) ts_graph_grad_data(g, y)[i] = values[COUNT - 1 - i];
        ts_graph_backward(g, NULL);
        for (int k = 0; k < (apart ? 3 : 1); k++) memcpy(dx[k], ts_graph_grad_data(g, x[k]), sizeof dx[k]);
        for (int i = 0; i < COUNT && apart; i++) sum[i] = dx[0][i] + dx[1][i] + dx[2][i];
        for (int i = 0; i < COUNT && !apart; i++) CHECK_NEAR(dx[0][i], sum[i], 1e-5);
        ts_graph_free(g);
    }
}

/* Sums whose gradients could share memory but for the order of their readers: y = (tanh(x) + silu(m)) + m, m = silu(x).
 * The gradient of m is added to before that of tanh(x) is read. */
static void test_sums_of_sums(void) {
    ts_graph *g = NULL;
    if (!CHECK(ts_graph_new(TS_GRAPH_TRAINING, &g, NULL) == TESS_OK)) return;
    ts_tensor x = ts_graph_input(g, (ts_shape){1, 1, 1, 4}, true);
    ts_tensor p = ts_graph_tanh(g, x), m = ts_graph_silu(g, x), q = ts_graph_silu(g, m);
    ts_tensor y = ts_graph_add(g, ts_graph_add(g, p, q), m);
    ts_graph_start(g, y);
    CHECK_INT(ts_graph_plan(g, 1, NULL), TESS_OK);
    CHECK_INT(ts_graph_alloc(g, NULL), TESS_OK);
    const float values[4] = {-1.5f, 0, 0.5f, 2};
    memcpy(ts_graph_data(g, x), values, sizeof values);
    ts_graph_forward(g, NULL);
    for (int i = 0; i < 4; i++) ts_graph_grad_data(g, y)[i] = 1;
    ts_graph_backward(g, NULL);
    for (int i = 0; i < 4; i++) {
        double v = values[i], s = 1 / (1 + exp(-v)), w = v * s, u = 1 / (1 + exp(-w)), t = tanh(v);
        double slope = s * (1 + v * (1 - s)), outer = u * (1 + w * (1 - u));
        CHECK_NEAR(ts_graph_grad_data(g, x)[i], 1 - t * t + outer * slope + slope, 1e-5);
    }
    ts_graph_free(g);
}

/* A loss with seed 0 is not run and gives no gradient; others are as if it were not there. */
static void test_switched_off(void) {
    ts_graph *g = NULL;
    if (!CHECK(ts_graph_new(TS_GRAPH_TRAINING, &g, NULL) == TESS_OK)) return;
    ts_tensor x = ts_graph_input(g, (ts_shape){1, 1, 2, 2}, true), t = ts_graph_input(g, (ts_shape){1, 1, 2, 2}, false);
    ts_tensor l2 = ts_graph_l2(g, x, t), l1 = ts_graph_l1(g, ts_graph_scale(g, x, (float[]){3, 3}, (float[]){0, 0}), t);
    CHECK_INT(ts_graph_plan(g, 1, NULL), TESS_OK);
    CHECK_INT(ts_graph_alloc(g, NULL), TESS_OK);
    for (int round = 0; round < 3; round++) {
        float seed = round == 1 ? 2.0f : 0;
        for (int i = 0; i < 4; i++) ts_graph_data(g, x)[i] = (float)i, ts_graph_data(g, t)[i] = -1;
        ts_graph_data(g, l1)[0] = -7;
        ts_graph_seed(g, l2, 1);
        ts_graph_seed(g, l1, seed);
        ts_graph_forward(g, NULL);
        ts_graph_backward(g, NULL);
        CHECK_NEAR(ts_graph_data(g, l2)[0], (1 + 4 + 9 + 16) / 4.0, 1e-6);
        CHECK((ts_graph_data(g, l1)[0] == -7) == (seed == 0));
        for (int i = 0; i < 4; i++)
            CHECK_NEAR(ts_graph_grad_data(g, x)[i], 2.0 * (i + 1) / 4 + (seed > 0 ? seed * 3 / 4 : 0), 1e-6);
    }
    ts_graph_free(g);
}

int main(void) {
    RUN(test_every_op);
    RUN(test_fan_out);
    RUN(test_backward_in_parts);
    RUN(test_same_input);
    RUN(test_sums_of_sums);
    RUN(test_switched_off);
    return test_end();
}
