/* parallel.c - a pool of pthreads that sleeps between jobs; a plain loop where there are no threads. WebAssembly with
 * shared memory has its own pool in parallel_wasm.c. */
#include "base/parallel.h"

#include "base/alloc.h"

#ifdef TS_WITH_THREADS

#include <pthread.h>
#include <stdatomic.h>

typedef struct helper {
    ts_pool *pool;
    pthread_t thread;
    int worker;
} helper;

struct ts_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    unsigned long job; /* counts jobs: a helper runs each once */
    int busy;          /* helpers still inside the current job */
    bool stop;
    int threads; /* helpers + 1 */
    helper helpers[TS_MAX_THREADS];

    /* the current job */
    ts_task *task;
    void *context;
    size_t count, grain;
    atomic_size_t next;
};

/* Takes pieces until none is left. */
static void run_pieces(ts_pool *pool, int worker) {
    for (;;) {
        const size_t begin = atomic_fetch_add(&pool->next, 1) * pool->grain;
        if (begin >= pool->count) return;
        const size_t left = pool->count - begin;
        pool->task(pool->context, begin, begin + (left < pool->grain ? left : pool->grain), worker);
    }
}

static void *helper_main(void *argument) {
    const helper *self = argument;
    ts_pool *pool = self->pool;
    unsigned long seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->stop && pool->job == seen) pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->stop) break;
        seen = pool->job;
        pthread_mutex_unlock(&pool->lock);
        run_pieces(pool, self->worker);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0) pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

ts_pool *ts_pool_new(int threads) {
    if (threads < 1) threads = 1;
    if (threads > TS_MAX_THREADS) threads = TS_MAX_THREADS;
    ts_pool *pool = ts_calloc(1, sizeof *pool);
    if (!pool) return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    for (pool->threads = 1; pool->threads < threads; pool->threads++) {
        helper *h = &pool->helpers[pool->threads];
        *h = (helper){.pool = pool, .worker = pool->threads};
        if (pthread_create(&h->thread, NULL, helper_main, h) != 0) break;
    }
    return pool;
}

void ts_pool_free(ts_pool *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i < pool->threads; i++) pthread_join(pool->helpers[i].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    ts_free(pool);
}

int ts_pool_threads(const ts_pool *pool) { return pool ? pool->threads : 1; }

static void run_alone(size_t count, size_t grain, ts_task *task, void *context) {
    for (size_t begin = 0; begin < count; begin += grain)
        task(context, begin, count - begin < grain ? count : begin + grain, 0);
}

void ts_parallel(ts_pool *pool, size_t count, size_t grain, ts_task *task, void *context) {
    if (ts_pool_threads(pool) == 1 || count <= grain) {
        run_alone(count, grain, task, context);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->task = task;
    pool->context = context;
    pool->count = count;
    pool->grain = grain;
    atomic_store(&pool->next, 0);
    pool->busy = pool->threads - 1;
    pool->job++;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    run_pieces(pool, 0);
    pthread_mutex_lock(&pool->lock);
    while (pool->busy > 0) pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

#elif !defined(TS_WITH_HELPERS)

struct ts_pool {
    int threads;
};

ts_pool *ts_pool_new(int threads) {
    (void)threads;
    ts_pool *pool = ts_alloc(sizeof *pool);
    if (pool) pool->threads = 1;
    return pool;
}

void ts_pool_free(ts_pool *pool) { ts_free(pool); }

int ts_pool_threads(const ts_pool *pool) { return pool ? pool->threads : 1; }

void ts_parallel(ts_pool *pool, size_t count, size_t grain, ts_task *task, void *context) {
    (void)pool;
    for (size_t begin = 0; begin < count; begin += grain)
        task(context, begin, count - begin < grain ? count : begin + grain, 0);
}

#endif

bool ts_pool_resize(ts_pool **pool, int threads) {
    if (ts_pool_threads(*pool) == threads) return true;
    ts_pool_free(*pool);
    *pool = threads > 1 ? ts_pool_new(threads) : NULL;
    return *pool || threads <= 1;
}
