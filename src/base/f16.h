/* f16.h - IEEE half precision: rounding to nearest even, subnormals, infinities and NaN kept. */
#ifndef TS_BASE_F16_H
#define TS_BASE_F16_H

#include <stddef.h>
#include <stdint.h>

uint16_t ts_f16_from_f32(float value); /* |value| >= 65520 becomes infinity */
float ts_f32_from_f16(uint16_t half);  /* exact */
/* n values between floats and little-endian bytes (any alignment). */
void ts_f16_pack(uint8_t *bytes, const float *values, size_t n);
void ts_f16_unpack(float *values, const uint8_t *bytes, size_t n);

#endif
