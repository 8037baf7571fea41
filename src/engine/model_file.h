/* model_file.h - the model file: safetensors with the config in its metadata (docs/FORMAT.md, "Model file"). */
#ifndef TS_ENGINE_MODEL_FILE_H
#define TS_ENGINE_MODEL_FILE_H

#include "base/status.h"
#include "graph/params.h"
#include "io/safetensors.h"
#include "nets/quantizer.h"

#include <stdbool.h>

typedef struct ts_model_weights {
    const ts_params *params; /* NULL: none */
    ts_store store;
    bool half; /* written as F16, else as F32 */
} ts_model_weights;

/* What goes into a model file; everything is borrowed. */
typedef struct ts_model_content {
    const char *json;                       /* the config, terminated: __metadata__.tesserae */
    ts_quantizer *quantizer;                /* codebook and bits (VQ only) */
    const uint8_t *const *tables;           /* [levels], each entropy.{level} or NULL; or NULL */
    const size_t *table_bytes;              /* [levels] */
    const uint8_t *const *predictors;       /* predictor.{level}, NULL where there is none; may be NULL */
    const size_t *predictor_bytes;          /* [levels] */
    ts_model_weights nets, prior, upscaler; /* encoder.* and decoder.*, prior.*, upscaler.* */
} ts_model_content;

/* Writes the file; codebook and bits are always F32. *bytes is the caller's (ts_free). Errors: MEMORY, TOO_LARGE. */
tess_status ts_model_file_write(const ts_model_content *content, uint8_t **bytes, size_t *size, ts_error *err);

/* Reads every entry of `params` from tensors of those names (F32, F16 or BF16) into a new store, which is the caller's
 * also after an error: a split one, with *halves, if the file's convolution weights are all F16.
 * Errors: MODEL (missing, wrong type or shape, not finite: the sentence names the tensor), MEMORY. */
tess_status ts_model_file_load(const ts_safetensors *file, const ts_params *params, float **values, uint16_t **halves,
                               ts_error *err);

/* Reads every entry of `params` from tensors of those names (F32, F16 or BF16) into the store `values`, or with `halves`
 * (else NULL) into the split store of both.
 * Errors: MODEL (missing, wrong type or shape, not finite: the sentence names the tensor), MEMORY. */
tess_status ts_model_file_read_params(const ts_safetensors *file, const ts_params *params, float *values,
                                      uint16_t *halves, ts_error *err);

/* Reads quantizer.codebook and, if there, quantizer.bits; FSQ and LFQ need neither. Errors as above. */
tess_status ts_model_file_read_quantizer(const ts_safetensors *file, ts_quantizer *quantizer,
                                         const ts_quantizer_config *config, ts_error *err);

/* The tensor `name` of that shape as floats in `out` (product of dims); `needed` false: absent is fine, `out` stays.
 * Errors as above. */
tess_status ts_model_file_read_floats(const ts_safetensors *file, const char *name, int rank, const int *dims,
                                      bool needed, float *out, ts_error *err);

/* The config text of a model file, or NULL after MODEL ("this is a safetensors file, but no Tesserae model"). */
const char *ts_model_file_config(const ts_safetensors *file, ts_error *err);

#endif
