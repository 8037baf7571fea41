/* test_conv_prior_twin.c - a convolutional prior against the PyTorch twin (tests/fixtures/twin/README.md): its file is a
 * model, and on grids that fit in one window features and logits are the twin's to float error. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/prior_window.h"
#include "test.h"
#include "twin.h"

enum { BATCH_MOST = 4, PLACES_MOST = 1024 };

static twin_file model_file, values;
static tess_model *model;

static float *get(const char *grid, const char *what, size_t *n) {
    char name[40];
    snprintf(name, sizeof name, "%s.%s", grid, what);
    return twin_floats(&values, "", name, n);
}

/* Picture b of `batch` grids of h x w: tokens are the file's [levels][batch][h][w]. */
static void take(const float *tokens, const float *known, int batch, int b, int area, uint16_t *token, uint8_t *level) {
    const int levels = model->config.quantizer.levels;
    for (int l = 0; l < levels; l++)
        for (int p = 0; p < area; p++) token[l * area + p] = (uint16_t)tokens[(l * batch + b) * area + p];
    for (int p = 0; p < area; p++) level[p] = (uint8_t)known[b * area + p];
}

static void check(const char *what, const float *got, const float *want, size_t n) {
    const double error = twin_error(got, want, n);
    test_check(error <= 1e-5, __FILE__, __LINE__, "%s off by %.2g", what, error);
}

static void check_grid(const char *grid, int h, int w) {
    const ts_config *c = &model->config;
    const int area = h * w, width = c->prior.width, codes = c->quantizer.size;
    size_t n = 0, count = 0;
    float *tokens = get(grid, "tokens", &n), *known = get(grid, "known", &count), *features = get(grid, "features", &n);
    ts_prior_window window;
    test_row("%s", grid);
    const int batch = (int)count / area;
    if (!CHECK(tokens && known && features && batch >= 1 && area <= PLACES_MOST && n == count * (size_t)width)) return;
    CHECK_INT(ts_prior_window_init(&window, model, NULL), TESS_OK);
    CHECK_INT(ts_prior_window_place(&window, h, w, (ts_span){0, 0, w, h}, 1, NULL), TESS_OK);
    CHECK_INT(ts_prior_window_count(&window), 1);
    uint16_t *token = malloc((size_t)(c->quantizer.levels * area) * sizeof *token);
    uint8_t *level = malloc((size_t)area);
    float *got = malloc((size_t)(area * (width > codes ? width : codes)) * sizeof *got);
    for (int b = 0; b < batch; b++) {
        take(tokens, known, batch, b, area, token, level);
        const ts_token_state state = {token, level, h, w};
        ts_prior_window_look(&window, 0, &state);
        while (!ts_prior_window_run(&window, NULL)) continue;
        const float *out = ts_graph_data(window.body, window.features);
        for (int p = 0; p < area; p++)
            memcpy(got + p * width, out + ((p / w) * window.width + p % w) * width, (size_t)width * sizeof *got);
        check("features", got, features + b * area * width, (size_t)(area * width));
        for (int l = 0; l < c->prior.levels; l++) {
            char name[24];
            snprintf(name, sizeof name, "logits.%d", l);
            float *want = get(grid, name, &n);
            for (int first = 0; first < area; first += TS_PRIOR_ROWS) {
                const int rows = area - first < TS_PRIOR_ROWS ? area - first : TS_PRIOR_ROWS;
                int places[TS_PRIOR_ROWS];
                for (int i = 0; i < rows; i++) places[i] = first + i;
                memcpy(got + first * codes, ts_prior_window_logits(&window, l, places, rows, NULL),
                       (size_t)(rows * codes) * sizeof *got);
            }
            if (CHECK(want && n == count * (size_t)codes))
                check(name, got, want + b * area * codes, (size_t)(area * codes));
            free(want);
        }
    }
    free(got);
    free(token);
    free(level);
    ts_prior_window_free(&window);
    free(tokens);
    free(known);
    free(features);
}

static void test_forward(void) {
    int found = 0;
    for (size_t i = 0; i < ts_safetensors_count(values.file); i++) {
        const char *name = ts_safetensors_at(values.file, i)->name;
        int h, w, end = 0;
        if (sscanf(name, "%dx%d.tokens%n", &h, &w, &end) != 2 || end != (int)strlen(name)) continue;
        char grid[32];
        snprintf(grid, sizeof grid, "%dx%d", h, w);
        check_grid(grid, h, w);
        found++;
    }
    CHECK(found >= 2);
}

/* Saved and loaded again it is the same model; its prior does not count for the fingerprint. */
static void test_file(void) {
    const uint8_t *bytes;
    size_t size;
    tess_model *again = tess_model_new();
    CHECK_INT(tess_model_save(model, -1, &bytes, &size), TESS_OK);
    CHECK_INT(tess_model_load(again, bytes, size), TESS_OK);
    CHECK_TEXT(tess_model_message(again), "");
    CHECK(again->hash == model->hash);
    const char *info = tess_model_info(again);
    CHECK(strstr(info, "\"tasks\":[\"compress\",\"reconstruct\",\"inpaint\"]"));
    CHECK(strstr(info, "\"prior\":{\"type\":\"conv\""));
    tess_model_free(again);
}

int main(void) {
    model_file = twin_open("prior_conv");
    values = twin_open("prior_conv_values");
    model = tess_model_new();
    if (CHECK(model_file.bytes && values.file && model) &&
        CHECK(tess_model_load(model, model_file.bytes, model_file.size) == TESS_OK)) {
        RUN(test_forward);
        RUN(test_file);
    } else {
        printf("%s\n", tess_model_message(model));
    }
    tess_model_free(model);
    twin_close(&model_file);
    twin_close(&values);
    return test_end();
}
