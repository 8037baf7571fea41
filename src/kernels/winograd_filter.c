/* winograd_filter.c - transforms filters: U = G g G^T, a panel of output channels at a time. */
#include "kernels/winograd_job.h"

/* Nine taps of one input channel and `n` (at most TS_VF) output channels, [ky][kx][TS_VF], zeros beyond the channels. */
static void load_taps(const ts_winograd_job *j, int channel, int first, size_t n, float *taps) {
    const size_t tap = (size_t)j->in_c * (size_t)j->out_c;
    if (j->back) { /* the turned filter, whose output channels are a row apart */
        const float *from = j->filter.values + 8 * tap + (size_t)first * (size_t)j->in_c + (size_t)channel;
        for (int t = 0; t < 9; t++, from -= tap)
            for (size_t i = 0; i < TS_VF; i++) *taps++ = i < n ? from[i * (size_t)j->in_c] : 0;
        return;
    }
    const size_t from = (size_t)channel * (size_t)j->out_c + (size_t)first;
    if (j->filter.values)
        for (size_t t = 0; t < 9; t++) vf_store(taps + t * TS_VF, vf_load_upto(j->filter.values + from + t * tap, n));
    else
        for (size_t t = 0; t < 9; t++)
            vf_store(taps + t * TS_VF, vf_load_half_upto(j->filter.halves + from + t * tap, n));
}

/* Taps of a phase along one axis: (w0, w1 + w2, 0) or (0, w0 + w1, w2); `step` floats between taps. */
static inline void phase_line(float *a, int step, bool odd) {
    float *b = a + step, *c = b + step;
    vf_store(b, vf_add(vf_load(odd ? a : b), vf_load(odd ? b : c)));
    vf_store(odd ? a : c, vf_zero());
}

/* One line of G g: three vectors `pitch` floats apart to m + 2 vectors `step` floats apart; without the first of them
 * (skip < 0) or the last (skip > 0) if need be. */
static inline void line_4(float *to, size_t step, const float *g, size_t pitch, int skip) {
    const vf low = vf_set1(0.70710678118654752f), high = vf_set1(1.41421356237309505f);
    const vf third = vf_set1(-0.66666666666666667f), sixth = vf_set1(0.16666666666666667f);
    const vf g0 = vf_load(g), g1 = vf_load(g + pitch), g2 = vf_load(g + 2 * pitch);
    const vf a = vf_madd(vf_set1(0.5f), g2, g0), b = vf_mul(low, g1);
    const vf c = vf_madd(vf_set1(2.0f), g2, g0), d = vf_mul(high, g1);
    if (skip >= 0) vf_store(to, g0), to += step;
    vf_store(to, vf_mul(third, vf_add(a, b)));
    vf_store(to + step, vf_mul(third, vf_sub(a, b)));
    vf_store(to + 2 * step, vf_mul(sixth, vf_add(c, d)));
    vf_store(to + 3 * step, vf_mul(sixth, vf_sub(c, d)));
    if (skip <= 0) vf_store(to + 4 * step, g2);
}

static inline void line_6(float *to, size_t step, const float *g, size_t pitch, int skip) {
    const vf one = vf_set1(-2.0f / 9), two = vf_set1(1.0f / 90), half = vf_set1(32.0f / 45);
    const vf g0 = vf_load(g), g1 = vf_load(g + pitch), g2 = vf_load(g + 2 * pitch);
    const vf a = vf_add(g0, g2), b = vf_madd(vf_set1(4.0f), g2, g0), c = vf_madd(vf_set1(0.25f), g2, g0);
    if (skip >= 0) vf_store(to, g0), to += step;
    vf_store(to, vf_mul(one, vf_add(a, g1)));
    vf_store(to + step, vf_mul(one, vf_sub(a, g1)));
    vf_store(to + 2 * step, vf_mul(two, vf_madd(vf_set1(2.0f), g1, b)));
    vf_store(to + 3 * step, vf_mul(two, vf_nmadd(vf_set1(2.0f), g1, b)));
    vf_store(to + 4 * step, vf_mul(half, vf_madd(vf_set1(0.5f), g1, c)));
    vf_store(to + 5 * step, vf_mul(half, vf_nmadd(vf_set1(0.5f), g1, c)));
    if (skip <= 0) vf_store(to + 6 * step, g2);
}

static inline void line_2(float *to, size_t step, const float *g, size_t pitch, int skip) {
    const vf half = vf_set1(0.5f), g0 = vf_load(g), g1 = vf_load(g + pitch), g2 = vf_load(g + 2 * pitch);
    const vf sum = vf_add(g0, g2);
    if (skip >= 0) vf_store(to, g0), to += step;
    vf_store(to, vf_mul(half, vf_add(sum, g1)));
    vf_store(to + step, vf_mul(half, vf_sub(sum, g1)));
    if (skip <= 0) vf_store(to + 2 * step, g2);
}

/* All frequencies of one vector of channels that are not zero in this phase (-1: none is). */
static void transform_6(float *to, size_t step, const float *taps, int phase) {
    const int skip_y = phase < 0 ? 0 : phase & 2 ? -1 : 1, skip_x = phase < 0 ? 0 : phase & 1 ? -1 : 1;
    float room[24 * TS_VF];
    for (int k = 0; k < 3; k++) line_6(room + k * TS_VF, 3 * TS_VF, taps + k * TS_VF, 3 * TS_VF, skip_y);
    for (int i = 0; i < (skip_y ? 7 : 8); i++, to += (skip_x ? 7 : 8) * step)
        line_6(to, step, room + 3 * i * TS_VF, TS_VF, skip_x);
}

static void transform_4(float *to, size_t step, const float *taps, int phase) {
    const int skip_y = phase < 0 ? 0 : phase & 2 ? -1 : 1, skip_x = phase < 0 ? 0 : phase & 1 ? -1 : 1;
    float room[18 * TS_VF];
    for (int k = 0; k < 3; k++) line_4(room + k * TS_VF, 3 * TS_VF, taps + k * TS_VF, 3 * TS_VF, skip_y);
    for (int i = 0; i < (skip_y ? 5 : 6); i++, to += (skip_x ? 5 : 6) * step)
        line_4(to, step, room + 3 * i * TS_VF, TS_VF, skip_x);
}

static void transform_2(float *to, size_t step, const float *taps, int phase) {
    const int skip_y = phase < 0 ? 0 : phase & 2 ? -1 : 1, skip_x = phase < 0 ? 0 : phase & 1 ? -1 : 1;
    float room[12 * TS_VF];
    for (int k = 0; k < 3; k++) line_2(room + k * TS_VF, 3 * TS_VF, taps + k * TS_VF, 3 * TS_VF, skip_y);
    for (int i = 0; i < (skip_y ? 3 : 4); i++, to += (skip_x ? 3 : 4) * step)
        line_2(to, step, room + 3 * i * TS_VF, TS_VF, skip_x);
}

void ts_winograd_filter(const ts_winograd_job *j, int first, int phase, int begin, int end, float *u, size_t step) {
    const int width = ts_panel_vectors(j->out_c, first) * TS_VF;
    float taps[9 * TS_VF];
    for (int channel = begin; channel < end; channel++, u += width)
        for (int i = 0; i < width; i += TS_VF) {
            const int left = j->out_c - first - i;
            if (channel < j->in_c) load_taps(j, channel, first + i, (size_t)(left < TS_VF ? left : TS_VF), taps);
            else memset(taps, 0, sizeof taps);
            for (int t = 0; t < 3 && phase >= 0; t++) phase_line(taps + t * TS_VF, 3 * TS_VF, phase & 2);
            for (int t = 0; t < 3 && phase >= 0; t++) phase_line(taps + 3 * t * TS_VF, TS_VF, phase & 1);
            if (j->m == 6) transform_6(u + i, step, taps, phase);
            else if (j->m == 4) transform_4(u + i, step, taps, phase);
            else transform_2(u + i, step, taps, phase);
        }
}
