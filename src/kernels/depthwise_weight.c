/* depthwise_weight.c - the gradient of depthwise filters. */
#include "kernels/depthwise.h"

#include "kernels/flat.h"

enum { CHUNK = 16, TAPS = TS_DEPTHWISE_MAX * TS_DEPTHWISE_MAX + 1 }; /* channels per task; taps, and the bias */

typedef struct weight_job {
    ts_depthwise d;
    float *dw, *dbias;
    const float *x, *dy;
} weight_job;

/* sum [n] += over `count` places, `step` floats apart, of dy * x; of dy alone where x is NULL. */
static void add_row(float *sum, const float *dy, const float *x, size_t step, int count, size_t channels) {
    TS_FLAT_LOOP(0, channels) {
        vf part[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
        const float *a = dy + i, *b = x ? x + i : NULL;
        for (int p = 0; p < count; p++, a += step) {
            const vf g = vf_load_upto(a, n);
            part[p % 4] = b ? vf_madd(g, vf_load_upto(b + (size_t)p * step, n), part[p % 4]) : vf_add(g, part[p % 4]);
        }
        const vf all = vf_add(vf_add(part[0], part[1]), vf_add(part[2], part[3]));
        vf_store(sum + i, vf_add(vf_load(sum + i), all));
    }
}

/* Sums of one picture, channels from `channel` on: sum[tap], and the bias behind the last tap. */
static void add_image(const weight_job *j, float (*sum)[CHUNK + TS_VF], size_t image, size_t channel, size_t channels) {
    const ts_depthwise *d = &j->d;
    const int kernel = d->kernel, half = kernel / 2;
    const size_t c = (size_t)d->channels, row = (size_t)d->width * c, at = image * (size_t)d->height * row + channel;
    for (int y = 0; y < d->height; y++) {
        const float *dy = j->dy + at + (size_t)y * row;
        if (j->dbias) add_row(sum[kernel * kernel], dy, NULL, c, d->width, channels);
        for (int tap = 0; tap < kernel * kernel; tap++) {
            const int from = y + tap / kernel - half, off = tap % kernel - half;
            const int first = off < 0 ? -off : 0, count = d->width - (off < 0 ? -off : off);
            if (from < 0 || from >= d->height || count <= 0) continue;
            add_row(sum[tap], dy + (size_t)first * c, j->x + at + (size_t)from * row + (size_t)(first + off) * c, c,
                    count, channels);
        }
    }
}

static void weight_task(void *context, size_t begin, size_t end, int worker) {
    const weight_job *j = context;
    const int taps = j->d.kernel * j->d.kernel;
    (void)worker;
    for (size_t image = 0; image < (size_t)j->d.batch; image++) {
        float sum[TAPS][CHUNK + TS_VF];
        memset(sum, 0, (size_t)(taps + 1) * sizeof sum[0]);
        add_image(j, sum, image, begin, end - begin);
        for (size_t c = begin; c < end; c++) {
            for (int tap = 0; tap < taps; tap++) j->dw[(size_t)tap * (size_t)j->d.channels + c] += sum[tap][c - begin];
            if (j->dbias) j->dbias[c] += sum[taps][c - begin];
        }
    }
}

void ts_depthwise_backward_weight(const ts_depthwise *d, float *dw, float *dbias, const float *x, const float *dy,
                                  ts_pool *pool) {
    weight_job j = {*d, dw, dbias, x, dy};
    ts_parallel(pool, (size_t)d->channels, CHUNK, weight_task, &j);
}
