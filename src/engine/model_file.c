/* model_file.c - tensors of a model to and from safetensors, every one checked. */
#include "engine/model_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* ---- reading ------------------------------------------------------------------------------------------------- */

const char *ts_model_file_config(const ts_safetensors *file, ts_error *err) {
    const char *json = ts_safetensors_metadata(file, "tesserae");
    if (!json)
        ts_fail(err, TESS_ERR_MODEL,
                "This safetensors file holds no Tesserae model (its metadata has no \"tesserae\"); take one made by "
                "`tesserae train`.");
    return json;
}

static bool all_finite(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

static void shape_text(const int *dims, int rank, char *text, size_t capacity) {
    size_t used = (size_t)snprintf(text, capacity, "[");
    for (int i = 0; i < rank && used < capacity; i++)
        used += (size_t)snprintf(text + used, capacity - used, i ? ", %d" : "%d", dims[i]);
    if (used < capacity) snprintf(text + used, capacity - used, "]");
}

tess_status ts_model_file_read_floats(const ts_safetensors *file, const char *name, int rank, const int *dims,
                                      bool needed, float *out, ts_error *err) {
    const ts_file_tensor *tensor = ts_safetensors_find(file, name);
    if (!tensor) {
        if (!needed) return TESS_OK;
        return ts_fail(err, TESS_ERR_MODEL,
                       "The model has no tensor %s, which its config asks for; the file is incomplete.", name);
    }
    if (tensor->dtype != TS_F32 && tensor->dtype != TS_F16 && tensor->dtype != TS_BF16)
        return ts_fail(err, TESS_ERR_MODEL, "Tensor %s is %s; weights are F32, F16 or BF16.", name,
                       ts_dtype_name(tensor->dtype));
    bool same = tensor->rank == rank;
    for (int i = 0; same && i < rank; i++) same = tensor->shape[i] == (uint64_t)dims[i];
    if (!same) {
        char wanted[64], found[64];
        int have[TS_TENSOR_RANK];
        for (int i = 0; i < tensor->rank; i++)
            have[i] = tensor->shape[i] > 1000000000 ? 1000000000 : (int)tensor->shape[i];
        shape_text(dims, rank, wanted, sizeof wanted);
        shape_text(have, tensor->rank, found, sizeof found);
        return ts_fail(err, TESS_ERR_MODEL, "Tensor %s has shape %s; the config asks for %s.", name, found, wanted);
    }
    ts_file_tensor_floats(tensor, out);
    if (!all_finite(out, tensor->count))
        return ts_fail(err, TESS_ERR_MODEL, "Tensor %s holds a number that is not finite; the model is damaged.", name);
    return TESS_OK;
}

/* Are all convolution weights of `params` F16 in the file? Then a split store holds them exactly. */
static bool is_half(const ts_safetensors *file, const ts_params *params) {
    for (int i = 0; i < ts_params_count(params); i++) {
        const ts_param *param = ts_params_at(params, i);
        const ts_file_tensor *tensor = param->layout == TS_PARAM_CONV ? ts_safetensors_find(file, param->name) : NULL;
        if (tensor && tensor->dtype != TS_F16) return false;
    }
    return true;
}

tess_status ts_model_file_read_params(const ts_safetensors *file, const ts_params *params, float *values,
                                      uint16_t *halves, ts_error *err) {
    const size_t largest = ts_params_largest(params);
    float *room = ts_alloc_floats(largest + 1);
    if (!room) return ts_fail_memory(err, largest * sizeof(float));
    tess_status status = TESS_OK;
    for (int i = 0; i < ts_params_count(params) && !status; i++) {
        const ts_param *param = ts_params_at(params, i);
        status = ts_model_file_read_floats(file, param->name, param->rank, param->dims, true, room, err);
        if (!status && halves) ts_param_read_split(param, values, halves, room);
        else if (!status) ts_param_read(param, values, room);
    }
    ts_free(room);
    return status;
}

tess_status ts_model_file_load(const ts_safetensors *file, const ts_params *params, float **values, uint16_t **halves,
                               ts_error *err) {
    const bool split = is_half(file, params);
    const size_t half_count = split ? ts_params_split(params, TS_PARAM_CONV) : 0;
    const size_t floats = split ? ts_params_split(params, TS_PARAM_PLAIN) : ts_params_floats(params);
    *values = ts_calloc(floats + 1, sizeof(float));
    if (split) *halves = ts_calloc(half_count + 1, sizeof(uint16_t));
    if (!*values || (split && !*halves))
        return ts_fail_memory(err, floats * sizeof(float) + half_count * sizeof(uint16_t));
    return ts_model_file_read_params(file, params, *values, *halves, err);
}

tess_status ts_model_file_read_quantizer(const ts_safetensors *file, ts_quantizer *quantizer,
                                         const ts_quantizer_config *config, ts_error *err) {
    if (config->type != TS_QUANTIZER_VQ) return TESS_OK;
    const int dims[3] = {config->levels, config->size, config->dim};
    tess_status status = ts_model_file_read_floats(file, "quantizer.codebook", 3, dims, true,
                                                   ts_quantizer_codebook(quantizer), err);
    if (!status)
        status = ts_model_file_read_floats(file, "quantizer.bits", 2, dims, false, ts_quantizer_bits(quantizer), err);
    ts_quantizer_settle(quantizer);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static ts_file_tensor_source source(const char *name, ts_dtype dtype, int rank, const int *dims, const void *data) {
    ts_file_tensor_source s = {{0}, dtype == TS_F32 || dtype == TS_F16};
    s.tensor.name = name;
    s.tensor.dtype = dtype;
    s.tensor.rank = rank;
    s.tensor.count = 1;
    for (int i = 0; i < rank; i++) {
        s.tensor.shape[i] = (uint64_t)dims[i];
        s.tensor.count *= (size_t)dims[i];
    }
    s.tensor.data = data;
    return s;
}

typedef char table_name[24];

/* What is to be written, and the weights in file order. */
typedef struct listing {
    ts_file_tensor_source *sources;
    size_t count;
    float *room;
    size_t used;
} listing;

static void list_weights(listing *l, const ts_model_weights *w) {
    for (int i = 0; w->params && i < ts_params_count(w->params); i++) {
        const ts_param *param = ts_params_at(w->params, i);
        float *out = l->room + l->used;
        ts_param_write_store(param, w->store, out);
        l->sources[l->count++] = source(param->name, w->half ? TS_F16 : TS_F32, param->rank, param->dims, out);
        l->used += param->count;
    }
}

/* F32 first, then F16, then bytes: so everything lies aligned. */
static void list_content(listing *l, const ts_model_content *content, table_name *names) {
    const int levels = ts_quantizer_levels(content->quantizer);
    const int dims[3] = {levels, ts_quantizer_size(content->quantizer), ts_quantizer_dim(content->quantizer)};
    if (levels > 0) {
        l->sources[l->count++] = source("quantizer.codebook", TS_F32, 3, dims,
                                        ts_quantizer_codebook(content->quantizer));
        l->sources[l->count++] = source("quantizer.bits", TS_F32, 2, dims, ts_quantizer_bits(content->quantizer));
    }
    const ts_model_weights *const all[] = {&content->nets, &content->prior, &content->upscaler};
    for (int i = 0; i < 6; i++)
        if (all[i % 3]->half == (i >= 3)) list_weights(l, all[i % 3]);
    for (int level = 0; level < levels; level++) {
        if (!content->tables || !content->tables[level]) continue;
        const int length = (int)content->table_bytes[level];
        snprintf(names[level], sizeof names[level], "entropy.%d", level);
        l->sources[l->count++] = source(names[level], TS_U8, 1, &length, content->tables[level]);
    }
    for (int level = 0; level < levels; level++) {
        if (!content->predictors || !content->predictors[level]) continue;
        const int length = (int)content->predictor_bytes[level];
        snprintf(names[levels + level], sizeof *names, "predictor.%d", level);
        l->sources[l->count++] = source(names[levels + level], TS_U8, 1, &length, content->predictors[level]);
    }
}

tess_status ts_model_file_write(const ts_model_content *content, uint8_t **bytes, size_t *size, ts_error *err) {
    const int levels = ts_quantizer_levels(content->quantizer);
    const ts_params *const all[] = {content->nets.params, content->prior.params, content->upscaler.params};
    size_t most = 2 + 2 * (size_t)levels, floats = 0;
    for (int i = 0; i < 3; i++) {
        most += all[i] ? (size_t)ts_params_count(all[i]) : 0;
        floats += all[i] ? ts_params_floats(all[i]) : 0;
    }
    listing list = {.sources = ts_calloc(most, sizeof *list.sources), .room = ts_alloc_floats(floats + 1)};
    table_name *names = ts_calloc(2 * (size_t)levels + 1, sizeof *names);
    tess_status status = list.sources && names && list.room ? TESS_OK : ts_fail_memory(err, floats * sizeof(float));
    if (!status) {
        list_content(&list, content, names);
        const ts_metadata metadata[] = {{"format", "pt"}, {"tesserae", content->json}};
        status = ts_safetensors_write(bytes, size, list.sources, list.count, metadata, 2, err);
    }
    ts_free(list.room);
    ts_free(names);
    ts_free(list.sources);
    return status;
}
