/* inpaint_job.c - one inpainting job: membrane, latents, the hole made up, decoding, blending. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/inpainter.h"
#include "engine/prior_window.h"
#include "kernels/membrane.h"

enum {
    BLOCK = 16,        /* pixels: what is coarser than this comes from the membrane, not from the decoder */
    MARGIN = 2 * BLOCK /* of pixels around the mask */
};

#define FILL_TOLERANCE 0.5F /* of a membrane, in steps of 8-bit colour */
#define BLEND_TOLERANCE 0.1F

static int least(int a, int b) { return a < b ? a : b; }

void ts_inpaint_drop(tess_inpainter *i) {
    ts_net_free(&i->net);
    memset(&i->net, 0, sizeof i->net);
    ts_exemplar_free(&i->exemplar);
}

/* A span widened on all sides, within a grid. */
static ts_span widen(ts_span s, int margin, int width, int height) {
    const int x0 = s.x > margin ? s.x - margin : 0, y0 = s.y > margin ? s.y - margin : 0;
    const int x1 = width - s.x - s.width > margin ? s.x + s.width + margin : width;
    const int y1 = height - s.y - s.height > margin ? s.y + s.height + margin : height;
    return (ts_span){x0, y0, x1 - x0, y1 - y0};
}

/* The smallest span with both. */
static ts_span join(ts_span a, ts_span b) {
    const int x0 = least(a.x, b.x), y0 = least(a.y, b.y);
    const int x1 = -least(-a.x - a.width, -b.x - b.width), y1 = -least(-a.y - a.height, -b.y - b.height);
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

/* Opens the latents that a masked pixel lies in, and so many more on all sides. */
static void open_latents(tess_inpainter *i, int more) {
    const int f = ts_config_factor(&i->model->config), width = i->picture.width;
    for (int y = i->frame.y; y < i->frame.y + i->frame.height; y++)
        for (int x = i->frame.x; x < i->frame.x + i->frame.width; x++) {
            if (!i->mask[(size_t)y * (size_t)width + (size_t)x]) continue;
            const ts_span around = widen((ts_span){x / f, y / f, 1, 1}, more, i->columns, i->rows);
            for (int r = around.y; r < around.y + around.height; r++)
                memset(i->open + (size_t)r * (size_t)i->columns + (size_t)around.x, 1, (size_t)around.width);
        }
}

/* Copies the frame of the picture; masked pixels are grey. */
static void take_colours(tess_inpainter *i, float *out) {
    const ts_span *frame = &i->frame;
    const ts_pixels *p = &i->picture;
    const int green = p->channels == 1 ? 0 : 1, blue = p->channels == 1 ? 0 : 2;
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
static void write_colours(tess_inpainter *i, const float *in) {
    const ts_span *frame = &i->frame;
    const ts_pixels *p = &i->picture;
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

static tess_status membrane(tess_inpainter *i, float *colours, float tolerance) {
    return ts_membrane(colours, i->free, i->frame.height, i->frame.width, 3, tolerance, &i->error);
}

/* ---- windows of the nets ----------------------------------------------------------------------------------------- */

/* Makes ready to run one half of the autoencoder for an area of the grid. What it reaches into around the area is all
 * that is looked at, as if the grid ended there. */
static tess_status begin_net(tess_inpainter *i, bool encoder, ts_span area) {
    ts_inpaint_drop(i);
    tess_status status = ts_net_init(&i->net, i->model, encoder, &i->error);
    if (status) return status;
    i->tiled = widen(area, i->net.kind.halo, i->columns, i->rows);
    area.x -= i->tiled.x;
    area.y -= i->tiled.y;
    i->at = 0;
    return ts_net_tile(&i->net, i->tiled.width, i->tiled.height, area, 0, i->threads, &i->error);
}

/* A tile's core or window, in the picture's grid. */
static ts_span placed(const tess_inpainter *i, ts_span span) {
    return (ts_span){span.x + i->tiled.x, span.y + i->tiled.y, span.width, span.height};
}

static size_t floats_of(const tess_inpainter *i) {
    return (size_t)i->area.width * (size_t)i->area.height * (size_t)i->model->config.quantizer.dim;
}

/* The masked pixels with a margin of whole blocks. */
static ts_span framed(const tess_inpainter *i, ts_span masked) {
    const ts_span s = widen(masked, MARGIN, i->picture.width, i->picture.height);
    const int x0 = s.x / BLOCK * BLOCK, y0 = s.y / BLOCK * BLOCK;
    const int x1 = least((s.x + s.width + BLOCK - 1) / BLOCK * BLOCK, i->picture.width);
    const int y1 = least((s.y + s.height + BLOCK - 1) / BLOCK * BLOCK, i->picture.height);
    return (ts_span){x0, y0, x1 - x0, y1 - y0};
}

/* The latents that the frame's pixels lie in. */
static ts_span covering(const tess_inpainter *i) {
    const int f = ts_config_factor(&i->model->config);
    const ts_span *p = &i->frame;
    const int x0 = p->x / f, y0 = p->y / f, x1 = (p->x + p->width - 1) / f + 1, y1 = (p->y + p->height - 1) / f + 1;
    return (ts_span){x0, y0, x1 - x0, y1 - y0};
}

/* What has to be encoded: all that the frame is decoded from, and what the method looks at. */
static ts_span looked_at(const tess_inpainter *i) {
    const ts_prior_type prior = i->model->config.prior.type;
    ts_span area = widen(covering(i), ts_config_decoder_radius(&i->model->config), i->columns, i->rows);
    if (prior == TS_PRIOR_CONV) area = join(area, ts_prior_window_seen(i->rows, i->columns, i->hole));
    if (i->copying) return join(area, widen(i->hole, TS_EXEMPLAR_REACH, i->columns, i->rows));
    return prior == TS_PRIOR_TRANSFORMER ? (ts_span){0, 0, i->columns, i->rows} : area;
}

static tess_status make_room(tess_inpainter *i) {
    const size_t places = (size_t)i->rows * (size_t)i->columns, levels = (size_t)i->model->config.quantizer.levels;
    const size_t pixels = (size_t)i->frame.width * (size_t)i->frame.height;
    const bool prior = i->model->prior.params != NULL;
    i->given = ts_alloc_floats(floats_of(i));
    i->latents = ts_alloc_floats(floats_of(i));
    i->smooth = ts_alloc_floats(pixels * 3);
    i->colours = ts_alloc_floats(pixels * 3);
    i->free = ts_alloc(pixels);
    if (prior) i->tokens = ts_calloc(places, levels * sizeof *i->tokens);
    if (i->given && i->latents && i->smooth && i->colours && i->free && (!prior || i->tokens)) return TESS_OK;
    return ts_fail_memory(&i->error, pixels * 25 + floats_of(i) * 8 + places * 2 * levels);
}

static tess_status start(tess_inpainter *i) {
    const int f = ts_config_factor(&i->model->config);
    const ts_span masked = bounds(i->mask, i->picture.width, i->picture.height);
    if (masked.width == 0) return TESS_DONE;
    i->rows = (i->picture.height + f - 1) / f;
    i->columns = (i->picture.width + f - 1) / f;
    i->frame = framed(i, masked);
    i->copying = i->method == TS_INPAINT_COPY ||
                 (i->method == TS_INPAINT_AUTO && i->model->config.prior.type != TS_PRIOR_TRANSFORMER);
    i->open = ts_calloc((size_t)i->rows, (size_t)i->columns);
    if (!i->open) return ts_fail_memory(&i->error, (size_t)i->rows * (size_t)i->columns);
    open_latents(i, i->copying || i->model->config.prior.type == TS_PRIOR_CONV ? 0 : 1);
    i->hole = bounds(i->open, i->columns, i->rows);
    i->area = looked_at(i);
    tess_status status = make_room(i);
    if (!status && !ts_pool_resize(&i->pool, i->threads)) status = ts_fail_memory(&i->error, 0);
    if (status) return status;
    take_colours(i, i->smooth);
    status = membrane(i, i->smooth, FILL_TOLERANCE);
    if (status) return status;
    write_colours(i, i->smooth);
    status = begin_net(i, true, i->area);
    i->phase = TS_INPAINT_ENCODE;
    return status ? status : TESS_MORE;
}

/* ---- latents of the picture -------------------------------------------------------------------------------------- */

/* Keeps the latents of a tile's core. */
static void keep_latents(tess_inpainter *i, ts_span core, ts_span window) {
    const ts_span *a = &i->area;
    const size_t dim = (size_t)i->model->config.quantizer.dim;
    const int x0 = -least(-core.x, -a->x), y0 = -least(-core.y, -a->y);
    const int x1 = least(core.x + core.width, a->x + a->width), y1 = least(core.y + core.height, a->y + a->height);
    for (int y = y0; y < y1 && x0 < x1; y++)
        memcpy(i->given + ((size_t)(y - a->y) * (size_t)a->width + (size_t)(x0 - a->x)) * dim,
               ts_net_output(&i->net) + ((size_t)(y - window.y) * (size_t)window.width + (size_t)(x0 - window.x)) * dim,
               (size_t)(x1 - x0) * dim * sizeof *i->given);
}

/* Quantizes what is known, and keeps its tokens for a prior. */
static tess_status quantize(tess_inpainter *i) {
    const ts_quantizer_config *q = &i->model->config.quantizer;
    const ts_span *a = &i->area;
    const size_t dim = (size_t)q->dim, columns = (size_t)a->width, places = (size_t)i->rows * (size_t)i->columns;
    const size_t floats = ts_quantizer_scratch(i->model->quantizer, columns) + columns * dim;
    if (q->levels == 0) return TESS_OK;
    float *scratch = ts_alloc_floats(floats);
    uint16_t *row = ts_alloc(columns * (size_t)q->levels * sizeof *row);
    if (!scratch || !row) {
        ts_free(scratch);
        ts_free(row);
        return ts_fail_memory(&i->error, floats * sizeof *scratch);
    }
    float *coded = scratch + floats - columns * dim;
    for (int y = 0; y < a->height; y++) {
        float *given = i->given + (size_t)y * columns * dim;
        const size_t first = (size_t)(a->y + y) * (size_t)i->columns + (size_t)a->x;
        ts_quantizer_encode(i->model->quantizer, given, columns, q->levels, 0, row, coded, scratch, i->pool);
        for (int level = 0; level < q->levels && i->tokens; level++)
            memcpy(i->tokens + (size_t)level * places + first, row + (size_t)level * columns, columns * sizeof *row);
        for (size_t x = 0; x < columns; x++)
            if (!i->open[first + x]) memcpy(given + x * dim, coded + x * dim, dim * sizeof *given);
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
    keep_latents(i, core, window);
    if (++i->at < ts_net_tiles(&i->net)) return TESS_MORE;
    status = quantize(i);
    if (!status) status = ts_inpaint_make(i);
    return status ? status : TESS_MORE;
}

/* ---- the hole ------------------------------------------------------------------------------------------------------ */

static tess_status sampler_failed(tess_inpainter *i, tess_status status) {
    return ts_fail(&i->error, status, "%s", tess_sampler_message(i->sampler));
}

static tess_status begin_sampling(tess_inpainter *i) {
    const size_t levels = (size_t)i->model->config.quantizer.levels, places = (size_t)i->rows * (size_t)i->columns;
    uint8_t *keep = NULL;
    uint16_t *room = tess_sampler_begin(i->sampler, i->rows, i->columns, &keep);
    if (!room) return sampler_failed(i, TESS_ERR_MEMORY);
    memcpy(room, i->tokens, places * levels * sizeof *room);
    for (size_t p = 0; p < places; p++) keep[p] = i->open[p] ? 0 : (uint8_t)levels;
    return TESS_OK;
}

tess_status ts_inpaint_make(tess_inpainter *i) {
    i->phase = TS_INPAINT_MAKE;
    memcpy(i->latents, i->given, floats_of(i) * sizeof *i->latents);
    ts_exemplar_free(&i->exemplar);
    if (!i->copying) return begin_sampling(i);
    const tess_status status = ts_exemplar_init(&i->exemplar, i->area, i->columns, i->model->config.quantizer.dim,
                                                i->latents, i->given, i->open, i->first ? 0 : i->temperature, i->seed,
                                                &i->error);
    if (status || i->exemplar.count > 0) return status;
    if (i->method == TS_INPAINT_COPY || !i->model->prior.params)
        return ts_fail(
            &i->error, TESS_ERR_INPUT,
            "Too little of the picture is left to copy from; mask less, or let a model with a prior make it up.");
    i->copying = false;
    return begin_sampling(i);
}

/* The latents of what was sampled. */
static tess_status take_samples(tess_inpainter *i) {
    const ts_quantizer_config *q = &i->model->config.quantizer;
    const ts_span *a = &i->area;
    const size_t places = (size_t)i->rows * (size_t)i->columns, columns = (size_t)a->width;
    const uint16_t *tokens = tess_sampler_tokens(i->sampler, NULL, NULL, NULL);
    uint16_t *row = ts_alloc(columns * (size_t)q->levels * sizeof *row);
    if (!row) return ts_fail_memory(&i->error, columns * (size_t)q->levels * sizeof *row);
    for (int y = 0; y < a->height; y++) {
        const uint16_t *from = tokens + (size_t)(a->y + y) * (size_t)i->columns + (size_t)a->x;
        for (int level = 0; level < q->levels; level++)
            memcpy(row + (size_t)level * columns, from + (size_t)level * places, columns * sizeof *row);
        ts_quantizer_decode(i->model->quantizer, row, columns, q->levels,
                            i->latents + (size_t)y * columns * (size_t)q->dim, NULL);
    }
    ts_free(row);
    return TESS_OK;
}

static tess_status make_some(tess_inpainter *i) {
    tess_status status = i->copying ? ts_exemplar_step(&i->exemplar, i->pool) : tess_sampler_step(i->sampler);
    if (status < 0) return sampler_failed(i, status);
    if (status == TESS_MORE) return TESS_MORE;
    status = i->copying ? TESS_OK : take_samples(i);
    if (status) return status;
    ts_exemplar_free(&i->exemplar);
    memcpy(i->colours, i->smooth, (size_t)i->frame.width * (size_t)i->frame.height * 3 * sizeof *i->colours);
    status = begin_net(i, false, covering(i));
    i->phase = TS_INPAINT_DECODE;
    return status ? status : TESS_MORE;
}

/* ---- pixels ------------------------------------------------------------------------------------------------------ */

static void load_latents(tess_inpainter *i, ts_span window) {
    const size_t dim = (size_t)i->model->config.quantizer.dim, row = (size_t)window.width * dim;
    const float *from = i->latents +
                        ((size_t)(window.y - i->area.y) * (size_t)i->area.width + (size_t)(window.x - i->area.x)) * dim;
    float *out = ts_net_input(&i->net);
    for (int y = 0; y < window.height; y++)
        memcpy(out + (size_t)y * row, from + (size_t)y * (size_t)i->area.width * dim, row * sizeof *out);
}

/* Does a tile have pixels of the mask, or within its margin? */
static bool is_needed(const tess_inpainter *i, ts_span core) {
    const ts_span s = widen(core, MARGIN / i->net.factor + 1, i->columns, i->rows);
    for (int y = s.y; y < s.y + s.height; y++)
        if (memchr(i->open + (size_t)y * (size_t)i->columns + (size_t)s.x, 1, (size_t)s.width)) return true;
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

/* Means over blocks of how much smoother the membrane's colours are than the decoded ones: [rows][columns][3]. */
static void block_means(const tess_inpainter *i, int rows, int columns, float *means) {
    const ts_span *frame = &i->frame;
    for (int by = 0; by < rows; by++)
        for (int bx = 0; bx < columns; bx++, means += 3) {
            const int x1 = least((bx + 1) * BLOCK, frame->width), y1 = least((by + 1) * BLOCK, frame->height);
            const float count = (float)((x1 - bx * BLOCK) * (y1 - by * BLOCK));
            means[0] = means[1] = means[2] = 0;
            for (int y = by * BLOCK; y < y1; y++)
                for (int k = bx * BLOCK * 3; k < x1 * 3; k++) {
                    const size_t at = (size_t)y * (size_t)frame->width * 3 + (size_t)k;
                    means[k % 3] += (i->smooth[at] - i->colours[at]) / count;
                }
        }
}

/* Gives the decoded colours the low frequencies of the membrane's: block means, bilinear between them. Copies and samples
 * wander where the surroundings say well enough how light it is. */
static tess_status take_lows(tess_inpainter *i) {
    const int w = i->frame.width, h = i->frame.height;
    const int columns = (w + BLOCK - 1) / BLOCK, rows = (h + BLOCK - 1) / BLOCK;
    float *means = ts_alloc_floats((size_t)rows * (size_t)columns * 3);
    if (!means) return ts_fail_memory(&i->error, (size_t)rows * (size_t)columns * 3 * sizeof *means);
    block_means(i, rows, columns, means);
    float *out = i->colours;
    for (int y = 0; y < h; y++) {
        const float v = fminf(fmaxf(((float)y + 0.5F) / BLOCK - 0.5F, 0), (float)(rows - 1));
        const int y0 = (int)v, y1 = least(y0 + 1, rows - 1);
        for (int x = 0; x < w; x++, out += 3) {
            const float u = fminf(fmaxf(((float)x + 0.5F) / BLOCK - 0.5F, 0), (float)(columns - 1));
            const int x0 = (int)u, x1 = least(x0 + 1, columns - 1);
            const float fy = v - (float)y0, fx = u - (float)x0;
            for (int c = 0; c < 3; c++)
                out[c] += (1 - fy) * ((1 - fx) * means[(y0 * columns + x0) * 3 + c] +
                                      fx * means[(y0 * columns + x1) * 3 + c]) +
                          fy *
                              ((1 - fx) * means[(y1 * columns + x0) * 3 + c] + fx * means[(y1 * columns + x1) * 3 + c]);
        }
    }
    ts_free(means);
    return TESS_OK;
}

/* Adds to the decoded colours the membrane of how far off they are at the mask's edge, which `feather` lets fade out with
 * the depth. `off` and `depth`: room for the frame, [3] and [1]. */
static tess_status blend(tess_inpainter *i, float *off, float *depth) {
    const size_t pixels = (size_t)i->frame.width * (size_t)i->frame.height;
    for (size_t k = 0; k < pixels * 3; k++) off[k] = i->free[k / 3] ? 0 : i->smooth[k] - i->colours[k];
    const tess_status status = membrane(i, off, BLEND_TOLERANCE);
    if (status) return status;
    if (i->feather) depths(i, depth);
    for (size_t k = 0; k < pixels * 3; k++) {
        const float fade = i->feather ? fmaxf(0, 1 - (depth[k / 3] - 1) / (float)i->feather) : 1;
        off[k] = i->colours[k] + fade * off[k];
    }
    write_colours(i, off);
    return TESS_DONE;
}

/* Nothing is known where all is masked; and a small picture's prior knows better than its edges how it looks inside. */
static bool has_lows(const tess_inpainter *i) {
    const size_t pixels = (size_t)i->frame.width * (size_t)i->frame.height;
    const bool whole = !i->copying && i->model->config.prior.type == TS_PRIOR_TRANSFORMER;
    return !whole && memchr(i->free, 0, pixels) != NULL;
}

static tess_status finish(tess_inpainter *i) {
    const size_t pixels = (size_t)i->frame.width * (size_t)i->frame.height;
    tess_status status = has_lows(i) ? take_lows(i) : TESS_OK;
    if (status) return status;
    float *room = ts_alloc_floats(4 * pixels);
    status = room ? blend(i, room, room + 3 * pixels) : ts_fail_memory(&i->error, 4 * pixels * sizeof *room);
    ts_free(room);
    return status;
}

static tess_status decode_some(tess_inpainter *i) {
    const int tiles = ts_net_tiles(&i->net);
    while (i->at < tiles && !is_needed(i, placed(i, ts_net_core(&i->net, i->at)))) i->at++;
    if (i->at == tiles) return finish(i);
    const ts_span core = placed(i, ts_net_core(&i->net, i->at)), window = placed(i, ts_net_window(&i->net, i->at));
    const tess_status status = ts_net_prepare(&i->net, window, &i->error);
    if (status) return status;
    if (ts_net_fraction(&i->net) == 0) load_latents(i, window);
    if (!ts_net_run(&i->net, i->pool)) return TESS_MORE;
    keep_pixels(i, core, window);
    i->at++;
    return TESS_MORE;
}

tess_status ts_inpaint_step(tess_inpainter *i) {
    switch (i->phase) {
    case TS_INPAINT_FILLING: return start(i);
    case TS_INPAINT_ENCODE: return encode_some(i);
    case TS_INPAINT_MAKE: return make_some(i);
    default: return decode_some(i);
    }
}
