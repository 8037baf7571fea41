#include "io/checkpoint.h"

#include <string.h>

/* A bare pickle (protocol 2 and later): PyTorch's format up to 1.5. */
static bool is_pickle(const uint8_t *bytes, size_t size) {
    return size > 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5 && (size < 9 || bytes[8] != '{');
}

tess_status ts_checkpoint_open(ts_safetensors **file, const void *bytes, size_t size, ts_error *err) {
    if (size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0) return ts_torch_open(file, bytes, size, err);
    if (is_pickle(bytes, size))
        return ts_fail(
            err, TESS_ERR_FORMAT,
            "It is a PyTorch file from before 1.6. Load it in PyTorch and torch.save it again, or save it as "
            "safetensors.");
    return ts_safetensors_open(file, bytes, size, err);
}
