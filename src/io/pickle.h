/* pickle.h - reads the tensors that a Python pickle of protocol 2 to 5 describes, as torch.save writes them.
 *
 * Nothing is executed and nothing imported: the machine knows the opcodes that dicts of tensors need and a list of names
 * (see pickle_call.c); any other opcode or name is an error that tells which and where. Values that are no tensors, no
 * dicts and not needed to describe one become TS_PICKLE_OTHER and their contents are dropped. Memory: about 64 bytes for
 * each byte of pickle at most. */
#ifndef TS_IO_PICKLE_H
#define TS_IO_PICKLE_H

#include "io/safetensors.h"

enum {
    TS_PICKLE_BYTES = 1 << 23, /* of pickle, at most */
    TS_PICKLE_STACK = 1 << 18, /* values at a time, at most */
    TS_PICKLE_MEMO = 1 << 20   /* values remembered, at most */
};

typedef enum ts_pickle_kind {
    TS_PICKLE_OTHER, /* numbers with a point, lists, None, bytes, objects */
    TS_PICKLE_MARK,
    TS_PICKLE_INT,    /* number */
    TS_PICKLE_TEXT,   /* text, size */
    TS_PICKLE_GLOBAL, /* number: one of pickle_call.c's */
    TS_PICKLE_TUPLE,  /* items, size */
    TS_PICKLE_DICT,
    TS_PICKLE_STORAGE,
    TS_PICKLE_TENSOR
} ts_pickle_kind;

typedef struct ts_pickle_value {
    ts_pickle_kind kind;
    union {
        int64_t number;
        const char *text; /* in the pickle, not terminated */
        const struct ts_pickle_value *items;
        struct ts_pickle_dict *dict;
        const struct ts_pickle_storage *storage;
        const struct ts_pickle_tensor *tensor;
    } as;
    size_t size;
} ts_pickle_value;

typedef struct ts_pickle_dict {
    ts_pickle_value *pairs; /* [count][2]: key and value, in the order of setting */
    size_t count, room;
} ts_pickle_dict;

typedef struct ts_pickle_storage {
    ts_dtype dtype;
    ts_pickle_value key; /* text: the entry data/{key} of the archive */
    uint64_t count;      /* elements */
} ts_pickle_storage;

typedef struct ts_pickle_tensor {
    const ts_pickle_storage *storage;
    uint64_t offset; /* elements */
    int rank;
    uint64_t shape[TS_TENSOR_RANK], stride[TS_TENSOR_RANK]; /* elements */
} ts_pickle_tensor;

/* Reads the pickle in `bytes`, which are borrowed; what *top points to lies in the arena or in `bytes`. Errors: FORMAT
 * (cut off, an opcode or a name that is not allowed), TOO_LARGE, MEMORY. */
tess_status ts_pickle_read(ts_pickle_value *top, ts_arena *arena, const uint8_t *bytes, size_t size, ts_error *err);

/* The value under `key`, or NULL (also if `dict` is none). */
const ts_pickle_value *ts_pickle_get(const ts_pickle_value *dict, const char *key);

/* ---- what the machine asks of pickle_call.c; `at` is the opcode's place, for the sentence ---- */

/* The GLOBAL module.name. */
tess_status ts_pickle_global(ts_pickle_value *out, ts_pickle_value module, ts_pickle_value name, size_t at,
                             ts_error *err);
/* The STORAGE of a persistent id. */
tess_status ts_pickle_persistent(ts_pickle_value *out, ts_arena *arena, ts_pickle_value id, size_t at, ts_error *err);
/* What function(*arguments) stands for. */
tess_status ts_pickle_call(ts_pickle_value *out, ts_arena *arena, ts_pickle_value function, ts_pickle_value arguments,
                           size_t at, ts_error *err);
ts_pickle_value ts_pickle_new_dict(ts_arena *arena);

#endif
