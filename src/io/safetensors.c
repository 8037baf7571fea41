#include "io/safetensors.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/bytes.h"
#include "base/f16.h"
#include "base/json.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

struct ts_safetensors {
    ts_arena arena; /* everything below */
    ts_file_tensor *tensors;
    const ts_file_tensor **by_name; /* sorted */
    size_t count;
    ts_metadata *metadata;
    size_t metadata_count;
};

static const struct {
    const char *name;
    size_t bytes;
} dtypes[TS_DTYPES] = {
    [TS_BOOL] = {"BOOL", 1}, [TS_U8] = {"U8", 1},   [TS_I8] = {"I8", 1},     [TS_U16] = {"U16", 2},
    [TS_I16] = {"I16", 2},   [TS_F16] = {"F16", 2}, [TS_BF16] = {"BF16", 2}, [TS_U32] = {"U32", 4},
    [TS_I32] = {"I32", 4},   [TS_F32] = {"F32", 4}, [TS_U64] = {"U64", 8},   [TS_I64] = {"I64", 8},
    [TS_F64] = {"F64", 8},
};

size_t ts_dtype_bytes(ts_dtype dtype) { return (unsigned)dtype < TS_DTYPES ? dtypes[dtype].bytes : 0; }

const char *ts_dtype_name(ts_dtype dtype) { return (unsigned)dtype < TS_DTYPES ? dtypes[dtype].name : "?"; }

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* The string `value` as terminated UTF-8 in the arena; NULL if it is no string or memory is out. */
static const char *copy_string(ts_arena *arena, const ts_json *doc, int value) {
    size_t length;
    ts_json_raw(doc, value, &length);
    char *text = ts_arena_alloc(arena, length + 1);
    return text && ts_json_string(doc, value, text, length + 1) ? text : NULL;
}

/* An integer in 0..2^53, exact in the parser's double. */
static bool read_count(const ts_json *doc, int value, uint64_t *out) {
    double number = ts_json_number(doc, value, -1);
    if (!(number >= 0 && number <= 9007199254740992.0) || number != (double)(uint64_t)number) return false;
    *out = (uint64_t)number;
    return true;
}

static tess_status read_metadata(ts_safetensors *file, const ts_json *doc, int object, ts_error *err) {
    if (ts_json_typeof(doc, object) != TS_JSON_OBJECT)
        return ts_fail(err, TESS_ERR_FORMAT, "Its " TS_METADATA " is not an object of strings: the file is damaged.");
    file->metadata = ts_arena_array(&file->arena, (size_t)ts_json_length(doc, object), sizeof *file->metadata);
    for (int key = ts_json_first(doc, object); key != TS_JSON_NONE && file->metadata;
         key = ts_json_next(doc, object, key)) {
        int value = ts_json_value(doc, key);
        if (ts_json_typeof(doc, value) != TS_JSON_STRING)
            return ts_fail(err, TESS_ERR_FORMAT,
                           "Its " TS_METADATA " is not an object of strings: the file is damaged.");
        ts_metadata *entry = &file->metadata[file->metadata_count++];
        entry->key = copy_string(&file->arena, doc, key);
        entry->value = copy_string(&file->arena, doc, value);
    }
    return file->arena.failed ? ts_fail_memory(err, doc->size) : TESS_OK;
}

static tess_status read_dtype(ts_dtype *dtype, const ts_json *doc, int value, const char *name, ts_error *err) {
    for (int i = 0; i < TS_DTYPES; i++)
        if (ts_json_is(doc, value, dtypes[i].name)) {
            *dtype = (ts_dtype)i;
            return TESS_OK;
        }
    return ts_fail(err, TESS_ERR_FORMAT, "Tensor \"%.80s\" has an unknown or missing dtype.", name);
}

static tess_status read_shape(ts_file_tensor *tensor, const ts_json *doc, int array, ts_error *err) {
    int rank = ts_json_length(doc, array);
    if (ts_json_typeof(doc, array) != TS_JSON_ARRAY || rank > TS_TENSOR_RANK)
        return ts_fail(err, TESS_ERR_FORMAT, "Tensor \"%.80s\" has no shape of at most %d dimensions.", tensor->name,
                       TS_TENSOR_RANK);
    bool over = false;
    tensor->count = 1;
    for (int it = ts_json_first(doc, array); it != TS_JSON_NONE; it = ts_json_next(doc, array, it)) {
        uint64_t side = 0;
        if (!read_count(doc, it, &side))
            return ts_fail(err, TESS_ERR_FORMAT, "Tensor \"%.80s\" has a side that is no count.", tensor->name);
        if (side > SIZE_MAX) over = true;
        tensor->shape[tensor->rank++] = side;
        tensor->count = ts_mul(tensor->count, (size_t)side, &over);
    }
    if (over) return ts_fail(err, TESS_ERR_TOO_LARGE, "Tensor \"%.80s\" is larger than memory can be.", tensor->name);
    return TESS_OK;
}

/* One member of the header: `key` is its name, its value the description; `data` holds `size` bytes of all tensors. */
static tess_status read_tensor(ts_file_tensor *tensor, ts_arena *arena, const ts_json *doc, int key,
                               const uint8_t *data, size_t size, ts_error *err) {
    int object = ts_json_value(doc, key);
    tensor->name = copy_string(arena, doc, key);
    if (!tensor->name) return ts_fail_memory(err, doc->size);
    tess_status status = read_dtype(&tensor->dtype, doc, ts_json_get(doc, object, "dtype"), tensor->name, err);
    if (status < 0) return status;
    status = read_shape(tensor, doc, ts_json_get(doc, object, "shape"), err);
    if (status < 0) return status;
    int offsets = ts_json_get(doc, object, "data_offsets");
    uint64_t begin = 0, end = 0;
    if (ts_json_length(doc, offsets) != 2 || !read_count(doc, ts_json_at(doc, offsets, 0), &begin) ||
        !read_count(doc, ts_json_at(doc, offsets, 1), &end) || begin > end)
        return ts_fail(err, TESS_ERR_FORMAT, "Tensor \"%.80s\" has no pair of data_offsets.", tensor->name);
    if (end > size)
        return ts_fail(err, TESS_ERR_FORMAT, "Tensor \"%.80s\" ends at byte %llu of %llu: the file is cut off.",
                       tensor->name, (unsigned long long)end, (unsigned long long)size);
    bool over = false;
    if (ts_mul(tensor->count, ts_dtype_bytes(tensor->dtype), &over) != end - begin || over)
        return ts_fail(err, TESS_ERR_FORMAT, "Tensor \"%.80s\" has %llu bytes, which its shape and dtype do not fill.",
                       tensor->name, (unsigned long long)(end - begin));
    tensor->data = data + begin;
    return TESS_OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp((*(const ts_file_tensor *const *)a)->name, (*(const ts_file_tensor *const *)b)->name);
}

/* Leaves by_name sorted by name; names must be unique. */
static tess_status sort_names(ts_safetensors *file, ts_error *err) {
    if (file->count > 0) qsort(file->by_name, file->count, sizeof *file->by_name, compare_names);
    for (size_t i = 1; i < file->count; i++)
        if (strcmp(file->by_name[i - 1]->name, file->by_name[i]->name) == 0)
            return ts_fail(err, TESS_ERR_FORMAT, "Tensor \"%.80s\" is there twice.", file->by_name[i]->name);
    return TESS_OK;
}

static int compare_places(const void *a, const void *b) {
    const ts_file_tensor *x = *(const ts_file_tensor *const *)a, *y = *(const ts_file_tensor *const *)b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->count > 0) - (y->count > 0); /* empty tensors first: they take no room */
}

/* The tensors must cover the data exactly. */
static tess_status check_layout(ts_safetensors *file, const uint8_t *data, size_t size, ts_error *err) {
    for (size_t i = 0; i < file->count; i++) file->by_name[i] = &file->tensors[i];
    if (file->count > 0) qsort(file->by_name, file->count, sizeof *file->by_name, compare_places);
    const uint8_t *place = data;
    for (size_t i = 0; i < file->count; i++) {
        const ts_file_tensor *tensor = file->by_name[i];
        if (tensor->data != place)
            return ts_fail(err, TESS_ERR_FORMAT, "Tensor \"%.80s\" %s: the file is damaged.", tensor->name,
                           tensor->data < place ? "overlaps another" : "has unused bytes before it");
        place += tensor->count * ts_dtype_bytes(tensor->dtype);
    }
    if (place != data + size)
        return ts_fail(err, TESS_ERR_FORMAT, "It has %llu bytes behind its last tensor: the file is damaged.",
                       (unsigned long long)(data + size - place));
    return sort_names(file, err);
}

static tess_status read_header(ts_safetensors *file, const ts_json *doc, const uint8_t *data, size_t size,
                               ts_error *err) {
    if (ts_json_typeof(doc, 0) != TS_JSON_OBJECT)
        return ts_fail(
            err, TESS_ERR_FORMAT,
            "Its header is not a JSON object: this is no safetensors file; check that it is the one you meant.");
    size_t members = (size_t)ts_json_length(doc, 0);
    if (members > TS_SAFETENSORS_TENSORS)
        return ts_fail(err, TESS_ERR_TOO_LARGE, "It has %llu tensors; the limit is %d.", (unsigned long long)members,
                       TS_SAFETENSORS_TENSORS);
    file->tensors = ts_arena_array(&file->arena, members, sizeof *file->tensors);
    file->by_name = ts_arena_array(&file->arena, members, sizeof *file->by_name);
    if (!file->tensors || !file->by_name) return ts_fail_memory(err, members * sizeof *file->tensors);
    for (int key = ts_json_first(doc, 0); key != TS_JSON_NONE; key = ts_json_next(doc, 0, key)) {
        tess_status status;
        if (!ts_json_is(doc, key, TS_METADATA))
            status = read_tensor(&file->tensors[file->count++], &file->arena, doc, key, data, size, err);
        else if (!file->metadata) status = read_metadata(file, doc, ts_json_value(doc, key), err);
        else status = ts_fail(err, TESS_ERR_FORMAT, "Its " TS_METADATA " is there twice.");
        if (status < 0) return status;
    }
    return check_layout(file, data, size, err);
}

static tess_status open_header(ts_safetensors *file, const uint8_t *bytes, size_t size, ts_error *err) {
    if (size == 0) return ts_fail(err, TESS_ERR_FORMAT, "It is empty: a safetensors file was expected.");
    uint64_t length = size < 8 ? 0 : ts_load_u64(bytes);
    if (size < 8 || length < 2 || bytes[8 < size ? 8 : 0] != '{')
        return ts_fail(
            err, TESS_ERR_FORMAT,
            "It is no safetensors file (its first bytes are no header); check that it is the file you meant.");
    if (length > TS_SAFETENSORS_HEADER)
        return ts_fail(err, TESS_ERR_TOO_LARGE, "Its header claims %llu bytes; the limit is %d.",
                       (unsigned long long)length, TS_SAFETENSORS_HEADER);
    if (length > size - 8)
        return ts_fail(err, TESS_ERR_FORMAT, "Its header claims %llu bytes, but %llu follow: the file is cut off.",
                       (unsigned long long)length, (unsigned long long)(size - 8));
    ts_json doc;
    tess_status status = ts_json_parse(&doc, (const char *)bytes + 8, (size_t)length, err);
    if (status < 0) return status;
    status = read_header(file, &doc, bytes + 8 + length, size - 8 - (size_t)length, err);
    ts_json_free(&doc);
    return status;
}

tess_status ts_safetensors_open(ts_safetensors **out, const void *bytes, size_t size, ts_error *err) {
    ts_safetensors *file = ts_calloc(1, sizeof *file);
    if (!file) return ts_fail_memory(err, sizeof *file);
    ts_arena_init(&file->arena, 0);
    tess_status status = open_header(file, bytes, size, err);
    if (status < 0) ts_safetensors_close(file);
    else *out = file;
    return status;
}

tess_status ts_safetensors_make(ts_safetensors **out, ts_arena *arena, ts_file_tensor *tensors, size_t count,
                                ts_metadata *metadata, size_t metadata_count, ts_error *err) {
    ts_safetensors *file = ts_calloc(1, sizeof *file);
    const ts_file_tensor **by_name = ts_arena_array(arena, count, sizeof *by_name);
    if (!file || !by_name) {
        ts_free(file);
        return ts_fail_memory(err, count * sizeof *by_name);
    }
    *file = (ts_safetensors){{0}, tensors, by_name, count, metadata, metadata_count};
    for (size_t i = 0; i < count; i++) by_name[i] = &tensors[i];
    tess_status status = sort_names(file, err);
    if (status < 0) {
        ts_free(file);
        return status;
    }
    file->arena = *arena;
    ts_arena_init(arena, 0);
    *out = file;
    return TESS_OK;
}

void ts_safetensors_close(ts_safetensors *file) {
    if (!file) return;
    ts_arena_free(&file->arena);
    ts_free(file);
}

size_t ts_safetensors_count(const ts_safetensors *file) { return file->count; }

const ts_file_tensor *ts_safetensors_at(const ts_safetensors *file, size_t i) {
    return i < file->count ? &file->tensors[i] : NULL;
}

const ts_file_tensor *ts_safetensors_find(const ts_safetensors *file, const char *name) {
    size_t low = 0, high = file->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(file->by_name[middle]->name, name);
        if (order == 0) return file->by_name[middle];
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

const char *ts_safetensors_metadata(const ts_safetensors *file, const char *key) {
    for (size_t i = 0; i < file->metadata_count; i++)
        if (strcmp(file->metadata[i].key, key) == 0) return file->metadata[i].value;
    return NULL;
}

size_t ts_safetensors_metadata_count(const ts_safetensors *file) { return file->metadata_count; }

const char *ts_safetensors_metadata_at(const ts_safetensors *file, size_t i, const char **value) {
    if (i >= file->metadata_count) return NULL;
    *value = file->metadata[i].value;
    return file->metadata[i].key;
}

/* Element i as a float. */
static float load_float(const ts_file_tensor *tensor, size_t i) {
    size_t width = ts_dtype_bytes(tensor->dtype);
    uint64_t bits = 0;
    for (size_t b = 0; b < width; b++) bits |= (uint64_t)tensor->data[i * width + b] << 8 * b;
    uint32_t low = (uint32_t)bits;
    float f32;
    double f64;
    switch (tensor->dtype) {
    case TS_I8: return (float)(int8_t)low;
    case TS_I16: return (float)(int16_t)low;
    case TS_I32: return (float)(int32_t)low;
    case TS_I64: return (float)(int64_t)bits;
    case TS_F16: return ts_f32_from_f16((uint16_t)low);
    case TS_BF16: low <<= 16; /* fall through */
    case TS_F32: memcpy(&f32, &low, sizeof f32); return f32;
    case TS_F64: memcpy(&f64, &bits, sizeof f64); return (float)f64;
    default: return (float)bits;
    }
}

void ts_file_tensor_floats(const ts_file_tensor *tensor, float *out) {
    if (tensor->dtype == TS_F16) ts_f16_unpack(out, tensor->data, tensor->count);
    else
        for (size_t i = 0; i < tensor->count; i++) out[i] = load_float(tensor, i);
}
