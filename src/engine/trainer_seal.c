/* trainer_seal.c - the frozen phase: encoder, codes and entropy tables of a sealed model stay while the decoder learns. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "engine/engine.h"
#include "engine/trainer.h"

/* ---- "reads" ----------------------------------------------------------------------------------------------------- */

/* The config's text with `reads` in place of the ones it has; the caller's (ts_free), or NULL if memory is out. */
static char *with_reads(const char *text, const uint64_t *reads, int count) {
    ts_json doc;
    ts_writer out;
    char name[32], hash[17];
    if (ts_json_parse(&doc, text, strlen(text), NULL) < 0) return NULL;
    ts_writer_init(&out);
    ts_json_writer json = ts_json_writer_new(&out);
    ts_json_open(&json, '{');
    for (int key = ts_json_first(&doc, 0); key != TS_JSON_NONE; key = ts_json_next(&doc, 0, key)) {
        const int value = ts_json_value(&doc, key);
        const size_t quote = ts_json_typeof(&doc, value) == TS_JSON_STRING;
        size_t length;
        const char *raw = ts_json_raw(&doc, value, &length);
        if (!ts_json_string(&doc, key, name, sizeof name) || strcmp(name, "reads") == 0) continue;
        ts_json_key(&json, name), ts_json_put_raw(&json, raw - quote, length + 2 * quote);
    }
    if (count) ts_json_key(&json, "reads"), ts_json_open(&json, '[');
    for (int i = 0; i < count; i++) {
        snprintf(hash, sizeof hash, "%016" PRIx64, reads[i]);
        ts_json_put_text(&json, hash);
    }
    if (count) ts_json_close(&json, ']');
    ts_json_close(&json, '}');
    ts_write_u8(&out, 0);
    ts_json_free(&doc);
    if (!out.failed) return (char *)out.data;
    ts_writer_free(&out);
    return NULL;
}

tess_status ts_seal_reads(tess_trainer *t, const uint64_t *reads, int count) {
    char *json = with_reads(t->json, reads, count);
    if (!json) return ts_fail_memory(&t->error, strlen(t->json));
    ts_free(t->json);
    t->json = json;
    for (int i = 0; i < count; i++) t->config.reads[i] = reads[i];
    t->config.reads_count = count;
    return TESS_OK;
}

/* The files that a model of that fingerprint and the ones before it wrote, each fingerprint once. */
static bool add_read(uint64_t reads[TS_READS_MAX], int *count, uint64_t hash) {
    for (int i = 0; i < *count; i++) {
        if (reads[i] == hash) return true;
    }
    if (*count == TS_READS_MAX) return false;
    reads[(*count)++] = hash;
    return true;
}

/* What the model reads, itself included, as float32 and as float16. */
static tess_status list_reads(tess_trainer *t, tess_model *model, uint64_t reads[TS_READS_MAX], int *count) {
    const uint8_t *bytes;
    size_t size;
    tess_model *half = tess_model_new();
    tess_status status = half ? tess_model_save(model, 1, &bytes, &size) : TESS_ERR_MEMORY;
    if (status >= 0) status = tess_model_load(half, bytes, size);
    bool room = true;
    *count = model->config.reads_count;
    memcpy(reads, model->config.reads, sizeof model->config.reads);
    if (status >= 0) room = add_read(reads, count, model->hash) && add_read(reads, count, half->hash);
    tess_model_free(half);
    if (status < 0) return ts_fail_memory(&t->error, model->file_bytes);
    if (room) return TESS_OK;
    return ts_fail(&t->error, TESS_ERR_INPUT,
                   "The model reads the files of %d others already; there is no room for more.", TS_READS_MAX);
}

/* ---- sealing ----------------------------------------------------------------------------------------------------- */

static void take_tables(tess_trainer *t, tess_model *model) {
    ts_seal_free(t);
    memcpy(t->tables, model->tables, sizeof t->tables);
    memcpy(t->table_bytes, model->table_bytes, sizeof t->table_bytes);
    memset(model->tables, 0, sizeof model->tables);
}

/* Takes fingerprints and tables of the model whose weights and codes the trainer has (or is about to have). */
static tess_status take_model(tess_trainer *t, const void *file, size_t size) {
    uint64_t reads[TS_READS_MAX];
    int count;
    tess_model *model = tess_model_new();
    tess_status status = model ? tess_model_load(model, file, size) : ts_fail_memory(&t->error, size);
    if (model && status < 0) t->error = model->error;
    if (status >= 0) status = list_reads(t, model, reads, &count);
    if (status >= 0) status = ts_seal_reads(t, reads, count);
    if (status >= 0) {
        take_tables(t, model);
        ts_learner_forget(t->learner);
        ts_guard_forget(t);
        t->sealed = true;
    }
    tess_model_free(model);
    return status;
}

/* The codes of the model file that was just made, in its order. */
static void take_codes(tess_trainer *t) {
    const ts_quantizer_config *q = &t->config.quantizer;
    const size_t codes = (size_t)q->levels * (size_t)q->size;
    if (q->type != TS_QUANTIZER_VQ) return;
    memcpy(ts_quantizer_codebook(t->quantizer), ts_quantizer_codebook(t->view.quantizer),
           codes * (size_t)q->dim * sizeof(float));
    memcpy(ts_quantizer_bits(t->quantizer), ts_quantizer_bits(t->view.quantizer), codes * sizeof(float));
    ts_learner_adopt(t->learner);
    ts_trainer_codes_to_store(t, t->ema);
}

void ts_seal_weights(tess_trainer *t) {
    const size_t bytes = ts_params_floats(t->params) * sizeof(float);
    memcpy(t->values, t->ema, bytes);
    memset(t->first, 0, bytes);
    memset(t->second, 0, bytes);
    t->adam_steps = 0;
    ts_trainer_codes_from_store(t);
    ts_trainer_codes_to_store(t, t->ema); /* settled */
    ts_trainer_drop_graph(t);             /* prepared weights are of the old values */
    ts_weights_changed(t->weights);
    t->sealed = true;
}

tess_status ts_seal(tess_trainer *t) {
    const uint8_t *file;
    size_t size;
    if (!t->fitted || t->step == 0)
        return ts_fail(
            &t->error, TESS_ERR_STATE,
            "Step %d freezes encoder and codes, but they have learnt nothing yet: start from a model (init), "
            "or set train.adversarial.from to a step after train.quantize_from.",
            t->config.train.adversarial.from);
    ts_trainer_drop_graph(t); /* memory for the model */
    tess_status status = tess_trainer_model(t, 0, &file, &size);
    if (status >= 0) status = take_model(t, file, size);
    if (status < 0) return status;
    ts_free(t->model);
    t->model = NULL;
    take_codes(t);
    ts_seal_weights(t);
    return TESS_OK;
}

tess_status ts_seal_init(tess_trainer *t, const void *file, size_t size) {
    return ts_trainer_frozen(t) ? take_model(t, file, size) : TESS_OK;
}

tess_status ts_seal_resume(tess_trainer *t, const ts_safetensors *file) {
    const ts_quantizer_config *q = &t->config.quantizer;
    for (int l = 0; l < q->levels; l++) {
        char name[24];
        snprintf(name, sizeof name, "entropy.%d", l);
        const ts_file_tensor *tensor = ts_safetensors_find(file, name);
        if (!tensor) continue;
        if (tensor->dtype != TS_U8 || tensor->count != ts_entropy_table_bytes(l, q->size))
            return ts_fail(&t->error, TESS_ERR_MODEL,
                           "Tensor %s is not a table of %d codes; the checkpoint is damaged.", name, q->size);
        t->tables[l] = ts_alloc(tensor->count);
        if (!t->tables[l]) return ts_fail_memory(&t->error, tensor->count);
        memcpy(t->tables[l], tensor->data, tensor->count);
        t->table_bytes[l] = tensor->count;
    }
    return TESS_OK;
}

void ts_seal_free(tess_trainer *t) {
    for (int l = 0; l < TS_LEVELS_MAX; l++) {
        ts_free(t->tables[l]);
        t->tables[l] = NULL;
        t->table_bytes[l] = 0;
    }
}
