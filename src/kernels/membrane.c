#include "kernels/membrane.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

enum {
    GRIDS = 18,      /* a side of 65537 halves to 1 in 17 steps */
    MOST_STEPS = 100 /* of conjugate gradients; some 15 are usual */
};

/* A x = b on one grid, A being a net of conductances: (A x)_p = diagonal_p x_p - sum of conductance x_n. Places that are
 * not open have diagonal 0. */
typedef struct grid {
    int height, width;
    size_t places;
    float *right, *down; /* conductances to the neighbour at the right and below; 0 unless both are open */
    float *diagonal;     /* all conductances, those to fixed places too */
    float *x, *b;
} grid;

typedef struct solver {
    grid grids[GRIDS];
    int count;
    float *r, *p, *q; /* of conjugate gradients, on the finest grid */
    float *room;
} solver;

/* ---- grids ------------------------------------------------------------------------------------------------------- */

/* The sizes of all grids; returns the floats that they and conjugate gradients take. */
static size_t lay_out(solver *s, int height, int width) {
    size_t floats = 3 * (size_t)height * (size_t)width;
    for (s->count = 0;; height = (height + 1) / 2, width = (width + 1) / 2) {
        grid *g = &s->grids[s->count++];
        *g = (grid){height, width, (size_t)height * (size_t)width, NULL, NULL, NULL, NULL, NULL};
        floats += 5 * g->places;
        if (height <= 2 && width <= 2) return floats;
    }
}

static void place_arrays(solver *s) {
    float *at = s->room;
    for (int i = 0; i < s->count; i++) {
        grid *g = &s->grids[i];
        float **arrays[] = {&g->right, &g->down, &g->diagonal, &g->x, &g->b};
        for (int k = 0; k < 5; k++, at += g->places) *arrays[k] = at;
    }
    s->r = at;
    s->p = s->r + s->grids[0].places;
    s->q = s->p + s->grids[0].places;
}

/* Conductance 1 between neighbours of which one is open. */
static void connect_finest(grid *g, const uint8_t *open) {
    const size_t w = (size_t)g->width;
    for (size_t p = 0; p < g->places; p++) {
        const bool has_right = (p + 1) % w != 0, has_down = p + w < g->places;
        const int left = p % w != 0, up = p >= w;
        g->right[p] = has_right && open[p] && open[p + 1] ? 1 : 0;
        g->down[p] = has_down && open[p] && open[p + w] ? 1 : 0;
        g->diagonal[p] = open[p] ? (float)(left + up + has_right + has_down) : 0;
    }
}

/* What lies below and right of a fine place: where it belongs on the coarse grid. */
static size_t parent(const grid *fine, const grid *coarse, size_t p) {
    const size_t w = (size_t)fine->width;
    return p / w / 2 * (size_t)coarse->width + p % w / 2;
}

static void connect_coarse(grid *coarse, const grid *fine) {
    const size_t w = (size_t)fine->width;
    for (size_t p = 0; p < fine->places; p++) {
        const size_t to = parent(fine, coarse, p);
        const bool crosses_right = p % w % 2 != 0, crosses_down = p / w % 2 != 0;
        coarse->diagonal[to] += 0.5F * fine->diagonal[p];
        if (crosses_right) coarse->right[to] += 0.5F * fine->right[p];
        else coarse->diagonal[to] -= fine->right[p]; /* within one coarse place: at both of its ends */
        if (crosses_down) coarse->down[to] += 0.5F * fine->down[p];
        else coarse->diagonal[to] -= fine->down[p];
    }
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* Sum of conductance x over the neighbours of p. */
static inline float pull(const grid *g, const float *x, size_t p) {
    const size_t w = (size_t)g->width;
    float sum = g->right[p] * x[p + 1 < g->places ? p + 1 : p] + g->down[p] * x[p + w < g->places ? p + w : p];
    if (p >= 1) sum += g->right[p - 1] * x[p - 1];
    if (p >= w) sum += g->down[p - w] * x[p - w];
    return sum;
}

/* Gauss-Seidel over the places of one colour of a chessboard. */
static void smooth(const grid *g, int colour) {
    for (int y = 0; y < g->height; y++)
        for (int x = (y + colour) % 2; x < g->width; x += 2) {
            const size_t p = (size_t)y * (size_t)g->width + (size_t)x;
            if (g->diagonal[p] > 0) g->x[p] = (g->b[p] + pull(g, g->x, p)) / g->diagonal[p];
        }
}

/* x <- about A^-1 b, from x = 0, on grid i: a symmetric cycle. */
static void cycle(solver *s, int i) {
    const grid *g = &s->grids[i];
    memset(g->x, 0, g->places * sizeof *g->x);
    const int sweeps = i + 1 == s->count ? 8 : 1; /* of the coarsest, four places, to its solution */
    for (int k = 0; k < sweeps; k++) smooth(g, 0), smooth(g, 1);
    if (i + 1 < s->count) {
        const grid *coarse = &s->grids[i + 1];
        memset(coarse->b, 0, coarse->places * sizeof *coarse->b);
        for (size_t p = 0; p < g->places; p++)
            if (g->diagonal[p] > 0)
                coarse->b[parent(g, coarse, p)] += g->b[p] + pull(g, g->x, p) - g->diagonal[p] * g->x[p];
        cycle(s, i + 1);
        for (size_t p = 0; p < g->places; p++)
            if (g->diagonal[p] > 0) g->x[p] += coarse->x[parent(g, coarse, p)];
    }
    for (int k = 0; k < sweeps; k++) smooth(g, 1), smooth(g, 0);
}

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* ---- one channel ------------------------------------------------------------------------------------------------- */

/* r <- what is missing to each open place's balance: sum over its neighbours of u_n - u_p. */
static void start(const solver *s, const float *u, const uint8_t *open, int channels) {
    const grid *g = &s->grids[0];
    const size_t w = (size_t)g->width, step = (size_t)channels;
    for (size_t p = 0; p < g->places; p++) {
        float sum = 0;
        if (open[p]) {
            sum = -g->diagonal[p] * u[p * step];
            if (p % w) sum += u[(p - 1) * step];
            if ((p + 1) % w) sum += u[(p + 1) * step];
            if (p >= w) sum += u[(p - w) * step];
            if (p + w < g->places) sum += u[(p + w) * step];
        }
        s->r[p] = sum;
    }
}

/* z (the finest grid's x) <- preconditioned r; true when it, about the error, is within the tolerance everywhere. */
static bool precondition(solver *s, float tolerance) {
    const grid *g = &s->grids[0];
    memcpy(g->b, s->r, g->places * sizeof *g->b);
    cycle(s, 0);
    float most = 0;
    for (size_t p = 0; p < g->places; p++) most = fmaxf(most, fabsf(g->x[p]));
    return most <= tolerance;
}

static void solve(solver *s, float *u, const uint8_t *open, int channels, float tolerance) {
    const grid *g = &s->grids[0];
    start(s, u, open, channels);
    if (precondition(s, tolerance)) return;
    memcpy(s->p, g->x, g->places * sizeof *s->p);
    double rz = dot(s->r, g->x, g->places);
    for (int step = 0; step < MOST_STEPS && rz > 0; step++) {
        for (size_t p = 0; p < g->places; p++)
            s->q[p] = g->diagonal[p] > 0 ? g->diagonal[p] * s->p[p] - pull(g, s->p, p) : 0;
        const float along = (float)(rz / dot(s->p, s->q, g->places));
        for (size_t p = 0; p < g->places; p++) {
            s->r[p] -= along * s->q[p];
            if (open[p]) u[p * (size_t)channels] += along * s->p[p];
        }
        if (precondition(s, tolerance)) return;
        const double next = dot(s->r, g->x, g->places);
        const float keep = (float)(next / rz);
        for (size_t p = 0; p < g->places; p++) s->p[p] = g->x[p] + keep * s->p[p];
        rz = next;
    }
}

tess_status ts_membrane(float *u, const uint8_t *open, int height, int width, int channels, float tolerance,
                        ts_error *err) {
    const size_t places = (size_t)height * (size_t)width;
    size_t count = 0;
    for (size_t p = 0; p < places; p++) count += open[p] != 0;
    if (count == 0 || count == places) return TESS_OK;
    solver s;
    const size_t floats = lay_out(&s, height, width);
    s.room = ts_calloc(floats, sizeof(float));
    if (!s.room) return ts_fail_memory(err, floats * sizeof(float));
    place_arrays(&s);
    connect_finest(&s.grids[0], open);
    for (int i = 1; i < s.count; i++) connect_coarse(&s.grids[i], &s.grids[i - 1]);
    for (int c = 0; c < channels; c++) solve(&s, u + c, open, channels, tolerance);
    ts_free(s.room);
    return TESS_OK;
}
