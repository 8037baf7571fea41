/* test_gemm.c - matrix products against double precision; bits independent of position and threads. */
#include "kernels/gemm.h"
#include "support.h"

typedef struct size3 {
    int m, k, n;
} size3;

static const size3 SIZES[] = {{1, 1, 1},   {3, 5, 7},    {6, 8, 16},   {7, 64, 64}, {13, 33, 65}, {100, 128, 129},
                              {257, 9, 3}, {5, 300, 48}, {64, 2, 100}, {4, 17, 31}, {130, 40, 33}};
enum { COUNT = sizeof SIZES / sizeof SIZES[0] };

static void test_product(void) {
    for (int s = 0; s < COUNT; s++) {
        const int m = SIZES[s].m, k = SIZES[s].k, n = SIZES[s].n, lda = k + 3, ldc = n + 5;
        test_row("%dx%dx%d", m, k, n);
        float *a = make_random((size_t)(m * lda), 1), *b = make_random((size_t)(k * n), 1),
              *bias = make_random((size_t)n, 1);
        float *packed = make(ts_gemm_packed(k, n)), *c = make_skewed((size_t)(m * ldc), 1),
              *again = make((size_t)(m * ldc));
        memset(c, 0, (size_t)(m * ldc) * sizeof *c);
        memset(again, 0, (size_t)(m * ldc) * sizeof *c);
        ts_gemm_pack(packed, b, k, n, (size_t)n, 1);
        ts_gemm(c, (size_t)ldc, a, (size_t)lda, packed, bias, (size_t)m, k, n, NULL);
        double *want = make_double((size_t)(m * ldc)), *bound = make_double((size_t)(m * ldc));
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++) {
                double sum = bias[j], size = fabs(sum);
                for (int q = 0; q < k; q++) {
                    const double product = (double)a[i * lda + q] * (double)b[q * n + j];
                    sum += product;
                    size += fabs(product);
                }
                want[i * ldc + j] = sum;
                bound[i * ldc + j] = size * (k + 4) * EPS;
            }
        check_bounded(c, want, bound, (size_t)(m * ldc), __LINE__); /* columns beyond n stay 0 */
        ts_pool *pool = ts_pool_new(3);
        ts_gemm(again, (size_t)ldc, a, (size_t)lda, packed, bias, (size_t)m, k, n, pool);
        CHECK_BYTES(again, c, (size_t)(m * ldc) * sizeof *c);
        ts_pool_free(pool);
        if (m > 2) { /* the last two rows alone, from a transposed copy of B */
            float *transposed = make((size_t)(k * n));
            for (int q = 0; q < k; q++)
                for (int j = 0; j < n; j++) transposed[j * k + q] = b[q * n + j];
            ts_gemm_pack(packed, transposed, k, n, 1, (size_t)k);
            ts_gemm(again, (size_t)ldc, a + (m - 2) * lda, (size_t)lda, packed, bias, 2, k, n, NULL);
            CHECK_BYTES(again, c + (m - 2) * ldc, (size_t)n * sizeof *c);
            CHECK_BYTES(again + ldc, c + (m - 1) * ldc, (size_t)n * sizeof *c);
        }
        ts_free(want);
        ts_free(bound);
        release();
    }
}

/* C += A^T B, k of the table being the number of rows. */
static void test_transposed(void) {
    for (int s = 0; s < COUNT; s++) {
        const int m = SIZES[s].m, rows = SIZES[s].k, n = SIZES[s].n;
        test_row("%dx%dx%d", m, rows, n);
        float *a = make_random((size_t)(rows * m), 1), *b = make_random((size_t)(rows * n), 1);
        float *c = make_random((size_t)(m * n), 1), *again = make_copy(c, (size_t)(m * n));
        double *want = make_double((size_t)(m * n)), *bound = make_double((size_t)(m * n));
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++) {
                double sum = c[i * n + j], size = fabs(sum);
                for (int r = 0; r < rows; r++) {
                    const double product = (double)a[r * m + i] * (double)b[r * n + j];
                    sum += product;
                    size += fabs(product);
                }
                want[i * n + j] = sum;
                bound[i * n + j] = size * (rows + 4) * EPS;
            }
        ts_gemm_tn(c, (size_t)n, a, (size_t)m, b, (size_t)n, (size_t)rows, m, n, NULL);
        check_bounded(c, want, bound, (size_t)(m * n), __LINE__);
        ts_pool *pool = ts_pool_new(3);
        ts_gemm_tn(again, (size_t)n, a, (size_t)m, b, (size_t)n, (size_t)rows, m, n, pool);
        CHECK_BYTES(again, c, (size_t)(m * n) * sizeof *c);
        ts_pool_free(pool);
        ts_free(want);
        ts_free(bound);
        release();
    }
}

/* Infinities and NaN reach exactly the outputs that depend on them. */
static void test_extremes(void) {
    enum { M = 9, K = 11, N = 37 };
    float *a = make_random(M * K, 1), *b = make_random(K * N, 1), *packed = make(ts_gemm_packed(K, N)),
          *c = make(M * N);
    a[4 * K + 3] = INFINITY;
    b[5 * N + 20] = NAN;
    for (int i = 0; i < K; i++) b[i * N + 7] = 1e37f, a[8 * K + i] = 1e30f;
    ts_gemm_pack(packed, b, K, N, N, 1);
    ts_gemm(c, N, a, K, packed, NULL, M, K, N, NULL);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            const int finite = i != 4 && j != 20 && !(i == 8 && j == 7);
            test_row("row %d column %d", i, j);
            CHECK_INT(isfinite(c[i * N + j]) != 0, finite);
        }
    release();
}

int main(void) {
    RUN(test_product);
    RUN(test_transposed);
    RUN(test_extremes);
    return test_end();
}
