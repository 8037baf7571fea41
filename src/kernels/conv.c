/* conv.c - convolution passes as jobs. */
#include "kernels/conv_job.h"
#include "kernels/winograd.h"

size_t ts_conv_scratch_forward(const ts_conv *plan, int threads) {
    if (plan->tile) return ts_winograd_scratch(plan, TS_WINOGRAD_FORWARD, threads);
    const ts_conv_job job = ts_conv_job_forward(plan);
    return ts_conv_job_scratch(&job) * (size_t)threads;
}

void ts_conv_forward(const ts_conv *plan, float *y, const float *x, ts_filter filter, const ts_conv_fuse *fuse,
                     float *scratch, ts_pool *pool) {
    if (plan->tile) {
        ts_winograd_run(plan, TS_WINOGRAD_FORWARD, y, x, filter, fuse, scratch, pool);
        return;
    }
    ts_conv_job job = ts_conv_job_forward(plan);
    job.in = x;
    job.panels = filter.panels;
    job.out = y;
    if (fuse) job.fuse = *fuse;
    ts_conv_job_run(&job, scratch, pool);
}

size_t ts_conv_scratch_data(const ts_conv *plan, int threads) {
    if (plan->tile_back) return ts_winograd_scratch(plan, TS_WINOGRAD_BACK, threads);
    const ts_conv_job job = ts_conv_job_back(plan);
    return ts_conv_job_scratch(&job) * (size_t)threads;
}

void ts_conv_transposed(const ts_conv *plan, float *y, const float *x, const float *panels_back,
                        const ts_conv_fuse *fuse, float *scratch, ts_pool *pool) {
    if (plan->tile_back) {
        ts_winograd_run(plan, TS_WINOGRAD_BACK, y, x, (ts_filter){.panels = panels_back}, fuse, scratch, pool);
        return;
    }
    ts_conv_job job = ts_conv_job_back(plan);
    job.in = x;
    job.panels = panels_back;
    job.out = y;
    if (fuse) job.fuse = *fuse;
    ts_conv_job_run(&job, scratch, pool);
}

void ts_conv_backward_data(const ts_conv *plan, float *dx, const float *dy, const float *panels_back, float *scratch,
                           ts_pool *pool) {
    ts_conv_transposed(plan, dx, dy, panels_back, NULL, scratch, pool);
}
