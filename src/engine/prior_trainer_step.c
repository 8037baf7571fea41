/* prior_trainer_step.c - pictures to tokens, and one training step of a prior. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cosine.h"
#include "engine/trainer.h"
#include "kernels/optim.h"
#include "nets/draw.h"

#define ENCODED_AT_ONCE 8 /* pictures in one call */
#define ADAM_EPS 1e-8f
#define MAX_SKIPPED 100 /* bad steps in a row before giving up */

static int places_of(const tess_trainer *t) { return t->config.prior.rows * t->config.prior.columns; }

static int views_of(const tess_trainer *t) { return t->config.train.flip ? 2 : 1; }

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

static int clamped(int i, int count) { return i < 0 ? 0 : i < count ? i : count - 1; }

/* The picture's middle as RGB; where it is too small its edge repeats. */
static void cut(const ts_pixels *picture, int width, int height, bool mirror, uint8_t *out) {
    const int left = picture->width > width ? (picture->width - width) / 2 : 0;
    const int top = picture->height > height ? (picture->height - height) / 2 : 0, n = picture->channels;
    for (int y = 0; y < height; y++) {
        const size_t row = (size_t)clamped(top + y, picture->height) * (size_t)picture->width;
        for (int x = 0; x < width; x++, out += 3) {
            const int from = clamped(left + (mirror ? width - 1 - x : x), picture->width);
            const uint8_t *pixel = picture->data + (row + (size_t)from) * (size_t)n;
            for (int c = 0; c < 3; c++) out[c] = pixel[n >= 3 ? c : 0];
        }
    }
}

static tess_status encode_view(tess_trainer *t, int picture, int view) {
    ts_prior_trainer *p = t->prior;
    const int factor = ts_config_factor(&t->config);
    const int width = t->config.prior.columns * factor, height = t->config.prior.rows * factor;
    const size_t places = (size_t)places_of(t);
    cut(&t->train.list[picture], width, height, view == 1, p->crop);
    uint8_t *room = tess_encoder_begin(p->encoder, width, height, 3);
    tess_status status = room ? TESS_MORE : TESS_ERR_MEMORY;
    if (room) memcpy(room, p->crop, (size_t)width * (size_t)height * 3);
    while (status == TESS_MORE) status = tess_encoder_step(p->encoder);
    if (status < 0) return ts_fail(&t->error, status, "%s", tess_encoder_message(p->encoder));
    memcpy(p->tokens + ((size_t)picture * (size_t)views_of(t) + (size_t)view) * places,
           tess_encoder_tokens(p->encoder, NULL, NULL, NULL), places * sizeof *p->tokens);
    return TESS_OK;
}

static tess_status make_encoder(tess_trainer *t) {
    ts_prior_trainer *p = t->prior;
    if (!p->encoder) p->encoder = tess_encoder_new(p->tokenizer);
    if (!p->encoder) return ts_fail_memory(&t->error, 1 << 16);
    tess_encoder_set(p->encoder, "tokens_only", 1);
    tess_encoder_set(p->encoder, "threads", t->threads);
    if (p->room >= t->train.count) return TESS_OK;
    const size_t count = (size_t)t->train.count * (size_t)views_of(t) * (size_t)places_of(t);
    uint16_t *tokens = ts_realloc(p->tokens, count * sizeof *tokens);
    if (!tokens) return ts_fail_memory(&t->error, count * sizeof *tokens);
    p->tokens = tokens;
    p->room = t->train.count;
    return TESS_OK;
}

/* The next few pictures. */
static tess_status encode_some(tess_trainer *t) {
    ts_prior_trainer *p = t->prior;
    tess_status status = make_encoder(t);
    for (int i = 0; i < ENCODED_AT_ONCE && p->encoded < t->train.count && status >= 0; i++) {
        for (int view = 0; view < views_of(t) && status >= 0; view++) status = encode_view(t, p->encoded, view);
        if (status >= 0) p->encoded++;
    }
    if (p->encoded == t->train.count) { /* memory for the steps */
        tess_encoder_free(p->encoder);
        p->encoder = NULL;
    }
    return status;
}

/* ---- a batch ----------------------------------------------------------------------------------------------------- */

/* Puts m of all places, drawn without replacement, to the front of p->order. */
static void draw_places(ts_prior_trainer *p, int places, int m) {
    for (int i = 0; i < places; i++) p->order[i] = (uint32_t)i;
    for (int i = 0; i < m; i++) {
        const int k = i + (int)ts_rng_below(&p->rng, (uint32_t)(places - i));
        const uint32_t swap = p->order[i];
        p->order[i] = p->order[k];
        p->order[k] = swap;
    }
}

static ts_condition condition_of(tess_trainer *t, int picture, bool dropped) {
    const ts_prior_config *c = &t->config.prior;
    const ts_caption *caption = picture < t->captions.count ? &t->captions.list[picture] : NULL;
    if (!caption || dropped) return (ts_condition){NULL, -1};
    if (c->words) ts_text_rows(caption->text, caption->size, c->words, c->buckets, t->prior->words);
    return (ts_condition){t->prior->words, caption->label < c->classes ? caption->label : -1};
}

/* Fills sample i of the graph's inputs. */
static void draw_sample(tess_trainer *t, int i) {
    ts_prior_trainer *p = t->prior;
    const int places = places_of(t), views = views_of(t), picture = (int)ts_rng_below(&p->rng, (uint32_t)p->encoded);
    const int view = (int)ts_rng_below(&p->rng, 2) % views;
    const bool dropped = ts_rng_uniform(&p->rng) < t->config.train.prior.drop;
    const double share = ts_cos_pi(ts_rng_uniform(&p->rng) / 2);
    const int wanted = (int)ceil(share * places - 1e-9), masked = wanted < 1 ? 1 : wanted;
    const uint16_t *from = p->tokens + ((size_t)picture * (size_t)views + (size_t)view) * (size_t)places;
    float *tokens = ts_graph_data(p->graph, p->net.tokens) + (size_t)i * (size_t)places;
    float *target = ts_graph_data(p->graph, p->target) + (size_t)i * (size_t)places;
    for (int k = 0; k < places; k++) {
        tokens[k] = (float)from[k];
        target[k] = -1;
    }
    draw_places(p, places, masked);
    for (int k = 0; k < masked; k++) {
        target[p->order[k]] = (float)from[p->order[k]];
        tokens[p->order[k]] = (float)t->config.quantizer.size;
    }
    ts_prior_condition(&p->net, p->graph, i, condition_of(t, picture, dropped));
}

/* ---- the net ----------------------------------------------------------------------------------------------------- */

static tess_status build(tess_trainer *t) {
    ts_prior_trainer *p = t->prior;
    const ts_config *c = &t->config;
    const ts_shape places = {c->train.prior.batch, c->prior.rows, c->prior.columns, 1};
    tess_status status = ts_graph_new(TS_GRAPH_TRAINING, &p->graph, &t->error);
    if (status < 0) return status;
    p->net = ts_prior_build(p->graph, &c->prior, c->quantizer.size, p->weights, places.n);
    p->target = ts_graph_input(p->graph, places, false);
    p->loss = ts_graph_cross_entropy(p->graph, p->net.logits, p->target, c->train.prior.smoothing);
    ts_graph_output(p->graph, p->net.logits);
    ts_graph_output(p->graph, p->target);
    ts_graph_seed(p->graph, p->loss, 1);
    status = ts_graph_plan(p->graph, t->threads, &t->error);
    return status < 0 ? status : ts_graph_alloc(p->graph, &t->error);
}

tess_status ts_prior_trainer_ready(tess_trainer *t) {
    if (!ts_pool_resize(&t->pool, t->threads)) return ts_fail_memory(&t->error, 1 << 16);
    const tess_status status = t->prior->graph ? TESS_OK : build(t);
    if (status < 0) ts_prior_trainer_drop_graph(t->prior);
    return status;
}

/* ---- one step ---------------------------------------------------------------------------------------------------- */

static double rate(const tess_trainer *t) {
    const ts_prior_train_config *c = &t->config.train.prior;
    const double warm = c->warmup > 0 ? fmin(1, (double)(t->prior->step + 1) / c->warmup) : 1;
    const double cosine = 0.5 * (1 + ts_cos_pi(fmin(1, (double)t->prior->step / c->steps)));
    return c->lr * warm * (c->lr_final + (1 - c->lr_final) * cosine);
}

/* Share of the masked places whose likeliest code is the right one. */
static double accuracy(const tess_trainer *t) {
    const ts_prior_trainer *p = t->prior;
    const int codes = t->config.quantizer.size;
    const size_t count = (size_t)t->config.train.prior.batch * (size_t)places_of(t);
    const float *logits = ts_graph_data(p->graph, p->net.logits), *target = ts_graph_data(p->graph, p->target);
    long right = 0, all = 0;
    for (size_t i = 0; i < count; i++) {
        if (target[i] < 0) continue;
        all++;
        right += ts_draw_largest(logits + i * (size_t)codes, codes) == (int)target[i];
    }
    return (double)right / (double)all;
}

/* Weight decay is for matrices and tables of meanings, not for norms, biases and tables of places. */
static bool decays(const ts_param *param) {
    const size_t n = strlen(param->name);
    return param->rank == 2 && n > 7 && strcmp(param->name + n - 7, ".weight") == 0 &&
           strcmp(param->name, "prior.place.weight") != 0;
}

static void apply(tess_trainer *t) {
    ts_prior_trainer *p = t->prior;
    const ts_prior_train_config *c = &t->config.train.prior;
    const double clip = c->clip > 0 ? fmin(1, c->clip / (p->figures.grad_norm + 1e-6)) : 1;
    ts_adamw options = {.lr = (float)p->figures.lr,
                        .beta1 = c->betas[0],
                        .beta2 = c->betas[1],
                        .eps = ADAM_EPS,
                        .step = ++p->adam_steps,
                        .grad_scale = (float)clip};
    for (int i = 0; i < ts_params_count(p->params); i++) {
        const ts_param *param = ts_params_at(p->params, i);
        const size_t at = param->offset;
        options.weight_decay = decays(param) ? c->weight_decay : 0;
        ts_adamw_step(p->values + at, p->first + at, p->second + at, p->grads + at, param->count, &options, t->pool);
    }
    ts_weights_changed(p->weights);
    const double n = (double)p->step + 1;
    ts_ema(p->ema, p->values, ts_params_floats(p->params), (float)fmin(c->ema, (1 + n) / (10 + n)), t->pool);
}

/* Loss and gradients of the batch in the graph's inputs; false if one is not finite. */
static bool judge(tess_trainer *t) {
    ts_prior_trainer *p = t->prior;
    const size_t floats = ts_params_floats(p->params);
    ts_graph_forward(p->graph, t->pool);
    p->figures.total = *ts_graph_data(p->graph, p->loss);
    if (!isfinite(p->figures.total)) return false;
    p->figures.accuracy = accuracy(t);
    memset(p->grads, 0, floats * sizeof *p->grads);
    ts_graph_backward(p->graph, t->pool);
    p->figures.grad_norm = sqrt(ts_sum_squares(p->grads, floats, t->pool));
    return isfinite(p->figures.grad_norm);
}

tess_status ts_prior_trainer_run(tess_trainer *t) {
    ts_prior_trainer *p = t->prior;
    p->figures = (ts_prior_figures){NAN, NAN, rate(t), NAN};
    const bool good = judge(t);
    if (good) apply(t);
    p->skipped += !good;
    p->skipped_in_row = good ? 0 : p->skipped_in_row + 1;
    p->step++;
    p->images += t->config.train.prior.batch;
    if (p->skipped_in_row < MAX_SKIPPED) return TESS_OK;
    return ts_fail(&t->error, TESS_ERR_NUMERIC,
                   "%d steps in a row had a loss or gradient that is not finite; lower train.prior.lr or go back to a "
                   "checkpoint.",
                   MAX_SKIPPED);
}

/* The batch of the coming step. */
static void draw_batch(tess_trainer *t) {
    ts_prior_trainer *p = t->prior;
    for (int i = 0; i < t->config.train.prior.batch; i++) draw_sample(t, i);
    const uint64_t high = ts_rng_u32(&p->rng);
    ts_graph_dropout_seed(p->graph, high << 32 | ts_rng_u32(&p->rng));
}

tess_status ts_prior_trainer_step(tess_trainer *t) {
    ts_prior_trainer *p = t->prior;
    const int steps = t->config.train.prior.steps;
    if (p->step >= steps) return TESS_DONE;
    if (!p->tokenizer)
        return ts_fail(&t->error, TESS_ERR_STATE,
                       "A prior is trained on a model's tokens: give the trainer that model (init) first.");
    if (t->train.count == 0)
        return ts_fail(&t->error, TESS_ERR_STATE, "There is no picture to train on: add some first.");
    if (p->encoded < t->train.count) {
        const tess_status status = encode_some(t);
        return status < 0 ? status : TESS_MORE;
    }
    tess_status status = ts_prior_trainer_ready(t);
    if (status < 0) return status;
    draw_batch(t);
    status = ts_prior_trainer_run(t);
    if (status < 0) return status;
    return p->step >= steps ? TESS_DONE : TESS_MORE;
}
