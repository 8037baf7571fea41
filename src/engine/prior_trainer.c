/* prior_trainer.c - making a prior's trainer, its tokenizer, options and figures. */
#include "engine/prior_trainer.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/trainer.h"

void ts_prior_trainer_drop_graph(ts_prior_trainer *p) {
    ts_graph_free(p->graph);
    p->graph = NULL;
}

void ts_prior_trainer_free(ts_prior_trainer *p) {
    if (!p) return;
    ts_prior_trainer_drop_graph(p);
    ts_weights_free(p->weights);
    ts_params_free(p->params);
    tess_encoder_free(p->encoder);
    tess_model_free(p->tokenizer);
    ts_free(p->values);
    ts_free(p->grads);
    ts_free(p->first);
    ts_free(p->second);
    ts_free(p->ema);
    ts_free(p->tokens);
    ts_free(p->crop);
    ts_free(p->order);
    ts_free(p->words);
    ts_free(p);
}

static tess_status make_stores(ts_prior_trainer *p, const ts_config *c, ts_error *err) {
    tess_status status = ts_params_new(&p->params, err);
    if (status >= 0) status = ts_prior_params(&c->prior, c->quantizer.size, p->params, err);
    if (status < 0) return status;
    const size_t n = ts_params_floats(p->params);
    float **const stores[] = {&p->values, &p->grads, &p->first, &p->second, &p->ema};
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
        *stores[i] = ts_calloc(n, sizeof(float));
        if (!*stores[i]) return ts_fail_memory(err, n * sizeof(float));
    }
    return ts_weights_new(p->params, p->values, p->grads, &p->weights, err);
}

static tess_status make_room(ts_prior_trainer *p, const ts_config *c, ts_error *err) {
    const size_t places = (size_t)c->prior.rows * (size_t)c->prior.columns, factor = (size_t)ts_config_factor(c);
    const size_t pixels = places * factor * factor;
    p->crop = ts_alloc(pixels * 3);
    p->order = ts_calloc(places, sizeof *p->order);
    p->words = ts_calloc((size_t)c->prior.words + 1, TS_TEXT_FEATURES * sizeof *p->words);
    return p->crop && p->order && p->words ? TESS_OK : ts_fail_memory(err, pixels * 3);
}

tess_status ts_prior_trainer_new(tess_trainer *t) {
    const ts_config *c = &t->config;
    ts_prior_trainer *p = ts_calloc(1, sizeof *p);
    if (!p) return ts_fail_memory(&t->error, sizeof *p);
    t->prior = p;
    tess_status status = make_stores(p, c, &t->error);
    if (status >= 0) status = make_room(p, c, &t->error);
    if (status < 0) return status;
    ts_rng init = ts_rng_new(c->train.prior.seed, 1);
    p->rng = ts_rng_new(c->train.prior.seed, 2);
    ts_prior_init(&c->prior, p->params, p->values, &init);
    memcpy(p->ema, p->values, ts_params_floats(p->params) * sizeof *p->ema);
    p->figures = (ts_prior_figures){NAN, NAN, NAN, NAN};
    return TESS_OK;
}

/* ---- the tokenizer ----------------------------------------------------------------------------------------------- */

static bool same_layer(const ts_layer *a, const ts_layer *b) {
    return a->kind == b->kind && a->in == b->in && a->out == b->out && a->kernel == b->kernel &&
           a->stride == b->stride && memcmp(a->pad, b->pad, sizeof a->pad) == 0 && a->bias == b->bias &&
           memcmp(a->kernels, b->kernels, sizeof a->kernels) == 0 && a->hidden == b->hidden && a->act == b->act &&
           a->groups == b->groups && a->eps == b->eps && a->factor == b->factor && a->pool == b->pool &&
           a->limit == b->limit;
}

tess_status ts_prior_trainer_check(tess_trainer *t) {
    const ts_config *a = &t->config, *b = &t->prior->tokenizer->config;
    tess_model other = *t->prior->tokenizer; /* the same weights under the config's layers: the same fingerprint? */
    uint64_t hash;
    bool same = a->encoder_count == b->encoder_count && a->quantizer.normalize == b->quantizer.normalize;
    for (int i = 0; i < a->encoder_count && same; i++) same = same_layer(&a->encoder[i], &b->encoder[i]);
    other.config = *a;
    tess_status status = ts_model_hash(&other, &hash, &t->error);
    if (status < 0 || (same && hash == other.hash)) return status;
    return ts_fail(
        &t->error, TESS_ERR_MODEL,
        "The config's nets, range or quantizer are not those of the model %.60s; a prior is trained for a model "
        "as it is: take them from it.",
        b->name);
}

static bool same_prior(const ts_prior_config *a, const ts_prior_config *b) {
    return a->type == b->type && a->rows == b->rows && a->columns == b->columns && a->width == b->width &&
           a->layers == b->layers && a->heads == b->heads && a->hidden == b->hidden && a->words == b->words &&
           a->buckets == b->buckets && a->classes == b->classes;
}

/* The weights of the model's own prior, to go on from. */
static tess_status take_prior(tess_trainer *t, const tess_model *model) {
    ts_prior_trainer *p = t->prior;
    float *room = ts_alloc_floats(ts_params_largest(p->params));
    if (!room) return ts_fail_memory(&t->error, ts_params_largest(p->params) * sizeof *room);
    for (int i = 0; i < ts_params_count(p->params); i++) {
        ts_param_write_store(ts_params_at(model->prior.params, i), ts_part_store(&model->prior), room);
        ts_param_read(ts_params_at(p->params, i), p->values, room);
    }
    ts_free(room);
    memcpy(p->ema, p->values, ts_params_floats(p->params) * sizeof *p->ema);
    ts_weights_changed(p->weights);
    return TESS_OK;
}

tess_status ts_prior_trainer_init(tess_trainer *t, const void *model, size_t size) {
    ts_prior_trainer *p = t->prior;
    tess_encoder_free(p->encoder);
    tess_model_free(p->tokenizer);
    p->encoder = NULL;
    p->encoded = 0;
    p->tokenizer = tess_model_new();
    tess_status status = p->tokenizer ? tess_model_load(p->tokenizer, model, size) : ts_fail_memory(&t->error, size);
    if (p->tokenizer && status < 0) t->error = p->tokenizer->error;
    if (status >= 0) status = ts_prior_trainer_check(t);
    if (status >= 0 && p->tokenizer->prior.params && same_prior(&p->tokenizer->config.prior, &t->config.prior))
        status = take_prior(t, p->tokenizer);
    if (status >= 0) status = ts_seal_reads(t, p->tokenizer->config.reads, p->tokenizer->config.reads_count);
    if (status >= 0) return TESS_OK;
    tess_model_free(p->tokenizer);
    p->tokenizer = NULL;
    return status;
}

/* ---- options and figures ----------------------------------------------------------------------------------------- */

tess_status ts_prior_trainer_set(tess_trainer *t, const char *option, double value) {
    ts_prior_train_config *c = &t->config.train.prior;
    const struct {
        const char *name;
        int *whole;
        float *real;
        double low, high;
    } table[] = {
        {"batch", &c->batch, NULL, 1, 1024}, {"steps", &c->steps, NULL, 1, 1 << 30}, {"lr", NULL, &c->lr, 0, 10}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, option) != 0) continue;
        if (!(value >= table[i].low && value <= table[i].high) || (table[i].whole && value != floor(value)))
            return ts_fail(&t->error, TESS_ERR_OPTION, "%s must be a %s from %g to %g, not %g.", option,
                           table[i].whole ? "whole number" : "number", table[i].low, table[i].high, value);
        if (table[i].whole) *table[i].whole = (int)value;
        else *table[i].real = (float)value;
        if (i == 0) ts_prior_trainer_drop_graph(t->prior);
        return TESS_OK;
    }
    return ts_fail(&t->error, TESS_ERR_OPTION,
                   "\"%.40s\" is not an option of a prior's training; there are batch, steps, lr and threads.", option);
}

double ts_prior_trainer_stat(const tess_trainer *t, const char *name) {
    const ts_prior_trainer *p = t->prior;
    const struct {
        const char *name;
        double value;
    } stats[] = {{"step", (double)p->step},
                 {"steps", t->config.train.prior.steps},
                 {"total", p->figures.total},
                 {"accuracy", p->figures.accuracy},
                 {"lr", p->figures.lr},
                 {"grad_norm", p->figures.grad_norm},
                 {"skipped", (double)p->skipped},
                 {"images", (double)p->images},
                 {"encoded", t->train.count ? (double)p->encoded / t->train.count : 0}};
    for (size_t i = 0; i < sizeof stats / sizeof *stats; i++)
        if (strcmp(name, stats[i].name) == 0) return stats[i].value;
    return NAN;
}
