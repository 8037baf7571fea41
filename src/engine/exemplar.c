#include "engine/exemplar.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/gemm.h"
#include "nets/halton.h"

enum {
    RADIUS = TS_EXEMPLAR_RADIUS,
    SIDE = 2 * RADIUS + 1,
    CELLS = TS_EXEMPLAR_CELLS,
    BATCH = 64 /* places compared at a time */
};

#define LOG2_E 1.4426950408889634
#define SIGMA 1.5    /* of the Gaussian, in places */
#define TRUST 0.1F   /* what a guide's latent counts against a known one */
#define FRONT 0.8F   /* places with this share of the best support go together */
#define SOFTNESS 0.1 /* of a draw, per temperature: a match is e times less likely when it is by this share worse */

/* ---- windows ------------------------------------------------------------------------------------------------------- */

/* Where in the area a cell of the window around place p lies; -1 if it lies beyond. */
static int cell_at(const ts_exemplar *e, int p, int cell) {
    const ts_span *a = &e->area;
    const int y = p / a->width + cell / SIDE - RADIUS, x = p % a->width + cell % SIDE - RADIUS;
    return y < 0 || x < 0 || y >= a->height || x >= a->width ? -1 : y * a->width + x;
}

/* Is all of the window there, and known? */
static bool is_candidate(const ts_exemplar *e, int p) {
    for (int cell = 0; cell < CELLS; cell++) {
        const int at = cell_at(e, p, cell);
        if (at < 0 || e->open[at]) return false;
    }
    return true;
}

static size_t row_floats(const ts_exemplar *e) { return (size_t)CELLS * (size_t)(e->dim + 1); }

/* A candidate's row: w z for each cell, then w |z|^2. The product with a place's row is the weighted squared error but for
 * what is the same for all candidates. */
static void fill_candidate(const ts_exemplar *e, int p, float *row) {
    const size_t dim = (size_t)e->dim;
    float *squares = row + CELLS * dim;
    for (int cell = 0; cell < CELLS; cell++, row += dim) {
        const float *z = e->latents + (size_t)cell_at(e, p, cell) * dim, w = e->weight[cell];
        squares[cell] = 0;
        for (size_t i = 0; i < dim; i++) row[i] = w * z[i], squares[cell] += w * z[i] * z[i];
    }
}

/* A place's row: -2 m z for each cell, then m, with trust m. *square: the weighted sum of m |z|^2. */
static void fill_query(const ts_exemplar *e, int p, float *row, float *square) {
    const size_t dim = (size_t)e->dim;
    float *trusts = row + CELLS * dim;
    *square = 0;
    for (int cell = 0; cell < CELLS; cell++, row += dim) {
        const int at = cell_at(e, p, cell);
        const bool guided = at == p || (at >= 0 && e->open[at]);
        const float m = at < 0 ? 0 : guided ? TRUST : 1;
        const float *z = (guided ? e->guide : e->latents) + (size_t)(at < 0 ? p : at) * dim;
        trusts[cell] = m;
        for (size_t i = 0; i < dim; i++) row[i] = -2 * m * z[i], *square += e->weight[cell] * m * z[i] * z[i];
    }
}

/* ---- the start ------------------------------------------------------------------------------------------------- */

void ts_exemplar_free(ts_exemplar *e) {
    ts_free(e->open);
    ts_free(e->candidates);
    ts_free(e->packed);
    ts_free(e->queries);
    ts_free(e->scores);
    ts_free(e->front);
    ts_free(e->chosen);
    ts_free(e->support);
    memset(e, 0, sizeof *e);
}

/* Candidates in Halton order, so that the first ones are spread evenly. */
static tess_status find_candidates(ts_exemplar *e, ts_error *err) {
    const int places = e->area.width * e->area.height;
    int *order = ts_calloc((size_t)places, sizeof *order);
    bool *seen = ts_calloc((size_t)places, sizeof *seen);
    e->candidates = ts_calloc((size_t)places, sizeof *e->candidates);
    const bool room = order && seen && e->candidates;
    if (room) {
        ts_halton_order(e->area.height, e->area.width, order, seen);
        for (int i = 0; i < places && e->count < TS_EXEMPLAR_CANDIDATES; i++)
            if (is_candidate(e, order[i])) e->candidates[e->count++] = order[i];
    }
    if (e->count < TS_EXEMPLAR_LEAST) e->count = 0;
    ts_free(order);
    ts_free(seen);
    return room ? TESS_OK : ts_fail_memory(err, (size_t)places * 9);
}

static tess_status pack_candidates(ts_exemplar *e, ts_error *err) {
    const size_t k = row_floats(e), n = (size_t)e->count;
    float *rows = ts_alloc_floats(k * n);
    e->packed = ts_alloc_floats(ts_gemm_packed((int)k, e->count));
    e->queries = ts_alloc_floats(BATCH * k);
    e->scores = ts_alloc_floats(BATCH * n);
    const bool room = rows && e->packed && e->queries && e->scores;
    for (int i = 0; room && i < e->count; i++) fill_candidate(e, e->candidates[i], rows + (size_t)i * k);
    if (room) ts_gemm_pack(e->packed, rows, (int)k, e->count, 1, k);
    ts_free(rows);
    return room ? TESS_OK : ts_fail_memory(err, 2 * k * n * sizeof(float));
}

tess_status ts_exemplar_init(ts_exemplar *e, ts_span area, int columns, int dim, float *latents, const float *guide,
                             const uint8_t *open, double temperature, uint64_t seed, ts_error *err) {
    const size_t places = (size_t)area.width * (size_t)area.height;
    *e = (ts_exemplar){.area = area,
                       .dim = dim,
                       .latents = latents,
                       .guide = guide,
                       .temperature = temperature,
                       .rng = ts_rng_new(seed, 1),
                       .open = ts_calloc(places, 1),
                       .front = ts_calloc(places, sizeof *e->front),
                       .chosen = ts_calloc(places, sizeof *e->chosen),
                       .support = ts_alloc_floats(places)};
    if (!e->open || !e->front || !e->chosen || !e->support) return ts_fail_memory(err, places * 13);
    for (int y = 0; y < area.height; y++)
        for (int x = 0; x < area.width; x++) {
            const bool is_open = open[(size_t)(area.y + y) * (size_t)columns + (size_t)(area.x + x)] != 0;
            e->open[(size_t)y * (size_t)area.width + (size_t)x] = is_open;
            e->total += is_open;
        }
    e->left = e->total;
    for (int cell = 0; cell < CELLS; cell++) {
        const int y = cell / SIDE - RADIUS, x = cell % SIDE - RADIUS;
        e->weight[cell] = (float)exp2(-(y * y + x * x) / (2 * SIGMA * SIGMA) * LOG2_E);
    }
    const tess_status status = find_candidates(e, err);
    return status || e->count == 0 ? status : pack_candidates(e, err);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* The share of a place's window that is settled. */
static float support_of(const ts_exemplar *e, int p) {
    float settled = 0, all = 0;
    for (int cell = 0; cell < CELLS; cell++) {
        const int at = cell_at(e, p, cell);
        if (at < 0) continue;
        all += e->weight[cell];
        if (!e->open[at]) settled += e->weight[cell];
    }
    return settled / all;
}

/* The open places with the most support. */
static void find_front(ts_exemplar *e) {
    const int places = e->area.width * e->area.height;
    float most = 0;
    for (int p = 0; p < places; p++) {
        if (!e->open[p]) continue;
        e->support[p] = support_of(e, p);
        most = fmaxf(most, e->support[p]);
    }
    e->front_count = e->at = 0;
    for (int p = 0; p < places; p++)
        if (e->open[p] && e->support[p] >= FRONT * most) e->front[e->front_count++] = p;
}

/* The number of one of the best candidates by their scores; the first of equal ones is the better. */
static int pick(ts_exemplar *e, const float *scores, float square) {
    int best[TS_EXEMPLAR_BEST] = {0}, count = 0;
    const int most = e->temperature > 0 ? TS_EXEMPLAR_BEST : 1;
    for (int i = 0; i < e->count; i++) {
        if (count == most && scores[i] >= scores[best[count - 1]]) continue;
        int at = count < most ? count++ : count - 1;
        for (; at > 0 && scores[i] < scores[best[at - 1]]; at--) best[at] = best[at - 1];
        best[at] = i;
    }
    if (most == 1) return best[0];
    double weights[TS_EXEMPLAR_BEST], total = 0;
    const double least = fmax(1e-9, (double)(scores[best[0]] + square));
    for (int i = 0; i < count; i++) {
        const double worse = (double)(scores[best[i]] - scores[best[0]]) / least;
        total += weights[i] = exp2(-worse / (SOFTNESS * e->temperature) * LOG2_E);
    }
    double left = (double)ts_rng_uniform(&e->rng) * total;
    int i = 0;
    while (i + 1 < count && left >= weights[i]) left -= weights[i++];
    return best[i];
}

/* Compares the next places of the front with all candidates. */
static void match(ts_exemplar *e, ts_pool *pool) {
    const size_t k = row_floats(e), n = (size_t)e->count;
    const int count = e->front_count - e->at < BATCH ? e->front_count - e->at : BATCH;
    float squares[BATCH];
    for (int i = 0; i < count; i++) fill_query(e, e->front[e->at + i], e->queries + (size_t)i * k, &squares[i]);
    ts_gemm(e->scores, n, e->queries, k, e->packed, NULL, (size_t)count, (int)k, e->count, pool);
    for (int i = 0; i < count; i++)
        e->chosen[e->at + i] = e->candidates[pick(e, e->scores + (size_t)i * n, squares[i])];
    e->at += count;
}

/* Settles the front, whose places did not see each other. */
static void settle(ts_exemplar *e) {
    const size_t dim = (size_t)e->dim;
    for (int i = 0; i < e->front_count; i++) {
        memcpy(e->latents + (size_t)e->front[i] * dim, e->latents + (size_t)e->chosen[i] * dim, dim * sizeof(float));
        e->open[e->front[i]] = 0;
    }
    e->left -= e->front_count;
    e->front_count = e->at = 0;
}

tess_status ts_exemplar_step(ts_exemplar *e, ts_pool *pool) {
    if (e->left == 0) return TESS_DONE;
    if (e->front_count == 0) find_front(e);
    match(e, pool);
    if (e->at == e->front_count) settle(e);
    return e->left ? TESS_MORE : TESS_DONE;
}
