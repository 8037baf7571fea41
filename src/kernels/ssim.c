/* ssim.c - multi-scale structural similarity and its gradient, one image per task.
 *
 * Per scale the Gaussian-weighted moments mx, my, E[xx], E[yy], E[xy] of every window give
 *     cs = (2 (E[xy] - mx my) + C2) / (E[xx] - mx^2 + E[yy] - my^2 + C2),   l = (2 mx my + C1) / (mx^2 + my^2 + C1).
 * Means of cs (of l * cs at the coarsest scale) per channel are multiplied with their exponents. The gradient goes back
 * the same way: from each mean to maps of d/d mx, d/d E[xx], d/d E[xy], through the transposed Gaussian to
 * dx = T(g_mx) + 2 x T(g_xx) + y T(g_xy), and up the pyramid.
 */
#include "kernels/loss.h"

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

/* One scale of one image, and where its parts lie in the image's scratch. */
typedef struct scale {
    const float *x, *y; /* [h][w][c] */
    float *dx;
    int h, w, c;
    window down, across;
    size_t rows, row; /* windows: rows x row values (columns times channels) */
} scale;

typedef struct ssim_job {
    float *grad;
    const float *x, *y;
    float *scratch;
    size_t each; /* floats of scratch per image */
    int batch, h, w, c, scales;
    float c1, c2, weight;
} ssim_job;

/* ---- blurring ----------------------------------------------------------------------------------------------- */
static vf source(const scale *s, int map, size_t at, size_t n) {
    switch (map) {
    case MX: return vf_load_upto(s->x + at, n);
    case MY: return vf_load_upto(s->y + at, n);
    case XX: {
        const vf x = vf_load_upto(s->x + at, n);
        return vf_mul(x, x);
    }
    case YY: {
        const vf y = vf_load_upto(s->y + at, n);
        return vf_mul(y, y);
    }
    default: return vf_mul(vf_load_upto(s->x + at, n), vf_load_upto(s->y + at, n));
    }
}

/* out [rows][row] = Gaussian of one product; tmp [rows][w * c]. Down first: whole rows of products, then across. */
static void blur(const scale *s, int map, float *out, float *tmp) {
    const size_t width = (size_t)s->w * (size_t)s->c, c = (size_t)s->c;
    for (size_t r = 0; r < s->rows; r++) {
        float *line = tmp + r * width;
        TS_FLAT_LOOP(0, width) {
            vf sum = vf_zero();
            for (int t = 0; t < s->down.size; t++)
                sum = vf_madd(source(s, map, (r + (size_t)t) * width + i, n), vf_set1(s->down.tap[t]), sum);
            vf_store_upto(line + i, sum, n);
        }
        TS_FLAT_LOOP(0, s->row) {
            vf sum = vf_zero();
            for (int t = 0; t < s->across.size; t++)
                sum = vf_madd(vf_load_upto(line + i + (size_t)t * c, n), vf_set1(s->across.tap[t]), sum);
            vf_store_upto(out + r * s->row + i, sum, n);
        }
    }
}

static void add_scaled(float *y, const float *x, float k, size_t count) {
    const vf factor = vf_set1(k);
    TS_FLAT_LOOP(0, count) {
        vf_store_upto(y + i, vf_madd(vf_load_upto(x + i, n), factor, vf_load_upto(y + i, n)), n);
    }
}

/* The transpose of blur: out [h][w * c] from map [rows][row]; tmp [rows][w * c]. */
static void blur_back(const scale *s, const float *map, float *out, float *tmp) {
    const size_t width = (size_t)s->w * (size_t)s->c;
    memset(tmp, 0, s->rows * width * sizeof(float));
    memset(out, 0, (size_t)s->h * width * sizeof(float));
    for (size_t r = 0; r < s->rows; r++)
        for (int t = 0; t < s->across.size; t++)
            add_scaled(tmp + r * width + (size_t)(t * s->c), map + r * s->row, s->across.tap[t], s->row);
    for (size_t r = 0; r < s->rows; r++)
        for (int t = 0; t < s->down.size; t++)
            add_scaled(out + (r + (size_t)t) * width, tmp + r * width, s->down.tap[t], width);
}

/* ---- windows ------------------------------------------------------------------------------------------------ */
typedef struct moments {
    vf mx, my, l, cs, inv_d, inv_b; /* inv_d, inv_b: 1 / denominator of l, cs */
} moments;

static moments window_moments(const ssim_job *j, float *const map[MAPS], size_t at, size_t n) {
    moments m = {.mx = vf_load_upto(map[MX] + at, n), .my = vf_load_upto(map[MY] + at, n)};
    const vf one = vf_set1(1.0f), c1 = vf_set1(j->c1), c2 = vf_set1(j->c2);
    const vf xy = vf_mul(m.mx, m.my), xx = vf_mul(m.mx, m.mx), yy = vf_mul(m.my, m.my);
    const vf vx = vf_sub(vf_load_upto(map[XX] + at, n), xx), vy = vf_sub(vf_load_upto(map[YY] + at, n), yy);
    const vf vxy = vf_sub(vf_load_upto(map[XY] + at, n), xy);
    m.inv_b = vf_div(one, vf_add(vf_add(vx, vy), c2));
    m.inv_d = vf_div(one, vf_add(vf_add(xx, yy), c1));
    m.cs = vf_mul(vf_add(vf_add(vxy, vxy), c2), m.inv_b);
    m.l = vf_mul(vf_add(vf_add(xy, xy), c1), m.inv_d);
    return m;
}

/* Means over windows, per channel, of cs or (last scale) l * cs. line: row floats. */
static void window_means(const ssim_job *j, const scale *s, float *const map[MAPS], int last, float *line, double *mean) {
    for (int c = 0; c < s->c; c++) mean[c] = 0;
    for (size_t r = 0; r < s->rows; r++) {
        TS_FLAT_LOOP(0, s->row) {
            const moments m = window_moments(j, map, r * s->row + i, n);
            vf_store_upto(line + i, last ? vf_mul(m.l, m.cs) : m.cs, n);
        }
        for (size_t i = 0; i < s->row; i += (size_t)s->c)
            for (int c = 0; c < s->c; c++) mean[c] += (double)line[i + (size_t)c];
    }
    const double windows = (double)(s->rows * (s->row / (size_t)s->c));
    for (int c = 0; c < s->c; c++) mean[c] /= windows;
}

/* Replaces the maps MX, XX, XY by the gradients of k[channel] * sum of values; line: row floats holding k. */
static void window_gradients(const ssim_job *j, const scale *s, float *const map[MAPS], int last, const float *line) {
    const vf two = vf_set1(2.0f), one = vf_set1(1.0f);
    for (size_t r = 0; r < s->rows; r++)
        TS_FLAT_LOOP(0, s->row) {
            const size_t at = r * s->row + i;
            const moments m = window_moments(j, map, at, n);
            const vf k = vf_load_upto(line + i, n), l = last ? m.l : one;
            const vf k_b = vf_mul(vf_mul(k, l), m.inv_b);
            vf g_mx = vf_mul(vf_mul(two, k_b), vf_sub(vf_mul(m.mx, m.cs), m.my));
            if (last) {
                const vf g_l = vf_mul(vf_mul(two, m.inv_d), vf_sub(m.my, vf_mul(m.mx, m.l)));
                g_mx = vf_madd(vf_mul(k, m.cs), g_l, g_mx);
            }
            vf_store_upto(map[MX] + at, g_mx, n);
            vf_store_upto(map[XX] + at, vf_sub(vf_zero(), vf_mul(k_b, m.cs)), n);
            vf_store_upto(map[XY] + at, vf_mul(two, k_b), n);
        }
}

/* ---- one image ---------------------------------------------------------------------------------------------- */
typedef struct image {
    scale scales[TS_SSIM_SCALES];
    double *mean, *product; /* [scales][c], [c] */
    float *map[MAPS];       /* each as large as the picture */
    float *tmp, *line;      /* the picture, one row of it */
} image;

static size_t padded(size_t floats) {
    return (floats + 15) / 16 * 16;
}

/* Means; maps and tmp; a line; a pyramid of three pictures, whose floors sum to less than one full picture. */
static size_t image_floats(int h, int w, int c) {
    const size_t full = padded((size_t)h * (size_t)w * (size_t)c);
    return padded(2 * (TS_SSIM_SCALES + 1) * (size_t)c) + (MAPS + 2) * full + padded((size_t)w * (size_t)c);
}

size_t ts_ms_ssim_scratch(int batch, int h, int w, int c) {
    return (size_t)batch * image_floats(h, w, c);
}

static scale make_scale(const ssim_job *j, int k, const float *x, const float *y, float *dx) {
    const int h = j->h >> k, w = j->w >> k;
    scale s = {.x = x, .y = y, .dx = dx, .h = h, .w = w, .c = j->c, .down = window_for(h), .across = window_for(w)};
    s.rows = (size_t)(h - s.down.size + 1);
    s.row = (size_t)(w - s.across.size + 1) * (size_t)j->c;
    return s;
}

/* Lays one image's scratch out and fills the pyramid. */
static image make_image(const ssim_job *j, size_t index) {
    const size_t values = (size_t)j->h * (size_t)j->w * (size_t)j->c, full = padded(values);
    float *room = j->scratch + index * j->each;
    image im = {.mean = (double *)room, .product = (double *)room + TS_SSIM_SCALES * j->c};
    room += padded(2 * (TS_SSIM_SCALES + 1) * (size_t)j->c);
    for (int m = 0; m < MAPS; m++, room += full) im.map[m] = room;
    im.tmp = room;
    im.line = room + full;
    room = im.line + padded((size_t)j->w * (size_t)j->c);
    float *grad = j->grad ? j->grad + index * values : NULL;
    im.scales[0] = make_scale(j, 0, j->x + index * values, j->y + index * values, grad);
    for (int k = 1; k < j->scales; k++) {
        const scale *above = &im.scales[k - 1];
        const size_t n = (size_t)(j->h >> k) * (size_t)(j->w >> k) * (size_t)j->c;
        ts_halve(room, above->x, 1, above->h, above->w, j->c, NULL);
        ts_halve(room + n, above->y, 1, above->h, above->w, j->c, NULL);
        im.scales[k] = make_scale(j, k, room, room + n, room + 2 * n);
        room += 3 * n;
    }
    return im;
}

static double exponent(const ssim_job *j, int k) {
    double sum = 0;
    for (int i = 0; i < j->scales; i++) sum += WEIGHTS[i];
    return WEIGHTS[k] / sum;
}

/* y += k * a * b */
static void add_product(float *y, const float *a, const float *b, float k, size_t count) {
    const vf factor = vf_set1(k);
    TS_FLAT_LOOP(0, count) {
        const vf product = vf_mul(vf_load_upto(a + i, n), vf_load_upto(b + i, n));
        vf_store_upto(y + i, vf_madd(product, factor, vf_load_upto(y + i, n)), n);
    }
}

/* dx of scale k: from its own windows and from the scale below, which is complete. */
static void scale_gradient(const ssim_job *j, const image *im, int k) {
    const scale *s = &im->scales[k];
    const int last = k == j->scales - 1;
    const double windows = (double)(s->rows * (s->row / (size_t)j->c));
    for (int m = 0; m < MAPS; m++) blur(s, m, im->map[m], im->tmp);
    for (size_t i = 0; i < s->row; i++) {
        const double mean = im->mean[(size_t)(k * j->c) + i % (size_t)j->c], product = im->product[i % (size_t)j->c];
        const double slope = mean > FLOOR ? product * exponent(j, k) / mean : 0;
        im->line[i] = (float)((double)j->weight * slope / (windows * j->batch * j->c));
    }
    window_gradients(j, s, im->map, last, im->line);
    const size_t n = (size_t)s->h * (size_t)s->w * (size_t)j->c;
    float *part = im->map[MY]; /* MY and YY have no gradient */
    if (last) {
        memset(s->dx, 0, n * sizeof(float));
    } else {
        ts_halve_backward(s->dx, s[1].dx, 1, s->h, s->w, j->c, NULL);
    }
    blur_back(s, im->map[MX], part, im->tmp);
    add_scaled(s->dx, part, 1, n);
    blur_back(s, im->map[XX], part, im->tmp);
    add_product(s->dx, s->x, part, 2, n);
    blur_back(s, im->map[XY], part, im->tmp);
    add_product(s->dx, s->y, part, 1, n);
}

static void image_task(void *context, size_t begin, size_t end, int worker) {
    const ssim_job *j = context;
    (void)worker;
    for (size_t index = begin; index < end; index++) {
        const image im = make_image(j, index);
        for (int c = 0; c < j->c; c++) im.product[c] = 1;
        for (int k = 0; k < j->scales; k++) {
            double *mean = im.mean + k * j->c;
            for (int m = 0; m < MAPS; m++) blur(&im.scales[k], m, im.map[m], im.tmp);
            window_means(j, &im.scales[k], im.map, k == j->scales - 1, im.line, mean);
            for (int c = 0; c < j->c; c++) im.product[c] *= pow(mean[c] > FLOOR ? mean[c] : FLOOR, exponent(j, k));
        }
        for (int k = j->scales - 1; j->grad && k >= 0; k--) scale_gradient(j, &im, k);
    }
}

double ts_ms_ssim(float *grad, const float *x, const float *y, int batch, int h, int w, int c, int scales, float range,
                  float weight, float *scratch, ts_pool *pool) {
    ssim_job j = {.grad = grad, .x = x, .y = y, .scratch = scratch, .each = image_floats(h, w, c), .batch = batch, .h = h,
                  .w = w, .c = c, .scales = scales, .weight = weight};
    j.c1 = (float)(0.01 * 0.01 * (double)range * (double)range);
    j.c2 = (float)(0.03 * 0.03 * (double)range * (double)range);
    ts_parallel(pool, (size_t)batch, 1, image_task, &j);
    double sum = 0;
    for (int n = 0; n < batch; n++) {
        const double *product = (const double *)(scratch + (size_t)n * j.each) + TS_SSIM_SCALES * c;
        for (int i = 0; i < c; i++) sum += product[i];
    }
    return sum / (batch * c);
}
