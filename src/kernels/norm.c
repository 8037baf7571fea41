/* norm.c - group normalisation. Work is split over (image, group); a group's pixels are visited in order, channels in
 * lanes where a group has them. */
#include "kernels/norm.h"

#include "kernels/flat.h"

typedef struct norm_job {
    float *y, *mean, *rstd, *sums;
    const float *x, *dy, *gamma, *beta;
    size_t pixels, channels, each; /* each: channels per group */
    size_t groups;
    float eps;
} norm_job;

/* Blocks of pixels: partial sums stay short in float, and are joined in double. */
enum { BLOCK = 256 };

/* Sum over a group's values of (x - shift) ^ power, power 1 or 2. */
static double group_sum(const norm_job *j, const float *x, float shift, int power) {
    float minus[TS_VF];
    for (int i = 0; i < TS_VF; i++) minus[i] = shift; /* a partial load of it leaves 0 - 0 in the lanes beyond */
    double total = 0;
    for (size_t first = 0; first < j->pixels; first += BLOCK) {
        const size_t last = j->pixels - first < BLOCK ? j->pixels : first + BLOCK;
        ts_stripes s = ts_stripes_zero();
        for (size_t p = first; p < last; p++)
            TS_FLAT_LOOP(0, j->each) {
                const vf d = vf_sub(vf_load_upto(x + p * j->channels + i, n), vf_load_upto(minus, n));
                vf *part = &s.part[i / TS_VF % (TS_STRIPES / TS_VF)];
                *part = power == 2 ? vf_madd(d, d, *part) : vf_add(*part, d);
            }
        total += ts_stripes_sum(&s);
    }
    return total;
}

static void forward_task(void *context, size_t begin, size_t end, int worker) {
    const norm_job *j = context;
    (void)worker;
    for (size_t g = begin; g < end; g++) {
        const size_t image = g / j->groups, channel = g % j->groups * j->each;
        const size_t at = image * j->pixels * j->channels + channel;
        const double count = (double)(j->pixels * j->each);
        const float mean = (float)(group_sum(j, j->x + at, 0, 1) / count);
        const double off = group_sum(j, j->x + at, mean, 1) / count; /* what rounding the mean left over */
        const double variance = group_sum(j, j->x + at, mean, 2) / count - off * off;
        const float rstd = (float)(1 / sqrt((variance > 0 ? variance : 0) + (double)j->eps));
        j->mean[g] = mean;
        j->rstd[g] = rstd;
        for (size_t p = 0; p < j->pixels; p++) {
            const float *x = j->x + at + p * j->channels;
            float *y = j->y + at + p * j->channels;
            TS_FLAT_LOOP(0, j->each) {
                const vf unit = vf_mul(vf_sub(vf_load_upto(x + i, n), vf_set1(mean)), vf_set1(rstd));
                const vf gamma = vf_load_upto(j->gamma + channel + i, n), beta = vf_load_upto(j->beta + channel + i, n);
                vf_store_upto(y + i, vf_madd(unit, gamma, beta), n);
            }
        }
    }
}

void ts_group_norm_forward(float *y, float *mean, float *rstd, const float *x, const float *gamma, const float *beta,
                           int batch, size_t pixels, int channels, int groups, float eps, ts_pool *pool) {
    norm_job j = {.y = y, .mean = mean, .rstd = rstd, .x = x, .gamma = gamma, .beta = beta, .pixels = pixels,
                  .channels = (size_t)channels, .each = (size_t)(channels / groups), .groups = (size_t)groups, .eps = eps};
    ts_parallel(pool, (size_t)(batch * groups), 1, forward_task, &j);
}

/* Per (image, channel): sums[0] = sum of dy, sums[1] = sum of dy * unit, where unit = (x - mean) * rstd. */
static void channel_sums(const norm_job *j, size_t g, size_t at, size_t channel, float *sum_dy, float *sum_dy_unit) {
    const vf mean = vf_set1(j->mean[g]), rstd = vf_set1(j->rstd[g]);
    TS_FLAT_LOOP(0, j->each) {
        double total[2][TS_VF] = {{0}};
        for (size_t first = 0; first < j->pixels; first += BLOCK) {
            const size_t last = j->pixels - first < BLOCK ? j->pixels : first + BLOCK;
            vf dy_sum = vf_zero(), unit_sum = vf_zero();
            for (size_t p = first; p < last; p++) {
                const vf unit = vf_mul(vf_sub(vf_load_upto(j->x + at + p * j->channels + i, n), mean), rstd);
                const vf dy = vf_load_upto(j->dy + at + p * j->channels + i, n);
                dy_sum = vf_add(dy_sum, dy);
                unit_sum = vf_madd(dy, unit, unit_sum);
            }
            float lanes[2][TS_VF];
            vf_store(lanes[0], dy_sum);
            vf_store(lanes[1], unit_sum);
            for (size_t k = 0; k < TS_VF; k++) total[0][k] += (double)lanes[0][k], total[1][k] += (double)lanes[1][k];
        }
        for (size_t k = 0; k < n; k++) {
            sum_dy[channel + i + k] = (float)total[0][k];
            sum_dy_unit[channel + i + k] = (float)total[1][k];
        }
    }
}

/* dx = rstd * (gamma dy - mean(gamma dy) - unit * mean(gamma dy unit)), means over the group. */
static void backward_task(void *context, size_t begin, size_t end, int worker) {
    const norm_job *j = context;
    (void)worker;
    for (size_t g = begin; g < end; g++) {
        const size_t image = g / j->groups, channel = g % j->groups * j->each;
        const size_t at = image * j->pixels * j->channels + channel;
        float *sums = j->sums + 2 * image * j->channels;
        channel_sums(j, g, at, channel, sums, sums + j->channels);
        double m1 = 0, m2 = 0;
        for (size_t k = channel; k < channel + j->each; k++) {
            m1 += (double)j->gamma[k] * (double)sums[k];
            m2 += (double)j->gamma[k] * (double)sums[j->channels + k];
        }
        const double count = (double)(j->pixels * j->each);
        const vf mean = vf_set1(j->mean[g]), rstd = vf_set1(j->rstd[g]);
        const vf mean_dy = vf_set1((float)(m1 / count)), mean_dy_unit = vf_set1((float)(m2 / count));
        for (size_t p = 0; p < j->pixels; p++) {
            const size_t row = at + p * j->channels;
            TS_FLAT_LOOP(0, j->each) {
                const vf unit = vf_mul(vf_sub(vf_load_upto(j->x + row + i, n), mean), rstd);
                const vf dy = vf_mul(vf_load_upto(j->dy + row + i, n), vf_load_upto(j->gamma + channel + i, n));
                vf_store_upto(j->y + row + i, vf_mul(rstd, vf_nmadd(unit, mean_dy_unit, vf_sub(dy, mean_dy))), n);
            }
        }
    }
}

void ts_group_norm_backward(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x, const float *mean,
                            const float *rstd, const float *gamma, int batch, size_t pixels, int channels, int groups,
                            float *scratch, ts_pool *pool) {
    norm_job j = {.y = dx, .mean = (float *)mean, .rstd = (float *)rstd, .sums = scratch, .x = x, .dy = dy, .gamma = gamma,
                  .pixels = pixels, .channels = (size_t)channels, .each = (size_t)(channels / groups), .groups = (size_t)groups};
    ts_parallel(pool, (size_t)(batch * groups), 1, backward_task, &j);
    for (int image = 0; image < batch; image++)
        for (int c = 0; c < channels; c++) {
            const float *sums = scratch + 2 * (size_t)image * j.channels;
            if (dbeta) dbeta[c] += sums[c];
            if (dgamma) dgamma[c] += sums[channels + c];
        }
}
