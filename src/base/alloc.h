/* alloc.h - the one allocator of the library.
 *
 * Blocks are 64-byte aligned and know their own size. NULL means that memory is out or the size is absurd; a request of
 * zero bytes gives a valid block. Memory is not cleared except by ts_calloc.
 *
 * Tests fail allocations on purpose: a test compiles src/base/alloc.c into itself with TS_TEST_ALLOC defined (its
 * symbols win over those of the static library). Only then do the counters below exist; a production build has no
 * mutable global.
 */
#ifndef TS_BASE_ALLOC_H
#define TS_BASE_ALLOC_H

#include <stddef.h>

#define TS_ALIGN 64

void *ts_alloc(size_t bytes);
/* count * size zeroed bytes; NULL when the product overflows. */
void *ts_calloc(size_t count, size_t size);
/* Grows or shrinks, keeping the contents up to the smaller size. NULL block = ts_alloc. On failure the old block stays. */
void *ts_realloc(void *block, size_t bytes);
void ts_free(void *block); /* NULL is allowed */

/* count floats, or NULL (also when count * 4 overflows). */
float *ts_alloc_floats(size_t count);

#ifdef TS_TEST_ALLOC
/* The allocation number n from now (1 = the next) and all after it fail; 0 switches failing off. */
void ts_test_alloc_fail_at(long n);
long ts_test_alloc_count(void); /* allocations (and reallocations) asked for since the last ts_test_alloc_fail_at */
long ts_test_alloc_live(void);  /* blocks allocated and not yet freed */
#endif

#endif
