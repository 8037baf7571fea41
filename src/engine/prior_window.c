#include "engine/prior_window.h"

#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "nets/conv_prior.h"

/* ---- making ------------------------------------------------------------------------------------------------------ */

static tess_status read_scale(ts_prior_window *w, ts_error *err) {
    const ts_params *params = w->model->prior.params;
    const ts_param *scale = ts_params_at(params, ts_params_find(params, "prior.scale"));
    w->scale = ts_alloc_floats(scale->count);
    if (!w->scale) return ts_fail_memory(err, scale->count * sizeof(float));
    ts_param_write_store(scale, ts_part_store(&w->model->prior), w->scale);
    for (size_t i = 0; i < scale->count; i++)
        if (!(w->scale[i] > 0))
            return ts_fail(err, TESS_ERR_MODEL, "prior.scale has a value that is not above 0; the model is damaged.");
    return TESS_OK;
}

tess_status ts_prior_window_init(ts_prior_window *w, const tess_model *model, ts_error *err) {
    *w = (ts_prior_window){.model = model};
    const tess_status status = read_scale(w, err);
    return status ? status : ts_weights_over(model->prior.params, ts_part_store(&model->prior), &w->weights, err);
}

static void drop_graphs(ts_prior_window *w) {
    ts_graph_free(w->body);
    w->body = NULL;
    for (int level = 0; level < TS_LEVELS_MAX; level++) {
        ts_graph_free(w->heads[level]);
        w->heads[level] = NULL;
    }
}

void ts_prior_window_free(ts_prior_window *w) {
    drop_graphs(w);
    ts_weights_free(w->weights);
    ts_free(w->scale);
    memset(w, 0, sizeof *w);
}

/* Ends a graph whose last tensor is `out`. */
static tess_status ready(ts_graph *g, ts_tensor out, int threads, ts_error *err) {
    ts_graph_output(g, out);
    const tess_status status = ts_graph_plan(g, threads, err);
    return status ? status : ts_graph_alloc(g, err);
}

static tess_status build_body(ts_prior_window *w, ts_error *err) {
    const ts_config *c = &w->model->config;
    tess_status status = ts_graph_new(TS_GRAPH_INFERENCE, &w->body, err);
    if (status) return status;
    w->in = ts_graph_input(w->body, (ts_shape){1, w->height, w->width, ts_conv_prior_channels(&c->quantizer)}, false);
    w->features = ts_conv_prior_build(w->body, &c->prior, w->weights, w->in);
    return ready(w->body, w->features, w->threads, err);
}

static tess_status build_head(ts_prior_window *w, int level, ts_error *err) {
    tess_status status = ts_graph_new(TS_GRAPH_INFERENCE, &w->heads[level], err);
    if (status) return status;
    ts_graph *g = w->heads[level];
    w->rows[level] = ts_graph_input(g, (ts_shape){1, 1, TS_PRIOR_ROWS, w->model->config.prior.width}, false);
    w->logits[level] = ts_conv_prior_head(g, level, w->weights, w->rows[level]);
    return ready(g, w->logits[level], w->threads, err);
}

/* ---- windows ------------------------------------------------------------------------------------------------------- */

static int round_up(int extent) {
    return (extent + TS_CONV_PRIOR_ALIGN - 1) / TS_CONV_PRIOR_ALIGN * TS_CONV_PRIOR_ALIGN;
}

static int parts_of(int extent) { return (extent + TS_PRIOR_CORE - 1) / TS_PRIOR_CORE; }

/* The side of windows over cores of an extent: context on both sides, wherever they begin. */
static int window_side(int extent, int grid) {
    const int parts = parts_of(extent), core = (extent + parts - 1) / parts;
    const int side = round_up(core + 2 * TS_PRIOR_CONTEXT + TS_CONV_PRIOR_ALIGN - 1), most = round_up(grid);
    return side < most ? side : most;
}

/* Where part `index` of `parts` near-equal parts of `extent` begins. */
static int cut(int extent, int parts, int index) { return (int)((int64_t)extent * index / parts); }

/* Where the window of a core begins, on a multiple of the net's alignment. */
static int origin(int core, int side, int grid) {
    const int last = round_up(grid) - side;
    const int wanted = core < TS_PRIOR_CONTEXT ? 0
                                               : (core - TS_PRIOR_CONTEXT) / TS_CONV_PRIOR_ALIGN * TS_CONV_PRIOR_ALIGN;
    return wanted < last ? wanted : last;
}

/* Where the windows over part of an extent of a grid begin and end. */
static void seen(int from, int extent, int grid, int *begin, int *count) {
    const int parts = parts_of(extent), side = window_side(extent, grid);
    const int end = origin(from + cut(extent, parts, parts - 1), side, grid) + side;
    *begin = origin(from, side, grid);
    *count = (end < grid ? end : grid) - *begin;
}

ts_span ts_prior_window_seen(int grid_height, int grid_width, ts_span area) {
    ts_span span;
    seen(area.x, area.width, grid_width, &span.x, &span.width);
    seen(area.y, area.height, grid_height, &span.y, &span.height);
    return span;
}

tess_status ts_prior_window_place(ts_prior_window *w, int grid_height, int grid_width, ts_span area, int threads,
                                  ts_error *err) {
    const int height = window_side(area.height, grid_height), width = window_side(area.width, grid_width);
    w->grid_height = grid_height;
    w->grid_width = grid_width;
    w->area = area;
    w->rows_of_cores = parts_of(area.height);
    w->columns = parts_of(area.width);
    w->next = 0;
    if (w->body && w->height == height && w->width == width && w->threads == threads) return TESS_OK;
    drop_graphs(w);
    w->height = height;
    w->width = width;
    w->threads = threads;
    tess_status status = build_body(w, err);
    for (int level = 0; level < w->model->config.prior.levels && !status; level++) status = build_head(w, level, err);
    if (status) drop_graphs(w);
    return status;
}

int ts_prior_window_count(const ts_prior_window *w) { return w->rows_of_cores * w->columns; }

ts_span ts_prior_window_core(const ts_prior_window *w, int i) {
    const ts_span *a = &w->area;
    const int row = i / w->columns, column = i % w->columns;
    const int x0 = cut(a->width, w->columns, column), x1 = cut(a->width, w->columns, column + 1);
    const int y0 = cut(a->height, w->rows_of_cores, row), y1 = cut(a->height, w->rows_of_cores, row + 1);
    return (ts_span){a->x + x0, a->y + y0, x1 - x0, y1 - y0};
}

/* The sum of the codes that a place knows. */
static void sum_codes(const ts_prior_window *w, const ts_token_state *s, size_t place, float *sum) {
    const ts_quantizer_config *q = &w->model->config.quantizer;
    const size_t area = (size_t)s->height * (size_t)s->width, dim = (size_t)q->dim;
    const float *codes = ts_quantizer_codebook(w->model->quantizer);
    memset(sum, 0, dim * sizeof *sum);
    for (int level = 0; level < s->known[place]; level++, codes += (size_t)q->size * dim) {
        const float *code = codes + s->tokens[(size_t)level * area + place] * dim;
        for (size_t i = 0; i < dim; i++) sum[i] += code[i];
    }
}

void ts_prior_window_look(ts_prior_window *w, int i, const ts_token_state *s) {
    const ts_quantizer_config *q = &w->model->config.quantizer;
    const ts_span core = ts_prior_window_core(w, i);
    const size_t channels = (size_t)ts_conv_prior_channels(q);
    float *out = ts_graph_data(w->body, w->in);
    w->window = (ts_span){origin(core.x, w->width, w->grid_width), origin(core.y, w->height, w->grid_height), w->width,
                          w->height};
    w->next = 0;
    for (int y = w->window.y; y < w->window.y + w->height; y++)
        for (int x = w->window.x; x < w->window.x + w->width; x++, out += channels) {
            if (y >= s->height || x >= s->width) {
                memset(out, 0, channels * sizeof *out);
                continue;
            }
            const size_t place = (size_t)y * (size_t)s->width + (size_t)x;
            /* the sum goes where it will lie divided by the scale */
            sum_codes(w, s, place, out);
            ts_conv_prior_place(q, out, w->scale, s->known[place], out);
        }
}

bool ts_prior_window_run(ts_prior_window *w, ts_pool *pool) {
    if (!ts_graph_forward_some(w->body, pool, &w->next, TS_NET_MACS * (uint64_t)ts_pool_threads(pool))) return false;
    w->next = 0;
    return true;
}

const float *ts_prior_window_logits(ts_prior_window *w, int level, const int *places, int count, ts_pool *pool) {
    const size_t width = (size_t)w->model->config.prior.width;
    const float *features = ts_graph_data(w->body, w->features);
    float *rows = ts_graph_data(w->heads[level], w->rows[level]);
    memset(rows, 0, TS_PRIOR_ROWS * width * sizeof *rows);
    for (int i = 0; i < count; i++, rows += width) {
        const int y = places[i] / w->grid_width - w->window.y, x = places[i] % w->grid_width - w->window.x;
        memcpy(rows, features + ((size_t)y * (size_t)w->width + (size_t)x) * width, width * sizeof *rows);
    }
    ts_graph_forward(w->heads[level], pool);
    return ts_graph_data(w->heads[level], w->logits[level]);
}
