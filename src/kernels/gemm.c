/* gemm.c - matrix products over packed panels. */
#include "kernels/gemm.h"

#include "kernels/tile.h"

size_t ts_gemm_packed(int k, int n) { return ts_panel_floats((size_t)k, n); }

void ts_gemm_pack(float *packed, const float *b, int k, int n, size_t row_step, size_t column_step) {
    for (int first = 0; first < n; first += TS_NR) {
        const int width = ts_panel_vectors(n, first) * TS_VF;
        const int valid = n - first < width ? n - first : width;
        for (int i = 0; i < k; i++, packed += width) {
            const float *from = b + (size_t)i * row_step + (size_t)first * column_step;
            for (int j = 0; j < valid; j++) packed[j] = from[(size_t)j * column_step];
            for (int j = valid; j < width; j++) packed[j] = 0;
        }
    }
}

typedef struct product {
    float *c;
    const float *a, *packed, *bias;
    size_t ldc, lda;
    int k, n;
} product;

/* Rows begin .. end-1 of C, at most TS_MR of them, columns of the panel that starts at `first`. */
static void product_tile(const product *g, size_t begin, size_t end, int first, const float *panel,
                         const float *start) {
    float room[TS_MR][TS_NR];
    const int vectors = ts_panel_vectors(g->n, first);
    const int columns = g->n - first < TS_NR ? g->n - first : TS_NR;
    const int whole = columns == vectors * TS_VF;
    ts_tile tile;
    for (int i = 0; i < TS_MR; i++) {
        const size_t row = begin + (size_t)i < end ? begin + (size_t)i : end - 1;
        tile.a[i] = g->a + row * g->lda;
        tile.c[i] = whole && begin + (size_t)i < end ? g->c + row * g->ldc + first : room[i];
    }
    ts_tile_rows(&tile, vectors, 1, g->k, (size_t)g->k, panel, start);
    if (whole) return;
    for (size_t row = begin; row < end; row++)
        memcpy(g->c + row * g->ldc + first, room[row - begin], (size_t)columns * sizeof(float));
}

static void product_task(void *context, size_t begin, size_t end, int worker) {
    const product *g = context;
    (void)worker;
    for (int first = 0; first < g->n; first += TS_NR) {
        float start[TS_NR] = {0};
        for (int j = 0; g->bias && j < TS_NR && first + j < g->n; j++) start[j] = g->bias[first + j];
        const float *panel = g->packed + (size_t)first * (size_t)g->k;
        for (size_t row = begin; row < end; row += TS_MR)
            product_tile(g, row, end - row < TS_MR ? end : row + TS_MR, first, panel, start);
    }
}

void ts_gemm(float *c, size_t ldc, const float *a, size_t lda, const float *packed, const float *bias, size_t m, int k,
             int n, ts_pool *pool) {
    product g = {c, a, packed, bias, ldc, lda, k, n};
    ts_parallel(pool, m, 16 * TS_MR, product_task, &g);
}

typedef struct product_tn {
    float *c;
    const float *a, *b;
    size_t ldc, lda, ldb, rows;
    int m, n;
} product_tn;

/* Rows [i, i + count) of C (count <= TS_MR) over one block of pixels: a full tile where m allows, single rows else. */
static void tn_tile(const product_tn *g, int i, int count, const float *a, const float *b, int columns, float *c,
                    const ts_walk *walk) {
    if (count == TS_MR || g->m >= TS_MR) {
        const int from = TS_MR - count; /* rows before `from` belong to the tile above */
        ts_tile_columns(c + (size_t)(i - from) * g->ldc, g->ldc, a + i - from, b, walk, from, columns);
        return;
    }
    for (int r = i; r < i + count; r++) ts_tile_column(c + (size_t)r * g->ldc, a + r, b, walk, columns);
}

static void tn_task(void *context, size_t begin, size_t end, int worker) {
    const product_tn *g = context;
    (void)worker;
    for (size_t row = 0; row < g->rows; row += TS_GEMM_BLOCK) {
        const size_t block = g->rows - row < TS_GEMM_BLOCK ? g->rows - row : TS_GEMM_BLOCK;
        const ts_walk walk = {1, (int)block, g->lda, 0, g->ldb};
        for (int first = 0; first < g->n; first += TS_NR) {
            const int columns = g->n - first < TS_NR ? g->n - first : TS_NR;
            for (size_t i = begin; i < end; i += TS_MR)
                tn_tile(g, (int)i, end - i < TS_MR ? (int)(end - i) : TS_MR, g->a + row * g->lda,
                        g->b + row * g->ldb + first, columns, g->c + first, &walk);
        }
    }
}

void ts_gemm_tn(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb, size_t rows, int m, int n,
                ts_pool *pool) {
    product_tn g = {c, a, b, ldc, lda, ldb, rows, m, n};
    ts_parallel(pool, (size_t)m, 8 * TS_MR, tn_task, &g);
}
