/* codebook.c - tesserae codebook: an atlas of what each code looks like when it stands alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/picture.h"
#include "cli/platform.h"
#include "cli/report.h"
#include "cli/verbs.h"

enum { PATCH = 8, SHOWN = 4 }; /* tokens: a patch of one code is decoded, its middle is shown */

static int factor_of(const tess_model *model) {
    ts_json doc;
    const char *info = tess_model_info(model);
    int factor = 0;
    if (ts_json_parse(&doc, info, strlen(info), NULL)) return 0;
    ts_json_int(&doc, ts_json_get(&doc, 0, "factor"), 1, 1024, &factor);
    ts_json_free(&doc);
    return factor;
}

/* The level-0 code nearest to the codebook's mean: the plainest ground for codes of upper levels. */
static int plainest_code(const tess_model *model) {
    int size, dim, best = 0;
    const float *codes = tess_model_codebook(model, 0, &size, &dim);
    double best_distance = INFINITY;
    double *mean = calloc((size_t)dim, sizeof *mean);
    if (!mean) return 0;
    for (int k = 0; k < size; k++)
        for (int i = 0; i < dim; i++) mean[i] += (double)codes[(size_t)k * (size_t)dim + (size_t)i] / size;
    for (int k = 0; k < size; k++) {
        double distance = 0;
        for (int i = 0; i < dim; i++) distance += pow((double)codes[(size_t)k * (size_t)dim + (size_t)i] - mean[i], 2);
        if (distance < best_distance) best_distance = distance, best = k;
    }
    free(mean);
    return best;
}

/* Decodes a patch of code k and copies its middle to cell (k / across, k % across). */
static bool paint_code(tess_decoder *decoder, int factor, int level, int ground, int k, int across, ts_image *atlas) {
    const int pixels = PATCH * factor, cell = SHOWN * factor, margin = (PATCH - SHOWN) / 2 * factor;
    uint16_t *tokens = tess_decoder_begin_tokens(decoder, level + 1, PATCH, PATCH, pixels, pixels);
    if (!tokens) return false;
    memset(tokens, 0, (size_t)(level + 1) * PATCH * PATCH * sizeof *tokens);
    for (int i = 0; i < PATCH * PATCH; i++) {
        tokens[i] = (uint16_t)ground;
        tokens[level * PATCH * PATCH + i] = (uint16_t)k;
    }
    tess_status status;
    while ((status = tess_decoder_step(decoder)) == TESS_MORE) continue;
    if (status != TESS_DONE) return false;
    int width, height, channels;
    const uint8_t *from = tess_decoder_pixels(decoder, &width, &height, &channels);
    for (int y = 0; y < cell; y++) {
        uint8_t *to = atlas->pixels +
                      ((size_t)(k / across * cell + y) * (size_t)atlas->width + (size_t)(k % across * cell)) * 3;
        memcpy(to, from + ((size_t)(margin + y) * (size_t)width + (size_t)margin) * 3, (size_t)cell * 3);
    }
    return true;
}

static bool make_atlas(const tess_model *model, int level, int most, const char *out, char fault[FAULT_SIZE]) {
    int size, dim;
    if (!tess_model_codebook(model, level, &size, &dim)) {
        if (tess_model_codebook(model, 0, &size, &dim))
            snprintf(fault, FAULT_SIZE, "the model has no level %d; levels count from 0", level);
        else snprintf(fault, FAULT_SIZE, "the model has continuous latents and no codebook");
        return false;
    }
    if (size > most) size = most;
    const int factor = factor_of(model), cell = SHOWN * factor, across = (int)ceil(sqrt(size));
    const int down = (size + across - 1) / across, ground = level ? plainest_code(model) : 0;
    ts_image atlas = {NULL, across * cell, down * cell, 3};
    atlas.pixels = calloc((size_t)atlas.width * (size_t)atlas.height, 3);
    tess_decoder *decoder = tess_decoder_new(model);
    bool ok = atlas.pixels && decoder;
    if (!ok) snprintf(fault, FAULT_SIZE, "memory is out");
    progress bar = progress_new();
    for (int k = 0; ok && k < size; k++) {
        ok = paint_code(decoder, factor, level, ground, k, across, &atlas);
        if (!ok) snprintf(fault, FAULT_SIZE, "code %d: %s", k, tess_decoder_message(decoder));
        progress_show(&bar, "codebook", (double)k / size);
    }
    progress_end(&bar);
    ok = ok && picture_write(out, &atlas, fault);
    tess_decoder_free(decoder);
    free(atlas.pixels);
    return ok;
}

static int run(int argc, char **argv, const char *program) {
    const char *out = "-", *model_path = NULL;
    int level = 0, most = 2048;
    const option table[] = {
        {'m', "model", OPTION_TEXT, &model_path, 0, 0, "MODEL", "model file; the bundled photo model if left out"},
        {'o', "output", OPTION_TEXT, &out, 0, 0, "OUT", "the PNG to write; standard output if left out"},
        {'l', "level", OPTION_INT, &level, 0, 15, "L",
         "level of the codes; those above 0 are shown upon the plainest code"},
        {'n', "codes", OPTION_INT, &most, 1, 65536, "N", "the first N codes; 2048 if left out"},
    };
    const int count = options_parse(&VERB_CODEBOOK, table, sizeof table / sizeof *table, argc, argv);
    if (count < 0) return count == -2 ? EXIT_OK : EXIT_USAGE;
    char fault[FAULT_SIZE];
    tess_model *model = model_read(model_path, program, fault);
    const bool ok = model && make_atlas(model, level, most, out, fault);
    if (!ok) say_fault(fault);
    tess_model_free(model);
    return ok ? EXIT_OK : EXIT_FAILED;
}

const verb VERB_CODEBOOK = {
    "codebook", "-m MODEL", "an atlas of the codes, each decoded alone, row by row", NULL, 0, 0, run,
};
