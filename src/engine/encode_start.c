/* encode_start.c - what an encoding job does first: checks, region, memory, and tiles where it begins from pixels. */
#include <math.h>

#include "base/alloc.h"
#include "engine/encoder.h"

static bool has_transparency(const ts_pixels *picture) {
    const size_t count = (size_t)picture->width * (size_t)picture->height;
    for (size_t i = 0; i < count; i++)
        if (picture->data[4 * i + 3] != 255) return true;
    return false;
}

/* A job for tokens or a file needs codes. */
static tess_status check_codes(tess_encoder *encoder) {
    const ts_config *c = &encoder->model->config;
    if (encoder->options.latents_only || c->quantizer.type != TS_QUANTIZER_NONE) return TESS_OK;
    return ts_fail(
        &encoder->error, TESS_ERR_MODEL,
        "The model %.60s has continuous latents and no codebook, so it makes no tokens and no .tess file; ask "
        "for latents, or reconstruct.",
        c->name);
}

/* The latents that the region's pixels lie in. */
static tess_status place_region(tess_encoder *encoder) {
    const ts_encode_options *o = &encoder->options;
    const ts_tess_header *h = &encoder->header;
    const bool whole = !o->x && !o->y && !o->width && !o->height;
    const bool parts = o->latents_only ? encoder->from == TS_FROM_PIXELS
                                       : o->tokens_only && encoder->from == TS_FROM_LATENTS;
    if ((o->latents_only && encoder->from != TS_FROM_PIXELS) || (!whole && !parts))
        return ts_fail(&encoder->error, TESS_ERR_OPTION,
                       "Latents are made of pixels, and a region is for latents of pixels or tokens of latents alone.");
    if (o->x >= h->width || o->y >= h->height)
        return ts_fail(&encoder->error, TESS_ERR_OPTION,
                       "The region starts at (%d, %d), outside the picture of %d x %d.", o->x, o->y, h->width,
                       h->height);
    const int f = ts_config_factor(&encoder->model->config);
    const int right = o->width && o->width < h->width - o->x ? o->x + o->width : h->width;
    const int bottom = o->height && o->height < h->height - o->y ? o->y + o->height : h->height;
    encoder->region = (ts_span){o->x / f, o->y / f, (right - 1) / f + 1 - o->x / f, (bottom - 1) / f + 1 - o->y / f};
    return TESS_OK;
}

/* Decides on alpha, takes the memory for latents, cuts the picture into tiles. */
static tess_status prepare_net(tess_encoder *encoder) {
    ts_error *err = &encoder->error;
    if (encoder->header.channels == 4) {
        if (!encoder->options.keep_alpha || encoder->options.latents_only || !has_transparency(&encoder->picture))
            encoder->header.channels = 3;
        else ts_pixels_smooth_hidden(&encoder->picture, ts_config_factor(&encoder->model->config));
    }
    tess_status status = ts_net_init(&encoder->net, encoder->model, true, err);
    if (!status)
        status = ts_net_tile(&encoder->net, encoder->header.token_width, encoder->header.token_height, encoder->region,
                             encoder->options.tile, encoder->options.threads, err);
    if (status) return status;
    const size_t floats = ts_encode_area(encoder) * (size_t)encoder->model->config.quantizer.dim;
    encoder->latents = ts_calloc(floats, sizeof(float));
    if (!encoder->latents) return ts_fail_memory(err, floats * sizeof(float));
    encoder->at = 0;
    encoder->phase = TS_ENCODE_NET;
    return TESS_OK;
}

/* The header says which predictors the tokens are coded with. */
static tess_status name_predictor(tess_encoder *encoder) {
    const tess_model *model = encoder->model;
    if (encoder->options.predict && !model->predictor)
        return ts_fail(&encoder->error, TESS_ERR_OPTION,
                       "The model %.60s has no predictors; encode without option predict.", model->config.name);
    encoder->header.predictor = encoder->options.predict ? model->predictor : 0;
    return TESS_OK;
}

tess_status ts_encode_start(tess_encoder *encoder) {
    const ts_quantizer_config *q = &encoder->model->config.quantizer;
    ts_error *err = &encoder->error;
    tess_status status = check_codes(encoder);
    if (!status) status = name_predictor(encoder);
    if (!status) status = place_region(encoder);
    if (!status && !ts_pool_resize(&encoder->pool, encoder->options.threads)) status = ts_fail_memory(err, 0);
    if (!status && encoder->from == TS_FROM_PIXELS) status = prepare_net(encoder);
    if (status || encoder->options.latents_only) return status;
    const size_t tokens = ts_encode_area(encoder) * (size_t)q->levels;
    encoder->masking = ts_alloc_floats(ts_encode_area(encoder));
    if (!encoder->tokens) encoder->tokens = ts_calloc(tokens, sizeof(uint16_t));
    if (!encoder->masking || !encoder->tokens) return ts_fail_memory(err, tokens * sizeof(uint16_t));
    for (size_t i = 0; encoder->from == TS_FROM_LATENTS && i < ts_encode_area(encoder) * (size_t)q->dim; i++)
        if (!isfinite(encoder->latents[i]))
            return ts_fail(err, TESS_ERR_INPUT, "Latent %zu, channel %zu, is not a finite number.", i / (size_t)q->dim,
                           i % (size_t)q->dim);
    return TESS_OK;
}
