/* test_winograd.c - every path of the Winograd convolution against double precision, inside the bound that winograd.h
 * derives, and its bit-level promises. */
#include "kernels/winograd.h"

#include "base/f16.h"
#include "kernels/conv_job.h"
#include "kernels/winograd_job.h"
#include "support.h"

static const ts_conv_shape SHAPES[] = {
    /* batch h w in out kh kw stride pads(t l b r) */
    {1, 16, 16, 16, 16, 3, 3, 1, 1, 1, 1, 1},  {1, 13, 19, 20, 21, 3, 3, 1, 1, 1, 1, 1},
    {3, 7, 9, 33, 17, 3, 3, 1, 0, 2, 1, 0},    {2, 5, 6, 3, 5, 3, 3, 1, 2, 0, 2, 2},
    {1, 37, 50, 8, 30, 3, 3, 1, 1, 1, 1, 1},   {5, 4, 4, 18, 66, 3, 3, 1, 1, 1, 1, 1},
    {1, 3, 3, 1, 1, 3, 3, 1, 0, 0, 0, 0},      {1, 1, 1, 17, 16, 3, 3, 1, 2, 2, 2, 2},
    {1, 40, 44, 100, 70, 3, 3, 1, 1, 1, 1, 1}, {11, 9, 7, 16, 20, 3, 3, 1, 1, 1, 1, 1},
    {1, 14, 13, 300, 16, 3, 3, 1, 1, 1, 1, 1}};
static const ts_conv_shape ENLARGED[] = {{1, 16, 24, 16, 16, 3, 3, 1, 1, 1, 1, 1, .upsample = 2},
                                         {2, 10, 14, 21, 19, 3, 3, 1, 1, 1, 1, 1, .upsample = 2},
                                         {1, 2, 66, 5, 35, 3, 3, 1, 1, 1, 1, 1, .upsample = 2}};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof SHAPES[0], ENLARGED_COUNT = sizeof ENLARGED / sizeof ENLARGED[0] };

/* A plan that takes Winograd of this tile whatever the rule says. */
static ts_conv plan_of(const ts_conv_shape *s, int m, bool streams) {
    ts_conv p;
    ts_error err = {""};
    if (!CHECK(ts_conv_plan_direct(&p, s, &err) == TESS_OK)) printf("%s\n", err.text);
    p.algorithm = TS_CONV_WINOGRAD;
    p.tile = m;
    p.streams = streams;
    p.panels = streams ? 0 : ts_winograd_panels(s, m, TS_WINOGRAD_FORWARD);
    p.tile_back = s->upsample == 2 ? 0 : m;
    p.tile_weight = s->upsample == 2 || s->in < 16 ? 0 : 4;
    p.panels_back = s->upsample == 2 ? 0 : ts_winograd_panels(s, m, TS_WINOGRAD_BACK);
    return p;
}

static int small_side(const ts_conv_shape *s, int side) { return s->upsample == 2 ? side / 2 : side; }

static size_t count_x(const ts_conv_shape *s) {
    return (size_t)(s->batch * small_side(s, s->height) * small_side(s, s->width) * s->in);
}
static size_t count_w(const ts_conv_shape *s) { return (size_t)(9 * s->in * s->out); }
static size_t count_y(const ts_conv *p) { return (size_t)(p->shape.batch * p->out_h * p->out_w * p->shape.out); }

/* ---- the reference ---------------------------------------------------------------------------------------------- */
/* A correlation in double: y[n][oy][ox][o] = sum of x[n][oy + off_y + ky][ox + off_x + kx][i] w[ky][kx][i][o]. */
typedef struct correlation {
    int batch, in_h, in_w, in, out_h, out_w, out, off_y, off_x;
    const double *x, *w;
} correlation;

static double value_at(const correlation *c, int n, int y, int x, int i) {
    if (y < 0 || x < 0 || y >= c->in_h || x >= c->in_w) return 0;
    return c->x[((n * c->in_h + y) * c->in_w + x) * c->in + i];
}

static void correlate(const correlation *c, double *y) {
    for (int n = 0; n < c->batch; n++)
        for (int oy = 0; oy < c->out_h; oy++)
            for (int ox = 0; ox < c->out_w; ox++, y += c->out)
                for (int tap = 0; tap < 9; tap++)
                    for (int i = 0; i < c->in; i++) {
                        const double v = value_at(c, n, oy + c->off_y + tap / 3, ox + c->off_x + tap % 3, i);
                        for (int o = 0; o < c->out && v != 0; o++) y[o] += v * c->w[(tap * c->in + i) * c->out + o];
                    }
}

/* |B^T|, |G|, |A^T| of winograd.h, a row per frequency (or output). */
typedef struct matrices {
    int m;
    double b[8][8], g[8][3], a[6][8];
} matrices;

static matrices matrices_of(int m) {
    const double l = sqrt(0.5), h = sqrt(2.0);
    const matrices four = {
        4,
        {{1, 0, 2.5, 0, 1, 0},
         {0, 2 * l, 2, l, 1, 0},
         {0, 2 * l, 2, l, 1, 0},
         {0, h / 2, .5, h, 1, 0},
         {0, h / 2, .5, h, 1, 0},
         {0, 1, 0, 2.5, 0, 1}},
        {{1, 0, 0},
         {2. / 3, 2 * l / 3, 1. / 3},
         {2. / 3, 2 * l / 3, 1. / 3},
         {1. / 6, h / 6, 1. / 3},
         {1. / 6, h / 6, 1. / 3},
         {0, 0, 1}},
        {{1, 1, 1, 1, 1, 0}, {0, l, l, h, h, 0}, {0, .5, .5, 2, 2, 0}, {0, l / 2, l / 2, 2 * h, 2 * h, 1}}};
    const matrices two = {2,
                          {{1, 0, 1, 0}, {0, 1, 1, 0}, {0, 1, 1, 0}, {0, 1, 0, 1}},
                          {{1, 0, 0}, {.5, .5, .5}, {.5, .5, .5}, {0, 0, 1}},
                          {{1, 1, 1, 0}, {0, 1, 1, 1}}};
    const matrices six = {6,
                          {{1, 0, 5.25, 0, 5.25, 0, 1, 0},
                           {0, 1, 1, 4.25, 4.25, 1, 1, 0},
                           {0, 1, 1, 4.25, 4.25, 1, 1, 0},
                           {0, .5, .25, 2.5, 1.25, 2, 1, 0},
                           {0, .5, .25, 2.5, 1.25, 2, 1, 0},
                           {0, 2, 4, 2.5, 5, .5, 1, 0},
                           {0, 2, 4, 2.5, 5, .5, 1, 0},
                           {0, 1, 0, 5.25, 0, 5.25, 0, 1}},
                          {{1, 0, 0},
                           {2. / 9, 2. / 9, 2. / 9},
                           {2. / 9, 2. / 9, 2. / 9},
                           {1. / 90, 1. / 45, 2. / 45},
                           {1. / 90, 1. / 45, 2. / 45},
                           {32. / 45, 16. / 45, 8. / 45},
                           {32. / 45, 16. / 45, 8. / 45},
                           {0, 0, 1}},
                          {{1, 1, 1, 1, 1, 1, 1, 0},
                           {0, 1, 1, 2, 2, .5, .5, 0},
                           {0, 1, 1, 4, 4, .25, .25, 0},
                           {0, 1, 1, 8, 8, .125, .125, 0},
                           {0, 1, 1, 16, 16, .0625, .0625, 0},
                           {0, 1, 1, 32, 32, .03125, .03125, 1}}};
    return m == 6 ? six : m == 4 ? four : two;
}

/* E of the tile at (ty, tx) for all outputs [m][m][out]. */
static void tile_bound(const correlation *c, const matrices *t, int n, int ty, int tx, const double *u, double *e) {
    const int m = t->m, side = m + 2;
    double *sum = make_double((size_t)(side * side * c->out));
    for (int i = 0; i < c->in; i++)
        for (int p = 0; p < side; p++)
            for (int q = 0; q < side; q++) {
                double v = 0;
                for (int y = 0; y < side; y++)
                    for (int x = 0; x < side; x++)
                        v += t->b[p][y] * t->b[q][x] *
                             fabs(value_at(c, n, ty * m + c->off_y + y, tx * m + c->off_x + x, i));
                for (int o = 0; o < c->out; o++)
                    sum[(p * side + q) * c->out + o] += v * u[((p * side + q) * c->in + i) * c->out + o];
            }
    for (int y = 0; y < m; y++)
        for (int x = 0; x < m; x++)
            for (int p = 0; p < side; p++)
                for (int q = 0; q < side; q++)
                    for (int o = 0; o < c->out; o++)
                        e[(y * m + x) * c->out + o] += t->a[y][p] * t->a[x][q] * sum[(p * side + q) * c->out + o];
    ts_free(sum);
}

/* Roundings of winograd.h: how often (1 + 2^-24) enters a sum over K channels. */
static int roundings(int m, int k) { return m == 6 ? (k < 128 ? k : 128) + k / 128 + 24 : k + 36; }

/* |error| <= roundings (2^-24 E + 2^-143), outputs as in correlate. */
static void error_bound(const correlation *c, int m, double *bound) {
    const matrices t = matrices_of(m);
    const int side = m + 2;
    double *u = make_double((size_t)(side * side * c->in * c->out)), *e = make_double((size_t)(m * m * c->out));
    for (int f = 0; f < side * side; f++)
        for (int tap = 0; tap < 9; tap++)
            for (int k = 0; k < c->in * c->out; k++)
                u[f * c->in * c->out + k] += t.g[f / side][tap / 3] * t.g[f % side][tap % 3] *
                                             fabs(c->w[tap * c->in * c->out + k]);
    for (int n = 0; n < c->batch; n++)
        for (int ty = 0; ty * m < c->out_h; ty++)
            for (int tx = 0; tx * m < c->out_w; tx++) {
                memset(e, 0, (size_t)(m * m * c->out) * sizeof *e);
                tile_bound(c, &t, n, ty, tx, u, e);
                for (int k = 0; k < m * m * c->out; k++) {
                    const int y = ty * m + k / c->out / m, x = tx * m + k / c->out % m;
                    if (y >= c->out_h || x >= c->out_w) continue;
                    bound[((n * c->out_h + y) * c->out_w + x) * c->out + k % c->out] = roundings(m, c->in) *
                                                                                       (EPS * e[k] + 0x1p-143);
                }
            }
    ts_free(u);
    ts_free(e);
}

static double *widen(const float *x, size_t n) {
    double *d = make_double(n);
    for (size_t i = 0; i < n; i++) d[i] = x[i];
    return d;
}

static void check_correlation(const correlation *c, int m, const float *got) {
    const size_t n = (size_t)(c->batch * c->out_h * c->out_w * c->out);
    double *want = make_double(n), *bound = make_double(n);
    correlate(c, want);
    error_bound(c, m, bound);
    check_bounded(got, want, bound, n, __LINE__);
    double errors = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        errors += (got[i] - want[i]) * (got[i] - want[i]);
        squares += want[i] * want[i];
    }
    const double part = m == 6 ? 6e-6 : 3e-6; /* on the whole far inside the bound */
    CHECK(sqrt(errors) <= part * sqrt(squares) + 1e-42 * (double)n);
    ts_free(want);
    ts_free(bound);
}

/* The phases of an enlargement, each against its own taps: their bound holds for what is computed. */
static void check_enlarged(const correlation *whole, int m, const float *y) {
    correlation c = *whole;
    c.out_h = c.in_h, c.out_w = c.in_w;
    const int pairs = c.in * c.out;
    const size_t n = (size_t)(c.batch * c.out_h * c.out_w * c.out);
    float *part = make(n);
    double *w = make_double((size_t)(9 * pairs));
    for (int phase = 0; phase < 4; phase++) {
        const int odd_y = phase / 2, odd_x = phase % 2;
        memset(w, 0, (size_t)(9 * pairs) * sizeof *w);
        for (int tap = 0; tap < 9; tap++) {
            const int ky = (odd_y + tap / 3 + 1) / 2,
                      kx = (odd_x + tap % 3 + 1) / 2; /* the small picture's row, from -1 */
            for (int k = 0; k < pairs; k++) w[(ky * 3 + kx) * pairs + k] += whole->w[tap * pairs + k];
        }
        c.w = w;
        for (size_t i = 0; i < n / (size_t)c.out; i++) {
            const size_t x = i % (size_t)c.out_w, row = i / (size_t)c.out_w; /* row: over all images */
            memcpy(part + i * (size_t)c.out,
                   y + ((2 * row + (size_t)odd_y) * 2 * (size_t)c.out_w + 2 * x + (size_t)odd_x) * (size_t)c.out,
                   (size_t)c.out * sizeof(float));
        }
        check_correlation(&c, m, part);
    }
    ts_free(w);
}

/* ---- passes ----------------------------------------------------------------------------------------------------- */
static float *forward(const ts_conv *p, const float *x, const float *w, const uint16_t *halves,
                      const ts_conv_fuse *fuse, int threads) {
    ts_pool *pool = threads > 1 ? ts_pool_new(threads) : NULL;
    float *panels = make(p->panels), *scratch = make(ts_conv_scratch_forward(p, threads));
    float *y = make_skewed(count_y(p), 1);
    ts_filter filter = {.values = halves ? NULL : w, .halves = halves};
    if (!p->streams) {
        ts_conv_pack(p, panels, w, pool);
        filter = (ts_filter){.panels = panels};
    }
    ts_conv_forward(p, y, x, filter, fuse, scratch, pool);
    ts_pool_free(pool);
    return y;
}

static float *backward(const ts_conv *p, const float *dy, const float *w, int threads) {
    ts_pool *pool = threads > 1 ? ts_pool_new(threads) : NULL;
    float *panels = make(p->panels_back), *scratch = make(ts_conv_scratch_data(p, threads));
    float *dx = make_skewed(count_x(&p->shape), 3);
    ts_conv_pack_back(p, panels, w, pool);
    ts_conv_backward_data(p, dx, dy, panels, scratch, pool);
    ts_pool_free(pool);
    return dx;
}

static void check_forward(const ts_conv *p, const float *x, const float *w, const float *y) {
    const ts_conv_shape *s = &p->shape;
    double *dx = widen(x, count_x(s)), *dw = widen(w, count_w(s));
    const correlation c = {s->batch,
                           small_side(s, s->height),
                           small_side(s, s->width),
                           s->in,
                           p->out_h,
                           p->out_w,
                           s->out,
                           -s->pad_top,
                           -s->pad_left,
                           dx,
                           dw};
    if (s->upsample == 2) check_enlarged(&c, p->tile, y);
    else check_correlation(&c, p->tile, y);
    ts_free(dx);
    ts_free(dw);
}

static void check_backward(const ts_conv *p, const float *dy, const float *w, const float *dx) {
    const ts_conv_shape *s = &p->shape;
    double *x = widen(dy, count_y(p)), *turned = make_double(count_w(s));
    for (int tap = 0; tap < 9; tap++)
        for (int i = 0; i < s->in; i++)
            for (int o = 0; o < s->out; o++)
                turned[(tap * s->out + o) * s->in + i] = w[((8 - tap) * s->in + i) * s->out + o];
    const correlation c = {s->batch, p->out_h,       p->out_w,        s->out, s->height, s->width,
                           s->in,    s->pad_top - 2, s->pad_left - 2, x,      turned};
    check_correlation(&c, p->tile_back, dx);
    ts_free(x);
    ts_free(turned);
}

/* ---- the gradient of weights ------------------------------------------------------------------------------------ */
/* |t| |window| |t^T| of a side x side window of a plane: sizes[frequency][channel]. */
static void window_sizes(const correlation *plane, double t[][8], int side, int n, int y0, int x0, double *sizes) {
    for (int f = 0; f < 36; f++, sizes += plane->in)
        for (int i = 0; i < plane->in; i++) {
            sizes[i] = 0;
            for (int y = 0; y < side; y++)
                for (int x = 0; x < side; x++)
                    sizes[i] += t[f / 6][y] * t[f % 6][x] * fabs(value_at(plane, n, y0 + y, x0 + x, i));
        }
}

/* (T + N + 31) 2^-24 E and what is lost below the normal range, for every weight. */
static void weight_bound(const ts_conv_shape *s, const correlation *x, const correlation *dy, double *bound) {
    const ts_winograd_job j = ts_winograd_job_of(s, 4, TS_WINOGRAD_WEIGHT, 1);
    const int pairs = s->in * s->out, roundings = j.images * j.rows * j.columns + (int)ts_winograd_blocks(&j) + 31;
    matrices t = matrices_of(4);
    double spread[6][8] = {{0}}; /* |A| */
    for (int f = 0; f < 6; f++)
        for (int y = 0; y < 4; y++) spread[f][y] = t.a[y][f];
    double *v = make_double((size_t)(36 * s->in)), *d = make_double((size_t)(36 * s->out));
    double *u = make_double((size_t)(36 * pairs));
    for (int tile = 0; tile < s->batch * j.tiles_y * j.tiles_x; tile++) {
        const int n = tile / j.tiles_x / j.tiles_y, ty = tile / j.tiles_x % j.tiles_y, tx = tile % j.tiles_x;
        window_sizes(x, t.b, 6, n, 4 * ty - s->pad_top, 4 * tx - s->pad_left, v);
        window_sizes(dy, spread, 4, n, 4 * ty, 4 * tx, d);
        for (int f = 0; f < 36; f++)
            for (int k = 0; k < pairs; k++) u[f * pairs + k] += v[f * s->in + k / s->out] * d[f * s->out + k % s->out];
    }
    for (int tap = 0; tap < 9; tap++)
        for (int k = 0; k < pairs; k++) {
            double e = 0;
            for (int f = 0; f < 36; f++) e += t.g[f / 6][tap / 3] * t.g[f % 6][tap % 3] * u[f * pairs + k];
            bound[tap * pairs + k] = roundings * EPS * e + (s->batch * j.tiles_y * j.tiles_x + 36) * 0x1p-143;
        }
    ts_free(v);
    ts_free(d);
    ts_free(u);
}

/* The sum over all outputs, in double. */
static void weight_reference(const ts_conv_shape *s, const correlation *x, const correlation *dy, double *dw) {
    for (int tap = 0; tap < 9; tap++)
        for (int n = 0; n < s->batch; n++)
            for (int p = 0; p < dy->in_h * dy->in_w; p++) {
                const int oy = p / dy->in_w, ox = p % dy->in_w;
                for (int i = 0; i < s->in; i++) {
                    const double v = value_at(x, n, oy + tap / 3 - s->pad_top, ox + tap % 3 - s->pad_left, i);
                    for (int o = 0; o < s->out && v != 0; o++)
                        dw[(tap * s->in + i) * s->out + o] += v * value_at(dy, n, oy, ox, o);
                }
            }
}

/* Adds the gradient to dw. */
static void backward_weight(const ts_conv *p, float *dw, const float *x, const float *dy, int threads) {
    ts_pool *pool = threads > 1 ? ts_pool_new(threads) : NULL;
    ts_conv_backward_weight(p, dw, NULL, x, dy, make(ts_conv_scratch_weight(p, threads)), pool);
    ts_pool_free(pool);
}

static void check_weight(const ts_conv *p, const float *x, const float *dy) {
    const ts_conv_shape *s = &p->shape;
    const size_t n = count_w(s);
    double *wide_x = widen(x, count_x(s)), *wide_dy = widen(dy, count_y(p));
    const correlation cx = {.in_h = s->height, .in_w = s->width, .in = s->in, .x = wide_x};
    const correlation cy = {.in_h = p->out_h, .in_w = p->out_w, .in = s->out, .x = wide_dy};
    double *want = make_double(n), *bound = make_double(n), errors = 0, squares = 0;
    float *dw = make_zero(n), *once = make(n);
    weight_reference(s, &cx, &cy, want);
    weight_bound(s, &cx, &cy, bound);
    backward_weight(p, dw, x, dy, 1);
    check_bounded(dw, want, bound, n, __LINE__);
    for (size_t i = 0; i < n; i++) {
        errors += (dw[i] - want[i]) * (dw[i] - want[i]);
        squares += want[i] * want[i];
    }
    CHECK(sqrt(errors) <= 3e-6 * sqrt(squares) + 1e-42 * (double)n); /* on the whole far inside the bound */
    memcpy(once, dw, n * sizeof *once);
    backward_weight(p, dw, x, dy, 1);
    int doubled = 1;
    for (size_t i = 0; i < n; i++) doubled &= dw[i] == 2 * once[i];
    CHECK(doubled); /* it accumulates */
    ts_free(wide_x);
    ts_free(wide_dy);
    ts_free(want);
    ts_free(bound);
}

static void check_passes(const ts_conv *p, const float *x, const float *w, const float *dy) {
    check_forward(p, x, w, forward(p, x, w, NULL, NULL, 1));
    if (p->tile_back) check_backward(p, dy, w, backward(p, dy, w, 1));
}

static void test_random(void) {
    for (int i = 0; i < 3 * (SHAPE_COUNT + ENLARGED_COUNT); i++) {
        const int m = 2 + i % 3 * 2;
        const ts_conv_shape *s = i / 3 < SHAPE_COUNT ? &SHAPES[i / 3] : &ENLARGED[i / 3 - SHAPE_COUNT];
        const ts_conv p = plan_of(s, m, false);
        test_row("shape %d, tile %d", i / 3, m);
        float *dy = make_random(count_y(&p), 1), *w = make_random(count_w(s), 0.5f), *x = make_random(count_x(s), 1);
        check_passes(&p, x, w, dy);
        if (p.tile_weight && m == 4) check_weight(&p, x, dy);
        release();
    }
}

/* Inputs at the ends of the range, constant, and a single one. */
static void test_extremes(void) {
    for (int i = 0; i < 15; i++) {
        const int m = 2 + i % 3 * 2, kind = i / 3;
        const ts_conv_shape *s = kind % 2 ? &ENLARGED[1] : &SHAPES[1];
        const ts_conv p = plan_of(s, m, false);
        const size_t nx = count_x(s), nw = count_w(s), ny = count_y(&p);
        const float scale = kind == 0 ? 1e30f : kind == 1 ? 1e-30f : 1;
        float *x = make_random(nx, scale), *w = make_random(nw, kind == 1 ? 1e-9f : 0.5f), *dy = make_random(ny, scale);
        test_row("kind %d, tile %d", kind, m);
        for (size_t k = 0; k < nx && kind > 1; k++) x[k] = kind == 2 ? 0.7f : k == nx / 2 + 3;
        for (size_t k = 0; k < ny && kind > 1; k++) dy[k] = kind == 2 ? -1.3f : k == ny / 3;
        for (size_t k = 0; k < nw && kind == 4; k++) w[k] = 1;
        check_passes(&p, x, w, dy);
        for (size_t k = 0; k < ny && kind == 0; k++) dy[k] *= 1e-30f;
        if (p.tile_weight && m == 4) check_weight(&p, x, dy);
        release();
    }
}

/* Filters made while streaming, from either kind of values, give the bits of panels made before. */
static void test_streaming(void) {
    for (int i = 0; i < SHAPE_COUNT + ENLARGED_COUNT; i++) {
        const ts_conv_shape *s = i < SHAPE_COUNT ? &SHAPES[i] : &ENLARGED[i - SHAPE_COUNT];
        const ts_conv p = plan_of(s, 4, false), streaming = plan_of(s, 4, true);
        float *x = make_random(count_x(s), 1), *w = make_random(count_w(s), 0.5f);
        uint16_t *halves = ts_alloc(count_w(s) * sizeof *halves);
        test_row("shape %d", i);
        for (size_t k = 0; k < count_w(s); k++) {
            halves[k] = ts_f16_from_f32(w[k]);
            w[k] = ts_f32_from_f16(halves[k]);
        }
        const float *y = forward(&p, x, w, NULL, NULL, 1);
        CHECK_BYTES(forward(&streaming, x, w, NULL, NULL, 1), y, count_y(&p) * sizeof *y);
        CHECK_BYTES(forward(&streaming, x, NULL, halves, NULL, 3), y, count_y(&p) * sizeof *y);
        ts_free(halves);
        release();
    }
}

/* Threads, and the other images of a batch, change no bit. */
static void test_threads(void) {
    for (int k = 0; k < 2 * SHAPE_COUNT; k++) {
        const int i = k / 2, m = k % 2 ? 6 : 4;
        const ts_conv p = plan_of(&SHAPES[i], m, false);
        ts_conv_shape alone = SHAPES[i];
        alone.batch = 1;
        const ts_conv single = plan_of(&alone, m, false);
        float *x = make_random(count_x(&SHAPES[i]), 1), *w = make_random(count_w(&SHAPES[i]), 0.5f);
        float *dy = make_random(count_y(&p), 1);
        test_row("shape %d, tile %d", i, m);
        const float *y = forward(&p, x, w, NULL, NULL, 1), *dx = backward(&p, dy, w, 1);
        CHECK_BYTES(forward(&p, x, w, NULL, NULL, 3), y, count_y(&p) * sizeof *y);
        CHECK_BYTES(backward(&p, dy, w, 3), dx, count_x(&p.shape) * sizeof *dx);
        if (p.tile_weight) {
            float *one = make_zero(count_w(&p.shape)), *many = make_zero(count_w(&p.shape));
            backward_weight(&p, one, x, dy, 1);
            backward_weight(&p, many, x, dy, 3);
            CHECK_BYTES(many, one, count_w(&p.shape) * sizeof *one);
        }
        for (int n = 0; n < SHAPES[i].batch; n++)
            CHECK_BYTES(forward(&single, x + (size_t)n * count_x(&alone), w, NULL, NULL, 1),
                        y + (size_t)n * count_y(&single), count_y(&single) * sizeof *y);
        release();
    }
}

/* What is fused is what separate passes do, bit for bit; the addend may be the output. */
static void test_fusion(void) {
    const ts_act acts[] = {TS_ACT_NONE, TS_ACT_RELU, TS_ACT_LEAKY_RELU, TS_ACT_SILU, TS_ACT_GELU, TS_ACT_TANH};
    for (int i = 0; i < 12; i++) {
        const ts_conv_shape *s = i % 3 == 2 ? &ENLARGED[1] : &SHAPES[2];
        const ts_conv p = plan_of(s, i % 2 ? i % 4 == 1 ? 6 : 4 : 2, i % 4 == 3);
        const size_t nx = count_x(s), ny = count_y(&p), per_image = nx / (size_t)s->batch;
        float *x = make_random(nx, 1), *w = make_random(count_w(s), 0.5f), *normal = make(nx),
              *add = make_random(ny, 1);
        ts_conv_fuse fuse = {.bias = make_random((size_t)s->out, 1),
                             .act = acts[i % 6],
                             .slope = 0.2f,
                             .add = add,
                             .scale = make_random((size_t)(s->batch * s->in), 2),
                             .shift = make_random((size_t)(s->batch * s->in), 1),
                             .load_act = acts[i / 2]};
        test_row("case %d", i);
        for (size_t k = 0; k < nx; k++) {
            const size_t channel = k / per_image * (size_t)s->in + k % (size_t)s->in;
            vf_store_part(normal + k,
                          vf_madd(vf_set1(x[k]), vf_set1(fuse.scale[channel]), vf_set1(fuse.shift[channel])), 1);
        }
        ts_act_forward(normal, normal, nx, fuse.load_act, fuse.slope, NULL);
        float *want = forward(&p, normal, w, NULL, &(ts_conv_fuse){.bias = fuse.bias}, 1);
        ts_act_forward(want, want, ny, fuse.act, fuse.slope, NULL);
        for (size_t k = 0; k < ny; k++) want[k] += add[k];
        CHECK_BYTES(forward(&p, x, w, NULL, &fuse, 1), want, ny * sizeof *want);
        float *panels = make(p.panels), *scratch = make(ts_conv_scratch_forward(&p, 2));
        ts_pool *pool = ts_pool_new(2);
        ts_conv_pack(&p, panels, w, pool);
        ts_conv_forward(&p, add, x, p.streams ? (ts_filter){.values = w} : (ts_filter){.panels = panels}, &fuse,
                        scratch, pool); /* y is the addend */
        CHECK_BYTES(add, want, ny * sizeof *want);
        ts_pool_free(pool);
        release();
    }
}

/* Scalar, simd128, SSE4.1 and AVX2 without FMA agree to the bit. */
static void test_golden(void) {
    static const uint64_t WANT[][2] = {{0xadc86522dcbd63e5, 0xdd4fea8eaa70d816},
                                       {0x69c606c1d08b879e, 0x0e95f9474ff07c26},
                                       {0x426f47b84d679688, 0},
                                       {0x136c290343f5f31b, 0x68842999a9507283}};
    static const int TILES[] = {2, 4, 4, 6};
    for (int i = 0; i < 4; i++) {
        const ts_conv_shape *s = i == 2 ? &ENLARGED[1] : &SHAPES[1];
        const ts_conv p = plan_of(s, TILES[i], false);
        test_row("case %d", i);
        test_rng = ts_rng_new(7, (uint64_t)i);
        float *x = make_random(count_x(s), 1), *w = make_random(count_w(s), 0.5f), *dy = make_random(count_y(&p), 1);
        CHECK_GOLDEN(forward(&p, x, w, NULL, NULL, 1), count_y(&p), WANT[i][0]);
        if (p.tile_back) CHECK_GOLDEN(backward(&p, dy, w, 1), count_x(s), WANT[i][1]);
        release();
    }
    const ts_conv p = plan_of(&SHAPES[8], 4, false); /* two blocks, channels that fill no vector of 8 */
    test_row("weights");
    test_rng = ts_rng_new(7, 3);
    float *x = make_random(count_x(&p.shape), 1), *dy = make_random(count_y(&p), 1), *dw = make_zero(count_w(&p.shape));
    backward_weight(&p, dw, x, dy, 1);
    CHECK_GOLDEN(dw, count_w(&p.shape), 0x3455fcc8f8ad0a60);
    release();
}

/* Which passes take it. */
static void test_rule(void) {
    const ts_conv_shape big = {1, 64, 64, 128, 128, 3, 3, 1, 1, 1, 1, 1};
    ts_conv p;
    CHECK_INT(ts_conv_plan(&p, &big, NULL), TESS_OK);
    CHECK(p.tile == 6 && p.tile_back == 6 && !p.streams && p.panels > 0 && p.algorithm == TS_CONV_WINOGRAD);
    CHECK(p.tile_weight == 4);
    ts_conv_shape s = big;
    s.in = s.out = 256; /* its panels would be too large */
    CHECK_INT(ts_conv_plan(&p, &s, NULL), TESS_OK);
    CHECK(p.tile == 4 && p.tile_back == 4 && !p.streams && p.panels > 0);
    s = big, s.height = s.width = 36; /* 36 tiles of 64 against 81 of 36 */
    CHECK_INT(ts_conv_plan(&p, &s, NULL), TESS_OK);
    CHECK(p.tile == 6);
    s.batch = 2, s.height = s.width = 32; /* 72 against 128 */
    CHECK_INT(ts_conv_plan(&p, &s, NULL), TESS_OK);
    CHECK(p.tile == 4);
    s = big;
    s.height = s.width = 16, s.in = s.out = 512;
    CHECK_INT(ts_conv_plan(&p, &s, NULL), TESS_OK);
    CHECK(p.tile == 4 && p.streams && p.panels == 0);
    s.in = TS_WINOGRAD_DEPTH + 1;
    CHECK_INT(ts_conv_plan(&p, &s, NULL), TESS_OK);
    CHECK(p.tile == 2 && p.tile_back == 4 && p.tile_weight == 4);
    s = big, s.stride = 2;
    CHECK_INT(ts_conv_plan(&p, &s, NULL), TESS_OK);
    CHECK(p.tile == 0 && p.tile_back == 0 && p.tile_weight == 0 && p.algorithm != TS_CONV_WINOGRAD);
    s = big, s.in = 3;
    CHECK_INT(ts_conv_plan(&p, &s, NULL), TESS_OK);
    CHECK(p.tile == 0 && p.tile_back == 0);
    s = big, s.height = s.width = 6;
    CHECK_INT(ts_conv_plan(&p, &s, NULL), TESS_OK);
    CHECK(p.tile == 0 && p.tile_back == 0);
    s.batch = 3, s.height = s.width = 8;
    CHECK_INT(ts_conv_plan(&p, &s, NULL), TESS_OK);
    CHECK(p.tile == 4 && p.tile_back == 4 && p.tile_weight == 4);
    s.batch = 2;
    CHECK_INT(ts_conv_plan(&p, &s, NULL), TESS_OK);
    CHECK(p.tile == 4 && p.tile_back == 4 && p.tile_weight == 0);
    s = big, s.shuffle = 2;
    CHECK_INT(ts_conv_plan(&p, &s, NULL), TESS_OK);
    CHECK(p.tile == 0 && p.tile_weight == 0);
}

int main(void) {
    printf("back end %s\n", TS_SIMD_NAME);
    RUN(test_random);
    RUN(test_extremes);
    RUN(test_streaming);
    RUN(test_threads);
    RUN(test_fusion);
    RUN(test_golden);
    RUN(test_rule);
    return test_end();
}
