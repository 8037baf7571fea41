/* test_lpips.c - the measure LPIPS: the PyTorch twin's values, parts against the whole, the shipped net, wrong calls, and
 * every allocation failing once. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include <stdlib.h>

#include "engine/feature_net.h"
#include "graph/graph.h"
#include "nets/perceptual.h"
#include "test.h"
#include "twin.h"

static twin_file net, heads;

static tess_lpips *make(void) {
    tess_lpips *lpips = tess_lpips_new();
    CHECK_INT(tess_lpips_features(lpips, net.bytes, net.size, heads.bytes, heads.size), TESS_OK);
    return lpips;
}

static double distance(tess_lpips *lpips, const uint8_t *a, const uint8_t *b, int width, int height) {
    const size_t size = (size_t)width * (size_t)height * 3;
    tess_status status = TESS_MORE;
    uint8_t *room = tess_lpips_begin(lpips, width, height);
    if (!CHECK(room != NULL)) return NAN;
    memcpy(room, a, size);
    memcpy(room + size, b, size);
    while (status == TESS_MORE) status = tess_lpips_step(lpips);
    CHECK_INT(status, TESS_DONE);
    return tess_lpips_value(lpips);
}

/* A picture of waves, with noise up to +-`noise`. */
static uint8_t *scene(int width, int height, int noise) {
    uint8_t *p = malloc((size_t)width * (size_t)height * 3);
    uint32_t random = 1;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++) {
                random = random * 1664525 + 1013904223;
                const int wave = (x * x / 97 + y * (c + 2) * 3 + x * y / 41) % 200 + 28;
                const int off = noise ? (int)(random >> 16) % (2 * noise + 1) - noise : 0;
                p[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] = (uint8_t)(wave + off);
            }
    return p;
}

static void test_twin(void) {
    static const struct {
        const char *size;
        int width, height;
    } cases[] = {{"33x47", 47, 33}, {"161x162", 162, 161}};
    tess_lpips *lpips = make();
    twin_file f = twin_open("losses");
    for (int i = 0; CHECK(f.bytes) && i < 2; i++) {
        char x[32], y[32];
        size_t n;
        test_row("%s", cases[i].size);
        snprintf(x, sizeof x, "%s.x", cases[i].size);
        snprintf(y, sizeof y, "%s.y", cases[i].size);
        const ts_file_tensor *a = ts_safetensors_find(f.file, x), *b = ts_safetensors_find(f.file, y);
        float *want = twin_floats(&f, cases[i].size, ".lpips", &n);
        if (!CHECK(a && b && want)) break;
        CHECK_NEAR(distance(lpips, a->data, b->data, cases[i].width, cases[i].height), want[0], 2e-5);
        CHECK_NEAR(distance(lpips, a->data, a->data, cases[i].width, cases[i].height), 0, 0);
        free(want);
    }
    twin_close(&f);
    tess_lpips_free(lpips);
}

/* The seven losses of the trainer's graph over the whole pictures. */
static double whole(const uint8_t *a, const uint8_t *b, int width, int height) {
    ts_feature_net features = {0};
    ts_graph *g = NULL;
    ts_tensor loss[TS_PERCEPTUAL_HEADS];
    double sum = 0;
    CHECK_INT(ts_feature_net_load(&features, net.bytes, net.size, heads.bytes, heads.size, NULL), TESS_OK);
    CHECK_INT(ts_graph_new(TS_GRAPH_INFERENCE, &g, NULL), TESS_OK);
    const ts_shape shape = {1, height, width, 3};
    ts_tensor x = ts_graph_input(g, shape, false), y = ts_graph_input(g, shape, false);
    ts_perceptual_build(g, features.weights, x, y, (const float[2]){0, 255}, loss);
    for (int i = 0; i < TS_PERCEPTUAL_HEADS; i++) ts_graph_output(g, loss[i]);
    CHECK_INT(ts_graph_plan(g, 1, NULL), TESS_OK);
    CHECK_INT(ts_graph_alloc(g, NULL), TESS_OK);
    for (size_t i = 0; i < ts_shape_count(shape); i++) {
        ts_graph_data(g, x)[i] = a[i];
        ts_graph_data(g, y)[i] = b[i];
    }
    ts_graph_forward(g, NULL);
    for (int i = 0; i < TS_PERCEPTUAL_HEADS; i++) sum += (double)*ts_graph_data(g, loss[i]);
    ts_graph_free(g);
    ts_feature_net_drop(&features);
    return sum;
}

/* Parts meet without a seam, at any size, and threads change no bit. */
static void test_parts(void) {
    static const int sizes[][2] = {{17, 17}, {18, 31}, {512, 40}, {513, 40}, {40, 529}, {1100, 600}, {1537, 17}};
    tess_lpips *lpips = make();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int width = sizes[i][0], height = sizes[i][1];
        uint8_t *a = scene(width, height, 0), *b = scene(width, height, 20);
        test_row("%d x %d", width, height);
        CHECK_INT(tess_lpips_set(lpips, "threads", 1), TESS_OK);
        const double value = distance(lpips, a, b, width, height);
        CHECK(value > 1e-4);
        CHECK_NEAR(value, whole(a, b, width, height), 2e-7 * value);
        CHECK_INT(tess_lpips_set(lpips, "threads", 3), TESS_OK);
        CHECK_NEAR(distance(lpips, a, b, width, height), value, 0);
        free(a);
        free(b);
    }
    tess_lpips_free(lpips);
}

static uint8_t *read_file(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size);
    if (fread(bytes, 1, *size, f) != *size) *size = 0;
    fclose(f);
    return bytes;
}

/* Trunk and heads in one file. Values: a plain numpy implementation of the formula, over the same file. */
static void test_shipped_net(void) {
    static const struct {
        int noise;
        double want;
    } cases[] = {{2, 0.00091140}, {10, 0.03320228}, {40, 0.16923043}};
    enum { WIDTH = 120, HEIGHT = 90 };
    size_t size = 0;
    uint8_t *bytes = read_file("models/lpips-squeeze.safetensors", &size), *a = scene(WIDTH, HEIGHT, 0);
    tess_lpips *lpips = tess_lpips_new();
    if (CHECK(bytes != NULL)) CHECK_INT(tess_lpips_features(lpips, bytes, size, bytes, size), TESS_OK);
    free(bytes); /* it was copied */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *b = scene(WIDTH, HEIGHT, cases[i].noise);
        test_row("noise %d", cases[i].noise);
        CHECK_NEAR(distance(lpips, a, b, WIDTH, HEIGHT), cases[i].want, 1e-6);
        CHECK_NEAR(distance(lpips, b, a, WIDTH, HEIGHT), cases[i].want, 1e-6);
        free(b);
    }
    free(a);
    tess_lpips_free(lpips);
}

static void test_wrong_calls(void) {
    tess_lpips *lpips = tess_lpips_new();
    twin_file other = twin_open("batches");
    CHECK(tess_lpips_begin(lpips, 20, 20) == NULL);
    CHECK(strstr(tess_lpips_message(lpips), "tess_lpips_features") != NULL);
    CHECK_INT(tess_lpips_features(lpips, other.bytes, other.size, heads.bytes, heads.size), TESS_ERR_MODEL);
    CHECK(strstr(tess_lpips_message(lpips), "features.0.weight is missing") != NULL);
    CHECK_INT(tess_lpips_features(lpips, net.bytes, net.size, other.bytes, other.size), TESS_ERR_MODEL);
    CHECK_INT(tess_lpips_features(lpips, net.bytes, 5, heads.bytes, heads.size), TESS_ERR_FORMAT);
    CHECK(tess_lpips_begin(lpips, 20, 20) == NULL); /* nothing is left of a net that failed */
    CHECK_INT(tess_lpips_features(lpips, net.bytes, net.size, heads.bytes, heads.size), TESS_OK);
    CHECK_TEXT(tess_lpips_message(lpips), "");
    CHECK_INT(tess_lpips_step(lpips), TESS_ERR_STATE);
    CHECK(tess_lpips_begin(lpips, 16, 20) == NULL && tess_lpips_begin(lpips, 20, -1) == NULL);
    CHECK(strstr(tess_lpips_message(lpips), "17 pixels") != NULL);
    CHECK(tess_lpips_begin(lpips, 65536, 20) == NULL && tess_lpips_begin(lpips, 65535, 65535) == NULL);
    CHECK(strstr(tess_lpips_message(lpips), "too large") != NULL);
    CHECK_INT(tess_lpips_set(lpips, "thread", 1), TESS_ERR_OPTION);
    CHECK_INT(tess_lpips_set(lpips, "threads", 0), TESS_ERR_OPTION);
    CHECK_INT(tess_lpips_set(lpips, "threads", NAN), TESS_ERR_OPTION);
    CHECK_INT(tess_lpips_set(lpips, "threads", 1.5), TESS_ERR_OPTION);
    CHECK(isnan(tess_lpips_value(lpips)));
    uint8_t *a = scene(20, 20, 0), *b = scene(20, 20, 9);
    CHECK(distance(lpips, a, b, 20, 20) > 0); /* the handle goes on */
    CHECK_INT(tess_lpips_step(lpips), TESS_ERR_STATE);
    CHECK(tess_lpips_value(lpips) > 0); /* of the job that is done */
    CHECK(tess_lpips_begin(lpips, 20, 20) != NULL);
    CHECK(isnan(tess_lpips_value(lpips)));
    tess_lpips_free(lpips); /* amid a job */
    tess_lpips_free(NULL);
    CHECK_INT(tess_lpips_step(NULL), TESS_ERR_STATE);
    CHECK_INT(tess_lpips_set(NULL, "threads", 1), TESS_ERR_STATE);
    CHECK_INT(tess_lpips_features(NULL, net.bytes, net.size, heads.bytes, heads.size), TESS_ERR_STATE);
    CHECK(tess_lpips_begin(NULL, 20, 20) == NULL && isnan(tess_lpips_value(NULL)));
    CHECK(strlen(tess_lpips_message(NULL)) > 10);
    free(a);
    free(b);
    twin_close(&other);
}

static tess_status life(void) {
    tess_lpips *lpips = tess_lpips_new();
    if (!lpips) return TESS_ERR_MEMORY;
    tess_status status = tess_lpips_features(lpips, net.bytes, net.size, heads.bytes, heads.size);
    if (status >= 0) status = tess_lpips_set(lpips, "threads", 2);
    if (status >= 0) {
        uint8_t *room = tess_lpips_begin(lpips, 40, 600);
        if (room) memset(room, 7, 2 * 40 * 600 * 3);
        status = room ? TESS_MORE : TESS_ERR_MEMORY;
    }
    while (status == TESS_MORE) status = tess_lpips_step(lpips);
    if (status < 0) {
        CHECK(strlen(tess_lpips_message(lpips)) > 10);
        CHECK(isnan(tess_lpips_value(lpips)));
        CHECK_INT(tess_lpips_step(lpips), TESS_ERR_STATE); /* the job is over */
    }
    tess_lpips_free(lpips);
    return status == TESS_DONE ? TESS_OK : status;
}

static void test_every_allocation(void) {
    const long live = ts_test_alloc_live();
    ts_test_alloc_fail_at(0);
    CHECK_INT(life(), TESS_OK);
    const long count = ts_test_alloc_count();
    CHECK(count > 20);
    for (long n = 1; n <= count; n++) {
        test_row("allocation %ld of %ld", n, count);
        ts_test_alloc_fail_at(n);
        const tess_status status = life();
        ts_test_alloc_fail_at(0);
        CHECK_INT(status, TESS_ERR_MEMORY);
        CHECK_INT(ts_test_alloc_live(), live);
    }
}

int main(void) {
    net = twin_open("squeezenet");
    heads = twin_open("lpips");
    if (CHECK(net.bytes && heads.bytes)) {
        RUN(test_twin);
        RUN(test_parts);
        RUN(test_shipped_net);
        RUN(test_wrong_calls);
        RUN(test_every_allocation);
    }
    twin_close(&net);
    twin_close(&heads);
    return test_end();
}
