/* conv_plan.c - checks of a convolution's shape, and its weights' panels. */
#include "kernels/conv_job.h"

#include "base/size.h"
#include "kernels/gemm.h"

#include <string.h>

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

tess_status ts_conv_plan(ts_conv *plan, const ts_conv_shape *shape, ts_error *err) {
    const ts_conv_shape *s = shape;
    if (!shape_valid(s))
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
    plan->algorithm = ts_conv_job_direct(&job) ? TS_CONV_DIRECT : TS_CONV_STRIP;
    plan->band = ts_conv_job_band(&job);
    plan->panels = ts_panel_floats((size_t)(s->kernel_h * s->kernel_w) * (size_t)s->in, s->out);
    plan->panels_back = ts_panel_floats((size_t)(s->kernel_h * s->kernel_w) * (size_t)s->out, s->in);
    return TESS_OK;
}

ts_conv_job ts_conv_job_forward(const ts_conv *p) {
    const ts_conv_shape *s = &p->shape;
    const size_t row = (size_t)p->out_w * (size_t)s->out;
    return (ts_conv_job){.batch = s->batch,
                         .in_h = s->height,
                         .in_w = s->width,
                         .in_c = s->in,
                         .out_h = p->out_h,
                         .out_w = p->out_w,
                         .out_c = s->out,
                         .taps_h = s->kernel_h,
                         .taps_w = s->kernel_w,
                         .stride = s->stride,
                         .off_y = -s->pad_top,
                         .off_x = -s->pad_left,
                         .out_pixel = (size_t)s->out,
                         .out_row = row,
                         .out_image = row * (size_t)p->out_h};
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

ts_conv_job ts_conv_job_back(const ts_conv *plan, int ry, int rx) {
    const ts_conv_shape *s = &plan->shape;
    const phase y = phase_of(ry, s->stride, s->kernel_h, s->pad_top, s->height);
    const phase x = phase_of(rx, s->stride, s->kernel_w, s->pad_left, s->width);
    const size_t pixel = (size_t)s->in, row = pixel * (size_t)s->width;
    return (ts_conv_job){.batch = s->batch,
                         .in_h = plan->out_h,
                         .in_w = plan->out_w,
                         .in_c = s->out,
                         .out_h = y.number,
                         .out_w = x.number,
                         .out_c = s->in,
                         .taps_h = y.taps,
                         .taps_w = x.taps,
                         .stride = 1,
                         .off_y = y.off,
                         .off_x = x.off,
                         .out_first = (size_t)y.first * row + (size_t)x.first * pixel,
                         .out_pixel = pixel * (size_t)s->stride,
                         .out_row = row * (size_t)s->stride,
                         .out_image = row * (size_t)s->height};
}

/* ---- panels ------------------------------------------------------------------------------------------------- */
typedef struct packing {
    const ts_conv *plan;
    float *panels;
    const float *weights;
} packing;

/* One panel of the forward weights: rows (ky, kx, in), columns out. */
static void pack_task(void *context, size_t begin, size_t end, int worker) {
    const packing *w = context;
    const ts_conv_shape *s = &w->plan->shape;
    const size_t k = (size_t)(s->kernel_h * s->kernel_w) * (size_t)s->in;
    (void)worker;
    for (size_t panel = begin; panel < end; panel++) {
        const int first = (int)panel * TS_NR;
        const int columns = s->out - first < TS_NR ? s->out - first : TS_NR;
        ts_gemm_pack(w->panels + (size_t)first * k, w->weights + first, (int)k, columns, (size_t)s->out, 1);
    }
}

void ts_conv_pack(const ts_conv *plan, float *panels, const float *weights, ts_pool *pool) {
    packing w = {plan, panels, weights};
    ts_parallel(pool, ts_div_up((size_t)plan->shape.out, TS_NR), 1, pack_task, &w);
}

/* One panel of one phase of the backward weights: rows (t_y, t_x, out) with taps in falling order, columns in. */
static float *pack_back_panel(const packing *w, float *to, int ry, int rx, int first) {
    const ts_conv_shape *s = &w->plan->shape;
    const int width = ts_panel_vectors(s->in, first) * TS_VF;
    const int columns = s->in - first < width ? s->in - first : width;
    const size_t tap = (size_t)s->in * (size_t)s->out;
    for (int ky = ry + (s->kernel_h - 1 - ry) / s->stride * s->stride; ky >= ry; ky -= s->stride)
        for (int kx = rx + (s->kernel_w - 1 - rx) / s->stride * s->stride; kx >= rx; kx -= s->stride) {
            const float *from = w->weights + (size_t)(ky * s->kernel_w + kx) * tap + (size_t)first * (size_t)s->out;
            ts_gemm_pack(to, from, s->out, columns, 1, (size_t)s->out);
            to += (size_t)s->out * (size_t)width;
        }
    return to;
}

static void pack_back_task(void *context, size_t begin, size_t end, int worker) {
    const packing *w = context;
    const ts_conv_shape *s = &w->plan->shape;
    float *phase_panels = w->panels;
    (void)worker;
    for (int ry = 0; ry < s->stride; ry++)
        for (int rx = 0; rx < s->stride; rx++) {
            const ts_conv_job job = ts_conv_job_back(w->plan, ry, rx);
            const size_t k = (size_t)(job.taps_h * job.taps_w) * (size_t)s->out;
            for (size_t panel = begin; k > 0 && panel < end; panel++)
                pack_back_panel(w, phase_panels + panel * TS_NR * k, ry, rx, (int)panel * TS_NR);
            phase_panels += ts_panel_floats(k, s->in);
        }
}

void ts_conv_pack_back(const ts_conv *plan, float *panels, const float *weights, ts_pool *pool) {
    packing w = {plan, panels, weights};
    ts_parallel(pool, ts_div_up((size_t)plan->shape.in, TS_NR), 1, pack_back_task, &w);
}
