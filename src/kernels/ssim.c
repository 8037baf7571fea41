/* ssim.c - multi-scale structural similarity and its gradient, one image per task.
 *
 * Per scale the Gaussian-weighted moments mx, my, E[xx], E[yy], E[xy] of every window give
 *     cs = (2 (E[xy] - mx my) + C2) / (E[xx] - mx^2 + E[yy] - my^2 + C2),   l = (2 mx my + C1) / (mx^2 + my^2 + C1).
 * Means of cs (of l * cs at the coarsest scale) per channel are multiplied with their exponents. The gradient goes back
 * the same way: from each mean to maps of d/d mx, d/d E[xx], d/d E[xy], through the transposed Gaussian to
 * dx = T(g_mx) + 2 x T(g_xx) + y T(g_xy), and up the pyramid.
 */
#include "kernels/loss.h"

#include "base/size.h"
#include "kernels/flat.h"
#include "kernels/resample.h"

enum { WINDOW = 11, MAPS = 5 };
enum { MX, MY, XX, YY, XY };

static const double WEIGHTS[TS_SSIM_SCALES] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
static const double FLOOR = 1e-6; /* means below count as this: keeps the product's gradient finite */

int ts_ms_ssim_scales(int h, int w) {
    const int side = h < w ? h : w;
    int scales = 1;
    while (scales < TS_SSIM_SCALES && (side - 1) >> scales >= WINDOW - 1) scales++;
    return scales;
}

/* One axis of the window. */
typedef struct window {
    float tap[WINDOW];
    int size;
} window;

static window window_for(int extent) {
    window win = {{0}, WINDOW};
    double sum = 0, raw[WINDOW];
    while (win.size > extent) win.size -= 2;
    for (int i = 0; i < win.size; i++) {
        const double d = i - win.size / 2;
        sum += raw[i] = exp(-d * d / (2 * 1.5 * 1.5));
    }
    for (int i = 0; i < win.size; i++) win.tap[i] = (float)(raw[i] / sum);
    return win;
}

/* One scale of one image. Maps hold rows of `stride` floats, whole vectors: what lies beyond `row` is never looked at. */
typedef struct scale {
    const float *x, *y; /* [h][w][c] */
    float *dx;
    float *map[MAPS];
    int h, w, c;
    window down, across;
    size_t rows, row, stride; /* windows: rows x (row / c) */
} scale;

/* Everything about one image that lies in its scratch. */
typedef struct image {
    scale scales[TS_SSIM_SCALES];
    double *mean, *product; /* [scales][c], [c] */
    float *line[3];         /* a row of x, y, and of three gradients, with room on both sides */
} image;

typedef struct ssim_job {
    float *grad;
    const float *x, *y;
    float *scratch;
    size_t each; /* floats of scratch per image */
    int batch, h, w, c, scales;
    float c1, c2, weight;
} ssim_job;

/* ---- moments ------------------------------------------------------------------------------------------------ */
/* Row r of all five products, blurred across, into row r of the maps. */
static void blur_across(const scale *s, size_t r, float *const line[3]) {
    const size_t width = (size_t)s->w * (size_t)s->c, c = (size_t)s->c;
    memcpy(line[0], s->x + r * width, width * sizeof(float));
    memcpy(line[1], s->y + r * width, width * sizeof(float));
    for (size_t i = 0; i < s->stride; i += TS_VF) {
        vf mx = vf_zero(), my = mx, xx = mx, yy = mx, xy = mx;
        for (int t = 0; t < s->across.size; t++) {
            const vf tap = vf_set1(s->across.tap[t]);
            const vf x = vf_load(line[0] + i + (size_t)t * c), y = vf_load(line[1] + i + (size_t)t * c);
            const vf gx = vf_mul(tap, x), gy = vf_mul(tap, y);
            mx = vf_add(mx, gx);
            my = vf_add(my, gy);
            xx = vf_madd(gx, x, xx);
            yy = vf_madd(gy, y, yy);
            xy = vf_madd(gx, y, xy);
        }
        const size_t at = r * s->stride + i;
        vf_store(s->map[MX] + at, mx);
        vf_store(s->map[MY] + at, my);
        vf_store(s->map[XX] + at, xx);
        vf_store(s->map[YY] + at, yy);
        vf_store(s->map[XY] + at, xy);
    }
}

/* Blurs a map downwards in place: row r of the result needs rows r and below. */
static void blur_down(const scale *s, float *map) {
    for (size_t at = 0; at < s->rows * s->stride; at += TS_VF) {
        vf sum = vf_zero();
        for (int t = 0; t < s->down.size; t++)
            sum = vf_madd(vf_load(map + at + (size_t)t * s->stride), vf_set1(s->down.tap[t]), sum);
        vf_store(map + at, sum);
    }
}

static void fill_maps(const scale *s, float *const line[3]) {
    for (size_t r = 0; r < (size_t)s->h; r++) blur_across(s, r, line);
    for (int m = 0; m < MAPS; m++) blur_down(s, s->map[m]);
}

/* ---- windows ------------------------------------------------------------------------------------------------ */
typedef struct moments {
    vf mx, my, l, cs, inv_d, inv_b; /* inv_d, inv_b: 1 / denominator of l, cs */
} moments;

static inline moments window_moments(const ssim_job *j, const scale *s, size_t at) {
    moments m = {.mx = vf_load(s->map[MX] + at), .my = vf_load(s->map[MY] + at)};
    const vf one = vf_set1(1.0f), c1 = vf_set1(j->c1), c2 = vf_set1(j->c2);
    const vf xy = vf_mul(m.mx, m.my), xx = vf_mul(m.mx, m.mx), yy = vf_mul(m.my, m.my);
    const vf vx = vf_sub(vf_load(s->map[XX] + at), xx), vy = vf_sub(vf_load(s->map[YY] + at), yy);
    const vf vxy = vf_sub(vf_load(s->map[XY] + at), xy);
    m.inv_b = vf_div(one, vf_add(vf_add(vx, vy), c2));
    m.inv_d = vf_div(one, vf_add(vf_add(xx, yy), c1));
    m.cs = vf_mul(vf_add(vf_add(vxy, vxy), c2), m.inv_b);
    m.l = vf_mul(vf_add(vf_add(xy, xy), c1), m.inv_d);
    return m;
}

/* Means over windows, per channel, of cs or (last scale) l * cs. line: a row. */
static void window_means(const ssim_job *j, const scale *s, int last, float *line, double *mean) {
    for (int c = 0; c < s->c; c++) mean[c] = 0;
    for (size_t r = 0; r < s->rows; r++) {
        for (size_t i = 0; i < s->stride; i += TS_VF) {
            const moments m = window_moments(j, s, r * s->stride + i);
            vf_store(line + i, last ? vf_mul(m.l, m.cs) : m.cs);
        }
        for (size_t i = 0; i < s->row; i += (size_t)s->c)
            for (int c = 0; c < s->c; c++) mean[c] += (double)line[i + (size_t)c];
    }
    const double windows = (double)(s->rows * (s->row / (size_t)s->c));
    for (int c = 0; c < s->c; c++) mean[c] /= windows;
}

/* Replaces the maps MX, XX, XY by the gradients of the sum of line[i] * value; line: a row of factors. */
static void window_gradients(const ssim_job *j, const scale *s, int last, const float *line) {
    const vf two = vf_set1(2.0f), one = vf_set1(1.0f);
    for (size_t r = 0; r < s->rows; r++)
        for (size_t i = 0; i < s->stride; i += TS_VF) {
            const size_t at = r * s->stride + i;
            const moments m = window_moments(j, s, at);
            const vf k = vf_load(line + i), k_b = vf_mul(vf_mul(k, last ? m.l : one), m.inv_b);
            vf g_mx = vf_mul(vf_mul(two, k_b), vf_sub(vf_mul(m.mx, m.cs), m.my));
            if (last) {
                const vf g_l = vf_mul(vf_mul(two, m.inv_d), vf_sub(m.my, vf_mul(m.mx, m.l)));
                g_mx = vf_madd(vf_mul(k, m.cs), g_l, g_mx);
            }
            vf_store(s->map[MX] + at, g_mx);
            vf_store(s->map[XX] + at, vf_sub(vf_zero(), vf_mul(k_b, m.cs)));
            vf_store(s->map[XY] + at, vf_mul(two, k_b));
        }
}

/* ---- the gradient's way back -------------------------------------------------------------------------------- */
/* Row y of the transposed downward blur of a map, into line + margin; zeros on both sides of it. */
static void back_down(const scale *s, const float *map, size_t y, float *line, size_t margin) {
    const int first = y < s->rows ? 0 : (int)(y - s->rows) + 1;
    const int last = y < (size_t)s->down.size ? (int)y : s->down.size - 1;
    for (size_t i = 0; i < s->stride; i += TS_VF) {
        vf sum = vf_zero();
        for (int t = first; t <= last; t++)
            sum = vf_madd(vf_load(map + (y - (size_t)t) * s->stride + i), vf_set1(s->down.tap[t]), sum);
        vf_store(line + margin + i, sum);
    }
    memset(line, 0, margin * sizeof(float));
    memset(line + margin + s->row, 0, (margin + TS_STRIPES) * sizeof(float));
}

/* dx += T(g_mx) + 2 x T(g_xx) + y T(g_xy), T the transposed blur. */
static void blur_back(const scale *s, float *const line[3]) {
    const size_t width = (size_t)s->w * (size_t)s->c, c = (size_t)s->c, margin = (size_t)(s->across.size - 1) * c;
    static const int MAP[3] = {MX, XX, XY};
    const vf two = vf_set1(2.0f);
    for (size_t r = 0; r < (size_t)s->h; r++) {
        for (int m = 0; m < 3; m++) back_down(s, s->map[MAP[m]], r, line[m], margin);
        TS_FLAT_LOOP(0, width) {
            vf sum[3] = {vf_zero(), vf_zero(), vf_zero()};
            for (int t = 0; t < s->across.size; t++) {
                const vf tap = vf_set1(s->across.tap[t]);
                const size_t at = margin + i - (size_t)t * c;
                TS_UNROLL for (int m = 0; m < 3; m++) sum[m] = vf_madd(vf_load(line[m] + at), tap, sum[m]);
            }
            const size_t at = r * width + i;
            const vf x = vf_load_upto(s->x + at, n), y = vf_load_upto(s->y + at, n);
            vf dx = vf_add(vf_load_upto(s->dx + at, n), sum[0]);
            dx = vf_madd(vf_mul(two, x), sum[1], dx);
            vf_store_upto(s->dx + at, vf_madd(y, sum[2], dx), n);
        }
    }
}

/* ---- one image ---------------------------------------------------------------------------------------------- */
/* Hands out an image's scratch piece by piece; without memory it only counts. */
typedef struct pile {
    float *base;
    size_t used;
} pile;

static float *take(pile *p, size_t floats) {
    float *here = p->base ? p->base + p->used : NULL;
    p->used += ts_div_up(floats, 16) * 16;
    return here;
}

static scale make_scale(const ssim_job *j, int k, pile *p) {
    const int h = j->h >> k, w = j->w >> k;
    scale s = {.h = h, .w = w, .c = j->c, .down = window_for(h), .across = window_for(w)};
    s.rows = (size_t)(h - s.down.size + 1);
    s.row = (size_t)(w - s.across.size + 1) * (size_t)j->c;
    s.stride = ts_div_up(s.row, TS_STRIPES) * TS_STRIPES;
    for (int m = 0; m < MAPS; m++) s.map[m] = take(p, (size_t)h * s.stride);
    return s;
}

/* Lays one image's scratch out, and fills its pyramid if there is memory. */
static image make_image(const ssim_job *j, size_t index, pile *p) {
    const size_t values = (size_t)j->h * (size_t)j->w * (size_t)j->c;
    image im = {.mean = (double *)take(p, 2 * TS_SSIM_SCALES * (size_t)j->c),
                .product = (double *)take(p, 2 * (size_t)j->c)};
    for (int m = 0; m < 3; m++) im.line[m] = take(p, (size_t)(j->w + 2 * WINDOW) * (size_t)j->c + 3 * TS_STRIPES);
    for (int k = 0; k < j->scales; k++) {
        scale *s = &im.scales[k];
        *s = make_scale(j, k, p);
        if (k == 0) {
            s->x = p->base ? j->x + index * values : NULL;
            s->y = p->base ? j->y + index * values : NULL;
            s->dx = p->base && j->grad ? j->grad + index * values : NULL;
            continue;
        }
        const size_t n = (size_t)s->h * (size_t)s->w * (size_t)j->c;
        float *x = take(p, n), *y = take(p, n);
        s->dx = take(p, n);
        s->x = x;
        s->y = y;
        if (!p->base) continue;
        ts_mean_pool(x, s[-1].x, 1, s[-1].h, s[-1].w, j->c, 2, NULL);
        ts_mean_pool(y, s[-1].y, 1, s[-1].h, s[-1].w, j->c, 2, NULL);
    }
    return im;
}

static size_t image_floats(int h, int w, int c) {
    const ssim_job j = {.h = h, .w = w, .c = c, .scales = ts_ms_ssim_scales(h, w)};
    pile count = {NULL, 0};
    make_image(&j, 0, &count);
    return count.used;
}

size_t ts_ms_ssim_scratch(int batch, int h, int w, int c) { return (size_t)batch * image_floats(h, w, c); }

static double exponent(const ssim_job *j, int k) {
    double sum = 0;
    for (int i = 0; i < j->scales; i++) sum += WEIGHTS[i];
    return WEIGHTS[k] / sum;
}

/* dx of scale k: from its own windows and from the scale below, which is complete. */
static void scale_gradient(const ssim_job *j, const image *im, int k) {
    const scale *s = &im->scales[k];
    const int last = k == j->scales - 1;
    const double windows = (double)(s->rows * (s->row / (size_t)j->c));
    for (size_t i = 0; i < s->stride; i++) {
        const double mean = im->mean[(size_t)(k * j->c) + i % (size_t)j->c], product = im->product[i % (size_t)j->c];
        const double slope = mean > FLOOR ? product * exponent(j, k) / mean : 0;
        im->line[0][i] = (float)((double)j->weight * slope / (windows * j->batch * j->c));
    }
    window_gradients(j, s, last, im->line[0]);
    if (last) {
        memset(s->dx, 0, (size_t)s->h * (size_t)s->w * (size_t)j->c * sizeof(float));
    } else {
        ts_mean_pool_backward(s->dx, s[1].dx, 1, s->h, s->w, j->c, 2, NULL);
    }
    blur_back(s, im->line);
}

static void image_task(void *context, size_t begin, size_t end, int worker) {
    const ssim_job *j = context;
    (void)worker;
    for (size_t index = begin; index < end; index++) {
        pile p = {j->scratch + index * j->each, 0};
        const image im = make_image(j, index, &p);
        for (int m = 0; m < 3; m++)
            memset(im.line[m], 0, ((size_t)(j->w + 2 * WINDOW) * (size_t)j->c + 3 * TS_STRIPES) * sizeof(float));
        for (int c = 0; c < j->c; c++) im.product[c] = 1;
        for (int k = 0; k < j->scales; k++) {
            double *mean = im.mean + k * j->c;
            fill_maps(&im.scales[k], im.line);
            window_means(j, &im.scales[k], k == j->scales - 1, im.line[2], mean);
            for (int c = 0; c < j->c; c++)
                im.product[c] *= exp2(exponent(j, k) * log2(mean[c] > FLOOR ? mean[c] : FLOOR));
        }
        for (int k = j->scales - 1; j->grad && k >= 0; k--) scale_gradient(j, &im, k);
    }
}

double ts_ms_ssim(float *grad, const float *x, const float *y, int batch, int h, int w, int c, int scales, float range,
                  float weight, float *scratch, ts_pool *pool) {
    ssim_job j = {.grad = grad,
                  .x = x,
                  .y = y,
                  .scratch = scratch,
                  .each = image_floats(h, w, c),
                  .batch = batch,
                  .h = h,
                  .w = w,
                  .c = c,
                  .scales = scales,
                  .weight = weight};
    j.c1 = (float)(0.01 * 0.01 * (double)range * (double)range);
    j.c2 = (float)(0.03 * 0.03 * (double)range * (double)range);
    ts_parallel(pool, (size_t)batch, 1, image_task, &j);
    double sum = 0;
    for (int n = 0; n < batch; n++) {
        const size_t means = ts_div_up(2 * TS_SSIM_SCALES * (size_t)c, 16) * 16; /* as make_image takes them */
        const double *product = (const double *)(scratch + (size_t)n * j.each + means);
        for (int i = 0; i < c; i++) sum += product[i];
    }
    return sum / (batch * c);
}
