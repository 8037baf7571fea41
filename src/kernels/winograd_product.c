/* winograd_product.c - a block's product with a panel of filters at one frequency.
 *
 * Where registers and the compiler's addressing are scarce (TS_STREAM: WebAssembly), a group of TS_MR tiles lies
 * [depth][TS_MR]: its scalars and the panel's vectors are two streams with constant offsets. The loop is left rolled
 * there on purpose: V8 runs it at the machine's peak, and at half of it when unrolled, for then loads move up and
 * registers spill. depth is a multiple of TS_STEPS.
 * m = 6 adds up chains of TS_WINOGRAD_CHAIN channels, as its error bound asks; the others have one chain.
 */
#include "kernels/winograd_job.h"

/* What a chain starts from, and where it goes: zero; what is there, as the same chain; zero, added to what is there. */
typedef enum ts_winograd_start { FRESH, GO_ON, ADD } ts_winograd_start;

#define DEFINE_PRODUCT(NV)                                                                                             \
    static void product_##NV(float *c, size_t ldc, const float *a, size_t lda, const float *panel, int depth,          \
                             ts_winograd_start start) {                                                                \
        vf acc[TS_MR][NV];                                                                                             \
        TS_UNROLL for (int i = 0; i < TS_MR; i++) TS_UNROLL for (int n = 0; n < NV; n++)                               \
            acc[i][n] = start == GO_ON ? vf_load(c + (size_t)i * ldc + n * TS_VF) : vf_zero();                         \
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
        TS_UNROLL for (int i = 0; i < TS_MR; i++) TS_UNROLL for (int n = 0; n < NV; n++) {                             \
            float *to = c + (size_t)i * ldc + n * TS_VF;                                                               \
            vf_store(to, start == ADD ? vf_add(vf_load(to), acc[i][n]) : acc[i][n]);                                   \
        }                                                                                                              \
    }

DEFINE_PRODUCT(1)
DEFINE_PRODUCT(2)
#if TS_NV > 2
DEFINE_PRODUCT(3)
DEFINE_PRODUCT(4)
#endif

void ts_winograd_product(const ts_winograd_job *j, int tiles, int first, int k, int depth, float *m, const float *v,
                         const float *u) {
    const int vectors = ts_panel_vectors(j->out_c, first), chain = j->m == 6 ? TS_WINOGRAD_CHAIN : depth;
    const size_t ldc = (size_t)j->group, lda = (size_t)j->depth;
    v += (size_t)k * (TS_STREAM ? TS_MR : 1);
    for (int t = 0; t < tiles; t += TS_MR, v += TS_MR * lda, m += TS_MR * ldc) {
        const float *a = v, *b = u;
        for (int done = 0; done < depth; done += chain) {
            const int length = depth - done < chain ? depth - done : chain;
            const ts_winograd_start start = k + done == 0 ? FRESH : j->m == 6 ? ADD : GO_ON;
            switch (vectors) {
            case 1: product_1(m, ldc, a, lda, b, length, start); break;
#if TS_NV > 2
            case 3: product_3(m, ldc, a, lda, b, length, start); break;
            case 4: product_4(m, ldc, a, lda, b, length, start); break;
#endif
            default: product_2(m, ldc, a, lda, b, length, start); break;
            }
            a += length * (TS_STREAM ? TS_MR : 1);
            b += length * vectors * TS_VF;
        }
    }
}
