/* layer_norm_back.c - the gradient of layer normalisation. */
#include "kernels/flat.h"
#include "kernels/layer_norm.h"

enum { ROWS = 16, CHUNK = 64, BLOCK = 128 }; /* rows per task; channels per task; rows summed in float before double */

typedef struct norm_job {
    float *dx, *dgamma, *dbeta;
    const float *dy, *x, *stats, *gamma;
    size_t rows, channels;
} norm_job;

/* dx = rstd * (gamma dy - mean(gamma dy) - unit * mean(gamma dy unit)), means over the row. */
static void input_task(void *context, size_t begin, size_t end, int worker) {
    const norm_job *j = context;
    (void)worker;
    for (size_t row = begin; row < end; row++) {
        const float *x = j->x + row * j->channels, *dy = j->dy + row * j->channels;
        float *dx = j->dx + row * j->channels;
        const vf mean = vf_set1(j->stats[2 * row]), rstd = vf_set1(j->stats[2 * row + 1]);
        ts_stripes sum = ts_stripes_zero(), slope = sum;
        size_t part = 0;
        TS_FLAT_LOOP(0, j->channels) {
            const vf g = vf_mul(vf_load_upto(dy + i, n), vf_load_upto(j->gamma + i, n));
            const vf unit = vf_mul(vf_sub(vf_load_upto(x + i, n), mean), rstd);
            sum.part[part] = vf_add(sum.part[part], g);
            slope.part[part] = vf_madd(g, unit, slope.part[part]);
            part = (part + 1) % (TS_STRIPES / TS_VF);
        }
        const vf off = vf_set1((float)(ts_stripes_sum(&sum) / (double)j->channels));
        const vf along = vf_set1((float)(ts_stripes_sum(&slope) / (double)j->channels));
        TS_FLAT_LOOP(0, j->channels) {
            const vf g = vf_mul(vf_load_upto(dy + i, n), vf_load_upto(j->gamma + i, n));
            const vf unit = vf_mul(vf_sub(vf_load_upto(x + i, n), mean), rstd);
            vf_store_upto(dx + i, vf_mul(rstd, vf_nmadd(unit, along, vf_sub(g, off))), n);
        }
    }
}

/* Channels begin .. end-1 of dgamma += sum dy unit, dbeta += sum dy. */
static void weight_task(void *context, size_t begin, size_t end, int worker) {
    const norm_job *j = context;
    double total[2][CHUNK] = {{0}, {0}};
    (void)worker;
    for (size_t first = 0; first < j->rows; first += BLOCK) {
        const size_t last = j->rows - first < BLOCK ? j->rows : first + BLOCK;
        float part[2][CHUNK + TS_VF] = {{0}, {0}};
        for (size_t row = first; row < last; row++) {
            const vf mean = vf_set1(j->stats[2 * row]), rstd = vf_set1(j->stats[2 * row + 1]);
            const float *x = j->x + row * j->channels + begin, *dy = j->dy + row * j->channels + begin;
            TS_FLAT_LOOP(0, end - begin) {
                const vf unit = vf_mul(vf_sub(vf_load_upto(x + i, n), mean), rstd), g = vf_load_upto(dy + i, n);
                vf_store(part[0] + i, vf_madd(g, unit, vf_load(part[0] + i)));
                vf_store(part[1] + i, vf_add(g, vf_load(part[1] + i)));
            }
        }
        for (size_t c = 0; c < end - begin; c++) total[0][c] += (double)part[0][c], total[1][c] += (double)part[1][c];
    }
    for (size_t c = begin; c < end; c++) {
        if (j->dgamma) j->dgamma[c] += (float)total[0][c - begin];
        if (j->dbeta) j->dbeta[c] += (float)total[1][c - begin];
    }
}

void ts_layer_norm_backward(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x, const float *stats,
                            const float *gamma, size_t rows, int channels, ts_pool *pool) {
    norm_job j = {dx, dgamma, dbeta, dy, x, stats, gamma, rows, (size_t)channels};
    if (dx) ts_parallel(pool, rows, ROWS, input_task, &j);
    if (dgamma || dbeta) ts_parallel(pool, j.channels, CHUNK, weight_task, &j);
}
