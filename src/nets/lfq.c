#include "nets/lfq.h"

#include <math.h>

float ts_lfq_unit(int dim) { return (float)(1 / sqrt((double)dim)); }

void ts_lfq_grid(float *codebook, int dim) {
    const float unit = ts_lfq_unit(dim);
    for (size_t k = 0; k < (size_t)1 << dim; k++)
        for (int i = 0; i < dim; i++) *codebook++ = k >> i & 1 ? unit : -unit;
}

void ts_lfq_encode(const float *z, size_t rows, int dim, uint16_t *tokens) {
    for (size_t r = 0; r < rows; r++, z += dim) {
        unsigned token = 0;
        for (int i = 0; i < dim; i++) token |= (unsigned)(z[i] > 0) << i;
        tokens[r] = (uint16_t)token;
    }
}
