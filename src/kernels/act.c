/* act.c - activation functions. */
#include "kernels/act.h"

#include "kernels/flat.h"
#include "simd/vmath.h"

typedef struct act_job {
    float *out;
    const float *dy, *x;
    ts_act act;
    float slope;
} act_job;

/* Elementwise over [begin, end): expression of v (= x) and, going back, d (= dy). */
#define FORWARD(expression)                                                                                            \
    TS_FLAT_LOOP(begin, end) {                                                                                         \
        const vf v = vf_load_upto(j->x + i, n);                                                                        \
        vf_store_upto(j->out + i, (expression), n);                                                                    \
    }                                                                                                                  \
    break
#define BACKWARD(expression)                                                                                           \
    TS_FLAT_LOOP(begin, end) {                                                                                         \
        const vf v = vf_load_upto(j->x + i, n);                                                                        \
        const vf d = vf_load_upto(j->dy + i, n);                                                                       \
        vf_store_upto(j->out + i, (expression), n);                                                                    \
    }                                                                                                                  \
    break

static void forward_task(void *context, size_t begin, size_t end, int worker) {
    const act_job *j = context;
    const vf zero = vf_zero(), slope = vf_set1(j->slope);
    (void)worker;
    switch (j->act) {
    case TS_ACT_NONE: break;
    case TS_ACT_RELU: FORWARD(vf_max(v, zero));
    case TS_ACT_LEAKY_RELU: FORWARD(vf_select(vf_lt(v, zero), vf_mul(v, slope), v));
    case TS_ACT_SILU: FORWARD(vf_silu(v));
    case TS_ACT_GELU: FORWARD(vf_gelu(v));
    case TS_ACT_TANH: FORWARD(vf_tanh(v));
    }
}

static void backward_task(void *context, size_t begin, size_t end, int worker) {
    const act_job *j = context;
    const vf zero = vf_zero(), one = vf_set1(1.0f), slope = vf_set1(j->slope);
    (void)worker;
    switch (j->act) {
    case TS_ACT_NONE: break;
    case TS_ACT_RELU: BACKWARD(vf_select(vf_lt(zero, v), d, zero));
    case TS_ACT_LEAKY_RELU: BACKWARD(vf_select(vf_lt(zero, v), d, vf_mul(d, slope)));
    case TS_ACT_SILU: BACKWARD(vf_mul(d, vf_silu_slope(v)));
    case TS_ACT_GELU: BACKWARD(vf_mul(d, vf_gelu_slope(v)));
    case TS_ACT_TANH: {
        TS_FLAT_LOOP(begin, end) {
            const vf t = vf_tanh(vf_load_upto(j->x + i, n));
            vf_store_upto(j->out + i, vf_mul(vf_load_upto(j->dy + i, n), vf_nmadd(t, t, one)), n);
        }
        break;
    }
    }
}

void ts_act_forward(float *y, const float *x, size_t n, ts_act act, float slope, ts_pool *pool) {
    act_job j = {y, NULL, x, act, slope};
    if (act == TS_ACT_NONE) {
        if (y != x) memcpy(y, x, n * sizeof(float));
        return;
    }
    ts_parallel(pool, n, TS_FLAT_GRAIN, forward_task, &j);
}

/* x * scale + shift, and SiLU of it, for whole pixels. */
#define DEFINE_AFFINE(NAME, expression)                                                                                \
    static void NAME(float *y, const float *x, const float *scale, const float *shift, size_t pixels,                  \
                     size_t channels) {                                                                                \
        for (size_t p = 0; p < pixels; p++, y += channels, x += channels) TS_FLAT_LOOP(0, channels) {                  \
                const vf v = vf_madd(vf_load_upto(x + i, n), vf_load_upto(scale + i, n), vf_load_upto(shift + i, n));  \
                vf_store_upto(y + i, (expression), n);                                                                 \
            }                                                                                                          \
    }
DEFINE_AFFINE(affine_none, v)
DEFINE_AFFINE(affine_silu, vf_silu(v))

void ts_act_affine(float *y, const float *x, const float *scale, const float *shift, size_t pixels, int channels,
                   ts_act act, float slope) {
    enum { NEAR = 2048 }; /* values that stay in the nearest cache between the two steps */
    if (scale && act == TS_ACT_SILU) {
        affine_silu(y, x, scale, shift, pixels, (size_t)channels);
        return;
    }
    const size_t c = (size_t)channels, each = c < NEAR ? NEAR / c : 1;
    for (size_t p = 0; p < pixels; p += each, y += each * c, x += each * c) {
        const size_t n = pixels - p < each ? pixels - p : each;
        if (scale) affine_none(y, x, scale, shift, n, c);
        act_job j = {y, NULL, scale ? y : x, act, slope};
        if (act == TS_ACT_NONE && !scale && y != x) memcpy(y, x, n * c * sizeof(float));
        forward_task(&j, 0, n * c, 0);
    }
}

void ts_act_backward(float *dx, const float *dy, const float *x, size_t n, ts_act act, float slope, ts_pool *pool) {
    act_job j = {dx, dy, x, act, slope};
    if (act == TS_ACT_NONE) {
        if (dx != dy) memcpy(dx, dy, n * sizeof(float));
        return;
    }
    ts_parallel(pool, n, TS_FLAT_GRAIN, backward_task, &j);
}
