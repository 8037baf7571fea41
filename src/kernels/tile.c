/* tile.c - register tiles, written once for every back end.
 *
 * Per k a tile loads nv vectors of B and broadcasts TS_MR scalars of A straight from memory: TS_MR * nv accumulators,
 * nv of B and one of A have to fit the registers (15 usable XMM in V8: 6x8 with madd, 4x8 with a separate product).
 * TS_STEPS steps of k are written out.
 */
#include "kernels/tile.h"

#define STEP(NV, k)                                                                                                    \
    do {                                                                                                               \
        vf b[NV];                                                                                                      \
        TS_UNROLL for (int j = 0; j < NV; j++) b[j] = vf_load(panel + (NV * (k) + j) * TS_VF);                         \
        TS_UNROLL for (int i = 0; i < TS_MR; i++) {                                                                    \
            const vf a = vf_set1(row[i][k]);                                                                           \
            TS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] = vf_madd(a, b[j], acc[i][j]);                            \
        }                                                                                                              \
    } while (0)

#if TS_STEPS == 4
#define FOUR_STEPS(NV)                                                                                                 \
    for (; left >= 4; left -= 4) {                                                                                     \
        STEP(NV, 0);                                                                                                   \
        STEP(NV, 1);                                                                                                   \
        STEP(NV, 2);                                                                                                   \
        STEP(NV, 3);                                                                                                   \
        TS_UNROLL for (int i = 0; i < TS_MR; i++) row[i] += 4;                                                         \
        panel += 4 * NV * TS_VF;                                                                                       \
    }
#else
#define FOUR_STEPS(NV)
#endif

#define DEFINE_ROWS(NV)                                                                                                \
    static void rows_##NV(const ts_tile *tile, int segments, int length, size_t step, const float *panel,              \
                          const float *start) {                                                                        \
        const float *row[TS_MR];                                                                                       \
        vf acc[TS_MR][NV];                                                                                             \
        TS_UNROLL for (int i = 0; i < TS_MR; i++) {                                                                    \
            row[i] = tile->a[i];                                                                                       \
            TS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] = vf_load(start + j * TS_VF);                             \
        }                                                                                                              \
        for (int s = 0; s < segments; s++) {                                                                           \
            int left = length;                                                                                         \
            FOUR_STEPS(NV)                                                                                             \
            for (; left > 0; left--) {                                                                                 \
                STEP(NV, 0);                                                                                           \
                TS_UNROLL for (int i = 0; i < TS_MR; i++) row[i]++;                                                    \
                panel += NV * TS_VF;                                                                                   \
            }                                                                                                          \
            TS_UNROLL for (int i = 0; i < TS_MR; i++) row[i] += step - (size_t)length;                                 \
        }                                                                                                              \
        TS_UNROLL for (int i = 0; i < TS_MR; i++) TS_UNROLL for (int j = 0; j < NV; j++)                               \
            vf_store(tile->c[i] + j * TS_VF, acc[i][j]);                                                               \
    }

/* Rows are values next to each other in a; the last vector of b may be partial. */
#define DEFINE_COLUMNS(NAME, MR, NV, LOAD_LAST)                                                                        \
    static void NAME(float *c, size_t ldc, const float *a, const float *b, const ts_walk *walk, int from,              \
                     size_t last) {                                                                                    \
        vf acc[MR][NV];                                                                                                \
        TS_UNROLL for (int i = 0; i < MR; i++) TS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] = vf_zero();           \
        for (int run = 0; run < walk->runs; run++, a += walk->a_run) {                                                 \
            const float *pixel = a;                                                                                    \
            for (int x = 0; x < walk->length; x++, pixel += walk->a_step, b += walk->b_step) {                         \
                vf v[NV];                                                                                              \
                TS_UNROLL for (int j = 0; j < NV - 1; j++) v[j] = vf_load(b + j * TS_VF);                              \
                v[NV - 1] = LOAD_LAST(b + (NV - 1) * TS_VF, last);                                                     \
                TS_UNROLL for (int i = 0; i < MR; i++) {                                                               \
                    const vf s = vf_set1(pixel[i]);                                                                    \
                    TS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] = vf_madd(s, v[j], acc[i][j]);                    \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        TS_UNROLL for (int i = 0; i < MR; i++) {                                                                       \
            if (i < from) continue;                                                                                    \
            TS_UNROLL for (int j = 0; j < NV; j++) {                                                                   \
                float *out = c + (size_t)i * ldc + j * TS_VF;                                                          \
                const size_t n = j == NV - 1 ? last : TS_VF;                                                           \
                vf_store_upto(out, vf_add(vf_load_upto(out, n), acc[i][j]), n);                                        \
            }                                                                                                          \
        }                                                                                                              \
    }
#define LOAD_WHOLE(p, n) vf_load(p)
#define DEFINE_WIDTH(NV)                                                                                               \
    DEFINE_ROWS(NV)                                                                                                    \
    DEFINE_COLUMNS(columns_##NV, TS_MR, NV, LOAD_WHOLE)                                                                \
    DEFINE_COLUMNS(columns_part_##NV, TS_MR, NV, vf_load_part)                                                         \
    DEFINE_COLUMNS(column_##NV, 1, NV, vf_load_part)

DEFINE_WIDTH(1)
DEFINE_WIDTH(2)
#if TS_NV > 2
DEFINE_WIDTH(3)
DEFINE_WIDTH(4)
#endif

void ts_tile_rows(const ts_tile *tile, int nv, int segments, int length, size_t step, const float *panel,
                  const float *start) {
    switch (nv) {
    case 1: rows_1(tile, segments, length, step, panel, start); break;
    case 2: rows_2(tile, segments, length, step, panel, start); break;
#if TS_NV > 2
    case 3: rows_3(tile, segments, length, step, panel, start); break;
    default: rows_4(tile, segments, length, step, panel, start); break;
#endif
    }
}

/* ---- few columns -------------------------------------------------------------------------------------------- */
enum {
    LANES = TS_VF > 8 ? TS_VF : 8, /* chains per output */
    DOTS = TS_VF > 8        ? TS_MR
           : TS_MR % 3 == 0 ? 3
                            : 2 /* rows at a time; AVX-512 has 32 registers */
};

/* n lanes of every row times those of three columns; n = TS_VF but for the last 8 values of a row in wider vectors. */
static inline void dot_step(vf acc[DOTS][3], const float **row, const float *panel, size_t n) {
    vf w[3];
    TS_UNROLL for (size_t o = 0; o < 3; o++) w[o] = vf_load_upto(panel + o * n, n);
    TS_UNROLL for (int i = 0; i < DOTS; i++) {
        const vf x = vf_load_upto(row[i], n);
        TS_UNROLL for (int o = 0; o < 3; o++) acc[i][o] = vf_madd(x, w[o], acc[i][o]);
        row[i] += n < 8 ? 8 : n;
    }
}

/* The chains of lanes [part, part + TS_VF) of LANES, of DOTS rows and three outputs. */
static void dots(vf chain[DOTS][3], const float *const *a, int part, int segments, int length, size_t step,
                 const float *panel) {
    vf acc[DOTS][3];
    const float *row[DOTS];
    TS_UNROLL for (int i = 0; i < DOTS; i++) {
        row[i] = a[i] + part;
        TS_UNROLL for (int o = 0; o < 3; o++) acc[i][o] = vf_zero();
    }
    panel += 3 * part;
    for (int s = 0; s < segments; s++) {
        int left = length;
        for (; left >= LANES; left -= LANES, panel += 3 * LANES) dot_step(acc, row, panel, TS_VF);
        if (TS_VF > 8 && left > 0) dot_step(acc, row, panel, 8), panel += 3 * 8;
        TS_UNROLL for (int i = 0; i < DOTS; i++) row[i] += step - (size_t)length;
    }
    TS_UNROLL for (int i = 0; i < DOTS; i++) TS_UNROLL for (int o = 0; o < 3; o++) chain[i][o] = acc[i][o];
}

size_t ts_dot_place(int length, size_t k, size_t o) {
    const size_t in_row = k % (size_t)length, group = in_row / LANES * LANES, lane = in_row - group;
    const size_t left = (size_t)length - group, width = left < TS_VF ? left : TS_VF;
    return (k - lane) * 3 + lane / width * width * 3 + o * width + lane % width;
}

void ts_tile_dots(const ts_tile *tile, int segments, int length, size_t step, const float *panel, const float *start) {
    for (int r = 0; r < TS_MR; r += DOTS) {
        vf chain[LANES / TS_VF][DOTS][3];
        float lanes[LANES];
        for (int p = 0; p < LANES / TS_VF; p++) dots(chain[p], tile->a + r, p * TS_VF, segments, length, step, panel);
        for (int i = 0; i < DOTS; i++)
            for (int o = 0; o < 3; o++) {
                for (int p = 0; p < LANES / TS_VF; p++) vf_store(lanes + p * TS_VF, chain[p][i][o]);
                for (int half = LANES / 2; half > 0; half /= 2)
                    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
                tile->c[r + i][o] = start[o] + lanes[0];
            }
    }
}

/* ---- A^T B -------------------------------------------------------------------------------------------------- */
typedef void columns_fn(float *, size_t, const float *, const float *, const ts_walk *, int, size_t);

void ts_tile_columns(float *c, size_t ldc, const float *a, const float *b, const ts_walk *walk, int from, int columns) {
#if TS_NV > 2
    static columns_fn *const WHOLE[] = {columns_1, columns_2, columns_3, columns_4};
    static columns_fn *const PART[] = {columns_part_1, columns_part_2, columns_part_3, columns_part_4};
#else
    static columns_fn *const WHOLE[] = {columns_1, columns_2};
    static columns_fn *const PART[] = {columns_part_1, columns_part_2};
#endif
    const int wide = (columns - 1) / TS_VF;
    const size_t last = (size_t)(columns - wide * TS_VF);
    (last == TS_VF ? WHOLE : PART)[wide](c, ldc, a, b, walk, from, last);
}

void ts_tile_column(float *c, const float *a, const float *b, const ts_walk *walk, int columns) {
#if TS_NV > 2
    static columns_fn *const ONE[] = {column_1, column_2, column_3, column_4};
#else
    static columns_fn *const ONE[] = {column_1, column_2};
#endif
    const int wide = (columns - 1) / TS_VF;
    ONE[wide](c, 0, a, b, walk, 0, (size_t)(columns - wide * TS_VF));
}
