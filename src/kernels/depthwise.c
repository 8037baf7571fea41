/* depthwise.c - depthwise convolution, forward: OUTPUTS neighbours of a row at a time, lanes along channels.
 *
 * A tap's weight is read once for all outputs of a block. A block whose taps reach beyond the picture reads a copy of its
 * surroundings with the zeros in place, so that there is one inner loop and a place's bits depend on no block.
 */
#include "kernels/depthwise.h"

#include "kernels/flat.h"

#include <stdint.h>

enum { OUTPUTS = 8, ROWS = 16 }; /* ROWS per task */

typedef struct depthwise_job {
    ts_depthwise d;
    float *y;
    const float *x, *w, *bias;
    bool flip;
    float *scratch;
    size_t scratch_each;
} depthwise_job;

/* What a block reads: `at` is the place of its first output's first tap. */
typedef struct window {
    const float *at;
    size_t row; /* floats from a row of places to the next */
} window;

static size_t window_floats(const ts_depthwise *d) {
    return (size_t)d->kernel * (size_t)(OUTPUTS - 1 + d->kernel) * (size_t)d->channels;
}

static window window_of(const depthwise_job *j, int image, int y, int x, float *room) {
    const ts_depthwise *d = &j->d;
    const int half = d->kernel / 2, span = OUTPUTS - 1 + d->kernel;
    const int left = x - half, top = y - half;
    const size_t c = (size_t)d->channels, row = (size_t)d->width * c, copied = (size_t)span * c;
    const float *from = j->x + (size_t)image * (size_t)d->height * row;
    if (left >= 0 && top >= 0 && left + span <= d->width && top + d->kernel <= d->height)
        return (window){from + (size_t)top * row + (size_t)left * c, row};
    const int first = left < 0 ? 0 : left, last = left + span < d->width ? left + span : d->width;
    memset(room, 0, (size_t)d->kernel * copied * sizeof *room);
    for (int k = 0; k < d->kernel; k++) {
        if (top + k < 0 || top + k >= d->height) continue;
        memcpy(room + (size_t)k * copied + (size_t)(first - left) * c,
               from + (size_t)(top + k) * row + (size_t)first * c, (size_t)(last - first) * c * sizeof *room);
    }
    return (window){room, copied};
}

/* One vector of channels of a block: n of them from `channel` on; `count` outputs are stored. */
static inline void block_lanes(const depthwise_job *j, float *y, window from, size_t channel, size_t n, size_t count) {
    const size_t c = (size_t)j->d.channels, kernel = (size_t)j->d.kernel;
    const ptrdiff_t step = j->flip ? -(ptrdiff_t)c : (ptrdiff_t)c;
    const float *w = j->w + channel + (j->flip ? (kernel * kernel - 1) * c : 0);
    const vf start = j->bias ? vf_load_upto(j->bias + channel, n) : vf_zero();
    vf sum[OUTPUTS];
    TS_UNROLL for (int i = 0; i < OUTPUTS; i++) sum[i] = start;
    for (size_t ky = 0; ky < kernel; ky++) {
        const float *x = from.at + ky * from.row + channel;
        for (size_t kx = 0; kx < kernel; kx++, x += c, w += step) {
            const vf tap = vf_load_upto(w, n);
            TS_UNROLL for (size_t i = 0; i < OUTPUTS; i++) sum[i] = vf_madd(vf_load_upto(x + i * c, n), tap, sum[i]);
        }
    }
    for (size_t i = 0; i < count; i++, y += c) vf_store_upto(y + channel, sum[i], n);
}

/* Outputs from (row, first) on: OUTPUTS of them, or the whole row where it has fewer. */
static void forward_block(const depthwise_job *j, size_t row, int first, float *room) {
    const ts_depthwise *d = &j->d;
    const size_t c = (size_t)d->channels, whole = c / TS_VF * TS_VF, height = (size_t)d->height;
    const size_t count = d->width < OUTPUTS ? (size_t)d->width : OUTPUTS;
    const window from = window_of(j, (int)(row / height), (int)(row % height), first, room);
    float *y = j->y + (row * (size_t)d->width + (size_t)first) * c;
    for (size_t channel = 0; channel < whole; channel += TS_VF) block_lanes(j, y, from, channel, TS_VF, count);
    if (whole < c) block_lanes(j, y, from, whole, c - whole, count);
}

/* Rows of places begin .. end-1, a column of blocks after the other: a block finds most of its rows in the nearest cache. */
static void forward_task(void *context, size_t begin, size_t end, int worker) {
    const depthwise_job *j = context;
    const int width = j->d.width;
    for (int x = 0; x < width; x += OUTPUTS) {
        const int first = x + OUTPUTS > width && width >= OUTPUTS ? width - OUTPUTS : x; /* the last starts earlier */
        for (size_t row = begin; row < end; row++)
            forward_block(j, row, first, j->scratch + (size_t)worker * j->scratch_each);
    }
}

size_t ts_depthwise_scratch(const ts_depthwise *d, int threads) {
    return (window_floats(d) + 15) / 16 * 16 * (size_t)threads;
}

void ts_depthwise_forward(const ts_depthwise *d, float *y, const float *x, const float *w, const float *bias, bool flip,
                          float *scratch, ts_pool *pool) {
    depthwise_job j = {*d, y, x, w, bias, flip, scratch, ts_depthwise_scratch(d, 1)};
    ts_parallel(pool, (size_t)d->batch * (size_t)d->height, ROWS, forward_task, &j);
}
