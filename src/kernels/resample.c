/* resample.c - moves and pools of pixels. Work is split over output rows. */
#include "kernels/resample.h"

#include "kernels/flat.h"

#include <stdbool.h>

typedef struct move {
    float *y;
    const float *x, *dy;
    int h, w, c; /* of the smaller picture */
    int factor, stride;
    int out_h, out_w;
    int top, left, bottom, right;
} move;

static void copy(float *y, const float *x, size_t n) { memcpy(y, x, n * sizeof(float)); }

static void add_to(float *y, const float *x, size_t count) {
    TS_FLAT_LOOP(0, count) { vf_store_upto(y + i, vf_add(vf_load_upto(y + i, n), vf_load_upto(x + i, n)), n); }
}

static void scale_by(float *y, float s, size_t count) {
    const vf scale = vf_set1(s);
    TS_FLAT_LOOP(0, count) { vf_store_upto(y + i, vf_mul(vf_load_upto(y + i, n), scale), n); }
}

/* ---- nearest ------------------------------------------------------------------------------------------------- */
static void upsample_task(void *context, size_t begin, size_t end, int worker) {
    const move *m = context;
    const size_t c = (size_t)m->c, f = (size_t)m->factor, w = (size_t)m->w, row = w * f * c;
    (void)worker;
    for (size_t r = begin; r < end; r++) { /* rows of x, all images */
        float *y = m->y + r * f * row;
        for (size_t i = 0; i < w * f; i++) copy(y + i * c, m->x + (r * w + i / f) * c, c);
        for (size_t k = 1; k < f; k++) copy(y + k * row, y, row);
    }
}

void ts_upsample_nearest(float *y, const float *x, int batch, int h, int w, int c, int factor, ts_pool *pool) {
    move m = {.y = y, .x = x, .w = w, .c = c, .factor = factor};
    ts_parallel(pool, (size_t)batch * (size_t)h, 4, upsample_task, &m);
}

static void upsample_backward_task(void *context, size_t begin, size_t end, int worker) {
    const move *m = context;
    const size_t c = (size_t)m->c, f = (size_t)m->factor, w = (size_t)m->w;
    (void)worker;
    for (size_t p = begin * w; p < end * w; p++) { /* pixels of dx */
        const float *block = m->dy + ((p / w) * f * w + p % w) * f * c;
        float *dx = m->y + p * c;
        memset(dx, 0, c * sizeof(float));
        for (size_t k = 0; k < f * f; k++) add_to(dx, block + (k / f * w * f + k % f) * c, c);
    }
}

void ts_upsample_nearest_backward(float *dx, const float *dy, int batch, int h, int w, int c, int factor,
                                  ts_pool *pool) {
    move m = {.y = dx, .dy = dy, .w = w, .c = c, .factor = factor};
    ts_parallel(pool, (size_t)batch * (size_t)h, 4, upsample_backward_task, &m);
}

/* ---- pixel shuffle ------------------------------------------------------------------------------------------ */
/* Between a pixel's c*f*f channels (c-major) and the f x f block of c channels; `out` says in which direction. */
static void shuffle_pixel(const move *m, float *deep, float *block, bool out) {
    const size_t c = (size_t)m->c, f = (size_t)m->factor, row = (size_t)m->w * f * c;
    for (size_t fy = 0; fy < f; fy++)
        for (size_t fx = 0; fx < f; fx++) {
            float *flat = block + fy * row + fx * c, *column = deep + fy * f + fx;
            for (size_t k = 0; k < c; k++) {
                if (out) {
                    flat[k] = column[k * f * f];
                } else {
                    column[k * f * f] = flat[k];
                }
            }
        }
}

static void shuffle_task(void *context, size_t begin, size_t end, int worker) {
    const move *m = context;
    const size_t c = (size_t)m->c, f = (size_t)m->factor, w = (size_t)m->w;
    (void)worker;
    for (size_t p = begin * w; p < end * w; p++) {
        const size_t block = ((p / w) * f * w + p % w) * f * c, deep = p * c * f * f;
        if (m->top) { /* top: 1 = shuffle (deep to block), 0 = unshuffle */
            shuffle_pixel(m, (float *)m->x + deep, m->y + block, true);
        } else {
            shuffle_pixel(m, m->y + deep, (float *)m->x + block, false);
        }
    }
}

void ts_pixel_shuffle(float *y, const float *x, int batch, int h, int w, int c, int factor, ts_pool *pool) {
    move m = {.y = y, .x = x, .w = w, .c = c, .factor = factor, .top = 1};
    ts_parallel(pool, (size_t)batch * (size_t)h, 4, shuffle_task, &m);
}

void ts_pixel_unshuffle(float *y, const float *x, int batch, int h, int w, int c, int factor, ts_pool *pool) {
    move m = {.y = y, .x = x, .w = w, .c = c, .factor = factor};
    ts_parallel(pool, (size_t)batch * (size_t)h, 4, shuffle_task, &m);
}

/* ---- pooling ------------------------------------------------------------------------------------------------ */
int ts_pool_extent(int extent, int kernel, int stride, int ceil_mode) {
    if (!ceil_mode) return extent < kernel ? 0 : (extent - kernel) / stride + 1;
    if (extent <= kernel) return 1;
    const int count = (extent - kernel + stride - 1) / stride + 1;
    return (count - 1) * stride >= extent ? count - 1 : count;
}

static int window_end(int first, int kernel, int extent) { return first + kernel < extent ? first + kernel : extent; }

static void max_pool_task(void *context, size_t begin, size_t end, int worker) {
    const move *m = context;
    const size_t c = (size_t)m->c;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        const size_t image = r / (size_t)m->out_h;
        const int y0 = (int)(r % (size_t)m->out_h) * m->stride, y1 = window_end(y0, m->factor, m->h);
        const float *x = m->x + image * (size_t)m->h * (size_t)m->w * c;
        for (int ox = 0; ox < m->out_w; ox++) {
            const int x0 = ox * m->stride, x1 = window_end(x0, m->factor, m->w);
            float *y = m->y + (r * (size_t)m->out_w + (size_t)ox) * c;
            TS_FLAT_LOOP(0, c) {
                vf most = vf_load_upto(x + ((size_t)y0 * (size_t)m->w + (size_t)x0) * c + i, n);
                for (int iy = y0; iy < y1; iy++)
                    for (int ix = x0; ix < x1; ix++)
                        most = vf_max(most, vf_load_upto(x + ((size_t)iy * (size_t)m->w + (size_t)ix) * c + i, n));
                vf_store_upto(y + i, most, n);
            }
        }
    }
}

void ts_max_pool(float *y, const float *x, int batch, int h, int w, int c, int kernel, int stride, int out_h, int out_w,
                 ts_pool *pool) {
    move m = {
        .y = y, .x = x, .h = h, .w = w, .c = c, .factor = kernel, .stride = stride, .out_h = out_h, .out_w = out_w};
    ts_parallel(pool, (size_t)batch * (size_t)out_h, 4, max_pool_task, &m);
}

/* Adds dy to the first maximum of one window, per channel. Lanes note the number of the best pixel, then every pixel of the
 * window takes its share. */
static void max_window_backward(const move *m, float *dx, const float *x, const float *dy, int y0, int x0) {
    const size_t c = (size_t)m->c, row = (size_t)m->w * c, first = (size_t)y0 * row + (size_t)x0 * c;
    const size_t rows = (size_t)(window_end(y0, m->factor, m->h) - y0),
                 columns = (size_t)(window_end(x0, m->factor, m->w) - x0);
    TS_FLAT_LOOP(0, c) {
        vf most = vf_load_upto(x + first + i, n), best = vf_zero();
        for (size_t p = 1; p < rows * columns; p++) {
            const vf v = vf_load_upto(x + first + p / columns * row + p % columns * c + i, n);
            const vm more = vf_lt(most, v);
            most = vf_select(more, v, most);
            best = vf_select(more, vf_set1((float)p), best);
        }
        const vf d = vf_load_upto(dy + i, n);
        for (size_t p = 0; p < rows * columns; p++) {
            float *to = dx + first + p / columns * row + p % columns * c + i;
            const vf share = vf_select(vf_eq(best, vf_set1((float)p)), d, vf_zero());
            vf_store_upto(to, vf_add(vf_load_upto(to, n), share), n);
        }
    }
}

static void max_pool_backward_task(void *context, size_t begin, size_t end, int worker) {
    const move *m = context;
    const size_t c = (size_t)m->c, plane = (size_t)m->h * (size_t)m->w * c;
    (void)worker;
    for (size_t image = begin; image < end; image++) { /* windows overlap: one image per task */
        float *dx = m->y + image * plane;
        const float *dy = m->dy + image * (size_t)m->out_h * (size_t)m->out_w * c;
        memset(dx, 0, plane * sizeof(float));
        for (int oy = 0; oy < m->out_h; oy++)
            for (int ox = 0; ox < m->out_w; ox++)
                max_window_backward(m, dx, m->x + image * plane, dy + ((size_t)oy * (size_t)m->out_w + (size_t)ox) * c,
                                    oy * m->stride, ox * m->stride);
    }
}

void ts_max_pool_backward(float *dx, const float *dy, const float *x, int batch, int h, int w, int c, int kernel,
                          int stride, int out_h, int out_w, ts_pool *pool) {
    move m = {.y = dx,
              .x = x,
              .dy = dy,
              .h = h,
              .w = w,
              .c = c,
              .factor = kernel,
              .stride = stride,
              .out_h = out_h,
              .out_w = out_w};
    ts_parallel(pool, (size_t)batch, 1, max_pool_backward_task, &m);
}

/* ---- means of blocks ----------------------------------------------------------------------------------------- */
static void mean_pool_task(void *context, size_t begin, size_t end, int worker) {
    const move *m = context;
    const size_t c = (size_t)m->c, f = (size_t)m->factor, row = (size_t)m->w * c;
    const vf part = vf_set1(1 / (float)(f * f));
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        const size_t image = r / (size_t)m->out_h, oy = r % (size_t)m->out_h;
        for (size_t ox = 0; ox < (size_t)m->out_w; ox++) {
            const float *x = m->x + ((image * (size_t)m->h + f * oy) * (size_t)m->w + f * ox) * c;
            float *y = m->y + (r * (size_t)m->out_w + ox) * c;
            TS_FLAT_LOOP(0, c) {
                vf sum = vf_zero();
                for (size_t fy = 0; fy < f; fy++) {
                    vf across = vf_load_upto(x + fy * row + i, n);
                    for (size_t fx = 1; fx < f; fx++)
                        across = vf_add(across, vf_load_upto(x + fy * row + fx * c + i, n));
                    sum = vf_add(sum, across);
                }
                vf_store_upto(y + i, vf_mul(sum, part), n);
            }
        }
    }
}

void ts_mean_pool(float *y, const float *x, int batch, int h, int w, int c, int factor, ts_pool *pool) {
    move m = {.y = y, .x = x, .h = h, .w = w, .c = c, .factor = factor, .out_h = h / factor, .out_w = w / factor};
    ts_parallel(pool, (size_t)batch * (size_t)m.out_h, 8, mean_pool_task, &m);
}

static void mean_pool_backward_task(void *context, size_t begin, size_t end, int worker) {
    const move *m = context;
    const size_t c = (size_t)m->c, f = (size_t)m->factor;
    (void)worker;
    for (size_t r = begin; r < end; r++) { /* rows of dx */
        const size_t image = r / (size_t)m->h, iy = r % (size_t)m->h;
        float *dx = m->y + r * (size_t)m->w * c;
        memset(dx, 0, (size_t)m->w * c * sizeof(float));
        if (iy / f >= (size_t)m->out_h) continue;
        const float *dy = m->dy + (image * (size_t)m->out_h + iy / f) * (size_t)m->out_w * c;
        for (size_t ix = 0; ix < f * (size_t)m->out_w; ix++) copy(dx + ix * c, dy + ix / f * c, c);
        scale_by(dx, 1 / (float)(f * f), f * (size_t)m->out_w * c);
    }
}

void ts_mean_pool_backward(float *dx, const float *dy, int batch, int h, int w, int c, int factor, ts_pool *pool) {
    move m = {.y = dx, .dy = dy, .h = h, .w = w, .c = c, .factor = factor, .out_h = h / factor, .out_w = w / factor};
    ts_parallel(pool, (size_t)batch * (size_t)h, 8, mean_pool_backward_task, &m);
}

/* ---- margins ------------------------------------------------------------------------------------------------ */
static void pad_task(void *context, size_t begin, size_t end, int worker) {
    const move *m = context;
    const size_t c = (size_t)m->c, full = (size_t)(m->left + m->w + m->right) * c,
                 rows = (size_t)(m->top + m->h + m->bottom);
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        const size_t image = r / rows, y = r % rows;
        float *out = m->y + r * full;
        memset(out, 0, full * sizeof(float));
        if (y < (size_t)m->top || y >= (size_t)(m->top + m->h)) continue;
        copy(out + (size_t)m->left * c, m->x + (image * (size_t)m->h + y - (size_t)m->top) * (size_t)m->w * c,
             (size_t)m->w * c);
    }
}

void ts_pad_zero(float *y, const float *x, int batch, int h, int w, int c, int top, int left, int bottom, int right,
                 ts_pool *pool) {
    move m = {.y = y, .x = x, .h = h, .w = w, .c = c, .top = top, .left = left, .bottom = bottom, .right = right};
    ts_parallel(pool, (size_t)batch * (size_t)(top + h + bottom), 8, pad_task, &m);
}

static void crop_task(void *context, size_t begin, size_t end, int worker) {
    const move *m = context;
    const size_t c = (size_t)m->c, full = (size_t)(m->left + m->w + m->right) * c,
                 rows = (size_t)(m->top + m->h + m->bottom);
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        const size_t image = r / (size_t)m->h, y = r % (size_t)m->h;
        copy(m->y + r * (size_t)m->w * c, m->x + (image * rows + y + (size_t)m->top) * full + (size_t)m->left * c,
             (size_t)m->w * c);
    }
}

void ts_crop(float *y, const float *x, int batch, int h, int w, int c, int top, int left, int bottom, int right,
             ts_pool *pool) {
    move m = {.y = y, .x = x, .h = h, .w = w, .c = c, .top = top, .left = left, .bottom = bottom, .right = right};
    ts_parallel(pool, (size_t)batch * (size_t)h, 8, crop_task, &m);
}
