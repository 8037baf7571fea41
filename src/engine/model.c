/* model.c - tess_model: loading with every check, codebook, saving. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/engine.h"
#include "engine/import.h"
#include "engine/model_file.h"
#include "nets/autoencoder.h"

tess_model *tess_model_new(void) {
    tess_model *model = ts_calloc(1, sizeof *model);
    if (model) ts_writer_init(&model->info);
    return model;
}

/* Back to an empty handle; the message stays. */
static void unload(tess_model *model) {
    const ts_error error = model->error;
    ts_entropy_model_free(model->entropy);
    ts_quantizer_free(model->quantizer);
    ts_params_free(model->params);
    ts_free(model->values);
    ts_free(model->halves);
    ts_part_free(&model->prior);
    ts_part_free(&model->upscaler);
    ts_free(model->json);
    ts_free(model->saved);
    for (int i = 0; i < TS_LEVELS_MAX; i++) {
        ts_free(model->tables[i]);
        ts_free(model->predictors[i]);
    }
    ts_writer_free(&model->info);
    memset(model, 0, sizeof *model);
    ts_writer_init(&model->info);
    model->error = error;
}

void tess_model_free(tess_model *model) {
    if (!model) return;
    unload(model);
    ts_free(model);
}

const char *tess_model_message(const tess_model *model) { return model ? model->error.text : "There is no model."; }

static tess_status load_nets(tess_model *model, const ts_safetensors *file) {
    ts_error *err = &model->error;
    tess_status status = ts_params_new(&model->params, err);
    if (!status) status = ts_autoencoder_params(&model->config, model->params, err);
    if (!status) status = ts_model_file_load(file, model->params, &model->values, &model->halves, err);
    if (!status) status = ts_quantizer_new(&model->config.quantizer, &model->quantizer, err);
    if (!status) status = ts_model_file_read_quantizer(file, model->quantizer, &model->config.quantizer, err);
    return status;
}

static tess_status load(tess_model *model, const ts_safetensors *file, size_t size) {
    ts_error *err = &model->error;
    const char *json = ts_model_file_config(file, err);
    if (!json) return TESS_ERR_MODEL;
    const size_t length = strlen(json);
    ts_error why;
    tess_status status = ts_config_parse(json, length, &model->config, &why);
    if (status == TESS_ERR_MEMORY) return ts_fail(err, status, "%s", why.text);
    if (status) return ts_fail(err, TESS_ERR_MODEL, "The model's config is not usable: %s", why.text);
    model->json = ts_alloc(length + 1);
    if (!model->json) return ts_fail_memory(err, length + 1);
    memcpy(model->json, json, length + 1);
    model->file_bytes = size;
    status = load_nets(model, file);
    if (!status) status = ts_model_load_parts(model, file);
    if (!status) status = ts_model_load_entropy(model, file);
    if (!status) status = ts_model_hash(model, &model->hash, err);
    if (!status) status = ts_model_write_info(model, &model->info, err);
    return status;
}

tess_status tess_model_load_pair(tess_model *model, const void *bytes, size_t size, const void *more,
                                 size_t more_size) {
    if (!model) return TESS_ERR_STATE;
    ts_clear(&model->error);
    unload(model);
    if (!bytes && size) return ts_fail(&model->error, TESS_ERR_INPUT, "There are no bytes to load a model from.");
    ts_import import;
    tess_status status = ts_import_open(&import, bytes, size, more, more_size, &model->error);
    if (!status) status = load(model, import.model, import.bytes);
    ts_import_close(&import);
    if (status) {
        unload(model);
        return status;
    }
    model->loaded = true;
    return TESS_OK;
}

tess_status tess_model_load(tess_model *model, const void *bytes, size_t size) {
    return tess_model_load_pair(model, bytes, size, NULL, 0);
}

/* What is saved of a part: nothing if it has a file of its own. */
static ts_model_weights part_weights(const ts_part *part, int half) {
    return (ts_model_weights){part->added ? NULL : part->params, ts_part_store(part),
                              half < 0 ? part->halves != NULL : half};
}

tess_status tess_model_save(tess_model *model, int half, const uint8_t **bytes, size_t *size) {
    if (!model || !bytes || !size) return TESS_ERR_STATE;
    ts_clear(&model->error);
    if (!model->loaded) return ts_fail(&model->error, TESS_ERR_STATE, "No model is loaded; load one before saving.");
    ts_free(model->saved);
    model->saved = NULL;
    const ts_model_content content = {
        .json = model->json,
        .quantizer = model->quantizer,
        .tables = (const uint8_t *const *)model->tables,
        .table_bytes = model->table_bytes,
        .predictors = (const uint8_t *const *)model->predictors,
        .predictor_bytes = model->predictor_bytes,
        .nets = {model->params, ts_model_store(model), half < 0 ? model->halves != NULL : half},
        .prior = part_weights(&model->prior, half),
        .upscaler = part_weights(&model->upscaler, half)};
    const tess_status status = ts_model_file_write(&content, &model->saved, size, &model->error);
    if (!status) *bytes = model->saved;
    return status;
}

const float *tess_model_codebook(const tess_model *model, int level, int *size, int *dim) {
    if (!model || !model->loaded || level < 0 || level >= model->config.quantizer.levels) return NULL;
    const ts_quantizer_config *q = &model->config.quantizer;
    if (size) *size = q->size;
    if (dim) *dim = q->dim;
    return ts_quantizer_codebook(model->quantizer) + (size_t)level * (size_t)q->size * (size_t)q->dim;
}
