/* safetensors_write.c - the writing half of safetensors.h. */
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/f16.h"
#include "base/json.h"
#include "base/size.h"
#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>

static tess_status check_source(const ts_file_tensor_source *source, size_t *bytes, ts_error *err) {
    const ts_file_tensor *tensor = &source->tensor;
    const char *name = tensor->name ? tensor->name : "";
    size_t width = ts_dtype_bytes(tensor->dtype);
    if (!*name || strcmp(name, TS_METADATA) == 0)
        return ts_fail(err, TESS_ERR_OPTION, "A tensor cannot be called \"%s\".", name);
    if (width == 0 || tensor->rank < 0 || tensor->rank > TS_TENSOR_RANK)
        return ts_fail(err, TESS_ERR_OPTION, "Tensor \"%.80s\" has a bad dtype or rank.", name);
    if (source->from_float && tensor->dtype != TS_F32 && tensor->dtype != TS_F16 && tensor->dtype != TS_BF16)
        return ts_fail(err, TESS_ERR_OPTION, "Tensor \"%.80s\": floats are not stored as %s.", name,
                       ts_dtype_name(tensor->dtype));
    bool over = false;
    *bytes = width;
    for (int i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] > SIZE_MAX) over = true;
        *bytes = ts_mul(*bytes, (size_t)tensor->shape[i], &over);
    }
    if (over) return ts_fail(err, TESS_ERR_TOO_LARGE, "Tensor \"%.80s\" is larger than memory can be.", name);
    return TESS_OK;
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static tess_status check_names(const ts_file_tensor_source *tensors, size_t count, ts_error *err) {
    const char **names = ts_calloc(count + 1, sizeof *names);
    if (!names) return ts_fail_memory(err, count * sizeof *names);
    for (size_t i = 0; i < count; i++) names[i] = tensors[i].tensor.name;
    qsort(names, count, sizeof *names, compare_texts);
    tess_status status = TESS_OK;
    for (size_t i = 1; i < count && status == TESS_OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            status = ts_fail(err, TESS_ERR_OPTION, "Tensor \"%.80s\" is there twice.", names[i]);
    ts_free(names);
    return status;
}

static void write_entry(ts_json_writer *json, const ts_file_tensor *tensor, size_t begin, size_t end) {
    ts_json_key(json, tensor->name);
    ts_json_open(json, '{');
    ts_json_key(json, "dtype");
    ts_json_put_text(json, ts_dtype_name(tensor->dtype));
    ts_json_key(json, "shape");
    ts_json_open(json, '[');
    for (int i = 0; i < tensor->rank; i++) ts_json_put_int(json, (int64_t)tensor->shape[i]);
    ts_json_close(json, ']');
    ts_json_key(json, "data_offsets");
    ts_json_open(json, '[');
    ts_json_put_int(json, (int64_t)begin);
    ts_json_put_int(json, (int64_t)end);
    ts_json_close(json, ']');
    ts_json_close(json, '}');
}

/* Appends the header, padded with spaces to 8 bytes; *total is the size of the data that will follow. */
static tess_status write_header(ts_writer *out, const ts_file_tensor_source *tensors, size_t count,
                                const ts_metadata *metadata, size_t metadata_count, size_t *total, ts_error *err) {
    ts_write_u64(out, 0);
    ts_json_writer json = ts_json_writer_new(out);
    ts_json_open(&json, '{');
    if (metadata_count > 0) {
        ts_json_key(&json, TS_METADATA);
        ts_json_open(&json, '{');
        for (size_t i = 0; i < metadata_count; i++) {
            ts_json_key(&json, metadata[i].key);
            ts_json_put_text(&json, metadata[i].value);
        }
        ts_json_close(&json, '}');
    }
    bool over = false;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = 0;
        tess_status status = check_source(&tensors[i], &bytes, err);
        if (status < 0) return status;
        size_t begin = *total;
        *total = ts_add(begin, bytes, &over);
        write_entry(&json, &tensors[i].tensor, begin, *total);
    }
    ts_json_close(&json, '}');
    while (out->size % 8 != 0 && !out->failed) ts_write_u8(out, ' ');
    if (out->failed) return ts_fail_memory(err, out->capacity);
    size_t length = out->size - 8;
    if (over || length > TS_SAFETENSORS_HEADER)
        return ts_fail(err, TESS_ERR_TOO_LARGE, "The tensors are too many or too large for one file.");
    if (!ts_writer_reserve(out, *total)) return ts_fail_memory(err, *total);
    ts_store_u64(out->data, length);
    return TESS_OK;
}

static void write_floats(ts_writer *out, const float *values, size_t count, ts_dtype dtype) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        if (dtype == TS_F32) ts_write_u32(out, bits);
        else if (dtype == TS_F16) ts_write_u16(out, ts_f16_from_f32(values[i]));
        else if ((bits & 0x7fffffffu) > 0x7f800000u)
            ts_write_u16(out, (uint16_t)(bits >> 16 | 0x40)); /* a quiet NaN stays one */
        else ts_write_u16(out, (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16));
    }
}

tess_status ts_safetensors_write(uint8_t **bytes, size_t *size, const ts_file_tensor_source *tensors, size_t count,
                                 const ts_metadata *metadata, size_t metadata_count, ts_error *err) {
    ts_writer out;
    ts_writer_init(&out);
    size_t total = 0;
    if (count > TS_SAFETENSORS_TENSORS) return ts_fail(err, TESS_ERR_TOO_LARGE, "Too many tensors for one file.");
    tess_status status = write_header(&out, tensors, count, metadata, metadata_count, &total, err);
    if (status == TESS_OK) status = check_names(tensors, count, err);
    for (size_t i = 0; i < count && status == TESS_OK; i++) {
        size_t length = 0;
        status = check_source(&tensors[i], &length, err);
        const ts_file_tensor *tensor = &tensors[i].tensor;
        if (tensors[i].from_float)
            write_floats(&out, (const float *)(const void *)tensor->data, length / ts_dtype_bytes(tensor->dtype),
                         tensor->dtype);
        else ts_write_bytes(&out, tensor->data, length);
    }
    if (status == TESS_OK && out.failed) status = ts_fail_memory(err, total);
    if (status < 0) {
        ts_writer_free(&out);
        return status;
    }
    *bytes = out.data; /* the writer's memory is ts_alloc memory: the caller's now */
    *size = out.size;
    return TESS_OK;
}
