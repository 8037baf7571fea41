/* safetensors.h - reads and writes .safetensors bytes in memory (format of huggingface/safetensors: u64 little-endian
 * length, JSON header, data). Everything is checked before use: lengths, offsets, overlaps, dtype x shape = bytes.
 */
#ifndef TS_IO_SAFETENSORS_H
#define TS_IO_SAFETENSORS_H

#include "base/arena.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

#define TS_METADATA "__metadata__" /* the header's member that is no tensor */

enum {
    TS_TENSOR_RANK = 8,               /* dimensions at most */
    TS_SAFETENSORS_TENSORS = 1 << 16, /* tensors at most */
    TS_SAFETENSORS_HEADER = 1 << 26   /* header bytes at most */
};

typedef enum ts_dtype {
    TS_BOOL,
    TS_U8,
    TS_I8,
    TS_U16,
    TS_I16,
    TS_F16,
    TS_BF16,
    TS_U32,
    TS_I32,
    TS_F32,
    TS_U64,
    TS_I64,
    TS_F64,
    TS_DTYPES
} ts_dtype;

size_t ts_dtype_bytes(ts_dtype dtype);
const char *ts_dtype_name(ts_dtype dtype); /* "F32" and so on, as the file spells it */

typedef struct ts_file_tensor {
    const char *name; /* UTF-8, terminated */
    ts_dtype dtype;
    int rank;                       /* 0 (a scalar) .. TS_TENSOR_RANK */
    uint64_t shape[TS_TENSOR_RANK]; /* as in the file: PyTorch order */
    size_t count;                   /* elements: product of shape */
    const uint8_t *data; /* count * ts_dtype_bytes(dtype) little-endian bytes; alignment is the file's own (may be 1) */
} ts_file_tensor;

/* ---- reading ------------------------------------------------------------------------------------------------- */
typedef struct ts_safetensors ts_safetensors;

/* Opens `size` bytes, which are borrowed: they must outlive the handle. Errors: FORMAT (not safetensors, cut off,
 * lying: the sentence says where), TOO_LARGE, MEMORY. */
tess_status ts_safetensors_open(ts_safetensors **file, const void *bytes, size_t size, ts_error *err);
void ts_safetensors_close(ts_safetensors *file);

size_t ts_safetensors_count(const ts_safetensors *file);
const ts_file_tensor *ts_safetensors_at(const ts_safetensors *file, size_t i); /* in header order; NULL past the end */
const ts_file_tensor *ts_safetensors_find(const ts_safetensors *file, const char *name); /* NULL if there is none */
const char *ts_safetensors_metadata(const ts_safetensors *file, const char *key); /* terminated UTF-8, NULL if absent */
size_t ts_safetensors_metadata_count(const ts_safetensors *file);
const char *ts_safetensors_metadata_at(const ts_safetensors *file, size_t i, const char **value); /* returns the key */

/* Converts all elements to float32: out[tensor->count]. Any dtype (integers round to nearest). */
void ts_file_tensor_floats(const ts_file_tensor *tensor, float *out);

typedef struct ts_metadata {
    const char *key, *value; /* terminated UTF-8 */
} ts_metadata;

/* A handle over tensors from elsewhere: another container, or another file's under other names. `tensors`, their names,
 * metadata and whatever data is not borrowed lie in `arena`, which the handle takes over (it is left empty); on failure
 * the arena stays the caller's. Errors: FORMAT (a name twice), MEMORY. */
tess_status ts_safetensors_make(ts_safetensors **file, ts_arena *arena, ts_file_tensor *tensors, size_t count,
                                ts_metadata *metadata, size_t metadata_count, ts_error *err);

/* ---- writing ------------------------------------------------------------------------------------------------- */

/* One tensor to write. tensor.data is in tensor.dtype, native (little) endian; or, with `from_float` set, points to
 * tensor.count float32 values, which are stored as tensor.dtype (F32, F16 or BF16, rounded to nearest even).
 * tensor.count is filled in from the shape by the writer and need not be set. */
typedef struct ts_file_tensor_source {
    ts_file_tensor tensor;
    int from_float;
} ts_file_tensor_source;

/* Writes a file: tensors in the order given, header padded with spaces so that data starts on 8 bytes. Sort the
 * tensors by dtype size, largest first, to have them all aligned. On success *bytes (free with ts_free) and *size. The
 * bytes depend on the arguments alone. Errors: OPTION (bad name, dtype or rank, a name twice), TOO_LARGE, MEMORY. */
tess_status ts_safetensors_write(uint8_t **bytes, size_t *size, const ts_file_tensor_source *tensors, size_t count,
                                 const ts_metadata *metadata, size_t metadata_count, ts_error *err);

#endif
