/* encoder.c - tess_encoder: options, the pixels' buffer, results. */
#include "engine/encoder.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

tess_encoder *tess_encoder_new(const tess_model *model) {
    if (!model || !model->loaded) return NULL;
    tess_encoder *encoder = ts_calloc(1, sizeof *encoder);
    if (!encoder) return NULL;
    encoder->model = model;
    encoder->options = (ts_encode_options){
        .rule = TS_RATE_QUALITY, .rate = 60, .effort = 4, .threads = 1, .keep_alpha = true};
    return encoder;
}

/* Forgets the job with its results; the options and the message stay. */
static void drop_job(tess_encoder *encoder) {
    ts_encode_drop(encoder);
    ts_free(encoder->picture.data);
    ts_free(encoder->tokens);
    ts_free(encoder->kept);
    ts_tess_writer_free(encoder->writer);
    encoder->picture = (ts_pixels){0};
    encoder->tokens = NULL;
    encoder->kept = NULL;
    encoder->writer = NULL;
    encoder->bytes = NULL;
    encoder->size = 0;
    encoder->progress = 0;
    encoder->phase = TS_ENCODE_IDLE;
}

void tess_encoder_free(tess_encoder *encoder) {
    if (!encoder) return;
    drop_job(encoder);
    ts_pool_free(encoder->pool);
    ts_free(encoder);
}

const char *tess_encoder_message(const tess_encoder *encoder) {
    return encoder ? encoder->error.text : "There is no encoder: the model is not loaded, or memory is out.";
}

typedef struct ts_encode_option {
    const char *name;
    double low, high;
    bool whole;
} ts_encode_option;

static const ts_encode_option OPTIONS[] = {
    {"quality", 0, 100, false},       {"bpp", 1e-6, 1e6, false},   {"size", 1, 1e12, true},
    {"effort", 0, 9, true},           {"alpha", 0, 1, true},       {"threads", 1, TS_MAX_THREADS, true},
    {"tokens_only", 0, 1, true},      {"latents", 0, 1, true},     {"tile", 0, TS_MAX_SIDE, true},
    {"x", 0, TS_MAX_SIDE, true},      {"y", 0, TS_MAX_SIDE, true}, {"width", 0, TS_MAX_SIDE, true},
    {"height", 0, TS_MAX_SIDE, true}, {"predict", 0, 1, true},
};

static void apply(ts_encode_options *options, size_t which, double value) {
    switch (which) {
    case 0:
    case 1:
    case 2:
        options->rule = which == 0 ? TS_RATE_QUALITY : which == 1 ? TS_RATE_BPP : TS_RATE_SIZE;
        options->rate = value;
        options->rate_given = true;
        break;
    case 3: options->effort = (int)value; break;
    case 4: options->keep_alpha = value != 0; break;
    case 5: options->threads = (int)value; break;
    case 6: options->tokens_only = value != 0; break;
    case 7: options->latents_only = value != 0; break;
    case 8: options->tile = (int)value; break;
    case 9: options->x = (int)value; break;
    case 10: options->y = (int)value; break;
    case 11: options->width = (int)value; break;
    case 12: options->height = (int)value; break;
    default: options->predict = value != 0;
    }
}

tess_status tess_encoder_set(tess_encoder *encoder, const char *option, double value) {
    if (!encoder || !option) return TESS_ERR_STATE;
    ts_clear(&encoder->error);
    for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
        const ts_encode_option *o = &OPTIONS[i];
        if (strcmp(o->name, option) != 0) continue;
        if (!(value >= o->low && value <= o->high) || (o->whole && value != floor(value)))
            return ts_fail(&encoder->error, TESS_ERR_OPTION, "Encoder option %s must be %s from %g to %g, not %g.",
                           option, o->whole ? "a whole number" : "a number", o->low, o->high, value);
        if (encoder->phase > TS_ENCODE_PIXELS && encoder->phase < TS_ENCODE_DONE)
            return ts_fail(&encoder->error, TESS_ERR_STATE, "Set encoder options before the first step of a job.");
        apply(&encoder->options, i, value);
        return TESS_OK;
    }
    return ts_fail(&encoder->error, TESS_ERR_OPTION,
                   "There is no encoder option %.40s; there are quality, bpp, size, effort, alpha, threads, "
                   "tokens_only, latents, x, y, width, height, tile and predict.",
                   option);
}

/* Begins a job: forgets the one before, checks sizes, makes the header. */
static tess_status begin(tess_encoder *encoder, int width, int height, int channels) {
    drop_job(encoder);
    ts_clear(&encoder->error);
    const int factor = ts_config_factor(&encoder->model->config);
    if (width < 1 || height < 1 || (channels != 1 && channels != 3 && channels != 4))
        return ts_fail(
            &encoder->error, TESS_ERR_INPUT,
            "A picture of %d x %d with %d channels cannot be coded; it needs 1, 3 or 4 channels and a pixel.", width,
            height, channels);
    if (width > TS_MAX_SIDE || height > TS_MAX_SIDE || (size_t)width * (size_t)height > TS_MAX_PIXELS)
        return ts_fail(&encoder->error, TESS_ERR_TOO_LARGE,
                       "A picture of %d x %d is too large; sides go to %d and pixels to %zu.", width, height,
                       TS_MAX_SIDE, TS_MAX_PIXELS);
    encoder->header = (ts_tess_header){.model = encoder->model->hash,
                                       .width = width,
                                       .height = height,
                                       .channels = channels,
                                       .token_width = (width + factor - 1) / factor,
                                       .token_height = (height + factor - 1) / factor,
                                       .levels = encoder->model->config.quantizer.levels,
                                       .tile = TS_TESS_TILE};
    encoder->phase = TS_ENCODE_PIXELS;
    return TESS_OK;
}

/* What begin has to say no to, once a buffer for the caller could not be had. */
static void *no_room(tess_encoder *encoder, size_t bytes) {
    encoder->phase = TS_ENCODE_IDLE;
    ts_fail_memory(&encoder->error, bytes);
    return NULL;
}

uint8_t *tess_encoder_begin(tess_encoder *encoder, int width, int height, int channels) {
    if (!encoder || begin(encoder, width, height, channels)) return NULL;
    const size_t bytes = (size_t)width * (size_t)height * (size_t)channels;
    encoder->from = TS_FROM_PIXELS;
    encoder->picture = (ts_pixels){ts_alloc(bytes), width, height, channels};
    return encoder->picture.data ? encoder->picture.data : no_room(encoder, bytes);
}

/* Begins a job whose grid the caller gives. */
static tess_status begin_grid(tess_encoder *encoder, int height, int width, int height_px, int width_px) {
    const tess_status status = begin(encoder, width_px, height_px, 3);
    if (status) return status;
    const ts_tess_header *h = &encoder->header;
    if (height == h->token_height && width == h->token_width) return TESS_OK;
    encoder->phase = TS_ENCODE_IDLE;
    return ts_fail(&encoder->error, TESS_ERR_INPUT,
                   "A picture of %d x %d pixels has %d x %d latents in this model, not %d x %d.", width_px, height_px,
                   h->token_width, h->token_height, width, height);
}

float *tess_encoder_begin_latents(tess_encoder *encoder, int height, int width, int dim, int height_px, int width_px) {
    if (!encoder || begin_grid(encoder, height, width, height_px, width_px)) return NULL;
    const int channels = encoder->model->config.quantizer.dim;
    if (dim != channels) {
        encoder->phase = TS_ENCODE_IDLE;
        ts_fail(&encoder->error, TESS_ERR_INPUT, "Latents of %d channels do not fit this model, which has %d.", dim,
                channels);
        return NULL;
    }
    const size_t floats = (size_t)height * (size_t)width * (size_t)dim;
    encoder->from = TS_FROM_LATENTS;
    encoder->latents = ts_calloc(floats, sizeof(float));
    return encoder->latents ? encoder->latents : no_room(encoder, floats * sizeof(float));
}

uint16_t *tess_encoder_begin_tokens(tess_encoder *encoder, int height, int width, int height_px, int width_px) {
    if (!encoder || begin_grid(encoder, height, width, height_px, width_px)) return NULL;
    const size_t bytes = (size_t)encoder->header.levels * (size_t)height * (size_t)width * sizeof(uint16_t);
    encoder->from = TS_FROM_TOKENS;
    encoder->tokens = ts_calloc(1, bytes ? bytes : 1);
    return encoder->tokens ? encoder->tokens : no_room(encoder, bytes);
}

tess_status tess_encoder_step(tess_encoder *encoder) {
    if (!encoder) return TESS_ERR_STATE;
    if (encoder->phase == TS_ENCODE_DONE) return TESS_DONE;
    if (encoder->phase == TS_ENCODE_IDLE || encoder->phase == TS_ENCODE_FAILED) {
        ts_clear(&encoder->error);
        return ts_fail(&encoder->error, TESS_ERR_STATE, "There is no job to step; begin one first.");
    }
    ts_clear(&encoder->error);
    const tess_status status = ts_encode_step(encoder);
    if (status < 0) {
        const ts_error error = encoder->error;
        drop_job(encoder);
        encoder->error = error;
        encoder->phase = TS_ENCODE_FAILED;
    } else if (status == TESS_DONE) {
        encoder->phase = TS_ENCODE_DONE;
        encoder->progress = 1;
        ts_encode_drop(encoder);
    }
    return status;
}

double tess_encoder_progress(const tess_encoder *encoder) { return encoder ? encoder->progress : 0; }

const uint8_t *tess_encoder_bytes(const tess_encoder *encoder, size_t *size) {
    const bool ready = encoder && encoder->phase == TS_ENCODE_DONE && encoder->bytes;
    if (size) *size = ready ? encoder->size : 0;
    return ready ? encoder->bytes : NULL;
}

const uint16_t *tess_encoder_tokens(const tess_encoder *encoder, int *levels, int *height, int *width) {
    const bool ready = encoder && encoder->phase == TS_ENCODE_DONE && encoder->tokens;
    if (levels) *levels = ready ? encoder->header.levels : 0;
    if (height) *height = ready ? encoder->header.token_height : 0;
    if (width) *width = ready ? encoder->header.token_width : 0;
    return ready ? encoder->tokens : NULL;
}

const float *tess_encoder_latents(const tess_encoder *encoder, int *height, int *width, int *dim) {
    const bool ready = encoder && encoder->phase == TS_ENCODE_DONE && encoder->kept;
    if (height) *height = ready ? encoder->header.token_height : 0;
    if (width) *width = ready ? encoder->header.token_width : 0;
    if (dim) *dim = ready ? encoder->model->config.quantizer.dim : 0;
    return ready ? encoder->kept : NULL;
}
