/* trainer_step.c - one training step, and the start of the codes from data. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cosine.h"
#include "engine/trainer.h"
#include "kernels/optim.h"
#include "kernels/pointwise.h"

#define FIT_ROUNDS 6    /* of k-means */
#define FIT_PER_CODE 32 /* latents per code that k-means looks at */
#define FIT_BATCHES 24  /* but so many batches at most */

/* ---- schedule --------------------------------------------------------------------------------------------------- */

double ts_trainer_rate(const tess_trainer *t) {
    const ts_train_config *c = &t->config.train;
    double warm = c->warmup > 0 ? fmin(1, (double)(t->step + 1) / c->warmup) : 1;
    double cosine = 0.5 * (1 + ts_cos_pi(fmin(1, (double)t->step / c->steps)));
    return c->lr * warm * (c->lr_final + (1 - c->lr_final) * cosine);
}

/* Lambda is 0 every other time, else uniform on a square-root scale: an encoder may ask for either end. */
void ts_trainer_draw(tess_trainer *t, int *levels, float *lambda) {
    const ts_train_config *c = &t->config.train;
    double sum = 0, low = sqrt((double)c->lambda[0]), high = sqrt((double)c->lambda[1]);
    int count = t->config.quantizer.levels;
    for (int i = 0; i < count; i++) sum += c->level_weights[i];
    double at = ts_rng_uniform(&t->step_rng) * sum;
    for (*levels = 1; *levels < count && at >= c->level_weights[*levels - 1]; ++*levels)
        at -= c->level_weights[*levels - 1];
    double u = fmax(0, 2 * (double)ts_rng_uniform(&t->step_rng) - 1), root = low + (high - low) * u;
    *lambda = (float)(root * root);
}

/* ---- codes ------------------------------------------------------------------------------------------------------- */

static size_t codebook_floats(const tess_trainer *t) {
    const ts_quantizer_config *q = &t->config.quantizer;
    return (size_t)q->levels * (size_t)q->size * (size_t)q->dim;
}

void ts_trainer_codes_to_store(tess_trainer *t, float *store) {
    if (t->codebook < 0) return;
    memcpy(store + ts_params_at(t->params, t->codebook)->offset, ts_quantizer_codebook(t->quantizer),
           codebook_floats(t) * sizeof(float));
}

void ts_trainer_codes_from_store(tess_trainer *t) {
    if (t->codebook < 0) return;
    memcpy(ts_quantizer_codebook(t->quantizer), t->values + ts_params_at(t->params, t->codebook)->offset,
           codebook_floats(t) * sizeof(float));
    ts_quantizer_settle(t->quantizer);
    if (t->config.quantizer.normalize) ts_trainer_codes_to_store(t, t->values);
}

static void scale_param(tess_trainer *t, const char *name, float factor) {
    int i = ts_params_find(t->params, name);
    if (i < 0) return;
    const ts_param *p = ts_params_at(t->params, i);
    ts_vscale(t->values + p->offset, t->values + p->offset, factor, p->count, t->pool);
    ts_vscale(t->ema + p->offset, t->ema + p->offset, factor, p->count, t->pool);
    ts_vscale(t->first + p->offset, t->first + p->offset, 1 / factor, p->count, t->pool);
    ts_vscale(t->second + p->offset, t->second + p->offset, 1 / (factor * factor), p->count, t->pool);
}

/* latent *= factor, output unchanged; possible when convs meet the latent on both sides. */
static bool fold_scale(tess_trainer *t, float factor) {
    const ts_config *c = &t->config;
    ts_layer_kind last = c->encoder[c->encoder_count - 1].kind, head = c->decoder[0].kind;
    char name[TS_PARAM_NAME];
    bool before = last == TS_LAYER_CONV || last == TS_LAYER_TCONV,
         after = head == TS_LAYER_CONV || head == TS_LAYER_TCONV;
    if (!before || !after) return false;
    snprintf(name, sizeof name, "encoder.%d.weight", c->encoder_count - 1);
    scale_param(t, name, factor);
    snprintf(name, sizeof name, "encoder.%d.bias", c->encoder_count - 1);
    scale_param(t, name, factor);
    scale_param(t, "decoder.0.weight", 1 / factor);
    ts_weights_changed(t->weights);
    if (t->frozen_weights) ts_weights_changed(t->frozen_weights);
    return true;
}

/* 1 / standard deviation of all latent values, or 0 if they do not vary or are not finite. */
static float unit_scale(const float *z, size_t n) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += z[i];
        squares += (double)z[i] * z[i];
    }
    double variance = squares / (double)n - (sum / (double)n) * (sum / (double)n);
    return isfinite(variance) && variance > 1e-20 ? (float)(1 / sqrt(variance)) : 0;
}

static bool load_batch(tess_trainer *t) {
    const ts_train_config *c = &t->config.train;
    return ts_pictures_crops(&t->train, ts_graph_data(t->graph, t->x), c->batch, c->size, c->flip, t->config.range,
                             &t->data_rng);
}

tess_status ts_trainer_fit(tess_trainer *t) {
    const ts_quantizer_config *q = &t->config.quantizer;
    ts_shape s = ts_graph_shape(t->graph, t->z);
    size_t rows = (size_t)s.n * (size_t)s.h * (size_t)s.w, floats = ts_shape_count(s),
           want = (size_t)q->size * FIT_PER_CODE;
    size_t batches = want / rows + 1 < FIT_BATCHES ? want / rows + 1 : FIT_BATCHES;
    float *z = ts_alloc_floats(batches * floats);
    if (!z) return ts_fail_memory(&t->error, batches * floats * sizeof *z);
    for (size_t i = 0; i < batches; i++) {
        if (!load_batch(t)) {
            ts_free(z);
            return ts_fail_memory(&t->error, sizeof(double) * (size_t)t->train.count);
        }
        ts_graph_forward_to(t->graph, t->z, t->pool);
        memcpy(z + i * floats, ts_graph_data(t->graph, t->z), floats * sizeof *z);
    }
    float scale = q->normalize ? 0 : unit_scale(z, batches * floats);
    if (scale > 0 && fold_scale(t, scale)) ts_vscale(z, z, scale, batches * floats, t->pool);
    tess_status status = ts_learner_fit(t->learner, z, batches * rows, FIT_ROUNDS, &t->step_rng, t->pool, &t->error);
    ts_free(z);
    if (status < 0) return status;
    ts_trainer_codes_to_store(t, t->values);
    ts_trainer_codes_to_store(t, t->ema);
    t->fitted = true;
    ts_guard_forget(t);
    return TESS_OK;
}

/* ---- one step ---------------------------------------------------------------------------------------------------- */

/* Weights of the losses that are not the image's, in this step; sets them as the graph's seeds. */
typedef struct parts {
    float commitment, codebook, entropy;
} parts;

static parts choose_losses(tess_trainer *t, bool quantize) {
    const ts_quantizer_config *q = &t->config.quantizer;
    const bool learns = quantize && !t->made.frozen;
    parts p = {.commitment = learns ? q->commitment : 0,
               .codebook = learns && q->gradient ? 1 : 0,
               .entropy = learns ? t->config.train.loss.entropy : 0};
    ts_graph_seed(t->graph, t->commitment, p.commitment);
    return p;
}

static void measure_image(tess_trainer *t, ts_figures *f) {
    const ts_loss_config *c = &t->config.train.loss;
    const double range = (double)t->config.range[1] - t->config.range[0];
    const ts_image_losses weights = {c->l1, c->l2, c->ms_ssim, t->step >= c->lpips_from ? c->lpips : 0};
    ts_image_losses values;
    f->total = ts_image_loss_forward(t->image_loss, ts_graph_data(t->graph, t->y), ts_graph_data(t->graph, t->x),
                                     &weights, &values, t->pool);
    f->reconstruction = f->total;
    f->l1 = values.l1;
    f->l2 = values.l2;
    f->ms_ssim = values.ms_ssim;
    f->lpips = values.lpips;
    f->psnr = 10 * log10(range * range / f->l2);
}

/* The adversary's part; dy: the image losses' gradient at y, to which its own is added. */
static void measure_adversary(tess_trainer *t, float *dy, ts_figures *f) {
    const ts_adversary_batch batch = {.x = ts_graph_data(t->graph, t->x),
                                      .y = ts_graph_data(t->graph, t->y),
                                      .dy = dy,
                                      .tail = t->tail,
                                      .k = t->step - t->config.train.adversarial.from};
    if (t->tail) ts_tail_forward(t->tail, ts_graph_data(t->graph, t->tail_in), t->pool);
    f->total += ts_adversary_judge(t->adversary, &t->config, &batch, dy, t->pool);
    f->adversary = t->adversary->figures;
}

/* The floats of the stores that learn: all, or the decoder's. */
typedef struct span {
    size_t first, count;
} span;

static span learning(const tess_trainer *t) {
    span s = {0, ts_params_floats(t->params)};
    for (int i = 0; i < ts_params_count(t->params) && t->made.frozen; i++) {
        const ts_param *p = ts_params_at(t->params, i);
        if (strncmp(p->name, "encoder.", 8) == 0) s.first = p->offset + p->count;
        if (strncmp(p->name, "decoder.", 8) == 0) s.count = p->offset + p->count - s.first;
    }
    return s;
}

/* Backward from dy and the losses on the way; norm of all gradients. */
static tess_status descend(tess_trainer *t, const parts *p, ts_figures *f) {
    const span s = learning(t);
    float *codes = t->codebook < 0 ? NULL : t->grads + ts_params_at(t->params, t->codebook)->offset;
    memset(t->grads + s.first, 0, s.count * sizeof *t->grads);
    if (t->made.spread) {
        float *dz = ts_graph_grad_data(t->graph, t->z);
        memset(dz, 0, ts_shape_count(ts_graph_shape(t->graph, t->z)) * sizeof *dz);
        if (p->entropy > 0) {
            tess_status status = ts_learner_entropy(t->learner, &t->config.train.loss, p->entropy, &f->entropy, dz,
                                                    codes, t->pool, &t->error);
            if (status < 0) return status;
            f->total += p->entropy * f->entropy;
        }
    }
    ts_graph_backward(t->graph, t->pool);
    if (p->codebook > 0) {
        ts_learner_codebook_loss(t->learner, p->codebook, &f->codebook, codes);
        f->total += p->codebook * f->codebook;
    }
    f->grad_norm = sqrt(ts_sum_squares(t->grads + s.first, s.count, t->pool));
    return TESS_OK;
}

/* Measures everything and leaves all gradients; *good: everything was finite. Changes nothing else. Errors: MEMORY. */
static tess_status judge(tess_trainer *t, const parts *p, ts_figures *f, bool *good) {
    *good = false;
    ts_graph_forward(t->graph, t->pool);
    measure_image(t, f);
    if (p->commitment > 0) f->total += p->commitment * (f->commitment = *ts_graph_data(t->graph, t->commitment));
    if (!isfinite(f->total)) return TESS_OK;
    float *dy = ts_graph_grad_data(t->graph, t->y);
    memcpy(dy, ts_image_loss_backward(t->image_loss, t->pool),
           ts_shape_count(ts_graph_shape(t->graph, t->y)) * sizeof *dy);
    if (f->phase == 2) {
        measure_adversary(t, dy, f);
        if (!isfinite(f->total) || !ts_adversary_good(t->adversary, &t->config)) return TESS_OK;
    }
    tess_status status = descend(t, p, f);
    *good = status >= 0 && isfinite(f->total) && isfinite(f->grad_norm);
    return status;
}

/* Clips by global norm as PyTorch's clip_grad_norm_ and moves weights, EMA, codes and the discriminator. */
static void apply(tess_trainer *t) {
    const ts_train_config *c = &t->config.train;
    const span s = learning(t);
    double clip = c->clip > 0 ? fmin(1, c->clip / (t->figures.grad_norm + 1e-6)) : 1;
    ts_adamw options = {.lr = (float)t->figures.lr,
                        .beta1 = c->betas[0],
                        .beta2 = c->betas[1],
                        .eps = c->eps,
                        .weight_decay = c->weight_decay,
                        .step = ++t->adam_steps,
                        .grad_scale = (float)clip};
    if (t->made.frozen) {
        ts_learner_observe(t->learner);
    } else {
        ts_learner_update(t->learner, &t->step_rng);
        ts_trainer_codes_to_store(t, t->values); /* restarted codes */
    }
    ts_adamw_step(t->values + s.first, t->first + s.first, t->second + s.first, t->grads + s.first, s.count, &options,
                  t->pool);
    ts_weights_changed(t->weights);
    if (!t->made.frozen) ts_trainer_codes_from_store(t);
    ts_ema(t->ema + s.first, t->values + s.first, s.count,
           (float)fmin(c->ema, (1.0 + (double)t->step) / (10.0 + (double)t->step)), t->pool);
    if (t->figures.phase == 2) ts_adversary_apply(t->adversary, &t->config, t->pool);
}

/* One attempt. *good: it was good and moved the model; else nothing has changed but the figures. Errors: MEMORY. */
static tess_status try_step(tess_trainer *t, int levels, float lambda, bool *good) {
    bool quantize = t->step >= t->config.train.quantize_from && t->config.quantizer.type != TS_QUANTIZER_NONE;
    ts_figures f = ts_figures_none();
    f.lr = ts_trainer_rate(t);
    f.levels = quantize ? levels : 0;
    f.lambda = lambda;
    f.phase = ts_trainer_phase(t);
    ts_learner_choose(t->learner, quantize, levels, lambda);
    parts p = choose_losses(t, quantize);
    tess_status status = judge(t, &p, &f, good);
    if (status < 0) return status;
    if (quantize)
        f.bpp = ts_learner_bits(t->learner) / ((double)ts_config_factor(&t->config) * ts_config_factor(&t->config));
    t->figures = f;
    if (*good) {
        ts_guard_keep(t);
        apply(t);
    }
    return TESS_OK;
}

tess_status ts_trainer_run(tess_trainer *t, int levels, float lambda) {
    bool good;
    tess_status status = try_step(t, levels, lambda, &good);
    return status < 0 ? status : ts_guard_count(t, good);
}

/* The batch, levels and lambda of the coming step. */
static tess_status draw(tess_trainer *t, int *levels, float *lambda) {
    if (!load_batch(t)) return ts_fail_memory(&t->error, sizeof(double) * (size_t)t->train.count);
    ts_trainer_draw(t, levels, lambda);
    return TESS_OK;
}

/* A step of two attempts at most, both from the same place of the random stream. */
static tess_status step(tess_trainer *t) {
    const ts_rng data_rng = t->data_rng, step_rng = t->step_rng;
    const bool fault = t->guard.fault > 0 && --t->guard.fault == 0;
    tess_status status = TESS_OK;
    bool good = false;
    for (int attempt = 0; attempt < 2 && !good; attempt++) {
        int levels;
        float lambda;
        t->guard.retried += attempt;
        t->data_rng = data_rng;
        t->step_rng = step_rng;
        status = draw(t, &levels, &lambda);
        if (status >= 0 && fault && attempt == 0) *ts_graph_data(t->graph, t->x) = NAN;
        if (status >= 0) status = try_step(t, levels, lambda, &good);
        if (status < 0) return status;
    }
    return ts_guard_count(t, good);
}

tess_status tess_trainer_step(tess_trainer *t) {
    if (!t) return TESS_ERR_STATE;
    t->error.text[0] = 0;
    if (!t->json)
        return ts_fail(&t->error, TESS_ERR_STATE,
                       "The trainer has no model yet: give it a config or a checkpoint first.");
    if (t->prior) return ts_prior_trainer_step(t);
    if (t->step >= t->config.train.steps) return TESS_DONE;
    if (t->train.count == 0)
        return ts_fail(&t->error, TESS_ERR_STATE, "There is no picture to train on: add some first.");
    tess_status status = ts_trainer_frozen(t) && !t->sealed ? ts_seal(t) : TESS_OK;
    if (status >= 0) status = ts_trainer_ready(t);
    if (status >= 0 && !t->fitted && t->step >= t->config.train.quantize_from) status = ts_trainer_fit(t);
    if (status >= 0) status = ts_guard_ready(t);
    if (status >= 0) status = step(t);
    if (status < 0) return status;
    return t->step >= t->config.train.steps ? TESS_DONE : TESS_MORE;
}
