/* model_info.c - tess_model_info: what a model is, as JSON. */
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "engine/engine.h"
#include "nets/upscaler.h"

static void put_fingerprint(ts_json_writer *json, uint64_t hash) {
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    ts_json_put_text(json, text);
}

static void put_prior(ts_json_writer *json, const tess_model *model) {
    const ts_prior_config *c = &model->config.prior;
    if (!model->prior.params) return;
    ts_json_key(json, "prior"), ts_json_open(json, '{');
    ts_json_key(json, "type"), ts_json_put_text(json, c->type == TS_PRIOR_CONV ? "conv" : "transformer");
    ts_json_key(json, "params"), ts_json_put_int(json, (int64_t)ts_params_total(model->prior.params));
    ts_json_key(json, "levels"), ts_json_put_int(json, c->type == TS_PRIOR_CONV ? c->levels : 1);
    if (c->type == TS_PRIOR_TRANSFORMER) {
        ts_json_key(json, "grid"), ts_json_open(json, '[');
        ts_json_put_int(json, c->rows), ts_json_put_int(json, c->columns);
        ts_json_close(json, ']');
    }
    ts_json_key(json, "text"), ts_json_put_bool(json, c->words > 0);
    ts_json_key(json, "classes"), ts_json_put_int(json, c->classes);
    ts_json_close(json, '}');
}

static void put_upscaler(ts_json_writer *json, const tess_model *model) {
    if (!model->upscaler.params) return;
    ts_json_key(json, "upscaler"), ts_json_open(json, '{');
    ts_json_key(json, "params"), ts_json_put_int(json, (int64_t)ts_params_total(model->upscaler.params));
    ts_json_key(json, "factors"), ts_json_open(json, '[');
    for (int factor = 2; factor <= 4; factor += 2)
        if (ts_upscaler_of(&model->config.upscaler, factor)) ts_json_put_int(json, factor);
    ts_json_close(json, ']');
    ts_json_close(json, '}');
}

static void put_tasks(ts_json_writer *json, const tess_model *model) {
    ts_json_key(json, "tasks"), ts_json_open(json, '[');
    if (model->config.quantizer.type != TS_QUANTIZER_NONE) ts_json_put_text(json, "compress");
    ts_json_put_text(json, "reconstruct");
    if (model->config.prior.type == TS_PRIOR_TRANSFORMER) ts_json_put_text(json, "generate");
    ts_json_put_text(json, "inpaint");
    if (model->upscaler.params) ts_json_put_text(json, "upscale");
    ts_json_close(json, ']');
}

/* Levels whose tokens can be coded with a predictor. */
static int predictors(const tess_model *model) {
    int count = 0;
    for (int level = 0; level < TS_LEVELS_MAX; level++) count += model->predictors[level] != NULL;
    return count;
}

tess_status ts_model_write_info(const tess_model *model, ts_writer *out, ts_error *err) {
    const ts_quantizer_config *q = &model->config.quantizer;
    ts_json_writer json = ts_json_writer_new(out);
    size_t params = ts_params_total(model->params);
    if (q->type == TS_QUANTIZER_VQ) params += (size_t)q->levels * (size_t)q->size * (size_t)q->dim;
    ts_json_open(&json, '{');
    ts_json_key(&json, "name"), ts_json_put_text(&json, model->config.name);
    ts_json_key(&json, "hash"), put_fingerprint(&json, model->hash);
    ts_json_key(&json, "reads"), ts_json_open(&json, '[');
    for (int i = 0; i < model->config.reads_count; i++) put_fingerprint(&json, model->config.reads[i]);
    ts_json_close(&json, ']');
    ts_json_key(&json, "params"), ts_json_put_int(&json, (int64_t)params);
    ts_json_key(&json, "bytes"), ts_json_put_int(&json, (int64_t)model->file_bytes);
    ts_json_key(&json, "factor"), ts_json_put_int(&json, ts_config_factor(&model->config));
    const int reach = ts_config_decoder_radius(&model->config);
    ts_json_key(&json, "reach"), ts_json_put_int(&json, reach == TS_RADIUS_WHOLE ? -1 : reach);
    ts_json_key(&json, "levels"), ts_json_put_int(&json, q->levels);
    ts_json_key(&json, "predictors"), ts_json_put_int(&json, predictors(model));
    ts_json_key(&json, "codebook"), ts_json_open(&json, '{');
    ts_json_key(&json, "size"), ts_json_put_int(&json, q->size);
    ts_json_key(&json, "dim"), ts_json_put_int(&json, q->dim);
    ts_json_close(&json, '}');
    ts_json_key(&json, "macsPerPixel"), ts_json_open(&json, '{');
    ts_json_key(&json, "encoder"), ts_json_put_number(&json, ts_config_encoder_macs(&model->config));
    ts_json_key(&json, "decoder"), ts_json_put_number(&json, ts_config_decoder_macs(&model->config));
    ts_json_close(&json, '}');
    put_tasks(&json, model);
    put_prior(&json, model);
    put_upscaler(&json, model);
    ts_json_key(&json, "licence"), ts_json_put_text(&json, model->config.licence);
    ts_json_key(&json, "trainedOn"), ts_json_put_text(&json, model->config.trained_on);
    ts_json_close(&json, '}');
    ts_write_u8(out, 0);
    return out->failed ? ts_fail_memory(err, out->capacity) : TESS_OK;
}

const char *tess_model_info(const tess_model *model) {
    return model && model->loaded ? (const char *)model->info.data : "{}";
}
