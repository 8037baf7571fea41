/* test_alloc.c - alignment, contents, absurd sizes, failing on purpose; the arena on top. */
#define TS_TEST_ALLOC
#include "base/alloc.c" /* replaces the library's allocator: see alloc.h */

#include "base/arena.h"
#include "test.h"

static int aligned(const void *p) { return (uintptr_t)p % TS_ALIGN == 0; }

static void test_blocks(void) {
    ts_test_alloc_fail_at(0);
    for (size_t n = 0; n < 300; n += 7) {
        unsigned char *p = ts_alloc(n);
        if (!CHECK(p && aligned(p))) return;
        memset(p, 7, n);
        unsigned char *q = ts_realloc(p, n + 1000);
        if (!CHECK(q && aligned(q))) return;
        int kept = 1;
        for (size_t i = 0; i < n; i++) kept &= q[i] == 7;
        CHECK(kept);
        q = ts_realloc(q, 3);
        CHECK(q && (n < 3 || q[2] == 7));
        ts_free(q);
    }
    unsigned char *zeros = ts_calloc(37, 3);
    for (int i = 0; i < 111; i++) CHECK(zeros[i] == 0);
    ts_free(zeros);
    ts_free(NULL);
    CHECK_INT(ts_test_alloc_live(), 0);
}

static void test_absurd(void) {
    volatile size_t huge = SIZE_MAX; /* volatile: compilers warn of the constant */
    CHECK(ts_alloc(huge) == NULL);
    CHECK(ts_alloc(huge / 2) == NULL);
    CHECK(ts_calloc(huge / 2, 3) == NULL);
    CHECK(ts_alloc_floats(huge / 2) == NULL);
    char *p = ts_alloc(5);
    memcpy(p, "keep", 5);
    CHECK(ts_realloc(p, huge - 10) == NULL);
    CHECK_TEXT(p, "keep");
    ts_free(p);
    CHECK_INT(ts_test_alloc_live(), 0);
}

static void test_failing(void) {
    ts_test_alloc_fail_at(2);
    void *one = ts_alloc(10), *two = ts_alloc(10), *three = ts_calloc(1, 1);
    CHECK(one && !two && !three);
    CHECK(ts_realloc(one, 20) == NULL);
    CHECK_INT(ts_test_alloc_count(), 4);
    ts_test_alloc_fail_at(0);
    void *four = ts_alloc(1);
    CHECK(four != NULL);
    CHECK_INT(ts_test_alloc_live(), 2);
    ts_free(one);
    ts_free(four);
}

static void test_arena(void) {
    ts_arena arena;
    ts_arena_init(&arena, 1000);
    char *a = ts_arena_alloc(&arena, 10), *b = ts_arena_alloc(&arena, 0), *text = ts_arena_text(&arena, "tesserae!", 8);
    CHECK(a && b && a != b && aligned(a) && aligned(b));
    CHECK_TEXT(text, "tesserae");
    const ts_arena_mark mark = ts_arena_save(&arena);
    for (int i = 0; i < 50; i++) {
        unsigned char *p = ts_arena_array(&arena, (size_t)(i + 1), 100);
        if (!CHECK(p && aligned(p))) return;
        int dirty = 0;
        for (int k = 0; k < (i + 1) * 100; k++) dirty += p[k] != 0;
        CHECK_INT(dirty, 0);
        memset(p, 255, (size_t)(i + 1) * 100);
    }
    CHECK(ts_test_alloc_live() > 10);
    ts_arena_rewind(&arena, mark);
    CHECK_INT(ts_test_alloc_live(), 1);
    CHECK_TEXT(text, "tesserae");
    unsigned char *again = ts_arena_alloc(&arena, 500);
    CHECK(again[0] == 0 && again[499] == 0);
    volatile size_t huge = SIZE_MAX;
    CHECK(!arena.failed && ts_arena_array(&arena, huge / 4, 8) == NULL && arena.failed);
    CHECK(ts_arena_alloc(&arena, huge - 3) == NULL);
    ts_test_alloc_fail_at(1);
    CHECK(ts_arena_alloc(&arena, 5000) == NULL);
    ts_test_alloc_fail_at(0);
    ts_arena_free(&arena);
    CHECK(!arena.failed && ts_arena_alloc(&arena, 1) != NULL);
    ts_arena_free(&arena);
    CHECK_INT(ts_test_alloc_live(), 0);
}

int main(void) {
    RUN(test_blocks);
    RUN(test_absurd);
    RUN(test_failing);
    RUN(test_arena);
    return test_end();
}
