/* embed.c - rows of a table by ids. */
#include "kernels/embed.h"

#include "kernels/flat.h"

enum { PLACES = 32, CHUNK = 64 }; /* places and, going back, channels per task */

typedef struct embed_job {
    ts_embed embed;
    float *to;
    const float *from;
} embed_job;

/* The row that an id names; false: it counts for nothing. */
static bool row_of(const ts_embed *e, float id, size_t *row) {
    if (!(id > -0.5f)) return false;
    *row = id < (float)(e->rows - 1) ? (size_t)(id + 0.5f) : e->rows - 1;
    return true;
}

static float share_of(const ts_embed *e, const float *ids) {
    size_t count = 0, row;
    for (size_t k = 0; k < e->each; k++) count += row_of(e, ids[k], &row);
    return e->mean && count ? 1 / (float)count : 1;
}

static void add_scaled(float *to, const float *from, float scale, size_t channels) {
    const vf s = vf_set1(scale);
    TS_FLAT_LOOP(0, channels)
    vf_store_upto(to + i, vf_madd(vf_load_upto(from + i, n), s, vf_load_upto(to + i, n)), n);
}

static void forward_task(void *context, size_t begin, size_t end, int worker) {
    const embed_job *j = context;
    const ts_embed *e = &j->embed;
    (void)worker;
    for (size_t p = begin; p < end; p++) {
        const float *ids = e->ids + p * e->each, share = share_of(e, ids);
        float *y = j->to + p * e->channels;
        memset(y, 0, e->channels * sizeof *y);
        for (size_t k = 0, row; k < e->each; k++)
            if (row_of(e, ids[k], &row)) add_scaled(y, j->from + row * e->channels, share, e->channels);
    }
}

/* All places, channels begin .. end-1. */
static void backward_task(void *context, size_t begin, size_t end, int worker) {
    const embed_job *j = context;
    const ts_embed *e = &j->embed;
    (void)worker;
    for (size_t p = 0; p < e->places; p++) {
        const float *ids = e->ids + p * e->each, share = share_of(e, ids);
        const float *dy = j->from + p * e->channels + begin;
        for (size_t k = 0, row; k < e->each; k++)
            if (row_of(e, ids[k], &row)) add_scaled(j->to + row * e->channels + begin, dy, share, end - begin);
    }
}

void ts_embed_forward(const ts_embed *embed, float *y, const float *table, ts_pool *pool) {
    embed_job j = {*embed, y, table};
    ts_parallel(pool, embed->places, PLACES, forward_task, &j);
}

void ts_embed_backward(const ts_embed *embed, float *dtable, const float *dy, ts_pool *pool) {
    embed_job j = {*embed, dtable, dy};
    ts_parallel(pool, embed->channels, CHUNK, backward_task, &j);
}
