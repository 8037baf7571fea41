/* compare.c - PSNR, SSIM and MS-SSIM of two pictures.
 *
 * SSIM: Wang, Bovik, Sheikh, Simoncelli 2004; 11x11 Gaussian window, sigma 1.5, K1 = .01, K2 = .03, L = 255, windows
 * wholly inside the picture, mean over windows, then over channels. MS-SSIM: Wang, Simoncelli, Bovik 2003; five scales,
 * 2x2 mean pooling in between, product per channel, mean over channels, contrast terms below 0 taken as 0.
 * A picture under 161 px on its short side takes the scales that still hold one window, with the weights made to sum
 * to 1 again; one under 11 px takes the largest odd window that fits.
 *
 * Moments are taken of value - 128 (variances do not change), so float carries them to about 1e-6.
 * Memory: full-scale rows are converted 11 at a time; only the pooled planes (a quarter of the picture) are stored.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/engine.h"
#include "tesserae.h"

enum { WINDOW = 11, SCALES = 5, CENTRE = 128 };

static const double SCALE_WEIGHT[SCALES] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};

/* One channel of one picture at one scale: bytes at full scale, floats (value - 128) below. */
typedef struct plane {
    const uint8_t *bytes; /* [height][width][channels], or NULL */
    const float *floats;  /* [height][width], or NULL */
    int width, height, channels, channel;
} plane;

/* Scratch of one comparison: rows and blurred moments, all [width]. */
typedef struct scratch {
    float *rows[2][WINDOW];
    float *moment[5];
    float *blurred[5];
} scratch;

typedef struct window {
    float weight[WINDOW];
    int size;
} window;

static window make_window(int extent) {
    window win = {{0}, WINDOW};
    while (win.size > extent) win.size -= 2;
    double sum = 0, raw[WINDOW];
    for (int i = 0; i < win.size; i++) {
        const double x = i - (win.size - 1) / 2.0;
        raw[i] = exp(-x * x / (2 * 1.5 * 1.5));
        sum += raw[i];
    }
    for (int i = 0; i < win.size; i++) win.weight[i] = (float)(raw[i] / sum);
    return win;
}

/* A sample as it shows on black: what lies under transparent pixels is nobody's to see. */
static inline int shown(const uint8_t *pixel, int channel, int channels) {
    return channels == 4 ? (pixel[channel] * pixel[3] + 127) / 255 : pixel[channel];
}

/* Row y of a plane as floats around 0; `room` takes converted bytes. */
static const float *plane_row(const plane *p, int y, float *room) {
    if (p->floats) return p->floats + (size_t)y * (size_t)p->width;
    const uint8_t *from = p->bytes + (size_t)y * (size_t)p->width * (size_t)p->channels;
    for (int x = 0; x < p->width; x++, from += p->channels)
        room[x] = (float)(shown(from, p->channel, p->channels) - CENTRE);
    return room;
}

/* Vertical blur of the five products a, b, aa, bb, ab. */
static void blur_rows(const float *const a[], const float *const b[], const window *win, int width,
                      float *const out[5]) {
    for (int m = 0; m < 5; m++) memset(out[m], 0, (size_t)width * sizeof(float));
    for (int k = 0; k < win->size; k++) {
        const float w = win->weight[k];
        const float *restrict pa = a[k], *restrict pb = b[k];
        float *restrict o0 = out[0], *restrict o1 = out[1], *restrict o2 = out[2], *restrict o3 = out[3],
                        *restrict o4 = out[4];
        for (int x = 0; x < width; x++) {
            const float va = pa[x], vb = pb[x];
            o0[x] += w * va;
            o1[x] += w * vb;
            o2[x] += w * (va * va);
            o3[x] += w * (vb * vb);
            o4[x] += w * (va * vb);
        }
    }
}

static void blur_row(const float *restrict in, const window *win, int count, float *restrict out) {
    memset(out, 0, (size_t)count * sizeof(float));
    for (int k = 0; k < win->size; k++) {
        const float w = win->weight[k];
        for (int x = 0; x < count; x++) out[x] += w * in[x + k];
    }
}

/* Mean SSIM and mean contrast-structure of two planes of one size. */
static void ssim_planes(const plane *a, const plane *b, const scratch *s, double *ssim, double *contrast) {
    const window across = make_window(a->width), down = make_window(a->height);
    const int count = a->width - across.size + 1, lines = a->height - down.size + 1;
    const float c1 = (0.01F * 255) * (0.01F * 255), c2 = (0.03F * 255) * (0.03F * 255);
    const float *rows_a[WINDOW], *rows_b[WINDOW];
    double sum = 0, sum_cs = 0;
    for (int y = 0; y < down.size - 1; y++) { /* rows that the first window brings along */
        rows_a[y + 1] = plane_row(a, y, s->rows[0][y]);
        rows_b[y + 1] = plane_row(b, y, s->rows[1][y]);
    }
    for (int y = 0; y < lines; y++) {
        const int last = y + down.size - 1;
        memmove(rows_a, rows_a + 1, (size_t)(down.size - 1) * sizeof *rows_a);
        memmove(rows_b, rows_b + 1, (size_t)(down.size - 1) * sizeof *rows_b);
        rows_a[down.size - 1] = plane_row(a, last, s->rows[0][last % down.size]);
        rows_b[down.size - 1] = plane_row(b, last, s->rows[1][last % down.size]);
        blur_rows(rows_a, rows_b, &down, a->width, s->moment);
        for (int m = 0; m < 5; m++) blur_row(s->moment[m], &across, count, s->blurred[m]);
        double row = 0, row_cs = 0;
        for (int x = 0; x < count; x++) {
            const float ma = s->blurred[0][x], mb = s->blurred[1][x];
            const float saa = s->blurred[2][x] - ma * ma, sbb = s->blurred[3][x] - mb * mb;
            const float sab = s->blurred[4][x] - ma * mb;
            const float ua = ma + CENTRE, ub = mb + CENTRE;
            const float cs = (2 * sab + c2) / (saa + sbb + c2);
            row += (double)(cs * (2 * ua * ub + c1) / (ua * ua + ub * ub + c1));
            row_cs += (double)cs;
        }
        sum += row;
        sum_cs += row_cs;
    }
    *ssim = sum / ((double)count * lines);
    *contrast = sum_cs / ((double)count * lines);
}

/* 2x2 means of a plane into out [ceil(h/2)][ceil(w/2)]; an odd last row or column counts twice. */
static void pool(const plane *p, const scratch *s, float *out) {
    const int width = (p->width + 1) / 2, height = (p->height + 1) / 2;
    for (int y = 0; y < height; y++) {
        const int below = 2 * y + 1 < p->height ? 2 * y + 1 : 2 * y;
        const float *top = plane_row(p, 2 * y, s->rows[0][0]), *low = plane_row(p, below, s->rows[0][1]);
        for (int x = 0; x < width; x++) {
            const int right = 2 * x + 1 < p->width ? 2 * x + 1 : 2 * x;
            out[(size_t)y * (size_t)width + (size_t)x] = 0.25F * (top[2 * x] + low[2 * x] + top[right] + low[right]);
        }
    }
}

/* How many scales a picture has room for: the short side must hold a whole window at the last one. */
static int scales_for(int width, int height) {
    int side = width < height ? width : height, scales = 1;
    while (scales < SCALES && (side + 1) / 2 >= WINDOW) {
        side = (side + 1) / 2;
        scales++;
    }
    return scales;
}

/* SSIM and MS-SSIM of one channel. `pooled` holds two buffers per picture, used in turn. */
static void compare_channel(plane a, plane b, const scratch *s, float *const pooled[2][2], double *ssim,
                            double *ms_ssim) {
    const int scales = scales_for(a.width, a.height);
    double weight_sum = 0, product = 1;
    for (int i = 0; i < scales; i++) weight_sum += SCALE_WEIGHT[i];
    for (int i = 0; i < scales; i++) {
        double value, contrast;
        ssim_planes(&a, &b, s, &value, &contrast);
        if (i == 0) *ssim = value;
        const double term = i == scales - 1 ? value : contrast;
        product *= exp2(log2(term > 0 ? term : 0) * SCALE_WEIGHT[i] / weight_sum); /* pow brings tables of 4 kB */
        if (i == scales - 1) break;
        pool(&a, s, pooled[0][i & 1]);
        pool(&b, s, pooled[1][i & 1]);
        a = (plane){NULL, pooled[0][i & 1], (a.width + 1) / 2, (a.height + 1) / 2, 1, 0};
        b = (plane){NULL, pooled[1][i & 1], a.width, a.height, 1, 0};
    }
    *ms_ssim = product;
}

static double mean_square(const uint8_t *a, const uint8_t *b, size_t pixels, int channels, int colours) {
    double sum = 0;
    for (size_t i = 0; i < pixels; i++)
        for (int c = 0; c < colours; c++) {
            const size_t at = i * (size_t)channels;
            const int d = shown(a + at, c, channels) - shown(b + at, c, channels);
            sum += (double)(d * d);
        }
    return sum / ((double)pixels * colours);
}

tess_status tess_compare(const uint8_t *a, const uint8_t *b, int width, int height, int channels, double out[4]) {
    if (!a || !b || !out || width < 1 || height < 1 || width > TS_MAX_SIDE || height > TS_MAX_SIDE)
        return TESS_ERR_INPUT;
    if (channels != 1 && channels != 3 && channels != 4) return TESS_ERR_INPUT;
    const int colours = channels == 1 ? 1 : 3;
    const size_t w = (size_t)width, half_w = (w + 1) / 2, half = half_w * (((size_t)height + 1) / 2);
    const size_t quarter = ((half_w + 1) / 2) * (((size_t)height + 3) / 4);
    const size_t per_row = 2 * WINDOW + 10;
    float *memory = ts_alloc((w * per_row + 2 * (half + quarter)) * sizeof(float));
    if (!memory) return TESS_ERR_MEMORY;

    scratch s;
    float *next = memory;
    for (int i = 0; i < 2 * WINDOW; i++, next += w) s.rows[i / WINDOW][i % WINDOW] = next;
    for (int i = 0; i < 5; i++, next += w) s.moment[i] = next;
    for (int i = 0; i < 5; i++, next += w) s.blurred[i] = next;
    float *const pooled[2][2] = {{next, next + half}, {next + half + quarter, next + 2 * half + quarter}};

    const double mse = mean_square(a, b, w * (size_t)height, channels, colours);
    double ssim = 0, ms_ssim = 0;
    for (int c = 0; c < colours; c++) {
        const plane pa = {a, NULL, width, height, channels, c}, pb = {b, NULL, width, height, channels, c};
        double one, many;
        compare_channel(pa, pb, &s, pooled, &one, &many);
        ssim += one / colours;
        ms_ssim += many / colours;
    }
    ts_free(memory);
    out[0] = mse;
    out[1] = mse > 0 ? 10 * log10(255.0 * 255.0 / mse) : INFINITY;
    out[2] = ssim;
    out[3] = ms_ssim;
    return TESS_OK;
}
