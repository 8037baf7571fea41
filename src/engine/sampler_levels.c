/* sampler_levels.c - residual tokens on grids of any size, level by level from coarse to fine: each level in MaskGIT steps
 * (sampler_step.c) over the places that do not know it, which a convolutional prior sees in windows. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/sampler.h"
#include "nets/halton.h"
#include "nets/prior.h"

/* ---- the start ------------------------------------------------------------------------------------------------- */

/* Levels that are made up: 0 .. this - 1. The others stay code 0, the zero vector. */
static int levels_made(const tess_sampler *s) {
    const int most = s->model->config.prior.levels;
    return s->options.levels && s->options.levels < most ? s->options.levels : most;
}

/* Steps of a level: half as many as of the one below it, since each adds less to the picture. */
static int steps_of(const tess_sampler *s, int level) {
    const int steps = s->options.steps >> level;
    return steps > 1 ? steps : 1;
}

/* Checks the tokens that a place is given with and clears the others. */
static tess_status take_place(tess_sampler *s, size_t p, int made) {
    const int codes = s->model->config.quantizer.size;
    if (s->known[p] > s->levels) s->known[p] = (uint8_t)s->levels;
    for (int level = 0; level < s->levels; level++) {
        uint16_t *token = &s->tokens[(size_t)level * (size_t)s->places + p];
        if (level >= s->known[p]) *token = 0;
        else if (*token >= codes)
            return ts_fail(&s->error, TESS_ERR_INPUT,
                           "Token %zu of level %d is given as %d; the model's codes are 0 to %d.", p, level, *token,
                           codes - 1);
    }
    if (s->known[p] < made) {
        s->wanted += made - s->known[p];
        s->open++;
    }
    return TESS_OK;
}

/* The smallest area with all places that know less than `made` levels; there is one. */
static ts_span open_area(const tess_sampler *s, int made) {
    int x0 = s->width, x1 = 0, y0 = s->height, y1 = 0;
    for (int y = 0; y < s->height; y++)
        for (int x = 0; x < s->width; x++) {
            if (s->known[(size_t)y * (size_t)s->width + (size_t)x] >= made) continue;
            x0 = x < x0 ? x : x0;
            x1 = x >= x1 ? x + 1 : x1;
            y0 = y < y0 ? y : y0;
            y1 = y + 1;
        }
    return (ts_span){x0, y0, x1 - x0, y1 - y0};
}

/* order <- the open places, in Halton order over their area from an offset that the seed draws. */
static tess_status make_order(tess_sampler *s, ts_span area, int made) {
    const int places = area.width * area.height;
    s->order = ts_calloc((size_t)places, sizeof *s->order);
    s->seen = ts_calloc((size_t)places, sizeof *s->seen);
    s->chosen = ts_calloc((size_t)s->open, sizeof *s->chosen);
    int *found = ts_calloc((size_t)s->open, sizeof *found);
    if (!s->order || !s->seen || !s->chosen || !found) {
        ts_free(found);
        return ts_fail_memory(&s->error, (size_t)places * sizeof *s->order);
    }
    ts_halton_order(area.height, area.width, s->order, s->seen);
    const int first = (int)ts_rng_below(&s->rng, (uint32_t)places);
    for (int i = 0, count = 0; i < places; i++) {
        const int p = s->order[(first + i) % places];
        const int place = (area.y + p / area.width) * s->width + area.x + p % area.width;
        if (s->known[place] < made) found[count++] = place;
    }
    ts_free(s->order);
    s->order = found;
    return TESS_OK;
}

static tess_status start(tess_sampler *s) {
    const int made = levels_made(s);
    for (int p = 0; p < s->places; p++) {
        const tess_status status = take_place(s, (size_t)p, made);
        if (status < 0) return status;
    }
    s->masked = s->wanted;
    s->phase = TS_SAMPLE_RUNNING;
    if (s->open == 0) return TESS_OK;
    if (!ts_pool_resize(&s->pool, s->options.threads)) return ts_fail_memory(&s->error, 1 << 16);
    s->rng = ts_rng_new(s->options.seed, 1);
    const ts_span area = open_area(s, made);
    tess_status status = make_order(s, area, made);
    if (status >= 0 && !s->window.weights) {
        status = ts_prior_window_init(&s->window, s->model, &s->error);
        if (status < 0) ts_prior_window_free(&s->window);
    }
    if (status >= 0)
        status = ts_prior_window_place(&s->window, s->height, s->width, area, s->options.threads, &s->error);
    return status;
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* Chooses what the next step settles; false when all levels are made. */
static bool choose(tess_sampler *s) {
    for (; s->level < levels_made(s); s->level++, s->step = 0) {
        int left = 0;
        for (int i = 0; i < s->open; i++) left += s->known[s->order[i]] == s->level;
        if (left == 0) continue;
        if (s->step == 0) s->level_wanted = left;
        const int stay = ts_prior_masked_after(s->step++, steps_of(s, s->level), s->level_wanted, left);
        s->count = 0;
        for (int i = 0; s->count < left - stay; i++)
            if (s->known[s->order[i]] == s->level) s->chosen[s->count++] = s->order[i];
        s->at = 0;
        s->looking = false;
        return true;
    }
    return false;
}

static bool inside(const tess_sampler *s, ts_span core, int place) {
    const int y = place / s->width - core.y, x = place % s->width - core.x;
    return y >= 0 && x >= 0 && y < core.height && x < core.width;
}

/* Up to `most` of the chosen places in a core, from number *i on; *i goes behind the last one looked at. */
static int gather(const tess_sampler *s, ts_span core, int *i, int *places, int most) {
    int count = 0;
    for (; *i < s->count && count < most; ++*i)
        if (inside(s, core, s->chosen[*i])) places[count++] = s->chosen[*i];
    return count;
}

static tess_status bad_logits(tess_sampler *s) {
    return ts_fail(&s->error, TESS_ERR_NUMERIC,
                   "The prior's logits are not finite: its weights are damaged, or training went astray.");
}

/* Draws the chosen places of the window that was run. They are not known yet: a step's places do not see each other. */
static tess_status draw(tess_sampler *s, ts_span core) {
    const int codes = s->model->config.quantizer.size;
    int places[TS_PRIOR_ROWS], count;
    for (int i = 0; (count = gather(s, core, &i, places, TS_PRIOR_ROWS)) > 0;) {
        const float *logits = ts_prior_window_logits(&s->window, s->level, places, count, s->pool);
        for (int k = 0; k < count; k++, logits += codes) {
            bool good = true;
            for (int c = 0; c < codes; c++) good &= isfinite(logits[c]) != 0;
            if (!good) return bad_logits(s);
            s->tokens[(size_t)s->level * (size_t)s->places + (size_t)places[k]] = (uint16_t)ts_draw_code(
                logits, codes, &s->options.draw, &s->rng, s->room);
        }
        s->masked -= count;
    }
    return TESS_OK;
}

/* Works on the next window that has places to settle; false if there was none left. */
static bool work(tess_sampler *s, tess_status *status) {
    int one, i = 0;
    for (; s->at < ts_prior_window_count(&s->window); s->at++, i = 0) {
        const ts_span core = ts_prior_window_core(&s->window, s->at);
        if (gather(s, core, &i, &one, 1) == 0) continue;
        const ts_token_state state = {s->tokens, s->known, s->height, s->width};
        if (!s->looking) ts_prior_window_look(&s->window, s->at, &state);
        s->looking = !ts_prior_window_run(&s->window, s->pool);
        if (s->looking) return true;
        *status = draw(s, core);
        s->at++;
        return true;
    }
    return false;
}

tess_status ts_sample_levels(tess_sampler *s) {
    tess_status status = TESS_OK;
    if (s->phase == TS_SAMPLE_FILLING) {
        status = start(s);
        if (status < 0) return status;
        if (choose(s)) return TESS_MORE;
    } else {
        if (work(s, &status)) return status < 0 ? status : TESS_MORE;
        for (int i = 0; i < s->count; i++) s->known[s->chosen[i]]++;
        if (choose(s)) return TESS_MORE;
    }
    memset(s->known, s->levels, (size_t)s->places);
    return TESS_DONE;
}

/* ---- one place ---------------------------------------------------------------------------------------------------- */

tess_status ts_level_odds(tess_sampler *s, const ts_token_state *state, int level, int place, float *odds) {
    const int codes = s->model->config.quantizer.size;
    const ts_span area = {place % state->width, place / state->width, 1, 1};
    ts_prior_window w; /* not the job's, which may be under way */
    tess_status status = ts_prior_window_init(&w, s->model, &s->error);
    if (status >= 0) status = ts_prior_window_place(&w, state->height, state->width, area, 1, &s->error);
    if (status >= 0) {
        ts_prior_window_look(&w, 0, state);
        while (!ts_prior_window_run(&w, NULL)) continue;
        memcpy(odds, ts_prior_window_logits(&w, level, &place, 1, NULL), (size_t)codes * sizeof *odds);
        for (int k = 0; k < codes && status >= 0; k++)
            if (!isfinite(odds[k])) status = bad_logits(s);
    }
    if (status >= 0) ts_draw_odds(odds, codes, odds);
    ts_prior_window_free(&w);
    return status;
}
