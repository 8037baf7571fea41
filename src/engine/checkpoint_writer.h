/* checkpoint_writer.h - a list of tensors, filled one by one and then written as a checkpoint. */
#ifndef TS_ENGINE_CHECKPOINT_WRITER_H
#define TS_ENGINE_CHECKPOINT_WRITER_H

#include "graph/params.h"
#include "io/safetensors.h"

enum { TS_CHECKPOINT_NAME = TS_PARAM_NAME + 8 }; /* "adam.m." and a parameter's name */

typedef struct ts_checkpoint_writer {
    ts_file_tensor_source *list;
    size_t count;
    char (*names)[TS_CHECKPOINT_NAME];
    float *room; /* weights in file order */
    size_t used;
} ts_checkpoint_writer;

/* Room for so many tensors, and for the floats of those that are put as stores. Errors: MEMORY; free it then, too. */
tess_status ts_checkpoint_writer_init(ts_checkpoint_writer *writer, size_t tensors, size_t floats, ts_error *err);
void ts_checkpoint_writer_free(ts_checkpoint_writer *writer);
/* One tensor, its name prefix and name together; `data` is borrowed until it is written. */
void ts_checkpoint_put(ts_checkpoint_writer *writer, const char *prefix, const char *name, ts_dtype dtype, int rank,
                       const int *dims, const void *data);
/* All parameters from a store, as F32 in file order. */
void ts_checkpoint_put_store(ts_checkpoint_writer *writer, const char *prefix, const ts_params *params,
                             const float *values);
/* The file, its config `json` in the metadata, as ts_safetensors_write gives it. Errors: its. */
tess_status ts_checkpoint_write(const ts_checkpoint_writer *writer, const char *json, uint8_t **bytes, size_t *size,
                                ts_error *err);

#endif
