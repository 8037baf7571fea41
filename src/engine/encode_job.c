/* encode_job.c - one encoding job: latents tile by tile, token choice in passes until the rate fits, then the file. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/encoder.h"
#include "engine/ladder.h"
#include "engine/masking.h"

enum {
    SAMPLE_TILES = 8, /* a rate search on a picture with many tiles looks at about this many */
    SEARCH_TRIES = 12,
    CORRECTIONS = 3
};

static const double TOLERANCE = 0.02;       /* how far below the target a size may stay */
static const double ROUGH_TOLERANCE = 0.06; /* the same while static code lengths stand in for the real ones */
static const double ROUGH_FACTOR = 0.7;     /* lambda for the same size by the real ones, about */

void ts_encode_drop(tess_encoder *encoder) {
    ts_net_free(&encoder->net);
    memset(&encoder->net, 0, sizeof encoder->net);
    for (int i = 0; i < encoder->chooser_count; i++) ts_chooser_free(&encoder->choosers[i]);
    ts_free(encoder->choosers);
    ts_choice_books_free(&encoder->books);
    ts_alpha_coder_free(encoder->alpha);
    ts_free(encoder->latents);
    ts_free(encoder->masking);
    ts_free(encoder->tile_bytes);
    ts_free(encoder->tile_status);
    ts_free(encoder->tile_used);
    ts_free(encoder->picture.data);
    encoder->picture.data = NULL;
    encoder->choosers = NULL;
    encoder->chooser_count = 0;
    encoder->alpha = NULL;
    encoder->latents = NULL;
    encoder->masking = NULL;
    encoder->tile_bytes = NULL;
    encoder->tile_status = NULL;
    encoder->tile_used = NULL;
}

/* ---- pixels to latents ---------------------------------------------------------------------------------------- */

/* Works on a tile of latents; moves on when it is complete. */
static tess_status code_tile(tess_encoder *encoder) {
    const ts_span core = ts_net_core(&encoder->net, encoder->at), window = ts_net_window(&encoder->net, encoder->at);
    tess_status status = ts_net_prepare(&encoder->net, window, &encoder->error);
    if (status) return status;
    const int f = encoder->net.factor;
    const size_t dim = (size_t)encoder->model->config.quantizer.dim;
    if (ts_net_fraction(&encoder->net) == 0)
        ts_pixels_to_floats(&encoder->picture, window.x * f, window.y * f, window.width * f, window.height * f,
                            encoder->model->config.range, ts_net_input(&encoder->net));
    if (!ts_net_run(&encoder->net, encoder->pool)) return TESS_OK;
    const float *out = ts_net_output(&encoder->net);
    for (int y = 0; y < core.height; y++) {
        const size_t from = (size_t)(core.y - window.y + y) * (size_t)window.width + (size_t)(core.x - window.x);
        const size_t to = (size_t)(core.y + y) * (size_t)encoder->header.token_width + (size_t)core.x;
        memcpy(encoder->latents + to * dim, out + from * dim, (size_t)core.width * dim * sizeof(float));
    }
    encoder->at++;
    return TESS_OK;
}

/* ---- latents to tokens ---------------------------------------------------------------------------------------- */

static int candidates_for(int effort) {
    static const int KEEP[10] = {1, 2, 2, 3, 4, 6, 8, 12, 16, 32};
    return KEEP[effort];
}

static double target_bytes(const tess_encoder *encoder) {
    const ts_encode_options *o = &encoder->options;
    if (o->rule == TS_RATE_SIZE) return o->rate;
    return floor(o->rate * encoder->header.width * encoder->header.height / 8);
}

static tess_status put_alpha(tess_encoder *encoder, ts_tess_writer *writer) {
    const ts_pixels *p = &encoder->picture;
    if (ts_tess_alpha_strips(&encoder->header) == 0) return TESS_OK;
    tess_status status = encoder->alpha ? TESS_OK : ts_alpha_coder_new(&encoder->alpha, &encoder->error);
    for (int strip = 0; strip < ts_tess_alpha_strips(&encoder->header) && !status; strip++) {
        const int y = strip * TS_TESS_ALPHA_ROWS;
        const int rows = p->height - y < TS_TESS_ALPHA_ROWS ? p->height - y : TS_TESS_ALPHA_ROWS;
        const size_t stride = (size_t)p->width * 4;
        const uint8_t *bytes;
        size_t size;
        status = ts_alpha_encode(encoder->alpha, p->data + (size_t)y * stride + 3, stride, 4, rows, p->width, &bytes,
                                 &size, &encoder->error);
        if (!status) status = ts_tess_writer_put(writer, TS_TESS_ALPHA, strip, bytes, size, &encoder->error);
    }
    return status;
}

/* What the file takes beside token sections. */
static tess_status measure_overhead(tess_encoder *encoder) {
    ts_tess_writer *writer = NULL;
    tess_status status = ts_tess_writer_new(&writer, &encoder->header, &encoder->error);
    if (!status) status = put_alpha(encoder, writer);
    if (!status) encoder->overhead = ts_tess_writer_size(writer);
    ts_tess_writer_free(writer);
    return status;
}

/* What choosing and writing need for each entropy tile, and `workers` choosers. */
static tess_status make_choosers(tess_encoder *encoder, int workers) {
    ts_error *err = &encoder->error;
    encoder->tiles = ts_tess_tiles(&encoder->header);
    const size_t tiles = (size_t)encoder->tiles;
    if (workers > encoder->tiles) workers = encoder->tiles;
    encoder->tile_bytes = ts_calloc(tiles, sizeof *encoder->tile_bytes);
    encoder->tile_status = ts_calloc(tiles, sizeof *encoder->tile_status);
    encoder->tile_used = ts_calloc(tiles, sizeof *encoder->tile_used);
    encoder->choosers = ts_calloc((size_t)workers, sizeof *encoder->choosers);
    if (!encoder->tile_bytes || !encoder->tile_status || !encoder->tile_used || !encoder->choosers)
        return ts_fail_memory(err, tiles * sizeof *encoder->tile_used);
    const int longest = encoder->header.token_width > encoder->header.token_height ? encoder->header.token_width
                                                                                   : encoder->header.token_height;
    const int side = longest < encoder->header.tile ? longest : encoder->header.tile;
    tess_status status = TESS_OK;
    for (; encoder->chooser_count < workers && !status; encoder->chooser_count++)
        status = ts_chooser_init(&encoder->choosers[encoder->chooser_count], encoder->model, side,
                                 encoder->options.predict, err);
    return status;
}

static ts_token_view tile_view(const tess_encoder *encoder, int tile, ts_tess_rect *rect) {
    *rect = ts_tess_tile(&encoder->header, tile);
    const size_t width = (size_t)encoder->header.token_width;
    return (ts_token_view){encoder->tokens + (size_t)rect->y * width + (size_t)rect->x, width, ts_encode_area(encoder),
                           rect->height, rect->width};
}

/* Given tokens: checks that they are codes, and finds the levels that each tile uses. */
static tess_status begin_writing(tess_encoder *encoder) {
    const tess_status status = make_choosers(encoder, 1);
    const int size = encoder->model->config.quantizer.size;
    for (int tile = 0; tile < encoder->tiles && !status; tile++) {
        ts_tess_rect rect;
        const ts_token_view view = tile_view(encoder, tile, &rect);
        for (int level = 0; level < encoder->header.levels; level++) {
            bool used = level == 0;
            for (int i = 0; i < rect.width * rect.height; i++) {
                const uint16_t k = view.tokens[(size_t)level * view.level_stride +
                                               (size_t)(i / rect.width) * view.row_stride + (size_t)(i % rect.width)];
                if (k >= size)
                    return ts_fail(&encoder->error, TESS_ERR_INPUT,
                                   "A token is %d; this model's codebooks have %d codes.", k, size);
                used |= k != 0;
            }
            encoder->tile_used[tile][level] = used;
        }
    }
    encoder->searching = false;
    encoder->at = 0;
    encoder->phase = TS_ENCODE_WRITE;
    return status;
}

static tess_status begin_choice(tess_encoder *encoder) {
    ts_error *err = &encoder->error;
    ts_net_free(&encoder->net);
    memset(&encoder->net, 0, sizeof encoder->net);
    if (encoder->header.channels != 4) {
        ts_free(encoder->picture.data);
        encoder->picture.data = NULL;
    }
    ts_masking(encoder->latents, encoder->header.token_height, encoder->header.token_width,
               encoder->model->config.quantizer.dim, encoder->masking);
    tess_status status = ts_choice_books_init(&encoder->books, encoder->model, err);
    if (!status) status = make_choosers(encoder, encoder->options.threads);
    if (status) return status;

    const ts_encode_options *o = &encoder->options;
    ts_ladder ladder;
    ts_ladder_of(encoder->model, &ladder);
    double lambda = o->rule == TS_RATE_QUALITY ? ts_ladder_quality(&ladder, o->rate) : 0;
    if (o->tokens_only && !o->rate_given) lambda = 0;
    encoder->searching = o->rule != TS_RATE_QUALITY && !o->tokens_only;
    encoder->rough = false;
    encoder->stride = 1;
    encoder->correction = 1;
    encoder->corrections = 0;
    if (encoder->searching) {
        status = measure_overhead(encoder);
        const double target = target_bytes(encoder);
        const double guess = ts_ladder_rate(&ladder, 8 * target / (double)ts_encode_area(encoder));
        encoder->rough = candidates_for(o->effort) > 1;
        ts_rate_begin(&encoder->search, target, fmin(fmax(guess, 1e-9), 1e3),
                      encoder->rough ? ROUGH_TOLERANCE : TOLERANCE, SEARCH_TRIES);
        lambda = ts_rate_lambda(&encoder->search);
        if (encoder->tiles > SAMPLE_TILES + SAMPLE_TILES / 2) encoder->stride = encoder->tiles / SAMPLE_TILES;
    }
    ts_choice_books_set(&encoder->books, (float)lambda, encoder->rough ? 1 : candidates_for(o->effort));
    encoder->at = 0;
    encoder->phase = TS_ENCODE_CHOICE;
    return status;
}

/* What a section of this cost (1/256 bit) adds to a file: its bytes, their CRC, a longer entry in the directory. */
static uint64_t section_bytes(uint64_t cost) {
    const uint64_t bits = 8 * TS_ENTROPY_COST_ONE, bytes = (cost + bits - 1) / bits + 1;
    return bytes + 4 + (bytes > 127) + (bytes > 16383);
}

static void choose_tile(void *context, size_t begin, size_t end, int worker) {
    tess_encoder *encoder = context;
    const size_t dim = (size_t)encoder->model->config.quantizer.dim, width = (size_t)encoder->header.token_width;
    for (size_t i = begin; i < end; i++) {
        const int tile = encoder->at + (int)i * encoder->stride;
        ts_tess_rect rect;
        const ts_token_view view = tile_view(encoder, tile, &rect);
        const ts_span *r = &encoder->region;
        if (rect.x >= r->x + r->width || rect.y >= r->y + r->height || rect.x + rect.width <= r->x ||
            rect.y + rect.height <= r->y)
            continue;
        uint64_t cost[TS_LEVELS_MAX];
        const size_t first = (size_t)rect.y * width + (size_t)rect.x;
        encoder->tile_status[tile] = ts_choose(&encoder->choosers[worker], &encoder->books,
                                               encoder->latents + first * dim, encoder->masking + first, width, &view,
                                               cost, encoder->tile_used[tile]);
        encoder->tile_bytes[tile] = 0;
        for (int level = 0; level < TS_LEVELS_MAX; level++)
            if (encoder->tile_used[tile][level]) encoder->tile_bytes[tile] += section_bytes(cost[level]);
    }
}

/* Levels that any tile of the last pass uses. */
static int levels_used(const tess_encoder *encoder) {
    int levels = 1;
    for (int tile = 0; tile < encoder->tiles; tile++)
        for (int level = levels; level < TS_LEVELS_MAX; level++)
            if (encoder->tile_used[tile][level]) levels = level + 1;
    return levels;
}

/* Bytes of the whole file, from the tiles that the pass took. */
static double pass_bytes(const tess_encoder *encoder) {
    double bytes = 0, area = 0, all = 0;
    for (int tile = 0; tile < encoder->tiles; tile++) {
        const ts_tess_rect rect = ts_tess_tile(&encoder->header, tile);
        const double tokens = (double)rect.width * rect.height;
        all += tokens;
        if (tile % encoder->stride) continue;
        area += tokens;
        bytes += (double)encoder->tile_bytes[tile];
    }
    return bytes * all / area * (encoder->stride > 1 ? encoder->correction : 1) + (double)encoder->overhead;
}

static void next_pass(tess_encoder *encoder, int stride) {
    const int keep = encoder->rough ? 1 : candidates_for(encoder->options.effort);
    ts_choice_books_set(&encoder->books, (float)ts_rate_lambda(&encoder->search), keep);
    encoder->stride = stride;
    encoder->at = 0;
}

/* After a pass of a rate search: another, or on to the file. */
static void judge_pass(tess_encoder *encoder) {
    const double bytes = pass_bytes(encoder), x = encoder->search.x;
    const int sample = encoder->tiles > SAMPLE_TILES + SAMPLE_TILES / 2 ? encoder->tiles / SAMPLE_TILES : 1;
    if (!encoder->search.done) {
        ts_rate_report(&encoder->search, bytes);
        if (encoder->search.done && encoder->rough) { /* near enough: from here on the real code lengths */
            encoder->rough = false;
            const double lambda = ts_rate_lambda(&encoder->search) * ROUGH_FACTOR;
            ts_rate_again(&encoder->search, encoder->search.target, fmax(lambda, 1e-9), TOLERANCE);
            if (lambda == 0) encoder->search.x = encoder->search.floor;
            next_pass(encoder, sample);
            return;
        }
        if (!encoder->search.done || encoder->search.x != x || sample > 1) {
            next_pass(encoder, encoder->search.done ? 1 : sample);
            return;
        }
    } else if (sample > 1 && encoder->corrections < CORRECTIONS) {
        /* the sample promised target bytes; the whole picture shows how far that holds */
        const double target = encoder->search.target;
        const bool largest = ts_rate_lambda(&encoder->search) == 0;
        if (bytes > target || (bytes < target * (1 - 2 * TOLERANCE) && !largest)) {
            const double promised = encoder->search.best_bytes - (double)encoder->overhead;
            encoder->corrections++;
            if (promised > 0) encoder->correction *= (bytes - (double)encoder->overhead) / promised;
            const double lambda = fmax(ts_rate_lambda(&encoder->search), 1e-9);
            ts_rate_again(&encoder->search, target, lambda, TOLERANCE);
            next_pass(encoder, sample);
            return;
        }
    }
    encoder->phase = TS_ENCODE_WRITE;
}

static tess_status choose_some(tess_encoder *encoder) {
    const int left = (encoder->tiles - encoder->at + encoder->stride - 1) / encoder->stride;
    const int count = left < encoder->chooser_count ? left : encoder->chooser_count;
    ts_parallel(encoder->pool, (size_t)count, 1, choose_tile, encoder);
    for (int i = 0; i < count; i++) {
        const int tile = encoder->at + i * encoder->stride;
        if (!encoder->tile_status[tile]) continue;
        for (int c = 0; c < encoder->chooser_count; c++)
            if (encoder->choosers[c].error.text[0]) encoder->error = encoder->choosers[c].error;
        return encoder->tile_status[tile];
    }
    encoder->at += count * encoder->stride;
    if (encoder->at < encoder->tiles) return TESS_OK;
    if (encoder->searching) judge_pass(encoder);
    else encoder->phase = TS_ENCODE_WRITE;
    if (encoder->phase == TS_ENCODE_WRITE) encoder->at = 0;
    return TESS_OK;
}

/* ---- tokens to a file ----------------------------------------------------------------------------------------- */

static tess_status write_tile(tess_encoder *encoder) {
    ts_error *err = &encoder->error;
    tess_status status = TESS_OK;
    if (encoder->at == 0) {
        const int all = encoder->header.levels;
        encoder->header.levels = levels_used(encoder);
        ts_tess_writer_free(encoder->writer);
        encoder->writer = NULL;
        status = ts_tess_writer_new(&encoder->writer, &encoder->header, err);
        encoder->levels = encoder->header.levels;
        encoder->header.levels = all;
        if (!status) status = put_alpha(encoder, encoder->writer);
    }
    ts_tess_rect rect;
    const ts_token_view view = tile_view(encoder, encoder->at, &rect);
    for (int level = 0; level < encoder->levels && !status; level++) {
        const uint8_t *bytes;
        size_t size;
        status = ts_entropy_encode(encoder->choosers[0].coder, level, &view, &bytes, &size, err);
        if (!status) status = ts_tess_writer_put(encoder->writer, level, encoder->at, bytes, size, err);
    }
    encoder->at++;
    return status;
}

/* All tiles are written. A file that came out a few bytes over its limit goes back for another search. */
static tess_status finish(tess_encoder *encoder) {
    tess_status status = ts_tess_writer_finish(encoder->writer, &encoder->bytes, &encoder->size, &encoder->error);
    if (status) return status;
    const double over = (double)encoder->size - target_bytes(encoder);
    if (encoder->searching && over > 0) {
        const bool smallest = encoder->search.x >= encoder->search.ceiling;
        if (!smallest && encoder->corrections < 2 * CORRECTIONS) {
            encoder->corrections++;
            encoder->search.done = true;
            encoder->search.x += fmax(0.02, 2 * over / (double)encoder->size) * encoder->corrections;
            encoder->phase = TS_ENCODE_CHOICE;
            next_pass(encoder, 1);
            return TESS_MORE;
        }
        if (encoder->options.rule == TS_RATE_SIZE)
            return ts_fail(&encoder->error, TESS_ERR_OPTION,
                           "A file of at most %.0f bytes cannot be made of this picture; the smallest has %zu.",
                           encoder->options.rate, encoder->size);
    }
    encoder->header.levels = encoder->levels;
    return TESS_DONE;
}

/* ---- one step ------------------------------------------------------------------------------------------------- */

static double progress(const tess_encoder *encoder) {
    const double NET = 0.6, CHOICE = 0.3;
    const double tiles = encoder->tiles > 0 ? encoder->tiles : 1;
    switch (encoder->phase) {
    case TS_ENCODE_NET: return NET * (encoder->at + ts_net_fraction(&encoder->net)) / ts_net_tiles(&encoder->net);
    case TS_ENCODE_CHOICE: {
        const double passes = encoder->searching ? encoder->search.tries + encoder->at / tiles : 0;
        return NET + CHOICE * (encoder->searching ? 1 - exp2(-0.4 * passes) : encoder->at / tiles);
    }
    case TS_ENCODE_WRITE: return NET + CHOICE + (1 - NET - CHOICE) * encoder->at / tiles;
    default: return encoder->progress;
    }
}

tess_status ts_encode_step(tess_encoder *encoder) {
    tess_status status = TESS_OK;
    switch (encoder->phase) {
    case TS_ENCODE_PIXELS:
        status = ts_encode_start(encoder);
        if (!status && encoder->from == TS_FROM_LATENTS) status = begin_choice(encoder);
        if (!status && encoder->from == TS_FROM_TOKENS) status = begin_writing(encoder);
        break;
    case TS_ENCODE_NET:
        status = code_tile(encoder);
        if (!status && encoder->options.latents_only && encoder->at == ts_net_tiles(&encoder->net)) {
            encoder->kept = encoder->latents;
            encoder->latents = NULL;
            return TESS_DONE;
        }
        if (!status && encoder->at == ts_net_tiles(&encoder->net)) status = begin_choice(encoder);
        break;
    case TS_ENCODE_CHOICE:
        status = choose_some(encoder);
        if (!status && encoder->phase == TS_ENCODE_WRITE && encoder->options.tokens_only) return TESS_DONE;
        break;
    case TS_ENCODE_WRITE:
        status = encoder->at < encoder->tiles ? write_tile(encoder) : finish(encoder);
        if (status == TESS_DONE) return status;
        break;
    default: return ts_fail(&encoder->error, TESS_ERR_STATE, "There is no job to step; begin one first.");
    }
    if (status < 0) return status;
    encoder->progress = fmax(encoder->progress, progress(encoder));
    return TESS_MORE;
}
