/* conv_pack.c - weights into the panels that a convolution's jobs read. */
#include "kernels/conv_job.h"

#include "base/size.h"
#include "kernels/gemm.h"
#include "kernels/winograd.h"

typedef struct packing {
    const ts_conv *plan;
    ts_conv_job job;
    float *panels;
    const float *weights;
    size_t in_step, out_step; /* floats between weights of neighbouring inputs and outputs of the job */
    bool back;
} packing;

/* The panel of job outputs `first` and on, where it is being written. */
typedef struct place {
    float *to;
    int first, columns, width;
    int length; /* dots: of a row of taps; 0: no dots */
} place;

/* One tap's weights of a panel: rows (inputs) from `row` on. */
static void put_tap(const packing *w, const place *p, size_t row, size_t tap, bool add) {
    const float *from = w->weights + tap * (size_t)w->plan->shape.in * (size_t)w->plan->shape.out;
    if (!add && p->length == 0 && w->job.shuffle == 1) {
        from += (size_t)p->first * w->out_step;
        ts_gemm_pack(p->to + row * (size_t)p->width, from, w->job.in_c, p->columns, w->in_step, w->out_step);
        return;
    }
    for (size_t j = 0; j < (size_t)p->columns; j++) {
        const size_t column = ts_conv_job_channel(&w->job, (size_t)p->first + j) * w->out_step;
        for (size_t i = 0; i < (size_t)w->job.in_c; i++) {
            const float value = from[i * w->in_step + column];
            float *at = p->to + (p->length ? ts_dot_place(p->length, row + i, j) : (row + i) * (size_t)p->width + j);
            *at = add ? *at + value : value;
        }
    }
}

/* Taps ky, kx of the plan that reach tap (ty, tx) of a phase, one for every `add`: see set_enlarged and phase_of in
 * conv_plan.c. */
static void put_enlarged(const packing *w, const place *p, int phase) {
    for (int t = 0; t < 4; t++)
        for (int ky = 0, n = 0; ky < 3; ky++)
            for (int kx = 0; kx < 3; kx++) {
                if ((ky + 1 - phase / 2) / 2 != t / 2 || (kx + 1 - phase % 2) / 2 != t % 2) continue;
                put_tap(w, p, (size_t)(t * w->job.in_c), (size_t)(ky * 3 + kx), n++ > 0);
            }
}

/* The taps of one phase of the backward pass, falling; all taps in order for the forward pass (stride 0). */
static void put_phase(const packing *w, const place *p, int ry, int rx, int stride) {
    const ts_conv_shape *s = &w->plan->shape;
    const int last_y = s->kernel_h - 1, last_x = s->kernel_w - 1;
    size_t row = 0;
    if (stride == 0) {
        for (int tap = 0; tap < s->kernel_h * s->kernel_w; tap++, row += (size_t)w->job.in_c)
            put_tap(w, p, row, (size_t)tap, false);
        return;
    }
    for (int ky = ry + (last_y - ry) / stride * stride; ky >= ry; ky -= stride)
        for (int kx = rx + (last_x - rx) / stride * stride; kx >= rx; kx -= stride, row += (size_t)w->job.in_c)
            put_tap(w, p, row, (size_t)(ky * s->kernel_w + kx), false);
}

static void pack_task(void *context, size_t begin, size_t end, int worker) {
    const packing *w = context;
    const ts_conv_job *j = &w->job;
    (void)worker;
    for (int i = 0; i < j->step * j->step; i++) {
        const ts_conv_phase *phase = &j->phases[i];
        const size_t k = (size_t)(phase->taps_h * phase->taps_w) * (size_t)j->in_c;
        for (size_t panel = begin; k > 0 && panel < end; panel++) {
            const int first = (int)panel * TS_NR, width = ts_panel_vectors(j->out_c, first) * TS_VF;
            const place p = {w->panels + phase->panels + (size_t)first * k, first,
                             j->out_c - first < width ? j->out_c - first : width, width,
                             ts_conv_job_dots(j) ? phase->taps_w * j->in_c : 0};
            if (w->plan->shape.upsample == 2) {
                put_enlarged(w, &p, i);
            } else {
                put_phase(w, &p, i / j->step, i % j->step, w->back ? j->step : 0);
            }
        }
    }
}

void ts_conv_pack(const ts_conv *plan, float *panels, const float *weights, ts_pool *pool) {
    if (plan->tile) {
        if (!plan->streams) ts_winograd_pack(plan, TS_WINOGRAD_FORWARD, panels, weights, pool);
        return;
    }
    packing w = {plan, ts_conv_job_forward(plan), panels, weights, (size_t)plan->shape.out, 1, false};
    ts_parallel(pool, ts_div_up((size_t)plan->shape.out, TS_NR), 1, pack_task, &w);
}

void ts_conv_pack_back(const ts_conv *plan, float *panels, const float *weights, ts_pool *pool) {
    if (plan->tile_back) {
        ts_winograd_pack(plan, TS_WINOGRAD_BACK, panels, weights, pool);
        return;
    }
    packing w = {plan, ts_conv_job_back(plan), panels, weights, 1, (size_t)plan->shape.out, true};
    ts_parallel(pool, ts_div_up((size_t)plan->shape.in, TS_NR), 1, pack_task, &w);
}
