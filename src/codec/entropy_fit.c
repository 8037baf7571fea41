/* entropy_fit.c - learns the tables that sections start from. */
#include "base/alloc.h"
#include "codec/entropy_level.h"

#include <string.h>

#ifndef F_CAP
#define F_CAP 96
#endif
#ifndef F_PRIOR
#define F_PRIOR 2
#endif
#ifndef F_PASSES
#define F_PASSES 2
#endif
enum {
    CONFIDENCE = F_CAP, /* bits that a start probability counts for at most */
    PRIOR = F_PRIOR,    /* bits that the order-0 probability counts for in a context's */
    WEIGHT_PASSES = F_PASSES
};

typedef struct fit {
    ts_entropy_model *model; /* its level `level` is what we learn */
    ts_entropy_coder *coder;
    int level;
    uint32_t (*seen)[2]; /* zeros and ones that each counter met */
} fit;

static void count_decision(fit *f, const ts_token_contexts *contexts, int depth, uint32_t node, int bit) {
    for (int c = 0; c < TS_CONTEXTS; c++)
        f->seen[ts_entropy_counter(&f->model->layout[f->level], contexts, depth, node, c)][bit]++;
}

static void count_token(fit *f, const ts_token_contexts *contexts, uint32_t symbol) {
    const ts_entropy_level *layout = &f->model->layout[f->level];
    int hit = layout->flag && symbol == layout->frequent;
    if (layout->flag) count_decision(f, contexts, 0, 0, hit);
    for (int depth = layout->flag; depth < layout->depths && !hit; depth++) {
        uint32_t half = 1u << (layout->depths - 1 - depth), first = symbol & ~(2 * half - 1);
        if (ts_entropy_reachable(layout, first, half) && ts_entropy_reachable(layout, first + half, half))
            count_decision(f, contexts, depth, first / half / 2, (symbol & half) != 0);
    }
}

static uint16_t token_of(const fit *f, const ts_token_view *tile, int y, int x) {
    return tile->tokens[(size_t)f->level * tile->level_stride + (size_t)y * tile->row_stride + (size_t)x];
}

static void count_tile(fit *f, const ts_token_view *tile) {
    ts_token_contexts contexts;
    for (int y = 0; y < tile->height; y++)
        for (int x = 0; x < tile->width; x++) {
            ts_entropy_contexts(&f->model->layout[f->level], f->model->bits, tile, y, x, &contexts);
            count_token(f, &contexts, token_of(f, tile, y, x));
        }
}

/* The most frequent token. Errors: MEMORY. */
static tess_status find_frequent(fit *f, int count, const ts_token_view *tiles, ts_error *err) {
    ts_entropy_level *layout = &f->model->layout[f->level];
    uint32_t *histogram = ts_calloc((size_t)1 << layout->bits, sizeof *histogram);
    if (!histogram) return ts_fail_memory(err, sizeof *histogram << layout->bits);
    for (int t = 0; t < count; t++)
        for (int y = 0; y < tiles[t].height; y++)
            for (int x = 0; x < tiles[t].width; x++) histogram[token_of(f, &tiles[t], y, x)]++;
    for (uint32_t i = 0; i < (uint32_t)layout->size; i++)
        if (histogram[i] > histogram[layout->frequent]) layout->frequent = i;
    ts_free(histogram);
    return TESS_OK;
}

/* Start states from what was seen: a context's probability leans on that of context 0 (the node alone). */
static void set_counters(fit *f) {
    const ts_entropy_level *layout = &f->model->layout[f->level];
    for (int depth = 0; depth < layout->depths; depth++) {
        uint32_t nodes = 1u << (depth > layout->flag ? depth - layout->flag : 0);
        for (int c = 0; c < TS_CONTEXTS; c++)
            for (uint32_t i = 0; i < nodes << layout->width[depth][c]; i++) {
                uint32_t at = layout->place[depth][c] + i, root = layout->place[depth][0] + (i & (nodes - 1));
                uint64_t zeros = f->seen[at][0], ones = f->seen[at][1], all = zeros + ones;
                uint64_t root_all = (uint64_t)f->seen[root][0] + f->seen[root][1] + 1;
                uint64_t root_p = (((uint64_t)f->seen[root][1] * 2 + 1) << 21) / root_all;
                uint64_t p = ((ones << 22) + root_p * PRIOR) / (all + PRIOR);
                if (p > (1 << 22) - 512) p = (1 << 22) - 512;
                if (p < 512) p = 512;
                f->model->counters[f->level][at] = (uint32_t)p << 10 | (uint32_t)(all < CONFIDENCE ? all : CONFIDENCE);
            }
    }
}

static tess_status learn(fit *f, int count, const ts_token_view *tiles, uint8_t *table, ts_error *err) {
    const uint8_t *bytes;
    size_t size;
    tess_status status = find_frequent(f, count, tiles, err);
    for (int t = 0; t < count && status == TESS_OK; t++) count_tile(f, &tiles[t]);
    set_counters(f);
    for (int i = 0; i < WEIGHT_PASSES * count && status == TESS_OK; i++) {
        status = ts_entropy_encode(f->coder, f->level, &tiles[i % count], &bytes, &size, err);
        if (status == TESS_OK)
            memcpy(f->model->weights[f->level], f->coder->weights,
                   (size_t)f->model->layout[f->level].depths * TS_INPUTS * sizeof *f->coder->weights);
    }
    if (status == TESS_OK)
        ts_entropy_pack(&f->model->layout[f->level], f->model->counters[f->level], f->model->weights[f->level], table);
    return status;
}

tess_status ts_entropy_fit(int level, int levels, const int *sizes, int count, const ts_token_view *tiles,
                           uint8_t *table, ts_error *err) {
    if (level < 0 || level >= levels || count < 1)
        return ts_fail(err, TESS_ERR_OPTION, "There is no level %d, or nothing, to fit tables to.", level);
    fit f = {.level = level};
    tess_status status = ts_entropy_model_new(&f.model, levels, sizes, NULL, NULL, err);
    for (int t = 0; t < count && status == TESS_OK; t++)
        status = ts_entropy_check_tokens(f.model, &tiles[t], 0, level + 1, err);
    if (status == TESS_OK) status = ts_entropy_coder_new(&f.coder, f.model, err);
    if (status == TESS_OK) {
        f.seen = ts_calloc(f.model->layout[level].counters, sizeof *f.seen);
        status = f.seen ? learn(&f, count, tiles, table, err)
                        : ts_fail_memory(err, f.model->layout[level].counters * sizeof *f.seen);
    }
    ts_free(f.seen);
    ts_entropy_coder_free(f.coder);
    ts_entropy_model_free(f.model);
    return status;
}
