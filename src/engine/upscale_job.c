/* upscale_job.c - one upscaling job: the upscaler's net over the small picture, then the decoder over its latents, each in
 * tiles with all that they see (net.h). Formulas: docs/FORMAT.md, 6.8. */
#include <string.h>

#include "base/alloc.h"
#include "engine/upscaler.h"
#include "kernels/bicubic.h"
#include "nets/upscaler.h"

#define LATENT 8         /* pixels of the large picture along a side of a latent */
#define SMOOTH_SHARE 0.7 /* of the work when there are two phases, about */

void ts_upscale_drop(tess_upscaler *u) {
    ts_net_free(&u->net);
    memset(&u->net, 0, sizeof u->net);
    ts_free(u->small.data);
    ts_free(u->latents);
    ts_free(u->smooth);
    u->small = (ts_pixels){0};
    u->latents = u->smooth = NULL;
}

static bool wants_sharp(const tess_upscaler *u) { return u->options.sharpness > 0; }

static bool wants_smooth(const tess_upscaler *u) { return u->options.sharpness < 1; }

/* Pixels of the small picture along a side of a latent. */
static int scale(const tess_upscaler *u) { return LATENT / u->options.factor; }

/* ---- the start --------------------------------------------------------------------------------------------------- */

static void build(ts_net *net) {
    const tess_upscaler *u = net->kind.context;
    const ts_upscaler made = ts_upscaler_build(net->graph, net->config, u->options.factor, net->weights, net->in,
                                               wants_smooth(u), wants_sharp(u));
    net->out = wants_smooth(u) ? made.smooth : made.latents;
    if (wants_smooth(u)) net->more = made.latents;
}

static tess_status tile(tess_upscaler *u) {
    const ts_span all = {0, 0, u->columns, u->rows};
    u->at = 0;
    return ts_net_tile(&u->net, u->columns, u->rows, all, u->options.tile, u->options.threads, &u->error);
}

static tess_status begin_smooth(tess_upscaler *u, const ts_upscaler_net *net) {
    const int near = wants_smooth(u) ? ts_upscaler_radius(net, false) : 0;
    const int far = wants_sharp(u) ? ts_upscaler_radius(net, true) : 0;
    const ts_net_kind kind = {scale(u), 3, far > near ? far : near, build, u};
    const tess_status status = ts_net_init_kind(&u->net, u->model, kind, u->model->upscaler.params,
                                                ts_part_store(&u->model->upscaler), &u->error);
    u->phase = TS_UPSCALE_SMOOTH;
    return status ? status : tile(u);
}

static tess_status make_room(tess_upscaler *u) {
    const size_t pixels = (size_t)u->large.width * (size_t)u->large.height, channels = (size_t)u->large.channels;
    const size_t latents = (size_t)u->columns * (size_t)u->rows * (size_t)u->model->config.quantizer.dim;
    u->large.data = ts_calloc(pixels, channels);
    if (wants_sharp(u)) u->latents = ts_alloc_floats(latents);
    if (wants_sharp(u) && wants_smooth(u)) u->smooth = ts_alloc_floats(pixels * 3);
    if (u->large.data && (u->latents || !wants_sharp(u)) && (u->smooth || !wants_sharp(u) || !wants_smooth(u)))
        return TESS_OK;
    return ts_fail_memory(&u->error, pixels * channels + (latents + pixels * 3) * sizeof(float));
}

static tess_status start(tess_upscaler *u) {
    const int factor = u->options.factor;
    const ts_upscaler_net *net = ts_upscaler_of(&u->model->config.upscaler, factor);
    if (!u->model->upscaler.params)
        return ts_fail(&u->error, TESS_ERR_MODEL,
                       "The model %.60s has no upscaler; add the part that was trained for it "
                       "(NAME.upscaler.safetensors, tess_model_add).",
                       u->model->config.name);
    if (!net)
        return ts_fail(&u->error, TESS_ERR_MODEL, "The upscaler of %.60s does not enlarge %d times; try factor %d.",
                       u->model->config.name, factor, 6 - factor);
    if (u->small.width > TS_MAX_SIDE / factor || u->small.height > TS_MAX_SIDE / factor ||
        (size_t)u->small.width * (size_t)u->small.height > TS_MAX_PIXELS / (size_t)(factor * factor))
        return ts_fail(&u->error, TESS_ERR_TOO_LARGE,
                       "%d times as large, a picture of %d x %d is too large; sides go to %d and pixels to %zu.",
                       factor, u->small.width, u->small.height, TS_MAX_SIDE, TS_MAX_PIXELS);
    if (!ts_pool_resize(&u->pool, u->options.threads)) return ts_fail_memory(&u->error, 0);
    if (u->small.channels == 4) ts_pixels_smooth_hidden(&u->small, scale(u));
    u->large = (ts_pixels){NULL, u->small.width * factor, u->small.height * factor, u->small.channels == 4 ? 4 : 3};
    u->columns = (u->large.width + LATENT - 1) / LATENT;
    u->rows = (u->large.height + LATENT - 1) / LATENT;
    const tess_status status = make_room(u);
    return status ? status : begin_smooth(u, net);
}

/* ---- blocks of the picture --------------------------------------------------------------------------------------- */

/* The pixels that latents stand for, `side` of them along each. */
static ts_span pixels_of(ts_span s, int side) {
    return (ts_span){s.x * side, s.y * side, s.width * side, s.height * side};
}

static size_t area(ts_span s) { return (size_t)s.width * (size_t)s.height; }

/* A tile with `margin` latents around it, as far as the picture goes. */
static ts_span widened(const tess_upscaler *u, ts_span core, int margin) {
    const int x0 = core.x > margin ? core.x - margin : 0, y0 = core.y > margin ? core.y - margin : 0;
    const int x1 = core.x + core.width + margin, y1 = core.y + core.height + margin;
    return (ts_span){x0, y0, (x1 < u->columns ? x1 : u->columns) - x0, (y1 < u->rows ? y1 : u->rows) - y0};
}

/* What of a tile lies in the large picture, in pixels. */
static ts_span visible(const tess_upscaler *u, ts_span core) {
    ts_span s = pixels_of(core, LATENT);
    if (s.x + s.width > u->large.width) s.width = u->large.width - s.x;
    if (s.y + s.height > u->large.height) s.height = u->large.height - s.y;
    return s;
}

/* A block of floats [area.height][area.width][3] of the large picture. */
typedef struct block {
    float *data;
    ts_span area;
} block;

static float *row_of(block b, ts_span from, int y) {
    return b.data + ((size_t)(from.y - b.area.y + y) * (size_t)b.area.width + (size_t)(from.x - b.area.x)) * 3;
}

static float *smooth_row(const tess_upscaler *u, ts_span from, int y) {
    return u->smooth + ((size_t)(from.y + y) * (size_t)u->large.width + (size_t)from.x) * 3;
}

static void paint(tess_upscaler *u, block b, ts_span seen) {
    ts_pixels_from_floats(row_of(b, seen, 0), (size_t)b.area.width, seen.width, seen.height, u->model->config.range,
                          u->small.channels == 1, &u->large, seen.x, seen.y);
}

/* The small picture's pixels of a block of latents. */
static void read_small(const tess_upscaler *u, ts_span crop, float *out) {
    const ts_span s = pixels_of(crop, scale(u));
    ts_pixels_to_floats(&u->small, s.x, s.y, s.width, s.height, u->model->config.range, out);
}

/* Alpha is enlarged by the filter alone. One latent of context is enough. */
static tess_status paint_alpha(tess_upscaler *u, ts_span core) {
    const ts_span crop = widened(u, core, 1), big = pixels_of(crop, LATENT), little = pixels_of(crop, scale(u));
    const ts_span seen = visible(u, core);
    const size_t scratch = ts_bicubic_scratch(little.height, big.height, little.width, big.width, 1,
                                              ts_pool_threads(u->pool));
    float *in = ts_alloc_floats(area(little) + area(big) + scratch), *out = in + area(little);
    if (!in) return ts_fail_memory(&u->error, (area(little) + area(big) + scratch) * sizeof *in);
    for (int y = 0; y < little.height; y++)
        for (int x = 0; x < little.width; x++) {
            const int sy = little.y + y < u->small.height ? little.y + y : u->small.height - 1;
            const int sx = little.x + x < u->small.width ? little.x + x : u->small.width - 1;
            in[(size_t)y * (size_t)little.width + (size_t)x] =
                u->small.data[((size_t)sy * (size_t)u->small.width + (size_t)sx) * 4 + 3];
        }
    ts_bicubic(out, big.height, big.width, in, little.height, little.width, 1, out + area(big), u->pool);
    for (int y = 0; y < seen.height; y++) {
        const float *from = out + (size_t)(seen.y - big.y + y) * (size_t)big.width + (size_t)(seen.x - big.x);
        uint8_t *to = u->large.data + ((size_t)(seen.y + y) * (size_t)u->large.width + (size_t)seen.x) * 4 + 3;
        for (int x = 0; x < seen.width; x++)
            to[(size_t)x * 4] = (uint8_t)(from[x] < 0 ? 0 : from[x] > 255 ? 255 : from[x] + 0.5F);
    }
    ts_free(in);
    return TESS_OK;
}

/* ---- the upscaler's net ------------------------------------------------------------------------------------------ */

/* Bicubic enlargement and what the net adds to it, to the picture or to where the sharp answer will meet it. */
static tess_status take_smooth(tess_upscaler *u, ts_span core, ts_span window) {
    const ts_span crop = widened(u, core, 1), big = pixels_of(crop, LATENT), little = pixels_of(crop, scale(u));
    const ts_span seen = visible(u, core);
    const size_t scratch = ts_bicubic_scratch(little.height, big.height, little.width, big.width, 3,
                                              ts_pool_threads(u->pool));
    const size_t floats = (area(little) + area(big)) * 3 + scratch;
    float *in = ts_alloc_floats(floats);
    if (!in) return ts_fail_memory(&u->error, floats * sizeof *in);
    const block answer = {in + area(little) * 3, big};
    read_small(u, crop, in);
    ts_bicubic(answer.data, big.height, big.width, in, little.height, little.width, 3, answer.data + area(big) * 3,
               u->pool);
    const block more = {(float *)ts_net_output(&u->net), pixels_of(window, LATENT)};
    for (int y = 0; y < seen.height; y++) {
        float *to = row_of(answer, seen, y);
        const float *from = row_of(more, seen, y);
        for (int i = 0; i < seen.width * 3; i++) to[i] += from[i];
        if (u->smooth) memcpy(smooth_row(u, seen, y), to, (size_t)seen.width * 3 * sizeof *to);
    }
    if (!u->smooth) paint(u, answer, seen);
    ts_free(in);
    return TESS_OK;
}

/* The latents of a tile, to the nearest codes of all levels. */
static tess_status take_latents(tess_upscaler *u, ts_span core, ts_span window, const float *z) {
    const ts_quantizer_config *q = &u->model->config.quantizer;
    const size_t dim = (size_t)q->dim, rows = area(core), row = (size_t)core.width * dim;
    const size_t scratch = ts_quantizer_scratch(u->model->quantizer, rows);
    float *room = ts_alloc_floats(rows * dim + scratch + 16);
    uint16_t *tokens = ts_alloc((rows * (size_t)q->levels + 1) * sizeof *tokens);
    if (room && tokens) {
        for (int y = 0; y < core.height; y++)
            memcpy(room + (size_t)y * row,
                   z + ((size_t)(core.y - window.y + y) * (size_t)window.width + (size_t)(core.x - window.x)) * dim,
                   row * sizeof *room);
        float *aligned = room + (rows * dim + 15) / 16 * 16;
        ts_quantizer_encode(u->model->quantizer, room, rows, q->levels, 0, tokens, room, aligned, u->pool);
        for (int y = 0; y < core.height; y++)
            memcpy(u->latents + ((size_t)(core.y + y) * (size_t)u->columns + (size_t)core.x) * dim,
                   room + (size_t)y * row, row * sizeof *room);
    }
    const bool ok = room && tokens;
    ts_free(room);
    ts_free(tokens);
    return ok ? TESS_OK : ts_fail_memory(&u->error, (rows * dim + scratch) * sizeof *room);
}

static tess_status take_tile(tess_upscaler *u, ts_span core, ts_span window) {
    tess_status status = wants_smooth(u) ? take_smooth(u, core, window) : TESS_OK;
    if (!status && wants_sharp(u))
        status = take_latents(u, core, window, wants_smooth(u) ? ts_net_more(&u->net) : ts_net_output(&u->net));
    if (!status && !wants_sharp(u) && u->small.channels == 4) status = paint_alpha(u, core);
    return status;
}

/* ---- the decoder ------------------------------------------------------------------------------------------------- */

/* Latents around a tile that reduction and enlargement reach to: 3.5 pixels of the small picture. */
static int reach(const tess_upscaler *u) { return u->options.factor / 2; }

static tess_status begin_sharp(tess_upscaler *u) {
    ts_net_free(&u->net);
    const tess_status status = ts_net_init(&u->net, u->model, false, &u->error);
    if (u->net.kind.halo < TS_RADIUS_WHOLE) u->net.kind.halo += reach(u);
    u->phase = TS_UPSCALE_SHARP;
    return status ? status : tile(u);
}

static void load_latents(tess_upscaler *u, ts_span window) {
    const size_t dim = (size_t)u->model->config.quantizer.dim, row = (size_t)window.width * dim;
    float *to = ts_net_input(&u->net);
    for (int y = 0; y < window.height; y++)
        memcpy(to + (size_t)y * row,
               u->latents + ((size_t)(window.y + y) * (size_t)u->columns + (size_t)window.x) * dim, row * sizeof *to);
}

/* A tile of the decoder's picture y becomes y + enlarged(x - reduced(y)), which says what the small picture x says; then
 * it meets the smooth answer. */
static tess_status take_sharp(tess_upscaler *u, ts_span core, ts_span window) {
    const ts_span crop = widened(u, core, reach(u)), big = pixels_of(crop, LATENT), little = pixels_of(crop, scale(u));
    const ts_span seen = visible(u, core);
    const int threads = ts_pool_threads(u->pool);
    const size_t down = ts_bicubic_scratch(big.height, little.height, big.width, little.width, 3, threads);
    const size_t up = ts_bicubic_scratch(little.height, big.height, little.width, big.width, 3, threads);
    const size_t few = area(little) * 3, many = area(big) * 3, floats = 2 * (few + many) + (up > down ? up : down);
    float *x = ts_alloc_floats(floats);
    if (!x) return ts_fail_memory(&u->error, floats * sizeof *x);
    float *reduced = x + few, *scratch = reduced + few + 2 * many;
    const block y = {reduced + few, big}, rest = {y.data + many, big};
    const block decoded = {(float *)ts_net_output(&u->net), pixels_of(window, LATENT)};
    for (int r = 0; r < big.height; r++)
        memcpy(row_of(y, big, r), row_of(decoded, big, r), (size_t)big.width * 3 * sizeof *x);
    read_small(u, crop, x);
    ts_bicubic(reduced, little.height, little.width, y.data, big.height, big.width, 3, scratch, u->pool);
    for (size_t i = 0; i < few; i++) x[i] -= reduced[i];
    ts_bicubic(rest.data, big.height, big.width, x, little.height, little.width, 3, scratch, u->pool);
    const float sharpness = (float)u->options.sharpness;
    for (int r = 0; r < seen.height; r++) {
        float *to = row_of(y, seen, r);
        const float *add = row_of(rest, seen, r), *smooth = u->smooth ? smooth_row(u, seen, r) : NULL;
        for (int i = 0; i < seen.width * 3; i++) to[i] += add[i];
        for (int i = 0; smooth && i < seen.width * 3; i++) to[i] = smooth[i] + sharpness * (to[i] - smooth[i]);
    }
    paint(u, y, seen);
    ts_free(x);
    return u->small.channels == 4 ? paint_alpha(u, core) : TESS_OK;
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* Works on a tile of the running phase; takes what it gave when it is complete. */
static tess_status work(tess_upscaler *u) {
    const ts_span core = ts_net_core(&u->net, u->at), window = ts_net_window(&u->net, u->at);
    const bool smooth = u->phase == TS_UPSCALE_SMOOTH;
    tess_status status = ts_net_prepare(&u->net, window, &u->error);
    if (status) return status;
    if (ts_net_fraction(&u->net) == 0) {
        if (smooth) read_small(u, window, ts_net_input(&u->net));
        else load_latents(u, window);
    }
    if (!ts_net_run(&u->net, u->pool)) return TESS_MORE;
    status = smooth ? take_tile(u, core, window) : take_sharp(u, core, window);
    if (status || ++u->at < ts_net_tiles(&u->net)) return status ? status : TESS_MORE;
    if (!smooth || !wants_sharp(u)) return TESS_DONE;
    status = begin_sharp(u);
    return status ? status : TESS_MORE;
}

tess_status ts_upscale_step(tess_upscaler *u) {
    tess_status status = u->phase == TS_UPSCALE_FILLING ? start(u) : work(u);
    if (status < 0 || status == TESS_DONE) return status;
    const double part = (u->at + ts_net_fraction(&u->net)) / ts_net_tiles(&u->net);
    const double share = wants_sharp(u) ? SMOOTH_SHARE : 1;
    u->progress = u->phase == TS_UPSCALE_SMOOTH ? share * part : share + (1 - share) * part;
    return TESS_MORE;
}
