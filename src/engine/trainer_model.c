/* trainer_model.c - the model file as training stands: EMA weights, codes in tree order, entropy tables. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/entropy.h"
#include "engine/trainer.h"
#include "nets/autoencoder.h"
#include "nets/tree.h"

#define FIT_SIDE 384     /* pixels of the pictures that the entropy tables are fitted to */
#define FIT_MIN 40000    /* tokens over all levels that the tables are fitted to: this many, */
#define FIT_PER_CODE 100 /* or so many for each code, */
#define FIT_MAX 600000   /* but no more than this: about ten seconds of fitting */

/* Tokens of training pictures, [levels][height][width] each. */
typedef struct sample {
    uint16_t **tokens;
    ts_token_view *views;
    int count;
} sample;

static void sample_free(sample *s) {
    for (int i = 0; i < s->count; i++) ts_free(s->tokens[i]);
    ts_free(s->tokens);
    ts_free(s->views);
}

/* Tokens worth fitting to: a small codebook has few probabilities, and a page waits for them. */
static size_t fit_tokens(const ts_quantizer_config *q) {
    size_t tokens = (size_t)q->levels * (size_t)q->size * FIT_PER_CODE;
    return tokens < FIT_MIN ? FIT_MIN : tokens > FIT_MAX ? FIT_MAX : tokens;
}

/* Codes pictures spread over the training set, with lambdas as in training. */
static tess_status take_sample(tess_trainer *t, sample *s) {
    int levels = t->config.quantizer.levels, factor = ts_config_factor(&t->config), pictures = t->train.count;
    ts_rng rng = ts_rng_new(t->config.train.seed, 4);
    double low = sqrt((double)t->config.train.lambda[0]), high = sqrt((double)t->config.train.lambda[1]);
    size_t taken = 0, wanted = fit_tokens(&t->config.quantizer);
    s->tokens = ts_calloc((size_t)pictures + 1, sizeof *s->tokens);
    s->views = ts_calloc((size_t)pictures + 1, sizeof *s->views);
    if (!s->tokens || !s->views) return ts_fail_memory(&t->error, (size_t)pictures * sizeof *s->views);
    for (int i = 0; i < pictures && taken < wanted; i++) {
        /* a stride by the golden ratio visits the set evenly, however early this stops */
        int at = (int)(fmod((i + 1) * 0.6180339887498949, 1) * pictures);
        double root = low + (high - low) * (double)ts_rng_uniform(&rng);
        tess_status status = ts_view_run(t, &t->train.list[at], FIT_SIDE, levels, (float)(root * root));
        if (status < 0) return status;
        int width = t->view.width / factor, height = t->view.height / factor;
        size_t plane = (size_t)width * (size_t)height, all = plane * (size_t)levels;
        uint16_t *tokens = ts_alloc(all * sizeof *tokens);
        if (!tokens) return ts_fail_memory(&t->error, all * sizeof *tokens);
        memcpy(tokens, t->view.tokens, all * sizeof *tokens);
        s->tokens[s->count] = tokens;
        s->views[s->count++] = (ts_token_view){
            .tokens = tokens, .row_stride = (size_t)width, .level_stride = plane, .height = height, .width = width};
        taken += all;
    }
    return TESS_OK;
}

/* Renumbers one level's codes in quantizer and sample: new code i is old code order[i]. */
static void renumber(ts_quantizer *q, int level, const int *order, float *room, uint16_t *inverse, const sample *s) {
    size_t size = (size_t)ts_quantizer_size(q), dim = (size_t)ts_quantizer_dim(q);
    float *codes = ts_quantizer_codebook(q) + (size_t)level * size * dim,
          *bits = ts_quantizer_bits(q) + (size_t)level * size;
    memcpy(room, codes, size * dim * sizeof *room);
    memcpy(room + size * dim, bits, size * sizeof *room);
    for (size_t i = 0; i < size; i++) {
        memcpy(codes + i * dim, room + (size_t)order[i] * dim, dim * sizeof *codes);
        bits[i] = room[size * dim + (size_t)order[i]];
        inverse[order[i]] = (uint16_t)i;
    }
    for (int p = 0; p < s->count; p++) {
        uint16_t *tokens = s->tokens[p] + (size_t)level * s->views[p].level_stride;
        for (size_t i = 0; i < s->views[p].level_stride; i++) tokens[i] = inverse[tokens[i]];
    }
}

/* Tree order for every level; in levels >= 1 code 0 stays the zero code. Numbers of FSQ and LFQ are their grid: they
 * stay; without a quantizer there are none. */
static tess_status order_codes(tess_trainer *t, const sample *s) {
    const ts_quantizer_config *q = &t->config.quantizer;
    size_t size = (size_t)q->size, dim = (size_t)q->dim;
    if (q->type != TS_QUANTIZER_VQ) return TESS_OK;
    int *order = ts_calloc(size, sizeof *order);
    uint16_t *inverse = ts_calloc(size, sizeof *inverse);
    float *room = ts_alloc_floats(size * (dim + 1));
    tess_status status = order && inverse && room ? TESS_OK
                                                  : ts_fail_memory(&t->error, size * (dim + 2) * sizeof *room);
    for (int l = 0; l < q->levels && status >= 0; l++) {
        const float *codes = ts_quantizer_codebook(t->view.quantizer) + (size_t)l * size * dim;
        status = ts_tree_order(codes, q->size, q->dim, l > 0, order, &t->error);
        if (status >= 0) renumber(t->view.quantizer, l, order, room, inverse, s);
    }
    ts_free(order);
    ts_free(inverse);
    ts_free(room);
    return status;
}

static tess_status fit_tables(tess_trainer *t, const sample *s, uint8_t *tables[TS_LEVELS_MAX],
                              size_t bytes[TS_LEVELS_MAX]) {
    const ts_quantizer_config *q = &t->config.quantizer;
    int sizes[TS_LEVELS_MAX];
    tess_status status = TESS_OK;
    for (int l = 0; l < q->levels; l++) sizes[l] = q->size;
    for (int l = 0; l < q->levels && status >= 0 && s->count > 0; l++) {
        bytes[l] = ts_entropy_table_bytes(l, q->size);
        tables[l] = ts_alloc(bytes[l]);
        if (!tables[l]) return ts_fail_memory(&t->error, bytes[l]);
        status = ts_entropy_fit(l, q->levels, sizes, s->count, s->views, tables[l], &t->error);
    }
    return status;
}

static tess_status write_model(tess_trainer *t, int half, uint8_t *const *tables, const size_t *bytes, uint8_t **made,
                               size_t *size) {
    ts_params *nets = NULL;
    tess_status status = ts_params_new(&nets, &t->error);
    if (status >= 0)
        status = ts_autoencoder_params(&t->config, nets, &t->error); /* the same offsets, without the codebook */
    if (status >= 0) {
        ts_model_content content = {.json = t->json,
                                    .quantizer = t->view.quantizer,
                                    .tables = (const uint8_t *const *)tables,
                                    .table_bytes = bytes,
                                    .nets = {nets, {.values = t->ema}, half != 0}};
        status = ts_model_file_write(&content, made, size, &t->error);
    }
    ts_params_free(nets);
    return status;
}

static tess_status make_model(tess_trainer *t, int half, uint8_t **made, size_t *size) {
    uint8_t *tables[TS_LEVELS_MAX] = {0};
    size_t table_bytes[TS_LEVELS_MAX] = {0};
    sample s = {0};
    /* Codes before they were fitted have no statistics; sealed ones have order and tables. */
    const bool codes = t->fitted && !t->sealed && t->config.quantizer.type != TS_QUANTIZER_NONE;
    tess_status status = codes ? take_sample(t, &s) : TESS_OK;
    if (status >= 0) status = ts_view_quantizer(t);
    if (status >= 0 && !t->sealed) status = order_codes(t, &s);
    if (status >= 0 && !t->sealed) status = fit_tables(t, &s, tables, table_bytes);
    if (status >= 0 && t->sealed) status = write_model(t, half, t->tables, t->table_bytes, made, size);
    else if (status >= 0) status = write_model(t, half, tables, table_bytes, made, size);
    for (int l = 0; l < TS_LEVELS_MAX; l++) ts_free(tables[l]);
    sample_free(&s);
    return status;
}

tess_status tess_trainer_model(tess_trainer *t, int half, const uint8_t **bytes, size_t *size) {
    uint8_t *made = NULL;
    if (!t) return TESS_ERR_STATE;
    t->error.text[0] = 0;
    if (!t->json)
        return ts_fail(&t->error, TESS_ERR_STATE,
                       "The trainer has no model yet: give it a config or a checkpoint first.");
    const tess_status status = t->prior ? ts_prior_trainer_model(t, half, &made, size)
                                        : make_model(t, half, &made, size);
    if (status < 0) return status;
    ts_free(t->model);
    t->model = made;
    *bytes = made;
    return TESS_OK;
}
