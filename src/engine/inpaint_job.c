/* inpaint_job.c - one inpainting job: prefill, tokens, sampling, decoding, blending. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/inpainter.h"
#include "engine/prior_window.h"
#include "kernels/membrane.h"

#define PREFILL_TOLERANCE 1.0F /* of a membrane, in steps of 8-bit colour: what lies under it is thrown away */
#define BLEND_TOLERANCE 0.1F

static int least(int a, int b) { return a < b ? a : b; }

void ts_inpaint_drop(tess_inpainter *i) {
    ts_net_free(&i->net);
    memset(&i->net, 0, sizeof i->net);
}

/* A span widened on all sides, within a grid. */
static ts_span widen(ts_span s, int margin, int width, int height) {
    const int x0 = s.x > margin ? s.x - margin : 0, y0 = s.y > margin ? s.y - margin : 0;
    const int x1 = width - s.x - s.width > margin ? s.x + s.width + margin : width;
    const int y1 = height - s.y - s.height > margin ? s.y + s.height + margin : height;
    return (ts_span){x0, y0, x1 - x0, y1 - y0};
}

/* The smallest area of a bitmap with all that is set; width 0 if nothing is. */
static ts_span bounds(const uint8_t *set, int width, int height) {
    int x0 = width, x1 = 0, y0 = height, y1 = 0;
    for (int y = 0; y < height; y++, set += width)
        for (int x = 0; x < width; x++) {
            if (!set[x]) continue;
            x0 = least(x0, x);
            x1 = x >= x1 ? x + 1 : x1;
            y0 = least(y0, y);
            y1 = y + 1;
        }
    return x1 ? (ts_span){x0, y0, x1 - x0, y1 - y0} : (ts_span){0};
}

/* ---- the hole ---------------------------------------------------------------------------------------------------- */

/* Opens the tokens that a masked pixel lies in, and the eight around each: their latents saw the prefill. */
static void open_tokens(tess_inpainter *i) {
    const int f = ts_config_factor(&i->model->config), width = i->picture.width;
    for (int y = i->frame.y; y < i->frame.y + i->frame.height; y++)
        for (int x = i->frame.x; x < i->frame.x + i->frame.width; x++) {
            if (!i->mask[(size_t)y * (size_t)width + (size_t)x]) continue;
            const ts_span around = widen((ts_span){x / f, y / f, 1, 1}, 1, i->columns, i->rows);
            for (int r = around.y; r < around.y + around.height; r++)
                memset(i->open + (size_t)r * (size_t)i->columns + (size_t)around.x, 1, (size_t)around.width);
        }
}

/* Copies the frame's colours; masked ones are grey. */
static void take_colours(tess_inpainter *i) {
    const ts_span *frame = &i->frame;
    const ts_pixels *p = &i->picture;
    const int green = p->channels == 1 ? 0 : 1, blue = p->channels == 1 ? 0 : 2;
    float *out = i->colours;
    uint8_t *open = i->free;
    for (int y = frame->y; y < frame->y + frame->height; y++)
        for (int x = frame->x; x < frame->x + frame->width; x++, out += 3, open++) {
            const size_t at = (size_t)y * (size_t)p->width + (size_t)x;
            const uint8_t *pixel = p->data + at * (size_t)p->channels;
            *open = i->mask[at] != 0;
            out[0] = *open ? 127.5F : pixel[0];
            out[1] = *open ? 127.5F : pixel[green];
            out[2] = *open ? 127.5F : pixel[blue];
        }
}

static uint8_t to_byte(float v) { return v > 0 ? v < 255 ? (uint8_t)(v + 0.5F) : 255 : 0; }

/* Writes the colours of masked pixels, and nothing else. */
static void write_colours(tess_inpainter *i) {
    const ts_span *frame = &i->frame;
    const ts_pixels *p = &i->picture;
    const float *in = i->colours;
    const uint8_t *open = i->free;
    for (int y = frame->y; y < frame->y + frame->height; y++)
        for (int x = frame->x; x < frame->x + frame->width; x++, in += 3) {
            if (!*open++) continue;
            uint8_t *pixel = p->data + ((size_t)y * (size_t)p->width + (size_t)x) * (size_t)p->channels;
            if (p->channels == 1) {
                pixel[0] = to_byte((in[0] + in[1] + in[2]) * (1.0F / 3.0F));
                continue;
            }
            for (int c = 0; c < 3; c++) pixel[c] = to_byte(in[c]);
        }
}

static tess_status membrane(tess_inpainter *i, float tolerance) {
    return ts_membrane(i->colours, i->free, i->frame.height, i->frame.width, 3, tolerance, &i->error);
}

/* ---- windows of the nets ----------------------------------------------------------------------------------------- */

/* Makes ready to run one half of the autoencoder for an area of the grid. What it reaches into around the area is all
 * that is looked at, as if the grid ended there. */
static tess_status begin_net(tess_inpainter *i, bool encoder, ts_span area) {
    ts_inpaint_drop(i);
    tess_status status = ts_net_init(&i->net, i->model, encoder, &i->error);
    if (status) return status;
    i->tiled = widen(area, i->net.halo, i->columns, i->rows);
    area.x -= i->tiled.x;
    area.y -= i->tiled.y;
    i->at = 0;
    return ts_net_tile(&i->net, i->tiled.width, i->tiled.height, area, 0, i->threads, &i->error);
}

/* A tile's core or window, in the picture's grid. */
static ts_span placed(const tess_inpainter *i, ts_span span) {
    return (ts_span){span.x + i->tiled.x, span.y + i->tiled.y, span.width, span.height};
}

static tess_status start(tess_inpainter *i) {
    const int f = ts_config_factor(&i->model->config), levels = i->model->config.quantizer.levels;
    const ts_span masked = bounds(i->mask, i->picture.width, i->picture.height);
    if (masked.width == 0) return TESS_DONE;
    i->rows = (i->picture.height + f - 1) / f;
    i->columns = (i->picture.width + f - 1) / f;
    i->frame = widen(masked, 1, i->picture.width, i->picture.height);
    const size_t places = (size_t)i->rows * (size_t)i->columns;
    const size_t pixels = (size_t)i->frame.width * (size_t)i->frame.height;
    i->open = ts_calloc(places, 1);
    i->tokens = ts_calloc(places, (size_t)levels * sizeof *i->tokens);
    i->colours = ts_calloc(pixels, 3 * sizeof *i->colours);
    i->free = ts_alloc(pixels);
    if (!i->open || !i->tokens || !i->colours || !i->free)
        return ts_fail_memory(&i->error, pixels * 13 + places * (size_t)(2 * levels + 1));
    open_tokens(i);
    i->hole = bounds(i->open, i->columns, i->rows);
    if (!ts_pool_resize(&i->pool, i->threads)) return ts_fail_memory(&i->error, 0);
    take_colours(i);
    tess_status status = membrane(i, PREFILL_TOLERANCE);
    if (status) return status;
    write_colours(i);
    const bool large = i->model->config.prior.type == TS_PRIOR_CONV;
    const ts_span all = {0, 0, i->columns, i->rows};
    status = begin_net(i, true, large ? ts_prior_window_seen(i->rows, i->columns, i->hole) : all);
    i->phase = TS_INPAINT_ENCODE;
    return status ? status : TESS_MORE;
}

/* ---- tokens of the picture ------------------------------------------------------------------------------------- */

/* The nearest codes of the latents in a tile's core. */
static tess_status keep_tokens(tess_inpainter *i, ts_span core, ts_span window) {
    const ts_quantizer_config *q = &i->model->config.quantizer;
    const size_t dim = (size_t)q->dim, columns = (size_t)core.width, places = (size_t)i->rows * (size_t)i->columns;
    const size_t floats = ts_quantizer_scratch(i->model->quantizer, columns);
    float *scratch = ts_alloc_floats(floats);
    uint16_t *row = ts_alloc(columns * (size_t)q->levels * sizeof *row);
    if (!scratch || !row) {
        ts_free(scratch);
        ts_free(row);
        return ts_fail_memory(&i->error, floats * sizeof *scratch);
    }
    for (int y = 0; y < core.height; y++) {
        const float *latents = ts_net_output(&i->net) +
                               ((size_t)(core.y + y - window.y) * (size_t)window.width + (size_t)(core.x - window.x)) *
                                   dim;
        uint16_t *to = i->tokens + (size_t)(core.y + y) * (size_t)i->columns + (size_t)core.x;
        ts_quantizer_encode(i->model->quantizer, latents, columns, q->levels, 0, row, NULL, scratch, i->pool);
        for (int level = 0; level < q->levels; level++)
            memcpy(to + (size_t)level * places, row + (size_t)level * columns, columns * sizeof *row);
    }
    ts_free(scratch);
    ts_free(row);
    return TESS_OK;
}

static tess_status encode_some(tess_inpainter *i) {
    const ts_span core = placed(i, ts_net_core(&i->net, i->at)), window = placed(i, ts_net_window(&i->net, i->at));
    const int f = i->net.factor;
    tess_status status = ts_net_prepare(&i->net, window, &i->error);
    if (status) return status;
    if (ts_net_fraction(&i->net) == 0)
        ts_pixels_to_floats(&i->picture, window.x * f, window.y * f, window.width * f, window.height * f,
                            i->model->config.range, ts_net_input(&i->net));
    if (!ts_net_run(&i->net, i->pool)) return TESS_MORE;
    status = keep_tokens(i, core, window);
    if (status || ++i->at < ts_net_tiles(&i->net)) return status ? status : TESS_MORE;
    status = ts_inpaint_sample(i);
    return status ? status : TESS_MORE;
}

/* ---- sampling ------------------------------------------------------------------------------------------------------ */

static tess_status sampler_failed(tess_inpainter *i, tess_status status) {
    return ts_fail(&i->error, status, "%s", tess_sampler_message(i->sampler));
}

tess_status ts_inpaint_sample(tess_inpainter *i) {
    const int levels = i->model->config.quantizer.levels;
    const size_t places = (size_t)i->rows * (size_t)i->columns;
    uint8_t *keep = NULL;
    uint16_t *room = tess_sampler_begin(i->sampler, i->rows, i->columns, &keep);
    if (!room) return sampler_failed(i, TESS_ERR_MEMORY);
    memcpy(room, i->tokens, places * (size_t)levels * sizeof *room);
    for (size_t p = 0; p < places; p++) keep[p] = i->open[p] ? 0 : (uint8_t)levels;
    i->phase = TS_INPAINT_SAMPLE;
    return TESS_OK;
}

static tess_status sample_some(tess_inpainter *i) {
    tess_status status = tess_sampler_step(i->sampler);
    if (status < 0) return sampler_failed(i, status);
    if (status == TESS_MORE) return TESS_MORE;
    status = begin_net(i, false, i->hole);
    i->phase = TS_INPAINT_DECODE;
    return status ? status : TESS_MORE;
}

/* ---- pixels ------------------------------------------------------------------------------------------------------ */

/* Looks up the latents of a window. */
static tess_status load_latents(tess_inpainter *i, ts_span window) {
    const ts_quantizer_config *q = &i->model->config.quantizer;
    const size_t places = (size_t)i->rows * (size_t)i->columns, columns = (size_t)window.width;
    const uint16_t *tokens = tess_sampler_tokens(i->sampler, NULL, NULL, NULL);
    uint16_t *row = ts_alloc(columns * (size_t)q->levels * sizeof *row);
    float *out = ts_net_input(&i->net);
    if (!row) return ts_fail_memory(&i->error, columns * (size_t)q->levels * sizeof *row);
    for (int y = 0; y < window.height; y++, out += columns * (size_t)q->dim) {
        const uint16_t *from = tokens + (size_t)(window.y + y) * (size_t)i->columns + (size_t)window.x;
        for (int level = 0; level < q->levels; level++)
            memcpy(row + (size_t)level * columns, from + (size_t)level * places, columns * sizeof *row);
        ts_quantizer_decode(i->model->quantizer, row, columns, q->levels, out, NULL);
    }
    ts_free(row);
    return TESS_OK;
}

static bool is_open(const tess_inpainter *i, ts_span core) {
    for (int y = core.y; y < core.y + core.height; y++)
        if (memchr(i->open + (size_t)y * (size_t)i->columns + (size_t)core.x, 1, (size_t)core.width)) return true;
    return false;
}

/* Puts the decoded pixels of a tile into the frame's colours. */
static void keep_pixels(tess_inpainter *i, ts_span core, ts_span window) {
    const int f = i->net.factor;
    const ts_span *frame = &i->frame;
    const float *range = i->model->config.range, scale = 255.0F / (range[1] - range[0]);
    const int x0 = core.x * f > frame->x ? core.x * f : frame->x, y0 = core.y * f > frame->y ? core.y * f : frame->y;
    const int x1 = least((core.x + core.width) * f, frame->x + frame->width);
    const int y1 = least((core.y + core.height) * f, frame->y + frame->height);
    for (int y = y0; y < y1; y++) {
        const float *in = ts_net_output(&i->net) +
                          ((size_t)(y - window.y * f) * (size_t)(window.width * f) + (size_t)(x0 - window.x * f)) * 3;
        float *out = i->colours + ((size_t)(y - frame->y) * (size_t)frame->width + (size_t)(x0 - frame->x)) * 3;
        for (int k = 0; k < (x1 - x0) * 3; k++) {
            const float v = (in[k] - range[0]) * scale;
            out[k] = v > 0 ? v < 255 ? v : 255 : 0;
        }
    }
}

/* How far into the mask each place of the frame lies: city blocks to the nearest place that is not masked. */
static void depths(const tess_inpainter *i, float *depth) {
    const int w = i->frame.width, h = i->frame.height;
    for (int p = 0; p < w * h; p++) {
        float d = i->free[p] ? (float)(w + h) : 0;
        if (p % w) d = fminf(d, depth[p - 1] + 1);
        if (p >= w) d = fminf(d, depth[p - w] + 1);
        depth[p] = d;
    }
    for (int p = w * h - 1; p >= 0; p--) {
        if ((p + 1) % w) depth[p] = fminf(depth[p], depth[p + 1] + 1);
        if (p + w < w * h) depth[p] = fminf(depth[p], depth[p + w] + 1);
    }
}

/* Adds to the decoded colours the membrane of how far off they are at the mask's edge, which `feather` lets fade out with
 * the depth. `decoded` and `depth`: room for the frame, [3] and [1]. */
static tess_status blend(tess_inpainter *i, float *decoded, float *depth) {
    const size_t pixels = (size_t)i->frame.width * (size_t)i->frame.height;
    memcpy(decoded, i->colours, pixels * 3 * sizeof *decoded);
    take_colours(i);
    for (size_t k = 0; k < pixels * 3; k++) i->colours[k] = i->free[k / 3] ? 0 : i->colours[k] - decoded[k];
    const tess_status status = membrane(i, BLEND_TOLERANCE);
    if (status) return status;
    if (i->feather) depths(i, depth);
    for (size_t k = 0; k < pixels * 3; k++) {
        const float fade = i->feather ? fmaxf(0, 1 - (depth[k / 3] - 1) / (float)i->feather) : 1;
        i->colours[k] = decoded[k] + fade * i->colours[k];
    }
    write_colours(i);
    return TESS_DONE;
}

static tess_status finish(tess_inpainter *i) {
    const size_t pixels = (size_t)i->frame.width * (size_t)i->frame.height;
    float *room = ts_alloc_floats(4 * pixels);
    const tess_status status = room ? blend(i, room, room + 3 * pixels)
                                    : ts_fail_memory(&i->error, 4 * pixels * sizeof *room);
    ts_free(room);
    return status;
}

static tess_status decode_some(tess_inpainter *i) {
    const int tiles = ts_net_tiles(&i->net);
    while (i->at < tiles && !is_open(i, placed(i, ts_net_core(&i->net, i->at)))) i->at++;
    if (i->at == tiles) return finish(i);
    const ts_span core = placed(i, ts_net_core(&i->net, i->at)), window = placed(i, ts_net_window(&i->net, i->at));
    tess_status status = ts_net_prepare(&i->net, window, &i->error);
    if (!status && ts_net_fraction(&i->net) == 0) status = load_latents(i, window);
    if (status || !ts_net_run(&i->net, i->pool)) return status ? status : TESS_MORE;
    keep_pixels(i, core, window);
    i->at++;
    return TESS_MORE;
}

tess_status ts_inpaint_step(tess_inpainter *i) {
    switch (i->phase) {
    case TS_INPAINT_FILLING: return start(i);
    case TS_INPAINT_ENCODE: return encode_some(i);
    case TS_INPAINT_SAMPLE: return sample_some(i);
    default: return decode_some(i);
    }
}
