/* pickle_call.c - the names that a pickle of tensors may use, and what they stand for. Nothing is called. */
#include "io/pickle.h"

#include <string.h>

typedef ts_pickle_value value;

enum { MAKE_TENSOR = TS_DTYPES, MAKE_PARAMETER, MAKE_DICT, INERT }; /* below: the storage of that dtype */

/* Names of one module. `name` "*": all that begin with `module`. Inert ones may be called, with no effect. */
static const struct {
    const char *module, *name;
    int means;
} names[] = {
    {"torch._utils", "_rebuild_tensor_v2", MAKE_TENSOR},
    {"torch._utils", "_rebuild_parameter", MAKE_PARAMETER},
    {"collections", "OrderedDict", MAKE_DICT},
    {"torch", "FloatStorage", TS_F32},
    {"torch", "HalfStorage", TS_F16},
    {"torch", "BFloat16Storage", TS_BF16},
    {"torch", "DoubleStorage", TS_F64},
    {"torch", "LongStorage", TS_I64},
    {"torch", "IntStorage", TS_I32},
    {"torch", "ShortStorage", TS_I16},
    {"torch", "CharStorage", TS_I8},
    {"torch", "ByteStorage", TS_U8},
    {"torch", "BoolStorage", TS_BOOL},
    {"torch", "Size", INERT},
    {"torch", "device", INERT},
    {"torch", "float32", INERT},
    {"torch", "float16", INERT},
    {"torch", "bfloat16", INERT},
    {"collections", "defaultdict", INERT},
    {"builtins", "set", INERT},
    {"builtins", "dict", INERT},
    {"builtins", "list", INERT},
    {"builtins", "int", INERT},
    {"builtins", "float", INERT},
    {"__builtin__", "set", INERT},
    {"__builtin__", "dict", INERT},
    {"_codecs", "encode", INERT},
    {"argparse", "Namespace", INERT},
    {"numpy", "dtype", INERT},
    {"numpy.core.multiarray", "scalar", INERT},
    {"numpy._core.multiarray", "scalar", INERT},
    {"pytorch_lightning.callbacks.", "*", INERT}, /* keys of the callbacks' states */
    {"lightning.pytorch.callbacks.", "*", INERT},
};

static bool is(value v, const char *text) {
    return v.kind == TS_PICKLE_TEXT && v.size == strlen(text) && memcmp(v.as.text, text, v.size) == 0;
}

static bool begins(value v, const char *text) {
    return v.kind == TS_PICKLE_TEXT && v.size >= strlen(text) && memcmp(v.as.text, text, strlen(text)) == 0;
}

static tess_status damaged(ts_error *err, const char *what, size_t at) {
    return ts_fail(err, TESS_ERR_FORMAT, "Its pickle has a bad %s at byte %llu: the file is damaged.", what,
                   (unsigned long long)at);
}

tess_status ts_pickle_global(value *out, value module, value name, size_t at, ts_error *err) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const bool same = names[i].name[0] == '*' ? begins(module, names[i].module)
                                                  : is(module, names[i].module) && is(name, names[i].name);
        if (!same) continue;
        *out = (value){.kind = TS_PICKLE_GLOBAL, .as.number = names[i].means};
        return TESS_OK;
    }
    if (module.kind != TS_PICKLE_TEXT || name.kind != TS_PICKLE_TEXT) return damaged(err, "name", at);
    return ts_fail(err, TESS_ERR_FORMAT,
                   "Its pickle names %.*s.%.*s at byte %llu, which no dict of tensors needs. Save the state_dict() "
                   "alone, best as safetensors.",
                   module.size > 40 ? 40 : (int)module.size, module.as.text, name.size > 40 ? 40 : (int)name.size,
                   name.as.text, (unsigned long long)at);
}

/* ('storage', class, key, device, elements) */
tess_status ts_pickle_persistent(value *out, ts_arena *arena, value id, size_t at, ts_error *err) {
    const value *item = id.as.items;
    if (id.kind != TS_PICKLE_TUPLE || id.size < 5 || !is(item[0], "storage") || item[1].kind != TS_PICKLE_GLOBAL ||
        item[1].as.number >= TS_DTYPES || item[2].kind != TS_PICKLE_TEXT || item[4].kind != TS_PICKLE_INT ||
        item[4].as.number < 0)
        return damaged(err, "storage", at);
    ts_pickle_storage *storage = ts_arena_alloc(arena, sizeof *storage);
    if (!storage) return ts_fail_memory(err, sizeof *storage);
    *storage = (ts_pickle_storage){(ts_dtype)item[1].as.number, item[2], (uint64_t)item[4].as.number};
    *out = (value){.kind = TS_PICKLE_STORAGE, .as.storage = storage};
    return TESS_OK;
}

/* A tuple of counts into out[TS_TENSOR_RANK]. */
static bool read_counts(value tuple, uint64_t *out) {
    if (tuple.kind != TS_PICKLE_TUPLE || tuple.size > TS_TENSOR_RANK) return false;
    for (size_t i = 0; i < tuple.size; i++) {
        const value *item = &tuple.as.items[i];
        if (item->kind != TS_PICKLE_INT || item->as.number < 0) return false;
        out[i] = (uint64_t)item->as.number;
    }
    return true;
}

/* _rebuild_tensor_v2(storage, offset, size, stride, ...) */
static tess_status make_tensor(value *out, ts_arena *arena, value arguments, size_t at, ts_error *err) {
    const value *item = arguments.as.items;
    ts_pickle_tensor *tensor = ts_arena_alloc(arena, sizeof *tensor);
    if (!tensor) return ts_fail_memory(err, sizeof *tensor);
    if (arguments.size < 4 || item[0].kind != TS_PICKLE_STORAGE || item[1].kind != TS_PICKLE_INT ||
        item[1].as.number < 0 || !read_counts(item[2], tensor->shape) || !read_counts(item[3], tensor->stride) ||
        item[2].size != item[3].size)
        return damaged(err, "tensor", at);
    tensor->storage = item[0].as.storage;
    tensor->offset = (uint64_t)item[1].as.number;
    tensor->rank = (int)item[2].size;
    *out = (value){.kind = TS_PICKLE_TENSOR, .as.tensor = tensor};
    return TESS_OK;
}

tess_status ts_pickle_call(value *out, ts_arena *arena, value function, value arguments, size_t at, ts_error *err) {
    const int64_t means = function.kind == TS_PICKLE_GLOBAL ? function.as.number : 0;
    if (arguments.kind != TS_PICKLE_TUPLE || means < TS_DTYPES) return damaged(err, "call", at);
    *out = (value){.kind = TS_PICKLE_OTHER};
    if (means == MAKE_TENSOR) return make_tensor(out, arena, arguments, at, err);
    if (means == MAKE_DICT) *out = ts_pickle_new_dict(arena);
    if (means == MAKE_PARAMETER) { /* (tensor, ...) */
        if (arguments.size < 1) return damaged(err, "parameter", at);
        *out = arguments.as.items[0];
    }
    return TESS_OK;
}

value ts_pickle_new_dict(ts_arena *arena) {
    ts_pickle_dict *dict = ts_arena_alloc(arena, sizeof *dict);
    return (value){.kind = dict ? TS_PICKLE_DICT : TS_PICKLE_OTHER, .as.dict = dict};
}
