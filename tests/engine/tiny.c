/* tiny.c - tiny models and pictures for the tests of the engine. */
#include "tiny.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "engine/model_file.h"
#include "nets/autoencoder.h"

#define NETS                                                                                                           \
    "\"range\":[-1,1],"                                                                                                \
    "\"encoder\":[{\"op\":\"unshuffle\",\"factor\":2},{\"op\":\"conv\",\"out\":8,\"kernel\":3},{\"op\":\"res\"},"      \
    "{\"op\":\"unshuffle\",\"factor\":2},{\"op\":\"conv\",\"out\":12,\"kernel\":1},{\"op\":\"res\"},{\"op\":\"silu\"}" \
    ","                                                                                                                \
    "{\"op\":\"conv\",\"out\":4,\"kernel\":1}],"                                                                       \
    "\"decoder\":[{\"op\":\"conv\",\"out\":12,\"kernel\":3},{\"op\":\"res\"},{\"op\":\"silu\"},"                       \
    "{\"op\":\"conv\",\"out\":32,\"kernel\":1},{\"op\":\"shuffle\",\"factor\":2},{\"op\":\"res\"},{\"op\":\"silu\"},"  \
    "{\"op\":\"conv\",\"out\":12,\"kernel\":3},{\"op\":\"shuffle\",\"factor\":2}],"

const char *const TINY_CONFIG = "{\"format\":1,\"name\":\"tiny\",\"licence\":\"MIT\",\"trained_on\":\"nothing\"," NETS
                                "\"quantizer\":{\"type\":\"vq\",\"levels\":3,\"size\":32,\"dim\":4},"
                                "\"train\":{\"lambda\":[0,0.05]}}";
const char *const TINY_FSQ_CONFIG =
    "{\"format\":1,\"name\":\"tiny-fsq\",\"licence\":\"MIT\",\"trained_on\":\"nothing\"," NETS
    "\"quantizer\":{\"type\":\"fsq\",\"bins\":[4,4,4,4]}}";

const char *const TINY_LFQ_CONFIG =
    "{\"format\":1,\"name\":\"tiny-lfq\",\"licence\":\"MIT\",\"trained_on\":\"nothing\"," NETS
    "\"quantizer\":{\"type\":\"lfq\",\"bits\":4}}";

/* Codes that get smaller with each level; code 0 of upper levels is the zero vector. */
static void random_codes(ts_quantizer *quantizer, const ts_quantizer_config *q, ts_rng *rng) {
    float *codes = ts_quantizer_codebook(quantizer), *bits = ts_quantizer_bits(quantizer);
    const size_t per_level = (size_t)q->size * (size_t)q->dim;
    for (int level = 0; level < q->levels; level++) {
        ts_rng_fill_normal(rng, codes + (size_t)level * per_level, per_level, 0.5F / (float)(1 << level));
        if (level) memset(codes + (size_t)level * per_level, 0, (size_t)q->dim * sizeof *codes);
        for (int k = 0; k < q->size; k++) bits[level * q->size + k] = k == 0 && level ? 1 : 5.5F;
    }
}

uint8_t *tiny_model_file(const char *json, uint64_t seed, int half, size_t *size) {
    ts_config config;
    ts_params *params = NULL;
    ts_quantizer *quantizer = NULL;
    float *values = NULL;
    uint8_t *bytes = NULL;
    ts_rng rng = ts_rng_new(seed, 1);
    bool ok = ts_config_parse(json, strlen(json), &config, NULL) == TESS_OK &&
              ts_params_new(&params, NULL) == TESS_OK && ts_autoencoder_params(&config, params, NULL) == TESS_OK &&
              ts_quantizer_new(&config.quantizer, &quantizer, NULL) == TESS_OK &&
              (values = ts_calloc(ts_params_floats(params), sizeof *values)) != NULL;
    if (ok) {
        ts_autoencoder_init(&config, params, values, &rng);
        for (int i = 0; i < ts_params_count(params);
             i++) { /* residual blocks start at zero: give them something to do */
            const ts_param *p = ts_params_at(params, i);
            for (size_t k = 0; k < p->count; k++) values[p->offset + k] += 0.1F * ts_rng_normal(&rng);
        }
        if (config.quantizer.type == TS_QUANTIZER_VQ) random_codes(quantizer, &config.quantizer, &rng);
        const ts_model_content content = {json, params, {values, NULL}, quantizer, NULL, NULL};
        if (ts_model_file_write(&content, half, &bytes, size, NULL)) bytes = NULL;
    }
    ts_free(values);
    ts_quantizer_free(quantizer);
    ts_params_free(params);
    return bytes;
}

uint8_t *tiny_model_with(const char *name, float value, size_t *size) {
    uint8_t *bytes = tiny_model_file(TINY_CONFIG, 1, 0, size);
    ts_safetensors *file = NULL;
    if (!bytes || ts_safetensors_open(&file, bytes, *size, NULL)) return bytes;
    const ts_file_tensor *tensor = ts_safetensors_find(file, name);
    if (tensor && tensor->dtype == TS_F32) memcpy(bytes + (tensor->data - bytes), &value, sizeof value);
    ts_safetensors_close(file);
    return bytes;
}

tess_model *tiny_model(const char *config, uint64_t seed) {
    size_t size = 0;
    uint8_t *bytes = tiny_model_file(config, seed, 0, &size);
    tess_model *model = tess_model_new();
    const tess_status status = bytes && model ? tess_model_load(model, bytes, size) : TESS_ERR_MEMORY;
    ts_free(bytes);
    if (status == TESS_OK) return model;
    tess_model_free(model);
    return NULL;
}

void tiny_picture(uint8_t *pixels, int width, int height, int channels) {
    ts_rng rng = ts_rng_new(5, 2);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            const double edge = x * 3 > y + width ? 50 : -10, wave = 50 * sin(x * 0.07) * cos(y * 0.05);
            for (int c = 0; c < channels && c < 3; c++)
                *pixels++ = (uint8_t)(110 + edge * (1 - 0.3 * c) + wave + (double)ts_rng_below(&rng, 12));
            if (channels < 4) continue;
            const double far = hypot(x - width / 2.0, y - height / 2.0),
                         radius = 0.4 * (width < height ? width : height);
            const double alpha = 255 * (radius - far + 1) / 2;
            *pixels++ = (uint8_t)(alpha < 0 ? 0 : alpha > 255 ? 255 : alpha);
        }
}

bool tiny_encode(tess_encoder *encoder, const uint8_t *pixels, int width, int height, int channels) {
    uint8_t *room = tess_encoder_begin(encoder, width, height, channels);
    if (!room) return false;
    memcpy(room, pixels, (size_t)width * (size_t)height * (size_t)channels);
    tess_status status;
    while ((status = tess_encoder_step(encoder)) == TESS_MORE) continue;
    return status == TESS_DONE;
}

bool tiny_decode(tess_decoder *decoder, const uint8_t *bytes, size_t size) {
    uint8_t *room = tess_decoder_begin(decoder, size);
    if (!room) return false;
    memcpy(room, bytes, size);
    tess_status status;
    while ((status = tess_decoder_step(decoder)) == TESS_MORE) continue;
    return status == TESS_DONE;
}
