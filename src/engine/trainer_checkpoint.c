/* trainer_checkpoint.c - the state of a trainer to and from safetensors: resume is bit-exact. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/checkpoint_writer.h"
#include "engine/trainer.h"
#include "nets/autoencoder.h"

#define LIVE 13
#define COUNTERS 8
#define STORES 7
#define AVERAGES 8 /* of state.adversary; three are in use */

/* What tess_trainer_set may have changed since the config: the first `count` of it, files before the adversary have 6. */
static void live_values(tess_trainer *t, float *live, int count, bool restore) {
    ts_train_config *c = &t->config.train;
    ts_adversarial_config *a = &c->adversarial;
    float *at[LIVE] = {
        &c->lr,           &c->loss.l1, &c->loss.l2, &c->loss.lpips, &c->loss.ms_ssim, &t->config.quantizer.commitment,
        &c->loss.entropy, &a->weight,  &a->lr,      &a->features,   &a->r1,           &a->lecam,
        &a->gate};
    for (int i = 0; i < count; i++) {
        if (restore) *at[i] = live[i];
        else live[i] = *at[i];
    }
}

/* The stores of a checkpoint: prefix of the names, what describes it, and the store. */
typedef struct store {
    const char *prefix;
    const ts_params *params;
    float *values;
} store;

/* Those of the autoencoder, then those of the discriminator. Returns how many. */
static int list_stores(const tess_trainer *t, store list[STORES]) {
    const ts_adversary *a = t->adversary;
    list[0] = (store){"", t->params, t->values};
    list[1] = (store){"ema.", t->params, t->ema};
    list[2] = (store){"adam.m.", t->params, t->first};
    list[3] = (store){"adam.v.", t->params, t->second};
    if (!a) return 4;
    list[4] = (store){"", a->params, a->values};
    list[5] = (store){"adam.m.", a->params, a->first};
    list[6] = (store){"adam.v.", a->params, a->second};
    return STORES;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void put_weights(ts_checkpoint_writer *w, const tess_trainer *t) {
    store stores[STORES];
    const int count = list_stores(t, stores);
    for (int s = 0; s < count; s++) ts_checkpoint_put_store(w, stores[s].prefix, stores[s].params, stores[s].values);
}

static void put_quantizer(ts_checkpoint_writer *w, const tess_trainer *t) {
    const ts_quantizer_config *q = &t->config.quantizer;
    const int dims[3] = {q->levels, q->size, q->dim};
    if (q->type == TS_QUANTIZER_NONE) return;
    if (t->codebook < 0 && q->type == TS_QUANTIZER_VQ) {
        ts_checkpoint_put(w, "", "quantizer.codebook", TS_F32, 3, dims, ts_quantizer_codebook(t->quantizer));
    }
    ts_checkpoint_put(w, "", "quantizer.bits", TS_F32, 2, dims, ts_quantizer_bits(t->quantizer));
    ts_checkpoint_put(w, "", "quantizer.count", TS_F32, 2, dims, ts_learner_count(t->learner));
    if (q->type == TS_QUANTIZER_VQ)
        ts_checkpoint_put(w, "", "quantizer.sum", TS_F32, 3, dims, ts_learner_sum(t->learner));
}

static tess_status write_all(tess_trainer *t, ts_checkpoint_writer *w, uint8_t **bytes, size_t *size) {
    const int levels = t->config.quantizer.levels;
    const ts_train_config *c = &t->config.train;
    int64_t step = t->step;
    int64_t counters[COUNTERS] = {t->skipped, t->skipped_in_row, t->adam_steps,    t->fitted,
                                  c->steps,   c->batch,          c->quantize_from, t->crops};
    int64_t adversary_steps[4] = {t->adversary ? t->adversary->steps : 0, t->sealed, t->watch.high, t->watch.low};
    uint64_t rng[4] = {t->data_rng.state, t->data_rng.stream, t->step_rng.state, t->step_rng.stream};
    float adversary[AVERAGES] = {0}, live[LIVE], progress = (float)((double)t->step / t->config.train.steps);
    live_values(t, live, LIVE, false);
    ts_checkpoint_put(w, "", "state.step", TS_I64, 1, (int[]){1}, &step);
    ts_checkpoint_put(w, "", "state.counters", TS_I64, 1, (int[]){COUNTERS}, counters);
    ts_checkpoint_put(w, "", "state.rng", TS_I64, 1, (int[]){4}, rng);
    put_weights(w, t);
    put_quantizer(w, t);
    if (t->adversary) {
        const ts_adversary_averages *a = &t->adversary->averages;
        adversary[0] = a->real, adversary[1] = a->fake, adversary[2] = a->accuracy;
        ts_checkpoint_put(w, "", "state.adversary", TS_F32, 1, (int[]){AVERAGES}, adversary);
        ts_checkpoint_put(w, "", "state.adversary_steps", TS_I64, 1, (int[]){4}, adversary_steps);
    }
    ts_checkpoint_put(w, "", "state.live", TS_F32, 1, (int[]){LIVE}, live);
    ts_checkpoint_put(w, "", "state.progress", TS_F32, 1, (int[]){1}, &progress);
    if (levels > 0)
        ts_checkpoint_put(w, "", "state.filled", TS_I32, 2, (int[]){levels, 2}, ts_learner_filled(t->learner));
    if (levels > 0)
        ts_checkpoint_put(w, "", "state.window", TS_U8, 3, (int[]){levels, TS_WINDOW, 2},
                          ts_learner_window(t->learner));
    for (int l = 0; l < levels; l++) {
        char level[12];
        snprintf(level, sizeof level, "%d", l);
        if (t->tables[l])
            ts_checkpoint_put(w, "entropy.", level, TS_U8, 1, (int[]){(int)t->table_bytes[l]}, t->tables[l]);
    }
    return ts_checkpoint_write(w, t->json, bytes, size, &t->error);
}

static tess_status write_checkpoint(tess_trainer *t, uint8_t **bytes, size_t *size) {
    store stores[STORES];
    size_t most = 16 + TS_LEVELS_MAX, floats = 0;
    for (int s = list_stores(t, stores) - 1; s >= 0; s--) {
        most += (size_t)ts_params_count(stores[s].params);
        floats += ts_params_floats(stores[s].params);
    }
    ts_checkpoint_writer w;
    tess_status status = ts_checkpoint_writer_init(&w, most, floats, &t->error);
    if (status >= 0) status = write_all(t, &w, bytes, size);
    ts_checkpoint_writer_free(&w);
    return status;
}

tess_status tess_trainer_checkpoint(tess_trainer *t, const uint8_t **bytes, size_t *size) {
    if (!t) return TESS_ERR_STATE;
    t->error.text[0] = 0;
    if (!t->json)
        return ts_fail(&t->error, TESS_ERR_STATE,
                       "The trainer has no model yet: give it a config or a checkpoint first.");
    uint8_t *made = NULL;
    const tess_status status = t->prior ? ts_prior_trainer_checkpoint(t, &made, size)
                                        : write_checkpoint(t, &made, size);
    if (status < 0) return status;
    ts_free(t->checkpoint);
    t->checkpoint = made;
    *bytes = made;
    return TESS_OK;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static tess_status read_store(tess_trainer *t, const store *s, const ts_safetensors *file) {
    tess_status status = TESS_OK;
    float *room = ts_alloc_floats(ts_params_largest(s->params));
    if (!room) return ts_fail_memory(&t->error, ts_params_largest(s->params) * sizeof *room);
    for (int i = 0; i < ts_params_count(s->params) && status >= 0; i++) {
        const ts_param *p = ts_params_at(s->params, i);
        char name[TS_CHECKPOINT_NAME];
        snprintf(name, sizeof name, "%s%s", s->prefix, p->name);
        status = ts_model_file_read_floats(file, name, p->rank, p->dims, true, room, &t->error);
        if (status >= 0) ts_param_read(p, s->values, room);
    }
    ts_free(room);
    return status;
}

/* A checkpoint from before the adversary has none of it: the discriminator starts fresh then. */
static tess_status read_weights(tess_trainer *t, const ts_safetensors *file) {
    store stores[STORES];
    const int all = list_stores(t, stores), count = ts_safetensors_find(file, "state.adversary") ? all : 4;
    tess_status status = TESS_OK;
    for (int s = 0; s < count && status >= 0; s++) status = read_store(t, &stores[s], file);
    if (t->adversary) ts_weights_changed(t->adversary->weights);
    return status;
}

static tess_status read_quantizer(tess_trainer *t, const ts_safetensors *file) {
    const ts_quantizer_config *q = &t->config.quantizer;
    const int dims[3] = {q->levels, q->size, q->dim};
    ts_error *err = &t->error;
    bool vq = q->type == TS_QUANTIZER_VQ;
    tess_status status = ts_model_file_read_quantizer(file, t->quantizer, q, err);
    if (status >= 0)
        status = ts_model_file_read_floats(file, "quantizer.count", 2, dims, vq, ts_learner_count(t->learner), err);
    if (status >= 0)
        status = ts_model_file_read_floats(file, "quantizer.bits", 2, dims, vq, ts_quantizer_bits(t->quantizer), err);
    if (status >= 0 && vq)
        status = ts_model_file_read_floats(file, "quantizer.sum", 3, dims, true, ts_learner_sum(t->learner), err);
    return status;
}

/* The bytes of a tensor of that type and size, or NULL. */
static const uint8_t *raw(const ts_safetensors *file, const char *name, ts_dtype dtype, size_t count) {
    const ts_file_tensor *tensor = ts_safetensors_find(file, name);
    return tensor && tensor->dtype == dtype && tensor->count == count ? tensor->data : NULL;
}

static bool window_valid(const tess_trainer *t, const uint8_t *window, const uint8_t *filled) {
    for (int l = 0; l < t->config.quantizer.levels; l++) {
        uint32_t two[2];
        memcpy(two, filled + (size_t)l * sizeof two, sizeof two);
        if (two[0] > TS_WINDOW || two[1] >= TS_WINDOW) return false;
        for (uint32_t i = 0; i < two[0]; i++) {
            uint16_t token;
            memcpy(&token, window + 2 * ((size_t)l * TS_WINDOW + i), sizeof token);
            if (token >= t->config.quantizer.size) return false;
        }
    }
    return true;
}

/* False when a number is out of range. */
static bool restore_counters(tess_trainer *t, const uint8_t *bytes) {
    ts_train_config *train = &t->config.train;
    int64_t c[COUNTERS];
    memcpy(c, bytes, sizeof c);
    for (int i = 0; i < COUNTERS; i++) {
        if (c[i] < 0 || c[i] > 1 << 30) return false;
    }
    if (c[4] < 1 || c[5] < 1 || c[5] > 1024) return false;
    t->skipped = (long)c[0];
    t->skipped_in_row = (long)c[1];
    t->adam_steps = (long)c[2];
    t->fitted = c[3] != 0;
    train->steps = (int)c[4];
    train->batch = (int)c[5];
    train->quantize_from = (int)c[6];
    t->crops = (long)c[7];
    return true;
}

static void restore_window(tess_trainer *t, const ts_safetensors *file) {
    size_t levels = (size_t)t->config.quantizer.levels;
    const uint8_t *filled = raw(file, "state.filled", TS_I32, 2 * levels),
                  *window = raw(file, "state.window", TS_U8, 2 * levels * TS_WINDOW);
    if (!filled || !window || !window_valid(t, window, filled)) return;
    memcpy(ts_learner_filled(t->learner), filled, 2 * levels * sizeof(uint32_t));
    memcpy(ts_learner_window(t->learner), window, levels * TS_WINDOW * sizeof(uint16_t));
    ts_learner_recount(t->learner);
}

/* False when a number is out of range. */
static bool restore_adversary(tess_trainer *t, const ts_safetensors *file) {
    const uint8_t *averages = raw(file, "state.adversary", TS_F32, AVERAGES),
                  *steps = raw(file, "state.adversary_steps", TS_I64, 4);
    float a[AVERAGES];
    int64_t s[4];
    if (!t->adversary || !averages || !steps) return true;
    memcpy(a, averages, sizeof a);
    memcpy(s, steps, sizeof s);
    if (!isfinite(a[0]) || !isfinite(a[1]) || !(a[2] >= 0 && a[2] <= 1)) return false;
    for (int i = 0; i < 4; i++) {
        if (s[i] < 0 || s[i] > 1 << 30) return false;
    }
    t->adversary->averages = (ts_adversary_averages){a[0], a[1], a[2]};
    t->adversary->steps = (long)s[0];
    t->watch.high = (long)s[2];
    t->watch.low = (long)s[3];
    t->sealed = s[1] != 0;
    return true;
}

static void restore_live(tess_trainer *t, const ts_safetensors *file) {
    const ts_file_tensor *live = ts_safetensors_find(file, "state.live");
    float values[LIVE];
    if (!live || live->dtype != TS_F32 || live->count > LIVE) return;
    memcpy(values, live->data, live->count * sizeof *values);
    live_values(t, values, (int)live->count, true);
}

/* A checkpoint of the PyTorch twin has the step only: counters follow from it, generators start anew from seed and
 * step. */
static tess_status read_state(tess_trainer *t, const ts_safetensors *file) {
    const uint8_t *step = raw(file, "state.step", TS_I64, 1), *counters = raw(file, "state.counters", TS_I64, COUNTERS);
    const uint8_t *rng = raw(file, "state.rng", TS_I64, 4);
    int64_t steps;
    if (!step)
        return ts_fail(&t->error, TESS_ERR_MODEL,
                       "This is no checkpoint (state.step is missing); a model file is taken up by init.");
    memcpy(&steps, step, sizeof steps);
    bool valid = steps >= 0 && steps <= 1 << 30 && (!counters || restore_counters(t, counters)) &&
                 restore_adversary(t, file);
    if (!valid) return ts_fail(&t->error, TESS_ERR_MODEL, "The checkpoint's state is out of range; it is damaged.");
    t->step = (long)steps;
    if (!counters) {
        t->adam_steps = t->step;
        t->crops = t->step * t->config.train.batch;
        t->fitted = t->fitted || t->step > t->config.train.quantize_from;
    }
    t->data_rng = ts_rng_new(t->config.train.seed + (uint64_t)steps, 2);
    t->step_rng = ts_rng_new(t->config.train.seed + (uint64_t)steps, 3);
    if (rng) {
        uint64_t r[4];
        memcpy(r, rng, sizeof r);
        t->data_rng = (ts_rng){.state = r[0], .stream = r[1] | 1};
        t->step_rng = (ts_rng){.state = r[2], .stream = r[3] | 1};
    }
    restore_live(t, file);
    restore_window(t, file);
    return TESS_OK;
}

static tess_status resume(tess_trainer *t, const ts_safetensors *file) {
    if (t->prior) return ts_prior_trainer_resume(t, file);
    tess_status status = read_state(t, file);
    if (status >= 0 && t->sealed) status = ts_seal_resume(t, file);
    if (status >= 0) status = read_weights(t, file);
    if (status >= 0) status = read_quantizer(t, file);
    if (status >= 0) ts_trainer_codes_from_store(t);
    return status;
}

tess_status tess_trainer_resume(tess_trainer *t, const void *checkpoint, size_t size) {
    ts_safetensors *file = NULL;
    if (!t) return TESS_ERR_STATE;
    t->error.text[0] = 0;
    tess_status status = ts_safetensors_open(&file, checkpoint, size, &t->error);
    if (status < 0) return status;
    const char *json = ts_model_file_config(file, &t->error);
    status = json ? ts_trainer_load_config(t, json, strlen(json)) : TESS_ERR_MODEL;
    if (status >= 0) {
        status = resume(t, file);
        if (status < 0) ts_trainer_unload(t);
    }
    ts_safetensors_close(file);
    return status;
}

static tess_status read_model(tess_trainer *t, const ts_safetensors *file) {
    ts_params *nets = NULL;
    tess_status status = ts_params_new(&nets, &t->error);
    if (status >= 0)
        status = ts_autoencoder_params(&t->config, nets, &t->error); /* the same offsets, without the codebook */
    if (status >= 0) status = ts_model_file_read_params(file, nets, t->values, NULL, &t->error);
    if (status >= 0) status = ts_model_file_read_quantizer(file, t->quantizer, &t->config.quantizer, &t->error);
    ts_params_free(nets);
    return status;
}

tess_status tess_trainer_init(tess_trainer *t, const void *model, size_t size) {
    ts_safetensors *file = NULL;
    if (!t) return TESS_ERR_STATE;
    t->error.text[0] = 0;
    if (!t->json) return ts_fail(&t->error, TESS_ERR_STATE, "Give the trainer a config before a model to start from.");
    if (t->prior) return ts_prior_trainer_init(t, model, size);
    tess_status status = ts_safetensors_open(&file, model, size, &t->error);
    if (status < 0) return status;
    status = read_model(t, file);
    ts_safetensors_close(file);
    if (status >= 0) status = ts_seal_init(t, model, size);
    if (status < 0) { /* half-read weights are of no use */
        ts_trainer_unload(t);
        return status;
    }
    ts_trainer_codes_to_store(t, t->values);
    memcpy(t->ema, t->values, ts_params_floats(t->params) * sizeof *t->ema);
    ts_trainer_drop_graph(t); /* prepared weights are of the old values */
    ts_weights_changed(t->weights);
    ts_learner_adopt(t->learner);
    t->config.train.quantize_from = 0;
    t->fitted = true;
    return TESS_OK;
}
