/* sampler_step.c - MaskGIT (Chang et al. 2022): places are settled over a few steps, more of them with each, by the cosine
 * schedule; classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598). */
#include <math.h>
#include <string.h>

#include "engine/sampler.h"
#include "nets/halton.h"

#define TAU 4.5 /* of the noise on confidences at the first step */
#define LN2 0.69314718055994530942

/* ---- the net ----------------------------------------------------------------------------------------------------- */

static ts_condition condition(const tess_sampler *s) { return (ts_condition){s->words, s->options.label}; }

/* 2 when conditional and unconditional logits are needed, else 1. */
static int pictures(const tess_sampler *s) {
    return s->options.guidance > 0 && ts_condition_given(&s->model->config.prior, condition(s)) ? 2 : 1;
}

static tess_status build(tess_sampler *s) {
    const ts_config *c = &s->model->config;
    tess_status status = TESS_OK;
    if (!s->weights)
        status = ts_weights_over(s->model->prior.params, ts_part_store(&s->model->prior), &s->weights, &s->error);
    if (status >= 0) status = ts_graph_new(TS_GRAPH_INFERENCE, &s->graph, &s->error);
    if (status < 0) return status;
    s->pictures = pictures(s);
    s->graph_threads = s->options.threads;
    s->prior = ts_prior_build(s->graph, &c->prior, c->quantizer.size, s->weights, s->pictures);
    ts_graph_output(s->graph, s->prior.logits);
    status = ts_graph_plan(s->graph, s->options.threads, &s->error);
    return status < 0 ? status : ts_graph_alloc(s->graph, &s->error);
}

static tess_status prepare_net(tess_sampler *s) {
    if (!ts_pool_resize(&s->pool, s->options.threads)) return ts_fail_memory(&s->error, 1 << 16);
    if (s->graph && s->pictures == pictures(s) && s->graph_threads == s->options.threads) return TESS_OK;
    ts_graph_free(s->graph);
    s->graph = NULL;
    const tess_status status = build(s);
    if (status < 0) {
        ts_graph_free(s->graph);
        s->graph = NULL;
    }
    return status;
}

static int places(const tess_sampler *s) { return s->model->config.prior.rows * s->model->config.prior.columns; }

/* Logits of all places, from the known tokens and MASK elsewhere. */
static void run_net(tess_sampler *s, const uint16_t *tokens, const uint8_t *known) {
    const float mask = (float)s->model->config.quantizer.size;
    float *to = ts_graph_data(s->graph, s->prior.tokens);
    for (int i = 0; i < s->pictures; i++) {
        for (int p = 0; p < places(s); p++) *to++ = known[p] ? (float)tokens[p] : mask;
        ts_prior_condition(&s->prior, s->graph, i, i ? (ts_condition){NULL, -1} : condition(s));
    }
    ts_graph_forward(s->graph, s->pool);
}

/* The guided logits of one place; false if one is not finite. */
static bool look(const tess_sampler *s, int place, float *logits) {
    const size_t codes = (size_t)s->model->config.quantizer.size;
    const float *given = ts_graph_data(s->graph, s->prior.logits) + (size_t)place * codes;
    const float *other = given + (size_t)places(s) * codes, w = (float)s->options.guidance;
    bool good = true;
    for (size_t k = 0; k < codes; k++) {
        logits[k] = s->pictures == 2 ? (1 + w) * given[k] - w * other[k] : given[k];
        good &= isfinite(logits[k]) != 0;
    }
    return good;
}

/* ---- the start ------------------------------------------------------------------------------------------------ */

static tess_status start(tess_sampler *s) {
    const ts_prior_config *c = &s->model->config.prior;
    const int codes = s->model->config.quantizer.size;
    for (int p = 0; p < s->places; p++) {
        s->known[p] = s->known[p] != 0;
        s->masked += !s->known[p];
        if (s->known[p] && s->tokens[p] >= codes)
            return ts_fail(&s->error, TESS_ERR_INPUT, "Token %d is given as %d; the model's codes are 0 to %d.", p,
                           s->tokens[p], codes - 1);
    }
    s->wanted = s->masked;
    tess_status status = prepare_net(s);
    if (status < 0) return status;
    s->rng = ts_rng_new(s->options.seed, 1);
    ts_halton_order(c->rows, c->columns, s->order, s->seen);
    s->first = (int)ts_rng_below(&s->rng, (uint32_t)s->places);
    s->phase = TS_SAMPLE_RUNNING;
    return TESS_OK;
}

/* ---- settling ---------------------------------------------------------------------------------------------------- */

static tess_status bad_logits(tess_sampler *s) {
    return ts_fail(&s->error, TESS_ERR_NUMERIC,
                   "The prior's logits are not finite: its weights are damaged, or training went astray.");
}

static int draw(tess_sampler *s) {
    return ts_draw_code(s->logits, s->model->config.quantizer.size, &s->options.draw, &s->rng, s->room);
}

static void settle(tess_sampler *s, int place) {
    s->known[place] = 1;
    s->masked--;
}

/* The next `count` places of the order are drawn and settled; the others get their likeliest code. */
static tess_status settle_in_order(tess_sampler *s, int count) {
    for (int i = 0; i < s->places; i++) {
        const int p = s->order[(s->first + i) % s->places];
        if (s->known[p]) continue;
        if (!look(s, p, s->logits)) return bad_logits(s);
        if (count > 0) {
            s->tokens[p] = (uint16_t)draw(s);
            settle(s, p);
            count--;
        } else {
            s->tokens[p] = (uint16_t)ts_draw_largest(s->logits, s->model->config.quantizer.size);
        }
    }
    return TESS_OK;
}

/* Standard Gumbel noise. */
static double gumbel(ts_rng *rng) {
    const double u = ((double)ts_rng_u32(rng) + 0.5) * 0x1p-32;
    return -LN2 * log2(-LN2 * log2(u));
}

/* All masked places are drawn; the `count` with the largest noisy ln p are settled. */
static tess_status settle_confident(tess_sampler *s, int count) {
    const double noise = TAU * (1 - (double)(s->step + 1) / s->options.steps);
    const int codes = s->model->config.quantizer.size;
    for (int i = 0; i < s->places; i++) {
        const int p = s->order[(s->first + i) % s->places];
        if (s->known[p]) continue;
        if (!look(s, p, s->logits)) return bad_logits(s);
        s->tokens[p] = (uint16_t)draw(s);
        s->confidence[p] = ts_draw_log(s->logits, codes, s->tokens[p]) + noise * gumbel(&s->rng);
    }
    for (; count > 0; count--) {
        int best = -1;
        for (int p = 0; p < s->places; p++)
            if (!s->known[p] && (best < 0 || s->confidence[p] > s->confidence[best])) best = p;
        settle(s, best);
    }
    return TESS_OK;
}

tess_status ts_sample_step(tess_sampler *s) {
    tess_status status = s->phase == TS_SAMPLE_FILLING ? start(s) : TESS_OK;
    if (status < 0 || s->masked == 0) return status < 0 ? status : TESS_DONE;
    const int count = s->masked - ts_prior_masked_after(s->step, s->options.steps, s->wanted, s->masked);
    run_net(s, s->tokens, s->known);
    status = s->options.order == TS_ORDER_CONFIDENCE ? settle_confident(s, count) : settle_in_order(s, count);
    s->step++;
    if (status < 0) return status;
    return s->masked ? TESS_MORE : TESS_DONE;
}

/* ---- one place ---------------------------------------------------------------------------------------------------- */

tess_status ts_sample_odds(tess_sampler *s, const uint16_t *tokens, uint8_t *known, int place, float *odds) {
    const tess_status status = prepare_net(s);
    if (status < 0) return status;
    memset(known, 1, (size_t)places(s));
    known[place] = 0;
    run_net(s, tokens, known);
    if (!look(s, place, odds)) return bad_logits(s);
    ts_draw_odds(odds, s->model->config.quantizer.size, odds);
    return TESS_OK;
}
