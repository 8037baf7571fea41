/* trainer_net.c - building what a trainer trains: stores, quantizer, graph. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/trainer.h"
#include "nets/autoencoder.h"

void ts_trainer_drop_graph(tess_trainer *t) {
    if (t->prior) ts_prior_trainer_drop_graph(t->prior);
    ts_graph_free(t->graph);
    ts_weights_free(t->frozen_weights);
    ts_image_loss_free(t->image_loss);
    ts_tail_free(t->tail);
    if (t->adversary) ts_adversary_drop_graphs(t->adversary);
    t->graph = NULL;
    t->frozen_weights = NULL;
    t->image_loss = NULL;
    t->tail = NULL;
}

void ts_trainer_unload(tess_trainer *t) {
    ts_trainer_drop_graph(t);
    ts_prior_trainer_free(t->prior);
    ts_view_free(&t->view);
    ts_adversary_free(t->adversary);
    ts_guard_free(t);
    ts_learner_free(t->learner);
    ts_quantizer_free(t->quantizer);
    ts_weights_free(t->weights);
    ts_seal_free(t);
    ts_params_free(t->params);
    float **stores[] = {&t->values, &t->grads, &t->first, &t->second, &t->ema};
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
        ts_free(*stores[i]);
        *stores[i] = NULL;
    }
    ts_free(t->json);
    ts_free(t->checkpoint);
    ts_free(t->model);
    t->prior = NULL;
    t->adversary = NULL;
    t->learner = NULL;
    t->quantizer = NULL;
    t->weights = NULL;
    t->params = NULL;
    t->json = NULL;
    t->checkpoint = t->model = NULL;
}

/* Latents of one step. */
static size_t rows_of(const ts_config *c) {
    size_t side = (size_t)(c->train.size / ts_config_factor(c));
    return (size_t)c->train.batch * side * side;
}

static tess_status make_stores(tess_trainer *t) {
    ts_error *err = &t->error;
    const ts_quantizer_config *q = &t->config.quantizer;
    tess_status status = ts_params_new(&t->params, err);
    if (status >= 0) status = ts_autoencoder_params(&t->config, t->params, err);
    if (status >= 0 && q->gradient) {
        const int dims[3] = {q->levels, q->size, q->dim};
        status = ts_params_add(t->params, "quantizer.codebook", TS_PARAM_PLAIN, 3, dims, err);
    }
    if (status < 0) return status;
    t->codebook = ts_params_find(t->params, "quantizer.codebook");
    size_t n = ts_params_floats(t->params);
    t->values = ts_calloc(n, sizeof(float));
    t->grads = ts_calloc(n, sizeof(float));
    t->first = ts_calloc(n, sizeof(float));
    t->second = ts_calloc(n, sizeof(float));
    t->ema = ts_calloc(n, sizeof(float));
    if (!t->values || !t->grads || !t->first || !t->second || !t->ema)
        return ts_fail_memory(err, 5 * n * sizeof(float));
    return ts_weights_new(t->params, t->values, t->grads, &t->weights, err);
}

ts_figures ts_figures_none(void) {
    ts_figures f = {.phase = 1};
    double *const measured[] = {&f.total,    &f.reconstruction, &f.l1,   &f.l2,  &f.lpips, &f.ms_ssim,  &f.commitment,
                                &f.codebook, &f.entropy,        &f.psnr, &f.bpp, &f.lr,    &f.grad_norm};
    for (size_t i = 0; i < sizeof measured / sizeof *measured; i++) *measured[i] = NAN;
    f.adversary = ts_adversary_nothing();
    return f;
}

static tess_status keep_json(tess_trainer *t, const char *json, size_t size) {
    t->json = ts_alloc(size + 1);
    if (!t->json) return ts_fail_memory(&t->error, size + 1);
    memcpy(t->json, json, size);
    t->json[size] = 0;
    return TESS_OK;
}

static tess_status make_model(tess_trainer *t, const char *json, size_t size) {
    ts_error *err = &t->error;
    tess_status status = make_stores(t);
    if (status >= 0) status = ts_quantizer_new(&t->config.quantizer, &t->quantizer, err);
    if (status >= 0) status = ts_learner_new(t->quantizer, rows_of(&t->config), &t->learner, err);
    if (status >= 0 && t->config.train.adversarial.on) status = ts_adversary_new(&t->config, &t->adversary, err);
    if (status >= 0) status = keep_json(t, json, size);
    if (status < 0) return status;
    ts_rng init = ts_rng_new(t->config.train.seed, 1);
    t->data_rng = ts_rng_new(t->config.train.seed, 2);
    t->step_rng = ts_rng_new(t->config.train.seed, 3);
    ts_autoencoder_init(&t->config, t->params, t->values, &init);
    memcpy(t->ema, t->values, ts_params_floats(t->params) * sizeof *t->ema);
    ts_watch_reset(t);
    t->step = t->skipped = t->skipped_in_row = t->adam_steps = t->crops = 0;
    t->fitted = t->config.quantizer.type != TS_QUANTIZER_VQ;
    t->sealed = false;
    t->figures = ts_figures_none();
    return TESS_OK;
}

tess_status ts_trainer_load_config(tess_trainer *t, const char *json, size_t size) {
    ts_config config;
    tess_status status = ts_config_parse(json, size, &config, &t->error);
    if (status < 0) return status;
    if (config.prior.type != TS_PRIOR_NONE && !config.train.prior.on)
        return ts_fail(
            &t->error, TESS_ERR_INPUT,
            "Config: there is a prior, but no train.prior. Add that to train the prior of a model, or take the "
            "prior out to train the model.");
    if (ts_upscaler_any(&config.upscaler))
        return ts_fail(
            &t->error, TESS_ERR_INPUT,
            "Config: an upscaler is not trained here; take it out, and train it for the model that comes out "
            "(tools/train_upscaler.py).");
    if (config.prior.type == TS_PRIOR_CONV)
        return ts_fail(&t->error, TESS_ERR_INPUT,
                       "Config: priors of type conv are trained by tools/train_prior.py, not here; one of type "
                       "transformer is trained here as well.");
    ts_trainer_unload(t);
    t->config = config;
    if (config.train.prior.on) {
        ts_watch_reset(t);
        status = ts_prior_trainer_new(t);
        if (status >= 0) status = keep_json(t, json, size);
    } else {
        status = make_model(t, json, size);
    }
    if (status < 0) ts_trainer_unload(t);
    return status;
}

/* ---- what runs a step ------------------------------------------------------------------------------------------ */

int ts_trainer_phase(const tess_trainer *t) {
    const ts_adversarial_config *a = &t->config.train.adversarial;
    return a->on && t->step >= a->from ? 2 : 1;
}

bool ts_trainer_frozen(const tess_trainer *t) { return ts_trainer_phase(t) == 2 && t->config.train.adversarial.freeze; }

static void build(tess_trainer *t, ts_weights *encoder) {
    ts_graph *g = t->graph;
    const ts_config *c = &t->config;
    const int tail = t->made.phase == 2 ? ts_tail_layer(t->params) : -1, split = tail < 0 ? 0 : tail;
    t->x = ts_graph_input(g, (ts_shape){c->train.batch, c->train.size, c->train.size, 3}, false);
    t->z = ts_autoencoder_encoder(g, c, encoder, t->x);
    ts_tensor zq = ts_graph_quantize(g, t->z, ts_learner_hooks(t->learner));
    t->tail_in = ts_autoencoder_decoder_part(g, c, t->weights, zq, 0, split);
    t->y = ts_autoencoder_decoder_part(g, c, t->weights, t->tail_in, split, c->decoder_count);
    t->commitment = ts_graph_l2(g, t->z, zq);
    ts_graph_output(g, t->x);
    ts_graph_output(g, t->z);
    ts_graph_start(g, t->y);
    if (t->made.spread) ts_graph_start(g, t->z);
    if (t->made.phase == 2) ts_graph_output(g, t->tail_in);
}

/* Plans what works between the autoencoder's forward and backward, first the image losses, then, over them, the
 * adversary. *bytes: the room that it takes. */
static tess_status plan_judges(tess_trainer *t, size_t *bytes) {
    ts_error *err = &t->error;
    tess_status status = ts_image_loss_new(&t->config, t->features.weights, t->threads, &t->image_loss, err);
    if (status < 0) return status;
    *bytes = ts_image_loss_bytes(t->image_loss);
    if (t->made.phase == 1) return TESS_OK;
    status = ts_adversary_plan(t->adversary, &t->config, t->threads, err);
    if (status >= 0 && t->config.train.adversarial.balance == TS_BALANCE_LAYER)
        status = ts_tail_new(&t->config, t->weights, t->grads, ts_graph_shape(t->graph, t->tail_in), t->threads,
                             &t->tail, err);
    if (status < 0) return status;
    const size_t adverse = ts_adversary_bytes(t->adversary) + (t->tail ? ts_tail_bytes(t->tail) : 0);
    if (adverse > *bytes) *bytes = adverse;
    return TESS_OK;
}

static tess_status place_judges(tess_trainer *t) {
    float *room = ts_graph_reserved(t->graph);
    tess_status status = ts_image_loss_alloc(t->image_loss, room, &t->error);
    if (status < 0 || t->made.phase == 1) return status;
    status = ts_adversary_alloc(t->adversary, room, &t->error);
    if (status < 0 || !t->tail) return status;
    return ts_tail_alloc(t->tail, room + ts_adversary_bytes(t->adversary) / sizeof *room, &t->error);
}

/* What the graphs hang on besides batch and threads, whose changes drop them. */
static ts_made wanted(const tess_trainer *t) {
    const ts_train_config *c = &t->config.train;
    const int phase = ts_trainer_phase(t);
    const bool frozen = ts_trainer_frozen(t);
    return (ts_made){.phase = phase,
                     .frozen = frozen,
                     .spread = c->loss.entropy > 0 && !frozen,
                     .matching = phase == 2 && c->adversarial.features > 0,
                     .penalized = phase == 2 && c->adversarial.r1 > 0};
}

static bool same(ts_made a, ts_made b) {
    return a.phase == b.phase && a.frozen == b.frozen && a.spread == b.spread && a.matching == b.matching &&
           a.penalized == b.penalized;
}

static tess_status make_graphs(tess_trainer *t) {
    ts_error *err = &t->error;
    size_t bytes = 0;
    t->made = wanted(t);
    tess_status status = ts_learner_resize(t->learner, rows_of(&t->config), err);
    if (status >= 0 && t->made.frozen) status = ts_weights_new(t->params, t->values, NULL, &t->frozen_weights, err);
    if (status >= 0) status = ts_graph_new(TS_GRAPH_TRAINING, &t->graph, err);
    if (status < 0) return status;
    build(t, t->made.frozen ? t->frozen_weights : t->weights);
    status = plan_judges(t, &bytes);
    if (status < 0) return status;
    ts_graph_reserve(t->graph, bytes / sizeof(float));
    status = ts_graph_plan(t->graph, t->threads, err);
    if (status >= 0) status = ts_graph_alloc(t->graph, err);
    return status < 0 ? status : place_judges(t);
}

tess_status ts_trainer_ready(tess_trainer *t) {
    if (!t->pool && t->threads > 1) {
        t->pool = ts_pool_new(t->threads);
        if (!t->pool) return ts_fail_memory(&t->error, 1 << 16);
    }
    if (t->config.train.loss.lpips > 0 && !t->features.weights) {
        return ts_fail(&t->error, TESS_ERR_STATE,
                       "The config asks for LPIPS (train.loss.lpips): give a feature net, or set lpips to 0.");
    }
    if (t->graph && !same(t->made, wanted(t))) ts_trainer_drop_graph(t);
    tess_status status = t->graph ? TESS_OK : make_graphs(t);
    if (status < 0) ts_trainer_drop_graph(t);
    return status;
}
