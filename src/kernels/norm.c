/* norm.c - group normalisation, forward: one pass that reads, one that writes.
 *
 * Moments are taken over whole rows of channels, lanes along channels. An image is cut into BLOCKS runs of pixels that
 * depend on the shape alone. A run sums deviations from a base near its own mean, and their squares, per channel: in
 * float over PIXELS pixels, in double over those. Then channels join to groups and runs to the image (Chan, Golub &
 * LeVeque 1983), all in double. So bits depend on neither vector width nor threads. The base is the mean of a run's first
 * PIXELS pixels: a large common offset costs nothing.
 */
#include "kernels/norm.h"

#include "kernels/flat.h"

enum { BLOCKS = 16, PIXELS = 64, CHUNK = 128, GROUPS = 64 }; /* CHUNK channels and GROUPS groups are taken at a time */

typedef struct moments {
    double mean, square; /* square: sum of squared deviations from the mean */
} moments;

typedef struct norm_job {
    float *y;
    const float *x, *gamma, *beta, *mean, *rstd;
    size_t pixels, channels, each; /* of the image; each: channels per group */
    size_t block;                  /* pixels per run */
    size_t group, groups;          /* groups now being measured */
    ts_act act;
    float slope;
    moments (*part)[GROUPS]; /* [BLOCKS] */
} norm_job;

/* sum[c] += x - base, square[c] += (x - base)^2 over up to PIXELS pixels, one chain per channel. */
static void add_pixels(float *sum, float *square, const float *base, const float *x, size_t step, size_t pixels,
                       size_t channels) {
    TS_FLAT_LOOP(0, channels) {
        const vf b = vf_load(base + i);
        vf s = vf_load(sum + i), q = vf_load(square + i);
        const float *at = x + i;
        for (size_t p = 0; p < pixels; p++, at += step) {
            const vf d = vf_sub(vf_load_upto(at, n), b);
            s = vf_add(s, d);
            q = vf_madd(d, d, q);
        }
        vf_store(sum + i, s);
        vf_store(square + i, q);
    }
}

/* Per-channel moments of a run of pixels; n <= CHUNK channels from x on. */
static void channel_moments(moments *out, const float *x, size_t step, size_t pixels, size_t n) {
    enum { STEP = 8 }; /* pixels whose rows are in the nearest cache together */
    float base[CHUNK + TS_VF] = {0}, sum[CHUNK + TS_VF], square[CHUNK + TS_VF];
    double total[CHUNK] = {0}, squares[CHUNK] = {0};
    const size_t head = pixels < PIXELS ? pixels : PIXELS;
    memset(sum, 0, sizeof sum);
    memset(square, 0, sizeof square);
    add_pixels(sum, square, base, x, step, head, n);
    for (size_t c = 0; c < n; c++) base[c] = sum[c] / (float)head;
    for (size_t first = 0; first < pixels; first += PIXELS) {
        const size_t count = pixels - first < PIXELS ? pixels - first : PIXELS;
        memset(sum, 0, sizeof sum);
        memset(square, 0, sizeof square);
        for (size_t p = 0; p < count; p += STEP)
            add_pixels(sum, square, base, x + (first + p) * step, step, count - p < STEP ? count - p : STEP, n);
        for (size_t c = 0; c < n; c++) total[c] += (double)sum[c], squares[c] += (double)square[c];
    }
    for (size_t c = 0; c < n; c++) {
        const double rest = total[c] / (double)pixels;
        out[c] = (moments){(double)base[c] + rest, squares[c] - rest * total[c]};
    }
}

/* a, of n values, takes in b, of m. */
static moments join(moments a, double n, moments b, double m) {
    const double off = b.mean - a.mean;
    return (moments){a.mean + off * (m / (n + m)), a.square + b.square + off * off * (n * m / (n + m))};
}

static void measure_task(void *context, size_t begin, size_t end, int worker) {
    const norm_job *j = context;
    const size_t last = (j->group + j->groups) * j->each;
    moments channel[CHUNK];
    (void)worker;
    for (size_t block = begin; block < end; block++) {
        const size_t first = block * j->block;
        const size_t pixels = j->pixels - first < j->block ? j->pixels - first : j->block;
        for (size_t c = j->group * j->each; c < last; c += CHUNK) {
            const size_t n = last - c < CHUNK ? last - c : CHUNK;
            channel_moments(channel, j->x + first * j->channels + c, j->channels, pixels, n);
            for (size_t k = 0; k < n; k++) {
                moments *group = &j->part[block][(c + k) / j->each - j->group];
                const size_t before = (c + k) % j->each;
                *group = before == 0 ? channel[k] : join(*group, (double)(before * pixels), channel[k], (double)pixels);
            }
        }
    }
}

/* mean and rstd [groups] of one image. */
static void measure(norm_job *j, float *mean, float *rstd, size_t groups, float eps, ts_pool *pool) {
    moments part[BLOCKS][GROUPS];
    const size_t blocks = (j->pixels + j->block - 1) / j->block;
    j->part = part;
    for (j->group = 0; j->group < groups; j->group += GROUPS) {
        j->groups = groups - j->group < GROUPS ? groups - j->group : GROUPS;
        ts_parallel(pool, blocks, 1, measure_task, j);
        for (size_t g = 0; g < j->groups; g++) {
            moments all = part[0][g];
            size_t pixels = j->block < j->pixels ? j->block : j->pixels;
            for (size_t b = 1; b < blocks; b++, pixels += j->block) {
                const size_t more = j->pixels - pixels < j->block ? j->pixels - pixels : j->block;
                all = join(all, (double)(pixels * j->each), part[b][g], (double)(more * j->each));
            }
            const double variance = all.square / (double)(j->pixels * j->each);
            mean[j->group + g] = (float)all.mean;
            rstd[j->group + g] = (float)(1 / sqrt((variance > 0 ? variance : 0) + (double)eps));
        }
    }
}

static norm_job job_of(size_t pixels, int channels, int groups) {
    const size_t units = (pixels + PIXELS - 1) / PIXELS;
    return (norm_job){.pixels = pixels,
                      .channels = (size_t)channels,
                      .each = (size_t)(channels / groups),
                      .block = (units + BLOCKS - 1) / BLOCKS * PIXELS};
}

void ts_group_norm_moments(float *mean, float *rstd, const float *x, int batch, size_t pixels, int channels, int groups,
                           float eps, ts_pool *pool) {
    norm_job j = job_of(pixels, channels, groups);
    for (int image = 0; image < batch; image++, mean += groups, rstd += groups) {
        j.x = x + (size_t)image * pixels * j.channels;
        measure(&j, mean, rstd, (size_t)groups, eps, pool);
    }
}

void ts_group_norm_affine(float *scale, float *shift, float *mean, float *rstd, const float *x, const float *gamma,
                          const float *beta, int batch, size_t pixels, int channels, int groups, float eps,
                          ts_pool *pool) {
    const int each = channels / groups;
    ts_group_norm_moments(mean, rstd, x, batch, pixels, channels, groups, eps, pool);
    for (int image = 0; image < batch; image++, mean += groups, rstd += groups) {
        for (int c = 0; c < channels; c++, scale++, shift++) {
            const double factor = (double)rstd[c / each] * (double)gamma[c];
            *scale = (float)factor;
            *shift = (float)((double)beta[c] - (double)mean[c / each] * factor);
        }
    }
}

/* (x - mean) * (rstd gamma) + beta, so that a large mean costs nothing; then the activation. */
static void apply_task(void *context, size_t begin, size_t end, int worker) {
    const norm_job *j = context;
    (void)worker;
    for (size_t first = 0; first < j->channels; first += CHUNK) {
        const size_t channels = j->channels - first < CHUNK ? j->channels - first : CHUNK;
        float mean[CHUNK + TS_VF] = {0}, scale[CHUNK + TS_VF] = {0}, beta[CHUNK + TS_VF] = {0};
        for (size_t c = 0; c < channels; c++) {
            mean[c] = j->mean[(first + c) / j->each];
            scale[c] = j->rstd[(first + c) / j->each] * j->gamma[first + c];
            beta[c] = j->beta[first + c];
        }
        for (size_t p = begin; p < end; p++) {
            const size_t at = p * j->channels + first;
            TS_FLAT_LOOP(0, channels) {
                const vf d = vf_sub(vf_load_upto(j->x + at + i, n), vf_load(mean + i));
                vf_store_upto(j->y + at + i, vf_madd(d, vf_load(scale + i), vf_load(beta + i)), n);
            }
        }
    }
    ts_act_affine(j->y + begin * j->channels, j->y + begin * j->channels, NULL, NULL, end - begin, (int)j->channels,
                  j->act, j->slope);
}

void ts_group_norm_forward(float *y, float *mean, float *rstd, const float *x, const float *gamma, const float *beta,
                           int batch, size_t pixels, int channels, int groups, float eps, ts_act act, float slope,
                           ts_pool *pool) {
    norm_job j = job_of(pixels, channels, groups);
    const size_t image = pixels * j.channels;
    j.gamma = gamma, j.beta = beta, j.act = act, j.slope = slope;
    for (int n = 0; n < batch; n++, x += image, y += image, mean += groups, rstd += groups) {
        j.x = x, j.y = y, j.mean = mean, j.rstd = rstd;
        ts_group_norm_moments(mean, rstd, x, 1, pixels, channels, groups, eps, pool);
        ts_parallel(pool, pixels, 16384 / j.channels + 1, apply_task, &j);
    }
}
