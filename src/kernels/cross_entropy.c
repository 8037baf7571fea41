/* cross_entropy.c - softmax cross-entropy, value and gradient. */
#include "kernels/cross_entropy.h"

#include "kernels/flat.h"
#include "simd/vmath.h"

#include <stdbool.h>

static const double LN2 = 0.693147180559945309;

typedef struct entropy_job {
    float *grad;
    const float *x, *target;
    size_t classes;
    float smoothing, scale; /* scale: weight / rows that count */
} entropy_job;

static bool counts(float target) { return target > -0.5f; }

static float highest(const float *x, size_t n_all) {
    float lanes[TS_VF], most = x[0];
    vf top = vf_set1(most);
    size_t i = 0;
    for (; i + TS_VF <= n_all; i += TS_VF) top = vf_max(top, vf_load(x + i));
    vf_store(lanes, top);
    for (size_t k = 0; k < TS_VF; k++) most = lanes[k] > most ? lanes[k] : most;
    for (; i < n_all; i++) most = x[i] > most ? x[i] : most;
    return most;
}

/* With d = x - max: log sum e^d - (1 - s) d_t - s mean d. Its gradient: p - (1 - s) [k = t] - s / classes. */
static double row_loss(const entropy_job *j, size_t row) {
    const float *x = j->x + row * j->classes, t = j->target[row];
    float *grad = j->grad ? j->grad + row * j->classes : NULL;
    const size_t at = t < (float)(j->classes - 1) ? (size_t)(t + 0.5f) : j->classes - 1;
    const float most = highest(x, j->classes);
    const vf top = vf_set1(most);
    ts_stripes sum = ts_stripes_zero(), mean = sum;
    size_t part = 0, whole = j->classes / TS_VF * TS_VF;
    for (size_t i = 0; i < whole; i += TS_VF, part = (part + 1) % (TS_STRIPES / TS_VF)) {
        const vf d = vf_sub(vf_load(x + i), top);
        sum.part[part] = vf_add(sum.part[part], vf_exp(d));
        mean.part[part] = vf_add(mean.part[part], d);
    }
    double total = ts_stripes_sum(&sum), along = ts_stripes_sum(&mean);
    for (size_t i = whole; i < j->classes; i++) {
        float lanes[TS_VF];
        vf_store(lanes, vf_exp(vf_set1(x[i] - most)));
        total += (double)lanes[0];
        along += (double)(x[i] - most);
    }
    if (grad) {
        const vf share = vf_set1((float)((double)j->scale / total));
        const vf even = vf_set1(j->scale * j->smoothing / (float)j->classes);
        TS_FLAT_LOOP(0, j->classes)
        vf_store_upto(grad + i, vf_sub(vf_mul(vf_exp(vf_sub(vf_load_upto(x + i, n), top)), share), even), n);
        grad[at] -= j->scale * (1 - j->smoothing);
    }
    const double smoothing = (double)j->smoothing;
    return log2(total) * LN2 - (1 - smoothing) * (double)(x[at] - most) - smoothing * along / (double)j->classes;
}

static void loss_block(void *context, size_t begin, size_t end, double *out) {
    const entropy_job *j = context;
    out[0] = 0;
    for (size_t row = begin; row < end; row++) {
        if (counts(j->target[row])) out[0] += row_loss(j, row);
        else if (j->grad) memset(j->grad + row * j->classes, 0, j->classes * sizeof(float));
    }
}

double ts_cross_entropy(float *grad, const float *x, const float *target, size_t rows, int classes, float smoothing,
                        float weight, ts_pool *pool) {
    double total[TS_SUM_TERMS];
    size_t count = 0;
    for (size_t row = 0; row < rows; row++) count += counts(target[row]);
    const double each = 1 / (double)(count ? count : 1);
    entropy_job j = {grad, x, target, (size_t)classes, smoothing, (float)((double)weight * each)};
    ts_sum_blocks(total, 1, rows, 4, loss_block, &j, pool);
    return total[0] * each;
}
