/* optim.c - AdamW, gradient norms, moving averages. */
#include "kernels/optim.h"

#include "kernels/flat.h"

typedef struct adamw_job {
    float *p, *m, *v;
    const float *g;
    const ts_adamw *o;
    float step_size, root_scale; /* lr / (1 - b1^t), 1 / sqrt(1 - b2^t) */
} adamw_job;

static void adamw_task(void *context, size_t begin, size_t end, int worker) {
    const adamw_job *j = context;
    const ts_adamw *o = j->o;
    const vf keep = vf_set1((float)(1 - (double)o->lr * (double)o->weight_decay)), scale = vf_set1(o->grad_scale);
    const vf b1 = vf_set1(o->beta1), b2 = vf_set1(o->beta2);
    const vf c1 = vf_set1((float)(1 - (double)o->beta1)), c2 = vf_set1((float)(1 - (double)o->beta2));
    const vf step = vf_set1(j->step_size), root = vf_set1(j->root_scale), eps = vf_set1(o->eps);
    (void)worker;
    TS_FLAT_LOOP(begin, end) {
        const vf g = vf_mul(vf_load_upto(j->g + i, n), scale);
        const vf m = vf_madd(vf_load_upto(j->m + i, n), b1, vf_mul(g, c1));
        const vf v = vf_madd(vf_load_upto(j->v + i, n), b2, vf_mul(vf_mul(g, g), c2));
        const vf below = vf_madd(vf_sqrt(v), root, eps);
        const vf p = vf_mul(vf_load_upto(j->p + i, n), keep);
        vf_store_upto(j->m + i, m, n);
        vf_store_upto(j->v + i, v, n);
        vf_store_upto(j->p + i, vf_sub(p, vf_div(vf_mul(step, m), below)), n);
    }
}

/* base^n by squaring: the same bits everywhere, unlike pow. */
static double int_power(double base, long n) {
    double result = 1;
    for (; n > 0; n >>= 1, base *= base)
        if (n & 1) result *= base;
    return result;
}

void ts_adamw_step(float *p, float *m, float *v, const float *g, size_t n, const ts_adamw *options, ts_pool *pool) {
    adamw_job j = {p, m, v, g, options, 0, 0};
    j.step_size = (float)((double)options->lr / (1 - int_power((double)options->beta1, options->step)));
    j.root_scale = (float)(1 / sqrt(1 - int_power((double)options->beta2, options->step)));
    ts_parallel(pool, n, TS_FLAT_GRAIN, adamw_task, &j);
}

/* Float sums over short runs, joined in double. */
static void squares_block(void *context, size_t begin, size_t end, double *out) {
    const float *x = context;
    out[0] = 0;
    for (size_t first = begin; first < end; first += 4096) {
        const size_t last = end - first < 4096 ? end : first + 4096;
        ts_stripes s = ts_stripes_zero();
        size_t part = 0;
        TS_FLAT_LOOP(first, last) {
            const vf v = vf_load_upto(x + i, n);
            s.part[part] = vf_madd(v, v, s.part[part]);
            part = (part + 1) % (TS_STRIPES / TS_VF);
        }
        out[0] += ts_stripes_sum(&s);
    }
}

double ts_sum_squares(const float *x, size_t n, ts_pool *pool) {
    double total[TS_SUM_TERMS];
    ts_sum_blocks(total, 1, n, 4096, squares_block, (void *)x, pool);
    return total[0];
}

typedef struct ema_job {
    float *average;
    const float *p;
    float decay;
} ema_job;

static void ema_task(void *context, size_t begin, size_t end, int worker) {
    const ema_job *j = context;
    const vf decay = vf_set1(j->decay), rest = vf_set1((float)(1 - (double)j->decay));
    (void)worker;
    TS_FLAT_LOOP(begin, end) {
        const vf a = vf_load_upto(j->average + i, n), p = vf_load_upto(j->p + i, n);
        vf_store_upto(j->average + i, vf_madd(a, decay, vf_mul(p, rest)), n);
    }
}

void ts_ema(float *average, const float *p, size_t n, float decay, ts_pool *pool) {
    ema_job j = {average, p, decay};
    ts_parallel(pool, n, TS_FLAT_GRAIN, ema_task, &j);
}
