/* entropy_fit.c - learns the tables that sections start from. */
#include "base/alloc.h"
#include "codec/entropy_level.h"

#include <string.h>

enum {
    LEAN = 2, /* bits that the probability leaned on counts for */
    WEIGHT_PASSES = 2,
    FOLDS = 8
};

typedef struct fit {
    ts_entropy_model *model; /* its level `level` is what we learn */
    ts_entropy_coder *coder;
    int level;
    uint32_t (*seen)[2]; /* zeros and ones that each counter met */
} fit;

static void count_decision(fit *f, const ts_token_contexts *contexts, int depth, uint32_t node, int bit,
                           uint32_t step) {
    uint32_t counters[TS_CONTEXTS];
    ts_entropy_counters(&f->model->layout[f->level], contexts, depth, node, counters);
    for (int c = 0; c < TS_CONTEXTS; c++) f->seen[counters[c]][bit] += step;
}

static void count_token(fit *f, const ts_token_contexts *contexts, uint32_t symbol, uint32_t step) {
    const ts_entropy_level *layout = &f->model->layout[f->level];
    int hit = layout->flag && symbol == layout->frequent;
    if (layout->flag) count_decision(f, contexts, 0, 0, hit, step);
    for (int depth = layout->flag; depth < layout->depths && !hit; depth++) {
        uint32_t half = 1u << (layout->depths - 1 - depth), first = symbol & ~(2 * half - 1);
        if (ts_entropy_reachable(layout, first, half) && ts_entropy_reachable(layout, first + half, half))
            count_decision(f, contexts, depth, first / half / 2, (symbol & half) != 0, step);
    }
}

static uint16_t token_of(const fit *f, const ts_token_view *tile, int y, int x) {
    return tile->tokens[(size_t)f->level * tile->level_stride + (size_t)y * tile->row_stride + (size_t)x];
}

/* Adds (step 1) or takes away (step -1) what tiles from..to-1 show. */
static void count_tiles(fit *f, const ts_token_view *tiles, int from, int to, uint32_t step) {
    ts_token_contexts contexts;
    for (int t = from; t < to; t++)
        for (int y = 0; y < tiles[t].height; y++)
            for (int x = 0; x < tiles[t].width; x++) {
                ts_entropy_contexts(f->model, f->level, &tiles[t], y, x, &contexts);
                count_token(f, &contexts, token_of(f, &tiles[t], y, x), step);
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

/* The log-odds of a 1 after `zeros` and `ones`, with two more bits of probability `lean` (of 65536). */
static int8_t odds_of(const ts_context_tables *tables, uint32_t zeros, uint32_t ones, uint32_t lean) {
    uint64_t all = (uint64_t)zeros + ones + LEAN;
    uint32_t p = (uint32_t)((((uint64_t)ones << 16) + (uint64_t)lean * LEAN) / all);
    int32_t odds = (tables->stretch[p >> 4 > 4095 ? 4095 : p >> 4] + 8) >> 4;
    return (int8_t)(odds < -127 ? -127 : odds > 127 ? 127 : odds);
}

/* Odds from what was seen. A context leans on context 0, the node alone, which leans on 1/2. */
static void set_odds(fit *f) {
    const ts_entropy_level *layout = &f->model->layout[f->level];
    const ts_context_tables *tables = &f->model->tables;
    for (int depth = 0; depth < layout->depths; depth++) {
        uint32_t nodes = 1u << (depth > layout->flag ? depth - layout->flag : 0), root = layout->place[depth][0];
        for (int c = 0; c < TS_CONTEXTS; c++) {
            uint32_t first = layout->place[depth][c], plain = c == 0 || c == TS_CONTEXTS - 1;
            uint32_t counters = c == TS_CONTEXTS - 1 ? TS_AGREEMENTS : nodes << layout->width[depth][c];
            for (uint32_t i = 0; i < counters; i++) {
                int8_t above = f->model->odds[f->level][root + (i & (nodes - 1))];
                f->model->odds[f->level][first + i] = odds_of(tables, f->seen[first + i][0], f->seen[first + i][1],
                                                              plain ? 32768 : tables->squash[2048 + above * 16]);
            }
        }
    }
    ts_entropy_start(f->model, f->level);
}

/* Codes tiles from..to-1 as files would be, but keeps the weights from tile to tile. */
static tess_status learn_weights(fit *f, const ts_token_view *tiles, int from, int to, ts_error *err) {
    size_t weights = (size_t)f->model->layout[f->level].depths * TS_INPUTS;
    tess_status status = TESS_OK;
    for (int t = from; t < to && status == TESS_OK; t++) {
        const uint8_t *bytes;
        size_t size;
        status = ts_entropy_encode(f->coder, f->level, &tiles[t], &bytes, &size, err);
        memcpy(f->model->weights[f->level], f->coder->weights, weights * sizeof *f->coder->weights);
    }
    return status;
}

/* Counters from all tiles. Weights from tiles that the counters have not seen, or they would trust them too much: the
 * tiles are cut in folds, and each fold is coded with counters from all the others. */
static tess_status learn(fit *f, int count, const ts_token_view *tiles, uint8_t *table, ts_error *err) {
    tess_status status = find_frequent(f, count, tiles, err);
    if (status < 0) return status;
    int folds = count < FOLDS ? count : FOLDS;
    count_tiles(f, tiles, 0, count, 1);
    for (int i = 0; i < WEIGHT_PASSES * folds && status == TESS_OK; i++) {
        int from = (int)((int64_t)(i % folds) * count / folds), to = (int)((int64_t)(i % folds + 1) * count / folds);
        count_tiles(f, tiles, from, to, (uint32_t)-1);
        set_odds(f);
        status = learn_weights(f, tiles, from, to, err);
        count_tiles(f, tiles, from, to, 1);
    }
    set_odds(f);
    if (status == TESS_OK) ts_entropy_pack(f->model, f->level, table);
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
    if (status == TESS_OK) status = ts_entropy_coder_new(&f.coder, f.model, false, err);
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
