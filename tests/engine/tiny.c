/* tiny.c - tiny models and pictures for the tests of the engine. */
#include "tiny.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "engine/model_file.h"
#include "nets/autoencoder.h"
#include "nets/config_part.h"
#include "nets/upscaler.h"

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

#define NETS_8                                                                                                         \
    "\"range\":[-1,1],"                                                                                                \
    "\"encoder\":[{\"op\":\"unshuffle\",\"factor\":8},{\"op\":\"conv\",\"out\":4,\"kernel\":1}],"                      \
    "\"decoder\":[{\"op\":\"conv\",\"out\":48,\"kernel\":1},{\"op\":\"res\"},{\"op\":\"shuffle\",\"factor\":2},"       \
    "{\"op\":\"res\"},{\"op\":\"silu\"},{\"op\":\"conv\",\"out\":48,\"kernel\":3},{\"op\":\"shuffle\",\"factor\":4}]," \
    "\"quantizer\":{\"type\":\"vq\",\"levels\":3,\"size\":32,\"dim\":4}"

const char *const TINY_8_CONFIG = "{\"format\":1,\"name\":\"tiny-8\"," NETS_8 "}";
const char *const TINY_UPSCALER = "{\"2\":{\"width\":16,\"blocks\":2,\"tail\":[24,1]},"
                                  "\"4\":{\"width\":24,\"blocks\":1,\"tail\":[16,2]}}";
const char *const TINY_WHOLE_CONFIG = "{\"format\":1,\"name\":\"tiny-whole\"," NETS_8
                                      ",\"upscaler\":{\"4\":{\"width\":16,\"blocks\":1,\"tail\":[16,1]}}}";

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

/* Weights that leave values about as large as they came. */
static ts_part random_upscaler(const ts_upscaler_config *config, int dim, ts_rng *rng) {
    ts_part part = {0};
    if (!ts_upscaler_any(config) || ts_params_new(&part.params, NULL) ||
        ts_upscaler_params(config, dim, part.params, NULL) ||
        !(part.values = ts_calloc(ts_params_floats(part.params), sizeof *part.values)))
        return part;
    for (int i = 0; i < ts_params_count(part.params); i++) {
        const ts_param *p = ts_params_at(part.params, i);
        const float fan = (float)p->dims[1] * (float)p->dims[2] * (float)p->dims[3];
        ts_rng_fill_normal(rng, part.values + p->offset, p->count, p->rank > 1 ? 0.7F / sqrtf(fan) : 0.1F);
    }
    return part;
}

uint8_t *tiny_part_file(const char *model, const char *part_of, const char *upscaler, uint64_t seed, size_t *size) {
    enum { MOST = 128 };
    char json[512];
    ts_config config;
    ts_part_config part_config;
    ts_file_tensor_source sources[MOST] = {0};
    uint8_t *bytes = NULL;
    ts_rng rng = ts_rng_new(seed, 3);
    snprintf(json, sizeof json, "{\"format\":1,\"part_of\":\"%s\",\"upscaler\":%s}", part_of, upscaler);
    const uint64_t hash = strtoull(part_of, NULL, 16);
    if (ts_config_parse(model, strlen(model), &config, NULL) ||
        ts_config_parse_part(json, strlen(json), &config, hash, &part_config, NULL))
        return NULL;
    ts_part part = random_upscaler(&part_config.upscaler, config.quantizer.dim, &rng);
    size_t count = 0;
    float *room = part.values ? ts_alloc_floats(ts_params_floats(part.params)) : NULL;
    for (int rank = 1; room && rank <= 4; rank += 3) /* F32 first, so that everything lies aligned */
        for (int i = 0; i < ts_params_count(part.params) && count < MOST; i++) {
            const ts_param *p = ts_params_at(part.params, i);
            if (p->rank != rank) continue;
            ts_param_write(p, part.values, room + p->offset);
            ts_file_tensor *t = &sources[count].tensor;
            sources[count++].from_float = 1;
            *t = (ts_file_tensor){.name = p->name,
                                  .dtype = rank == 1 ? TS_F32 : TS_F16,
                                  .rank = rank,
                                  .data = (const uint8_t *)(room + p->offset)};
            for (int k = 0; k < rank; k++) t->shape[k] = (uint64_t)p->dims[k];
        }
    const ts_metadata metadata = {"tesserae", json};
    if (room && ts_safetensors_write(&bytes, size, sources, count, &metadata, 1, NULL)) bytes = NULL;
    ts_free(room);
    ts_part_free(&part);
    return bytes;
}

uint8_t *tiny_model_file(const char *json, uint64_t seed, int half, size_t *size) {
    ts_config config;
    ts_params *params = NULL;
    ts_quantizer *quantizer = NULL;
    float *values = NULL;
    uint8_t *bytes = NULL;
    ts_part upscaler = {0};
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
        upscaler = random_upscaler(&config.upscaler, config.quantizer.dim, &rng);
        const ts_model_content content = {.json = json,
                                          .quantizer = quantizer,
                                          .nets = {params, {.values = values}, half},
                                          .upscaler = {upscaler.params, {.values = upscaler.values}, half}};
        if (ts_model_file_write(&content, &bytes, size, NULL)) bytes = NULL;
    }
    ts_part_free(&upscaler);
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
