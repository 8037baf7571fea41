/* norm_back.c - the gradient of group normalisation.
 *
 * Lanes run along channels whatever the groups are: sums are taken per channel (float over blocks of pixels, double over
 * blocks) and joined per group. A task is one image and a chunk of whole groups of at least CHUNK channels where there
 * are as many; chunks depend on the shape alone, so bits depend on neither vector width nor threads.
 */
#include "kernels/norm.h"

#include "kernels/flat.h"

enum { CHUNK = 32, BLOCK = 256 };

typedef struct norm_job {
    float *dx, *sums;
    const float *x, *dy, *gamma;           /* gamma NULL: ones */
    const float *mean, *rstd;              /* [batch][groups] */
    size_t pixels, channels, groups, each; /* each: channels per group */
    size_t chunk, chunks;                  /* groups per task, tasks per image */
} norm_job;

/* One vector of channels of one image: n channels from `channel` on, and the mean and rstd of their groups. */
typedef struct lanes {
    size_t at; /* of the first pixel's values */
    size_t n;
    vf mean, rstd;
} lanes;

static lanes lanes_of(const norm_job *j, size_t image, size_t channel, size_t n) {
    float mean[TS_VF] = {0}, rstd[TS_VF] = {0};
    for (size_t k = 0; k < n; k++) {
        mean[k] = j->mean[image * j->groups + (channel + k) / j->each];
        rstd[k] = j->rstd[image * j->groups + (channel + k) / j->each];
    }
    return (lanes){image * j->pixels * j->channels + channel, n, vf_load(mean), vf_load(rstd)};
}

typedef struct pair {
    vf first, second;
} pair;

/* What is summed over pixels: dy and dy * unit. */
static inline pair slopes(const norm_job *j, const lanes *l, size_t at, pair sum) {
    const vf unit = vf_mul(vf_sub(vf_load_upto(j->x + at, l->n), l->mean), l->rstd);
    const vf dy = vf_load_upto(j->dy + at, l->n);
    return (pair){vf_add(sum.first, dy), vf_madd(dy, unit, sum.second)};
}

/* total[0][k], total[1][k] = sums over pixels for lane k. */
static void pixel_sums(const norm_job *j, const lanes *l, double total[2][TS_VF]) {
    memset(total, 0, 2 * sizeof total[0]);
    for (size_t first = 0; first < j->pixels; first += BLOCK) {
        const size_t last = j->pixels - first < BLOCK ? j->pixels : first + BLOCK;
        pair sum = {vf_zero(), vf_zero()};
        for (size_t p = first; p < last; p++) sum = slopes(j, l, l->at + p * j->channels, sum);
        float lane[2][TS_VF];
        vf_store(lane[0], sum.first);
        vf_store(lane[1], sum.second);
        for (size_t k = 0; k < TS_VF; k++) total[0][k] += (double)lane[0][k], total[1][k] += (double)lane[1][k];
    }
}

/* The channels of task t: [*first, *last) of *image. */
static void task_range(const norm_job *j, size_t t, size_t *image, size_t *first, size_t *last) {
    const size_t chunk = t % j->chunks * j->chunk;
    *image = t / j->chunks;
    *first = chunk * j->each;
    *last = (chunk + j->chunk < j->groups ? chunk + j->chunk : j->groups) * j->each;
}

/* Per channel: the sum of dy and the sum of dy * unit; per group the means over values of both times gamma. */
static void group_slopes(const norm_job *j, size_t image, size_t first, size_t last, float mean_dy[CHUNK],
                         float mean_dy_unit[CHUNK]) {
    double m1[CHUNK] = {0}, m2[CHUNK] = {0}, total[2][TS_VF];
    float *sums = j->sums + 2 * image * j->channels;
    const size_t group = first / j->each;
    TS_FLAT_LOOP(first, last) {
        const lanes l = lanes_of(j, image, i, n);
        pixel_sums(j, &l, total);
        for (size_t k = 0; k < n; k++) {
            const double gamma = j->gamma ? (double)j->gamma[i + k] : 1;
            sums[i + k] = (float)total[0][k];
            sums[j->channels + i + k] = (float)total[1][k];
            m1[(i + k) / j->each - group] += gamma * total[0][k];
            m2[(i + k) / j->each - group] += gamma * total[1][k];
        }
    }
    for (size_t g = 0; g < (last - first) / j->each; g++) {
        mean_dy[g] = (float)(m1[g] / (double)(j->pixels * j->each));
        mean_dy_unit[g] = (float)(m2[g] / (double)(j->pixels * j->each));
    }
}

/* dx = rstd * (gamma dy - mean(gamma dy) - unit * mean(gamma dy unit)), means over the group. */
static void backward_task(void *context, size_t begin, size_t end, int worker) {
    const norm_job *j = context;
    (void)worker;
    for (size_t t = begin; t < end; t++) {
        size_t image, first, last;
        float mean_dy[CHUNK], mean_dy_unit[CHUNK];
        task_range(j, t, &image, &first, &last);
        group_slopes(j, image, first, last, mean_dy, mean_dy_unit);
        TS_FLAT_LOOP(first, last) {
            const lanes l = lanes_of(j, image, i, n);
            float m1[TS_VF] = {0}, m2[TS_VF] = {0};
            for (size_t k = 0; k < n; k++)
                m1[k] = mean_dy[(i + k - first) / j->each], m2[k] = mean_dy_unit[(i + k - first) / j->each];
            const vf gamma = j->gamma ? vf_load_upto(j->gamma + i, n) : vf_set1(1.0f), off = vf_load(m1),
                     along = vf_load(m2);
            for (size_t at = l.at, p = 0; p < j->pixels; p++, at += j->channels) {
                const vf unit = vf_mul(vf_sub(vf_load_upto(j->x + at, n), l.mean), l.rstd);
                const vf dy = vf_mul(vf_load_upto(j->dy + at, n), gamma);
                vf_store_upto(j->dx + at, vf_mul(l.rstd, vf_nmadd(unit, along, vf_sub(dy, off))), n);
            }
        }
    }
}

void ts_group_norm_backward(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x, const float *mean,
                            const float *rstd, const float *gamma, int batch, size_t pixels, int channels, int groups,
                            float *scratch, ts_pool *pool) {
    norm_job j = {.dx = dx,
                  .mean = mean,
                  .rstd = rstd,
                  .sums = scratch,
                  .x = x,
                  .dy = dy,
                  .gamma = gamma,
                  .pixels = pixels,
                  .channels = (size_t)channels,
                  .groups = (size_t)groups,
                  .each = (size_t)(channels / groups)};
    j.chunk = j.each >= CHUNK ? 1 : CHUNK / j.each;
    j.chunks = (j.groups + j.chunk - 1) / j.chunk;
    ts_parallel(pool, (size_t)batch * j.chunks, 1, backward_task, &j);
    for (size_t image = 0; image < (size_t)batch; image++)
        for (size_t c = 0; c < j.channels; c++) {
            const float *sums = scratch + 2 * image * j.channels;
            if (dbeta) dbeta[c] += sums[c];
            if (dgamma) dgamma[c] += sums[j.channels + c];
        }
}
