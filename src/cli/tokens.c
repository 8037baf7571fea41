/* tokens.c - tesserae tokens: the token grid of a picture or a .tess file as JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/json.h"
#include "cli/picture.h"
#include "cli/platform.h"
#include "cli/report.h"
#include "cli/verbs.h"

typedef struct token_grid {
    const uint16_t *data;
    int levels, height, width, size;
    int height_px, width_px;
} token_grid;

static bool is_tess(const uint8_t *bytes, size_t size) {
    char info[8192];
    return tess_file_info(bytes, size, info, sizeof info) == TESS_OK;
}

static tess_status decode_tokens(tess_decoder *decoder, const uint8_t *bytes, size_t size, token_grid *grid) {
    int channels;
    uint8_t *room = tess_decoder_begin(decoder, size);
    if (!room) return TESS_ERR_MEMORY;
    memcpy(room, bytes, size);
    tess_status status;
    while ((status = tess_decoder_step(decoder)) == TESS_MORE) continue;
    grid->data = tess_decoder_tokens(decoder, &grid->levels, &grid->height, &grid->width);
    tess_decoder_pixels(decoder, &grid->width_px, &grid->height_px, &channels);
    return status;
}

static tess_status encode_tokens(tess_encoder *encoder, const ts_image *image, token_grid *grid) {
    uint8_t *room = tess_encoder_begin(encoder, image->width, image->height, image->channels);
    if (!room) return TESS_ERR_INPUT;
    memcpy(room, image->pixels, (size_t)image->width * (size_t)image->height * (size_t)image->channels);
    tess_status status = tess_encoder_set(encoder, "tokens_only", 1);
    while (status >= 0 && (status = tess_encoder_step(encoder)) == TESS_MORE) continue;
    grid->data = tess_encoder_tokens(encoder, &grid->levels, &grid->height, &grid->width);
    grid->width_px = image->width;
    grid->height_px = image->height;
    return status;
}

static bool write_grid(const token_grid *grid, const char *out, char fault[FAULT_SIZE]) {
    ts_writer text;
    ts_writer_init(&text);
    ts_json_writer json = ts_json_writer_new(&text);
    ts_json_open(&json, '{');
    ts_json_key(&json, "width"), ts_json_put_int(&json, grid->width);
    ts_json_key(&json, "height"), ts_json_put_int(&json, grid->height);
    ts_json_key(&json, "levels"), ts_json_put_int(&json, grid->levels);
    ts_json_key(&json, "size"), ts_json_put_int(&json, grid->size);
    ts_json_key(&json, "pixels"), ts_json_open(&json, '[');
    ts_json_put_int(&json, grid->width_px), ts_json_put_int(&json, grid->height_px);
    ts_json_close(&json, ']');
    ts_json_key(&json, "data"), ts_json_open(&json, '[');
    const size_t count = (size_t)grid->levels * (size_t)grid->height * (size_t)grid->width;
    for (size_t i = 0; i < count; i++) ts_json_put_int(&json, grid->data[i]);
    ts_json_close(&json, ']');
    ts_json_close(&json, '}');
    ts_write_u8(&text, '\n');
    bool ok = !text.failed;
    if (!ok) snprintf(fault, FAULT_SIZE, "%.200s: memory is out", out);
    ok = ok && file_write(out, text.data, text.size, fault);
    ts_writer_free(&text);
    return ok;
}

static bool tokens_of(const char *in, const char *out, const tess_model *model, char fault[FAULT_SIZE]) {
    uint8_t *bytes;
    size_t size;
    token_grid grid = {0};
    ts_image image = {0};
    ts_error err;
    if (!file_read(in, &bytes, &size, fault)) return false;
    tess_encoder *encoder = tess_encoder_new(model);
    tess_decoder *decoder = tess_decoder_new(model);
    tess_status status = encoder && decoder ? TESS_OK : TESS_ERR_MEMORY;
    if (!status && is_tess(bytes, size)) {
        status = decode_tokens(decoder, bytes, size, &grid);
        if (status < 0) snprintf(fault, FAULT_SIZE, "%.200s: %s", shown_name(in), tess_decoder_message(decoder));
    } else if (!status) {
        status = ts_image_decode(&image, bytes, size, 0, &err);
        if (status) {
            snprintf(fault, FAULT_SIZE, "%.200s %s", shown_name(in), err.text);
        } else {
            status = encode_tokens(encoder, &image, &grid);
            if (status < 0) snprintf(fault, FAULT_SIZE, "%.200s: %s", shown_name(in), tess_encoder_message(encoder));
        }
    } else {
        snprintf(fault, FAULT_SIZE, "memory is out");
    }
    tess_model_codebook(model, 0, &grid.size, NULL);
    const bool ok = status >= 0 && write_grid(&grid, out, fault);
    ts_image_free(&image);
    tess_encoder_free(encoder);
    tess_decoder_free(decoder);
    free(bytes);
    return ok;
}

static int run(int argc, char **argv, const char *program) {
    const char *out = "-", *model_path = NULL;
    const option table[] = {
        {'o', "output", OPTION_TEXT, &out, 0, 0, "OUT", "the JSON file to write; standard output if left out"},
        {'m', "model", OPTION_TEXT, &model_path, 0, 0, "MODEL", "model file; the bundled photo model if left out"},
    };
    const int count = options_parse(&VERB_TOKENS, table, 2, argc, argv);
    if (count < 0) return count == -2 ? EXIT_OK : EXIT_USAGE;
    char fault[FAULT_SIZE];
    tess_model *model = model_read(model_path, program, fault);
    const bool ok = model && tokens_of(argv[1], out, model, fault);
    if (!ok) say_fault(fault);
    tess_model_free(model);
    return ok ? EXIT_OK : EXIT_FAILED;
}

const verb VERB_TOKENS = {
    "tokens",
    "IN",
    "the tokens of a picture (nearest codes) or of a .tess file as JSON",
    "JSON: width, height, levels (of the grid), size (codes per level), pixels [width, height], data (level by level, "
    "row by row).",
    1,
    1,
    run,
};
