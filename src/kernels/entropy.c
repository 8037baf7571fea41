/* entropy.c - the entropy loss of a quantizer.
 *
 * The mean of p is needed before any gradient, and all of p would be [rows][codes]: p is made twice, a chunk of rows at
 * a time. With g_k = gamma log mean_k - log p_k the gradient of a row's logits is p_k (g_k - sum_j p_j g_j) / rows. */
#include "kernels/entropy.h"

#include <math.h>
#include <string.h>

#include "kernels/flat.h"
#include "kernels/gemm.h"
#include "kernels/pointwise.h"
#include "simd/vmath.h"

#define LN2 0.69314718055994530942
#define CHUNK_FLOATS ((size_t)1 << 20)
#define COLUMNS 1024         /* summed by one task */
#define PADDING_LOGIT 100.0f /* below the top: e to the minus this is nothing */

static size_t aligned(size_t floats) { return (floats + 15) / 16 * 16; }

static size_t chunk_rows(size_t rows, int codes) {
    const size_t fit = CHUNK_FLOATS / aligned((size_t)codes), most = fit > TS_GEMM_BLOCK ? TS_GEMM_BLOCK : fit;
    return rows < most ? rows : most;
}

typedef struct job {
    size_t rows, chunk, pitch; /* pitch: floats between rows of p */
    int codes, dim;
    float slope, gamma, scale; /* slope: of logits by scores; scale: weight * slope / rows */
    float *forth, *back, *half, *mean, *columns, *entropy, *product, *p;
    size_t now; /* rows of this chunk */
} job;

/* Cuts the scratch up; returns its size. */
static size_t lay_out(job *j, float *scratch) {
    const size_t codes = (size_t)j->codes, dim = (size_t)j->dim;
    float *at = scratch;
    j->pitch = aligned(codes);
    j->chunk = chunk_rows(j->rows, j->codes);
    const size_t sizes[] = {ts_gemm_packed(j->dim, j->codes),
                            ts_gemm_packed(j->codes, j->dim),
                            codes,
                            codes,
                            codes,
                            j->chunk,
                            j->chunk * dim,
                            j->chunk * j->pitch};
    float **const parts[] = {&j->forth, &j->back, &j->half, &j->mean, &j->columns, &j->entropy, &j->product, &j->p};
    size_t total = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (scratch) *parts[i] = at + total;
        total += aligned(sizes[i]);
    }
    return total;
}

size_t ts_code_entropy_scratch(size_t rows, int codes, int dim) {
    job j = {.rows = rows, .codes = codes, .dim = dim};
    return lay_out(&j, NULL);
}

static void pack(const job *j, const float *codebook) {
    const size_t dim = (size_t)j->dim;
    ts_gemm_pack(j->forth, codebook, j->dim, j->codes, 1, dim);
    ts_gemm_pack(j->back, codebook, j->codes, j->dim, dim, 1);
    for (size_t k = 0; k < (size_t)j->codes; k++) {
        double square = 0;
        for (size_t i = 0; i < dim; i++) square += (double)codebook[k * dim + i] * (double)codebook[k * dim + i];
        j->half[k] = (float)(-square / 2);
    }
}

static void pad(const job *j, float *row, float value) {
    for (size_t k = (size_t)j->codes; k < j->pitch; k++) row[k] = value;
}

static float highest(const job *j, float *row) {
    float lanes[TS_VF];
    pad(j, row, row[0]); /* before anything is read: up to here the pads hold anything */
    vf top = vf_load(row);
    for (size_t k = TS_VF; k < j->pitch; k += TS_VF) top = vf_max(top, vf_load(row + k));
    vf_store(lanes, top);
    for (int i = 1; i < TS_VF; i++) lanes[0] = lanes[i] > lanes[0] ? lanes[i] : lanes[0];
    return lanes[0];
}

/* Scores z.e - |e|^2 / 2 of a row become probabilities, padded with next to nothing; its entropy is noted. */
static void softmax_task(void *context, size_t begin, size_t end, int worker) {
    const job *j = context;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        float *row = j->p + r * j->pitch;
        const float top = highest(j, row);
        const vf most = vf_set1(top), slope = vf_set1(j->slope);
        ts_stripes sum = ts_stripes_zero(), along = ts_stripes_zero();
        size_t part = 0;
        pad(j, row, top - PADDING_LOGIT / j->slope);
        for (size_t k = 0; k < j->pitch; k += TS_VF, part = (part + 1) % (TS_STRIPES / TS_VF)) {
            const vf logit = vf_mul(vf_sub(vf_load(row + k), most), slope), e = vf_exp(logit);
            sum.part[part] = vf_add(sum.part[part], e);
            along.part[part] = vf_madd(e, logit, along.part[part]);
            vf_store(row + k, e);
        }
        const double total = ts_stripes_sum(&sum);
        const vf share = vf_set1((float)(1 / total));
        for (size_t k = 0; k < j->pitch; k += TS_VF) vf_store(row + k, vf_mul(vf_load(row + k), share));
        j->entropy[r] = (float)(log2(total) * LN2 - ts_stripes_sum(&along) / total);
    }
}

/* p of the chunk that starts at z. */
static void probabilities(job *j, const float *z, ts_pool *pool) {
    ts_gemm(j->p, j->pitch, z, (size_t)j->dim, j->forth, j->half, j->now, j->dim, j->codes, pool);
    ts_parallel(pool, j->now, 4, softmax_task, j);
}

typedef struct column_job {
    const job *j;
    float *sum;
} column_job;

static void columns_task(void *context, size_t begin, size_t end, int worker) {
    const column_job *c = context;
    float part[COLUMNS] = {0};
    (void)worker;
    for (size_t r = 0; r < c->j->now; r++) {
        const float *row = c->j->p + r * c->j->pitch + begin;
        TS_FLAT_LOOP(0, end - begin) {
            vf_store_upto(part + i, vf_add(vf_load_upto(part + i, n), vf_load_upto(row + i, n)), n);
        }
    }
    for (size_t k = begin; k < end; k++) c->sum[k] += part[k - begin];
}

/* sum [codes] += the columns of the chunk. */
static void add_columns(const job *j, float *sum, ts_pool *pool) {
    column_job c = {j, sum};
    ts_parallel(pool, (size_t)j->codes, COLUMNS, columns_task, &c);
}

/* p becomes the gradient of the scores; `mean` holds gamma log mean by now. */
static void gradient_task(void *context, size_t begin, size_t end, int worker) {
    const job *j = context;
    const size_t codes = (size_t)j->codes;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        float *row = j->p + r * j->pitch;
        ts_stripes along = ts_stripes_zero();
        size_t part = 0;
        TS_FLAT_LOOP(0, codes) {
            const vf p = vf_load_upto(row + i, n), g = vf_sub(vf_load_upto(j->mean + i, n), vf_log(p));
            along.part[part] = vf_madd(p, g, along.part[part]);
            part = (part + 1) % (TS_STRIPES / TS_VF);
        }
        const vf middle = vf_set1((float)ts_stripes_sum(&along)), scale = vf_set1(j->scale);
        TS_FLAT_LOOP(0, codes) {
            const vf p = vf_load_upto(row + i, n), g = vf_sub(vf_load_upto(j->mean + i, n), vf_log(p));
            vf_store_upto(row + i, vf_mul(vf_mul(p, vf_sub(g, middle)), scale), n);
        }
    }
}

/* H of the mean of p, whose sums `mean` holds; leaves gamma log mean there. */
static double settle_mean(const job *j) {
    double entropy = 0;
    for (size_t k = 0; k < (size_t)j->codes; k++) {
        const double u = (double)j->mean[k] / (double)j->rows, logarithm = log2(u > 1e-38 ? u : 1e-38) * LN2;
        entropy -= u * logarithm;
        j->mean[k] = (float)(j->gamma * logarithm);
    }
    return entropy;
}

double ts_code_entropy(float *dz, float *dcodebook, const float *z, const float *codebook, size_t rows, int codes,
                       int dim, float temperature, float gamma, float weight, float *scratch, ts_pool *pool) {
    job j = {.rows = rows, .codes = codes, .dim = dim, .slope = 2 / temperature, .gamma = gamma};
    const size_t width = (size_t)dim;
    double sure = 0;
    lay_out(&j, scratch);
    j.scale = weight * j.slope / (float)rows;
    pack(&j, codebook);
    memset(j.mean, 0, (size_t)codes * sizeof *j.mean);
    memset(j.columns, 0, (size_t)codes * sizeof *j.columns);
    for (size_t from = 0; from < rows; from += j.chunk) {
        j.now = rows - from < j.chunk ? rows - from : j.chunk;
        probabilities(&j, z + from * width, pool);
        for (size_t r = 0; r < j.now; r++) sure += (double)j.entropy[r];
        add_columns(&j, j.mean, pool);
    }
    const double loss = sure / (double)rows - gamma * settle_mean(&j);
    for (size_t from = 0; from < rows; from += j.chunk) {
        j.now = rows - from < j.chunk ? rows - from : j.chunk;
        if (rows > j.chunk) probabilities(&j, z + from * width, pool); /* a single chunk is still there */
        ts_parallel(pool, j.now, 4, gradient_task, &j);
        ts_gemm(j.product, width, j.p, j.pitch, j.back, NULL, j.now, codes, dim, pool);
        ts_vadd(dz + from * width, dz + from * width, j.product, j.now * width, pool);
        if (!dcodebook) continue;
        ts_gemm_tn(dcodebook, width, j.p, j.pitch, z + from * width, width, j.now, codes, dim, pool);
        add_columns(&j, j.columns, pool);
    }
    for (size_t k = 0; dcodebook && k < (size_t)codes; k++)
        for (size_t i = 0; i < width; i++) dcodebook[k * width + i] -= j.columns[k] * codebook[k * width + i];
    return loss;
}

/* ---- bits --------------------------------------------------------------------------------------------------- */

/* With e = e^-|logit|: p(1 - p) = e / (1 + e)^2, h = log(1 + e) + |logit| e / (1 + e); nothing overflows. */
static double decay(double logit) { return exp2(-fabs(logit) / LN2); }

double ts_bit_entropy(float *dz, const float *z, size_t rows, int dim, float s, float temperature, float gamma,
                      float weight) {
    const size_t width = (size_t)dim;
    const double steep = 4 * (double)s / (double)temperature;
    double sure = 0, spread = 0, mean[TS_ENTROPY_BITS] = {0}, pull[TS_ENTROPY_BITS];
    for (size_t i = 0; i < rows * width; i++) {
        const double logit = steep * (double)z[i], e = decay(logit);
        mean[i % width] += (logit < 0 ? e : 1) / (1 + e);
        sure += log2(1 + e) * LN2 + fabs(logit) * e / (1 + e);
    }
    for (size_t i = 0; i < width; i++) {
        const double u = mean[i] / (double)rows, on = log2(fmax(u, 1e-38)) * LN2, off = log2(fmax(1 - u, 1e-38)) * LN2;
        spread -= u * on + (1 - u) * off;
        pull[i] = gamma * (on - off);
    }
    for (size_t i = 0; i < rows * width; i++) {
        const double logit = steep * (double)z[i], e = decay(logit);
        dz[i] += (float)(weight * steep / (double)rows * e / ((1 + e) * (1 + e)) * (pull[i % width] - logit));
    }
    return sure / (double)rows - gamma * spread;
}
