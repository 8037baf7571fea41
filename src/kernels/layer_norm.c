/* layer_norm.c - layer normalisation, forward: a row is read three times, from the nearest cache.
 *
 * Sums take 16 stripes, joined in double; the variance is that of deviations from the mean, so an offset costs nothing.
 */
#include "kernels/layer_norm.h"

#include "kernels/flat.h"

enum { ROWS = 16 }; /* per task */

typedef struct norm_job {
    float *y, *stats;
    const float *x, *gamma, *beta;
    size_t channels;
    float eps;
} norm_job;

/* The sum over a row of (x - base)^power, power 1 or 2. */
static inline double row_sum(const float *x, size_t channels, float base, int power) {
    const vf from = vf_set1(base);
    ts_stripes sum = ts_stripes_zero();
    size_t i = 0;
    for (; i + TS_STRIPES <= channels; i += TS_STRIPES)
        for (size_t s = 0; s < TS_STRIPES / TS_VF; s++) {
            const vf d = vf_sub(vf_load(x + i + s * TS_VF), from);
            sum.part[s] = power == 1 ? vf_add(sum.part[s], d) : vf_madd(d, d, sum.part[s]);
        }
    double total = ts_stripes_sum(&sum);
    for (; i < channels; i++) {
        const double d = (double)(x[i] - base);
        total += power == 1 ? d : d * d;
    }
    return total;
}

static void forward_task(void *context, size_t begin, size_t end, int worker) {
    const norm_job *j = context;
    const double share = 1 / (double)j->channels;
    (void)worker;
    for (size_t row = begin; row < end; row++) {
        const float *x = j->x + row * j->channels;
        float *y = j->y + row * j->channels;
        const float mean = (float)(row_sum(x, j->channels, 0, 1) * share);
        const float rstd = (float)(1 / sqrt(row_sum(x, j->channels, mean, 2) * share + (double)j->eps));
        const vf middle = vf_set1(mean), scale = vf_set1(rstd);
        j->stats[2 * row] = mean;
        j->stats[2 * row + 1] = rstd;
        TS_FLAT_LOOP(0, j->channels) {
            const vf unit = vf_mul(vf_sub(vf_load_upto(x + i, n), middle), scale);
            vf_store_upto(y + i, vf_madd(unit, vf_load_upto(j->gamma + i, n), vf_load_upto(j->beta + i, n)), n);
        }
    }
}

void ts_layer_norm_forward(float *y, float *stats, const float *x, const float *gamma, const float *beta, size_t rows,
                           int channels, float eps, ts_pool *pool) {
    norm_job j = {y, stats, x, gamma, beta, (size_t)channels, eps};
    ts_parallel(pool, rows, ROWS, forward_task, &j);
}
