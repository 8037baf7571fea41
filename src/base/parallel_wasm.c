/* parallel_wasm.c - the pool of a WebAssembly module with shared memory.
 *
 * There is no pthread library: a helper is a JavaScript worker that instantiates the same module on the same memory,
 * sets its own stack, calls ts_helper_run and stays there until it is told to leave (web/crew.js). Helpers therefore
 * belong to the memory, not to a handle, which is why this file holds the library's one static object.
 *
 * A job is run by whoever comes: pieces are claimed by compare-and-swap of (job number, next piece), so nobody waits for
 * a helper that sleeps or has died between jobs, and one that comes late finds its job over. A helper that dies inside a
 * piece stops the core with a trap, from JavaScript if it can tell (ts_helper_lost), else by PATIENCE.
 */
#include "base/parallel.h"

#ifdef TS_WITH_HELPERS

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"

enum {
    SPINS = 3000,    /* looks at a counter before sleeping on it: some ten microseconds */
    PATIENCE = 6,    /* waits without a finished piece before a helper counts as dead */
    CLOSED = 1 << 30 /* a next piece that no job has */
};

static const int64_t WAIT_NS = INT64_C(5000000000);

static struct {
    atomic_ullong claim; /* job number << 32 | next piece */
    atomic_uint job;     /* number of the job that is open: helpers sleep on it */
    atomic_uint done;    /* pieces of it that are finished: the caller sleeps on it */
    atomic_uint sleepers;
    atomic_bool caller_waits, lost;
    /* the job: changed only while `claim` is closed */
    ts_task *task;
    void *context;
    size_t count, grain;
    unsigned pieces;
    int threads;
} crew;

struct ts_pool {
    int threads;
};

void ts_helper_run(int worker);
void ts_helper_lost(void);

static void sleep_on(atomic_uint *counter, unsigned seen, int64_t ns) {
    __builtin_wasm_memory_atomic_wait32((int *)counter, (int)seen, ns);
}

static void wake(atomic_uint *counter) { __builtin_wasm_memory_atomic_notify((int *)counter, TS_MAX_THREADS); }

/* Takes pieces of job `number` until none is left. What is read of a job holds if the claim after it succeeds. */
static void run_pieces(unsigned number, int worker) {
    for (;;) {
        unsigned long long claim = atomic_load(&crew.claim);
        const unsigned piece = (unsigned)claim;
        ts_task *task = crew.task;
        void *context = crew.context;
        const size_t count = crew.count, grain = crew.grain;
        const unsigned pieces = crew.pieces;
        if ((unsigned)(claim >> 32) != number || piece >= pieces || worker >= crew.threads) return;
        if (!atomic_compare_exchange_strong(&crew.claim, &claim, claim + 1)) continue;
        const size_t begin = piece * grain;
        task(context, begin, count - begin < grain ? count : begin + grain, worker);
        if (atomic_fetch_add(&crew.done, 1) + 1 == pieces && atomic_load(&crew.caller_waits)) wake(&crew.done);
    }
}

/* Called by a helper's instance, as worker number 1, 2 and so on; never returns. */
void ts_helper_run(int worker) {
    unsigned seen = 0;
    for (;;) {
        unsigned now = seen;
        for (int i = 0; i < SPINS && now == seen; i++) now = atomic_load(&crew.job);
        if (now == seen) {
            atomic_fetch_add(&crew.sleepers, 1);
            sleep_on(&crew.job, seen, -1);
            atomic_fetch_sub(&crew.sleepers, 1);
            continue;
        }
        seen = now;
        run_pieces(seen, worker);
    }
}

/* A helper failed inside a task: its piece is missing, and the caller must not go on. */
void ts_helper_lost(void) {
    atomic_store(&crew.lost, true);
    wake(&crew.done);
}

ts_pool *ts_pool_new(int threads) {
    ts_pool *pool = ts_alloc(sizeof *pool);
    if (pool) pool->threads = threads < 1 ? 1 : threads > TS_MAX_THREADS ? TS_MAX_THREADS : threads;
    return pool;
}

void ts_pool_free(ts_pool *pool) { ts_free(pool); }

int ts_pool_threads(const ts_pool *pool) { return pool ? pool->threads : 1; }

static void wait_for(unsigned pieces) {
    for (int i = 0; i < SPINS; i++)
        if (atomic_load(&crew.done) == pieces) return;
    atomic_store(&crew.caller_waits, true);
    unsigned seen = atomic_load(&crew.done);
    for (int idle = 0; seen != pieces;) {
        if (atomic_load(&crew.lost) || idle == PATIENCE) __builtin_trap();
        sleep_on(&crew.done, seen, WAIT_NS);
        const unsigned now = atomic_load(&crew.done);
        idle = now == seen ? idle + 1 : 0;
        seen = now;
    }
    atomic_store(&crew.caller_waits, false);
}

void ts_parallel(ts_pool *pool, size_t count, size_t grain, ts_task *task, void *context) {
    const size_t pieces = count / grain + (count % grain != 0);
    if (ts_pool_threads(pool) == 1 || pieces <= 1) {
        for (size_t begin = 0; begin < count; begin += grain)
            task(context, begin, count - begin < grain ? count : begin + grain, 0);
        return;
    }
    const unsigned number = atomic_load(&crew.job) + 1;
    const unsigned long long open = (unsigned long long)number << 32;
    atomic_store(&crew.claim, open | CLOSED);
    crew.task = task;
    crew.context = context;
    crew.count = count;
    crew.grain = grain;
    crew.pieces = (unsigned)pieces;
    crew.threads = pool->threads;
    atomic_store(&crew.done, 0);
    atomic_store(&crew.claim, open);
    atomic_store(&crew.job, number);
    if (atomic_load(&crew.sleepers)) wake(&crew.job);
    run_pieces(number, 0);
    wait_for((unsigned)pieces);
}

#endif
