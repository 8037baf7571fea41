/* trainer_view.c - looking at a model in training: pictures through the EMA weights. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/trainer.h"
#include "nets/autoencoder.h"

#define PREVIEW_SIDE 1024

static void drop_graph(ts_view *view) {
    ts_graph_free(view->graph);
    ts_free(view->tokens);
    ts_free(view->scratch);
    ts_free(view->input.data);
    ts_free(view->output.data);
    view->graph = NULL;
    view->tokens = NULL;
    view->scratch = NULL;
    view->input.data = view->output.data = NULL;
}

void ts_view_free(ts_view *view) {
    drop_graph(view);
    ts_weights_free(view->weights);
    ts_quantizer_free(view->quantizer);
    *view = (ts_view){0};
}

tess_status ts_view_quantizer(tess_trainer *t) {
    ts_view *v = &t->view;
    const ts_quantizer_config *q = &t->config.quantizer;
    size_t codes = (size_t)q->levels * (size_t)q->size;
    if (!v->quantizer) {
        tess_status status = ts_quantizer_new(q, &v->quantizer, &t->error);
        if (status < 0) return status;
    }
    const float *from = ts_quantizer_codebook(t->quantizer);
    if (t->codebook >= 0) from = t->ema + ts_params_at(t->params, t->codebook)->offset;
    memcpy(ts_quantizer_codebook(v->quantizer), from, codes * (size_t)q->dim * sizeof(float));
    memcpy(ts_quantizer_bits(v->quantizer), ts_quantizer_bits(t->quantizer), codes * sizeof(float));
    ts_quantizer_settle(v->quantizer); /* a moving average of codes is shorter than they are */
    return TESS_OK;
}

static void quantize(void *self, const float *z, float *zq, size_t rows, int dim, ts_pool *pool) {
    ts_view *v = self;
    (void)dim;
    ts_quantizer_encode(v->quantizer, z, rows, v->levels, v->lambda, v->tokens, zq, v->scratch, pool);
}

static tess_status build(tess_trainer *t, int width, int height) {
    ts_view *v = &t->view;
    int factor = ts_config_factor(&t->config);
    size_t rows = (size_t)(width / factor) * (size_t)(height / factor), bytes = (size_t)width * (size_t)height * 3;
    tess_status status = ts_graph_new(TS_GRAPH_INFERENCE, &v->graph, &t->error);
    if (status < 0) return status;
    v->x = ts_graph_input(v->graph, (ts_shape){1, height, width, 3}, false);
    ts_tensor z = ts_autoencoder_encoder(v->graph, &t->config, v->weights, v->x);
    z = ts_graph_quantize(v->graph, z, (ts_quantize_hooks){.self = v, .forward = quantize});
    v->y = ts_autoencoder_decoder(v->graph, &t->config, v->weights, z);
    ts_graph_output(v->graph, v->y);
    status = ts_graph_plan(v->graph, t->threads, &t->error);
    if (status >= 0) status = ts_graph_alloc(v->graph, &t->error);
    if (status < 0) return status;
    v->tokens = ts_calloc(rows * (size_t)t->config.quantizer.levels, sizeof *v->tokens);
    v->scratch = ts_alloc_floats(ts_quantizer_scratch(v->quantizer, rows));
    v->input.data = ts_alloc(bytes);
    v->output.data = ts_alloc(bytes);
    if (!v->tokens || !v->scratch || !v->input.data || !v->output.data) return ts_fail_memory(&t->error, 2 * bytes);
    v->width = width;
    v->height = height;
    v->threads = t->threads;
    return TESS_OK;
}

/* A graph for pictures of this size (already padded), kept for the next of the same size. */
static tess_status prepare(tess_trainer *t, int width, int height) {
    ts_view *v = &t->view;
    tess_status status = TESS_OK;
    if (!v->weights) status = ts_weights_new(t->params, t->ema, NULL, &v->weights, &t->error);
    if (status >= 0) status = ts_view_quantizer(t);
    if (status < 0) return status;
    ts_weights_changed(v->weights);
    if (v->graph && v->width == width && v->height == height && v->threads == t->threads) return TESS_OK;
    drop_graph(v);
    status = build(t, width, height);
    if (status < 0) drop_graph(v);
    return status;
}

static int round_up(int side, int factor) { return (side + factor - 1) / factor * factor; }

/* pixels <- the top left width x height of floats, in range. */
static void show(ts_pixels *pixels, const float *floats, size_t stride, int width, int height, const float range[2]) {
    pixels->width = width;
    pixels->height = height;
    pixels->channels = 3;
    ts_pixels_from_floats(floats, stride, width, height, range, 0, pixels, 0, 0);
}

tess_status ts_view_run(tess_trainer *t, const ts_pixels *picture, int side, int levels, float lambda) {
    ts_view *v = &t->view;
    int factor = ts_config_factor(&t->config), width = picture->width < side ? picture->width : side;
    int height = picture->height < side ? picture->height : side;
    int columns = round_up(width, factor), rows = round_up(height, factor);
    tess_status status = prepare(t, columns, rows);
    if (status < 0) return status;
    v->levels = levels;
    v->lambda = lambda;
    float *x = ts_graph_data(v->graph, v->x);
    ts_pixels_to_floats(picture, (picture->width - width) / 2, (picture->height - height) / 2, columns, rows,
                        t->config.range, x);
    show(&v->input, x, (size_t)columns, width, height, t->config.range);
    ts_graph_forward(v->graph, t->pool);
    show(&v->output, ts_graph_data(v->graph, v->y), (size_t)columns, width, height, t->config.range);
    return TESS_OK;
}

tess_status tess_trainer_preview(tess_trainer *t, int i, const uint8_t **input, const uint8_t **output, int *width,
                                 int *height, const uint16_t **tokens, int *levels, int *token_height,
                                 int *token_width) {
    if (!t) return TESS_ERR_STATE;
    t->error.text[0] = 0;
    if (!t->json)
        return ts_fail(&t->error, TESS_ERR_STATE,
                       "The trainer has no model yet: give it a config or a checkpoint first.");
    if (t->prior)
        return ts_fail(&t->error, TESS_ERR_STATE,
                       "A prior reconstructs nothing: take the model so far, and sample from it.");
    if (i < 0 || i >= t->validation.count) {
        return ts_fail(&t->error, TESS_ERR_OPTION, "There is no validation picture %d: %d were added.", i,
                       t->validation.count);
    }
    tess_status status = ts_trainer_ready(t);
    if (status >= 0) status = ts_view_run(t, &t->validation.list[i], PREVIEW_SIDE, t->config.quantizer.levels, 0);
    if (status < 0) return status;
    int factor = ts_config_factor(&t->config);
    *input = t->view.input.data;
    *output = t->view.output.data;
    *width = t->view.input.width;
    *height = t->view.input.height;
    *tokens = t->view.tokens;
    *levels = t->config.quantizer.levels;
    *token_height = t->view.height / factor;
    *token_width = t->view.width / factor;
    return TESS_OK;
}

const uint32_t *tess_trainer_usage(const tess_trainer *t, int level, int *size) {
    if (!t || !t->learner || level < 0 || level >= t->config.quantizer.levels) return NULL;
    *size = t->config.quantizer.size;
    return ts_learner_counts(t->learner, level);
}
