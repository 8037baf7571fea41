#include "nets/unit.h"

#include <math.h>

#define LEAST 1e-12 /* as PyTorch's F.normalize */

static double dot(const float *a, const float *b, size_t dim) {
    double sum = 0;
    for (size_t i = 0; i < dim; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static double inverse_length(const float *x, size_t dim) { return 1 / fmax(sqrt(dot(x, x, dim)), LEAST); }

static void forward(void *self, const float *z, float *y, size_t rows, int dim, ts_pool *pool) {
    const size_t d = (size_t)dim;
    (void)self;
    (void)pool; /* rows are few next to the net before */
    for (size_t r = 0; r < rows; r++, z += d, y += d) {
        const double inverse = inverse_length(z, d);
        for (size_t i = 0; i < d; i++) y[i] = (float)(z[i] * inverse);
    }
}

/* dz = (dy - y (y . dy)) / |z| */
static void backward(void *self, const float *z, const float *dy, float *dz, size_t rows, int dim, ts_pool *pool) {
    const size_t d = (size_t)dim;
    (void)self;
    (void)pool;
    for (size_t r = 0; r < rows; r++, z += d, dy += d, dz += d) {
        const double inverse = inverse_length(z, d), along = dot(z, dy, d) * inverse * inverse;
        for (size_t i = 0; i < d; i++) dz[i] = (float)((dy[i] - z[i] * along) * inverse);
    }
}

ts_quantize_hooks ts_unit_hooks(void) { return (ts_quantize_hooks){.forward = forward, .backward = backward}; }

void ts_unit_rows(float *x, size_t rows, size_t dim) {
    for (size_t r = 0; r < rows; r++, x += dim) {
        const double square = dot(x, x, dim);
        if (fabs(square - 1) <= 1e-6 || square == 0) continue;
        const double inverse = 1 / sqrt(square);
        for (size_t i = 0; i < dim; i++) x[i] = (float)(x[i] * inverse);
    }
}
