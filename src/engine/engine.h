/* engine.h - what the handles of include/tesserae.h hold, shared inside src/engine. */
#ifndef TS_ENGINE_ENGINE_H
#define TS_ENGINE_ENGINE_H

#include "base/bytes.h"
#include "base/status.h"
#include "codec/entropy.h"
#include "graph/params.h"
#include "io/safetensors.h"
#include "nets/config.h"
#include "nets/quantizer.h"

enum { TS_MAX_SIDE = 65535 }; /* pixels along a side */

#define TS_MAX_PIXELS ((size_t)1 << 28) /* width * height */

/* Weights that a model may have besides its nets': of a prior, of an upscaler. From the model's own file, or from a part
 * (tess_model_add). */
typedef struct ts_part {
    ts_params *params; /* NULL: the model has none */
    float *values;     /* a store of params; with halves the floats of a split one */
    uint16_t *halves;
    bool added; /* from a file of its own: not saved with the model */
} ts_part;

/* A loaded model. After tess_model_load and _add nothing in it changes, so encoders and decoders of several threads share
 * it. */
struct tess_model {
    ts_error error;
    bool loaded;
    ts_config config;
    char *json; /* the config as it stands in the file, terminated */
    ts_params *params;
    float *values;    /* a store of params; with halves the floats of a split one */
    uint16_t *halves; /* convolution weights of a file that holds them as F16, else NULL */
    ts_part prior, upscaler;
    ts_quantizer *quantizer;
    ts_entropy_model *entropy;
    uint8_t *tables[TS_LEVELS_MAX]; /* entropy.{level} as in the file, or NULL */
    size_t table_bytes[TS_LEVELS_MAX];
    uint8_t *predictors[TS_LEVELS_MAX]; /* predictor.{level} as in the file, or NULL */
    size_t predictor_bytes[TS_LEVELS_MAX];
    uint32_t predictor; /* their fingerprint: FNV-1a of the bytes, low 32 bits; 0: there are none */
    uint64_t hash;      /* fingerprint: ts_model_hash */
    size_t file_bytes;  /* of the file it came from */
    ts_writer info;     /* tess_model_info's text */
    uint8_t *saved;     /* tess_model_save's bytes */
};

/* The weights as they are held. */
static inline ts_store ts_model_store(const tess_model *model) { return (ts_store){model->values, model->halves}; }

static inline ts_store ts_part_store(const ts_part *part) { return (ts_store){part->values, part->halves}; }

void ts_part_free(ts_part *part); /* leaves an empty one */

/* Forgets the last failure's sentence, at the start of a call. */
static inline void ts_clear(ts_error *error) { error->text[0] = 0; }

/* Writes the text of tess_model_info to an empty writer. Errors: MEMORY. */
tess_status ts_model_write_info(const tess_model *model, ts_writer *out, ts_error *err);
/* Reads tables and predictors of the file and makes the entropy model of them. Errors: MODEL, MEMORY. */
tess_status ts_model_load_entropy(tess_model *model, const ts_safetensors *file);
/* Reads the prior and the upscaler that the config names from the model's own file. Errors: MODEL, MEMORY. */
tess_status ts_model_load_parts(tess_model *model, const ts_safetensors *file);

/* The fingerprint of what decoding depends on: decoder layers, pixel range, quantizer, decoder weights, codebook and
 * entropy tables as loaded (see model_hash.c). Two model files with one hash decode every .tess file alike.
 * Errors: MEMORY. */
tess_status ts_model_hash(const tess_model *model, uint64_t *hash, ts_error *err);
/* Does the model decode files of that fingerprint: its own, or one of its config's "reads"? */
bool ts_model_reads(const tess_model *model, uint64_t hash);

#endif
