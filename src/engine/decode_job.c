/* decode_job.c - one decoding job: header, tokens tile by tile, concealment, alpha, pixels window by window. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/decoder.h"

void ts_decode_drop(tess_decoder *decoder) {
    ts_net_free(&decoder->net);
    memset(&decoder->net, 0, sizeof decoder->net);
    ts_tess_close(decoder->file);
    ts_entropy_coder_free(decoder->coder);
    ts_free(decoder->bytes);
    ts_free(decoder->tile_state);
    decoder->file = NULL;
    decoder->coder = NULL;
    decoder->bytes = NULL;
    decoder->tile_state = NULL;
}

/* ---- start ---------------------------------------------------------------------------------------------------- */

/* Opens the file and checks that it is one for this model. */
static tess_status open_file(tess_decoder *decoder) {
    const ts_quantizer_config *q = &decoder->model->config.quantizer;
    const int factor = ts_config_factor(&decoder->model->config);
    ts_error *err = &decoder->error;
    tess_status status = ts_tess_open(&decoder->file, decoder->bytes, decoder->size, err);
    if (!status && !ts_model_reads(decoder->model, ts_tess_file_header(decoder->file)->model))
        status = ts_tess_check_model(decoder->file, decoder->model->hash, err);
    if (!status) status = ts_tess_check_predictor(decoder->file, decoder->model->predictor, err);
    if (status) return status;
    decoder->header = *ts_tess_file_header(decoder->file);
    const ts_tess_header *h = &decoder->header;
    if (h->levels > q->levels || h->token_width != (h->width + factor - 1) / factor ||
        h->token_height != (h->height + factor - 1) / factor)
        return ts_fail(err, TESS_ERR_FORMAT,
                       "The header's token grid (%d x %d, %d levels) is not this model's; the file is damaged.",
                       h->token_width, h->token_height, h->levels);
    return TESS_OK;
}

static int least(int a, int b) { return a < b ? a : b; }

/* The pixels wanted and the tokens that they need, radius included. */
static tess_status place_region(tess_decoder *decoder) {
    const ts_decode_options *o = &decoder->options;
    const ts_tess_header *h = &decoder->header;
    if (o->x >= h->width || o->y >= h->height)
        return ts_fail(&decoder->error, TESS_ERR_OPTION,
                       "The region starts at (%d, %d), outside the picture of %d x %d.", o->x, o->y, h->width,
                       h->height);
    decoder->region = (ts_span){o->x, o->y, least(o->width ? o->width : h->width, h->width - o->x),
                                least(o->height ? o->height : h->height, h->height - o->y)};
    return TESS_OK;
}

/* Tokens that cover the region. */
static ts_span covering(const tess_decoder *decoder) {
    const int f = ts_config_factor(&decoder->model->config);
    const ts_span *r = &decoder->region;
    const int x0 = r->x / f, y0 = r->y / f, x1 = (r->x + r->width - 1) / f + 1, y1 = (r->y + r->height - 1) / f + 1;
    return (ts_span){x0, y0, x1 - x0, y1 - y0};
}

/* All tokens of a job that began from tokens must be codes. */
static tess_status check_tokens(tess_decoder *decoder) {
    const ts_tess_header *h = &decoder->header;
    const size_t count = (size_t)h->levels * (size_t)h->token_height * (size_t)h->token_width;
    const int size = decoder->model->config.quantizer.size;
    for (size_t i = 0; i < count; i++)
        if (decoder->tokens[i] >= size)
            return ts_fail(&decoder->error, TESS_ERR_INPUT, "Token %zu is %d; this model's codebooks have %d codes.", i,
                           decoder->tokens[i], size);
    return TESS_OK;
}

static tess_status check_latents(tess_decoder *decoder) {
    const ts_tess_header *h = &decoder->header;
    const size_t dim = (size_t)decoder->model->config.quantizer.dim;
    const size_t count = (size_t)h->token_height * (size_t)h->token_width * dim;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(decoder->latents[i]))
            return ts_fail(&decoder->error, TESS_ERR_INPUT, "Latent %zu, channel %zu, is not a finite number.", i / dim,
                           i % dim);
    return TESS_OK;
}

static tess_status prepare(tess_decoder *decoder) {
    ts_error *err = &decoder->error;
    const bool from_file = decoder->bytes != NULL;
    tess_status status = from_file          ? open_file(decoder)
                         : decoder->latents ? check_latents(decoder)
                                            : check_tokens(decoder);
    if (!status) status = place_region(decoder);
    if (!status && !ts_pool_resize(&decoder->pool, decoder->options.threads)) status = ts_fail_memory(err, 0);
    if (!status) status = ts_net_init(&decoder->net, decoder->model, false, err);
    if (status) return status;

    const ts_tess_header *h = &decoder->header;
    const ts_span area = covering(decoder);
    status = ts_net_tile(&decoder->net, h->token_width, h->token_height, area, decoder->options.tile,
                         decoder->options.threads, err);
    if (status) return status;
    const ts_span first = ts_net_window(&decoder->net, 0),
                  last = ts_net_window(&decoder->net, ts_net_tiles(&decoder->net) - 1);
    decoder->needed = (ts_span){first.x, first.y, last.x + last.width - first.x, last.y + last.height - first.y};
    decoder->levels = decoder->options.levels ? least(decoder->options.levels, h->levels) : h->levels;

    const ts_span *r = &decoder->region;
    const int channels = h->channels == 4 ? 4 : 3;
    const size_t pixels = (size_t)r->width * (size_t)r->height * (size_t)channels;
    decoder->picture = (ts_pixels){ts_calloc(pixels, 1), r->width, r->height, channels};
    if (!decoder->picture.data) return ts_fail_memory(err, pixels);
    decoder->at = 0;
    decoder->phase = TS_DECODE_NET;
    if (!from_file) return TESS_OK;

    const size_t tokens = (size_t)decoder->levels * (size_t)h->token_width * (size_t)h->token_height;
    decoder->tokens = ts_calloc(tokens + 1, sizeof(uint16_t));
    decoder->tile_state = ts_calloc((size_t)ts_tess_tiles(h), 1);
    if (decoder->options.bits) decoder->bits = ts_calloc(tokens + 1, sizeof(uint16_t));
    if (!decoder->tokens || !decoder->tile_state || (decoder->options.bits && !decoder->bits))
        return ts_fail_memory(err, tokens * sizeof(uint16_t));
    decoder->phase = TS_DECODE_ENTROPY;
    return ts_entropy_coder_new(&decoder->coder, decoder->model->entropy, h->predictor != 0, err);
}

/* ---- tokens --------------------------------------------------------------------------------------------------- */

static bool overlaps(const ts_span *a, const ts_tess_rect *b) {
    return a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height && b->y < a->y + a->height;
}

static ts_token_view tile_view(const tess_decoder *decoder, const ts_tess_rect *rect) {
    const size_t width = (size_t)decoder->header.token_width;
    return (ts_token_view){decoder->tokens + (size_t)rect->y * width + (size_t)rect->x, width,
                           width * (size_t)decoder->header.token_height, rect->height, rect->width};
}

/* Zeroes a rectangle of a level, given by its first value, that is laid out like the view. */
static void clear_level(const ts_token_view *view, uint16_t *level) {
    for (int y = 0; y < view->height; y++)
        memset(level + (size_t)y * view->row_stride, 0, (size_t)view->width * sizeof(uint16_t));
}

/* Whether a failure of a section means damage (true) or a fault of ours such as memory (false). */
static bool is_damage(tess_status status) { return status == TESS_ERR_FORMAT || status == TESS_ERR_CHECKSUM; }

/* Decodes the levels of a tile up to the first bad one; levels above it are of no use and stay zero. */
static tess_status read_tile(tess_decoder *decoder, int tile) {
    const ts_tess_rect rect = ts_tess_tile(&decoder->header, tile);
    const ts_token_view view = tile_view(decoder, &rect);
    decoder->tile_state[tile] = TS_TILE_WHOLE;
    for (int level = 0; level < decoder->levels; level++) {
        const uint8_t *bytes;
        size_t size;
        ts_error why = {{0}};
        uint16_t *tokens = view.tokens + (size_t)level * view.level_stride;
        uint16_t *bits = decoder->bits ? decoder->bits + (tokens - decoder->tokens) : NULL;
        tess_status status = ts_tess_section(decoder->file, level, tile, &bytes, &size, &why);
        const bool missing = status == TESS_ERR_FORMAT; /* the file ends before it: a prefix, which may be meant */
        if (!status) status = ts_entropy_decode(decoder->coder, level, &view, bytes, size, bits, &why);
        if (!status) continue;
        if (!is_damage(status) || decoder->options.strict) return ts_fail(&decoder->error, status, "%s", why.text);
        clear_level(&view, tokens);
        if (bits) clear_level(&view, bits);
        if (level == 0) decoder->tile_state[tile] = TS_TILE_LOST;
        if (level == 0 || !missing) decoder->damaged++;
        break;
    }
    return TESS_OK;
}

static tess_status conceal(tess_decoder *decoder) {
    const int tiles = ts_tess_tiles(&decoder->header);
    for (int tile = 0; tile < tiles; tile++) {
        if (decoder->tile_state[tile] != TS_TILE_LOST) continue;
        const tess_status status = ts_conceal_tile(decoder, tile);
        if (status) return status;
    }
    return TESS_OK;
}

/* The next tile that the region needs; after the last, lost tiles are concealed. */
static tess_status read_some(tess_decoder *decoder) {
    const int tiles = ts_tess_tiles(&decoder->header);
    while (decoder->at < tiles) {
        const ts_tess_rect rect = ts_tess_tile(&decoder->header, decoder->at);
        if (overlaps(&decoder->needed, &rect)) break;
        decoder->at++;
    }
    if (decoder->at < tiles) return read_tile(decoder, decoder->at++);
    ts_entropy_coder_free(decoder->coder);
    decoder->coder = NULL;
    decoder->at = 0;
    decoder->phase = decoder->header.channels == 4 ? TS_DECODE_ALPHA : TS_DECODE_NET;
    return conceal(decoder);
}

/* ---- alpha ---------------------------------------------------------------------------------------------------- */

/* Decodes one strip whole and copies the part inside the region; a damaged strip becomes opaque. */
static tess_status read_strip(tess_decoder *decoder, ts_alpha_coder *coder, int strip, uint8_t *room) {
    const ts_tess_header *h = &decoder->header;
    const ts_span *r = &decoder->region;
    const int top = strip * TS_TESS_ALPHA_ROWS, rows = least(TS_TESS_ALPHA_ROWS, h->height - top);
    if (top >= r->y + r->height || top + rows <= r->y) return TESS_OK;
    const uint8_t *bytes;
    size_t size;
    ts_error why = {{0}};
    const size_t width = (size_t)h->width;
    tess_status status = ts_tess_section(decoder->file, TS_TESS_ALPHA, strip, &bytes, &size, &why);
    if (!status) status = ts_alpha_decode(coder, room, width, 1, rows, h->width, bytes, size, &why);
    if (status) {
        if (!is_damage(status) || decoder->options.strict) return ts_fail(&decoder->error, status, "%s", why.text);
        memset(room, 255, width * (size_t)rows);
        decoder->damaged++;
    }
    for (int y = top < r->y ? r->y - top : 0; y < rows && top + y < r->y + r->height; y++) {
        uint8_t *out = decoder->picture.data + (size_t)(top + y - r->y) * (size_t)r->width * 4 + 3;
        const uint8_t *in = room + (size_t)y * width + (size_t)r->x;
        for (int x = 0; x < r->width; x++) out[(size_t)x * 4] = in[x];
    }
    return TESS_OK;
}

static tess_status read_alpha(tess_decoder *decoder) {
    ts_alpha_coder *coder = NULL;
    const size_t bytes = (size_t)decoder->header.width * TS_TESS_ALPHA_ROWS;
    uint8_t *room = ts_alloc(bytes);
    tess_status status = room ? ts_alpha_coder_new(&coder, &decoder->error) : ts_fail_memory(&decoder->error, bytes);
    for (int strip = 0; strip < ts_tess_alpha_strips(&decoder->header) && !status; strip++)
        status = read_strip(decoder, coder, strip, room);
    ts_alpha_coder_free(coder);
    ts_free(room);
    decoder->phase = TS_DECODE_NET;
    return status;
}

/* ---- pixels --------------------------------------------------------------------------------------------------- */

/* Looks up the latents of a window, row by row, straight into the net's input. */
static void fill_latents(tess_decoder *decoder, ts_span window, uint16_t *gathered) {
    const size_t width = (size_t)decoder->header.token_width, area = width * (size_t)decoder->header.token_height;
    const size_t dim = (size_t)decoder->model->config.quantizer.dim, columns = (size_t)window.width;
    float *out = ts_net_input(&decoder->net);
    for (int y = 0; y < window.height; y++, out += columns * dim) {
        const uint16_t *from = decoder->tokens + (size_t)(window.y + y) * width + (size_t)window.x;
        for (int level = 0; level < decoder->levels; level++)
            memcpy(gathered + (size_t)level * columns, from + (size_t)level * area, columns * sizeof *gathered);
        ts_quantizer_decode(decoder->model->quantizer, gathered, columns, decoder->levels, out, NULL);
    }
}

/* Paints the part of a tile's pixels that lies in the region. */
static void paint(tess_decoder *decoder, ts_span core, ts_span window) {
    const int f = decoder->net.factor;
    const ts_span *r = &decoder->region;
    const int x0 = core.x * f > r->x ? core.x * f : r->x, y0 = core.y * f > r->y ? core.y * f : r->y;
    const int x1 = least((core.x + core.width) * f, r->x + r->width),
              y1 = least((core.y + core.height) * f, r->y + r->height);
    const size_t stride = (size_t)window.width * (size_t)f;
    const float *from = ts_net_output(&decoder->net) +
                        ((size_t)(y0 - window.y * f) * stride + (size_t)(x0 - window.x * f)) * 3;
    ts_pixels_from_floats(from, stride, x1 - x0, y1 - y0, decoder->model->config.range, decoder->header.channels == 1,
                          &decoder->picture, x0 - r->x, y0 - r->y);
    const int painted[4] = {x0 - r->x, y0 - r->y, x1 - x0, y1 - y0};
    memcpy(decoder->painted, painted, sizeof painted);
}

static void copy_latents(const tess_decoder *decoder, ts_span window, float *out) {
    const size_t dim = (size_t)decoder->model->config.quantizer.dim, row = (size_t)window.width * dim;
    const size_t stride = (size_t)decoder->header.token_width * dim;
    const float *from = decoder->latents + (size_t)window.y * stride + (size_t)window.x * dim;
    for (int y = 0; y < window.height; y++) memcpy(out + (size_t)y * row, from + (size_t)y * stride, row * sizeof *out);
}

/* Looks up the window's latents and writes them to the net's input. */
static tess_status load_window(tess_decoder *decoder, ts_span window) {
    if (decoder->latents) {
        copy_latents(decoder, window, ts_net_input(&decoder->net));
        return TESS_OK;
    }
    const size_t count = (size_t)window.width * (size_t)(decoder->levels ? decoder->levels : 1);
    uint16_t *gathered = ts_alloc(count * sizeof *gathered);
    if (!gathered) return ts_fail_memory(&decoder->error, count * sizeof *gathered);
    fill_latents(decoder, window, gathered);
    ts_free(gathered);
    return TESS_OK;
}

/* Works on a tile of pixels; paints it and moves on when it is complete. */
static tess_status paint_some(tess_decoder *decoder) {
    const ts_span core = ts_net_core(&decoder->net, decoder->at), window = ts_net_window(&decoder->net, decoder->at);
    tess_status status = ts_net_prepare(&decoder->net, window, &decoder->error);
    if (!status && ts_net_fraction(&decoder->net) == 0) status = load_window(decoder, window);
    if (status) return status;
    if (!ts_net_run(&decoder->net, decoder->pool)) return TESS_MORE;
    paint(decoder, core, window);
    decoder->at++;
    return decoder->at == ts_net_tiles(&decoder->net) ? TESS_DONE : TESS_MORE;
}

tess_status ts_decode_step(tess_decoder *decoder) {
    tess_status status;
    switch (decoder->phase) {
    case TS_DECODE_FILLING: status = prepare(decoder); break;
    case TS_DECODE_ENTROPY: status = read_some(decoder); break;
    case TS_DECODE_ALPHA: status = read_alpha(decoder); break;
    default: status = paint_some(decoder); break;
    }
    if (status < 0 || status == TESS_DONE) return status;
    if (decoder->phase == TS_DECODE_ENTROPY) decoder->progress = 0.15 * decoder->at / ts_tess_tiles(&decoder->header);
    if (decoder->phase == TS_DECODE_NET)
        decoder->progress = 0.15 + 0.85 * (decoder->at + ts_net_fraction(&decoder->net)) / ts_net_tiles(&decoder->net);
    return TESS_MORE;
}
