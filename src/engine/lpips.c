/* lpips.c - tess_lpips: LPIPS of two pictures, window by window.
 *
 * Both pictures run through the trunk as a batch of two, and a head is the mean of its places' distances. A large picture is
 * cut into parts; each is seen with so much around it that its places have the values that they have in the whole picture.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "engine/engine.h"
#include "engine/feature_net.h"
#include "engine/net.h"
#include "engine/pixels.h"
#include "graph/graph.h"
#include "kernels/loss.h"
#include "nets/perceptual.h"

/* In pixels. The trunk's maps keep their grid when a window begins at a multiple of GRID, its last step. A place of the last
 * map depends on 88 pixels before it and 118 from its own first pixel on: four 3x3 convolutions at a step of 16, two at 8 and
 * two at 4 reach to both sides, three pools and the first convolution on to the right and down. */
enum { PART = 512, GRID = 16, BEFORE = 96, AFTER = 112 };

struct tess_lpips {
    ts_error error;
    ts_feature_net features;
    int threads;
    ts_pool *pool;
    /* the job: the second picture lies under the first one; data NULL: none */
    ts_pixels pictures;
    int columns, rows, at;                                        /* parts */
    double sum[TS_PERCEPTUAL_HEADS], places[TS_PERCEPTUAL_HEADS]; /* of the parts done */
    double value;                                                 /* of the last job, NaN without one */
    /* the graph of one size of window */
    ts_graph *graph;
    ts_tensor in, taps[TS_PERCEPTUAL_HEADS];
    int next; /* node to go on from */
};

/* A part along one axis and the window around it. */
typedef struct part {
    int begin, end;
    int from, to;
    bool last;
} part;

static part part_at(int extent, int parts, int index) {
    part p = {.begin = extent * index / parts / GRID * GRID, .end = extent, .last = index == parts - 1};
    if (!p.last) p.end = extent * (index + 1) / parts / GRID * GRID;
    p.from = p.begin > BEFORE ? p.begin - BEFORE : 0;
    p.to = extent - p.end > AFTER ? p.end + AFTER : extent;
    return p;
}

static part across(const tess_lpips *l) { return part_at(l->pictures.width, l->columns, l->at % l->columns); }
static part down(const tess_lpips *l) { return part_at(l->pictures.height / 2, l->rows, l->at / l->columns); }

static void drop_graph(tess_lpips *l) {
    ts_graph_free(l->graph);
    l->graph = NULL;
}

/* Ends the job: nothing of it is needed for the value. */
static void drop_job(tess_lpips *l) {
    ts_free(l->pictures.data);
    l->pictures = (ts_pixels){0};
    drop_graph(l);
    l->next = 0;
}

tess_lpips *tess_lpips_new(void) {
    tess_lpips *lpips = ts_calloc(1, sizeof *lpips);
    if (!lpips) return NULL;
    lpips->threads = 1;
    lpips->value = NAN;
    return lpips;
}

void tess_lpips_free(tess_lpips *lpips) {
    if (!lpips) return;
    drop_job(lpips);
    ts_feature_net_drop(&lpips->features);
    ts_pool_free(lpips->pool);
    ts_free(lpips);
}

const char *tess_lpips_message(const tess_lpips *lpips) { return lpips ? lpips->error.text : "There is no measure."; }

tess_status tess_lpips_features(tess_lpips *lpips, const void *net, size_t net_size, const void *heads,
                                size_t heads_size) {
    if (!lpips) return TESS_ERR_STATE;
    ts_clear(&lpips->error);
    drop_job(lpips);
    return ts_feature_net_load(&lpips->features, net, net_size, heads, heads_size, &lpips->error);
}

tess_status tess_lpips_set(tess_lpips *lpips, const char *option, double value) {
    if (!lpips || !option) return TESS_ERR_STATE;
    ts_clear(&lpips->error);
    if (strcmp(option, "threads") != 0)
        return ts_fail(&lpips->error, TESS_ERR_OPTION, "There is no measure option %.40s; there is threads.", option);
    if (!(value >= 1 && value <= TS_MAX_THREADS) || value != floor(value))
        return ts_fail(&lpips->error, TESS_ERR_OPTION, "threads must be a whole number from 1 to %d, not %g.",
                       TS_MAX_THREADS, value);
    if (lpips->graph) return ts_fail(&lpips->error, TESS_ERR_STATE, "Set threads before the first step of a job.");
    lpips->threads = (int)value;
    return TESS_OK;
}

static tess_status check(tess_lpips *l, int width, int height) {
    if (!l->features.weights)
        return ts_fail(&l->error, TESS_ERR_STATE, "LPIPS needs a feature net: give one with tess_lpips_features.");
    if (width < TS_PERCEPTUAL_SIDE || height < TS_PERCEPTUAL_SIDE)
        return ts_fail(&l->error, TESS_ERR_INPUT, "LPIPS needs pictures of at least %d pixels a side, not %d x %d.",
                       TS_PERCEPTUAL_SIDE, width, height);
    if (width > TS_MAX_SIDE || height > TS_MAX_SIDE || (size_t)width * (size_t)height > TS_MAX_PIXELS)
        return ts_fail(&l->error, TESS_ERR_TOO_LARGE,
                       "Pictures of %d x %d are too large; sides go to %d and pixels to %zu.", width, height,
                       TS_MAX_SIDE, TS_MAX_PIXELS);
    return TESS_OK;
}

uint8_t *tess_lpips_begin(tess_lpips *lpips, int width, int height) {
    if (!lpips) return NULL;
    ts_clear(&lpips->error);
    drop_job(lpips);
    lpips->value = NAN;
    if (check(lpips, width, height)) return NULL;
    const size_t bytes = 6 * (size_t)width * (size_t)height;
    lpips->pictures = (ts_pixels){ts_alloc(bytes), width, 2 * height, 3};
    if (!lpips->pictures.data) ts_fail_memory(&lpips->error, bytes);
    lpips->columns = (width + PART - 1) / PART;
    lpips->rows = (height + PART - 1) / PART;
    lpips->at = 0;
    memset(lpips->sum, 0, sizeof lpips->sum);
    memset(lpips->places, 0, sizeof lpips->places);
    return lpips->pictures.data;
}

/* Makes the graph fit the window; windows of one size share one. */
static tess_status prepare(tess_lpips *l, part x, part y) {
    static const float range[2] = {0, 255};
    const ts_shape shape = {2, y.to - y.from, x.to - x.from, 3};
    if (l->graph) {
        const ts_shape had = ts_graph_shape(l->graph, l->in);
        if (had.h == shape.h && had.w == shape.w) return TESS_OK;
    }
    drop_graph(l);
    if (!ts_pool_resize(&l->pool, l->threads)) return ts_fail_memory(&l->error, 0);
    tess_status status = ts_graph_new(TS_GRAPH_INFERENCE, &l->graph, &l->error);
    if (status) return status;
    l->in = ts_graph_input(l->graph, shape, false);
    ts_perceptual_features(l->graph, l->features.weights, l->in, range, l->taps);
    for (int i = 0; i < TS_PERCEPTUAL_HEADS; i++) ts_graph_output(l->graph, l->taps[i]);
    status = ts_graph_plan(l->graph, l->threads, &l->error);
    return status ? status : ts_graph_alloc(l->graph, &l->error);
}

/* Starts on the window at hand. */
static tess_status enter(tess_lpips *l) {
    static const float range[2] = {0, 255};
    const part x = across(l), y = down(l);
    const int width = x.to - x.from, height = y.to - y.from;
    const tess_status status = prepare(l, x, y);
    for (int i = 0; i < 2 && !status; i++)
        ts_pixels_to_floats(&l->pictures, x.from, y.from + i * (l->pictures.height / 2), width, height, range,
                            ts_graph_data(l->graph, l->in) + (size_t)i * (size_t)height * (size_t)width * 3);
    return status;
}

/* Adds what the part's places give to one head. */
static void add_head(tess_lpips *l, int head, part x, part y) {
    const ts_shape s = ts_graph_shape(l->graph, l->taps[head]);
    const size_t picture = (size_t)s.h * (size_t)s.w * (size_t)s.c;
    const int step = TS_PERCEPTUAL_STEP(head), left = (x.begin - x.from) / step, top = (y.begin - y.from) / step;
    const int right = x.last ? s.w : (x.end - x.from) / step, bottom = y.last ? s.h : (y.end - y.from) / step;
    const ts_param *weights = ts_params_at(l->features.params, ts_perceptual_head(l->features.params, head));
    for (int row = top; row < bottom; row++) {
        const float *a = ts_graph_data(l->graph, l->taps[head]) +
                         ((size_t)row * (size_t)s.w + (size_t)left) * (size_t)s.c;
        const double mean = ts_lpips_head(NULL, a, a + picture, l->features.values + weights->offset,
                                          (size_t)(right - left), s.c, 0, NULL);
        l->sum[head] += mean * (right - left);
        l->places[head] += right - left;
    }
}

tess_status tess_lpips_step(tess_lpips *lpips) {
    if (!lpips) return TESS_ERR_STATE;
    ts_clear(&lpips->error);
    if (!lpips->pictures.data)
        return ts_fail(&lpips->error, TESS_ERR_STATE, "There is nothing to measure: call tess_lpips_begin first.");
    const tess_status status = lpips->next ? TESS_OK : enter(lpips);
    if (status) {
        drop_job(lpips);
        return status;
    }
    const uint64_t macs = TS_NET_MACS * (uint64_t)ts_pool_threads(lpips->pool);
    if (!ts_graph_forward_some(lpips->graph, lpips->pool, &lpips->next, macs)) return TESS_MORE;
    lpips->next = 0;
    for (int i = 0; i < TS_PERCEPTUAL_HEADS; i++) add_head(lpips, i, across(lpips), down(lpips));
    if (++lpips->at < lpips->columns * lpips->rows) return TESS_MORE;
    lpips->value = 0;
    for (int i = 0; i < TS_PERCEPTUAL_HEADS; i++) lpips->value += lpips->sum[i] / lpips->places[i];
    drop_job(lpips);
    return TESS_DONE;
}

double tess_lpips_value(const tess_lpips *lpips) { return lpips ? lpips->value : NAN; }
