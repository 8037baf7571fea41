/* conv_run.c - runs a convolution job: bands of output rows in parallel, panels of weights, tiles of pixels. */
#include "kernels/conv_job.h"

#include "base/size.h"

#include <string.h>

/* Tasks that the work is cut into at least, per thread; and panels that stay in the nearest cache while the pixels of a
 * tile pass by, in floats. Neither changes bits. */
enum { TASKS = 4, NEAR = 4096 };

static int strip_columns(const ts_conv_job *job, int columns) { return (columns - 1) * job->stride + job->reach_w; }

static int strip_rows(const ts_conv_job *job, int rows) { return (rows - 1) * job->stride + job->reach_h; }

static bool loads_as_is(const ts_conv_job *job) {
    return job->unshuffle == 1 && !job->fuse.scale && job->fuse.load_act == TS_ACT_NONE;
}

bool ts_conv_job_direct(const ts_conv_job *job) {
    return loads_as_is(job) && job->off_y >= 0 && job->off_x >= 0 &&
           job->off_y + strip_rows(job, job->out_h) <= job->in_h &&
           job->off_x + strip_columns(job, job->out_w) <= job->in_w;
}

bool ts_conv_job_dots(const ts_conv_job *job) { return job->out_c <= 3 && job->in_c % 8 == 0; }

/* `extent` in the fewest equal parts of at most `most`. */
static int evenly(int extent, int most) {
    const int parts = (extent + most - 1) / most;
    return (extent + parts - 1) / parts;
}

ts_conv_window ts_conv_job_window(const ts_conv_job *job) {
    enum { ROWS = 8, COLUMNS = 16, PIXELS = 1024, STRIP = 96 << 10 };
    const size_t row = (size_t)strip_columns(job, job->out_w) * (size_t)job->in_c * sizeof(float);
    int rows = 1;
    while (rows < job->out_h && (size_t)rows * (size_t)job->out_w < 512 &&
           ((size_t)rows * (size_t)job->out_w < 128 || row * (size_t)strip_rows(job, rows + 1) < (size_t)192 << 10))
        rows++;
    if (rows >= ROWS || rows == job->out_h || job->reach_h <= job->stride)
        return (ts_conv_window){evenly(job->out_h, rows), job->out_w};
    rows = evenly(job->out_h, ROWS);
    int columns = (STRIP / job->in_c / strip_rows(job, rows) - job->reach_w) / job->stride;
    columns = columns < COLUMNS ? COLUMNS : columns > PIXELS / rows ? PIXELS / rows : columns;
    return (ts_conv_window){rows, evenly(job->out_w, columns)};
}

size_t ts_conv_job_scratch(const ts_conv_job *job) {
    if (job->reach_h < 1) return 0;
    const ts_conv_window window = ts_conv_job_window(job);
    const size_t rows = (size_t)strip_rows(job, window.rows), columns = (size_t)strip_columns(job, window.columns);
    return ts_div_up(rows * columns * (size_t)job->in_c, 16) * 16;
}

typedef struct run {
    const ts_conv_job *job;
    float *scratch;
    size_t scratch_each;
    ts_conv_window window;
    int bands, spans, parts; /* windows down and across; parts of the output channels */
    bool direct, dots;
} run;

/* A window of an image's outputs, the same for every phase. */
typedef struct window {
    size_t image;
    int y, x, rows, columns;
} window;

/* What a task reads: the place of the job's off for the window's first output. */
typedef struct source {
    const float *a;
    size_t line; /* floats between rows */
} source;

static source window_source(const run *r, const window *w, float *strip) {
    const ts_conv_job *j = r->job;
    const ts_conv_fuse *fuse = &j->fuse;
    const size_t c = (size_t)j->in_c, floats = (size_t)j->in_h * (size_t)j->in_w * c;
    const int y = w->y * j->stride + j->off_y, x = w->x * j->stride + j->off_x, columns = strip_columns(j, w->columns);
    if (r->direct) {
        const size_t line = (size_t)j->in_w * c;
        return (source){j->in + w->image * floats + (size_t)y * line + (size_t)x * c, line};
    }
    const ts_conv_picture picture = {.x = j->in + w->image * floats,
                                     .height = j->in_h,
                                     .width = j->in_w,
                                     .channels = j->in_c,
                                     .unshuffle = j->unshuffle,
                                     .scale = fuse->scale ? fuse->scale + w->image * c : NULL,
                                     .shift = fuse->scale ? fuse->shift + w->image * c : NULL,
                                     .act = fuse->load_act,
                                     .slope = fuse->slope};
    ts_conv_load_strip(strip, &picture, y, strip_rows(j, w->rows), x, columns);
    return (source){strip, (size_t)columns * c};
}

/* One phase over a window, ready to run. */
typedef struct piece {
    const run *run;
    const ts_conv_phase *phase;
    const float *a;      /* the first tap of the window's first output */
    size_t row, pixel;   /* floats from there to the next output row's, the next pixel's */
    size_t line;         /* floats from tap row to tap row */
    float *out;          /* the first pixel */
    int columns, pixels; /* outputs per row, and in all */
    bool plain;          /* nothing but storing is left to do */
} piece;

/* The tile of `count` pixels from (y, x) on; targets: where their first channels go. */
static void aim(const piece *b, ts_tile *tile, float **targets, int count, int *y, int *x) {
    for (int i = 0; i < TS_MR; i++) {
        if (i >= count) {
            tile->a[i] = tile->a[i - 1];
            continue;
        }
        tile->a[i] = b->a + (size_t)*y * b->row + (size_t)*x * b->pixel;
        targets[i] = b->out + (size_t)*y * b->run->job->out_row + (size_t)*x * b->run->job->out_pixel;
        if (++*x == b->columns) *x = 0, ++*y;
    }
}

/* y = x [+ add], n values. */
static void store_run(float *y, const float *x, const float *add, size_t n) {
    for (size_t i = 0; i < n; i += TS_VF) {
        vf v = vf_load_upto(x + i, n - i);
        if (add) v = vf_add(v, vf_load_upto(add + i, n - i));
        vf_store_upto(y + i, v, n - i);
    }
}

/* Depth to space: columns first .. first + columns - 1 of a pixel, in runs that go to one row each. */
static void store_shuffled(const ts_conv_job *j, float *to, const float *x, const float *add, size_t first,
                           size_t columns) {
    const size_t f = (size_t)j->shuffle, length = (size_t)j->out_c / f, row = j->out_row / (size_t)j->step / f;
    for (size_t fy = first / length, at = first % length, n; columns > 0; columns -= n, x += n, fy++, at = 0) {
        n = ts_min_size(columns, length - at);
        store_run(to + fy * row + at, x, add ? add + fy * row + at : NULL, n);
    }
}

/* Stores a tile of channels first .. first + columns - 1 from room [TS_MR][width]: activation, addition, depth to space. */
static void finish_tile(const ts_conv_job *j, float *room, int width, float *const *targets, int count, int first,
                        int columns) {
    const ts_conv_fuse *fuse = &j->fuse;
    if (fuse->act != TS_ACT_NONE) ts_act_affine(room, room, NULL, NULL, 1, count * width, fuse->act, fuse->slope);
    for (int i = 0; i < count; i++, room += width) {
        const float *add = fuse->add ? fuse->add + (targets[i] - j->out) : NULL;
        if (j->shuffle > 1) store_shuffled(j, targets[i], room, add, (size_t)first, (size_t)columns);
        else store_run(targets[i] + first, room, add ? add + first : NULL, (size_t)columns);
    }
}

/* The bias of columns first .. first + columns - 1, in `start` where it does not lie so. */
static const float *column_bias(const ts_conv_job *j, float *start, size_t first, size_t columns) {
    const size_t square = (size_t)(j->shuffle * j->shuffle);
    if (square == 1 && columns % TS_VF == 0) return j->fuse.bias + first;
    for (size_t i = columns / TS_VF * TS_VF; i < TS_NR; i++) start[i] = 0;
    for (size_t o = 0, at = ts_conv_job_channel(j, first); o < columns; o++) {
        start[o] = j->fuse.bias[at];
        at += square;
        if (at >= (size_t)j->out_c)
            at -= (size_t)j->out_c - 1; /* from the last channel of one place to the next place */
    }
    return start;
}

/* One tile of pixels times one panel of output channels. */
static void run_tile(const piece *b, ts_tile *tile, float *const *targets, int count, int first) {
    const ts_conv_job *j = b->run->job;
    const ts_conv_phase *phase = b->phase;
    static const float zero[TS_NR];
    float room[TS_MR * TS_NR], padded[TS_NR];
    const int vectors = ts_panel_vectors(j->out_c, first), width = vectors * TS_VF;
    const int columns = j->out_c - first < width ? j->out_c - first : width;
    const int length = phase->taps_w * j->in_c;
    const float *panel = j->panels + phase->panels + (size_t)first * (size_t)(phase->taps_h * length);
    const bool straight = b->plain && columns == width;
    const float *start = j->fuse.bias ? column_bias(j, padded, (size_t)first, (size_t)columns) : zero;
    for (int i = 0; i < TS_MR; i++) tile->c[i] = straight && i < count ? targets[i] + first : room + i * width;
    if (b->run->dots) {
        ts_tile_dots(tile, phase->taps_h, length, b->line, panel, start);
    } else {
        ts_tile_rows(tile, vectors, phase->taps_h, length, b->line, panel, start);
    }
    if (!straight) finish_tile(j, room, width, targets, count, first, columns);
}

/* Output channels [begin, end) of a phase over a window. Pixels pass by a group of panels that stays near. */
static void run_piece(const piece *b, int begin, int end) {
    const int k = b->phase->taps_h * b->phase->taps_w * b->run->job->in_c;
    const int near = NEAR / (k * TS_NR > 0 ? k * TS_NR : 1), group = near > 1 ? near * TS_NR : TS_NR;
    for (int from = begin; from < end; from += group) {
        const int to = end - from < group ? end : from + group;
        for (int p = 0, y = 0, x = 0; p < b->pixels; p += TS_MR) {
            ts_tile tile;
            float *targets[TS_MR];
            const int count = b->pixels - p < TS_MR ? b->pixels - p : TS_MR;
            aim(b, &tile, targets, count, &y, &x);
            for (int first = from; first < to; first += TS_NR) run_tile(b, &tile, targets, count, first);
        }
    }
}

static int least(int a, int b) { return a < b ? a : b; }

static void run_window(const run *r, const window *w, const source *s, int begin, int end) {
    const ts_conv_job *j = r->job;
    for (int i = 0; i < j->step * j->step; i++) {
        const ts_conv_phase *phase = &j->phases[i];
        const int rows = least(phase->out_h - w->y, w->rows), columns = least(phase->out_w - w->x, w->columns);
        if (rows < 1 || columns < 1) continue;
        piece b = {.run = r, .phase = phase, .a = s->a, .line = s->line, .columns = columns, .pixels = rows * columns};
        b.row = (size_t)j->stride * s->line;
        b.pixel = (size_t)(j->stride * j->in_c);
        if (phase->taps_h > 0 && phase->taps_w > 0)
            b.a += (size_t)(phase->off_y - j->off_y) * s->line + (size_t)((phase->off_x - j->off_x) * j->in_c);
        b.out = j->out + w->image * j->out_image + phase->first + (size_t)w->y * j->out_row +
                (size_t)w->x * j->out_pixel;
        b.plain = j->fuse.act == TS_ACT_NONE && !j->fuse.add && j->shuffle == 1 && !r->dots;
        run_piece(&b, begin, end);
    }
}

static void run_task(void *context, size_t begin, size_t end, int worker) {
    const run *r = context;
    const ts_conv_job *j = r->job;
    const int panels = (j->out_c + TS_NR - 1) / TS_NR, each = (panels + r->parts - 1) / r->parts * TS_NR;
    for (size_t t = begin; t < end; t++) {
        const int part = (int)(t % (size_t)r->parts) * each;
        const size_t place = t / (size_t)r->parts;
        window w = {.image = place / (size_t)(r->bands * r->spans)};
        w.y = (int)(place / (size_t)r->spans % (size_t)r->bands) * r->window.rows;
        w.x = (int)(place % (size_t)r->spans) * r->window.columns;
        w.rows = least(j->out_h - w.y, r->window.rows);
        w.columns = least(j->out_w - w.x, r->window.columns);
        if (part >= j->out_c || w.rows < 1 || w.columns < 1) continue;
        source s = {j->in, 0};
        if (j->reach_h > 0) s = window_source(r, &w, r->scratch + (size_t)worker * r->scratch_each);
        run_window(r, &w, &s, part, least(j->out_c, part + each));
    }
}

void ts_conv_job_run(const ts_conv_job *job, float *scratch, ts_pool *pool) {
    if (job->out_h < 1 || job->out_w < 1) return;
    const int panels = (job->out_c + TS_NR - 1) / TS_NR, threads = ts_pool_threads(pool);
    run r = {.job = job, .scratch = scratch, .scratch_each = ts_conv_job_scratch(job), .parts = 1};
    r.window = ts_conv_job_window(job);
    r.bands = (job->out_h + r.window.rows - 1) / r.window.rows;
    r.spans = (job->out_w + r.window.columns - 1) / r.window.columns;
    r.direct = ts_conv_job_direct(job);
    r.dots = ts_conv_job_dots(job);
    const size_t tasks = (size_t)job->batch * (size_t)r.bands * (size_t)r.spans;
    if (threads > 1 && tasks < (size_t)(TASKS * threads))
        r.parts = (int)ts_min_size((size_t)panels, ts_div_up((size_t)(TASKS * threads), tasks));
    ts_parallel(pool, tasks * (size_t)r.parts, 1, run_task, &r);
}
