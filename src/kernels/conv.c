/* conv.c - convolution passes as jobs. */
#include "kernels/conv_job.h"

#include "base/size.h"

size_t ts_conv_scratch_forward(const ts_conv *plan, int threads) {
    const ts_conv_job job = ts_conv_job_forward(plan);
    return ts_conv_job_scratch(&job) * (size_t)threads;
}

void ts_conv_forward(const ts_conv *plan, float *y, const float *x, ts_filter filter, const ts_conv_fuse *fuse,
                     float *scratch, ts_pool *pool) {
    ts_conv_job job = ts_conv_job_forward(plan);
    job.in = x;
    job.panels = filter.panels;
    job.out = y;
    if (fuse) job.fuse = *fuse;
    ts_conv_job_run(&job, scratch, pool);
}

size_t ts_conv_scratch_data(const ts_conv *plan, int threads) {
    size_t most = 0;
    for (int ry = 0; ry < plan->shape.stride; ry++)
        for (int rx = 0; rx < plan->shape.stride; rx++) {
            const ts_conv_job job = ts_conv_job_back(plan, ry, rx);
            most = ts_max_size(most, ts_conv_job_scratch(&job));
        }
    return most * (size_t)threads;
}

void ts_conv_backward_data(const ts_conv *plan, float *dx, const float *dy, const float *panels_back, float *scratch,
                           ts_pool *pool) {
    for (int ry = 0; ry < plan->shape.stride; ry++)
        for (int rx = 0; rx < plan->shape.stride; rx++) {
            ts_conv_job job = ts_conv_job_back(plan, ry, rx);
            job.in = dy;
            job.panels = panels_back;
            job.out = dx;
            ts_conv_job_run(&job, scratch, pool);
            panels_back += ts_panel_floats((size_t)(job.taps_h * job.taps_w) * (size_t)job.in_c, job.out_c);
        }
}
