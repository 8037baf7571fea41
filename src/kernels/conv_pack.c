/* conv_pack.c - weights into the panels that a convolution's jobs read. */
#include "kernels/conv_job.h"

#include "base/size.h"
#include "kernels/gemm.h"
#include "kernels/winograd.h"

#include <string.h>

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
    bool plain; /* columns in order, one tap each */
} place;

/* Adds one tap's weights to a panel: rows (inputs) from `row` on. Where panels are plain, and a tap is all there is to
 * add, it is copied. */
static void put_tap(const packing *w, const place *p, size_t row, size_t tap) {
    const float *from = w->weights + tap * (size_t)w->plan->shape.in * (size_t)w->plan->shape.out;
    if (p->plain) {
        from += (size_t)p->first * w->out_step;
        ts_gemm_pack(p->to + row * (size_t)p->width, from, w->job.in_c, p->columns, w->in_step, w->out_step);
        return;
    }
    for (size_t j = 0; j < (size_t)p->columns; j++) {
        const size_t column = ts_conv_job_channel(&w->job, (size_t)p->first + j) * w->out_step;
        for (size_t i = 0; i < (size_t)w->job.in_c; i++)
            p->to[p->length ? ts_dot_place(p->length, row + i, j) : (row + i) * (size_t)p->width + j] +=
                from[i * w->in_step + column];
    }
}

/* The tap of a phase that the plan's tap (ky, kx) is part of, -1: none; see set_enlarged and phase_of in conv_plan.c. */
static int tap_of(const packing *w, int phase, int ky, int kx) {
    const ts_conv_phase *p = &w->job.phases[phase];
    const int step = w->job.step, y = phase / step, x = phase % step;
    if (w->plan->shape.upsample == 2) return (ky + 1 - y) / 2 * 2 + (kx + 1 - x) / 2;
    if (!w->back) return ky * w->plan->shape.kernel_w + kx;
    if (ky % step != y || kx % step != x) return -1;
    return (p->taps_h - 1 - ky / step) * p->taps_w + p->taps_w - 1 - kx / step;
}

static void put_panel(const packing *w, const place *p, int phase) {
    const ts_conv_shape *s = &w->plan->shape;
    for (int ky = 0; ky < s->kernel_h; ky++)
        for (int kx = 0; kx < s->kernel_w; kx++) {
            const int tap = tap_of(w, phase, ky, kx);
            if (tap >= 0) put_tap(w, p, (size_t)(tap * w->job.in_c), (size_t)(ky * s->kernel_w + kx));
        }
}

static void pack_task(void *context, size_t begin, size_t end, int worker) {
    const packing *w = context;
    const ts_conv_job *j = &w->job;
    const bool dots = ts_conv_job_dots(j), plain = !dots && j->shuffle == 1 && w->plan->shape.upsample != 2;
    (void)worker;
    for (int i = 0; i < j->step * j->step; i++) {
        const ts_conv_phase *phase = &j->phases[i];
        const size_t k = (size_t)(phase->taps_h * phase->taps_w) * (size_t)j->in_c;
        for (size_t panel = begin; k > 0 && panel < end; panel++) {
            const int first = (int)panel * TS_NR, width = ts_panel_vectors(j->out_c, first) * TS_VF;
            const place p = {w->panels + phase->panels + (size_t)first * k,
                             first,
                             j->out_c - first < width ? j->out_c - first : width,
                             width,
                             dots ? phase->taps_w * j->in_c : 0,
                             plain};
            if (!plain) memset(p.to, 0, k * (size_t)width * sizeof(float));
            put_panel(w, &p, i);
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
