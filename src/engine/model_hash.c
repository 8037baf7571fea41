/* model_hash.c - the fingerprint of a model: FNV-1a, 64 bits, over what decoding depends on.
 *
 * Order: one line of text for the shape of decoder and quantizer; then, sorted by name, each tensor of decoder.*,
 * quantizer.codebook and entropy.* as its name with its zero byte, then its values as little-endian float32 (or bytes)
 * in
 * file order. Encoder weights, code lengths and descriptive fields stay out: a better encoder for a decoder keeps the
 * fingerprint, and files stay readable.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "engine/engine.h"

static uint64_t hash_text(uint64_t hash, const char *text) { return ts_fnv1a64(hash, text, strlen(text)); }

static uint64_t hash_floats(uint64_t hash, const float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[4];
        uint32_t bits;
        memcpy(&bits, &values[i], 4);
        ts_store_u32(bytes, bits);
        hash = ts_fnv1a64(hash, bytes, 4);
    }
    return hash;
}

/* What layers have had since: unequal pads, and the fields of newer kinds. Older models keep their fingerprint. */
static uint64_t hash_more(uint64_t hash, const ts_layer *l) {
    char line[128] = "";
    const int *p = l->pad;
    if (p[1] != p[0] || p[2] != p[0] || p[3] != p[0]) snprintf(line, sizeof line, " pad %d %d %d", p[1], p[2], p[3]);
    if (l->kind == TS_LAYER_TINY) snprintf(line, sizeof line, " pool %d", l->pool);
    if (l->kind == TS_LAYER_SOFT_CLAMP) snprintf(line, sizeof line, " limit %.9g", (double)l->limit);
    return hash_text(hash, line);
}

static uint64_t hash_shape(uint64_t hash, const ts_config *config) {
    char line[256];
    const ts_quantizer_config *q = &config->quantizer;
    snprintf(line, sizeof line, "range %.9g %.9g quantizer %d %d %d %d", (double)config->range[0],
             (double)config->range[1], (int)q->type, q->levels, q->size, q->dim);
    hash = hash_text(hash, line);
    for (int i = 0; q->type == TS_QUANTIZER_FSQ && i < q->dim; i++) {
        snprintf(line, sizeof line, " %d", q->bins[i]);
        hash = hash_text(hash, line);
    }
    for (int i = 0; i < config->decoder_count; i++) {
        const ts_layer *l = &config->decoder[i];
        snprintf(line, sizeof line, ";%d %d %d %d %d %d %d %d %d %d %d %d %d %.9g", (int)l->kind, l->in, l->out,
                 l->kernel, l->stride, l->pad[0], l->bias, l->kernels[0], l->kernels[1], l->hidden, (int)l->act,
                 l->groups, l->factor, (double)l->eps);
        hash = hash_text(hash, line);
        hash = hash_more(hash, l);
    }
    return hash;
}

/* Entropy tables by name order: "entropy.10" sorts before "entropy.2". */
static uint64_t hash_tables(uint64_t hash, const tess_model *model) {
    char name[24], last[24] = "";
    for (int done = 0; done < TS_LEVELS_MAX; done++) {
        int best = -1;
        char best_name[24] = "";
        for (int level = 0; level < TS_LEVELS_MAX; level++) {
            if (!model->tables[level]) continue;
            snprintf(name, sizeof name, "entropy.%d", level);
            if (strcmp(name, last) <= 0 || (best >= 0 && strcmp(name, best_name) >= 0)) continue;
            best = level;
            memcpy(best_name, name, sizeof name);
        }
        if (best < 0) break;
        hash = ts_fnv1a64(hash, best_name, strlen(best_name) + 1);
        hash = ts_fnv1a64(hash, model->tables[best], model->table_bytes[best]);
        memcpy(last, best_name, sizeof last);
    }
    return hash;
}

/* The entry of decoder.* that comes next by name after `last`, or -1. */
static int next_by_name(const ts_params *params, const char *last) {
    int best = -1;
    for (int i = 0; i < ts_params_count(params); i++) {
        const char *name = ts_params_at(params, i)->name;
        if (strncmp(name, "decoder.", 8) != 0 || strcmp(name, last) <= 0) continue;
        if (best < 0 || strcmp(name, ts_params_at(params, best)->name) < 0) best = i;
    }
    return best;
}

tess_status ts_model_hash(const tess_model *model, uint64_t *hash_out, ts_error *err) {
    const size_t floats = ts_params_largest(model->params);
    float *room = ts_alloc_floats(floats + 1);
    if (!room) return ts_fail_memory(err, floats * sizeof(float));
    uint64_t hash = hash_shape(TS_FNV_START, &model->config);
    const char *last = "";
    for (int i; (i = next_by_name(model->params, last)) >= 0;) {
        const ts_param *param = ts_params_at(model->params, i);
        last = param->name;
        ts_param_write_store(param, ts_model_store(model), room);
        hash = ts_fnv1a64(hash, param->name, strlen(param->name) + 1);
        hash = hash_floats(hash, room, param->count);
    }
    hash = hash_tables(hash, model);
    const ts_quantizer_config *q = &model->config.quantizer;
    if (q->type == TS_QUANTIZER_VQ) {
        hash = ts_fnv1a64(hash, "quantizer.codebook", sizeof "quantizer.codebook");
        hash = hash_floats(hash, ts_quantizer_codebook(model->quantizer),
                           (size_t)q->levels * (size_t)q->size * (size_t)q->dim);
    }
    ts_free(room);
    *hash_out = hash;
    return TESS_OK;
}

bool ts_model_reads(const tess_model *model, uint64_t hash) {
    bool found = hash == model->hash;
    for (int i = 0; i < model->config.reads_count; i++) found = found || model->config.reads[i] == hash;
    return found;
}
