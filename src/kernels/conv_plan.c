/* conv_plan.c - checks of a convolution's shape, and the jobs that its passes are. */
#include "kernels/conv_job.h"
#include "kernels/winograd.h"

#include "base/size.h"

static bool in_range(int value, int low, int high) { return value >= low && value <= high; }

static bool shape_valid(const ts_conv_shape *s) {
    const int most = 1 << 24;
    return in_range(s->batch, 1, most) && in_range(s->height, 1, most) && in_range(s->width, 1, most) &&
           in_range(s->in, 1, 1 << 20) && in_range(s->out, 1, 1 << 20) && in_range(s->kernel_h, 1, 31) &&
           in_range(s->kernel_w, 1, 31) && in_range(s->stride, 1, 8) && in_range(s->pad_top, 0, s->kernel_h - 1) &&
           in_range(s->pad_bottom, 0, s->kernel_h - 1) && in_range(s->pad_left, 0, s->kernel_w - 1) &&
           in_range(s->pad_right, 0, s->kernel_w - 1) && s->height + s->pad_top + s->pad_bottom >= s->kernel_h &&
           s->width + s->pad_left + s->pad_right >= s->kernel_w;
}

static bool is_none(int factor) { return factor == 0 || factor == 1; }

/* Do the joined steps fit? */
static bool joins_valid(const ts_conv_shape *s) {
    const bool whole = s->kernel_h == 3 && s->kernel_w == 3 && s->stride == 1 && s->pad_top == 1 && s->pad_left == 1 &&
                       s->pad_bottom == 1 && s->pad_right == 1 && s->height % 2 == 0 && s->width % 2 == 0;
    if (!is_none(s->upsample) && (s->upsample != 2 || !whole || !is_none(s->unshuffle))) return false;
    return in_range(s->unshuffle, 0, 64) && in_range(s->shuffle, 0, 64) &&
           (is_none(s->unshuffle) || s->in % (s->unshuffle * s->unshuffle) == 0) &&
           (is_none(s->shuffle) || s->out % (s->shuffle * s->shuffle) == 0);
}

/* Could a tensor (with its zero border) be larger than this machine can address with room to spare? */
static bool too_large(const ts_conv *p) {
    const ts_conv_shape *s = &p->shape;
    const size_t limit = sizeof(size_t) > 4 ? (size_t)1 << (sizeof(size_t) > 4 ? 40 : 0) : (size_t)1 << 31;
    const size_t rows[2] = {(size_t)s->height + (size_t)s->pad_top + (size_t)s->pad_bottom, (size_t)p->out_h};
    const size_t columns[2] = {(size_t)s->width + (size_t)s->pad_left + (size_t)s->pad_right, (size_t)p->out_w};
    const size_t channels[2] = {(size_t)s->in, (size_t)s->out};
    bool over = false;
    for (int i = 0; i < 2; i++) {
        const size_t pixels = ts_mul(ts_mul((size_t)s->batch, rows[i], &over), columns[i], &over);
        over |= ts_mul(pixels, ts_mul(channels[i], sizeof(float), &over), &over) > limit;
    }
    const size_t taps = (size_t)s->kernel_h * (size_t)s->kernel_w * sizeof(float);
    return over || ts_mul(ts_mul((size_t)s->in + TS_NR, (size_t)s->out + TS_NR, &over), taps, &over) > limit || over;
}

tess_status ts_conv_plan_direct(ts_conv *plan, const ts_conv_shape *shape, ts_error *err) {
    const ts_conv_shape *s = shape;
    if (!shape_valid(s) || !joins_valid(s))
        return ts_fail(err, TESS_ERR_INPUT,
                       "A convolution %dx%d, stride %d, %d to %d channels does not fit a %dx%d input.", s->kernel_h,
                       s->kernel_w, s->stride, s->in, s->out, s->width, s->height);
    *plan = (ts_conv){.shape = *s,
                      .out_h = (s->height + s->pad_top + s->pad_bottom - s->kernel_h) / s->stride + 1,
                      .out_w = (s->width + s->pad_left + s->pad_right - s->kernel_w) / s->stride + 1};
    if (too_large(plan))
        return ts_fail(err, TESS_ERR_TOO_LARGE,
                       "A convolution over %d x %dx%dx%d values is too large for this machine.", s->batch, s->width,
                       s->height, s->in);
    const ts_conv_job job = ts_conv_job_forward(plan);
    const size_t taps = (size_t)(s->upsample == 2 ? 16 : s->kernel_h * s->kernel_w);
    plan->algorithm = ts_conv_job_direct(&job) ? TS_CONV_DIRECT : TS_CONV_STRIP;
    plan->band = ts_conv_job_window(&job).rows;
    plan->panels = ts_panel_floats(taps * (size_t)s->in, s->out);
    if (is_none(s->upsample) && is_none(s->unshuffle) && is_none(s->shuffle))
        plan->panels_back = ts_panel_floats(taps * (size_t)s->out, s->in);
    return TESS_OK;
}

/* The passes that Winograd does faster. */
static void plan_winograd(ts_conv *plan) {
    plan->tile = ts_winograd_tile(&plan->shape, TS_WINOGRAD_FORWARD);
    plan->tile_back = ts_winograd_tile(&plan->shape, TS_WINOGRAD_BACK);
    plan->tile_weight = ts_winograd_tile(&plan->shape, TS_WINOGRAD_WEIGHT);
    if (plan->tile) {
        plan->algorithm = TS_CONV_WINOGRAD;
        plan->streams = ts_winograd_streams(&plan->shape, plan->tile);
        plan->panels = plan->streams ? 0 : ts_winograd_panels(&plan->shape, plan->tile, TS_WINOGRAD_FORWARD);
    }
    if (plan->tile_back) plan->panels_back = ts_winograd_panels(&plan->shape, plan->tile_back, TS_WINOGRAD_BACK);
}

tess_status ts_conv_plan(ts_conv *plan, const ts_conv_shape *shape, ts_error *err) {
    const tess_status status = ts_conv_plan_direct(plan, shape, err);
    if (status >= 0) plan_winograd(plan);
    return status;
}

/* What all phases read: off and reach. */
static void set_reach(ts_conv_job *job) {
    int end_y = -(1 << 30), end_x = end_y;
    job->off_y = job->off_x = 1 << 30;
    for (int i = 0; i < job->step * job->step; i++) {
        const ts_conv_phase *p = &job->phases[i];
        if (p->taps_h < 1 || p->taps_w < 1 || p->out_h < 1 || p->out_w < 1) continue;
        job->off_y = p->off_y < job->off_y ? p->off_y : job->off_y;
        job->off_x = p->off_x < job->off_x ? p->off_x : job->off_x;
        end_y = p->off_y + p->taps_h > end_y ? p->off_y + p->taps_h : end_y;
        end_x = p->off_x + p->taps_w > end_x ? p->off_x + p->taps_w : end_x;
    }
    job->reach_h = end_y - job->off_y;
    job->reach_w = end_x - job->off_x;
}

/* The four phases of an enlargement by 2 and a 3x3 convolution. Per axis output 2 i reads x[i-1] by the first weight and
 * x[i] by the sum of the other two; output 2 i + 1 reads x[i] by the sum of the first two and x[i+1] by the last. */
static void set_enlarged(ts_conv_job *job) {
    const size_t row = job->out_row, panels = ts_panel_floats((size_t)(4 * job->in_c), job->out_c);
    for (int i = 0; i < 4; i++)
        job->phases[i] = (ts_conv_phase){.out_h = job->in_h,
                                         .out_w = job->in_w,
                                         .taps_h = 2,
                                         .taps_w = 2,
                                         .off_y = i / 2 - 1,
                                         .off_x = i % 2 - 1,
                                         .first = (size_t)(i / 2) * row + (size_t)(i % 2) * job->out_pixel,
                                         .panels = (size_t)i * panels};
    job->step = 2;
    job->out_h = job->in_h;
    job->out_w = job->in_w;
    job->out_row *= 2;
    job->out_pixel *= 2;
}

ts_conv_job ts_conv_job_forward(const ts_conv *p) {
    const ts_conv_shape *s = &p->shape;
    const size_t row = (size_t)p->out_w * (size_t)s->out;
    const int shrink = s->upsample == 2 ? 2 : 1, shuffle = s->shuffle > 1 ? s->shuffle : 1;
    ts_conv_job job = {.batch = s->batch,
                       .in_h = s->height / shrink,
                       .in_w = s->width / shrink,
                       .in_c = s->in,
                       .out_h = p->out_h,
                       .out_w = p->out_w,
                       .out_c = s->out,
                       .stride = s->stride,
                       .step = 1,
                       .out_pixel = (size_t)(s->out / shuffle),
                       .out_row = row,
                       .out_image = row * (size_t)p->out_h,
                       .unshuffle = s->unshuffle > 1 ? s->unshuffle : 1,
                       .shuffle = shuffle};
    job.phases[0] = (ts_conv_phase){.out_h = p->out_h,
                                    .out_w = p->out_w,
                                    .taps_h = s->kernel_h,
                                    .taps_w = s->kernel_w,
                                    .off_y = -s->pad_top,
                                    .off_x = -s->pad_left};
    if (shrink == 2) set_enlarged(&job);
    set_reach(&job);
    return job;
}

/* Along one axis: which taps and which inputs belong to phase r of the stride. Input i gets dy[o] * w[k] for
 * i + pad = o * stride + k. With (i + pad) % stride = r the taps are k = r + stride * t, t = 0 .. count-1, and
 * o = (i + pad - r) / stride - t: a stride-1 correlation whose first tap (t = count-1) lies at o - (count-1). */
typedef struct phase {
    int taps;   /* count */
    int first;  /* the first input i >= 0 of this phase */
    int number; /* how many inputs */
    int off;    /* dy coordinate of the first tap for the first input */
} phase;

static phase phase_of(int r, int stride, int kernel, int pad, int extent) {
    phase p;
    p.taps = r < kernel ? (kernel - r - 1) / stride + 1 : 0;
    p.first = ((r - pad) % stride + stride) % stride;
    p.number = p.first < extent ? (extent - p.first - 1) / stride + 1 : 0;
    p.off = (p.first + pad - r) / stride - (p.taps - 1);
    return p;
}

ts_conv_job ts_conv_job_back(const ts_conv *plan) {
    const ts_conv_shape *s = &plan->shape;
    const size_t pixel = (size_t)s->in, row = pixel * (size_t)s->width;
    ts_conv_job job = {.batch = s->batch,
                       .in_h = plan->out_h,
                       .in_w = plan->out_w,
                       .in_c = s->out,
                       .out_c = s->in,
                       .stride = 1,
                       .step = s->stride,
                       .out_pixel = pixel * (size_t)s->stride,
                       .out_row = row * (size_t)s->stride,
                       .out_image = row * (size_t)s->height,
                       .unshuffle = 1,
                       .shuffle = 1};
    size_t panels = 0;
    for (int i = 0; i < s->stride * s->stride; i++) {
        const phase y = phase_of(i / s->stride, s->stride, s->kernel_h, s->pad_top, s->height);
        const phase x = phase_of(i % s->stride, s->stride, s->kernel_w, s->pad_left, s->width);
        job.phases[i] = (ts_conv_phase){.out_h = y.number,
                                        .out_w = x.number,
                                        .taps_h = y.taps,
                                        .taps_w = x.taps,
                                        .off_y = y.off,
                                        .off_x = x.off,
                                        .first = (size_t)y.first * row + (size_t)x.first * pixel,
                                        .panels = panels};
        job.out_h = y.number > job.out_h ? y.number : job.out_h;
        job.out_w = x.number > job.out_w ? x.number : job.out_w;
        panels += ts_panel_floats((size_t)(y.taps * x.taps) * (size_t)s->out, s->in);
    }
    set_reach(&job);
    return job;
}
