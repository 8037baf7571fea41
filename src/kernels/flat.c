/* flat.c - sums in fixed blocks. */
#include "kernels/flat.h"

typedef struct blocks {
    double partial[TS_SUM_BLOCKS][TS_SUM_TERMS];
    size_t size, items;
    ts_block_sum *block;
    void *context;
} blocks;

static void blocks_task(void *context, size_t begin, size_t end, int worker) {
    blocks *b = context;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        const size_t first = i * b->size, left = b->items - first;
        b->block(b->context, first, first + (left < b->size ? left : b->size), b->partial[i]);
    }
}

/* `least`: items per block at least, and what block sizes are multiples of. */
void ts_sum_blocks(double *total, int terms, size_t items, size_t least, ts_block_sum *block, void *context,
                   ts_pool *pool) {
    blocks b = {.items = items, .block = block, .context = context};
    const size_t units = (items + least - 1) / least;
    b.size = (units + TS_SUM_BLOCKS - 1) / TS_SUM_BLOCKS * least;
    const size_t count = b.size ? (items + b.size - 1) / b.size : 0;
    ts_parallel(pool, count, 1, blocks_task, &b);
    for (int t = 0; t < terms; t++) {
        total[t] = 0;
        for (size_t i = 0; i < count; i++) total[t] += b.partial[i][t];
    }
}
