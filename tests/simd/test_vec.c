/* test_vec.c - every vector operation, lane by lane, against the C expression that defines it, special values included. */
#include "simd/vec.h"

#include "base/f16.h"
#include "base/hash.h"
#include "test.h"

static const float SPECIAL[] = {0.0f,   -0.0f,      1.0f,        -1.0f,        0.5f,        -0.5f,  1.5f,     -1.5f,
                                2.5f,   -2.5f,      0.3f,        -7.75f,       3e38f,       -3e38f, 1e-40f,   -1e-40f,
                                1e-38f, 8388607.5f, 1e9f,        -1e9f,        123.456f,    -2.0f,  INFINITY, -INFINITY,
                                NAN,    4.0f,       0.49999997f, -0.49999997f, 16777216.0f, 3.0f,   -3.0f};
enum { COUNT = sizeof SPECIAL / sizeof SPECIAL[0] };

static int same_bits(float a, float b) { return (isnan(a) && isnan(b)) || memcmp(&a, &b, 4) == 0; }

static float as_float(int32_t bits) {
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
static int32_t as_int(float f) {
    int32_t i;
    memcpy(&i, &f, 4);
    return i;
}

/* Compares all lanes of `vector` with `expression` of a and b (this lane's operands). */
#define LANES(vector, expression)                                                                                      \
    do {                                                                                                               \
        float out[TS_VF];                                                                                              \
        vf_store(out, (vector));                                                                                       \
        for (int i = 0; i < TS_VF; i++) {                                                                              \
            const float a = x[i], b = y[i];                                                                            \
            (void)a, (void)b;                                                                                          \
            test_check(same_bits(out[i], (expression)), __FILE__, __LINE__, "%s of %g, %g is %g, not %g", #vector,     \
                       (double)a, (double)b, (double)out[i], (double)(expression));                                    \
        }                                                                                                              \
    } while (0)

static void test_operations(void) {
    for (int s = 0; s < COUNT; s++)
        for (int t = 0; t < COUNT; t++) {
            float x[TS_VF], y[TS_VF];
            for (int i = 0; i < TS_VF; i++) x[i] = SPECIAL[(s + i) % COUNT], y[i] = SPECIAL[(t + 3 * i) % COUNT];
            const vf v = vf_load(x), w = vf_load(y);
            LANES(vf_add(v, w), a + b);
            LANES(vf_sub(v, w), a - b);
            LANES(vf_mul(v, w), a * b);
            LANES(vf_div(v, w), a / b);
            LANES(vf_min(v, w), b < a ? b : a);
            LANES(vf_max(v, w), a < b ? b : a);
            LANES(vf_select(vf_lt(v, w), v, w), a < b ? a : b);
            LANES(vf_select(vf_eq(v, w), vf_set1(1), vf_zero()), a == b ? 1.0f : 0.0f);
            LANES(vi_bits(vi_and(vf_bits(v), vf_bits(w))), as_float(as_int(a) & as_int(b)));
            LANES(vi_bits(vi_or(vf_bits(v), vf_bits(w))), as_float(as_int(a) | as_int(b)));
            LANES(vi_bits(vi_add(vf_bits(v), vf_bits(w))),
                  as_float((int32_t)((uint32_t)as_int(a) + (uint32_t)as_int(b))));
            LANES(vi_bits(vi_sub(vf_bits(v), vf_bits(w))),
                  as_float((int32_t)((uint32_t)as_int(a) - (uint32_t)as_int(b))));
            if (t > 0) continue; /* of one operand */
            LANES(vf_sqrt(v), sqrtf(a));
            LANES(vf_floor(v), floorf(a));
            LANES(vf_round(v), rintf(a));
            LANES(vf_abs(v), fabsf(a));
            LANES(vf_set1(x[0]), x[0]);
            LANES(vf_clamp(v, -2, 3), (a < -2 ? -2 : a) > 3 ? 3 : (a < -2 ? -2 : a));
            LANES(vi_to_f(vf_to_i(vf_clamp(v, -1e9f, 1e9f))),
                  isnan(a) ? out[i] : (float)(int32_t)fminf(fmaxf(a, -1e9f), 1e9f));
            LANES(vi_bits(vi_shl23(vf_bits(v))), as_float((int32_t)((uint32_t)as_int(a) << 23)));
            LANES(vi_bits(vi_shr23(vf_bits(v))), as_float((int32_t)((uint32_t)as_int(a) >> 23)));
        }
}

static void test_madd(void) {
    float x[TS_VF], y[TS_VF];
    for (int i = 0; i < TS_VF; i++) x[i] = 1 + 0x1p-12f * (float)(i + 1), y[i] = 1 - 0x1p-13f * (float)i;
    const vf v = vf_load(x), w = vf_load(y), c = vf_set1(-1);
#if TS_SIMD_FUSED
    float first[TS_VF];
    vf_store(first, vf_madd(v, w, c));
    const int fused = same_bits(first[0], fmaf(x[0], y[0], -1)); /* relaxed simd rounds twice on machines without FMA */
#else
    const int fused = 0;
#endif
    LANES(vf_madd(v, w, c), fused ? fmaf(a, b, -1) : (float)(a * b) + -1);
    LANES(vf_nmadd(v, w, c), fused ? fmaf(-a, b, -1) : -1 - (float)(a * b));
}

/* Partial loads and stores touch exactly their n floats. */
static void test_partial(void) {
    float from[TS_VF + 1], to[TS_VF + 1];
    for (size_t n = 0; n <= TS_VF; n++) {
        test_row("n %d", (int)n);
        for (size_t i = 0; i <= TS_VF; i++) from[i] = (float)(i + 1), to[i] = -1;
        float lanes[TS_VF];
        if (n < TS_VF) {
            vf_store(lanes, vf_load_part(from, n));
            for (size_t i = 0; i < TS_VF; i++) CHECK(lanes[i] == (i < n ? from[i] : 0));
            vf_store_part(to, vf_load(from), n);
            for (size_t i = 0; i <= TS_VF; i++) CHECK(to[i] == (i < n ? from[i] : -1));
        }
        vf_store_upto(to, vf_load_upto(from + 1, n), n + 1 > TS_VF ? TS_VF : n);
        for (size_t i = 0; i <= TS_VF; i++) CHECK(to[i] == (i < n ? from[i + 1] : -1));
    }
}

/* Every half, and partial loads of halves. */
static void test_half(void) {
    for (uint32_t bits = 0; bits < 65536; bits += TS_VF) {
        uint16_t from[TS_VF];
        float out[TS_VF];
        for (int i = 0; i < TS_VF; i++) from[i] = (uint16_t)(bits + (uint32_t)i);
        vf_store(out, vf_load_half(from));
        int same = 1;
        for (int i = 0; i < TS_VF; i++) same &= same_bits(out[i], ts_f32_from_f16(from[i]));
        test_check(same, __FILE__, __LINE__, "halves from 0x%04x on", bits);
    }
    const uint16_t ones[TS_VF + 1] = {0x3c00, 0x4000, 0xc200};
    for (size_t n = 0; n <= TS_VF; n++) {
        float out[TS_VF];
        vf_store(out, vf_load_half_upto(ones, n));
        for (size_t i = 0; i < TS_VF; i++) CHECK(out[i] == (i < n ? ts_f32_from_f16(ones[i]) : 0));
    }
}

/* vf_interleave is a transposition. */
static void test_interleave(void) {
    float from[TS_MR * TS_VF], to[TS_MR * TS_VF];
    for (int i = 0; i < TS_MR * TS_VF; i++) from[i] = (float)i;
    vf_interleave(to, from);
    for (int i = 0; i < TS_MR; i++)
        for (int lane = 0; lane < TS_VF; lane++) CHECK(to[lane * TS_MR + i] == from[i * TS_VF + lane]);
}

int main(void) {
    printf("back end %s, %d lanes, %s class\n", TS_SIMD_NAME, TS_VF, TS_SIMD_FUSED ? "fused" : "exact");
    RUN(test_operations);
    RUN(test_madd);
    RUN(test_partial);
    RUN(test_half);
    RUN(test_interleave);
    return test_end();
}
