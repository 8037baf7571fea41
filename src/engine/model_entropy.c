/* model_entropy.c - a model's entropy tables and predictors: byte tensors, one per level. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "engine/engine.h"

/* A copy of the tensor "kind.{level}", or nothing if the file has none. */
static tess_status load_bytes(tess_model *model, const ts_safetensors *file, const char *kind, int level,
                              uint8_t **bytes, size_t *size) {
    char name[24];
    snprintf(name, sizeof name, "%s.%d", kind, level);
    const ts_file_tensor *tensor = ts_safetensors_find(file, name);
    if (!tensor) return TESS_OK;
    if (tensor->dtype != TS_U8)
        return ts_fail(&model->error, TESS_ERR_MODEL, "Tensor %s is %s; it should be U8.", name,
                       ts_dtype_name(tensor->dtype));
    *bytes = ts_alloc(tensor->count + 1);
    if (!*bytes) return ts_fail_memory(&model->error, tensor->count);
    memcpy(*bytes, tensor->data, tensor->count);
    *size = tensor->count;
    return TESS_OK;
}

static tess_status add_predictors(tess_model *model) {
    uint64_t hash = TS_FNV_START;
    bool any = false;
    for (int level = 0; level < model->config.quantizer.levels; level++) {
        if (!model->predictors[level]) continue;
        const tess_status status = ts_entropy_model_add(model->entropy, level, model->predictors[level],
                                                        model->predictor_bytes[level], &model->error);
        if (status) return status;
        hash = ts_fnv1a64(hash, model->predictors[level], model->predictor_bytes[level]);
        any = true;
    }
    model->predictor = any ? (uint32_t)hash : 0;
    return TESS_OK;
}

tess_status ts_model_load_entropy(tess_model *model, const ts_safetensors *file) {
    const ts_quantizer_config *q = &model->config.quantizer;
    int sizes[TS_LEVELS_MAX];
    tess_status status = TESS_OK;
    if (q->type == TS_QUANTIZER_NONE) return TESS_OK;
    for (int level = 0; level < q->levels && !status; level++) {
        sizes[level] = q->size;
        status = load_bytes(model, file, "entropy", level, &model->tables[level], &model->table_bytes[level]);
        if (!status)
            status = load_bytes(model, file, "predictor", level, &model->predictors[level],
                                &model->predictor_bytes[level]);
    }
    if (!status) /* a level without tables learns its statistics from each file */
        status = ts_entropy_model_new(&model->entropy, q->levels, sizes, (const uint8_t *const *)model->tables,
                                      model->table_bytes, &model->error);
    return status ? status : add_predictors(model);
}
