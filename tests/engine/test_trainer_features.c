/* The feature net of a trainer: LPIPS values and gradients against the twin, and files that do not fit. */
#include "test.h"

#include <stdlib.h>

#include "engine/trainer.h"
#include "twin.h"

static twin_file net, heads;

static tess_trainer *make(void) {
    tess_trainer *t = tess_trainer_new();
    CHECK_INT(tess_trainer_features(t, net.bytes, net.size, heads.bytes, heads.size), TESS_OK);
    return t;
}

static void load(ts_graph *g, ts_tensor t, const twin_file *f, const char *size, const char *name) {
    char full[32];
    snprintf(full, sizeof full, "%s.%s", size, name);
    const ts_file_tensor *tensor = ts_safetensors_find(f->file, full);
    for (size_t i = 0; CHECK(tensor != NULL) && i < tensor->count; i++)
        ts_graph_data(g, t)[i] = (float)(tensor->data[i] / 127.5 - 1);
}

static void check_case(tess_trainer *t, const twin_file *f, const char *size, int h, int w, bool gradient) {
    ts_graph *g = NULL;
    ts_tensor lpips[TS_PERCEPTUAL_HEADS];
    double value = 0;
    size_t n = 0;
    test_row("%s", size);
    CHECK_INT(ts_graph_new(TS_GRAPH_TRAINING, &g, NULL), TESS_OK);
    ts_tensor y = ts_graph_input(g, (ts_shape){1, h, w, 3}, true), x = ts_graph_input(g, (ts_shape){1, h, w, 3}, false);
    ts_perceptual_build(g, t->features.weights, y, x, (const float[2]){-1, 1}, lpips);
    CHECK_INT(ts_graph_plan(g, 2, NULL), TESS_OK);
    CHECK_INT(ts_graph_alloc(g, NULL), TESS_OK);
    load(g, y, f, size, "y");
    load(g, x, f, size, "x");
    for (int i = 0; i < TS_PERCEPTUAL_HEADS; i++) ts_graph_seed(g, lpips[i], 1);
    ts_graph_forward(g, NULL);
    for (int i = 0; i < TS_PERCEPTUAL_HEADS; i++) value += (double)*ts_graph_data(g, lpips[i]);
    float *want = twin_floats(f, size, ".lpips", &n);
    if (CHECK(want)) CHECK_NEAR(value, want[0], 2e-5);
    free(want);
    ts_graph_backward(g, NULL);
    want = gradient ? twin_floats(f, size, ".lpips.grad", &n) : NULL;
    if (gradient && CHECK(want && n == (size_t)(h * w * 3))) {
        float *nhwc = twin_nhwc(want, 1, 3, h, w);
        CHECK(twin_error(ts_graph_grad_data(g, y), nhwc, n) < 2e-4);
        free(nhwc);
    }
    free(want);
    ts_graph_free(g);
}

static void test_twin(void) {
    tess_trainer *t = make();
    twin_file f = twin_open("losses");
    if (CHECK(f.bytes)) {
        check_case(t, &f, "33x47", 33, 47, true);
        check_case(t, &f, "161x162", 161, 162, false);
    }
    twin_close(&f);
    tess_trainer_free(t);
}

/* Equal pictures are at distance 0, with no gradient, whatever the range. */
static void test_equal_pictures(void) {
    tess_trainer *t = make();
    ts_graph *g = NULL;
    ts_tensor lpips[TS_PERCEPTUAL_HEADS];
    CHECK_INT(ts_graph_new(TS_GRAPH_TRAINING, &g, NULL), TESS_OK);
    ts_shape shape = {2, TS_PERCEPTUAL_SIDE, TS_PERCEPTUAL_SIDE, 3};
    ts_tensor y = ts_graph_input(g, shape, true), x = ts_graph_input(g, shape, false);
    ts_perceptual_build(g, t->features.weights, y, x, (const float[2]){0, 255}, lpips);
    CHECK_INT(ts_graph_plan(g, 1, NULL), TESS_OK);
    CHECK_INT(ts_graph_alloc(g, NULL), TESS_OK);
    for (size_t i = 0; i < ts_shape_count(shape); i++)
        ts_graph_data(g, x)[i] = ts_graph_data(g, y)[i] = (float)(i * 37 % 256);
    for (int i = 0; i < TS_PERCEPTUAL_HEADS; i++) ts_graph_seed(g, lpips[i], 1);
    ts_graph_forward(g, NULL);
    for (int i = 0; i < TS_PERCEPTUAL_HEADS; i++) CHECK_NEAR(*ts_graph_data(g, lpips[i]), 0, 0);
    ts_graph_backward(g, NULL);
    for (size_t i = 0; i < ts_shape_count(shape); i++) CHECK_NEAR(ts_graph_grad_data(g, y)[i], 0, 0);
    ts_graph_free(g);
    tess_trainer_free(t);
}

static void test_wrong_files(void) {
    tess_trainer *t = tess_trainer_new();
    twin_file other = twin_open("batches");
    CHECK_INT(tess_trainer_features(t, other.bytes, other.size, heads.bytes, heads.size), TESS_ERR_MODEL);
    CHECK(strstr(tess_trainer_message(t), "features.0.weight is missing") != NULL);
    CHECK_INT(tess_trainer_features(t, heads.bytes, heads.size, net.bytes, net.size), TESS_ERR_MODEL);
    CHECK_INT(tess_trainer_features(t, net.bytes, net.size, other.bytes, other.size), TESS_ERR_MODEL);
    CHECK(strstr(tess_trainer_message(t), "lin0") != NULL);
    CHECK(tess_trainer_features(t, net.bytes, net.size / 2, heads.bytes, heads.size) < 0);
    CHECK(t->features.weights == NULL);
    CHECK_INT(tess_trainer_features(t, net.bytes, net.size, heads.bytes, heads.size), TESS_OK);
    twin_close(&other);
    tess_trainer_free(t);
}

int main(void) {
    net = twin_open("squeezenet");
    heads = twin_open("lpips");
    if (CHECK(net.bytes && heads.bytes)) {
        RUN(test_twin);
        RUN(test_equal_pictures);
        RUN(test_wrong_files);
    }
    twin_close(&net);
    twin_close(&heads);
    return test_end();
}
