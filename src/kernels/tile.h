/* tile.h - the register tiles under every matrix product: TS_MR rows by up to TS_NV vectors of columns. Internal. */
#ifndef TS_KERNELS_TILE_H
#define TS_KERNELS_TILE_H

#include "simd/vec.h"

#include <stddef.h>

/* Where a tile reads and writes. Rows may lie anywhere; a tile with fewer rows repeats a pointer in `a` and aims the
 * spare pointers of `c` at memory that nobody reads. */
typedef struct ts_tile {
    const float *a[TS_MR]; /* start of each row's first segment */
    float *c[TS_MR];       /* nv * TS_VF floats each */
} ts_tile;

/* c[i][j] = start[j] + sum over segments s and k < length of a[i][s * step + k] * panel[(s * length + k) * nv * TS_VF + j],
 * one chain in that order. start: nv * TS_VF floats. nv: 1 .. TS_NV. */
void ts_tile_rows(const ts_tile *tile, int nv, int segments, int length, size_t step, const float *panel,
                  const float *start);

/* The same for up to three columns, with lanes along k: c[i][0 .. 2]. length is a multiple of 8. Eight chains (TS_VF if
 * more), k % 8 each, joined by halves. Weight (k, o) lies at panel[ts_dot_place(length, k, o)]; 3 segments length in all. */
void ts_tile_dots(const ts_tile *tile, int segments, int length, size_t step, const float *panel, const float *start);
size_t ts_dot_place(int length, size_t k, size_t o);

/* Panels: a packed matrix of k rows and n columns is cut into panels of TS_NR columns, each [k][width] (see gemm.h). */
static inline int ts_panel_vectors(int n, int first) { /* vectors of the panel that starts at column `first` */
    const int left = n - first;
    return left >= TS_NR ? TS_NV : (left + TS_VF - 1) / TS_VF;
}
static inline size_t ts_panel_floats(size_t k, int n) { /* of the whole packed matrix */
    return k * (((size_t)n + TS_VF - 1) / TS_VF * TS_VF);
}

/* How ts_tile_columns walks over pixels: `runs` runs of `length` pixels. A pixel is a_step floats after the one before
 * it, a run a_run floats after the one before; b moves on by b_step for every pixel. */
typedef struct ts_walk {
    int runs, length;
    size_t a_step, a_run, b_step;
} ts_walk;

/* c[i][j] += sum over pixels of a[i] * b[j] for i in [from, TS_MR), j < columns: one chain per output, started at 0.
 * c: rows ldc floats apart. columns: 1 .. TS_NR; a and b are not read beyond TS_MR and `columns` values. */
void ts_tile_columns(float *c, size_t ldc, const float *a, const float *b, const ts_walk *walk, int from, int columns);
/* The same for a single row i = 0. */
void ts_tile_column(float *c, const float *a, const float *b, const ts_walk *walk, int columns);

#endif
