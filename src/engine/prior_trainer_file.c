/* prior_trainer_file.c - a prior's training to and from a checkpoint, and the model that it makes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/checkpoint_writer.h"
#include "engine/model_file.h"
#include "engine/trainer.h"

#define STORES 4
#define COUNTERS 8 /* skipped, skipped in a row, Adam's steps, steps, batch, images; two are free */
#define MORE 6     /* tensors besides the stores */

/* A store and the prefix of its names. */
typedef struct store {
    const char *prefix;
    float *values;
} store;

static void list_stores(const ts_prior_trainer *p, store list[STORES]) {
    list[0] = (store){"", p->values};
    list[1] = (store){"ema.", p->ema};
    list[2] = (store){"adam.m.", p->first};
    list[3] = (store){"adam.v.", p->second};
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void put_stores(ts_checkpoint_writer *w, const ts_prior_trainer *p) {
    store stores[STORES];
    list_stores(p, stores);
    for (int s = 0; s < STORES; s++) ts_checkpoint_put_store(w, stores[s].prefix, p->params, stores[s].values);
}

/* The tokenizer goes along whole, as the bytes of its model file. */
static tess_status write_all(const tess_trainer *t, ts_checkpoint_writer *w, const uint8_t *tokenizer,
                             size_t tokenizer_size, uint8_t **bytes, size_t *size, ts_error *err) {
    const ts_prior_trainer *p = t->prior;
    const ts_prior_train_config *c = &t->config.train.prior;
    int64_t step = p->step;
    int64_t counters[COUNTERS] = {p->skipped, p->skipped_in_row, p->adam_steps, c->steps, c->batch, p->images};
    uint64_t rng[2] = {p->rng.state, p->rng.stream};
    float progress = (float)((double)p->step / c->steps), lr = c->lr;
    if (tokenizer_size > INT32_MAX) return ts_fail(err, TESS_ERR_TOO_LARGE, "The tokenizer is over 2 GiB large.");
    ts_checkpoint_put(w, "", "state.step", TS_I64, 1, (int[]){1}, &step);
    ts_checkpoint_put(w, "", "state.counters", TS_I64, 1, (int[]){COUNTERS}, counters);
    ts_checkpoint_put(w, "", "state.rng", TS_I64, 1, (int[]){2}, rng);
    put_stores(w, p);
    ts_checkpoint_put(w, "", "state.progress", TS_F32, 1, (int[]){1}, &progress);
    ts_checkpoint_put(w, "", "state.lr", TS_F32, 1, (int[]){1}, &lr);
    if (tokenizer) ts_checkpoint_put(w, "", "state.tokenizer", TS_U8, 1, (int[]){(int)tokenizer_size}, tokenizer);
    return ts_checkpoint_write(w, t->json, bytes, size, err);
}

tess_status ts_prior_trainer_checkpoint(tess_trainer *t, uint8_t **bytes, size_t *size) {
    const ts_prior_trainer *p = t->prior;
    const size_t most = STORES * (size_t)ts_params_count(p->params) + MORE;
    const size_t floats = STORES * ts_params_floats(p->params);
    const uint8_t *tokenizer = NULL;
    size_t tokenizer_size = 0;
    tess_status status = TESS_OK;
    if (p->tokenizer) status = tess_model_save(p->tokenizer, -1, &tokenizer, &tokenizer_size);
    if (status < 0) return ts_fail(&t->error, status, "%s", tess_model_message(p->tokenizer));
    ts_checkpoint_writer w;
    status = ts_checkpoint_writer_init(&w, most, floats, &t->error);
    if (status >= 0) status = write_all(t, &w, tokenizer, tokenizer_size, bytes, size, &t->error);
    ts_checkpoint_writer_free(&w);
    return status;
}

tess_status ts_prior_trainer_model(tess_trainer *t, int half, uint8_t **bytes, size_t *size) {
    const ts_prior_trainer *p = t->prior;
    const tess_model *m = p->tokenizer;
    if (!m)
        return ts_fail(&t->error, TESS_ERR_STATE,
                       "A prior belongs to a model: give the trainer that model (init) first.");
    const ts_model_content content = {.json = t->json,
                                      .quantizer = m->quantizer,
                                      .tables = (const uint8_t *const *)m->tables,
                                      .table_bytes = m->table_bytes,
                                      .nets = {m->params, ts_model_store(m), m->halves != NULL},
                                      .prior = {p->params, {.values = p->ema}, half != 0}};
    return ts_model_file_write(&content, bytes, size, &t->error);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static tess_status read_stores(tess_trainer *t, const ts_safetensors *file) {
    const ts_params *params = t->prior->params;
    store stores[STORES];
    tess_status status = TESS_OK;
    float *room = ts_alloc_floats(ts_params_largest(params));
    if (!room) return ts_fail_memory(&t->error, ts_params_largest(params) * sizeof *room);
    list_stores(t->prior, stores);
    for (int s = 0; s < STORES; s++) {
        for (int i = 0; i < ts_params_count(params) && status >= 0; i++) {
            const ts_param *param = ts_params_at(params, i);
            char name[TS_CHECKPOINT_NAME];
            snprintf(name, sizeof name, "%s%s", stores[s].prefix, param->name);
            status = ts_model_file_read_floats(file, name, param->rank, param->dims, true, room, &t->error);
            if (status >= 0) ts_param_read(param, stores[s].values, room);
        }
    }
    ts_free(room);
    ts_weights_changed(t->prior->weights);
    return status;
}

/* The bytes of a tensor of that type and size, or NULL. */
static const uint8_t *raw(const ts_safetensors *file, const char *name, ts_dtype dtype, size_t count) {
    const ts_file_tensor *tensor = ts_safetensors_find(file, name);
    return tensor && tensor->dtype == dtype && tensor->count == count ? tensor->data : NULL;
}

/* False when a number is out of range. */
static bool restore_counters(tess_trainer *t, const uint8_t *step_bytes, const uint8_t *bytes) {
    ts_prior_trainer *p = t->prior;
    int64_t step, c[COUNTERS];
    memcpy(&step, step_bytes, sizeof step);
    memcpy(c, bytes, sizeof c);
    for (int i = 0; i < COUNTERS; i++) {
        if (c[i] < 0 || c[i] > (int64_t)1 << 40) return false;
    }
    if (step < 0 || step > 1 << 30 || c[3] < 1 || c[3] > 1 << 30 || c[4] < 1 || c[4] > 1024) return false;
    p->step = (long)step;
    p->skipped = (long)c[0];
    p->skipped_in_row = (long)c[1];
    p->adam_steps = (long)c[2];
    t->config.train.prior.steps = (int)c[3];
    t->config.train.prior.batch = (int)c[4];
    p->images = (long)c[5];
    return true;
}

static tess_status read_tokenizer(tess_trainer *t, const ts_safetensors *file) {
    ts_prior_trainer *p = t->prior;
    const ts_file_tensor *tensor = ts_safetensors_find(file, "state.tokenizer");
    if (!tensor || tensor->dtype != TS_U8) return TESS_OK; /* begun without a model: init will give one */
    p->tokenizer = tess_model_new();
    if (!p->tokenizer) return ts_fail_memory(&t->error, sizeof *p->tokenizer);
    const tess_status status = tess_model_load(p->tokenizer, tensor->data, tensor->count);
    if (status < 0) return ts_fail(&t->error, status, "%s", tess_model_message(p->tokenizer));
    return ts_prior_trainer_check(t);
}

tess_status ts_prior_trainer_resume(tess_trainer *t, const ts_safetensors *file) {
    const uint8_t *step = raw(file, "state.step", TS_I64, 1), *counters = raw(file, "state.counters", TS_I64, COUNTERS),
                  *rng = raw(file, "state.rng", TS_I64, 2), *rate = raw(file, "state.lr", TS_F32, 1);
    uint64_t words[2];
    float lr = -1;
    if (!step || !counters || !rng || !rate)
        return ts_fail(
            &t->error, TESS_ERR_MODEL,
            "This is no checkpoint of a prior (state.step and others are missing); a model file is taken up by "
            "init.");
    memcpy(words, rng, sizeof words);
    memcpy(&lr, rate, sizeof lr);
    if (!restore_counters(t, step, counters) || !(lr >= 0 && lr <= 10))
        return ts_fail(&t->error, TESS_ERR_MODEL, "The checkpoint's state is out of range; it is damaged.");
    t->prior->rng = (ts_rng){.state = words[0], .stream = words[1] | 1};
    t->config.train.prior.lr = lr;
    const tess_status status = read_tokenizer(t, file);
    return status < 0 ? status : read_stores(t, file);
}
