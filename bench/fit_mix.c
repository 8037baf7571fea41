/* fit_mix.c - sets where the last mixers of a model's predictors start.
 *
 *     fit_mix MODEL.safetensors OUT.safetensors FILE.tess...
 *
 * MODEL has predictors; FILE.tess are pictures coded with it that neither its tables nor its predictors were fitted to
 * (mirrored ones will do), at the rates that matter. Every tile is coded as a file would be; the weights that the mixers
 * end with, averaged over all tiles, are the start of the next pass, and of OUT.
 */
#include "codec/container.h"
#include "codec/entropy_level.h"
#include "engine/engine.h"
#include "file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PASSES = 3, WEIGHTS = TS_DEPTHS * TS_PREDICTOR_MIX };

static double sums[TS_ENTROPY_LEVELS][WEIGHTS], tokens[TS_ENTROPY_LEVELS], bits[TS_ENTROPY_LEVELS];

static int weights_of(const tess_model *model, int level) {
    return model->entropy->layout[level].depths * TS_PREDICTOR_MIX;
}

/* Decodes a file's tokens and codes them again with the predictors, tile by tile. */
static void add_file(const tess_model *model, ts_entropy_coder *reader, ts_entropy_coder *writer, const char *path) {
    size_t size = 0;
    uint8_t *bytes = read_file(path, &size);
    ts_tess_file *file = NULL;
    ts_error err = {{0}};
    if (ts_tess_open(&file, bytes, size, &err) < 0 || ts_tess_check_model(file, model->hash, &err) < 0)
        fail(path, err.text);
    const ts_tess_header *h = ts_tess_file_header(file);
    const size_t plane = (size_t)h->token_width * (size_t)h->token_height;
    uint16_t *all = calloc(plane * (size_t)h->levels + 1, sizeof *all);
    if (!all || h->predictor) fail(path, "has predictors, or memory is out");
    for (int t = 0; t < ts_tess_tiles(h); t++) {
        const ts_tess_rect r = ts_tess_tile(h, t);
        const ts_token_view view = {all + (size_t)r.y * (size_t)h->token_width + (size_t)r.x, (size_t)h->token_width,
                                    plane, r.height, r.width};
        for (int level = 0; level < h->levels; level++) {
            const uint8_t *section;
            if (ts_tess_section(file, level, t, &section, &size, &err) < 0 ||
                ts_entropy_decode(reader, level, &view, section, size, NULL, &err) < 0)
                fail(path, err.text);
            if (!model->predictors[level]) continue;
            if (ts_entropy_encode(writer, level, &view, &section, &size, &err) < 0) fail(path, err.text);
            const double count = (double)r.width * r.height;
            for (int i = 0; i < weights_of(model, level); i++) sums[level][i] += count * writer->last[i];
            tokens[level] += count;
            bits[level] += (double)ts_entropy_cost(writer) / TS_ENTROPY_COST_ONE;
        }
    }
    ts_tess_close(file);
    free(all);
    free(bytes);
}

/* Puts the averages into the predictors' bytes, whose last ones the weights are, and makes the predictors anew. */
static void settle(tess_model *model, int level) {
    const int count = weights_of(model, level);
    uint8_t *out = model->predictors[level] + model->predictor_bytes[level] - 2 * (size_t)count;
    ts_error err = {{0}};
    for (int i = 0; i < count; i++) {
        const int weight = (int)(sums[level][i] / tokens[level] / TS_PREDICTOR_MIX_UNIT);
        *out++ = (uint8_t)weight;
        *out++ = (uint8_t)(weight >> 8);
    }
    if (ts_entropy_model_add(model->entropy, level, model->predictors[level], model->predictor_bytes[level], &err) < 0)
        fail("predictor", err.text);
    printf("level %d: %.0f tokens, %.4f bits each\n", level, tokens[level], bits[level] / tokens[level]);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: fit_mix MODEL.safetensors OUT.safetensors FILE.tess...\n");
        return 2;
    }
    size_t size = 0;
    uint8_t *bytes = read_file(argv[1], &size);
    tess_model *model = tess_model_new();
    if (!model || tess_model_load(model, bytes, size) != TESS_OK)
        fail(argv[1], model ? tess_model_message(model) : "out of memory");
    ts_error err = {{0}};
    for (int pass = 0; pass < PASSES; pass++) {
        ts_entropy_coder *reader = NULL, *writer = NULL;
        if (ts_entropy_coder_new(&reader, model->entropy, false, &err) < 0 ||
            ts_entropy_coder_new(&writer, model->entropy, true, &err) < 0)
            fail(argv[1], err.text);
        memset(sums, 0, sizeof sums);
        memset(tokens, 0, sizeof tokens);
        memset(bits, 0, sizeof bits);
        for (int i = 3; i < argc; i++) add_file(model, reader, writer, argv[i]);
        ts_entropy_coder_free(reader);
        ts_entropy_coder_free(writer);
        for (int level = 0; level < ts_entropy_model_levels(model->entropy); level++)
            if (tokens[level] > 0) settle(model, level);
    }
    const uint8_t *made = NULL;
    if (tess_model_save(model, -1, &made, &size) != TESS_OK) fail(argv[2], tess_model_message(model));
    FILE *file = fopen(argv[2], "wb");
    if (!file || fwrite(made, 1, size, file) != size || fclose(file) != 0) fail(argv[2], "cannot be written");
    tess_model_free(model);
    free(bytes);
    return 0;
}
