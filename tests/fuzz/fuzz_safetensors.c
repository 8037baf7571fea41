/* fuzz_safetensors.c - any bytes as a .safetensors file: refused, or every tensor lies within them. */
#include "base/alloc.h"
#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition) {
    if (!condition) abort();
}

static void check_tensor(const ts_safetensors *file, const ts_file_tensor *tensor, const uint8_t *data, size_t size) {
    size_t bytes = tensor->count * ts_dtype_bytes(tensor->dtype);
    require(tensor->data >= data && bytes <= size && (size_t)(tensor->data - data) <= size - bytes);
    require(ts_safetensors_find(file, tensor->name) == tensor);
    float *values = malloc(tensor->count * sizeof *values + 1);
    ts_file_tensor_floats(tensor, values);
    free(values);
}

/* What was read, written again, reads the same. */
static void write_again(const ts_safetensors *file) {
    size_t count = ts_safetensors_count(file), metadata_count = ts_safetensors_metadata_count(file), size = 0;
    ts_file_tensor_source *sources = calloc(count + 1, sizeof *sources);
    ts_metadata *metadata = calloc(metadata_count + 1, sizeof *metadata);
    uint8_t *bytes = NULL;
    for (size_t i = 0; i < count; i++) sources[i].tensor = *ts_safetensors_at(file, i);
    for (size_t i = 0; i < metadata_count; i++)
        metadata[i].key = ts_safetensors_metadata_at(file, i, &metadata[i].value);
    if (ts_safetensors_write(&bytes, &size, sources, count, metadata, metadata_count, NULL) == TESS_OK) {
        ts_safetensors *again = NULL;
        require(ts_safetensors_open(&again, bytes, size, NULL) == TESS_OK);
        require(ts_safetensors_count(again) == count);
        ts_safetensors_close(again);
        ts_free(bytes);
    }
    free(sources);
    free(metadata);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ts_safetensors *file = NULL;
    ts_error err = {{0}};
    if (ts_safetensors_open(&file, data, size, &err) != TESS_OK) {
        require(file == NULL && err.text[0] != 0);
        return 0;
    }
    for (size_t i = 0; i < ts_safetensors_count(file); i++) check_tensor(file, ts_safetensors_at(file, i), data, size);
    write_again(file);
    ts_safetensors_close(file);
    return 0;
}
