/* winograd_product.c - a block's product with a panel of filters at one frequency.
 *
 * Where registers and the compiler's addressing are scarce (TS_STREAM: WebAssembly), a group of TS_MR tiles lies
 * [depth][TS_MR]: its scalars and the panel's vectors are two streams with constant offsets. The loop is left rolled
 * there on purpose: V8 runs it at the machine's peak, and at half of it when unrolled, for then loads move up and
 * registers spill. depth is a multiple of TS_STEPS.
 */
#include "kernels/winograd_job.h"

#define DEFINE_PRODUCT(NV)                                                                                             \
    static void product_##NV(float *c, size_t ldc, const float *a, size_t lda, const float *panel, int depth,          \
                             bool fresh) {                                                                             \
        vf acc[TS_MR][NV];                                                                                             \
        TS_UNROLL for (int i = 0; i < TS_MR; i++) TS_UNROLL for (int n = 0; n < NV; n++)                               \
            acc[i][n] = fresh ? vf_zero() : vf_load(c + (size_t)i * ldc + n * TS_VF);                                  \
        do {                                                                                                           \
            TS_UNROLL for (int k = 0; k < TS_STEPS; k++) {                                                             \
                vf b[NV];                                                                                              \
                TS_UNROLL for (int n = 0; n < NV; n++) b[n] = vf_load(panel + (k * NV + n) * TS_VF);                   \
                TS_UNROLL for (int i = 0; i < TS_MR; i++) {                                                            \
                    const vf s = vf_set1(a[TS_STREAM ? (size_t)(k * TS_MR + i) : (size_t)i * lda + (size_t)k]);        \
                    TS_UNROLL for (int n = 0; n < NV; n++) acc[i][n] = vf_madd(s, b[n], acc[i][n]);                    \
                }                                                                                                      \
            }                                                                                                          \
            a += TS_STREAM ? TS_STEPS * TS_MR : TS_STEPS;                                                              \
            panel += TS_STEPS * NV * TS_VF;                                                                            \
        } while ((depth -= TS_STEPS) > 0);                                                                             \
        TS_UNROLL for (int i = 0; i < TS_MR; i++) TS_UNROLL for (int n = 0; n < NV; n++)                               \
            vf_store(c + (size_t)i * ldc + n * TS_VF, acc[i][n]);                                                      \
    }

DEFINE_PRODUCT(1)
DEFINE_PRODUCT(2)
#if TS_NV > 2
DEFINE_PRODUCT(3)
DEFINE_PRODUCT(4)
#endif

void ts_winograd_product(const ts_winograd_job *j, int tiles, int first, int k, int depth, float *m, const float *v,
                         const float *u) {
    const int vectors = ts_panel_vectors(j->out_c, first);
    const size_t ldc = (size_t)j->group, lda = (size_t)j->depth;
    v += (size_t)k * (TS_STREAM ? TS_MR : 1);
    for (int t = 0; t < tiles; t += TS_MR, v += TS_MR * lda, m += TS_MR * ldc) {
        switch (vectors) {
        case 1: product_1(m, ldc, v, lda, u, depth, k == 0); break;
#if TS_NV > 2
        case 3: product_3(m, ldc, v, lda, u, depth, k == 0); break;
        case 4: product_4(m, ldc, v, lda, u, depth, k == 0); break;
#endif
        default: product_2(m, ldc, v, lda, u, depth, k == 0); break;
        }
    }
}
