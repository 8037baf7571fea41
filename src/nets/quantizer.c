#include "nets/quantizer.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "kernels/act.h"
#include "kernels/pointwise.h"
#include "kernels/vq.h"
#include "nets/fsq.h"
#include "nets/lfq.h"
#include "nets/unit.h"

struct ts_quantizer {
    ts_quantizer_config config;
    float *codebook; /* [levels][size][dim] */
    float *bits;     /* [levels][size] */
    ts_fsq fsq;
};

tess_status ts_quantizer_new(const ts_quantizer_config *config, ts_quantizer **out, ts_error *err) {
    bool over = false;
    size_t codes = ts_mul((size_t)config->levels, (size_t)config->size, &over),
           floats = ts_mul(codes, (size_t)config->dim, &over);
    if (over || floats > SIZE_MAX / sizeof(float)) {
        return ts_fail(err, TESS_ERR_TOO_LARGE, "The codebook of %d x %d x %d is too large.", config->levels,
                       config->size, config->dim);
    }
    ts_quantizer *q = ts_calloc(1, sizeof *q);
    if (!q) return ts_fail_memory(err, sizeof *q);
    q->config = *config;
    q->codebook = ts_calloc(floats, sizeof(float));
    q->bits = ts_calloc(codes, sizeof(float));
    if (!q->codebook || !q->bits) {
        ts_quantizer_free(q);
        return ts_fail_memory(err, (floats + codes) * sizeof(float));
    }
    if (config->type == TS_QUANTIZER_FSQ) {
        q->fsq = ts_fsq_new(config->bins, config->dim);
        ts_fsq_grid(&q->fsq, q->codebook, (size_t)config->size);
    }
    if (config->type == TS_QUANTIZER_LFQ) ts_lfq_grid(q->codebook, config->dim);
    *out = q;
    return TESS_OK;
}

void ts_quantizer_free(ts_quantizer *quantizer) {
    if (!quantizer) return;
    ts_free(quantizer->codebook);
    ts_free(quantizer->bits);
    ts_free(quantizer);
}

int ts_quantizer_levels(const ts_quantizer *quantizer) { return quantizer->config.levels; }

int ts_quantizer_size(const ts_quantizer *quantizer) { return quantizer->config.size; }

int ts_quantizer_dim(const ts_quantizer *quantizer) { return quantizer->config.dim; }

float *ts_quantizer_codebook(ts_quantizer *quantizer) { return quantizer->codebook; }

void ts_quantizer_settle(ts_quantizer *quantizer) {
    const ts_quantizer_config *c = &quantizer->config;
    if (c->normalize) ts_unit_rows(quantizer->codebook, (size_t)c->levels * (size_t)c->size, (size_t)c->dim);
}

float *ts_quantizer_bits(ts_quantizer *quantizer) { return quantizer->bits; }

const ts_quantizer_config *ts_quantizer_config_of(const ts_quantizer *quantizer) { return &quantizer->config; }

static const float *level_codes(const ts_quantizer *q, int level) {
    return q->codebook + (size_t)level * (size_t)q->config.size * (size_t)q->config.dim;
}

static size_t aligned(size_t floats) { return (floats + 15) / 16 * 16; }

size_t ts_quantizer_scratch(const ts_quantizer *quantizer, size_t rows) {
    const ts_quantizer_config *c = &quantizer->config;
    size_t packed = c->type == TS_QUANTIZER_VQ ? ts_vq_packed(c->size, c->dim) : 0;
    return aligned(rows * (size_t)c->dim) + packed;
}

/* residual -= the codes chosen for it. Rows are few and short next to the search before. */
static void subtract(float *residual, const float *codes, const uint16_t *tokens, size_t rows, int dim) {
    for (size_t r = 0; r < rows; r++) {
        const float *e = codes + (size_t)tokens[r] * (size_t)dim;
        for (int i = 0; i < dim; i++) residual[r * (size_t)dim + (size_t)i] -= e[i];
    }
}

void ts_quantizer_residual(const ts_quantizer *quantizer, int level, float *residual, const uint16_t *tokens,
                           size_t rows) {
    subtract(residual, level_codes(quantizer, level), tokens, rows, quantizer->config.dim);
}

void ts_quantizer_encode(const ts_quantizer *quantizer, const float *z, size_t rows, int levels, float lambda,
                         uint16_t *tokens, float *zq, float *scratch, ts_pool *pool) {
    const ts_quantizer_config *c = &quantizer->config;
    size_t dim = (size_t)c->dim;
    if (c->type == TS_QUANTIZER_NONE) {
        if (zq && zq != z) memcpy(zq, z, rows * dim * sizeof *zq);
        return;
    }
    if (c->type == TS_QUANTIZER_FSQ) {
        ts_fsq_encode(&quantizer->fsq, z, rows, tokens, scratch, pool);
    } else if (c->type == TS_QUANTIZER_LFQ) {
        ts_lfq_encode(z, rows, c->dim, tokens);
    } else {
        float *residual = scratch, *packed = scratch + aligned(rows * dim);
        memcpy(residual, z, rows * dim * sizeof *residual);
        for (int l = 0; l < levels; l++) {
            const float *codes = level_codes(quantizer, l), *bits = quantizer->bits + (size_t)l * (size_t)c->size;
            ts_vq_pack(packed, codes, bits, lambda, c->size, c->dim);
            ts_vq_lookup(tokens + (size_t)l * rows, NULL, residual, dim, packed, rows, c->size, c->dim, pool);
            if (l + 1 < levels) subtract(residual, codes, tokens + (size_t)l * rows, rows, c->dim);
        }
    }
    if (zq) ts_quantizer_decode(quantizer, tokens, rows, levels, zq, pool);
}

void ts_quantizer_decode(const ts_quantizer *quantizer, const uint16_t *tokens, size_t rows, int levels, float *zq,
                         ts_pool *pool) {
    size_t dim = (size_t)quantizer->config.dim;
    for (int l = 0; l < levels; l++) {
        ts_vq_gather(zq, dim, level_codes(quantizer, l), tokens + (size_t)l * rows, rows, (int)dim, l > 0, pool);
    }
}

void ts_quantizer_nearest(const ts_quantizer *quantizer, const float *zq, size_t rows, int levels, uint16_t *tokens,
                          float *scratch, ts_pool *pool) {
    if (quantizer->config.type == TS_QUANTIZER_FSQ) ts_fsq_nearest(&quantizer->fsq, zq, rows, tokens);
    else ts_quantizer_encode(quantizer, zq, rows, levels, 0, tokens, NULL, scratch, pool);
}

void ts_quantizer_backward(const ts_quantizer *quantizer, const float *z, const float *dzq, float *dz, size_t rows,
                           ts_pool *pool) {
    const ts_quantizer_config *c = &quantizer->config;
    if (c->type == TS_QUANTIZER_FSQ) ts_fsq_backward(&quantizer->fsq, z, dzq, dz, rows, pool);
    else memcpy(dz, dzq, rows * (size_t)c->dim * sizeof *dz);
}

void ts_quantizer_set_bits(ts_quantizer *quantizer, int level, const float *count) {
    size_t size = (size_t)quantizer->config.size;
    float *bits = quantizer->bits + (size_t)level * size;
    double total = 0;
    for (size_t k = 0; k < size; k++) total += count[k];
    if (!(total > 0)) return;
    double a = 0.01 * total / (double)size, all = total + (double)size * a;
    for (size_t k = 0; k < size; k++) {
        double b = -log2((count[k] + a) / all);
        bits[k] = (float)(b < 0 ? 0 : b > 16 ? 16 : b);
    }
}
