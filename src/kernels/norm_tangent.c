/* norm_tangent.c - the tangent of group normalisation (its derivative along t) and the gradient of that.
 *
 * Over one group let M be the mean of its n values and u = (x - M x) rstd, so that y = gamma u + beta. Since
 * d rstd / dx_i = -rstd^2 u_i / n (eps included), d u_j / dx_i = rstd ([i = j] - 1/n - u_i u_j / n), a symmetric matrix N:
 *
 *     N t = rstd (t - M t - u M(u t)),  s = gamma (N t).
 *
 * Back from ds with e = gamma ds, a = M e, b = M t, p = M(u e), q = M(u t), k = M(e t):
 * <ds, s> = <e, N t> = n rstd (k - a b - p q), which is differentiated by d p / dx = N e / n and d q / dx = N t / n too:
 *
 *     dt = N e
 *     dgamma = sum over images and pixels of ds (N t)
 *     dx = -rstd^2 (q (e - a) + p (t - b) + u (k - a b - 3 p q))
 */
#include "kernels/norm.h"

#include "kernels/pointwise.h"

void ts_group_norm_tangent(float *s, float *mean, float *rstd, const float *t, const float *x, const float *gamma,
                           int batch, size_t pixels, int channels, int groups, float eps, float *scratch,
                           ts_pool *pool) {
    ts_group_norm_moments(mean, rstd, x, batch, pixels, channels, groups, eps, pool);
    ts_group_norm_backward(s, NULL, NULL, t, x, mean, rstd, NULL, batch, pixels, channels, groups, scratch, pool);
    ts_channel_affine(s, s, gamma, NULL, (size_t)batch * pixels, channels, pool);
}

enum { CHUNK = 64 }; /* channels whose parts of dgamma are added up at a time */

typedef struct tangent_job {
    float *dt, *dx, *slopes; /* slopes: [batch][channels], each image's part of dgamma */
    const float *ds, *t, *x, *mean, *rstd, *gamma;
    size_t pixels, channels, groups, each; /* each: channels per group */
} tangent_job;

/* What is known of a group of an image. */
typedef struct group {
    size_t at, channel; /* its first value and channel */
    double mean, rstd;
    double a, b, p, q, k; /* means: see above */
} group;

static group measure(const tangent_job *j, size_t task) {
    group g = {.at = task / j->groups * j->pixels * j->channels + task % j->groups * j->each,
               .channel = task % j->groups * j->each,
               .mean = (double)j->mean[task],
               .rstd = (double)j->rstd[task]};
    const double part = 1 / (double)(j->pixels * j->each);
    for (size_t pixel = 0; pixel < j->pixels; pixel++) {
        for (size_t c = 0; c < j->each; c++) {
            const size_t i = g.at + pixel * j->channels + c;
            const double e = (double)j->gamma[g.channel + c] * (double)j->ds[i], t = (double)j->t[i];
            const double u = ((double)j->x[i] - g.mean) * g.rstd;
            g.a += e, g.b += t, g.p += u * e, g.q += u * t, g.k += e * t;
        }
    }
    g.a *= part, g.b *= part, g.p *= part, g.q *= part, g.k *= part;
    return g;
}

/* n channels of the group from its `first` on: dt, dx and the parts of dgamma. */
static void spread(const tangent_job *j, const group *g, size_t first, size_t n, float *slopes) {
    const double rest = g->k - g->a * g->b - 3 * g->p * g->q;
    double slope[CHUNK] = {0};
    for (size_t pixel = 0; pixel < j->pixels; pixel++) {
        for (size_t c = 0; c < n; c++) {
            const size_t i = g->at + pixel * j->channels + first + c;
            const double ds = (double)j->ds[i], u = ((double)j->x[i] - g->mean) * g->rstd;
            const double e = (double)j->gamma[g->channel + first + c] * ds - g->a, t = (double)j->t[i] - g->b;
            slope[c] += ds * (t - u * g->q);
            if (j->dt) j->dt[i] = (float)(g->rstd * (e - u * g->p));
            if (j->dx) j->dx[i] = (float)(-g->rstd * g->rstd * (g->q * e + g->p * t + u * rest));
        }
    }
    for (size_t c = 0; c < n; c++) slopes[c] = (float)(g->rstd * slope[c]);
}

/* A task is one group of one image. Plain loops in double: a penalty's step needs this, the codec never. */
static void backward_task(void *context, size_t begin, size_t end, int worker) {
    const tangent_job *j = context;
    (void)worker;
    for (size_t task = begin; task < end; task++) {
        const group g = measure(j, task);
        for (size_t c = 0; c < j->each; c += CHUNK)
            spread(j, &g, c, j->each - c < CHUNK ? j->each - c : CHUNK, j->slopes + task * j->each + c);
    }
}

void ts_group_norm_tangent_backward(float *dt, float *dx, float *dgamma, const float *ds, const float *t,
                                    const float *x, const float *mean, const float *rstd, const float *gamma, int batch,
                                    size_t pixels, int channels, int groups, float *scratch, ts_pool *pool) {
    tangent_job j = {.dt = dt,
                     .dx = dx,
                     .slopes = scratch,
                     .ds = ds,
                     .t = t,
                     .x = x,
                     .mean = mean,
                     .rstd = rstd,
                     .gamma = gamma,
                     .pixels = pixels,
                     .channels = (size_t)channels,
                     .groups = (size_t)groups,
                     .each = (size_t)(channels / groups)};
    ts_parallel(pool, (size_t)batch * j.groups, 1, backward_task, &j);
    for (int image = 0; image < batch && dgamma; image++, scratch += channels)
        for (int c = 0; c < channels; c++) dgamma[c] += scratch[c];
}
