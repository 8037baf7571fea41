/* net.c - windows, and one graph that serves all windows of one size. */
#include "engine/net.h"

#include "base/parallel.h"
#include "nets/autoencoder.h"

static void build_encoder(ts_net *net) {
    net->out = ts_autoencoder_encoder(net->graph, net->config, net->weights, net->in);
}

static void build_decoder(ts_net *net) {
    net->out = ts_autoencoder_decoder(net->graph, net->config, net->weights, net->in);
}

tess_status ts_net_init(ts_net *net, const tess_model *model, bool encoder, ts_error *err) {
    const ts_config *c = &model->config;
    const ts_net_kind kind = encoder
                                 ? (ts_net_kind){ts_config_factor(c), 3, ts_config_encoder_radius(c), build_encoder,
                                                 NULL}
                                 : (ts_net_kind){1, c->quantizer.dim, ts_config_decoder_radius(c), build_decoder, NULL};
    return ts_net_init_kind(net, model, kind, model->params, ts_model_store(model), err);
}

tess_status ts_net_init_kind(ts_net *net, const tess_model *model, ts_net_kind kind, const ts_params *params,
                             ts_store store, ts_error *err) {
    *net = (ts_net){.config = &model->config, .kind = kind, .in = TS_NONE, .out = TS_NONE, .more = TS_NONE};
    net->factor = ts_config_factor(net->config);
    return ts_weights_over(params, store, &net->weights, err);
}

static void drop_graph(ts_net *net) {
    ts_graph_free(net->graph);
    net->graph = NULL;
}

void ts_net_free(ts_net *net) {
    drop_graph(net);
    ts_weights_free(net->weights);
    net->weights = NULL;
}

/* Builds a graph for windows of height x width latents; takes no memory for tensors. */
static tess_status build_graph(ts_net *net, int height, int width, ts_error *err) {
    drop_graph(net);
    const tess_status status = ts_graph_new(TS_GRAPH_INFERENCE, &net->graph, err);
    if (status) return status;
    ts_graph *g = net->graph;
    const int scale = net->kind.scale;
    net->in = ts_graph_input(g, (ts_shape){1, height * scale, width * scale, net->kind.channels}, false);
    net->out = net->more = TS_NONE;
    net->kind.build(net);
    ts_graph_output(g, net->out);
    if (net->more != TS_NONE) ts_graph_output(g, net->more);
    net->height = height;
    net->width = width;
    net->next = 0;
    net->done = 0;
    return TESS_OK;
}

static int least(int a, int b) { return a < b ? a : b; }

/* Where part `index` of `parts` near-equal parts of `extent` begins. */
static int cut(int extent, int parts, int index) { return (int)((int64_t)extent * index / parts); }

static int window_extent(const ts_net *net, int side, int grid) {
    return net->kind.halo >= TS_RADIUS_WHOLE ? grid : least(grid, side + 2 * net->kind.halo);
}

/* The largest side whose windows keep every tensor within TS_NET_TENSOR. */
static tess_status choose_side(ts_net *net, int *side, ts_error *err) {
    static const int SIDES[] = {160, 128, 96, 64, 48, 32, 16};
    const int last = (int)(sizeof SIDES / sizeof *SIDES) - 1;
    for (int i = 0; i <= last; i++) {
        *side = SIDES[i];
        const tess_status status = build_graph(net, window_extent(net, *side, net->grid_height),
                                               window_extent(net, *side, net->grid_width), err);
        if (status) return status;
        const size_t largest = ts_graph_largest(net->graph);
        drop_graph(net);
        if (largest > 0 && largest <= TS_NET_TENSOR) break;
    }
    return TESS_OK;
}

/* Bytes that the graph of one window would take. */
static tess_status window_bytes(ts_net *net, int height, int width, size_t *bytes, ts_error *err) {
    tess_status status = build_graph(net, height, width, err);
    if (!status) status = ts_graph_plan(net->graph, net->threads, err);
    if (!status) *bytes = ts_graph_bytes(net->graph);
    drop_graph(net);
    return status;
}

/* Refuses a picture whose whole does not fit, ahead of taking any memory for it. */
static tess_status check_whole(ts_net *net, ts_error *err) {
    const int f = net->factor, height = net->grid_height, width = net->grid_width, parts = 32;
    size_t bytes = 0;
    tess_status status = window_bytes(net, height, width, &bytes, err);
    if ((!status && bytes <= TS_NET_WHOLE) || (status && status != TESS_ERR_TOO_LARGE)) return status;
    for (int part = parts - 1; part > 0; part--) {
        const int h = height * part / parts, w = width * part / parts;
        if (h < 1 || w < 1) break;
        status = window_bytes(net, h, w, &bytes, err);
        if (!status && bytes <= TS_NET_WHOLE)
            return ts_fail(
                err, TESS_ERR_TOO_LARGE,
                "A picture of %d x %d is too large for this model, which looks at all of it at once; %d x %d "
                "fits, and a model without norm and attention layers takes any size.",
                width * f, height * f, w * f, h * f);
    }
    return ts_fail(err, TESS_ERR_TOO_LARGE, "A picture of %d x %d is too large for this model.", width * f, height * f);
}

/* The tiles [*first, *first + *count) of `parts` that positions [begin, begin + extent) touch. */
static void touched(int grid, int parts, int begin, int extent, int *first, int *count) {
    int last = parts - 1;
    *first = 0;
    while (cut(grid, parts, *first + 1) <= begin) ++*first;
    while (cut(grid, parts, last) >= begin + extent) last--;
    *count = last - *first + 1;
}

tess_status ts_net_tile(ts_net *net, int grid_width, int grid_height, ts_span area, int side, int threads,
                        ts_error *err) {
    net->grid_width = grid_width;
    net->grid_height = grid_height;
    if (net->threads != threads) drop_graph(net);
    net->threads = threads;
    tess_status status = TESS_OK;
    if (net->kind.halo >= TS_RADIUS_WHOLE) {
        side = TS_MAX_SIDE;
        status = check_whole(net, err);
    } else if (side == 0) {
        status = choose_side(net, &side, err);
    }
    if (status) return status;
    net->columns = (grid_width + side - 1) / side;
    net->rows = (grid_height + side - 1) / side;
    touched(grid_width, net->columns, area.x, area.width, &net->wanted.x, &net->wanted.width);
    touched(grid_height, net->rows, area.y, area.height, &net->wanted.y, &net->wanted.height);
    return TESS_OK;
}

int ts_net_tiles(const ts_net *net) { return net->wanted.width * net->wanted.height; }

ts_span ts_net_core(const ts_net *net, int tile) {
    const int column = net->wanted.x + tile % net->wanted.width, row = net->wanted.y + tile / net->wanted.width;
    const int x0 = cut(net->grid_width, net->columns, column), x1 = cut(net->grid_width, net->columns, column + 1);
    const int y0 = cut(net->grid_height, net->rows, row), y1 = cut(net->grid_height, net->rows, row + 1);
    return (ts_span){x0, y0, x1 - x0, y1 - y0};
}

static void widen(int begin, int extent, int halo, int grid, int *from, int *count) {
    int end = grid - (begin + extent) <= halo ? grid : begin + extent + halo;
    *from = begin <= halo ? 0 : begin - halo;
    *count = end - *from;
}

ts_span ts_net_window(const ts_net *net, int tile) {
    const ts_span core = ts_net_core(net, tile);
    ts_span window;
    widen(core.x, core.width, net->kind.halo, net->grid_width, &window.x, &window.width);
    widen(core.y, core.height, net->kind.halo, net->grid_height, &window.y, &window.height);
    return window;
}

tess_status ts_net_prepare(ts_net *net, ts_span window, ts_error *err) {
    if (net->graph && net->height == window.height && net->width == window.width) return TESS_OK;
    tess_status status = build_graph(net, window.height, window.width, err);
    if (!status) status = ts_graph_plan(net->graph, net->threads, err);
    if (!status) status = ts_graph_alloc(net->graph, err);
    if (status) drop_graph(net);
    return status;
}

float *ts_net_input(ts_net *net) { return ts_graph_data(net->graph, net->in); }

const float *ts_net_output(ts_net *net) { return ts_graph_data(net->graph, net->out); }

const float *ts_net_more(ts_net *net) { return ts_graph_data(net->graph, net->more); }

bool ts_net_run(ts_net *net, ts_pool *pool) {
    const uint64_t macs = TS_NET_MACS * (uint64_t)ts_pool_threads(pool);
    net->done += macs;
    if (!ts_graph_forward_some(net->graph, pool, &net->next, macs)) return false;
    net->next = 0;
    net->done = 0;
    return true;
}

double ts_net_fraction(const ts_net *net) {
    if (!net->graph || net->done == 0) return 0;
    const double fraction = (double)net->done / (double)ts_graph_macs(net->graph);
    return fraction < 0.99 ? fraction : 0.99;
}

/* tess_model_tile and tess_model_window. */
static int describe_tile(const tess_model *model, bool encode, int width, int height, int i, bool window, int rect[4]) {
    if (!model || !model->loaded) return TESS_ERR_STATE;
    if (width < 1 || height < 1 || width > TS_MAX_SIDE || height > TS_MAX_SIDE) return TESS_ERR_OPTION;
    ts_net net;
    tess_status status = ts_net_init(&net, model, encode, NULL);
    const int f = net.factor;
    const ts_span all = {0, 0, (width + f - 1) / f, (height + f - 1) / f};
    if (!status) status = ts_net_tile(&net, all.width, all.height, all, 0, 1, NULL);
    const int tiles = status ? status : ts_net_tiles(&net);
    if (i >= 0 && i < tiles) {
        const ts_span core = window ? ts_net_window(&net, i) : ts_net_core(&net, i);
        const int x = core.x * f, y = core.y * f;
        rect[0] = x, rect[1] = y;
        rect[2] = least(core.width * f, width - x), rect[3] = least(core.height * f, height - y);
    }
    ts_net_free(&net);
    return tiles;
}

int tess_model_tile(const tess_model *model, int encode, int width, int height, int i, int rect[4]) {
    return describe_tile(model, encode != 0, width, height, i, false, rect);
}

int tess_model_window(const tess_model *model, int width, int height, int i, int rect[4]) {
    return describe_tile(model, true, width, height, i, true, rect);
}
