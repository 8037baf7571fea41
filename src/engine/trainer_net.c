/* trainer_net.c - building what a trainer trains: stores, quantizer, graph. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/trainer.h"
#include "nets/autoencoder.h"

void ts_trainer_drop_graph(tess_trainer *t) {
    ts_graph_free(t->graph);
    t->graph = NULL;
}

void ts_trainer_unload(tess_trainer *t) {
    ts_trainer_drop_graph(t);
    ts_view_free(&t->view);
    ts_learner_free(t->learner);
    ts_quantizer_free(t->quantizer);
    ts_weights_free(t->weights);
    ts_params_free(t->params);
    float **stores[] = {&t->values, &t->grads, &t->first, &t->second, &t->ema};
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
        ts_free(*stores[i]);
        *stores[i] = NULL;
    }
    ts_free(t->json);
    ts_free(t->checkpoint);
    ts_free(t->model);
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

static tess_status make_model(tess_trainer *t, const char *json, size_t size) {
    ts_error *err = &t->error;
    tess_status status = make_stores(t);
    if (status >= 0) status = ts_quantizer_new(&t->config.quantizer, &t->quantizer, err);
    if (status >= 0) status = ts_learner_new(t->quantizer, rows_of(&t->config), &t->learner, err);
    if (status < 0) return status;
    t->json = ts_alloc(size + 1);
    if (!t->json) return ts_fail_memory(err, size + 1);
    memcpy(t->json, json, size);
    t->json[size] = 0;
    ts_rng init = ts_rng_new(t->config.train.seed, 1);
    t->data_rng = ts_rng_new(t->config.train.seed, 2);
    t->step_rng = ts_rng_new(t->config.train.seed, 3);
    ts_autoencoder_init(&t->config, t->params, t->values, &init);
    memcpy(t->ema, t->values, ts_params_floats(t->params) * sizeof *t->ema);
    t->step = t->skipped = t->skipped_in_row = t->adam_steps = t->crops = 0;
    t->fitted = t->config.quantizer.type != TS_QUANTIZER_VQ;
    t->figures = (ts_figures){.total = NAN,
                              .l1 = NAN,
                              .l2 = NAN,
                              .lpips = NAN,
                              .ms_ssim = NAN,
                              .commitment = NAN,
                              .codebook = NAN,
                              .psnr = NAN,
                              .bpp = NAN,
                              .lr = NAN,
                              .grad_norm = NAN};
    return TESS_OK;
}

tess_status ts_trainer_load_config(tess_trainer *t, const char *json, size_t size) {
    ts_config config;
    tess_status status = ts_config_parse(json, size, &config, &t->error);
    if (status < 0) return status;
    ts_trainer_unload(t);
    t->config = config;
    status = make_model(t, json, size);
    if (status < 0) ts_trainer_unload(t);
    return status;
}

/* ---- the training graph ---------------------------------------------------------------------------------------- */

/* range -> [0, 1]: SSIM's luminance term counts from black. */
static ts_tensor to_unit(ts_graph *g, ts_tensor x, const float range[2]) {
    float scale = 1 / (range[1] - range[0]), shift = -range[0] * scale;
    return ts_graph_scale(g, x, (const float[3]){scale, scale, scale}, (const float[3]){shift, shift, shift});
}

static void build(tess_trainer *t) {
    ts_graph *g = t->graph;
    const ts_config *c = &t->config;
    t->x = ts_graph_input(g, (ts_shape){c->train.batch, c->train.size, c->train.size, 3}, false);
    t->z = ts_autoencoder_encoder(g, c, t->weights, t->x);
    ts_tensor zq = ts_graph_quantize(g, t->z, ts_learner_hooks(t->learner));
    t->y = ts_autoencoder_decoder(g, c, t->weights, zq);
    t->l1 = ts_graph_l1(g, t->y, t->x);
    t->l2 = ts_graph_l2(g, t->y, t->x);
    t->commitment = ts_graph_l2(g, t->z, zq);
    t->ms_ssim = ts_graph_ms_ssim(g, to_unit(g, t->y, c->range), to_unit(g, t->x, c->range), 1);
    for (int i = 0; i < TS_PERCEPTUAL_HEADS; i++) t->lpips[i] = TS_NONE;
    if (t->features) ts_perceptual_build(g, t->features, t->y, t->x, c->range, t->lpips);
    ts_graph_output(g, t->z);
    ts_graph_output(g, t->y);
    ts_graph_output(g, t->l1);
    ts_graph_output(g, t->l2);
}

static tess_status make_graph(tess_trainer *t) {
    ts_error *err = &t->error;
    tess_status status = ts_learner_resize(t->learner, rows_of(&t->config), err);
    if (status >= 0) status = ts_graph_new(TS_GRAPH_TRAINING, &t->graph, err);
    if (status < 0) return status;
    build(t);
    status = ts_graph_plan(t->graph, t->threads, err);
    if (status >= 0) status = ts_graph_alloc(t->graph, err);
    return status;
}

tess_status ts_trainer_ready(tess_trainer *t) {
    if (!t->pool && t->threads > 1) {
        t->pool = ts_pool_new(t->threads);
        if (!t->pool) return ts_fail_memory(&t->error, 1 << 16);
    }
    if (t->config.train.loss.lpips > 0 && !t->features) {
        return ts_fail(&t->error, TESS_ERR_STATE,
                       "The config asks for LPIPS (train.loss.lpips): give a feature net, or set lpips to 0.");
    }
    if (t->graph) return TESS_OK;
    if (t->features && t->config.train.size < TS_PERCEPTUAL_SIDE) {
        return ts_fail(&t->error, TESS_ERR_INPUT, "LPIPS needs crops of at least %d pixels; train.size is %d.",
                       TS_PERCEPTUAL_SIDE, t->config.train.size);
    }
    tess_status status = make_graph(t);
    if (status < 0) ts_trainer_drop_graph(t);
    return status;
}
