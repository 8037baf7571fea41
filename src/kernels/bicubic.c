#include "kernels/bicubic.h"

#include <string.h>

#include "kernels/flat.h"

/* Taps of an output at most, from n to m samples. */
static size_t most_taps(int n, int m) { return n > m ? 4 * (size_t)n / (size_t)m + 3 : 5; }

static double cubic(double x) {
    x = x < 0 ? -x : x;
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/* The weights of output i of m from n samples; returns how many there are, *first: the sample of the first. */
static int find_taps(int i, int n, int m, int *first, float *weights) {
    const double scale = (double)n / m, stretch = scale > 1 ? scale : 1, centre = (i + 0.5) * scale;
    const int from = (int)(centre - 2 * stretch + 0.5), to = (int)(centre + 2 * stretch + 0.5);
    const int low = from > 0 ? from : 0, high = to < n ? to : n;
    double sum = 0;
    for (int k = low; k < high; k++) sum += cubic((k + 0.5 - centre) / stretch);
    for (int k = low; k < high; k++) weights[k - low] = (float)(cubic((k + 0.5 - centre) / stretch) / sum);
    *first = low;
    return high - low;
}

/* A column's taps in scratch: the first sample's number and how many there are, as floats, then the weights. */
static size_t column_floats(int w, int out_w) { return 2 + most_taps(w, out_w); }

/* A worker's row and its taps. */
static size_t row_floats(int h, int out_h, int w, int c) { return (size_t)w * (size_t)c + most_taps(h, out_h); }

size_t ts_bicubic_scratch(int h, int out_h, int w, int out_w, int c, int threads) {
    return (size_t)out_w * column_floats(w, out_w) + (size_t)threads * row_floats(h, out_h, w, c);
}

typedef struct resampling {
    float *y;
    const float *x;
    int h, w, c, out_h, out_w;
    float *columns, *rows; /* of scratch */
} resampling;

/* y += weight x */
static void add_scaled(float *y, const float *x, float weight, size_t count) {
    const vf factor = vf_set1(weight);
    TS_FLAT_LOOP(0, count) { vf_store_upto(y + i, vf_madd(factor, vf_load_upto(x + i, n), vf_load_upto(y + i, n)), n); }
}

static void resample_row(const resampling *r, float *y, const float *row) {
    const float *column = r->columns;
    for (int i = 0; i < r->out_w; i++, column += column_floats(r->w, r->out_w)) {
        const float *from = row + (size_t)column[0] * (size_t)r->c;
        const int count = (int)column[1];
        for (int k = 0; k < r->c; k++) {
            float sum = 0;
            for (int t = 0; t < count; t++) sum += column[2 + t] * from[t * r->c + k];
            *y++ = sum;
        }
    }
}

static void resample_task(void *context, size_t begin, size_t end, int worker) {
    const resampling *r = context;
    const size_t row_size = (size_t)r->w * (size_t)r->c;
    float *row = r->rows + (size_t)worker * row_floats(r->h, r->out_h, r->w, r->c), *weights = row + row_size;
    for (size_t o = begin; o < end; o++) {
        int first;
        const int count = find_taps((int)o, r->h, r->out_h, &first, weights);
        memset(row, 0, row_size * sizeof *row);
        for (int t = 0; t < count; t++) add_scaled(row, r->x + (size_t)(first + t) * row_size, weights[t], row_size);
        resample_row(r, r->y + o * (size_t)r->out_w * (size_t)r->c, row);
    }
}

void ts_bicubic(float *y, int out_h, int out_w, const float *x, int h, int w, int c, float *scratch, ts_pool *pool) {
    const size_t column = column_floats(w, out_w);
    resampling r = {y, x, h, w, c, out_h, out_w, scratch, scratch + (size_t)out_w * column};
    for (int i = 0; i < out_w; i++) {
        float *taps = scratch + (size_t)i * column;
        int first;
        taps[1] = (float)find_taps(i, w, out_w, &first, taps + 2);
        taps[0] = (float)first;
    }
    ts_parallel(pool, (size_t)out_h, 8, resample_task, &r);
}
