/* support.h - guarded buffers, fills and comparisons for kernel tests. */
#ifndef TS_TEST_SUPPORT_H
#define TS_TEST_SUPPORT_H

#include "base/alloc.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "simd/vec.h"
#include "test.h"

#include <stdlib.h>

#define UNUSED __attribute__((unused))
#define EPS 0x1p-24 /* half an ULP of 1 */

enum { GUARD = 48, MAX_BUFFERS = 64 };
static const float CANARY = 12345.678f;

typedef struct buffer {
    float *data; /* n floats between two walls of canaries; not aligned to more than 4 bytes when `skewed` */
    size_t n;
    float *block;
} buffer;

static struct {
    buffer list[MAX_BUFFERS];
    int count;
} buffers;

UNUSED static float *make_skewed(size_t n, size_t skew) {
    buffer b = {.n = n, .block = ts_alloc_floats(n + 2 * GUARD + 16)};
    if (!b.block || buffers.count == MAX_BUFFERS) {
        printf("no room for test buffers\n");
        exit(2);
    }
    b.data = b.block + GUARD + skew;
    for (size_t i = 0; i < n + 2 * GUARD + 16; i++) b.block[i] = CANARY;
    for (size_t i = 0; i < n; i++) b.data[i] = NAN; /* what a kernel forgets to write stays visible */
    buffers.list[buffers.count++] = b;
    return b.data;
}

/* n floats, all NaN, 64-byte aligned, guarded on both sides until release(). */
UNUSED static float *make(size_t n) { return make_skewed(n, 0); }

/* Checks all guards and frees all buffers. */
UNUSED static void release(void) {
    for (int k = 0; k < buffers.count; k++) {
        const buffer *b = &buffers.list[k];
        const float *end = b->block + b->n + 2 * GUARD + 16;
        int intact = 1;
        for (const float *p = b->block; p < end; p++)
            if ((p < b->data || p >= b->data + b->n) && *p != CANARY) intact = 0;
        CHECK(intact);
        ts_free(b->block);
    }
    buffers.count = 0;
}

static ts_rng test_rng = {0x853c49e6748fea9bull, 0xda3e39cb94b95bdbull};

UNUSED static float *fill(float *x, size_t n, float scale) {
    for (size_t i = 0; i < n; i++) x[i] = (2 * ts_rng_uniform(&test_rng) - 1) * scale;
    return x;
}
UNUSED static float *make_random(size_t n, float scale) { return fill(make(n), n, scale); }
UNUSED static float *make_zero(size_t n) {
    float *x = make(n);
    memset(x, 0, n * sizeof *x);
    return x;
}
UNUSED static float *make_copy(const float *from, size_t n) { return memcpy(make(n), from, n * sizeof *from); }
UNUSED static double *make_double(size_t n) { return ts_calloc(n, sizeof(double)); }

/* One check for the whole array: |got - want| <= relative * |want| + absolute everywhere (false for NaN). */
UNUSED static void check_close(const float *got, const double *want, size_t n, double relative, double absolute,
                               int line) {
    for (size_t i = 0; i < n; i++) {
        const double bound = relative * fabs(want[i]) + absolute;
        if (fabs((double)got[i] - want[i]) <= bound) continue;
        test_check(0, __FILE__, line, "value %lu of %lu is %.9g, not %.9g (+- %.3g)", (unsigned long)i,
                   (unsigned long)n, (double)got[i], want[i], bound);
        return;
    }
    test_check(1, __FILE__, line, "close");
}
#define CHECK_CLOSE(got, want, n, relative, absolute) check_close(got, want, n, relative, absolute, __LINE__)

/* As above with one bound per value. */
UNUSED static void check_bounded(const float *got, const double *want, const double *bound, size_t n, int line) {
    for (size_t i = 0; i < n; i++) {
        if (fabs((double)got[i] - want[i]) <= bound[i]) continue;
        test_check(0, __FILE__, line, "value %lu of %lu is %.9g, not %.9g (+- %.3g)", (unsigned long)i,
                   (unsigned long)n, (double)got[i], want[i], bound[i]);
        return;
    }
    test_check(1, __FILE__, line, "bounded");
}

/* A hash that must be the same in every build of the exact class, and another in some fused ones (0: not checked). */
UNUSED static uint64_t hash_floats(const float *x, size_t n) { return ts_fnv1a64(TS_FNV_START, x, n * sizeof *x); }
#if TS_SIMD_FUSED
#define CHECK_GOLDEN(x, n, exact) ((void)hash_floats(x, n), (void)(exact))
#else
#define CHECK_GOLDEN(x, n, exact) check_golden(hash_floats(x, n), exact, __LINE__)
#endif
UNUSED static void check_golden(uint64_t got, uint64_t want, int line) {
    test_check(got == want, __FILE__, line, "golden hash is 0x%016llx, not 0x%016llx", (unsigned long long)got,
               (unsigned long long)want);
}

#endif
