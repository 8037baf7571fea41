/* alloc.c - aligned blocks over malloc, each preceded by a small header. */
#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct header {
    void *base;   /* what malloc returned */
    size_t bytes; /* what the caller asked for */
} header;

enum { OVERHEAD = TS_ALIGN + sizeof(header) };

#ifdef TS_TEST_ALLOC
#include <stdatomic.h>

static atomic_long test_count, test_fail_at, test_live;

void ts_test_alloc_fail_at(long n) {
    test_count = 0;
    test_fail_at = n;
}
long ts_test_alloc_count(void) { return test_count; }
long ts_test_alloc_live(void) { return test_live; }
static int test_refuses(void) {
    const long count = ++test_count;
    return test_fail_at > 0 && count >= test_fail_at;
}
#define COUNT_LIVE(change) (test_live += (change))
#else
#define test_refuses() 0
#define COUNT_LIVE(change) ((void)0)
#endif

/* A WebAssembly helper (parallel_wasm.c) cannot sleep on the C library's lock: that needs an import which nobody brings.
 * So nobody comes to it at the same time. */
#ifdef TS_WITH_HELPERS
#include <stdatomic.h>

static atomic_flag busy = ATOMIC_FLAG_INIT;

static void lock(void) {
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire)) {}
}
static void unlock(void) { atomic_flag_clear_explicit(&busy, memory_order_release); }
#else
static void lock(void) {}
static void unlock(void) {}
#endif

static header *header_of(void *block) { return (header *)block - 1; }

static void *take(size_t bytes) {
    if (bytes > PTRDIFF_MAX - OVERHEAD) return NULL;
    lock();
    char *base = malloc(bytes + OVERHEAD);
    unlock();
    if (!base) return NULL;
    const uintptr_t first = (uintptr_t)base + sizeof(header);
    const uintptr_t aligned = (first + TS_ALIGN - 1) & ~(uintptr_t)(TS_ALIGN - 1);
    void *block = base + (aligned - (uintptr_t)base);
    *header_of(block) = (header){base, bytes};
    COUNT_LIVE(1);
    return block;
}

void *ts_alloc(size_t bytes) { return test_refuses() ? NULL : take(bytes); }

void *ts_calloc(size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) return NULL;
    void *block = ts_alloc(count * size);
    if (block) memset(block, 0, count * size);
    return block;
}

void *ts_realloc(void *block, size_t bytes) {
    if (test_refuses()) return NULL;
    void *grown = take(bytes);
    if (!grown || !block) return grown;
    const size_t old = header_of(block)->bytes;
    memcpy(grown, block, bytes < old ? bytes : old);
    ts_free(block);
    return grown;
}

void ts_free(void *block) {
    if (!block) return;
    COUNT_LIVE(-1);
    void *base = header_of(block)->base;
    lock();
    free(base);
    unlock();
}

float *ts_alloc_floats(size_t count) {
    return count > SIZE_MAX / sizeof(float) ? NULL : ts_alloc(count * sizeof(float));
}
