/* decoder.c - tess_decoder: options, the buffers to fill, results; tess_file_info. */
#include "engine/decoder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"

tess_decoder *tess_decoder_new(const tess_model *model) {
    if (!model || !model->loaded) return NULL;
    tess_decoder *decoder = ts_calloc(1, sizeof *decoder);
    if (!decoder) return NULL;
    decoder->model = model;
    decoder->options.threads = 1;
    return decoder;
}

static void drop_job(tess_decoder *decoder) {
    ts_decode_drop(decoder);
    ts_free(decoder->tokens);
    ts_free(decoder->bits);
    ts_free(decoder->latents);
    ts_free(decoder->picture.data);
    decoder->tokens = decoder->bits = NULL;
    decoder->latents = NULL;
    decoder->picture = (ts_pixels){0};
    decoder->damaged = 0;
    decoder->levels = 0;
    decoder->progress = 0;
    memset(decoder->painted, 0, sizeof decoder->painted);
    decoder->phase = TS_DECODE_IDLE;
}

void tess_decoder_free(tess_decoder *decoder) {
    if (!decoder) return;
    drop_job(decoder);
    ts_pool_free(decoder->pool);
    ts_free(decoder);
}

const char *tess_decoder_message(const tess_decoder *decoder) {
    return decoder ? decoder->error.text : "There is no decoder: the model is not loaded, or memory is out.";
}

tess_status tess_decoder_set(tess_decoder *decoder, const char *option, double value) {
    if (!decoder || !option) return TESS_ERR_STATE;
    ts_clear(&decoder->error);
    ts_decode_options *o = &decoder->options;
    int strict = o->strict, bits = o->bits;
    const struct {
        const char *name;
        int *target, low, high;
    } table[] = {
        {"levels", &o->levels, 0, TS_LEVELS_MAX},
        {"x", &o->x, 0, TS_MAX_SIDE},
        {"y", &o->y, 0, TS_MAX_SIDE},
        {"width", &o->width, 0, TS_MAX_SIDE},
        {"height", &o->height, 0, TS_MAX_SIDE},
        {"threads", &o->threads, 1, TS_MAX_THREADS},
        {"strict", &strict, 0, 1},
        {"bits", &bits, 0, 1},
        {"tile", &o->tile, 0, TS_MAX_SIDE},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, option) != 0) continue;
        if (!(value >= table[i].low && value <= table[i].high) || value != floor(value))
            return ts_fail(&decoder->error, TESS_ERR_OPTION,
                           "Decoder option %s must be a whole number from %d to %d, not %g.", option, table[i].low,
                           table[i].high, value);
        if (decoder->phase > TS_DECODE_FILLING && decoder->phase < TS_DECODE_DONE)
            return ts_fail(&decoder->error, TESS_ERR_STATE, "Set decoder options before the first step of a job.");
        *table[i].target = (int)value;
        o->strict = strict != 0;
        o->bits = bits != 0;
        return TESS_OK;
    }
    return ts_fail(&decoder->error, TESS_ERR_OPTION,
                   "There is no decoder option %.40s; there are levels, x, y, width, height, threads, strict, bits and "
                   "tile.",
                   option);
}

/* A job from a file or tokens needs codes. */
static bool has_codes(tess_decoder *decoder) {
    const ts_config *c = &decoder->model->config;
    if (c->quantizer.type != TS_QUANTIZER_NONE) return true;
    ts_fail(&decoder->error, TESS_ERR_MODEL,
            "The model %.60s has continuous latents and no codebook: it decodes latents only, no tokens and no .tess "
            "file.",
            c->name);
    return false;
}

uint8_t *tess_decoder_begin(tess_decoder *decoder, size_t size) {
    if (!decoder) return NULL;
    drop_job(decoder);
    ts_clear(&decoder->error);
    if (!has_codes(decoder)) return NULL;
    decoder->bytes = ts_alloc(size);
    if (!decoder->bytes) {
        ts_fail_memory(&decoder->error, size);
        return NULL;
    }
    decoder->size = size;
    decoder->phase = TS_DECODE_FILLING;
    return decoder->bytes;
}

/* Checks sizes against the model and fills a header as a file would have it. */
static tess_status header_of_grid(tess_decoder *decoder, int levels, int height, int width, int height_px,
                                  int width_px) {
    const int factor = ts_config_factor(&decoder->model->config);
    ts_error *err = &decoder->error;
    if (height_px < 1 || width_px < 1)
        return ts_fail(err, TESS_ERR_INPUT, "A picture of %d x %d pixels cannot be made.", width_px, height_px);
    if (height_px > TS_MAX_SIDE || width_px > TS_MAX_SIDE || (size_t)width_px * (size_t)height_px > TS_MAX_PIXELS)
        return ts_fail(err, TESS_ERR_TOO_LARGE, "A picture of %d x %d is too large; sides go to %d and pixels to %zu.",
                       width_px, height_px, TS_MAX_SIDE, TS_MAX_PIXELS);
    const int rows = (height_px + factor - 1) / factor, columns = (width_px + factor - 1) / factor;
    if (height != rows || width != columns)
        return ts_fail(err, TESS_ERR_INPUT, "A picture of %d x %d pixels has %d x %d %s in this model, not %d x %d.",
                       width_px, height_px, columns, rows, levels ? "tokens" : "latents", width, height);
    decoder->header = (ts_tess_header){.model = decoder->model->hash,
                                       .width = width_px,
                                       .height = height_px,
                                       .channels = 3,
                                       .token_width = width,
                                       .token_height = height,
                                       .levels = levels,
                                       .tile = TS_TESS_TILE};
    return TESS_OK;
}

uint16_t *tess_decoder_begin_tokens(tess_decoder *decoder, int levels, int height, int width, int height_px,
                                    int width_px) {
    if (!decoder) return NULL;
    drop_job(decoder);
    ts_clear(&decoder->error);
    if (!has_codes(decoder)) return NULL;
    const int most = decoder->model->config.quantizer.levels;
    if (levels < 1 || levels > most) {
        ts_fail(&decoder->error, TESS_ERR_INPUT, "Tokens of %d levels do not fit this model, which has %d.", levels,
                most);
        return NULL;
    }
    if (header_of_grid(decoder, levels, height, width, height_px, width_px)) return NULL;
    const size_t bytes = (size_t)levels * (size_t)height * (size_t)width * sizeof(uint16_t);
    decoder->tokens = ts_calloc(1, bytes);
    if (!decoder->tokens) {
        ts_fail_memory(&decoder->error, bytes);
        return NULL;
    }
    decoder->phase = TS_DECODE_FILLING;
    return decoder->tokens;
}

float *tess_decoder_begin_latents(tess_decoder *decoder, int height, int width, int dim, int height_px, int width_px) {
    if (!decoder) return NULL;
    drop_job(decoder);
    ts_clear(&decoder->error);
    const int channels = decoder->model->config.quantizer.dim;
    if (dim != channels) {
        ts_fail(&decoder->error, TESS_ERR_INPUT, "Latents of %d channels do not fit this model, which has %d.", dim,
                channels);
        return NULL;
    }
    if (header_of_grid(decoder, 0, height, width, height_px, width_px)) return NULL;
    const size_t floats = (size_t)height * (size_t)width * (size_t)dim;
    decoder->latents = ts_calloc(floats, sizeof(float));
    if (!decoder->latents) {
        ts_fail_memory(&decoder->error, floats * sizeof(float));
        return NULL;
    }
    decoder->phase = TS_DECODE_FILLING;
    return decoder->latents;
}

tess_status tess_decoder_step(tess_decoder *decoder) {
    if (!decoder) return TESS_ERR_STATE;
    if (decoder->phase == TS_DECODE_DONE) return TESS_DONE;
    ts_clear(&decoder->error);
    if (decoder->phase == TS_DECODE_IDLE || decoder->phase == TS_DECODE_FAILED)
        return ts_fail(&decoder->error, TESS_ERR_STATE, "There is no job to step; begin one first.");
    memset(decoder->painted, 0, sizeof decoder->painted);
    const tess_status status = ts_decode_step(decoder);
    if (status < 0) {
        const ts_error error = decoder->error;
        drop_job(decoder);
        decoder->error = error;
        decoder->phase = TS_DECODE_FAILED;
    } else if (status == TESS_DONE) {
        decoder->phase = TS_DECODE_DONE;
        decoder->progress = 1;
        ts_decode_drop(decoder);
    }
    return status;
}

double tess_decoder_progress(const tess_decoder *decoder) { return decoder ? decoder->progress : 0; }

const uint8_t *tess_decoder_pixels(const tess_decoder *decoder, int *width, int *height, int *channels) {
    const bool there = decoder && decoder->picture.data;
    if (width) *width = there ? decoder->picture.width : 0;
    if (height) *height = there ? decoder->picture.height : 0;
    if (channels) *channels = there ? decoder->picture.channels : 0;
    return there ? decoder->picture.data : NULL;
}

void tess_decoder_painted(const tess_decoder *decoder, int rect[4]) {
    memset(rect, 0, 4 * sizeof *rect);
    if (decoder) memcpy(rect, decoder->painted, sizeof decoder->painted);
}

/* A grid that belongs to the tokens, once they are there. */
static const uint16_t *grid_of(const tess_decoder *decoder, const uint16_t *grid, int *levels, int *height,
                               int *width) {
    const bool ready = grid && decoder->phase > TS_DECODE_ENTROPY && decoder->phase < TS_DECODE_FAILED;
    if (levels) *levels = ready ? decoder->levels : 0;
    if (height) *height = ready ? decoder->header.token_height : 0;
    if (width) *width = ready ? decoder->header.token_width : 0;
    return ready ? grid : NULL;
}

const uint16_t *tess_decoder_tokens(const tess_decoder *decoder, int *levels, int *height, int *width) {
    return grid_of(decoder, decoder ? decoder->tokens : NULL, levels, height, width);
}

const uint16_t *tess_decoder_bits(const tess_decoder *decoder, int *levels, int *height, int *width) {
    return grid_of(decoder, decoder ? decoder->bits : NULL, levels, height, width);
}

int tess_decoder_damaged(const tess_decoder *decoder) { return decoder ? decoder->damaged : 0; }

/* ---- header only ---------------------------------------------------------------------------------------------- */

static void write_sections(ts_json_writer *json, const ts_tess_file *file, const ts_tess_header *header) {
    const int tiles = ts_tess_tiles(header);
    size_t total = 0;
    ts_json_key(json, "levelBytes"), ts_json_open(json, '[');
    for (int level = 0; level < header->levels; level++) {
        size_t bytes = 0;
        for (int tile = 0; tile < tiles; tile++) bytes += ts_tess_section_size(file, level, tile);
        ts_json_put_int(json, (int64_t)bytes);
        total += bytes;
    }
    ts_json_close(json, ']');
    size_t alpha = 0;
    for (int strip = 0; strip < ts_tess_alpha_strips(header); strip++)
        alpha += ts_tess_section_size(file, TS_TESS_ALPHA, strip);
    ts_json_key(json, "alphaBytes"), ts_json_put_int(json, (int64_t)alpha);
    ts_json_key(json, "headerBytes"), ts_json_put_int(json, (int64_t)(ts_tess_file_size(file) - total - alpha));
}

static void write_info(ts_json_writer *json, const ts_tess_file *file, size_t size) {
    const ts_tess_header *h = ts_tess_file_header(file);
    char hash[17];
    snprintf(hash, sizeof hash, "%016" PRIx64, h->model);
    ts_json_open(json, '{');
    ts_json_key(json, "format"), ts_json_put_text(json, "tess");
    ts_json_key(json, "version"), ts_json_put_int(json, TS_TESS_VERSION);
    ts_json_key(json, "width"), ts_json_put_int(json, h->width);
    ts_json_key(json, "height"), ts_json_put_int(json, h->height);
    ts_json_key(json, "channels"), ts_json_put_int(json, h->channels);
    ts_json_key(json, "alpha"), ts_json_put_bool(json, h->channels == 4);
    ts_json_key(json, "model"), ts_json_put_text(json, hash);
    ts_json_key(json, "coder"), ts_json_put_text(json, h->predictor ? "predictor" : "context");
    ts_json_key(json, "tokens"), ts_json_open(json, '[');
    ts_json_put_int(json, h->token_width), ts_json_put_int(json, h->token_height);
    ts_json_close(json, ']');
    ts_json_key(json, "levels"), ts_json_put_int(json, h->levels);
    ts_json_key(json, "tile"), ts_json_put_int(json, h->tile);
    ts_json_key(json, "tiles"), ts_json_put_int(json, ts_tess_tiles(h));
    ts_json_key(json, "bytes"), ts_json_put_int(json, (int64_t)size);
    ts_json_key(json, "wholeBytes"), ts_json_put_int(json, (int64_t)ts_tess_file_size(file));
    ts_json_key(json, "bpp"), ts_json_put_number(json, 8.0 * (double)size / ((double)h->width * h->height));
    write_sections(json, file, h);
    ts_json_close(json, '}');
}

/* {"error": sentence} where there is room for it. */
static tess_status say(char *json, size_t capacity, tess_status status, const char *sentence) {
    ts_writer text;
    ts_writer_init(&text);
    ts_json_writer writer = ts_json_writer_new(&text);
    ts_json_open(&writer, '{');
    ts_json_key(&writer, "error"), ts_json_put_text(&writer, sentence);
    ts_json_close(&writer, '}');
    if (json && capacity) {
        const bool fits = !text.failed && text.size < capacity;
        if (fits) memcpy(json, text.data, text.size);
        json[fits ? text.size : 0] = 0;
    }
    ts_writer_free(&text);
    return status;
}

tess_status tess_file_info(const void *bytes, size_t size, char *json, size_t capacity) {
    ts_error err = {{0}};
    if (!json || !capacity) return TESS_ERR_OPTION;
    json[0] = 0;
    ts_tess_file *file = NULL;
    tess_status status = ts_tess_open(&file, bytes, size, &err);
    if (status) return say(json, capacity, status, err.text);
    ts_writer text;
    ts_writer_init(&text);
    ts_json_writer writer = ts_json_writer_new(&text);
    write_info(&writer, file, size);
    ts_tess_close(file);
    if (text.failed) {
        status = say(json, capacity, TESS_ERR_MEMORY, "Memory is out.");
    } else if (text.size >= capacity) {
        status = say(json, capacity, TESS_ERR_TOO_LARGE,
                     "The buffer for the description is too small; 4096 bytes are enough.");
    } else {
        memcpy(json, text.data, text.size);
        json[text.size] = 0;
    }
    ts_writer_free(&text);
    return status;
}
