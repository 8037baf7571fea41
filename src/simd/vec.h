/* vec.h - one portable vector type; the only file that knows instruction sets.
 *
 * vf holds TS_VF floats, vi as many int32, vm a mask with one truth value per lane. The back end is chosen by the
 * compiler's flags (-msimd128, -mrelaxed-simd, -msse4.1, -mavx2, -mavx2 -mfma, -mavx512f ...); -DTS_SIMD_SCALAR=1
 * forces plain C. Two numeric classes (TS_SIMD_FUSED):
 *   exact (0): vf_madd rounds twice. Scalar, simd128, SSE4.1 and AVX2 without FMA give the same bits, lane for lane,
 *              for every operation below (NaN payloads apart).
 *   fused (1): vf_madd rounds once: relaxed simd (on machines with FMA), AVX2+FMA, AVX-512, NEON.
 * Compile with -ffp-contract=off, so that the compiler fuses nothing by itself.
 *
 * Rules for kernels: lanes run along outputs; sums use TS_STRIPES fixed stripes; tails go through the same operation on
 * vf_load_part; min and max are the C expressions below (so NaN and zeros agree); clamp before vf_to_i.
 */
#ifndef TS_SIMD_VEC_H
#define TS_SIMD_VEC_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TS_STRIPES 16 /* partial sums of a reduction, whatever TS_VF is */

#if defined(__clang__)
#define TS_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define TS_UNROLL _Pragma("GCC unroll 16")
#else
#define TS_UNROLL
#endif

#if defined(TS_SIMD_SCALAR)
/* ---- plain C ------------------------------------------------------------------------------------------------- */
#define TS_SIMD_NAME "scalar"
#define TS_SIMD_FUSED 0
#define TS_VF 4
#define TS_MR 4
#define TS_NV 2
typedef struct vf {
    float v[TS_VF];
} vf;
typedef struct vi {
    int32_t v[TS_VF];
} vi;
typedef vi vm; /* 0 or -1 */

#define TS_EACH(type, expression)                                                                                      \
    type r;                                                                                                            \
    for (int i = 0; i < TS_VF; i++) r.v[i] = (expression);                                                             \
    return r
static inline vf vf_load(const float *p) { TS_EACH(vf, p[i]); }
static inline void vf_store(float *p, vf a) { memcpy(p, a.v, sizeof a.v); }
static inline vf vf_set1(float x) { TS_EACH(vf, x); }
static inline vf vf_add(vf a, vf b) { TS_EACH(vf, a.v[i] + b.v[i]); }
static inline vf vf_sub(vf a, vf b) { TS_EACH(vf, a.v[i] - b.v[i]); }
static inline vf vf_mul(vf a, vf b) { TS_EACH(vf, a.v[i] * b.v[i]); }
static inline vf vf_div(vf a, vf b) { TS_EACH(vf, a.v[i] / b.v[i]); }
static inline vf vf_sqrt(vf a) { TS_EACH(vf, sqrtf(a.v[i])); }
static inline vf vf_min(vf a, vf b) { TS_EACH(vf, b.v[i] < a.v[i] ? b.v[i] : a.v[i]); }
static inline vf vf_max(vf a, vf b) { TS_EACH(vf, a.v[i] < b.v[i] ? b.v[i] : a.v[i]); }
static inline vf vf_floor(vf a) { TS_EACH(vf, floorf(a.v[i])); }
static inline vf vf_round(vf a) { TS_EACH(vf, rintf(a.v[i])); }
static inline vm vf_lt(vf a, vf b) { TS_EACH(vm, -(a.v[i] < b.v[i])); }
static inline vm vf_eq(vf a, vf b) { TS_EACH(vm, -(a.v[i] == b.v[i])); }
static inline vf vf_select(vm m, vf a, vf b) { TS_EACH(vf, m.v[i] ? a.v[i] : b.v[i]); }
static inline vi vi_set1(int32_t x) { TS_EACH(vi, x); }
static inline vi vi_add(vi a, vi b) { TS_EACH(vi, (int32_t)((uint32_t)a.v[i] + (uint32_t)b.v[i])); }
static inline vi vi_load16(const int16_t *p) {
    vi r;
    memcpy(r.v, p, sizeof r.v);
    return r;
}
static inline void vi_store(int32_t *p, vi a) { memcpy(p, a.v, sizeof a.v); }
/* sum + the two products of each lane's 16-bit halves, modulo 2^32 */
static inline vi vi_dot16(vi sum, vi a, vi b) {
    int16_t x[2 * TS_VF], y[2 * TS_VF];
    memcpy(x, a.v, sizeof x);
    memcpy(y, b.v, sizeof y);
    TS_EACH(vi,
            (int32_t)((uint32_t)sum.v[i] + (uint32_t)(x[2 * i] * y[2 * i]) + (uint32_t)(x[2 * i + 1] * y[2 * i + 1])));
}
static inline vi vi_sub(vi a, vi b) { TS_EACH(vi, (int32_t)((uint32_t)a.v[i] - (uint32_t)b.v[i])); }
static inline vi vi_and(vi a, vi b) { TS_EACH(vi, a.v[i] & b.v[i]); }
static inline vi vi_or(vi a, vi b) { TS_EACH(vi, a.v[i] | b.v[i]); }
static inline vi vi_shl23(vi a) { TS_EACH(vi, (int32_t)((uint32_t)a.v[i] << 23)); }
static inline vi vi_shr23(vi a) { TS_EACH(vi, (int32_t)((uint32_t)a.v[i] >> 23)); }
static inline vi vi_shr3(vi a) { TS_EACH(vi, (int32_t)((uint32_t)a.v[i] >> 3)); }
static inline vi vi_load_high(const uint16_t *p) { TS_EACH(vi, (int32_t)((uint32_t)p[i] << 16)); }
static inline vi vf_to_i(vf a) { TS_EACH(vi, a.v[i] >= -0x1p31f && a.v[i] < 0x1p31f ? (int32_t)a.v[i] : INT32_MIN); }
static inline vf vi_to_f(vi a) { TS_EACH(vf, (float)a.v[i]); }
static inline vi vf_bits(vf a) {
    vi r;
    memcpy(r.v, a.v, sizeof r.v);
    return r;
}
static inline vf vi_bits(vi a) {
    vf r;
    memcpy(r.v, a.v, sizeof r.v);
    return r;
}

#elif defined(__wasm_simd128__)
/* ---- WebAssembly --------------------------------------------------------------------------------------------- */
#include <wasm_simd128.h>
#define TS_VF 4
#define TS_NV 2
#define TS_STREAM 1
typedef v128_t vf;
typedef v128_t vi;
typedef v128_t vm;
#if defined(__wasm_relaxed_simd__)
#define TS_SIMD_NAME "relaxed"
#define TS_SIMD_FUSED 1
#define TS_MR 6
#define TS_HAS_MADD
static inline vf vf_madd(vf a, vf b, vf c) { return wasm_f32x4_relaxed_madd(a, b, c); }
static inline vf vf_nmadd(vf a, vf b, vf c) { return wasm_f32x4_relaxed_nmadd(a, b, c); }
#else
#define TS_SIMD_NAME "simd128"
#define TS_SIMD_FUSED 0
#define TS_MR 4
#endif
static inline vf vf_load(const float *p) { return wasm_v128_load(p); }
static inline void vf_store(float *p, vf a) { wasm_v128_store(p, a); }
static inline vf vf_set1(float x) { return wasm_f32x4_splat(x); }
static inline vf vf_add(vf a, vf b) { return wasm_f32x4_add(a, b); }
static inline vf vf_sub(vf a, vf b) { return wasm_f32x4_sub(a, b); }
static inline vf vf_mul(vf a, vf b) { return wasm_f32x4_mul(a, b); }
static inline vf vf_div(vf a, vf b) { return wasm_f32x4_div(a, b); }
static inline vf vf_sqrt(vf a) { return wasm_f32x4_sqrt(a); }
static inline vf vf_min(vf a, vf b) { return wasm_f32x4_pmin(a, b); }
static inline vf vf_max(vf a, vf b) { return wasm_f32x4_pmax(a, b); }
static inline vf vf_floor(vf a) { return wasm_f32x4_floor(a); }
static inline vf vf_round(vf a) { return wasm_f32x4_nearest(a); }
static inline vm vf_lt(vf a, vf b) { return wasm_f32x4_lt(a, b); }
static inline vm vf_eq(vf a, vf b) { return wasm_f32x4_eq(a, b); }
static inline vf vf_select(vm m, vf a, vf b) { return wasm_v128_bitselect(a, b, m); }
static inline vi vi_set1(int32_t x) { return wasm_i32x4_splat(x); }
static inline vi vi_add(vi a, vi b) { return wasm_i32x4_add(a, b); }
static inline vi vi_load16(const int16_t *p) { return wasm_v128_load(p); }
static inline void vi_store(int32_t *p, vi a) { wasm_v128_store(p, a); }
static inline vi vi_dot16(vi sum, vi a, vi b) { return wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(a, b)); }
static inline vi vi_sub(vi a, vi b) { return wasm_i32x4_sub(a, b); }
static inline vi vi_and(vi a, vi b) { return wasm_v128_and(a, b); }
static inline vi vi_or(vi a, vi b) { return wasm_v128_or(a, b); }
static inline vi vi_shl23(vi a) { return wasm_i32x4_shl(a, 23); }
static inline vi vi_shr23(vi a) { return wasm_u32x4_shr(a, 23); }
static inline vi vf_to_i(vf a) { return wasm_i32x4_trunc_sat_f32x4(a); }
static inline vf vi_to_f(vi a) { return wasm_f32x4_convert_i32x4(a); }
static inline vi vf_bits(vf a) { return a; }
static inline vf vi_bits(vi a) { return a; }
static inline vi vi_shr3(vi a) { return wasm_u32x4_shr(a, 3); }
static inline vi vi_load_high(const uint16_t *p) {
    return wasm_i16x8_shuffle(wasm_i32x4_const_splat(0), wasm_v128_load64_zero(p), 0, 8, 1, 9, 2, 10, 3, 11);
}
/* to[lane * TS_MR + i] = from[i * TS_VF + lane] */
static inline void vf_interleave(float *to, const float *from) {
    enum { PAIRS = TS_MR / 2 };
    vf low[PAIRS], high[PAIRS]; /* lanes 0 and 1, and 2 and 3, of two rows: a0 b0 a1 b1 */
    TS_UNROLL for (int i = 0; i < PAIRS; i++) {
        const vf a = vf_load(from + 8 * i), b = vf_load(from + 8 * i + 4);
        low[i] = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5);
        high[i] = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
    }
#if TS_MR == 6
    vf_store(to, wasm_i32x4_shuffle(low[0], low[1], 0, 1, 4, 5));
    vf_store(to + 4, wasm_i32x4_shuffle(low[2], low[0], 0, 1, 6, 7));
    vf_store(to + 8, wasm_i32x4_shuffle(low[1], low[2], 2, 3, 6, 7));
    vf_store(to + 12, wasm_i32x4_shuffle(high[0], high[1], 0, 1, 4, 5));
    vf_store(to + 16, wasm_i32x4_shuffle(high[2], high[0], 0, 1, 6, 7));
    vf_store(to + 20, wasm_i32x4_shuffle(high[1], high[2], 2, 3, 6, 7));
#else
    vf_store(to, wasm_i32x4_shuffle(low[0], low[1], 0, 1, 4, 5));
    vf_store(to + 4, wasm_i32x4_shuffle(low[0], low[1], 2, 3, 6, 7));
    vf_store(to + 8, wasm_i32x4_shuffle(high[0], high[1], 0, 1, 4, 5));
    vf_store(to + 12, wasm_i32x4_shuffle(high[0], high[1], 2, 3, 6, 7));
#endif
}

#elif defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__)
/* ---- AVX-512 ------------------------------------------------------------------------------------------------- */
#include <immintrin.h>
#define TS_SIMD_NAME "avx512"
#define TS_SIMD_FUSED 1
#define TS_VF 16
#define TS_MR 6
#define TS_NV 4
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;
#define TS_HAS_MADD
#define TS_HAS_PART
static inline vf vf_madd(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_nmadd(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }
static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
static inline vm vf_part_mask(size_t n) { return (vm)((1u << n) - 1u); }
static inline vf vf_load_part(const float *p, size_t n) { return _mm512_maskz_loadu_ps(vf_part_mask(n), p); }
static inline void vf_store_part(float *p, vf a, size_t n) { _mm512_mask_storeu_ps(p, vf_part_mask(n), a); }
static inline vf vf_set1(float x) { return _mm512_set1_ps(x); }
static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(b, a); }
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(b, a); }
static inline vf vf_floor(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
static inline vf vf_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vm vf_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline vm vf_eq(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
static inline vf vf_select(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); }
static inline vi vi_set1(int32_t x) { return _mm512_set1_epi32(x); }
static inline vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
static inline vi vi_load16(const int16_t *p) { return _mm512_loadu_si512(p); }
static inline void vi_store(int32_t *p, vi a) { _mm512_storeu_si512(p, a); }
static inline vi vi_dot16(vi sum, vi a, vi b) { return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b)); }
static inline vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
static inline vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
static inline vi vi_or(vi a, vi b) { return _mm512_or_si512(a, b); }
static inline vi vi_shl23(vi a) { return _mm512_slli_epi32(a, 23); }
static inline vi vi_shr23(vi a) { return _mm512_srli_epi32(a, 23); }
static inline vi vf_to_i(vf a) { return _mm512_cvttps_epi32(a); }
static inline vf vi_to_f(vi a) { return _mm512_cvtepi32_ps(a); }
static inline vi vf_bits(vf a) { return _mm512_castps_si512(a); }
static inline vf vi_bits(vi a) { return _mm512_castsi512_ps(a); }
#define TS_HAS_HALF
static inline vf vf_load_half(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p)); }

#elif defined(__AVX2__)
/* ---- AVX2, with or without FMA ------------------------------------------------------------------------------- */
#include <immintrin.h>
#define TS_VF 8
#define TS_MR 6
#define TS_NV 2
typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;
#if defined(__FMA__)
#define TS_SIMD_NAME "avx2"
#define TS_SIMD_FUSED 1
#define TS_HAS_MADD
static inline vf vf_madd(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vf_nmadd(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
#else
#define TS_SIMD_NAME "avx2-nofma"
#define TS_SIMD_FUSED 0
#endif
static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
static inline vf vf_set1(float x) { return _mm256_set1_ps(x); }
static inline vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
static inline vf vf_min(vf a, vf b) { return _mm256_min_ps(b, a); }
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(b, a); }
static inline vf vf_floor(vf a) { return _mm256_floor_ps(a); }
static inline vf vf_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vm vf_lt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
static inline vm vf_eq(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
static inline vf vf_select(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, m); }
static inline vi vi_set1(int32_t x) { return _mm256_set1_epi32(x); }
static inline vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
static inline vi vi_load16(const int16_t *p) { return _mm256_loadu_si256((const void *)p); }
static inline void vi_store(int32_t *p, vi a) { _mm256_storeu_si256((void *)p, a); }
static inline vi vi_dot16(vi sum, vi a, vi b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
static inline vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
static inline vi vi_and(vi a, vi b) { return _mm256_and_si256(a, b); }
static inline vi vi_or(vi a, vi b) { return _mm256_or_si256(a, b); }
static inline vi vi_shl23(vi a) { return _mm256_slli_epi32(a, 23); }
static inline vi vi_shr23(vi a) { return _mm256_srli_epi32(a, 23); }
static inline vi vf_to_i(vf a) { return _mm256_cvttps_epi32(a); }
static inline vf vi_to_f(vi a) { return _mm256_cvtepi32_ps(a); }
static inline vi vf_bits(vf a) { return _mm256_castps_si256(a); }
static inline vf vi_bits(vi a) { return _mm256_castsi256_ps(a); }
#if defined(__F16C__)
#define TS_HAS_HALF
static inline vf vf_load_half(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p)); }
#else
static inline vi vi_shr3(vi a) { return _mm256_srli_epi32(a, 3); }
static inline vi vi_load_high(const uint16_t *p) {
    return _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p)), 16);
}
#endif

#elif defined(__SSE4_1__)
/* ---- SSE4.1 -------------------------------------------------------------------------------------------------- */
#include <smmintrin.h>
#define TS_SIMD_NAME "sse4.1"
#define TS_SIMD_FUSED 0
#define TS_VF 4
#define TS_MR 4
#define TS_NV 2
typedef __m128 vf;
typedef __m128i vi;
typedef __m128 vm;
static inline vf vf_load(const float *p) { return _mm_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm_storeu_ps(p, a); }
static inline vf vf_set1(float x) { return _mm_set1_ps(x); }
static inline vf vf_add(vf a, vf b) { return _mm_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm_div_ps(a, b); }
static inline vf vf_sqrt(vf a) { return _mm_sqrt_ps(a); }
static inline vf vf_min(vf a, vf b) { return _mm_min_ps(b, a); }
static inline vf vf_max(vf a, vf b) { return _mm_max_ps(b, a); }
static inline vf vf_floor(vf a) { return _mm_floor_ps(a); }
static inline vf vf_round(vf a) { return _mm_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vm vf_lt(vf a, vf b) { return _mm_cmplt_ps(a, b); }
static inline vm vf_eq(vf a, vf b) { return _mm_cmpeq_ps(a, b); }
static inline vf vf_select(vm m, vf a, vf b) { return _mm_blendv_ps(b, a, m); }
static inline vi vi_set1(int32_t x) { return _mm_set1_epi32(x); }
static inline vi vi_add(vi a, vi b) { return _mm_add_epi32(a, b); }
static inline vi vi_load16(const int16_t *p) { return _mm_loadu_si128((const void *)p); }
static inline void vi_store(int32_t *p, vi a) { _mm_storeu_si128((void *)p, a); }
static inline vi vi_dot16(vi sum, vi a, vi b) { return _mm_add_epi32(sum, _mm_madd_epi16(a, b)); }
static inline vi vi_sub(vi a, vi b) { return _mm_sub_epi32(a, b); }
static inline vi vi_and(vi a, vi b) { return _mm_and_si128(a, b); }
static inline vi vi_or(vi a, vi b) { return _mm_or_si128(a, b); }
static inline vi vi_shl23(vi a) { return _mm_slli_epi32(a, 23); }
static inline vi vi_shr23(vi a) { return _mm_srli_epi32(a, 23); }
static inline vi vf_to_i(vf a) { return _mm_cvttps_epi32(a); }
static inline vf vi_to_f(vi a) { return _mm_cvtepi32_ps(a); }
static inline vi vf_bits(vf a) { return _mm_castps_si128(a); }
static inline vf vi_bits(vi a) { return _mm_castsi128_ps(a); }
static inline vi vi_shr3(vi a) { return _mm_srli_epi32(a, 3); }
static inline vi vi_load_high(const uint16_t *p) {
    return _mm_unpacklo_epi16(_mm_setzero_si128(), _mm_loadl_epi64((const void *)p));
}

#elif defined(__aarch64__) && defined(__ARM_NEON)
/* ---- NEON (64-bit) ------------------------------------------------------------------------------------------- */
#include <arm_neon.h>
#define TS_SIMD_NAME "neon"
#define TS_SIMD_FUSED 1
#define TS_VF 4
#define TS_MR 8
#define TS_NV 2
typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vm;
#define TS_HAS_MADD
static inline vf vf_madd(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf vf_nmadd(vf a, vf b, vf c) { return vfmsq_f32(c, a, b); }
static inline vf vf_load(const float *p) { return vld1q_f32(p); }
static inline void vf_store(float *p, vf a) { vst1q_f32(p, a); }
static inline vf vf_set1(float x) { return vdupq_n_f32(x); }
static inline vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
static inline vf vf_div(vf a, vf b) { return vdivq_f32(a, b); }
static inline vf vf_sqrt(vf a) { return vsqrtq_f32(a); }
static inline vf vf_min(vf a, vf b) { return vbslq_f32(vcltq_f32(b, a), b, a); }
static inline vf vf_max(vf a, vf b) { return vbslq_f32(vcltq_f32(a, b), b, a); }
static inline vf vf_floor(vf a) { return vrndmq_f32(a); }
static inline vf vf_round(vf a) { return vrndnq_f32(a); }
static inline vm vf_lt(vf a, vf b) { return vcltq_f32(a, b); }
static inline vm vf_eq(vf a, vf b) { return vceqq_f32(a, b); }
static inline vf vf_select(vm m, vf a, vf b) { return vbslq_f32(m, a, b); }
static inline vi vi_set1(int32_t x) { return vdupq_n_s32(x); }
static inline vi vi_add(vi a, vi b) { return vaddq_s32(a, b); }
static inline vi vi_load16(const int16_t *p) { return vreinterpretq_s32_s16(vld1q_s16(p)); }
static inline void vi_store(int32_t *p, vi a) { vst1q_s32(p, a); }
static inline vi vi_dot16(vi sum, vi a, vi b) {
    const int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);
    return vaddq_s32(sum, vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y)));
}
static inline vi vi_sub(vi a, vi b) { return vsubq_s32(a, b); }
static inline vi vi_and(vi a, vi b) { return vandq_s32(a, b); }
static inline vi vi_or(vi a, vi b) { return vorrq_s32(a, b); }
static inline vi vi_shl23(vi a) { return vshlq_n_s32(a, 23); }
static inline vi vi_shr23(vi a) { return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), 23)); }
static inline vi vf_to_i(vf a) { return vcvtq_s32_f32(a); }
static inline vf vi_to_f(vi a) { return vcvtq_f32_s32(a); }
static inline vi vf_bits(vf a) { return vreinterpretq_s32_f32(a); }
static inline vf vi_bits(vi a) { return vreinterpretq_f32_s32(a); }
#define TS_HAS_HALF
static inline vf vf_load_half(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }

#else
#error "No vector back end for these compiler flags: add -msse4.1 (or better), -msimd128, or -DTS_SIMD_SCALAR=1"
#endif

/* ---- derived from the above ---------------------------------------------------------------------------------- */
#define TS_NR (TS_VF * TS_NV) /* columns of a register tile; TS_MR its rows */

/* Steps of a tile's inner loop that are written out. LLVM moves pure WebAssembly operations down to their use, so that
 * unrolled steps hold all their operands at once, many more than there are registers: there the loop stays rolled. */
#if defined(__wasm_simd128__)
#define TS_STEPS 1
#else
#define TS_STEPS 4
#endif

#ifndef TS_HAS_MADD
/* a * b + c */
static inline vf vf_madd(vf a, vf b, vf c) { return vf_add(vf_mul(a, b), c); }
/* c - a * b */
static inline vf vf_nmadd(vf a, vf b, vf c) { return vf_sub(c, vf_mul(a, b)); }
#endif

#ifndef TS_HAS_PART
/* The first n (0 .. TS_VF) floats at p, zeros after them; touches no memory beyond. */
static inline vf vf_load_part(const float *p, size_t n) {
    float room[TS_VF] = {0};
    memcpy(room, p, n * sizeof(float));
    return vf_load(room);
}
/* Stores the first n (0 .. TS_VF) lanes. */
static inline void vf_store_part(float *p, vf a, size_t n) {
    float room[TS_VF];
    vf_store(room, a);
    memcpy(p, room, n * sizeof(float));
}
#endif

#ifndef TS_HAS_HALF
/* TS_VF halves at p, exactly (infinities and NaN too): the exponent is set right by a product with 2^112. */
static inline vf vf_load_half(const uint16_t *p) {
    const vi high = vi_load_high(p); /* in the upper half of each lane */
    const vf size = vf_mul(vi_bits(vi_shr3(vi_and(high, vi_set1(0x7fffffff)))), vf_set1(0x1p112f));
    const vi bits = vf_bits(size), all = vi_or(bits, vi_set1(0x7f800000)); /* of infinities: exponent 31 of a half */
    const vi finite = vf_bits(vf_select(vf_lt(size, vf_set1(0x1p16f)), size, vi_bits(all)));
    return vi_bits(vi_or(finite, vi_and(high, vi_set1((int32_t)0x80000000))));
}
#endif
/* Loads `left` halves when fewer than TS_VF are left (zeros after them), TS_VF otherwise. */
static inline vf vf_load_half_upto(const uint16_t *p, size_t left) {
    uint16_t room[TS_VF] = {0};
    if (left >= TS_VF) return vf_load_half(p);
    memcpy(room, p, left * sizeof *p);
    return vf_load_half(room);
}

#ifndef TS_STREAM
#define TS_STREAM 0 /* 1: register tiles want their scalars in one stream */
static inline void vf_interleave(float *to, const float *from) {
    for (int i = 0; i < TS_MR; i++)
        for (int lane = 0; lane < TS_VF; lane++) to[lane * TS_MR + i] = from[i * TS_VF + lane];
}
#endif

static inline vf vf_zero(void) { return vf_set1(0.0f); }
static inline vf vf_abs(vf a) { return vi_bits(vi_and(vf_bits(a), vi_set1(0x7fffffff))); }
static inline vf vf_clamp(vf a, float low, float high) { return vf_min(vf_max(a, vf_set1(low)), vf_set1(high)); }

/* Loads or stores `left` floats when fewer than TS_VF are left, TS_VF otherwise. */
static inline vf vf_load_upto(const float *p, size_t left) {
    return left >= TS_VF ? vf_load(p) : vf_load_part(p, left);
}
static inline void vf_store_upto(float *p, vf a, size_t left) {
    if (left >= TS_VF) {
        vf_store(p, a);
    } else {
        vf_store_part(p, a, left);
    }
}

#endif
