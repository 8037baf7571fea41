#include "codec/entropy.h"

#include "base/alloc.h"
#include "codec/entropy_level.h"

#include <string.h>

enum { COUNTER_LIMIT = 30, MIXER_RATE = 14, LAST_RATE = 30, CONSTANT_INPUT = 256 };

tess_status ts_entropy_coder_new(ts_entropy_coder **out, const ts_entropy_model *model, bool predict, ts_error *err) {
    uint32_t counters = 0;
    int bits = 0;
    for (int l = 0; l < model->levels; l++) {
        if (model->layout[l].counters > counters) counters = model->layout[l].counters;
        if (model->layout[l].bits > bits) bits = model->layout[l].bits;
    }
    ts_entropy_coder *coder = ts_calloc(1, sizeof *coder);
    if (!coder) return ts_fail_memory(err, sizeof *coder);
    coder->model = model;
    coder->counters = ts_alloc(counters * sizeof *coder->counters);
    coder->odds = ts_calloc(((size_t)1 << bits) + 1, sizeof *coder->odds);
    if (!coder->counters || !coder->odds) {
        ts_entropy_coder_free(coder);
        return ts_fail_memory(err, counters * sizeof *coder->counters);
    }
    const tess_status status = predict ? ts_prediction_new(&coder->prediction, err) : TESS_OK;
    if (status) ts_entropy_coder_free(coder);
    else *out = coder;
    return status;
}

void ts_entropy_coder_free(ts_entropy_coder *coder) {
    if (!coder) return;
    ts_rans_writer_free(&coder->writer);
    ts_prediction_free(coder->prediction);
    ts_free(coder->counters);
    ts_free(coder->odds);
    ts_free(coder);
}

/* ---- one decision ------------------------------------------------------------------------------------------- */

typedef struct decision {
    int32_t inputs[TS_INPUTS];      /* of the context model's mixer */
    uint32_t used[TS_CONTEXTS];     /* the counters that they came from */
    uint32_t guess;                 /* the context model's probability of a 1 */
    int32_t last[TS_PREDICTOR_MIX]; /* of the last mixer, where there is a predictor */
    uint32_t p;                     /* the probability that the bit is coded with */
} decision;

/* What the predictor says about decision (depth, node). */
static int32_t predicted_odds(const ts_entropy_coder *coder, int depth, uint32_t node) {
    const ts_entropy_level *layout = coder->layout;
    if (depth < layout->flag) return ts_prediction_frequent(coder->prediction);
    const uint32_t half = 1u << (layout->depths - 1 - depth);
    return ts_prediction_odds(coder->prediction, node * 2 * half, half);
}

static void predict(const ts_entropy_coder *coder, int depth, uint32_t node, decision *d) {
    const ts_context_tables *tables = &coder->model->tables;
    const int8_t *odds = coder->model->odds[coder->layout->level];
    ts_entropy_counters(coder->layout, &coder->contexts, depth, node, d->used);
    for (int c = 0; c < TS_CONTEXTS; c++) {
        d->inputs[c] = ts_counter_stretch(tables, coder->counters[d->used[c]]);
        d->inputs[TS_CONTEXTS + c] = odds[d->used[c]] * 16;
    }
    d->inputs[2 * TS_CONTEXTS] = CONSTANT_INPUT;
    d->last[0] = ts_mix(coder->weights + depth * TS_INPUTS, d->inputs, TS_INPUTS);
    d->p = d->guess = ts_squash(tables, d->last[0]);
    if (!coder->predictor) return;
    d->last[1] = predicted_odds(coder, depth, node);
    d->last[2] = CONSTANT_INPUT;
    d->p = ts_squash(tables, ts_mix(coder->last + depth * TS_PREDICTOR_MIX, d->last, TS_PREDICTOR_MIX));
}

/* Codes one decision and learns from it: reads the bit if there is a reader, else writes `bit`. Returns the bit. */
static int decide(ts_entropy_coder *coder, ts_rans_reader *reader, int depth, uint32_t node, int bit) {
    const ts_context_tables *tables = &coder->model->tables;
    decision d;
    predict(coder, depth, node, &d);
    if (reader) bit = ts_rans_get(reader, d.p);
    else ts_rans_put(&coder->writer, d.p, bit);
    if (coder->counted) coder->cost += ts_context_cost(tables, d.p, bit);
    ts_mix_update(coder->weights + depth * TS_INPUTS, d.inputs, TS_INPUTS, d.guess, bit, MIXER_RATE);
    if (coder->predictor)
        ts_mix_update(coder->last + depth * TS_PREDICTOR_MIX, d.last, TS_PREDICTOR_MIX, d.p, bit, LAST_RATE);
    for (int c = 0; c < TS_CONTEXTS; c++)
        coder->counters[d.used[c]] = ts_counter_update(tables, coder->counters[d.used[c]], bit, COUNTER_LIMIT);
    return bit;
}

/* ---- one token ---------------------------------------------------------------------------------------------- */

/* Walks to `symbol`, or where the reader leads; returns the token. Decisions with one outcome are not coded. */
static uint32_t walk(ts_entropy_coder *coder, ts_rans_reader *reader, uint32_t symbol) {
    const ts_entropy_level *layout = coder->layout;
    if (layout->flag && decide(coder, reader, 0, 0, symbol == layout->frequent)) return layout->frequent;
    uint32_t first = 0, node = 0;
    for (int depth = layout->flag; depth < layout->depths; depth++) {
        uint32_t half = 1u << (layout->depths - 1 - depth);
        int bit = ts_entropy_reachable(layout, first + half, half);
        if (bit && ts_entropy_reachable(layout, first, half))
            bit = decide(coder, reader, depth, node, (symbol & half) != 0);
        first += bit ? half : 0;
        node = node << 1 | (uint32_t)bit;
    }
    return first;
}

/* The probability of a 1 at a decision, computed once per position. Slot 0 is the flag, then 2^depth + node. */
static uint32_t odds_of(ts_entropy_coder *coder, int depth, uint32_t node) {
    int bit_depth = depth - coder->layout->flag;
    uint32_t slot = bit_depth < 0 ? 0 : (1u << bit_depth) + node;
    if (coder->odds[slot].turn != coder->turn) {
        decision d;
        predict(coder, depth, node, &d);
        coder->odds[slot] = (ts_odds){coder->turn, d.p};
    }
    return coder->odds[slot].p;
}

static uint32_t cost_of(ts_entropy_coder *coder, uint32_t symbol) {
    const ts_entropy_level *layout = coder->layout;
    const ts_context_tables *tables = &coder->model->tables;
    uint32_t cost = 0, first = 0;
    if (layout->flag) {
        int hit = symbol == layout->frequent;
        cost = ts_context_cost(tables, odds_of(coder, 0, 0), hit);
        if (hit) return cost;
    }
    for (int depth = layout->flag; depth < layout->depths; depth++) {
        uint32_t half = 1u << (layout->depths - 1 - depth);
        int bit = (symbol & half) != 0;
        if (ts_entropy_reachable(layout, first, half) && ts_entropy_reachable(layout, first + half, half))
            cost += ts_context_cost(tables, odds_of(coder, depth, first / half / 2), bit);
        first += bit ? half : 0;
    }
    return cost;
}

/* ---- a section ---------------------------------------------------------------------------------------------- */

static uint16_t *row_of(const ts_token_view *view, int level, int y) {
    return view->tokens + (size_t)level * view->level_stride + (size_t)y * view->row_stride;
}

/* Lower levels are contexts: their tokens must be within their codebooks. */
tess_status ts_entropy_check_tokens(const ts_entropy_model *model, const ts_token_view *view, int from, int to,
                                    ts_error *err) {
    for (int l = from; l < to; l++)
        for (int y = 0; y < view->height; y++)
            for (int x = 0; x < view->width; x++)
                if (row_of(view, l, y)[x] >= model->layout[l].size)
                    return ts_fail(err, TESS_ERR_INPUT, "Token %d at level %d is not one of the %d codes.",
                                   row_of(view, l, y)[x], l, model->layout[l].size);
    return TESS_OK;
}

/* What bears on the token at (y, x), unless the section is complete. */
static void look_around(ts_entropy_coder *coder) {
    coder->turn++;
    if (coder->y == coder->view.height) return;
    ts_entropy_contexts(coder->model, coder->layout->level, &coder->view, coder->y, coder->x, &coder->contexts);
    if (coder->predictor) ts_prediction_place(coder->prediction, coder->y, coder->x);
}

/* Starts the level's predictor, if there is one. Errors: MEMORY. */
static tess_status begin_prediction(ts_entropy_coder *coder, ts_error *err) {
    const ts_entropy_level *layout = coder->layout;
    coder->predictor = coder->prediction ? coder->model->predictors[layout->level] : NULL;
    if (!coder->predictor) return TESS_OK;
    memcpy(coder->last, ts_predictor_mix(coder->predictor),
           (size_t)layout->depths * TS_PREDICTOR_MIX * sizeof *coder->last);
    return ts_prediction_begin(coder->prediction, coder->predictor, &coder->view,
                               layout->flag ? (int)layout->frequent : -1, err);
}

tess_status ts_entropy_begin(ts_entropy_coder *coder, int level, const ts_token_view *view, ts_error *err) {
    coder->layout = NULL;
    if (level < 0 || level >= coder->model->levels || view->height < 1 || view->width < 1)
        return ts_fail(err, TESS_ERR_OPTION, "There is no level %d of %d x %d tokens to code.", level, view->width,
                       view->height);
    tess_status status = ts_entropy_check_tokens(coder->model, view, 0, level, err);
    if (status < 0) return status;
    const ts_entropy_level *layout = coder->layout = &coder->model->layout[level];
    memcpy(coder->counters, coder->model->counters[level], layout->counters * sizeof *coder->counters);
    memcpy(coder->weights, coder->model->weights[level], (size_t)layout->depths * TS_INPUTS * sizeof *coder->weights);
    ts_rans_writer_reset(&coder->writer);
    coder->view = *view;
    coder->y = coder->x = 0;
    coder->cost = 0;
    coder->counted = true;
    coder->refused = false;
    status = begin_prediction(coder, err);
    if (status) coder->layout = NULL;
    else look_around(coder);
    return status;
}

/* Writes the token and moves on. */
static void advance(ts_entropy_coder *coder, uint32_t token) {
    row_of(&coder->view, coder->layout->level, coder->y)[coder->x] = (uint16_t)token;
    if (coder->predictor) ts_prediction_put(coder->prediction, coder->y, coder->x, token);
    if (++coder->x == coder->view.width) {
        coder->x = 0;
        coder->y++;
    }
    look_around(coder);
}

void ts_entropy_costs(ts_entropy_coder *coder, int count, const uint16_t *candidates, uint32_t *costs) {
    bool ready = coder->layout && coder->y < coder->view.height;
    for (int i = 0; i < count; i++) costs[i] = ready ? (cost_of(coder, candidates[i]) + 8) >> 4 : 0;
}

uint32_t ts_entropy_put(ts_entropy_coder *coder, uint16_t symbol) {
    if (!coder->layout || coder->y >= coder->view.height || symbol >= coder->layout->size) {
        coder->refused = true;
        return 0;
    }
    uint64_t before = coder->cost;
    advance(coder, walk(coder, NULL, symbol));
    return (uint32_t)(coder->cost - before + 8) >> 4;
}

uint64_t ts_entropy_cost(const ts_entropy_coder *coder) { return (coder->cost + 8) >> 4; }

tess_status ts_entropy_finish(ts_entropy_coder *coder, const uint8_t **bytes, size_t *size, ts_error *err) {
    if (!coder->layout || coder->y < coder->view.height || coder->refused)
        return ts_fail(err, TESS_ERR_STATE, "The section has tokens missing, too many or out of range.");
    return ts_rans_finish(&coder->writer, bytes, size, err);
}

tess_status ts_entropy_encode(ts_entropy_coder *coder, int level, const ts_token_view *view, const uint8_t **bytes,
                              size_t *size, ts_error *err) {
    tess_status status = ts_entropy_begin(coder, level, view, err);
    if (status == TESS_OK) status = ts_entropy_check_tokens(coder->model, view, level, level + 1, err);
    if (status < 0) return status;
    while (coder->y < view->height) advance(coder, walk(coder, NULL, row_of(view, level, coder->y)[coder->x]));
    return ts_entropy_finish(coder, bytes, size, err);
}

tess_status ts_entropy_decode(ts_entropy_coder *coder, int level, const ts_token_view *view, const uint8_t *bytes,
                              size_t size, uint16_t *costs, ts_error *err) {
    tess_status status = ts_entropy_begin(coder, level, view, err);
    if (status < 0) return status;
    coder->counted = costs != NULL;
    ts_rans_reader reader;
    ts_rans_reader_init(&reader, bytes, size);
    while (coder->y < view->height) {
        const size_t at = (size_t)coder->y * view->row_stride + (size_t)coder->x;
        const uint64_t before = ts_entropy_cost(coder);
        advance(coder, walk(coder, &reader, 0));
        if (costs) costs[at] = (uint16_t)(ts_entropy_cost(coder) - before);
    }
    if (!ts_rans_reader_done(&reader))
        return ts_fail(err, TESS_ERR_FORMAT,
                       "A section of level %d is damaged: its bytes do not end where its tokens do.", level);
    return TESS_OK;
}
