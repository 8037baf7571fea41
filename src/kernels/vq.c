/* vq.c - nearest code search on the register tile, and codebook statistics.
 *
 * Packed form: panels of the negated codes [dim][codes] as in gemm.h, then half the cost of every code, padded with
 * infinity to whole panels. A tile started from the half costs ends as cost/2 - x.e for TS_MR rows by TS_NR codes.
 */
#include "kernels/vq.h"

#include <stdbool.h>
#include <string.h>

#include "kernels/gemm.h"
#include "kernels/tile.h"

static size_t padded_codes(int codes) { return ((size_t)codes + TS_NR - 1) / TS_NR * TS_NR; }

size_t ts_vq_packed(int codes, int dim) { return ts_gemm_packed(dim, codes) + padded_codes(codes); }

void ts_vq_pack(float *packed, const float *codebook, const float *bits, float lambda, int codes, int dim) {
    const size_t panels = ts_gemm_packed(dim, codes);
    float *half = packed + panels;
    ts_gemm_pack(packed, codebook, dim, codes, 1, (size_t)dim);
    for (size_t i = 0; i < panels; i++) packed[i] = -packed[i];
    for (size_t k = 0; k < padded_codes(codes); k++) half[k] = INFINITY;
    for (int k = 0; k < codes; k++) {
        const float *e = codebook + (size_t)k * (size_t)dim;
        double cost = bits ? (double)lambda * (double)bits[k] : 0;
        for (int d = 0; d < dim; d++) cost += (double)e[d] * (double)e[d];
        half[k] = (float)(cost / 2);
    }
}

typedef struct search {
    uint16_t *index;
    float *score;
    const float *x, *packed;
    size_t ldx;
    int codes, dim, keep;
} search;

/* Half costs of rows [row, row + count) against the panel that starts at code `first`. */
static int score_panel(const search *s, size_t row, size_t count, int first, float scores[TS_MR][TS_NR]) {
    const int vectors = ts_panel_vectors(s->codes, first);
    ts_tile tile;
    for (size_t i = 0; i < TS_MR; i++) {
        tile.a[i] = s->x + (row + (i < count ? i : count - 1)) * s->ldx;
        tile.c[i] = scores[i];
    }
    const float *half = s->packed + ts_gemm_packed(s->dim, s->codes);
    ts_tile_rows(&tile, vectors, 1, s->dim, (size_t)s->dim, s->packed + (size_t)first * (size_t)s->dim, half + first);
    return vectors;
}

/* ---- the nearest code --------------------------------------------------------------------------------------- */
enum { GROUPS = 16 };

/* The lowest cost per lane and its code (as a float: exact up to 2^24). */
typedef struct lanes {
    float cost[TS_MR][TS_VF], code[TS_MR][TS_VF];
} lanes;

static void lower(lanes *best, float scores[TS_MR][TS_NR], int vectors, int first) {
    float ramp[TS_VF];
    for (int i = 0; i < TS_VF; i++) ramp[i] = (float)(first + i);
    for (int r = 0; r < TS_MR; r++) {
        vf cost = vf_load(best->cost[r]), code = vf_load(best->code[r]), here = vf_load(ramp);
        for (int j = 0; j < vectors; j++) {
            const vf c = vf_load(scores[r] + j * TS_VF);
            const vm less = vf_lt(c, cost);
            cost = vf_select(less, c, cost);
            code = vf_select(less, here, code);
            here = vf_add(here, vf_set1(TS_VF));
        }
        vf_store(best->cost[r], cost);
        vf_store(best->code[r], code);
    }
}

/* The lowest of a row's lanes. */
static void settle(const search *s, size_t row, const lanes *best, size_t r) {
    int lane = 0;
    for (int i = 1; i < TS_VF; i++) {
        const float c = best->cost[r][i], least = best->cost[r][lane];
        if (c < least || (c == least && best->code[r][i] < best->code[r][lane])) lane = i;
    }
    s->index[row] = (uint16_t)best->code[r][lane];
    if (s->score) s->score[row] = 2 * best->cost[r][lane];
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Every panel of codes meets GROUPS tiles of rows before the next one: a large codebook streams through once for all of
 * them. */
static void lookup_task(void *context, size_t begin, size_t end, int worker) {
    const search *s = context;
    lanes best[GROUPS];
    (void)worker;
    for (size_t from = begin; from < end; from += GROUPS * TS_MR) {
        const size_t to = least(end, from + GROUPS * TS_MR);
        for (int r = 0; r < GROUPS * TS_MR; r++) {
            vf_store(best[r / TS_MR].cost[r % TS_MR], vf_set1(INFINITY));
            vf_store(best[r / TS_MR].code[r % TS_MR], vf_set1(0));
        }
        for (int first = 0; first < s->codes; first += TS_NR) {
            for (size_t row = from; row < to; row += TS_MR) {
                float scores[TS_MR][TS_NR];
                const int vectors = score_panel(s, row, least(TS_MR, to - row), first, scores);
                lower(&best[(row - from) / TS_MR], scores, vectors, first);
            }
        }
        for (size_t row = from; row < to; row++) settle(s, row, &best[(row - from) / TS_MR], (row - from) % TS_MR);
    }
}

void ts_vq_lookup(uint16_t *index, float *score, const float *x, size_t ldx, const float *packed, size_t rows,
                  int codes, int dim, ts_pool *pool) {
    search s = {index, score, x, packed, ldx, codes, dim, 1};
    ts_parallel(pool, rows, 16 * TS_MR, lookup_task, &s);
}

/* ---- the best few ------------------------------------------------------------------------------------------- */
static void insert(const search *s, size_t row, float cost, int code) {
    uint16_t *index = s->index + row * (size_t)s->keep;
    float *score = s->score + row * (size_t)s->keep;
    int at = s->keep - 1;
    for (; at > 0 && cost < score[at - 1]; at--) {
        score[at] = score[at - 1];
        index[at] = index[at - 1];
    }
    score[at] = cost;
    index[at] = (uint16_t)code;
}

/* Is any of a panel's scores below the limit? Most panels have none, once the first few candidates are found. */
static bool any_below(const float *scores, int vectors, float limit) {
    const vf bound = vf_set1(limit);
    float marks[TS_VF];
    uint32_t bits[TS_VF], any = 0;
    vf below = vf_zero();
    for (int j = 0; j < vectors; j++) below = vf_select(vf_lt(vf_load(scores + j * TS_VF), bound), vf_set1(1), below);
    vf_store(marks, below);
    memcpy(bits, marks, sizeof bits);
    for (int i = 0; i < TS_VF; i++) any |= bits[i];
    return any != 0;
}

static void best_task(void *context, size_t begin, size_t end, int worker) {
    const search *s = context;
    const size_t keep = (size_t)s->keep;
    (void)worker;
    for (size_t i = begin * keep; i < end * keep; i++) s->index[i] = 0, s->score[i] = INFINITY;
    for (size_t from = begin; from < end; from += GROUPS * TS_MR) {
        const size_t to = least(end, from + GROUPS * TS_MR);
        for (int first = 0; first < s->codes; first += TS_NR) {
            const int columns = s->codes - first < TS_NR ? s->codes - first : TS_NR;
            for (size_t row = from; row < to; row += TS_MR) {
                const size_t count = least(TS_MR, to - row);
                float scores[TS_MR][TS_NR];
                const int vectors = score_panel(s, row, count, first, scores);
                for (size_t r = 0; r < count; r++) {
                    const float *worst = &s->score[(row + r + 1) * keep - 1];
                    if (!any_below(scores[r], vectors, *worst)) continue;
                    for (int j = 0; j < columns; j++)
                        if (scores[r][j] < *worst) insert(s, row + r, scores[r][j], first + j);
                }
            }
        }
    }
    for (size_t i = begin * keep; i < end * keep; i++) s->score[i] *= 2;
}

void ts_vq_best(uint16_t *index, float *score, int keep, const float *x, size_t ldx, const float *packed, size_t rows,
                int codes, int dim, ts_pool *pool) {
    search s = {index, score, x, packed, ldx, codes, dim, keep};
    ts_parallel(pool, rows, 16 * TS_MR, best_task, &s);
}

/* ---- statistics and back ------------------------------------------------------------------------------------ */
void ts_vq_accumulate(float *count, float *sum, const uint16_t *index, const float *x, size_t ldx, size_t rows,
                      int dim) {
    for (size_t r = 0; r < rows; r++) {
        float *s = sum + (size_t)index[r] * (size_t)dim;
        count[index[r]] += 1;
        for (int d = 0; d < dim; d++) s[d] += x[r * ldx + (size_t)d];
    }
}

typedef struct gathering {
    float *y;
    const float *codebook;
    const uint16_t *index;
    size_t ldy, dim;
    int accumulate;
} gathering;

static void gather_task(void *context, size_t begin, size_t end, int worker) {
    const gathering *g = context;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        const float *e = g->codebook + (size_t)g->index[r] * g->dim;
        float *y = g->y + r * g->ldy;
        for (size_t d = 0; d < g->dim; d++) y[d] = g->accumulate ? y[d] + e[d] : e[d];
    }
}

void ts_vq_gather(float *y, size_t ldy, const float *codebook, const uint16_t *index, size_t rows, int dim,
                  int accumulate, ts_pool *pool) {
    gathering g = {y, codebook, index, ldy, (size_t)dim, accumulate};
    ts_parallel(pool, rows, 1024, gather_task, &g);
}
