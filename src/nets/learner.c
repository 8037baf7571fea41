#include "nets/learner.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/entropy.h"
#include "kernels/vq.h"
#include "nets/lfq.h"
#include "nets/unit.h"

#define LAPLACE 1e-5
#define RESTART_NOISE 1e-3f /* of the residuals' deviation */
#define RESTART_COUNT 0.2f  /* of a restarted code where the config restarts none: 10 * the default of `restart` */

struct ts_learner {
    ts_quantizer *quantizer;
    const ts_quantizer_config *config;
    size_t rows, dim, size;
    /* the step */
    bool quantize;
    int levels;
    float lambda;
    float *z;            /* [rows][dim], the latents of the last forward */
    uint16_t *tokens;    /* [levels][rows] */
    float *scratch;      /* of ts_quantizer_encode; also residuals [rows][dim] */
    float *hits, *moved; /* [size], [size][dim]: one level's batch sums */
    float *entropy;      /* scratch of ts_code_entropy, once it is asked for */
    unsigned revive;     /* bit l: level l's unseen codes are to restart */
    /* state */
    float *count, *sum;
    uint16_t *window;
    uint32_t *filled, *counts;
};

tess_status ts_learner_resize(ts_learner *learner, size_t rows, ts_error *err) {
    ts_learner *t = learner;
    size_t levels = (size_t)t->config->levels, scratch_floats = ts_quantizer_scratch(t->quantizer, rows);
    float *z = ts_alloc_floats(rows * t->dim), *scratch = ts_alloc_floats(scratch_floats);
    uint16_t *tokens = ts_calloc(rows * levels, sizeof *tokens);
    if (!z || !scratch || !tokens) {
        ts_free(z);
        ts_free(scratch);
        ts_free(tokens);
        return ts_fail_memory(err, (rows * t->dim + scratch_floats) * sizeof *z + rows * levels * sizeof *tokens);
    }
    ts_free(t->z);
    ts_free(t->scratch);
    ts_free(t->tokens);
    ts_free(t->entropy);
    t->entropy = NULL;
    t->z = z;
    t->scratch = scratch;
    t->tokens = tokens;
    t->rows = rows;
    return TESS_OK;
}

tess_status ts_learner_new(ts_quantizer *quantizer, size_t rows, ts_learner **out, ts_error *err) {
    ts_learner *t = ts_calloc(1, sizeof *t);
    if (!t) return ts_fail_memory(err, sizeof *t);
    t->quantizer = quantizer;
    t->config = ts_quantizer_config_of(quantizer);
    t->dim = (size_t)t->config->dim;
    t->size = (size_t)t->config->size;
    t->levels = t->config->levels;
    t->quantize = true;
    size_t levels = (size_t)t->config->levels, codes = levels * t->size;
    t->hits = ts_alloc_floats(t->size);
    t->moved = ts_alloc_floats(t->size * t->dim);
    t->count = ts_alloc_floats(codes);
    t->sum = ts_alloc_floats(codes * t->dim);
    t->window = ts_calloc(levels * TS_WINDOW, sizeof *t->window);
    t->filled = ts_calloc(levels * 2, sizeof *t->filled);
    t->counts = ts_calloc(codes, sizeof *t->counts);
    bool whole = t->hits && t->moved && t->count && t->sum && t->window && t->filled && t->counts;
    tess_status status = whole ? ts_learner_resize(t, rows, err)
                               : ts_fail_memory(err, codes * (t->dim + 2) * sizeof(float));
    if (status < 0) {
        ts_learner_free(t);
        return status;
    }
    for (size_t i = 0; i < codes; i++) t->count[i] = 1;
    memcpy(t->sum, ts_quantizer_codebook(quantizer), codes * t->dim * sizeof *t->sum);
    *out = t;
    return TESS_OK;
}

void ts_learner_free(ts_learner *learner) {
    if (!learner) return;
    ts_free(learner->z);
    ts_free(learner->tokens);
    ts_free(learner->scratch);
    ts_free(learner->hits);
    ts_free(learner->moved);
    ts_free(learner->entropy);
    ts_free(learner->count);
    ts_free(learner->sum);
    ts_free(learner->window);
    ts_free(learner->filled);
    ts_free(learner->counts);
    ts_free(learner);
}

static float *level_codes(const ts_learner *t, int level) {
    return ts_quantizer_codebook(t->quantizer) + (size_t)level * t->size * t->dim;
}

/* ---- hooks ----------------------------------------------------------------------------------------------------- */

void ts_learner_choose(ts_learner *learner, bool quantize, int levels, float lambda) {
    learner->quantize = quantize;
    learner->levels = levels;
    learner->lambda = lambda;
}

static void hook_forward(void *self, const float *z, float *zq, size_t rows, int dim, ts_pool *pool) {
    ts_learner *t = self;
    size_t bytes = rows * (size_t)dim * sizeof *z;
    if (!t->quantize) {
        memcpy(zq, z, bytes);
        return;
    }
    memcpy(t->z, z, bytes);
    ts_quantizer_encode(t->quantizer, z, rows, t->levels, t->lambda, t->tokens, zq, t->scratch, pool);
}

static void hook_backward(void *self, const float *z, const float *dzq, float *dz, size_t rows, int dim,
                          ts_pool *pool) {
    const ts_learner *t = self;
    if (t->quantize) ts_quantizer_backward(t->quantizer, z, dzq, dz, rows, pool);
    else memcpy(dz, dzq, rows * (size_t)dim * sizeof *dz);
}

ts_quantize_hooks ts_learner_hooks(ts_learner *learner) {
    return (ts_quantize_hooks){.self = learner, .forward = hook_forward, .backward = hook_backward};
}

/* ---- codes by gradient ------------------------------------------------------------------------------------------- */

/* The part of d that turns a code of length one instead of stretching it: the gradient of e / |e|. */
static void along_sphere(float *d, const float *e, size_t dim) {
    double along = 0;
    for (size_t k = 0; k < dim; k++) along += (double)d[k] * e[k];
    for (size_t k = 0; k < dim; k++) d[k] -= (float)(along * e[k]);
}

void ts_learner_codebook_loss(const ts_learner *learner, float weight, double *loss, float *grad) {
    const ts_learner *t = learner;
    double total = 0;
    float *r = t->scratch, scale = 2 * weight / (float)(t->rows * t->dim);
    *loss = 0;
    if (!t->quantize || !t->config->gradient) return;
    memcpy(r, t->z, t->rows * t->dim * sizeof *r);
    for (int l = 0; l < t->levels; l++) {
        const uint16_t *tokens = t->tokens + (size_t)l * t->rows;
        ts_quantizer_residual(t->quantizer, l, r, tokens, t->rows); /* now r_l - e_l */
        for (size_t i = 0; i < t->rows; i++) {
            float *g = grad + ((size_t)l * t->size + tokens[i]) * t->dim, *d = r + i * t->dim;
            bool pinned = l > 0 && tokens[i] == 0;
            for (size_t k = 0; k < t->dim; k++) total += (double)d[k] * d[k];
            if (t->config->normalize) along_sphere(d, level_codes(t, l) + tokens[i] * t->dim, t->dim);
            for (size_t k = 0; k < t->dim && !pinned; k++) g[k] -= scale * d[k];
        }
    }
    *loss = total / (double)(t->rows * t->dim);
}

/* ---- entropy ----------------------------------------------------------------------------------------------------- */

/* One level's residuals r against its codes. Gradients of codes go by way of `moved`, where they can be bent. */
static double level_entropy(ts_learner *t, int level, const ts_loss_config *c, const float *r, float weight, float *dz,
                            float *grad, ts_pool *pool) {
    float *codes = level_codes(t, level), *moved = grad ? t->moved : NULL;
    if (moved) memset(moved, 0, t->size * t->dim * sizeof *moved);
    double loss = ts_code_entropy(dz, moved, r, codes, t->rows, (int)t->size, (int)t->dim, c->temperature,
                                  c->entropy_gamma, weight, t->entropy, pool);
    for (size_t k = level > 0; moved && k < t->size; k++) {
        float *d = moved + k * t->dim, *g = grad + ((size_t)level * t->size + k) * t->dim;
        if (t->config->normalize) along_sphere(d, codes + k * t->dim, t->dim);
        for (size_t i = 0; i < t->dim; i++) g[i] += d[i];
    }
    return loss;
}

tess_status ts_learner_entropy(ts_learner *learner, const ts_loss_config *c, float weight, double *loss, float *dz,
                               float *grad, ts_pool *pool, ts_error *err) {
    ts_learner *t = learner;
    const ts_quantizer_type type = t->config->type;
    float *r = t->scratch;
    *loss = 0;
    if (!t->quantize || (type != TS_QUANTIZER_VQ && type != TS_QUANTIZER_LFQ)) return TESS_OK;
    if (type == TS_QUANTIZER_LFQ) {
        *loss = ts_bit_entropy(dz, t->z, t->rows, (int)t->dim, ts_lfq_unit((int)t->dim), c->temperature,
                               c->entropy_gamma, weight);
        return TESS_OK;
    }
    size_t floats = ts_code_entropy_scratch(t->rows, (int)t->size, (int)t->dim);
    if (!t->entropy) t->entropy = ts_alloc_floats(floats);
    if (!t->entropy) return ts_fail_memory(err, floats * sizeof *t->entropy);
    memcpy(r, t->z, t->rows * t->dim * sizeof *r);
    for (int l = 0; l < t->levels; l++) {
        *loss += level_entropy(t, l, c, r, weight, dz, t->config->gradient ? grad : NULL, pool);
        ts_quantizer_residual(t->quantizer, l, r, t->tokens + (size_t)l * t->rows, t->rows);
    }
    return TESS_OK;
}

/* ---- codes by EMA ------------------------------------------------------------------------------------------------ */

/* e = s / smoothed n, Laplace smoothing. The zero code of levels >= 1 stays. */
static void place_codes(ts_learner *t, int level) {
    float *codes = level_codes(t, level), *count = t->count + (size_t)level * t->size;
    const float *sum = t->sum + (size_t)level * t->size * t->dim;
    double total = 0;
    for (size_t k = 0; k < t->size; k++) total += count[k];
    for (size_t k = level > 0; k < t->size; k++) {
        double n = (count[k] + LAPLACE) / (total + (double)t->size * LAPLACE) * total;
        float inverse = (float)(1 / n);
        for (size_t i = 0; i < t->dim; i++) codes[k * t->dim + i] = sum[k * t->dim + i] * inverse;
    }
}

static float deviation(const float *x, size_t n) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
        squares += (double)x[i] * x[i];
    }
    double mean = sum / (double)n, variance = squares / (double)n - mean * mean;
    return variance > 0 ? (float)sqrt(variance) : 0;
}

/* Code k becomes a random residual of the batch with a little noise, so that two codes at one place part. */
static void restart(ts_learner *t, int level, size_t k, const float *r, size_t rows, float noise, ts_rng *rng) {
    float *code = level_codes(t, level) + k * t->dim, *sum = t->sum + ((size_t)level * t->size + k) * t->dim;
    const float *pick = r + ts_rng_below(rng, (uint32_t)rows) * t->dim;
    float n = t->config->restart > 0 ? 10 * t->config->restart : RESTART_COUNT;
    for (size_t i = 0; i < t->dim; i++) {
        code[i] = pick[i] + noise * ts_rng_normal(rng);
        sum[i] = n * code[i];
    }
    t->count[(size_t)level * t->size + k] = n;
}

static void update_level(ts_learner *t, int level, const float *r, ts_rng *rng) {
    const uint16_t *tokens = t->tokens + (size_t)level * t->rows;
    float *count = t->count + (size_t)level * t->size, *sum = t->sum + (size_t)level * t->size * t->dim;
    float d = t->config->decay, noise = -1;
    bool fixed = t->config->type != TS_QUANTIZER_VQ, by_average = !fixed && !t->config->gradient;
    memset(t->hits, 0, t->size * sizeof *t->hits);
    memset(t->moved, 0, t->size * t->dim * sizeof *t->moved);
    ts_vq_accumulate(t->hits, t->moved, tokens, r, t->dim, t->rows, (int)t->dim);
    for (size_t k = 0; k < t->size; k++) count[k] = d * count[k] + (1 - d) * t->hits[k];
    if (by_average) {
        for (size_t i = 0; i < t->size * t->dim; i++) sum[i] = d * sum[i] + (1 - d) * t->moved[i];
        place_codes(t, level);
    }
    const uint32_t *seen = t->counts + (size_t)level * t->size;
    const bool revive = t->revive >> level & 1;
    t->revive &= ~(1U << level);
    for (size_t k = level > 0; k < t->size && !fixed; k++) {
        if (!(count[k] < t->config->restart) && !(revive && seen[k] == 0)) continue;
        if (noise < 0) noise = RESTART_NOISE * deviation(r, t->rows * t->dim);
        restart(t, level, k, r, t->rows, noise, rng);
    }
    ts_quantizer_settle(t->quantizer);
    ts_quantizer_set_bits(t->quantizer, level, count);
}

void ts_learner_revive(ts_learner *learner) { learner->revive = (1U << learner->config->levels) - 1; }

void ts_learner_forget(ts_learner *learner) {
    memset(learner->filled, 0, 2 * (size_t)learner->config->levels * sizeof *learner->filled);
    ts_learner_recount(learner);
}

/* ---- codes from data, codes from a file -------------------------------------------------------------------------- */

typedef struct means {
    size_t rows;
    float *packed;
    uint16_t *tokens;
    double *sum;  /* [size][dim] */
    float *codes; /* all levels, put into the quantizer when all went well */
    float *count; /* likewise */
} means;

static void means_free(means *m) {
    ts_free(m->packed);
    ts_free(m->tokens);
    ts_free(m->sum);
    ts_free(m->codes);
    ts_free(m->count);
}

static bool means_new(const ts_learner *t, size_t rows, means *m) {
    size_t codes = (size_t)t->config->levels * t->size;
    m->rows = rows;
    m->packed = ts_alloc_floats(ts_vq_packed((int)t->size, (int)t->dim));
    m->tokens = ts_calloc(rows, sizeof *m->tokens);
    m->sum = ts_calloc(t->size * t->dim, sizeof *m->sum);
    m->codes = ts_alloc_floats(codes * t->dim);
    m->count = ts_alloc_floats(codes);
    return m->packed && m->tokens && m->sum && m->codes && m->count;
}

static void assign(const ts_learner *t, means *m, const float *codes, float *count, const float *r, ts_pool *pool) {
    ts_vq_pack(m->packed, codes, NULL, 0, (int)t->size, (int)t->dim);
    ts_vq_lookup(m->tokens, NULL, r, t->dim, m->packed, m->rows, (int)t->size, (int)t->dim, pool);
    memset(count, 0, t->size * sizeof *count);
    for (size_t i = 0; i < m->rows; i++) count[m->tokens[i]]++;
}

/* One round of k-means (Lloyd 1982) on residuals r; a code that nobody chose takes a random residual. */
static void improve(const ts_learner *t, means *m, int level, float *codes, float *count, const float *r, ts_rng *rng,
                    ts_pool *pool) {
    assign(t, m, codes, count, r, pool);
    memset(m->sum, 0, t->size * t->dim * sizeof *m->sum);
    for (size_t i = 0; i < m->rows; i++) {
        double *sum = m->sum + m->tokens[i] * t->dim;
        for (size_t k = 0; k < t->dim; k++) sum[k] += r[i * t->dim + k];
    }
    for (size_t k = level > 0; k < t->size; k++) {
        const float *pick = count[k] > 0 ? NULL : r + ts_rng_below(rng, (uint32_t)m->rows) * t->dim;
        for (size_t i = 0; i < t->dim; i++)
            codes[k * t->dim + i] = pick ? pick[i] : (float)(m->sum[k * t->dim + i] / count[k]);
    }
}

static void fit_level(const ts_learner *t, means *m, int level, int rounds, float *r, ts_rng *rng, ts_pool *pool) {
    float *codes = m->codes + (size_t)level * t->size * t->dim, *count = m->count + (size_t)level * t->size;
    for (size_t k = 0; k < t->size; k++) {
        memcpy(codes + k * t->dim, r + ts_rng_below(rng, (uint32_t)m->rows) * t->dim, t->dim * sizeof *codes);
    }
    if (level > 0) memset(codes, 0, t->dim * sizeof *codes);
    for (int i = 0; i < rounds; i++) {
        improve(t, m, level, codes, count, r, rng, pool);
        if (t->config->normalize) ts_unit_rows(codes, t->size, t->dim); /* spherical k-means */
    }
    assign(t, m, codes, count, r, pool);
    for (size_t i = 0; i < m->rows; i++) {
        for (size_t k = 0; k < t->dim; k++) r[i * t->dim + k] -= codes[m->tokens[i] * t->dim + k];
    }
    for (size_t k = 0; k < t->size; k++) { /* as if seen in a training step, none below half an assignment */
        count[k] = (count[k] > 0.5f ? count[k] : 0.5f) * ((float)t->rows / (float)m->rows);
    }
}

static void sums_from_counts(ts_learner *t) {
    const float *codes = ts_quantizer_codebook(t->quantizer);
    for (size_t i = 0; i < (size_t)t->config->levels * t->size * t->dim; i++)
        t->sum[i] = codes[i] * t->count[i / t->dim];
}

tess_status ts_learner_fit(ts_learner *learner, float *z, size_t rows, int rounds, ts_rng *rng, ts_pool *pool,
                           ts_error *err) {
    ts_learner *t = learner;
    means m = {0};
    size_t codes = (size_t)t->config->levels * t->size;
    if (t->config->type != TS_QUANTIZER_VQ) return TESS_OK;
    if (!means_new(t, rows, &m)) {
        means_free(&m);
        return ts_fail_memory(err, (codes * (t->dim + 1) + rows) * sizeof(float));
    }
    for (int l = 0; l < t->config->levels; l++) fit_level(t, &m, l, rounds, z, rng, pool);
    memcpy(ts_quantizer_codebook(t->quantizer), m.codes, codes * t->dim * sizeof *m.codes);
    memcpy(t->count, m.count, codes * sizeof *m.count);
    sums_from_counts(t);
    for (int l = 0; l < t->config->levels; l++) ts_quantizer_set_bits(t->quantizer, l, t->count + (size_t)l * t->size);
    means_free(&m);
    return TESS_OK;
}

void ts_learner_adopt(ts_learner *learner) {
    ts_learner *t = learner;
    const float *bits = ts_quantizer_bits(t->quantizer);
    for (size_t i = 0; i < (size_t)t->config->levels * t->size; i++) {
        t->count[i] = exp2f(-bits[i]) * (float)t->rows; /* assignments per step; bits of 0 everywhere: all alike */
    }
    sums_from_counts(t);
}

float *ts_learner_count(ts_learner *learner) { return learner->count; }

float *ts_learner_sum(ts_learner *learner) { return learner->sum; }

uint16_t *ts_learner_window(ts_learner *learner) { return learner->window; }

uint32_t *ts_learner_filled(ts_learner *learner) { return learner->filled; }

/* ---- statistics -------------------------------------------------------------------------------------------------- */

static void remember(ts_learner *t, int level) {
    const uint16_t *tokens = t->tokens + (size_t)level * t->rows;
    uint16_t *window = t->window + (size_t)level * TS_WINDOW;
    uint32_t *filled = t->filled + 2 * level, *counts = t->counts + (size_t)level * t->size;
    for (size_t i = 0; i < t->rows; i++) {
        if (filled[0] == TS_WINDOW) counts[window[filled[1]]]--;
        else filled[0]++;
        window[filled[1]] = tokens[i];
        counts[tokens[i]]++;
        filled[1] = (filled[1] + 1) % TS_WINDOW;
    }
}

void ts_learner_recount(ts_learner *learner) {
    ts_learner *t = learner;
    memset(t->counts, 0, (size_t)t->config->levels * t->size * sizeof *t->counts);
    for (int l = 0; l < t->config->levels; l++) {
        const uint16_t *window = t->window + (size_t)l * TS_WINDOW;
        for (uint32_t i = 0; i < t->filled[2 * l]; i++) t->counts[(size_t)l * t->size + window[i]]++;
    }
}

ts_usage ts_learner_usage(const ts_learner *learner) {
    const ts_learner *t = learner;
    ts_usage u = {0};
    int seen = 0;
    for (int l = 0; l < t->config->levels; l++) {
        double entropy = 0, n = t->filled[2 * l];
        for (size_t k = 0; k < t->size; k++) {
            double p = n > 0 ? t->counts[(size_t)l * t->size + k] / n : 0;
            if (p > 0) entropy -= p * log2(p);
            if (p > 0) u.used++;
            else u.dead++;
        }
        if (n > 0) u.perplexity += exp2(entropy), seen++;
    }
    if (seen) u.perplexity /= seen;
    return u;
}

double ts_learner_bits(const ts_learner *learner) {
    const ts_learner *t = learner;
    double total = 0;
    for (int l = 0; l < t->levels && t->quantize; l++) {
        const float *bits = ts_quantizer_bits(t->quantizer) + (size_t)l * t->size;
        double sum = 0;
        for (size_t i = 0; i < t->rows; i++) sum += bits[t->tokens[(size_t)l * t->rows + i]];
        total += sum / (double)t->rows;
    }
    return total;
}

const uint32_t *ts_learner_counts(const ts_learner *learner, int level) {
    return learner->counts + (size_t)level * learner->size;
}

void ts_learner_update(ts_learner *learner, ts_rng *rng) {
    ts_learner *t = learner;
    float *r = t->scratch;
    if (!t->quantize) return;
    memcpy(r, t->z, t->rows * t->dim * sizeof *r);
    for (int l = 0; l < t->levels; l++) {
        const uint16_t *tokens = t->tokens + (size_t)l * t->rows;
        remember(t, l);
        /* The next residual belongs to the code as it was, the update to the residual as it is. */
        memcpy(t->z, r, t->rows * t->dim * sizeof *r);
        ts_quantizer_residual(t->quantizer, l, r, tokens, t->rows);
        update_level(t, l, t->z, rng);
    }
}

void ts_learner_observe(ts_learner *learner) {
    for (int l = 0; l < learner->levels && learner->quantize; l++) remember(learner, l);
}
