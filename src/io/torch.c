/* torch.c - tensors of a torch.save archive: {prefix}data.pkl describes them, {prefix}data/{key} are their storages. */
#include "io/checkpoint.h"
#include "io/pickle.h"
#include "io/zip.h"

#include "base/size.h"

#include <stdio.h>
#include <string.h>

#define PICKLE "data.pkl"

typedef struct archive {
    ts_zip zip;
    const char *prefix; /* of every entry's name */
    size_t prefix_size;
    ts_arena *arena;
    ts_error *err;
} archive;

static const ts_zip_entry *find(const archive *a, const char *folder, const char *name, size_t size) {
    char path[512];
    const size_t folder_size = strlen(folder), whole = a->prefix_size + folder_size + size;
    if (whole > sizeof path) return NULL;
    memcpy(path, a->prefix, a->prefix_size);
    memcpy(path + a->prefix_size, folder, folder_size);
    memcpy(path + a->prefix_size + folder_size, name, size);
    return ts_zip_find(&a->zip, path, whole);
}

/* data.pkl, wherever it lies: its folder is the prefix of the rest. */
static const ts_zip_entry *find_pickle(archive *a) {
    const size_t tail = strlen(PICKLE);
    for (size_t i = 0; i < a->zip.count; i++) {
        const ts_zip_entry *entry = &a->zip.entries[i];
        if (entry->name_size < tail || memcmp(entry->name + entry->name_size - tail, PICKLE, tail) != 0) continue;
        a->prefix = entry->name;
        a->prefix_size = entry->name_size - tail;
        if (a->prefix_size == 0 || a->prefix[a->prefix_size - 1] == '/') return entry;
    }
    return NULL;
}

static bool has_tensors(const ts_pickle_value *v) {
    for (size_t i = 0; v && v->kind == TS_PICKLE_DICT && i < v->as.dict->count; i++)
        if (v->as.dict->pairs[2 * i + 1].kind == TS_PICKLE_TENSOR) return true;
    return false;
}

static const ts_pickle_dict *choose_dict(const ts_pickle_value *top) {
    static const char *const keys[] = {"state_dict", "model"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const ts_pickle_value *inner = ts_pickle_get(top, keys[i]);
        if (has_tensors(inner)) return inner->as.dict;
    }
    return has_tensors(top) ? top->as.dict : NULL;
}

/* Copies a tensor with strides into file order. `data` is its first element. */
static void gather(uint8_t *out, const uint8_t *data, const ts_pickle_tensor *t, size_t count, size_t width) {
    for (size_t i = 0; i < count; i++) {
        size_t rest = i, place = 0;
        for (int d = t->rank - 1; d >= 0; d--) {
            place += rest % (size_t)t->shape[d] * (size_t)t->stride[d];
            rest /= (size_t)t->shape[d];
        }
        memcpy(out + i * width, data + place * width, width);
    }
}

/* Elements from the first to the last one, both counted; *packed: they lie in file order without gaps. */
static size_t span_of(const ts_pickle_tensor *t, size_t count, bool *packed, bool *over) {
    size_t span = count > 0, dense = 1;
    *packed = true;
    for (int d = t->rank - 1; d >= 0 && count > 0; d--) {
        const uint64_t stride = t->stride[d];
        if (t->shape[d] == 1) continue;
        if (stride != dense) *packed = false;
        if (stride > SIZE_MAX) *over = true;
        span = ts_add(span, ts_mul((size_t)t->shape[d] - 1, (size_t)stride, over), over);
        dense *= (size_t)t->shape[d]; /* no more than count */
    }
    return span;
}

static tess_status place_tensor(archive *a, ts_file_tensor *out, const ts_pickle_tensor *t) {
    const ts_pickle_storage *storage = t->storage;
    const size_t width = ts_dtype_bytes(storage->dtype);
    bool over = storage->count > SIZE_MAX || t->offset > SIZE_MAX, packed = true;
    out->dtype = storage->dtype;
    out->rank = t->rank;
    out->count = 1;
    for (int d = 0; d < t->rank; d++) {
        out->shape[d] = t->shape[d];
        if (t->shape[d] > SIZE_MAX) over = true;
        out->count = ts_mul(out->count, (size_t)t->shape[d], &over);
    }
    const size_t span = over ? 0 : span_of(t, out->count, &packed, &over);
    const size_t end = ts_add((size_t)t->offset, span, &over), room = ts_mul((size_t)storage->count, width, &over);
    const ts_zip_entry *entry = find(a, "data/", storage->key.as.text, storage->key.size);
    if (!entry && storage->count > 0)
        return ts_fail(a->err, TESS_ERR_FORMAT, "Tensor \"%.80s\": the archive lacks its storage; the file is damaged.",
                       out->name);
    if (over || end > storage->count || (entry && room > entry->size) || out->count > storage->count)
        return ts_fail(a->err, TESS_ERR_FORMAT, "Tensor \"%.80s\" reaches past its storage: the file is damaged.",
                       out->name);
    if (!entry) return TESS_OK;
    const uint8_t *first = entry->data + (size_t)t->offset * width;
    out->data = first;
    if (packed) return TESS_OK;
    uint8_t *copy = ts_arena_array(a->arena, out->count, width);
    if (!copy) return ts_fail_memory(a->err, out->count * width);
    gather(copy, first, t, out->count, width);
    out->data = copy;
    return TESS_OK;
}

static tess_status place_all(archive *a, const ts_pickle_dict *dict, ts_file_tensor *tensors, size_t *count) {
    tess_status status = TESS_OK;
    for (size_t i = 0; i < dict->count && !status; i++) {
        const ts_pickle_value *key = &dict->pairs[2 * i], *value = key + 1;
        if (key->kind != TS_PICKLE_TEXT || value->kind != TS_PICKLE_TENSOR) continue;
        ts_file_tensor *tensor = &tensors[(*count)++];
        tensor->name = ts_arena_text(a->arena, key->as.text, key->size);
        if (!tensor->name) return ts_fail_memory(a->err, key->size);
        status = place_tensor(a, tensor, value->as.tensor);
    }
    return status;
}

static tess_status open(ts_safetensors **file, archive *a, const void *bytes, size_t size) {
    tess_status status = ts_zip_open(&a->zip, a->arena, bytes, size, a->err);
    if (status < 0) return status;
    const ts_zip_entry *pickle = find_pickle(a);
    if (!pickle)
        return ts_fail(a->err, TESS_ERR_FORMAT,
                       "It is a zip archive without " PICKLE
                       ": torch.save has not written it; give the .ckpt, .pt or .pth file itself.");
    const ts_zip_entry *order = find(a, "", "byteorder", 9);
    if (order && !(order->size >= 6 && memcmp(order->data, "little", 6) == 0))
        return ts_fail(a->err, TESS_ERR_FORMAT, "Its numbers are not little-endian. Save it on a common machine.");
    ts_pickle_value top;
    status = ts_pickle_read(&top, a->arena, pickle->data, pickle->size, a->err);
    if (status < 0) return status;
    const ts_pickle_dict *dict = choose_dict(&top);
    if (!dict)
        return ts_fail(a->err, TESS_ERR_FORMAT,
                       "It holds no dict of tensors, neither as a whole nor under state_dict or model. Save the "
                       "state_dict() alone.");
    if (dict->count > TS_SAFETENSORS_TENSORS)
        return ts_fail(a->err, TESS_ERR_TOO_LARGE, "It has %llu tensors; the limit is %d.",
                       (unsigned long long)dict->count, TS_SAFETENSORS_TENSORS);
    ts_file_tensor *tensors = ts_arena_array(a->arena, dict->count, sizeof *tensors);
    if (!tensors) return ts_fail_memory(a->err, dict->count * sizeof *tensors);
    size_t count = 0;
    status = place_all(a, dict, tensors, &count);
    return status ? status : ts_safetensors_make(file, a->arena, tensors, count, NULL, 0, a->err);
}

tess_status ts_torch_open(ts_safetensors **file, const void *bytes, size_t size, ts_error *err) {
    ts_arena arena;
    ts_arena_init(&arena, 0);
    archive a = {.arena = &arena, .err = err};
    const tess_status status = open(file, &a, bytes, size);
    ts_arena_free(&arena);
    return status;
}
