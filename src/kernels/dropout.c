/* dropout.c - a mask made from counters: a key per block of values (splitmix64, Steele, Lea & Flood 2014), and from it a
 * word per value (the finalizer of MurmurHash3, Appleby). */
#include "kernels/dropout.h"

#include "kernels/flat.h"

enum { BLOCK = 1024 };

typedef struct dropout_job {
    float *y;
    const float *x;
    size_t n;
    float scale;
    uint32_t limit; /* words below it are dropped */
    uint64_t key;
} dropout_job;

static uint64_t mix64(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint32_t mix32(uint32_t x) {
    x = (x ^ x >> 16) * 0x85ebca6bu;
    x = (x ^ x >> 13) * 0xc2b2ae35u;
    return x ^ x >> 16;
}

static void dropout_task(void *context, size_t begin, size_t end, int worker) {
    const dropout_job *j = context;
    (void)worker;
    for (size_t block = begin; block < end; block++) {
        const size_t first = block * BLOCK, count = j->n - first < BLOCK ? j->n - first : BLOCK;
        const uint32_t key = (uint32_t)(mix64(j->key + block) >> 32);
        const float *x = j->x + first;
        float *y = j->y + first;
        for (size_t i = 0; i < count; i++)
            y[i] = mix32(key + (uint32_t)i * 0x9e3779b9u) < j->limit ? 0.0f : x[i] * j->scale;
    }
}

void ts_dropout(float *y, const float *x, size_t n, float p, uint64_t seed, uint64_t stream, ts_pool *pool) {
    dropout_job j = {.y = y, .x = x, .n = n, .scale = 1 / (1 - p), .key = mix64(mix64(seed) + stream)};
    j.limit = (uint32_t)((double)p * 0x1p32);
    ts_parallel(pool, (n + BLOCK - 1) / BLOCK, 16, dropout_task, &j);
}
