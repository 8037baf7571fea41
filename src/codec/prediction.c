/* prediction.c - a predictor at work on one tile. */
#include "base/alloc.h"
#include "codec/predictor_net.h"

#include <stdbool.h>
#include <string.h>

struct ts_prediction {
    const ts_predictor *predictor;
    ts_token_view view;
    int frequent;
    int16_t *own, *low; /* vectors of the tile with its margins, [rows][columns][dim]; owned */
    size_t own_columns, low_columns;
    int16_t *window; /* two places' inputs of the first layer's former part; owned */
    int32_t *ahead;  /* [width, even][hidden]: its sums for the row `ahead_of`; owned */
    int ahead_of;
    int16_t *hidden, *inner, *query; /* what goes into the other layers; owned */
    int32_t *sums;                   /* what comes out; owned */
    uint32_t *below;                 /* [size + 1]: masses of the codes before, `frequent` left out */
    uint32_t most;                   /* mass of `frequent` */
};

tess_status ts_prediction_new(ts_prediction **out, ts_error *err) {
    *out = ts_calloc(1, sizeof **out);
    return *out ? TESS_OK : ts_fail_memory(err, sizeof **out);
}

static void drop(ts_prediction *p) {
    ts_free(p->own);
    ts_free(p->low);
    ts_free(p->window);
    ts_free(p->ahead);
    ts_free(p->hidden);
    ts_free(p->inner);
    ts_free(p->query);
    ts_free(p->sums);
    ts_free(p->below);
    memset(p, 0, sizeof *p);
}

void ts_prediction_free(ts_prediction *p) {
    if (!p) return;
    drop(p);
    ts_free(p);
}

static const int16_t *code_of(const ts_predictor *net, int level, uint32_t token) {
    return net->codes + ((size_t)level * (size_t)(net->size + 1) + token) * (size_t)net->dim;
}

/* Room for the net and the tile. Errors: MEMORY. */
static tess_status allocate(ts_prediction *p, ts_error *err) {
    const ts_predictor *net = p->predictor;
    const size_t dim = (size_t)net->dim, height = (size_t)p->view.height, width = (size_t)p->view.width;
    const ts_dense *first = &net->layers[TS_HIDDEN_AHEAD], *last = &net->layers[TS_LIKELIHOOD];
    const size_t hidden = (size_t)first->rows, query = (size_t)net->layers[TS_QUERY].rows;
    size_t rows = (size_t)last->rows;
    rows = hidden > rows ? hidden : rows;
    rows = query > rows ? query : rows;
    p->own_columns = width + 2 * TS_OWN_REACH;
    p->low_columns = width + 2 * TS_LOW_REACH;
    const size_t own = (height + TS_OWN_ROWS) * p->own_columns * dim,
                 low = net->level ? (height + 2 * TS_LOW_REACH) * p->low_columns * dim : 1;
    p->own = ts_alloc(own * sizeof *p->own);
    p->low = ts_alloc(low * sizeof *p->low);
    p->window = ts_alloc(2 * (size_t)first->columns * sizeof *p->window);
    p->ahead = ts_alloc((width + 1) * hidden * sizeof *p->ahead);
    p->ahead_of = -1;
    p->hidden = ts_alloc(hidden * sizeof *p->hidden);
    p->inner = ts_alloc(hidden * sizeof *p->inner);
    p->query = ts_alloc(query * sizeof *p->query);
    p->sums = ts_alloc(rows * sizeof *p->sums);
    p->below = ts_alloc(((size_t)net->size + 1) * sizeof *p->below);
    if (!p->own || !p->low || !p->window || !p->ahead || !p->hidden || !p->inner || !p->query || !p->sums || !p->below)
        return ts_fail_memory(err, (own + low) * sizeof *p->own);
    return TESS_OK;
}

static uint32_t token_at(const ts_token_view *view, int level, int y, int x) {
    return view->tokens[(size_t)level * view->level_stride + (size_t)y * view->row_stride + (size_t)x];
}

static bool inside(const ts_token_view *view, int y, int x) {
    return y >= 0 && x >= 0 && y < view->height && x < view->width;
}

/* The own level's plane: outside everywhere, until tokens are put. */
static void clear_own(ts_prediction *p) {
    const size_t dim = (size_t)p->predictor->dim;
    const int16_t *outside = code_of(p->predictor, p->predictor->level, (uint32_t)p->predictor->size);
    const size_t places = ((size_t)p->view.height + TS_OWN_ROWS) * p->own_columns;
    for (size_t i = 0; i < places; i++)
        for (size_t d = 0; d < dim; d++) p->own[i * dim + d] = outside[d];
}

/* The lower levels' plane: sums of their vectors, outside around the tile. */
static void sum_low(ts_prediction *p) {
    const ts_predictor *net = p->predictor;
    const size_t dim = (size_t)net->dim;
    int16_t *out = p->low;
    for (int y = -TS_LOW_REACH; y < p->view.height + TS_LOW_REACH && net->level > 0; y++)
        for (int x = -TS_LOW_REACH; x < p->view.width + TS_LOW_REACH; x++, out += dim) {
            memset(out, 0, dim * sizeof *out);
            for (int l = 0; l < net->level; l++) {
                const int16_t *code = code_of(
                    net, l, inside(&p->view, y, x) ? token_at(&p->view, l, y, x) : (uint32_t)net->size);
                for (size_t d = 0; d < dim; d++) out[d] = (int16_t)(out[d] + code[d]);
            }
        }
}

tess_status ts_prediction_begin(ts_prediction *p, const ts_predictor *predictor, const ts_token_view *view,
                                int frequent, ts_error *err) {
    drop(p);
    p->predictor = predictor;
    p->view = *view;
    p->frequent = frequent;
    const tess_status status = allocate(p, err);
    if (status) return status;
    clear_own(p);
    sum_low(p);
    return TESS_OK;
}

void ts_prediction_put(ts_prediction *p, int y, int x, uint32_t token) {
    const size_t dim = (size_t)p->predictor->dim;
    const int16_t *code = code_of(p->predictor, p->predictor->level, token);
    int16_t *out = p->own + ((size_t)(y + TS_OWN_ROWS) * p->own_columns + (size_t)(x + TS_OWN_REACH)) * dim;
    for (size_t d = 0; d < dim; d++) out[d] = code[d];
}

/* ---- one place ------------------------------------------------------------------------------------------------ */

/* The vectors around (y, x) that are known before row y: the own level's rows above, the lower levels' rows. */
static void gather(const ts_prediction *p, int y, int x, int16_t *out) {
    const size_t dim = (size_t)p->predictor->dim, across = TS_OWN_ACROSS * dim, low = TS_LOW_ACROSS * dim;
    const int16_t *own = p->own + ((size_t)y * p->own_columns + (size_t)x) * dim;
    for (int row = 0; row < TS_OWN_ROWS; row++, own += p->own_columns * dim, out += across)
        memcpy(out, own, across * sizeof *out);
    const int16_t *from = p->low + ((size_t)y * p->low_columns + (size_t)x) * dim;
    for (int row = 0; row < TS_LOW_ACROSS && p->predictor->level > 0; row++, from += p->low_columns * dim, out += low)
        memcpy(out, from, low * sizeof *out);
}

/* The first layer's sums for the whole of row y, but for what is to the left of each place. */
static void look_ahead(ts_prediction *p, int y) {
    const ts_dense *layer = &p->predictor->layers[TS_HIDDEN_AHEAD];
    const size_t columns = (size_t)layer->columns, rows = (size_t)layer->rows;
    for (int x = 0; x < p->view.width; x += 2) {
        gather(p, y, x, p->window);
        if (x + 1 < p->view.width) gather(p, y, x + 1, p->window + columns);
        else memset(p->window + columns, 0, columns * sizeof *p->window);
        ts_dense_run_two(layer, p->window, columns, p->ahead + (size_t)x * rows, rows);
    }
    p->ahead_of = y;
}

/* max(0, scaled sums) */
static void activate(const ts_dense *layer, const int32_t *sums, int16_t *out) {
    for (int i = 0; i < layer->rows; i++) {
        const int32_t x = ts_dense_scale(layer, i, sums[i]);
        out[i] = (int16_t)(x < 0 ? 0 : x);
    }
}

/* hidden = max(0, hidden + scaled sums) */
static void activate_added(const ts_dense *layer, const int32_t *sums, int16_t *hidden) {
    for (int i = 0; i < layer->rows; i++) {
        const int32_t x = hidden[i] + ts_dense_scale(layer, i, sums[i]);
        hidden[i] = (int16_t)(x < 0 ? 0 : x > INT16_MAX ? INT16_MAX : x);
    }
}

static void run(const ts_dense *layer, const int16_t *in, int32_t *out) { ts_dense_run(layer, in, layer->bias, out); }

void ts_prediction_place(ts_prediction *p, int y, int x) {
    const ts_predictor *net = p->predictor;
    const ts_dense *layers = net->layers;
    if (p->ahead_of != y) look_ahead(p, y);
    const size_t dim = (size_t)net->dim, rows = (size_t)layers[TS_HIDDEN_AHEAD].rows;
    const int16_t *left = p->own + ((size_t)(y + TS_OWN_ROWS) * p->own_columns + (size_t)x) * dim;
    ts_dense_run(&layers[TS_HIDDEN_LEFT], left, p->ahead + (size_t)x * rows, p->sums);
    activate(&layers[TS_HIDDEN_AHEAD], p->sums, p->hidden);
    run(&layers[TS_HIDDEN_IN], p->hidden, p->sums);
    activate(&layers[TS_HIDDEN_IN], p->sums, p->inner);
    run(&layers[TS_HIDDEN_OUT], p->inner, p->sums);
    activate_added(&layers[TS_HIDDEN_OUT], p->sums, p->hidden);
    run(&layers[TS_QUERY], p->hidden, p->sums);
    for (int i = 0; i < layers[TS_QUERY].rows; i++)
        p->query[i] = (int16_t)ts_dense_scale(&layers[TS_QUERY], i, p->sums[i]);
    run(&layers[TS_LIKELIHOOD], p->query, p->sums);

    const int shift = layers[TS_LIKELIHOOD].shift;
    int32_t best = INT32_MIN;
    for (int k = 0; k < net->size; k++) best = p->sums[k] > best ? p->sums[k] : best;
    best >>= shift;
    uint32_t sum = 0;
    p->most = 0;
    for (int k = 0; k < net->size; k++) {
        const uint32_t under = (uint32_t)best - (uint32_t)(p->sums[k] >> shift);
        const uint32_t mass = net->mass[under < TS_MASSES ? under : TS_MASSES - 1];
        p->below[k] = sum;
        if (k == p->frequent) p->most = mass;
        else sum += mass;
    }
    p->below[net->size] = sum;
}

/* log2(x) in 1/4096, x >= 1, from its first 12 bits. */
static int32_t log2_4096(const ts_context_tables *tables, uint32_t x) {
    int32_t whole = 11;
    for (; x < 2048; x <<= 1) whole--;
    for (; x >= 4096; x >>= 1) whole++;
    return (whole + 1) * 4096 - tables->cost[x];
}

/* 256 ln(ones / zeros), held within TS_PREDICTOR_ODDS. Both at least 1, else 0. */
static int32_t odds(const ts_prediction *p, uint32_t ones, uint32_t zeros) {
    if (!ones || !zeros) return 0;
    const ts_context_tables *tables = &p->predictor->tables;
    const int32_t x = (log2_4096(tables, ones) - log2_4096(tables, zeros)) * 2839 >> 16;
    return x < -TS_PREDICTOR_ODDS ? -TS_PREDICTOR_ODDS : x > TS_PREDICTOR_ODDS ? TS_PREDICTOR_ODDS : x;
}

int32_t ts_prediction_frequent(const ts_prediction *p) { return odds(p, p->most, p->below[p->predictor->size]); }

int32_t ts_prediction_odds(const ts_prediction *p, uint32_t first, uint32_t half) {
    const uint32_t size = (uint32_t)p->predictor->size;
    const uint32_t middle = first + half < size ? first + half : size,
                   end = middle + half < size ? middle + half : size;
    return odds(p, p->below[end] - p->below[middle], p->below[middle] - p->below[first]);
}
