/* Every layer of the config alone against the PyTorch twin: forward, the gradient to its input and to each parameter
 * (tests/fixtures/twin/README.md). */
#include "test.h"

#include <stdlib.h>

#include "base/json.h"
#include "nets/autoencoder.h"
#include "nets/layers.h"
#include "twin.h"

enum { H = 4, W = 8 }; /* of every x */

/* One layer as an encoder, so that its parameters are "encoder.0...", and its case in the file. */
typedef struct layer_case {
    const twin_file *file;
    char name[64];
    ts_config config;
    ts_params *params;
    float *values, *grads;
} layer_case;

/* "encoder.0.conv1.weight" -> "NAME." MARK "conv1.weight" */
static float *case_tensor(const layer_case *c, const char *mark, const char *param, size_t *count) {
    char name[128];
    snprintf(name, sizeof name, "%s.%s%s", c->name, mark, param);
    return twin_floats(c->file, "", name, count);
}

static void check_error(const layer_case *c, const char *what, const float *got, const float *want, size_t n) {
    double error = twin_error(got, want, n);
    test_check(error <= 1e-4, __FILE__, __LINE__, "%s.%s off by %.2g", c->name, what, error);
}

static void fill_params(layer_case *c) {
    for (int i = 0; i < ts_params_count(c->params); i++) {
        const ts_param *p = ts_params_at(c->params, i);
        size_t n = 0;
        float *values = case_tensor(c, "", p->name + strlen("encoder.0."), &n);
        if (CHECK(values && n == p->count)) ts_param_read(p, c->values, values);
        free(values);
    }
}

static void check_params(const layer_case *c) {
    for (int i = 0; i < ts_params_count(c->params); i++) {
        const ts_param *p = ts_params_at(c->params, i);
        const char *name = p->name + strlen("encoder.0.");
        size_t n = 0;
        float *want = case_tensor(c, "d", name, &n), *got = malloc((p->count + 1) * sizeof *got);
        ts_param_write(p, c->grads, got);
        bool rounding = strcmp(name, "k.bias") == 0; /* softmax does not see it: its gradient is 0 */
        if (CHECK(want && n == p->count) && !rounding) check_error(c, name, got, want, n);
        for (size_t k = 0; k < p->count && rounding; k++) CHECK_NEAR(got[k], 0, 1e-6);
        free(want);
        free(got);
    }
}

/* The case's tensor as NHWC against floats of the graph. */
static void check_tensor(const layer_case *c, const char *what, const float *got, ts_shape s) {
    size_t n = 0;
    float *want = case_tensor(c, "", what, &n);
    if (!CHECK(want && n == ts_shape_count(s))) return;
    float *nhwc = twin_nhwc(want, s.n, s.c, s.h, s.w);
    check_error(c, what, got, nhwc, n);
    free(nhwc);
    free(want);
}

static void load_tensor(const layer_case *c, const char *what, float *to, ts_shape s) {
    size_t n = 0;
    float *from = case_tensor(c, "", what, &n);
    if (!CHECK(from && to && n == ts_shape_count(s))) return;
    float *nhwc = twin_nhwc(from, s.n, s.c, s.h, s.w);
    memcpy(to, nhwc, n * sizeof *to);
    free(nhwc);
    free(from);
}

static void run_graph(layer_case *c, int channels) {
    ts_graph *g = NULL;
    ts_weights *weights = NULL;
    ts_error err = {{0}};
    CHECK_INT(ts_weights_new(c->params, c->values, c->grads, &weights, NULL), TESS_OK);
    CHECK_INT(ts_graph_new(TS_GRAPH_TRAINING, &g, NULL), TESS_OK);
    ts_tensor x = ts_graph_input(g, (ts_shape){1, H, W, channels}, true);
    ts_tensor y = ts_autoencoder_encoder(g, &c->config, weights, x);
    ts_graph_start(g, y);
    if (CHECK(ts_graph_plan(g, 1, &err) == TESS_OK && ts_graph_alloc(g, &err) == TESS_OK)) {
        load_tensor(c, "x", ts_graph_data(g, x), ts_graph_shape(g, x));
        ts_graph_forward(g, NULL);
        check_tensor(c, "y", ts_graph_data(g, y), ts_graph_shape(g, y));
        load_tensor(c, "dy", ts_graph_grad_data(g, y), ts_graph_shape(g, y));
        ts_graph_backward(g, NULL);
        check_tensor(c, "dx", ts_graph_grad_data(g, x), ts_graph_shape(g, x));
        check_params(c);
    } else {
        printf("%s\n", err.text);
    }
    ts_graph_free(g);
    ts_weights_free(weights);
}

static void run_case(const twin_file *f, const ts_json *doc, int item, const char *name) {
    layer_case c = {.file = f};
    ts_error err = {{0}};
    int channels = 0;
    snprintf(c.name, sizeof c.name, "%s", name);
    test_row("%s", name);
    ts_json_int(doc, ts_json_get(doc, item, "channels"), 1, 4096, &channels);
    tess_status status = ts_layers_parse(doc, ts_json_get(doc, item, "layers"), name, channels, c.config.encoder,
                                         &c.config.encoder_count, &err);
    if (!CHECK_INT(status, TESS_OK)) {
        printf("%s\n", err.text);
        return;
    }
    CHECK_INT(ts_params_new(&c.params, NULL), TESS_OK);
    CHECK_INT(ts_autoencoder_params(&c.config, c.params, NULL), TESS_OK);
    c.values = calloc(ts_params_floats(c.params) + 1, sizeof *c.values);
    c.grads = calloc(ts_params_floats(c.params) + 1, sizeof *c.grads);
    fill_params(&c);
    run_graph(&c, channels);
    ts_params_free(c.params);
    free(c.values);
    free(c.grads);
}

static void test_layers(void) {
    twin_file f = twin_open("ops");
    ts_json doc;
    int cases = 0;
    if (!CHECK(f.bytes)) return;
    const char *text = ts_safetensors_metadata(f.file, "ops");
    if (CHECK(text && ts_json_parse(&doc, text, strlen(text), NULL) == TESS_OK)) {
        for (int it = ts_json_first(&doc, 0); it != TS_JSON_NONE; it = ts_json_next(&doc, 0, it), cases++) {
            char name[64];
            CHECK(ts_json_string(&doc, it, name, sizeof name));
            run_case(&f, &doc, ts_json_value(&doc, it), name);
        }
        ts_json_free(&doc);
    }
    CHECK_INT(cases, 31);
    twin_close(&f);
}

int main(void) {
    RUN(test_layers);
    return test_end();
}
