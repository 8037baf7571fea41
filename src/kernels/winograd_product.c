/* winograd_product.c - the products of a block at every frequency.
 *
 * Where registers and the compiler's addressing are scarce (TS_STREAM: WebAssembly), a group of TS_MR tiles lies
 * [depth][TS_MR]: its scalars and the panel's vectors are two streams with constant offsets. The loop is left rolled on
 * purpose: V8 runs it at the machine's peak, and at half of it when unrolled, for then loads move up and registers spill.
 */
#include "kernels/winograd_job.h"

#if TS_STREAM
#define DEFINE_STREAM(NV)                                                                                              \
    static void stream_##NV(float *c, const float *a, const float *panel, int depth) {                                 \
        vf acc[TS_MR][NV];                                                                                             \
        TS_UNROLL for (int i = 0; i < TS_MR; i++) TS_UNROLL for (int n = 0; n < NV; n++) acc[i][n] = vf_zero();        \
        do {                                                                                                           \
            vf b[NV];                                                                                                  \
            TS_UNROLL for (int n = 0; n < NV; n++) b[n] = vf_load(panel + n * TS_VF);                                  \
            TS_UNROLL for (int i = 0; i < TS_MR; i++) {                                                                \
                const vf s = vf_set1(a[i]);                                                                            \
                TS_UNROLL for (int n = 0; n < NV; n++) acc[i][n] = vf_madd(s, b[n], acc[i][n]);                        \
            }                                                                                                          \
            a += TS_MR;                                                                                                \
            panel += NV * TS_VF;                                                                                       \
        } while (--depth > 0);                                                                                         \
        TS_UNROLL for (int i = 0; i < TS_MR; i++) TS_UNROLL for (int n = 0; n < NV; n++)                               \
            vf_store(c + (i * NV + n) * TS_VF, acc[i][n]);                                                             \
    }
DEFINE_STREAM(1)
DEFINE_STREAM(2)
#endif

static void group_product(float *c, const float *a, const float *panel, int depth, int vectors) {
#if TS_STREAM
    (vectors == 1 ? stream_1 : stream_2)(c, a, panel, depth);
#else
    static const float zero[TS_NR];
    ts_tile tile;
    for (int i = 0; i < TS_MR; i++) {
        tile.a[i] = a + (size_t)i * (size_t)depth;
        tile.c[i] = c + i * vectors * TS_VF;
    }
    ts_tile_rows(&tile, vectors, 1, depth, (size_t)depth, panel, zero);
#endif
}

void ts_winograd_product(const ts_winograd_job *j, int tiles, int vectors, int phase, float *m, const float *v,
                         const float *u) {
    const int width = vectors * TS_VF;
    const size_t step = ts_winograd_product_step(j, vectors), u_step = ts_winograd_step(j, vectors);
    for (int f = 0; f < ts_winograd_frequencies(j); f++, m += step, v += j->v_step) {
        if (ts_winograd_zero(j->m, phase, f)) {
            memset(m, 0, (size_t)tiles * (size_t)width * sizeof(float));
            continue;
        }
        for (int t = 0; t < tiles; t += TS_MR)
            group_product(m + (size_t)t * (size_t)width, v + (size_t)t * (size_t)j->depth, u, j->depth, vectors);
        u += u_step;
    }
}
