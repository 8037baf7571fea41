/* f16.c - half precision by integer arithmetic on the bit patterns. */
#include "base/f16.h"

#include <string.h>

uint16_t ts_f16_from_f32(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    const uint32_t mag = bits & 0x7fffffff;
    if (mag > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (mag >> 13 & 0x1ff)); /* NaN stays NaN, quiet */
    if (mag >= 0x477ff000) return sign | 0x7c00;                                  /* 65520 and up */
    if (mag >= 0x38800000) {                                                      /* normal: 2^-14 and up */
        const uint32_t even = mag >> 13 & 1;
        return (uint16_t)(sign | (mag - 0x38000000 + 0xfff + even) >> 13);
    }
    if (mag < 0x33000000) return sign; /* below half of the least subnormal */
    const uint32_t shift = 126 - (mag >> 23);
    const uint32_t mantissa = (mag & 0x7fffff) | 0x800000;
    const uint32_t half = (uint32_t)1 << (shift - 1);
    const uint32_t even = mantissa >> shift & 1;
    return (uint16_t)(sign | (mantissa + half - 1 + even) >> shift);
}

float ts_f32_from_f16(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = half >> 10 & 31;
    const uint32_t mantissa = half & 0x3ff;
    uint32_t bits;
    if (exponent == 31) {
        bits = sign | 0x7f800000 | mantissa << 13;
    } else if (exponent != 0) {
        bits = sign | (exponent + 112) << 23 | mantissa << 13;
    } else {
        const float tiny = (float)mantissa * 0x1p-24f;
        memcpy(&bits, &tiny, 4);
        bits |= sign;
    }
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

void ts_f16_pack(uint8_t *bytes, const float *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint16_t half = ts_f16_from_f32(values[i]);
        bytes[2 * i] = (uint8_t)half;
        bytes[2 * i + 1] = (uint8_t)(half >> 8);
    }
}

void ts_f16_unpack(float *values, const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) values[i] = ts_f32_from_f16((uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8));
}
