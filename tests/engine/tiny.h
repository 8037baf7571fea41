/* tiny.h - tiny models and pictures for the tests of the engine. */
#ifndef TS_TEST_TINY_H
#define TS_TEST_TINY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tesserae.h"

/* A config of a few thousand weights: factor 4, three levels of 32 codes of 4 dimensions. */
extern const char *const TINY_CONFIG;
/* The same nets with FSQ of 4 x 4 x 4 x 4 codes. */
extern const char *const TINY_FSQ_CONFIG;
/* The same with the signs of four channels. */
extern const char *const TINY_LFQ_CONFIG;

/* Nets of factor 8 with three levels of 32 codes, as upscalers need them; an upscaler for them, x2 and x4; and the same
 * nets with an upscaler x4 in their own config. */
extern const char *const TINY_8_CONFIG;
extern const char *const TINY_UPSCALER;
extern const char *const TINY_WHOLE_CONFIG;

/* A model file with random weights and codes from `seed`; free with ts_free. NULL if memory is out. `half`: f16 weights. */
uint8_t *tiny_model_file(const char *config, uint64_t seed, int half, size_t *size);
/* That file with one tensor's bytes changed: `name` gets the float32 `value` as element 0 (weights stored as F32). */
uint8_t *tiny_model_with(const char *name, float value, size_t *size);
/* An upscaler with random weights as a part for the model of that fingerprint (16 hexadecimal digits) and config: F16, and
 * vectors F32. Free with ts_free; NULL if a config is bad or memory out. */
uint8_t *tiny_part_file(const char *model, const char *part_of, const char *upscaler, uint64_t seed, size_t *size);
/* The model, loaded; NULL if memory is out. */
tess_model *tiny_model(const char *config, uint64_t seed);

/* Smooth colours, an edge and noise. channels 1, 3 or 4 (alpha: a disc with soft edge, 0 outside). */
void tiny_picture(uint8_t *pixels, int width, int height, int channels);

/* Runs a whole job on the picture; false after an error (see the handle's message). */
bool tiny_encode(tess_encoder *encoder, const uint8_t *pixels, int width, int height, int channels);
bool tiny_decode(tess_decoder *decoder, const uint8_t *bytes, size_t size);

#endif
