/* vmath.h - elementary functions on vectors, the same bits in every build of one numeric class (libm's tanhf and powf are
 * not). Polynomials by Moshier (Cephes, single precision). Largest errors seen against double over all of the stated
 * range (tests/simd): in units in the last place of the result.
 *
 *     vf_exp      2 ULP   clamped to [-87.3, 88.3]: never 0 or infinite; NaN stays NaN
 *     vf_log      2 ULP   x > 0 normal; 0, negative and subnormal x give -87.3 or so (the log of the least normal number)
 *     vf_tanh     2 ULP
 *     vf_sigmoid  3 ULP   x >= -87
 *     vf_rsqrt    1.5 ULP (an exact square root and division)
 *     vf_silu     4 ULP   |x| <= 80
 *     vf_gelu     3e-7 + 4 ULP (tanh form; the tail towards -inf cancels)
 */
#ifndef TS_SIMD_VMATH_H
#define TS_SIMD_VMATH_H

#include "simd/vec.h"

/* c[0] x^(n-1) + ... + c[n-1] by Horner's rule; n is constant and the loop unrolls. */
static inline vf vf_poly(vf x, const float *c, int n) {
    vf y = vf_set1(c[0]);
    TS_UNROLL for (int i = 1; i < n; i++) y = vf_madd(y, x, vf_set1(c[i]));
    return y;
}

/* Read from memory: V8 makes a constant anew, in several instructions, wherever WebAssembly code names it. */
extern const float ts_exp_constants[13];

static inline vf vf_exp(vf x) {
    const float *k = ts_exp_constants;
    x = vf_min(vf_max(x, vf_set1(k[0])), vf_set1(k[1]));
    /* Adding 1.5 2^23 rounds to an integer n and leaves it in the low bits: from there to the exponent of 2^n. */
    const vf shifted = vf_madd(x, vf_set1(k[3]), vf_set1(k[2]));
    const vf n = vf_sub(shifted, vf_set1(k[2]));
    vf r = vf_nmadd(n, vf_set1(k[4]), x);
    r = vf_nmadd(n, vf_set1(k[5]), r);
    const vf p = vf_madd(vf_poly(r, k + 6, 6), vf_mul(r, r), vf_add(r, vf_set1(k[12])));
    return vf_mul(p, vi_bits(vi_add(vi_shl23(vf_bits(shifted)), vf_bits(vf_set1(k[12])))));
}

static inline vf vf_log(vf x) {
    static const float P[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                              -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                              2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
    x = vf_max(x, vf_set1(0x1p-126f));
    const vi bits = vf_bits(x);
    vf e = vi_to_f(vi_sub(vi_and(vi_shr23(bits), vi_set1(255)), vi_set1(126)));
    vf m = vi_bits(vi_or(vi_and(bits, vi_set1(0x007fffff)), vi_set1(0x3f000000))); /* [0.5, 1) */
    const vm low = vf_lt(m, vf_set1(0.707106781186547524f));
    e = vf_select(low, vf_sub(e, vf_set1(1.0f)), e);
    m = vf_sub(vf_select(low, vf_add(m, m), m), vf_set1(1.0f));
    const vf z = vf_mul(m, m);
    vf y = vf_mul(vf_mul(vf_poly(m, P, 9), m), z);
    y = vf_madd(e, vf_set1(-2.12194440e-4f), y);
    y = vf_nmadd(z, vf_set1(0.5f), y);
    return vf_madd(e, vf_set1(0.693359375f), vf_add(m, y));
}

static inline vf vf_tanh(vf x) {
    static const float P[] = {-5.70498872745e-3f, 2.06390887954e-2f, -5.37397155531e-2f, 1.33314422036e-1f,
                              -3.33332819422e-1f};
    const vf a = vf_abs(x);
    const vf z = vf_mul(x, x);
    const vf small = vf_madd(vf_mul(vf_poly(z, P, 5), z), x, x);
    const vf e = vf_exp(vf_add(a, a));
    const vf big = vf_sub(vf_set1(1.0f), vf_div(vf_set1(2.0f), vf_add(e, vf_set1(1.0f))));
    const vf sign = vi_bits(vi_and(vf_bits(x), vi_set1(INT32_MIN)));
    const vf signed_big = vi_bits(vi_or(vf_bits(big), vf_bits(sign)));
    return vf_select(vf_lt(a, vf_set1(0.625f)), small, signed_big);
}

static inline vf vf_sigmoid(vf x) {
    const vf one = vf_set1(ts_exp_constants[12]);
    return vf_div(one, vf_add(one, vf_exp(vf_sub(vf_zero(), x))));
}

static inline vf vf_rsqrt(vf x) { return vf_div(vf_set1(1.0f), vf_sqrt(x)); }

static inline vf vf_silu(vf x) { return vf_mul(x, vf_sigmoid(x)); }

/* d silu(x) / dx = s + x s (1 - s) */
static inline vf vf_silu_slope(vf x) {
    const vf s = vf_sigmoid(x);
    return vf_madd(vf_mul(x, s), vf_sub(vf_set1(1.0f), s), s);
}

/* tanh(sqrt(2/pi) (x + 0.044715 x^3)) */
static inline vf vf_gelu_tanh(vf x) {
    const vf cube = vf_mul(vf_mul(x, x), x);
    return vf_tanh(vf_mul(vf_set1(0.797884560802865356f), vf_madd(cube, vf_set1(0.044715f), x)));
}

static inline vf vf_gelu(vf x) { return vf_mul(vf_mul(vf_set1(0.5f), x), vf_add(vf_set1(1.0f), vf_gelu_tanh(x))); }

/* d gelu(x) / dx = (1 + t) / 2 + x / 2 (1 - t^2) sqrt(2/pi) (1 + 3 * 0.044715 x^2) */
static inline vf vf_gelu_slope(vf x) {
    const vf t = vf_gelu_tanh(x), one = vf_set1(1.0f), half = vf_set1(0.5f);
    const vf inner = vf_mul(vf_set1(0.797884560802865356f), vf_madd(vf_mul(x, x), vf_set1(0.134145f), one));
    const vf left = vf_mul(half, vf_add(one, t));
    return vf_madd(vf_mul(vf_mul(half, x), vf_nmadd(t, t, one)), inner, left);
}

#endif
