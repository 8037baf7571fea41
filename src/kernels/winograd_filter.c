/* winograd_filter.c - transforms filters: U = G g G^T, a panel of output channels at a time. */
#include "kernels/winograd_job.h"

/* The nine taps of one input channel and a panel of output channels, [ky][kx][TS_NR], zeros beyond the channels. */
static void load_taps(const ts_winograd_job *j, int channel, int first, int width, float *taps) {
    const int columns = j->out_c - first < width ? j->out_c - first : width;
    const size_t tap = (size_t)j->in_c * (size_t)j->out_c;
    for (int t = 0; t < 9; t++, taps += TS_NR) {
        if (j->back) { /* a column of the turned filter */
            const float *from = j->filter.values + (size_t)(8 - t) * tap + (size_t)first * (size_t)j->in_c + channel;
            for (int i = 0; i < width; i++) taps[i] = i < columns ? from[(size_t)i * (size_t)j->in_c] : 0;
            continue;
        }
        const size_t from = (size_t)t * tap + (size_t)channel * (size_t)j->out_c + (size_t)first;
        for (int i = 0; i < width; i += TS_VF) {
            const size_t left = (size_t)(columns - i);
            vf_store(taps + i, j->filter.values ? vf_load_upto(j->filter.values + from + i, left)
                                                : vf_load_half_upto(j->filter.halves + from + i, left));
        }
    }
}

/* Taps of a phase along one axis: (w0, w1 + w2, 0) or (0, w0 + w1, w2); `step` floats between taps. */
static void phase_line(float *taps, int step, int width, int odd) {
    for (int i = 0; i < width; i += TS_VF) {
        float *a = taps + i, *b = a + step, *c = b + step;
        vf_store(b, vf_add(vf_load(odd ? a : b), vf_load(odd ? b : c)));
        vf_store(odd ? a : c, vf_zero());
    }
}

/* One line of G g: three vectors `pitch` floats apart to m + 2 vectors `step` floats apart. */
static inline void line_4(float *to, size_t step, const float *g, size_t pitch) {
    const vf low = vf_set1(0.70710678118654752f), high = vf_set1(1.41421356237309505f);
    const vf third = vf_set1(-0.66666666666666667f), sixth = vf_set1(0.16666666666666667f);
    const vf g0 = vf_load(g), g1 = vf_load(g + pitch), g2 = vf_load(g + 2 * pitch);
    const vf a = vf_madd(vf_set1(0.5f), g2, g0), b = vf_mul(low, g1);
    const vf c = vf_madd(vf_set1(2.0f), g2, g0), d = vf_mul(high, g1);
    vf_store(to, g0);
    vf_store(to + step, vf_mul(third, vf_add(a, b)));
    vf_store(to + 2 * step, vf_mul(third, vf_sub(a, b)));
    vf_store(to + 3 * step, vf_mul(sixth, vf_add(c, d)));
    vf_store(to + 4 * step, vf_mul(sixth, vf_sub(c, d)));
    vf_store(to + 5 * step, g2);
}

static inline void line_2(float *to, size_t step, const float *g, size_t pitch) {
    const vf half = vf_set1(0.5f), g0 = vf_load(g), g1 = vf_load(g + pitch), g2 = vf_load(g + 2 * pitch);
    const vf sum = vf_add(g0, g2);
    vf_store(to, g0);
    vf_store(to + step, vf_mul(half, vf_add(sum, g1)));
    vf_store(to + 2 * step, vf_mul(half, vf_sub(sum, g1)));
    vf_store(to + 3 * step, g2);
}

/* All frequencies of one vector of channels, (m + 2)^2 vectors next to each other. */
static void transform_4(float *to, const float *taps) {
    float room[18 * TS_VF];
    for (int k = 0; k < 3; k++) line_4(room + k * TS_VF, 3 * TS_VF, taps + k * TS_NR, 3 * TS_NR);
    for (int i = 0; i < 6; i++) line_4(to + 6 * i * TS_VF, TS_VF, room + 3 * i * TS_VF, TS_VF);
}

static void transform_2(float *to, const float *taps) {
    float room[12 * TS_VF];
    for (int k = 0; k < 3; k++) line_2(room + k * TS_VF, 3 * TS_VF, taps + k * TS_NR, 3 * TS_NR);
    for (int i = 0; i < 4; i++) line_2(to + 4 * i * TS_VF, TS_VF, room + 3 * i * TS_VF, TS_VF);
}

void ts_winograd_filter(const ts_winograd_job *j, int first, int phase, float *u) {
    const int width = ts_panel_vectors(j->out_c, first) * TS_VF;
    const size_t step = ts_winograd_step(j, width / TS_VF);
    float taps[9 * TS_NR], room[36 * TS_VF];
    int used[36], count = 0;
    for (int f = 0; f < ts_winograd_frequencies(j); f++)
        if (!ts_winograd_zero(j->m, phase, f)) used[count++] = f;
    for (int channel = 0; channel < j->depth; channel++, u += width) {
        if (channel < j->in_c) load_taps(j, channel, first, width, taps);
        else memset(taps, 0, sizeof taps);
        for (int t = 0; t < 3 && phase >= 0; t++) phase_line(taps + t * TS_NR, 3 * TS_NR, width, phase & 2);
        for (int t = 0; t < 3 && phase >= 0; t++) phase_line(taps + 3 * t * TS_NR, TS_NR, width, phase & 1);
        for (int i = 0; i < width; i += TS_VF) {
            (j->m == 4 ? transform_4 : transform_2)(room, taps + i);
            float *to = u + i;
            for (int f = 0; f < count; f++, to += step) vf_store(to, vf_load(room + used[f] * TS_VF));
        }
    }
}
