/* sampler.c - tess_sampler: options, the prompt, the buffers to fill, results. */
#include "engine/sampler.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

#define MAX_SEED 9007199254740992.0 /* 2^53: every whole number up to it is a double */

tess_sampler *tess_sampler_new(const tess_model *model) {
    if (!model || !model->loaded) return NULL;
    tess_sampler *sampler = ts_calloc(1, sizeof *sampler);
    if (!sampler) return NULL;
    sampler->model = model;
    sampler->options = (ts_sample_options){
        .seed = 1, .steps = 12, .label = -1, .threads = 1, .draw = {.temperature = 1, .top_p = 1}};
    return sampler;
}

void ts_sampler_drop(tess_sampler *sampler) {
    ts_free(sampler->tokens);
    ts_free(sampler->known);
    ts_free(sampler->order);
    ts_free(sampler->chosen);
    ts_free(sampler->confidence);
    ts_free(sampler->seen);
    ts_free(sampler->logits);
    ts_free(sampler->room);
    sampler->tokens = NULL;
    sampler->known = NULL;
    sampler->order = sampler->chosen = sampler->room = NULL;
    sampler->confidence = NULL;
    sampler->seen = NULL;
    sampler->logits = NULL;
    sampler->wanted = sampler->masked = sampler->step = sampler->open = sampler->level = 0;
    sampler->phase = TS_SAMPLE_IDLE;
}

void tess_sampler_free(tess_sampler *sampler) {
    if (!sampler) return;
    ts_sampler_drop(sampler);
    ts_graph_free(sampler->graph);
    ts_weights_free(sampler->weights);
    ts_prior_window_free(&sampler->window);
    ts_pool_free(sampler->pool);
    ts_free(sampler->words);
    ts_free(sampler->odds);
    ts_free(sampler->mixed);
    ts_free(sampler);
}

const char *tess_sampler_message(const tess_sampler *sampler) {
    return sampler ? sampler->error.text : "There is no sampler: the model is not loaded, or memory is out.";
}

static bool is_conv(const tess_sampler *sampler) { return sampler->model->config.prior.type == TS_PRIOR_CONV; }

static tess_status no_prior(tess_sampler *sampler) {
    return ts_fail(&sampler->error, TESS_ERR_MODEL,
                   "The model %.60s has no prior, so it can make up no tokens; train one for it (train.prior).",
                   sampler->model->config.name);
}

tess_status tess_sampler_set(tess_sampler *sampler, const char *option, double value) {
    if (!sampler || !option) return TESS_ERR_STATE;
    ts_clear(&sampler->error);
    ts_sample_options *o = &sampler->options;
    const int classes = sampler->model->config.prior.classes;
    double seed = (double)o->seed, order = o->order;
    const struct {
        const char *name;
        int *whole;
        double *real, low, high;
        bool fraction;
    } table[] = {
        {"seed", NULL, &seed, 0, MAX_SEED, false},
        {"steps", &o->steps, NULL, 1, 256, false},
        {"temperature", NULL, &o->draw.temperature, 0, 100, true},
        {"top_k", &o->draw.top_k, NULL, 0, TS_CODES_MAX, false},
        {"top_p", NULL, &o->draw.top_p, 0, 1, true},
        {"guidance", NULL, &o->guidance, 0, 100, true},
        {"order", NULL, &order, 0, 1, false},
        {"class", &o->label, NULL, -1, classes - 1, false},
        {"levels", &o->levels, NULL, 0, TS_LEVELS_MAX, false},
        {"threads", &o->threads, NULL, 1, TS_MAX_THREADS, false},
    };
    if (strcmp(option, "class") == 0 && classes == 0 && value >= 0)
        return ts_fail(&sampler->error, TESS_ERR_OPTION,
                       "The model %.60s has no prior with classes: leave class at -1.", sampler->model->config.name);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, option) != 0) continue;
        if (!(value >= table[i].low && value <= table[i].high) || (!table[i].fraction && value != floor(value)))
            return ts_fail(&sampler->error, TESS_ERR_OPTION, "Sampler option %s must be a %s from %g to %.17g, not %g.",
                           option, table[i].fraction ? "number" : "whole number", table[i].low, table[i].high, value);
        if (sampler->phase == TS_SAMPLE_RUNNING)
            return ts_fail(&sampler->error, TESS_ERR_STATE, "Set sampler options before the first step of a job.");
        if (table[i].whole) *table[i].whole = (int)value;
        else *table[i].real = value;
        o->seed = (uint64_t)seed;
        o->order = (ts_sample_order)order;
        return TESS_OK;
    }
    return ts_fail(
        &sampler->error, TESS_ERR_OPTION,
        "There is no sampler option %.40s; there are seed, steps, temperature, top_k, top_p, guidance, order, "
        "class, levels and threads.",
        option);
}

tess_status tess_sampler_prompt(tess_sampler *sampler, const char *utf8, size_t size) {
    if (!sampler) return TESS_ERR_STATE;
    ts_clear(&sampler->error);
    const ts_prior_config *c = &sampler->model->config.prior;
    if (sampler->phase == TS_SAMPLE_RUNNING)
        return ts_fail(&sampler->error, TESS_ERR_STATE, "Give the prompt before the first step of a job.");
    if (size == 0) {
        ts_free(sampler->words);
        sampler->words = NULL;
        return TESS_OK;
    }
    if (!utf8) return ts_fail(&sampler->error, TESS_ERR_INPUT, "There is no text of the prompt.");
    if (!sampler->model->prior.params) return no_prior(sampler);
    if (!c->words)
        return ts_fail(&sampler->error, TESS_ERR_INPUT, "The prior of %.60s knows no words: leave the prompt empty%s.",
                       sampler->model->config.name, c->classes ? ", and choose a class" : "");
    const size_t count = (size_t)c->words * TS_TEXT_FEATURES;
    int32_t *words = ts_alloc(count * sizeof *words);
    if (!words) return ts_fail_memory(&sampler->error, count * sizeof *words);
    ts_text_rows(utf8, size, c->words, c->buckets, words);
    ts_free(sampler->words);
    sampler->words = words;
    return TESS_OK;
}

/* Room for tokens, and for what every step of a transformer's job takes. */
static tess_status make_room(tess_sampler *sampler) {
    const ts_config *c = &sampler->model->config;
    const size_t places = (size_t)sampler->places, codes = (size_t)c->quantizer.size;
    const bool all = c->prior.type == TS_PRIOR_TRANSFORMER;
    sampler->tokens = ts_calloc(places, (size_t)sampler->levels * sizeof *sampler->tokens);
    sampler->known = ts_calloc(places, sizeof *sampler->known);
    sampler->room = ts_calloc(codes, sizeof *sampler->room);
    if (all) {
        sampler->order = ts_calloc(places, sizeof *sampler->order);
        sampler->confidence = ts_calloc(places, sizeof *sampler->confidence);
        sampler->seen = ts_calloc(places, sizeof *sampler->seen);
        sampler->logits = ts_alloc_floats(codes);
    }
    if (sampler->tokens && sampler->known && sampler->room &&
        (!all || (sampler->order && sampler->confidence && sampler->seen && sampler->logits)))
        return TESS_OK;
    ts_sampler_drop(sampler);
    return ts_fail_memory(&sampler->error, places * (size_t)(sampler->levels * 2 + 24) + codes * 8);
}

/* Is there a prior, and does it take grids of this size? */
static tess_status check_grid(tess_sampler *sampler, int height, int width) {
    const ts_prior_config *c = &sampler->model->config.prior;
    if (!sampler->model->prior.params) return no_prior(sampler);
    if (c->type == TS_PRIOR_TRANSFORMER && (height != c->rows || width != c->columns))
        return ts_fail(&sampler->error, TESS_ERR_INPUT,
                       "This prior makes grids of %d x %d tokens (rows x columns), not %d x %d.", c->rows, c->columns,
                       height, width);
    if (height < 1 || width < 1 || height > TS_MAX_SIDE || width > TS_MAX_SIDE ||
        (size_t)height * (size_t)width > TS_MAX_PIXELS)
        return ts_fail(&sampler->error, TESS_ERR_TOO_LARGE, "There can be no grid of %d x %d tokens.", height, width);
    return TESS_OK;
}

uint16_t *tess_sampler_begin(tess_sampler *sampler, int height, int width, uint8_t **keep) {
    if (!sampler) return NULL;
    ts_sampler_drop(sampler);
    ts_clear(&sampler->error);
    if (check_grid(sampler, height, width)) return NULL;
    if (is_conv(sampler) && sampler->options.order != TS_ORDER_HALTON) {
        ts_fail(&sampler->error, TESS_ERR_OPTION, "This prior settles places in Halton order: leave order at 0.");
        return NULL;
    }
    sampler->height = height;
    sampler->width = width;
    sampler->levels = sampler->model->config.quantizer.levels;
    sampler->places = height * width;
    if (make_room(sampler)) return NULL;
    if (keep) *keep = sampler->known;
    sampler->phase = TS_SAMPLE_FILLING;
    return sampler->tokens;
}

tess_status tess_sampler_step(tess_sampler *sampler) {
    if (!sampler) return TESS_ERR_STATE;
    if (sampler->phase == TS_SAMPLE_DONE) return TESS_DONE;
    ts_clear(&sampler->error);
    if (sampler->phase == TS_SAMPLE_IDLE || sampler->phase == TS_SAMPLE_FAILED)
        return ts_fail(&sampler->error, TESS_ERR_STATE, "There is no job to step; begin one first.");
    const tess_status status = is_conv(sampler) ? ts_sample_levels(sampler) : ts_sample_step(sampler);
    if (status < 0) {
        ts_sampler_drop(sampler);
        sampler->phase = TS_SAMPLE_FAILED;
    } else if (status == TESS_DONE) {
        sampler->phase = TS_SAMPLE_DONE;
    }
    return status;
}

double tess_sampler_progress(const tess_sampler *sampler) {
    if (!sampler || sampler->phase < TS_SAMPLE_RUNNING || sampler->phase == TS_SAMPLE_FAILED) return 0;
    return sampler->masked ? 1 - (double)sampler->masked / sampler->wanted : 1;
}

static bool has_results(const tess_sampler *sampler) {
    return sampler && (sampler->phase == TS_SAMPLE_RUNNING || sampler->phase == TS_SAMPLE_DONE);
}

const uint16_t *tess_sampler_tokens(const tess_sampler *sampler, int *levels, int *height, int *width) {
    const bool ready = has_results(sampler);
    if (levels) *levels = ready ? sampler->levels : 0;
    if (height) *height = ready ? sampler->height : 0;
    if (width) *width = ready ? sampler->width : 0;
    return ready ? sampler->tokens : NULL;
}

const uint8_t *tess_sampler_known(const tess_sampler *sampler) { return has_results(sampler) ? sampler->known : NULL; }

/* ---- apart from jobs ---------------------------------------------------------------------------------------------- */

/* Are these tokens of the model's codes? */
static tess_status check_tokens(tess_sampler *sampler, const uint16_t *tokens, int levels, int height, int width) {
    const ts_quantizer_config *q = &sampler->model->config.quantizer;
    if (q->type == TS_QUANTIZER_NONE)
        return ts_fail(&sampler->error, TESS_ERR_MODEL, "The model %.60s has no codebook, so it has no tokens.",
                       sampler->model->config.name);
    if (!tokens || levels < 1 || levels > q->levels || height < 1 || width < 1 || height > TS_MAX_SIDE ||
        width > TS_MAX_SIDE || (size_t)height * (size_t)width > TS_MAX_PIXELS)
        return ts_fail(&sampler->error, TESS_ERR_INPUT, "%d levels of %d x %d tokens are no grid of this model's.",
                       levels, height, width);
    for (size_t i = 0; i < (size_t)levels * (size_t)height * (size_t)width; i++)
        if (tokens[i] >= q->size)
            return ts_fail(&sampler->error, TESS_ERR_INPUT, "Token %zu is %d; the model's codes are 0 to %d.", i,
                           tokens[i], q->size - 1);
    return TESS_OK;
}

const float *tess_sampler_alternatives(tess_sampler *sampler, const uint16_t *tokens, int levels, int height, int width,
                                       int level, int y, int x) {
    if (!sampler) return NULL;
    ts_clear(&sampler->error);
    if (check_grid(sampler, height, width) || check_tokens(sampler, tokens, levels, height, width)) return NULL;
    if (level < 0 || level >= levels || y < 0 || y >= height || x < 0 || x >= width) {
        ts_fail(&sampler->error, TESS_ERR_INPUT, "There is no token at level %d, row %d, column %d.", level, y, x);
        return NULL;
    }
    const size_t codes = (size_t)sampler->model->config.quantizer.size, places = (size_t)height * (size_t)width;
    const int known_levels = sampler->model->config.prior.levels;
    if (is_conv(sampler) && (levels < sampler->model->config.quantizer.levels || level >= known_levels)) {
        ts_fail(&sampler->error, TESS_ERR_INPUT,
                "This prior knows levels 0 to %d of a grid with all %d levels; level %d of %d was asked for.",
                known_levels - 1, sampler->model->config.quantizer.levels, level, levels);
        return NULL;
    }
    if (!sampler->odds) sampler->odds = ts_alloc_floats(codes);
    uint8_t *known = ts_alloc(places);
    tess_status status = sampler->odds && known ? TESS_OK
                                                : ts_fail_memory(&sampler->error, places + codes * sizeof(float));
    if (!status && is_conv(sampler)) {
        memset(known, levels, places);
        known[(size_t)y * (size_t)width + (size_t)x] = (uint8_t)level;
        const ts_token_state state = {tokens, known, height, width};
        status = ts_level_odds(sampler, &state, level, y * width + x, sampler->odds);
    } else if (!status) {
        status = ts_sample_odds(sampler, tokens, known, y * width + x, sampler->odds);
    }
    ts_free(known);
    return status ? NULL : sampler->odds;
}

/* (1 - t) a + t b of the latents, as nearest codes, into `mixed`. */
static tess_status mix(tess_sampler *sampler, const uint16_t *a, const uint16_t *b, int levels, size_t rows, float t) {
    const ts_quantizer *q = sampler->model->quantizer;
    const size_t floats = rows * (size_t)ts_quantizer_dim(q), scratch = ts_quantizer_scratch(q, rows);
    ts_free(sampler->mixed);
    sampler->mixed = ts_calloc((size_t)levels * rows, sizeof *sampler->mixed);
    float *from = ts_alloc_floats(2 * floats + scratch), *to = from ? from + floats : NULL;
    if (!sampler->mixed || !from || !ts_pool_resize(&sampler->pool, sampler->options.threads)) {
        ts_free(from);
        return ts_fail_memory(&sampler->error, (2 * floats + scratch) * sizeof *from);
    }
    ts_quantizer_decode(q, a, rows, levels, from, sampler->pool);
    ts_quantizer_decode(q, b, rows, levels, to, sampler->pool);
    for (size_t i = 0; i < floats; i++) from[i] = (1 - t) * from[i] + t * to[i];
    ts_quantizer_nearest(q, from, rows, levels, sampler->mixed, to + floats, sampler->pool);
    ts_free(from);
    return TESS_OK;
}

const uint16_t *tess_sampler_interpolate(tess_sampler *sampler, const uint16_t *a, const uint16_t *b, int levels,
                                         int height, int width, double t) {
    if (!sampler) return NULL;
    ts_clear(&sampler->error);
    if (check_tokens(sampler, a, levels, height, width) || check_tokens(sampler, b, levels, height, width)) return NULL;
    if (!(t >= 0 && t <= 1)) {
        ts_fail(&sampler->error, TESS_ERR_OPTION, "t must be a number from 0 to 1, not %g.", t);
        return NULL;
    }
    if (t == 0 || t == 1) return t == 0 ? a : b;
    return mix(sampler, a, b, levels, (size_t)height * (size_t)width, (float)t) ? NULL : sampler->mixed;
}
