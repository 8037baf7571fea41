/* test_parallel.c - every index once, pieces on multiples of the grain, workers apart, for any number of threads. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "base/parallel.h"
#include "test.h"

enum { MOST = 5000 };

typedef struct work {
    unsigned char hits[MOST];
    int bad, threads;
    size_t grain;
    int inside[TS_MAX_THREADS]; /* each worker runs one piece at a time */
} work;

static void touch(void *context, size_t begin, size_t end, int worker) {
    work *w = context;
    if (worker < 0 || worker >= w->threads || w->inside[worker]++ || begin % w->grain || end - begin > w->grain ||
        begin >= end)
        w->bad = 1;
    for (size_t i = begin; i < end; i++) w->hits[i]++;
    w->inside[worker]--;
}

static void test_ranges(void) {
    for (int threads = 0; threads <= 5; threads++) {
        ts_pool *pool = threads ? ts_pool_new(threads) : NULL;
        for (int round = 0; round < 60; round++) {
            static work w;
            memset(&w, 0, sizeof w);
            w.threads = ts_pool_threads(pool);
            w.grain = (size_t)(round % 13 + 1);
            const size_t count = (size_t)(round * round % MOST);
            test_row("threads %d count %d grain %d", threads, (int)count, (int)w.grain);
            ts_parallel(pool, count, w.grain, touch, &w);
            int wrong = w.bad;
            for (size_t i = 0; i < MOST; i++) wrong += w.hits[i] != (i < count);
            CHECK_INT(wrong, 0);
        }
        ts_pool_free(pool);
    }
    CHECK_INT(ts_test_alloc_live(), 0);
}

static void test_limits(void) {
    ts_pool *none = ts_pool_new(-3);
    CHECK_INT(ts_pool_threads(none), 1);
    CHECK_INT(ts_pool_threads(NULL), 1);
    ts_pool_free(none);
    ts_test_alloc_fail_at(1);
    CHECK(ts_pool_new(2) == NULL);
    ts_test_alloc_fail_at(0);
    ts_pool_free(NULL);
}

/* One pool through several sizes: kept where it fits, none for one worker, none and no leak when memory is out. */
static void test_resize(void) {
    ts_pool *pool = NULL;
    const long live = ts_test_alloc_live();
    CHECK(ts_pool_resize(&pool, 1) && pool == NULL);
    CHECK(ts_pool_resize(&pool, 3) && pool != NULL);
    const int helped = ts_pool_threads(pool) == 3; /* not in builds without threads */
    const ts_pool *kept = pool;
    ts_test_alloc_fail_at(1);
    CHECK(!helped || (ts_pool_resize(&pool, 3) && pool == kept));
    CHECK(!ts_pool_resize(&pool, 2) && pool == NULL);
    CHECK_INT(ts_test_alloc_live(), live);
    ts_test_alloc_fail_at(0);
    CHECK(ts_pool_resize(&pool, 2));
    CHECK_INT(ts_pool_threads(pool), helped ? 2 : 1);
    CHECK(ts_pool_resize(&pool, 1));
    CHECK_INT(ts_pool_threads(pool), 1);
    CHECK(ts_pool_resize(&pool, 0) && pool == NULL);
    CHECK_INT(ts_test_alloc_live(), live);
}

int main(void) {
    RUN(test_ranges);
    RUN(test_limits);
    RUN(test_resize);
    return test_end();
}
