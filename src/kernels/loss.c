/* loss.c - pointwise losses and the LPIPS head. */
#include "kernels/loss.h"

#include "kernels/flat.h"

typedef struct loss_job {
    float *grad;
    const float *x, *y, *head;
    size_t channels;
    float scale; /* weight / n */
} loss_job;

enum { RUN = 4096 }; /* values summed in float before double takes over */

static void l1_block(void *context, size_t begin, size_t end, double *out) {
    const loss_job *j = context;
    const vf scale = vf_set1(j->scale), zero = vf_zero(), minus = vf_set1(-j->scale);
    out[0] = 0;
    for (size_t first = begin; first < end; first += RUN) {
        const size_t last = end - first < RUN ? end : first + RUN;
        ts_stripes s = ts_stripes_zero();
        size_t part = 0;
        TS_FLAT_LOOP(first, last) {
            const vf d = vf_sub(vf_load_upto(j->x + i, n), vf_load_upto(j->y + i, n));
            s.part[part] = vf_add(s.part[part], vf_abs(d));
            part = (part + 1) % (TS_STRIPES / TS_VF);
            if (!j->grad) continue;
            const vf g = vf_select(vf_lt(zero, d), scale, vf_select(vf_lt(d, zero), minus, vf_mul(d, scale)));
            vf_store_upto(j->grad + i, g, n);
        }
        out[0] += ts_stripes_sum(&s);
    }
}

static void l2_block(void *context, size_t begin, size_t end, double *out) {
    const loss_job *j = context;
    const vf scale = vf_set1(2 * j->scale);
    out[0] = 0;
    for (size_t first = begin; first < end; first += RUN) {
        const size_t last = end - first < RUN ? end : first + RUN;
        ts_stripes s = ts_stripes_zero();
        size_t part = 0;
        TS_FLAT_LOOP(first, last) {
            const vf d = vf_sub(vf_load_upto(j->x + i, n), vf_load_upto(j->y + i, n));
            s.part[part] = vf_madd(d, d, s.part[part]);
            part = (part + 1) % (TS_STRIPES / TS_VF);
            if (j->grad) vf_store_upto(j->grad + i, vf_mul(d, scale), n);
        }
        out[0] += ts_stripes_sum(&s);
    }
}

static double mean_loss(ts_block_sum *block, float *grad, const float *x, const float *y, size_t n, float weight,
                        ts_pool *pool) {
    double total[TS_SUM_TERMS];
    loss_job j = {.grad = grad, .x = x, .y = y, .scale = (float)((double)weight / (double)n)};
    ts_sum_blocks(total, 1, n, RUN, block, &j, pool);
    return total[0] / (double)n;
}

double ts_loss_l1(float *grad, const float *x, const float *y, size_t n, float weight, ts_pool *pool) {
    return mean_loss(l1_block, grad, x, y, n, weight, pool);
}

double ts_loss_l2(float *grad, const float *x, const float *y, size_t n, float weight, ts_pool *pool) {
    return mean_loss(l2_block, grad, x, y, n, weight, pool);
}

/* ---- LPIPS -------------------------------------------------------------------------------------------------- */
static float inverse_norm(const float *x, size_t channels) {
    ts_stripes s = ts_stripes_zero();
    size_t part = 0;
    TS_FLAT_LOOP(0, channels) {
        const vf v = vf_load_upto(x + i, n);
        s.part[part] = vf_madd(v, v, s.part[part]);
        part = (part + 1) % (TS_STRIPES / TS_VF);
    }
    return (float)(1 / sqrt(ts_stripes_sum(&s) + 1e-10));
}

/* With u = x/|x|, v = y/|y|, d = u - v: the loss of a pixel is sum h d^2 and its gradient
 * 2 (h d - u sum(h d u)) / |x|. */
static double lpips_pixel(const loss_job *j, size_t row) {
    const float *x = j->x + row * j->channels, *y = j->y + row * j->channels;
    const float rx = inverse_norm(x, j->channels);
    const vf to_u = vf_set1(rx), to_v = vf_set1(inverse_norm(y, j->channels));
    ts_stripes loss = ts_stripes_zero(), along = ts_stripes_zero();
    size_t part = 0;
    TS_FLAT_LOOP(0, j->channels) {
        const vf u = vf_mul(vf_load_upto(x + i, n), to_u);
        const vf d = vf_sub(u, vf_mul(vf_load_upto(y + i, n), to_v));
        const vf hd = vf_mul(vf_load_upto(j->head + i, n), d);
        loss.part[part] = vf_madd(hd, d, loss.part[part]);
        along.part[part] = vf_madd(hd, u, along.part[part]);
        part = (part + 1) % (TS_STRIPES / TS_VF);
    }
    if (j->grad) {
        const vf dot = vf_set1((float)ts_stripes_sum(&along)), scale = vf_set1(2 * j->scale * rx);
        TS_FLAT_LOOP(0, j->channels) {
            const vf u = vf_mul(vf_load_upto(x + i, n), to_u);
            const vf d = vf_sub(u, vf_mul(vf_load_upto(y + i, n), to_v));
            const vf hd = vf_mul(vf_load_upto(j->head + i, n), d);
            vf_store_upto(j->grad + row * j->channels + i, vf_mul(scale, vf_nmadd(u, dot, hd)), n);
        }
    }
    return ts_stripes_sum(&loss);
}

static void lpips_block(void *context, size_t begin, size_t end, double *out) {
    out[0] = 0;
    for (size_t row = begin; row < end; row++) out[0] += lpips_pixel(context, row);
}

double ts_lpips_head(float *grad, const float *x, const float *y, const float *head, size_t rows, int channels,
                     float weight, ts_pool *pool) {
    double total[TS_SUM_TERMS];
    loss_job j = {grad, x, y, head, (size_t)channels, (float)((double)weight / (double)rows)};
    ts_sum_blocks(total, 1, rows, 16, lpips_block, &j, pool);
    return total[0] / (double)rows;
}
