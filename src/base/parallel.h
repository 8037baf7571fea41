/* parallel.h - a persistent pool of threads and one way to use it: parallel-for over a range.
 *
 * Results must never depend on the number of threads. Therefore a task computes each index on its own; sums over
 * indices go through fixed blocks whose partial results are combined in order by the caller.
 * A NULL pool, one thread, or a build without threads (plain wasm) runs everything in the caller.
 */
#ifndef TS_BASE_PARALLEL_H
#define TS_BASE_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>

#define TS_MAX_THREADS 64

typedef struct ts_pool ts_pool;

/* Work on indices begin .. end-1. `worker` is 0 .. ts_pool_threads-1 and unique among the tasks running at one time:
 * it selects per-worker scratch. */
typedef void ts_task(void *context, size_t begin, size_t end, int worker);

/* threads - 1 helpers are started (fewer if the system refuses); NULL when memory is out. threads is clamped to
 * 1 .. TS_MAX_THREADS. */
ts_pool *ts_pool_new(int threads);
void ts_pool_free(ts_pool *pool);
/* Makes *pool, which the caller owns, one for `threads` workers: NULL for one, the same as before where it fits already.
 * Where the system refused helpers every call asks it again. False, with *pool NULL, when memory is out. */
bool ts_pool_resize(ts_pool **pool, int threads);
/* The number of workers; 1 for NULL. */
int ts_pool_threads(const ts_pool *pool);
/* Calls task over 0 .. count-1 in pieces that start at multiples of `grain` (>= 1) and hold at most grain indices;
 * returns when all are done. One caller at a time; a task must not call ts_parallel on the same pool. */
void ts_parallel(ts_pool *pool, size_t count, size_t grain, ts_task *task, void *context);

#endif
