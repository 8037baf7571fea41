#include "engine/checkpoint_writer.h"

#include <stdio.h>

#include "base/alloc.h"

tess_status ts_checkpoint_writer_init(ts_checkpoint_writer *w, size_t tensors, size_t floats, ts_error *err) {
    *w = (ts_checkpoint_writer){.list = ts_calloc(tensors, sizeof *w->list),
                                .names = ts_calloc(tensors, TS_CHECKPOINT_NAME),
                                .room = ts_alloc_floats(floats)};
    return w->list && w->names && w->room ? TESS_OK : ts_fail_memory(err, floats * sizeof(float));
}

void ts_checkpoint_writer_free(ts_checkpoint_writer *w) {
    ts_free(w->list);
    ts_free(w->names);
    ts_free(w->room);
}

void ts_checkpoint_put(ts_checkpoint_writer *w, const char *prefix, const char *name, ts_dtype dtype, int rank,
                       const int *dims, const void *data) {
    ts_file_tensor_source *s = &w->list[w->count];
    char *full = w->names[w->count++];
    snprintf(full, TS_CHECKPOINT_NAME, "%s%s", prefix, name);
    *s = (ts_file_tensor_source){.tensor = {.name = full, .dtype = dtype, .rank = rank, .data = data}};
    for (int i = 0; i < rank; i++) s->tensor.shape[i] = (uint64_t)dims[i];
}

void ts_checkpoint_put_store(ts_checkpoint_writer *w, const char *prefix, const ts_params *params,
                             const float *values) {
    for (int i = 0; i < ts_params_count(params); i++) {
        const ts_param *p = ts_params_at(params, i);
        float *out = w->room + w->used;
        ts_param_write(p, values, out);
        ts_checkpoint_put(w, prefix, p->name, TS_F32, p->rank, p->dims, out);
        w->used += p->count;
    }
}

tess_status ts_checkpoint_write(const ts_checkpoint_writer *w, const char *json, uint8_t **bytes, size_t *size,
                                ts_error *err) {
    const ts_metadata metadata[] = {{"format", "pt"}, {"tesserae", json}};
    return ts_safetensors_write(bytes, size, w->list, w->count, metadata, 2, err);
}
