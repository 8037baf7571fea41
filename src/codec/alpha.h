/* alpha.h - lossless coding of an alpha plane in strips, by the same counters and rANS as the tokens.
 *
 * Each pixel: "as the left one?", else "as the upper one?", else its 8 bits, high first. A strip stands alone.
 * docs/FORMAT.md, "Alpha", is the normative text.
 */
#ifndef TS_CODEC_ALPHA_H
#define TS_CODEC_ALPHA_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct ts_alpha_coder ts_alpha_coder;

tess_status ts_alpha_coder_new(ts_alpha_coder **coder, ts_error *err);
void ts_alpha_coder_free(ts_alpha_coder *coder);

/* Codes height x width values: the value of pixel (y, x) is alpha[y * row_stride + x * pixel_stride] (so alpha may
 * point into RGBA). *bytes is owned by the coder, good until its next call. Errors: OPTION (empty plane), MEMORY. */
tess_status ts_alpha_encode(ts_alpha_coder *coder, const uint8_t *alpha, size_t row_stride, size_t pixel_stride,
                            int height, int width, const uint8_t **bytes, size_t *size, ts_error *err);

/* The reverse: writes every value, whatever the bytes are. Errors: FORMAT (damaged), OPTION. */
tess_status ts_alpha_decode(ts_alpha_coder *coder, uint8_t *alpha, size_t row_stride, size_t pixel_stride, int height,
                            int width, const uint8_t *bytes, size_t size, ts_error *err);

#endif
