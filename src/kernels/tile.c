/* tile.c - register tiles, written once for every back end.
 *
 * Per k a tile loads nv vectors of B and broadcasts TS_MR scalars of A straight from memory: TS_MR * nv accumulators,
 * nv of B and one of A have to fit the registers (15 usable XMM in V8: 6x8 with madd, 4x8 with a separate product).
 * k is unrolled by 4 with constant offsets, which spares wasm its address arithmetic.
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
            for (; left >= 4; left -= 4) {                                                                             \
                STEP(NV, 0);                                                                                           \
                STEP(NV, 1);                                                                                           \
                STEP(NV, 2);                                                                                           \
                STEP(NV, 3);                                                                                           \
                TS_UNROLL for (int i = 0; i < TS_MR; i++) row[i] += 4;                                                 \
                panel += 4 * NV * TS_VF;                                                                               \
            }                                                                                                          \
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
    DOT_LANES = TS_VF > 8 ? TS_VF : 8,
    DOT_VECTORS = DOT_LANES / TS_VF,
    DOT_ROWS = TS_VF > 8 ? TS_MR : (TS_VF > 4 ? 3 : 2) /* rows at a time: 3 * DOT_ROWS * DOT_VECTORS accumulators */
};

/* The chains of one output, joined. */
static float dot_sum(const vf *chain) {
    float lanes[DOT_LANES];
    for (int v = 0; v < DOT_VECTORS; v++) vf_store(lanes + v * TS_VF, chain[v]);
    for (int half = DOT_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
    return lanes[0];
}

static void dots(const float *const *a, float *const *c, int segments, int length, size_t step, const float *panel,
                 const float *start) {
    const size_t k = (size_t)(segments * length);
    vf acc[DOT_ROWS][3][DOT_VECTORS];
    const float *row[DOT_ROWS];
    TS_UNROLL for (int i = 0; i < DOT_ROWS; i++) {
        row[i] = a[i];
        TS_UNROLL for (int o = 0; o < 3; o++) TS_UNROLL for (int v = 0; v < DOT_VECTORS; v++) acc[i][o][v] = vf_zero();
    }
    for (int s = 0; s < segments; s++) {
        for (int left = length; left > 0; left -= DOT_LANES) {
            const size_t n = TS_VF > 8 && left < TS_VF ? 8 : TS_VF; /* mostly a constant */
            TS_UNROLL for (int v = 0; v < DOT_VECTORS; v++) {
                vf x[DOT_ROWS];
                TS_UNROLL for (int i = 0; i < DOT_ROWS; i++) x[i] = vf_load_upto(row[i] + v * TS_VF, n);
                TS_UNROLL for (int o = 0; o < 3; o++) {
                    const vf w = vf_load_upto(panel + (size_t)o * k + v * TS_VF, n);
                    TS_UNROLL for (int i = 0; i < DOT_ROWS; i++) acc[i][o][v] = vf_madd(x[i], w, acc[i][o][v]);
                }
            }
            TS_UNROLL for (int i = 0; i < DOT_ROWS; i++) row[i] += DOT_VECTORS * n;
            panel += DOT_VECTORS * n;
        }
        TS_UNROLL for (int i = 0; i < DOT_ROWS; i++) row[i] += step - (size_t)length;
    }
    TS_UNROLL for (int i = 0; i < DOT_ROWS; i++) TS_UNROLL for (int o = 0; o < 3; o++)
        c[i][o] = start[o] + dot_sum(acc[i][o]);
}

void ts_tile_dots(const ts_tile *tile, int segments, int length, size_t step, const float *panel, const float *start) {
    for (int i = 0; i < TS_MR; i += DOT_ROWS) dots(tile->a + i, tile->c + i, segments, length, step, panel, start);
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
