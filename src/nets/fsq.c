#include "nets/fsq.h"

#include <math.h>

#include "kernels/act.h"
#include "kernels/pointwise.h"

#define MARGIN 1e-3 /* the outermost digits are reached with tanh short of one */

ts_fsq ts_fsq_new(const int *bins, int dim) {
    ts_fsq f = {.dim = dim};
    for (int i = 0, basis = 1; i < dim; basis *= bins[i++]) {
        double reach = (bins[i] - 1) * (1 + MARGIN) / 2, offset = bins[i] % 2 == 0 ? 0.5 : 0;
        f.bins[i] = bins[i];
        f.basis[i] = basis;
        f.reach[i] = (float)reach;
        f.offset[i] = (float)offset;
        f.shift[i] = (float)atanh(offset / reach); /* z = 0 lies in the middle of a bin */
        f.width[i] = (float)(bins[i] / 2);
    }
    return f;
}

void ts_fsq_grid(const ts_fsq *fsq, float *codebook, size_t size) {
    for (size_t k = 0; k < size; k++) {
        for (int i = 0; i < fsq->dim; i++) {
            int digit = (int)(k / (size_t)fsq->basis[i] % (size_t)fsq->bins[i]);
            codebook[k * (size_t)fsq->dim + (size_t)i] = ((float)digit - fsq->width[i]) / fsq->width[i];
        }
    }
}

/* The digit at `x` steps from the middle one. */
static unsigned digit_of(const ts_fsq *f, int i, float x) {
    float digit = rintf(x) + f->width[i], top = (float)(f->bins[i] - 1);
    return digit > 0 ? (unsigned)(digit < top ? digit : top) : 0;
}

void ts_fsq_encode(const ts_fsq *fsq, const float *z, size_t rows, uint16_t *tokens, float *scratch, ts_pool *pool) {
    size_t dim = (size_t)fsq->dim;
    ts_channel_affine(scratch, z, NULL, fsq->shift, rows, fsq->dim, pool);
    ts_act_forward(scratch, scratch, rows * dim, TS_ACT_TANH, 0, pool);
    for (size_t r = 0; r < rows; r++) {
        unsigned token = 0;
        for (int i = 0; i < fsq->dim; i++)
            token += digit_of(fsq, i, scratch[r * dim + (size_t)i] * fsq->reach[i] - fsq->offset[i]) *
                     (unsigned)fsq->basis[i];
        tokens[r] = (uint16_t)token;
    }
}

void ts_fsq_nearest(const ts_fsq *fsq, const float *zq, size_t rows, uint16_t *tokens) {
    for (size_t r = 0; r < rows; r++, zq += fsq->dim) {
        unsigned token = 0;
        for (int i = 0; i < fsq->dim; i++) token += digit_of(fsq, i, zq[i] * fsq->width[i]) * (unsigned)fsq->basis[i];
        tokens[r] = (uint16_t)token;
    }
}

void ts_fsq_backward(const ts_fsq *fsq, const float *z, const float *dzq, float *dz, size_t rows, ts_pool *pool) {
    float slope[TS_BINS_MAX];
    for (int i = 0; i < fsq->dim; i++) slope[i] = fsq->reach[i] / fsq->width[i];
    ts_channel_affine(dz, z, NULL, fsq->shift, rows, fsq->dim, pool);
    ts_act_backward(dz, dzq, dz, rows * (size_t)fsq->dim, TS_ACT_TANH, 0, pool);
    ts_channel_affine(dz, dz, slope, NULL, rows, fsq->dim, pool);
}
