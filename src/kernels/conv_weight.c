/* conv_weight.c - the gradient of a convolution's weights.
 *
 * dw[ky][kx][i][o] = sum over output pixels of x[pixel * stride + tap][i] * dy[pixel][o]. For one ky the pair (kx, i)
 * runs over kernel_w * in consecutive floats of a bordered x, so the whole is kernel_h products A^T B. Pixels are taken
 * in bands of about 128 (depending on the shape alone); each band is one chain, bands are added in order; work is split
 * over rows of dw. So the result does not depend on threads. 3x3 of stride 1 goes by Winograd (winograd_weight.c) where that
 * saves half of the multiplications.
 */
#include "kernels/conv_job.h"
#include "kernels/winograd.h"

#include "base/size.h"

enum { BAND_PIXELS = 128, TILES_PER_TASK = 8 };

typedef struct gradient {
    const ts_conv *plan;
    float *dw;
    const float *dy;
    const float *x;           /* first tap of output (0, 0) of the first image; borders included */
    size_t pixel, row, image; /* floats between pixels, rows and images of x */
    int m;                    /* kernel_w * in */
    int tiles;                /* of TS_MR rows, per ky */
    int band;                 /* output rows per chain */
} gradient;

static bool has_border(const ts_conv_shape *s) { return s->pad_top || s->pad_left || s->pad_bottom || s->pad_right; }

static size_t bordered_floats(const ts_conv_shape *s) {
    return (size_t)(s->height + s->pad_top + s->pad_bottom) * (size_t)(s->width + s->pad_left + s->pad_right) *
           (size_t)s->in;
}

/* Rows [i, i + count) of one ky's part of dw, count <= TS_MR. */
static void band_tile(const gradient *g, float *dw, int i, const float *x, const float *dy, int columns,
                      const ts_walk *walk) {
    const size_t ldc = (size_t)g->plan->shape.out;
    const int count = g->m - i < TS_MR ? g->m - i : TS_MR;
    if (g->m >= TS_MR) {
        const int from = TS_MR - count; /* the last tile overlaps the one before and adds only what is new */
        ts_tile_columns(dw + (size_t)(i - from) * ldc, ldc, x + i - from, dy, walk, from, columns);
        return;
    }
    for (int r = i; r < i + count; r++) ts_tile_column(dw + (size_t)r * ldc, x + r, dy, walk, columns);
}

static void weight_band(const gradient *g, size_t begin, size_t end, size_t image, int first, int rows) {
    const ts_conv_shape *s = &g->plan->shape;
    const int out_w = g->plan->out_w;
    const ts_walk walk = {rows, out_w, g->pixel, g->row * (size_t)s->stride, (size_t)s->out};
    const float *x = g->x + image * g->image + (size_t)first * g->row * (size_t)s->stride;
    const float *dy = g->dy + (image * (size_t)g->plan->out_h + (size_t)first) * (size_t)out_w * (size_t)s->out;
    for (int panel = 0; panel < s->out; panel += TS_NR) {
        const int columns = s->out - panel < TS_NR ? s->out - panel : TS_NR;
        for (size_t t = begin; t < end; t++) {
            const size_t ky = t / (size_t)g->tiles;
            const int i = (int)(t % (size_t)g->tiles) * TS_MR;
            float *dw = g->dw + ky * (size_t)g->m * (size_t)s->out + panel;
            band_tile(g, dw, i, x + ky * g->row, dy + panel, columns, &walk);
        }
    }
}

static void weight_task(void *context, size_t begin, size_t end, int worker) {
    const gradient *g = context;
    (void)worker;
    for (size_t image = 0; image < (size_t)g->plan->shape.batch; image++)
        for (int first = 0; first < g->plan->out_h; first += g->band) {
            const int rows = g->plan->out_h - first < g->band ? g->plan->out_h - first : g->band;
            weight_band(g, begin, end, image, first, rows);
        }
}

typedef struct bordering {
    const ts_conv_shape *shape;
    float *to;
    const float *x;
} bordering;

static void border_task(void *context, size_t begin, size_t end, int worker) {
    const bordering *b = context;
    const ts_conv_shape *s = b->shape;
    (void)worker;
    for (size_t n = begin; n < end; n++) {
        const ts_conv_picture picture = ts_conv_picture_of(s, NULL, b->x, n);
        ts_conv_load_strip(b->to + n * bordered_floats(s), &picture, -s->pad_top,
                           s->height + s->pad_top + s->pad_bottom, -s->pad_left, s->width + s->pad_left + s->pad_right);
    }
}

size_t ts_conv_scratch_weight(const ts_conv *plan, int threads) {
    const ts_conv_shape *s = &plan->shape;
    const size_t pixels = (size_t)s->batch * (size_t)plan->out_h * (size_t)plan->out_w;
    const size_t sums = ts_sum_rows_scratch(pixels, s->out);
    if (plan->tile_weight) return ts_max_size(ts_winograd_scratch_weight(s, threads), sums);
    return ts_max_size(has_border(s) ? (size_t)s->batch * bordered_floats(s) : 0, sums);
}

void ts_conv_backward_weight(const ts_conv *plan, float *dweights, float *dbias, const float *x, const float *dy,
                             float *scratch, ts_pool *pool) {
    const ts_conv_shape *s = &plan->shape;
    if (dbias)
        ts_sum_rows(dbias, dy, (size_t)s->batch * (size_t)plan->out_h * (size_t)plan->out_w, s->out, scratch, pool);
    if (plan->tile_weight) {
        ts_winograd_weight(s, dweights, x, dy, scratch, pool);
        return;
    }
    if (has_border(s)) {
        bordering b = {s, scratch, x};
        ts_parallel(pool, (size_t)s->batch, 1, border_task, &b);
        x = scratch;
    }
    gradient g = {.plan = plan, .dw = dweights, .dy = dy, .x = x, .m = s->kernel_w * s->in};
    g.pixel = (size_t)s->in * (size_t)s->stride;
    g.row = (size_t)(s->width + s->pad_left + s->pad_right) * (size_t)s->in;
    g.image = bordered_floats(s);
    g.tiles = (g.m + TS_MR - 1) / TS_MR;
    g.band = plan->out_w >= BAND_PIXELS ? 1 : (BAND_PIXELS + plan->out_w - 1) / plan->out_w;
    ts_parallel(pool, (size_t)(s->kernel_h * g.tiles), TILES_PER_TASK, weight_task, &g);
}

/* ---- biases --------------------------------------------------------------------------------------------------- */
enum { SUM_ROWS = 1024 };

typedef struct row_sums {
    float *partial;
    const float *x;
    size_t rows;
    int columns;
} row_sums;

static void sum_task(void *context, size_t begin, size_t end, int worker) {
    const row_sums *s = context;
    const size_t columns = (size_t)s->columns;
    (void)worker;
    for (size_t block = begin; block < end; block++) {
        float *partial = s->partial + block * columns;
        const size_t last = ts_min_size(s->rows, (block + 1) * SUM_ROWS);
        memset(partial, 0, columns * sizeof(float));
        for (size_t row = block * SUM_ROWS; row < last; row++)
            for (size_t c = 0; c < columns; c += TS_VF) {
                const size_t left = columns - c;
                vf_store_upto(partial + c,
                              vf_add(vf_load_upto(partial + c, left), vf_load_upto(s->x + row * columns + c, left)),
                              left);
            }
    }
}

size_t ts_sum_rows_scratch(size_t rows, int columns) { return ts_div_up(rows, SUM_ROWS) * (size_t)columns; }

void ts_sum_rows(float *sums, const float *x, size_t rows, int columns, float *scratch, ts_pool *pool) {
    row_sums s = {scratch, x, rows, columns};
    const size_t blocks = ts_div_up(rows, SUM_ROWS);
    ts_parallel(pool, blocks, 1, sum_task, &s);
    for (int c = 0; c < columns; c++) {
        double total = 0;
        for (size_t block = 0; block < blocks; block++) total += scratch[block * (size_t)columns + (size_t)c];
        sums[c] += (float)total;
    }
}

typedef struct bias_add {
    float *y;
    const float *bias;
    size_t columns;
} bias_add;

static void bias_task(void *context, size_t begin, size_t end, int worker) {
    const bias_add *b = context;
    (void)worker;
    for (size_t row = begin; row < end; row++)
        for (size_t c = 0; c < b->columns; c += TS_VF) {
            float *y = b->y + row * b->columns + c;
            const size_t left = b->columns - c;
            vf_store_upto(y, vf_add(vf_load_upto(y, left), vf_load_upto(b->bias + c, left)), left);
        }
}

void ts_add_bias(float *y, const float *bias, size_t rows, int columns, ts_pool *pool) {
    bias_add b = {y, bias, (size_t)columns};
    ts_parallel(pool, rows, 256, bias_task, &b);
}
