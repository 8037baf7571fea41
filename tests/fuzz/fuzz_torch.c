/* fuzz_torch.c - any bytes as a torch.save archive, and as the pickle of one: refused, or every tensor lies within them. */
#include "base/arena.h"
#include "io/checkpoint.h"
#include "io/pickle.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition) {
    if (!condition) abort();
}

static void read_pickle(const uint8_t *data, size_t size) {
    ts_arena arena;
    ts_arena_init(&arena, 0);
    ts_pickle_value top;
    ts_error err = {{0}};
    if (ts_pickle_read(&top, &arena, data, size, &err) != TESS_OK) require(err.text[0] != 0);
    ts_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ts_safetensors *file = NULL;
    ts_error err = {{0}};
    read_pickle(data, size);
    if (ts_torch_open(&file, data, size, &err) != TESS_OK) {
        require(file == NULL && err.text[0] != 0);
        return 0;
    }
    for (size_t i = 0; i < ts_safetensors_count(file); i++) {
        const ts_file_tensor *tensor = ts_safetensors_at(file, i);
        require(ts_safetensors_find(file, tensor->name) == tensor);
        float *values = malloc(tensor->count * sizeof *values + 1);
        ts_file_tensor_floats(tensor, values);
        free(values);
    }
    ts_safetensors_close(file);
    return 0;
}
