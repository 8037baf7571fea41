/* gemm.h - matrix products on packed panels, and the register tile that every convolution shares.
 *
 * All matrices are row-major float32. Every output is one chain of multiply-adds over k in increasing order, whatever
 * tile it falls in, so an output's bits depend only on its own row and column. Results do not depend on threads.
 *
 * Packed form of B [k][n]: panels of TS_NR columns side by side, each panel [k][width] with width = TS_NR, or for the
 * last panel the rest of n rounded up to whole vectors (zeros beyond n).
 */
#ifndef TS_KERNELS_GEMM_H
#define TS_KERNELS_GEMM_H

#include "base/parallel.h"

#include <stdbool.h>
#include <stddef.h>

/* Floats of the packed form of a [k][n] matrix. */
size_t ts_gemm_packed(int k, int n);
/* Packs B [k][n]; b(i, j) lies at b[i * row_step + j * column_step] (1, k for a transposed source). 64-byte aligned. */
void ts_gemm_pack(float *packed, const float *b, int k, int n, size_t row_step, size_t column_step);
/* C [m][n] = A [m][k] * B + bias [n] (bias may be NULL). lda, ldc: floats between rows. C must not overlap A. */
void ts_gemm(float *c, size_t ldc, const float *a, size_t lda, const float *packed, const float *bias, size_t m, int k,
             int n, ts_pool *pool);
/* C [m][n] += A^T * B with A [rows][m], B [rows][n]: sums over rows in blocks of TS_GEMM_BLOCK rows, each block in its
 * own chain, blocks added to C in order. */
void ts_gemm_tn(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb, size_t rows, int m, int n,
                ts_pool *pool);

#define TS_GEMM_BLOCK 128

#endif
