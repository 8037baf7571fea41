/* model.c - tess_model: loading with every check, info, codebook, saving. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "engine/engine.h"
#include "engine/import.h"
#include "engine/model_file.h"
#include "nets/autoencoder.h"
#include "nets/prior.h"

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
    ts_params_free(model->prior);
    ts_free(model->values);
    ts_free(model->halves);
    ts_free(model->prior_values);
    ts_free(model->prior_halves);
    ts_free(model->json);
    ts_free(model->saved);
    for (int i = 0; i < TS_LEVELS_MAX; i++) ts_free(model->tables[i]);
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

/* The entropy.{level} tables of the file and the entropy model made of them. */
static tess_status load_entropy(tess_model *model, const ts_safetensors *file) {
    const ts_quantizer_config *q = &model->config.quantizer;
    int sizes[TS_LEVELS_MAX];
    if (q->type == TS_QUANTIZER_NONE) return TESS_OK;
    for (int level = 0; level < q->levels; level++) {
        char name[24];
        sizes[level] = q->size;
        snprintf(name, sizeof name, "entropy.%d", level);
        const ts_file_tensor *tensor = ts_safetensors_find(file, name);
        if (!tensor) continue; /* this level's statistics are learnt from each file */
        if (tensor->dtype != TS_U8)
            return ts_fail(&model->error, TESS_ERR_MODEL, "Tensor %s is %s; entropy tables are U8.", name,
                           ts_dtype_name(tensor->dtype));
        model->tables[level] = ts_alloc(tensor->count);
        if (!model->tables[level]) return ts_fail_memory(&model->error, tensor->count);
        memcpy(model->tables[level], tensor->data, tensor->count);
        model->table_bytes[level] = tensor->count;
    }
    return ts_entropy_model_new(&model->entropy, q->levels, sizes, (const uint8_t *const *)model->tables,
                                model->table_bytes, &model->error);
}

/* Reads the tensors of a description into a new store, a split one if the file's weights are F16. */
static tess_status load_store(const ts_safetensors *file, const ts_params *params, float **values, uint16_t **halves,
                              ts_error *err) {
    const bool split = ts_model_file_is_half(file, params);
    const size_t half_count = split ? ts_params_split(params, TS_PARAM_CONV) : 0;
    const size_t floats = split ? ts_params_split(params, TS_PARAM_PLAIN) : ts_params_floats(params);
    *values = ts_calloc(floats + 1, sizeof(float));
    if (split) *halves = ts_calloc(half_count + 1, sizeof(uint16_t));
    if (!*values || (split && !*halves))
        return ts_fail_memory(err, floats * sizeof(float) + half_count * sizeof(uint16_t));
    return ts_model_file_read_params(file, params, *values, *halves, err);
}

static tess_status load_nets(tess_model *model, const ts_safetensors *file) {
    ts_error *err = &model->error;
    tess_status status = ts_params_new(&model->params, err);
    if (!status) status = ts_autoencoder_params(&model->config, model->params, err);
    if (!status) status = load_store(file, model->params, &model->values, &model->halves, err);
    if (!status) status = ts_quantizer_new(&model->config.quantizer, &model->quantizer, err);
    if (!status) status = ts_model_file_read_quantizer(file, model->quantizer, &model->config.quantizer, err);
    return status;
}

static tess_status load_prior(tess_model *model, const ts_safetensors *file) {
    const ts_prior_config *c = &model->config.prior;
    if (c->type == TS_PRIOR_NONE) return TESS_OK;
    tess_status status = ts_params_new(&model->prior, &model->error);
    if (!status) status = ts_prior_params(c, model->config.quantizer.size, model->prior, &model->error);
    if (status) return status;
    return load_store(file, model->prior, &model->prior_values, &model->prior_halves, &model->error);
}

static void put_fingerprint(ts_json_writer *json, uint64_t hash) {
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    ts_json_put_text(json, text);
}

static void put_prior(ts_json_writer *json, const tess_model *model) {
    const ts_prior_config *c = &model->config.prior;
    if (!model->prior) return;
    ts_json_key(json, "prior"), ts_json_open(json, '{');
    ts_json_key(json, "type"), ts_json_put_text(json, "transformer");
    ts_json_key(json, "params"), ts_json_put_int(json, (int64_t)ts_params_total(model->prior));
    ts_json_key(json, "grid"), ts_json_open(json, '[');
    ts_json_put_int(json, c->rows), ts_json_put_int(json, c->columns);
    ts_json_close(json, ']');
    ts_json_key(json, "text"), ts_json_put_bool(json, c->words > 0);
    ts_json_key(json, "classes"), ts_json_put_int(json, c->classes);
    ts_json_close(json, '}');
}

static tess_status write_info(tess_model *model) {
    const ts_quantizer_config *q = &model->config.quantizer;
    ts_json_writer json = ts_json_writer_new(&model->info);
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
    ts_json_key(&json, "codebook"), ts_json_open(&json, '{');
    ts_json_key(&json, "size"), ts_json_put_int(&json, q->size);
    ts_json_key(&json, "dim"), ts_json_put_int(&json, q->dim);
    ts_json_close(&json, '}');
    ts_json_key(&json, "macsPerPixel"), ts_json_open(&json, '{');
    ts_json_key(&json, "encoder"), ts_json_put_number(&json, ts_config_encoder_macs(&model->config));
    ts_json_key(&json, "decoder"), ts_json_put_number(&json, ts_config_decoder_macs(&model->config));
    ts_json_close(&json, '}');
    ts_json_key(&json, "tasks"), ts_json_open(&json, '[');
    if (q->type != TS_QUANTIZER_NONE) ts_json_put_text(&json, "compress");
    ts_json_put_text(&json, "reconstruct");
    if (model->prior) ts_json_put_text(&json, "generate");
    ts_json_close(&json, ']');
    put_prior(&json, model);
    ts_json_key(&json, "licence"), ts_json_put_text(&json, model->config.licence);
    ts_json_key(&json, "trainedOn"), ts_json_put_text(&json, model->config.trained_on);
    ts_json_close(&json, '}');
    ts_write_u8(&model->info, 0);
    return model->info.failed ? ts_fail_memory(&model->error, model->info.capacity) : TESS_OK;
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
    if (!status) status = load_prior(model, file);
    if (!status) status = load_entropy(model, file);
    if (!status) status = ts_model_hash(model, &model->hash, err);
    if (!status) status = write_info(model);
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

const char *tess_model_info(const tess_model *model) {
    return model && model->loaded ? (const char *)model->info.data : "{}";
}

tess_status tess_model_save(tess_model *model, int half, const uint8_t **bytes, size_t *size) {
    if (!model || !bytes || !size) return TESS_ERR_STATE;
    ts_clear(&model->error);
    if (!model->loaded) return ts_fail(&model->error, TESS_ERR_STATE, "No model is loaded; load one before saving.");
    ts_free(model->saved);
    model->saved = NULL;
    const ts_model_content content = {.json = model->json,
                                      .params = model->params,
                                      .store = ts_model_store(model),
                                      .quantizer = model->quantizer,
                                      .tables = (const uint8_t *const *)model->tables,
                                      .table_bytes = model->table_bytes,
                                      .prior = model->prior,
                                      .prior_store = ts_model_prior_store(model),
                                      .prior_half = half < 0 ? model->prior_halves != NULL : half};
    const tess_status status = ts_model_file_write(&content, half < 0 ? model->halves != NULL : half, &model->saved,
                                                   size, &model->error);
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
