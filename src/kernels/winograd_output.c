/* winograd_output.c - transforms products back, Y = A^T M A, and stores them. */
#include "kernels/winograd_job.h"

#include "base/size.h"

/* One line of A^T m: m + 2 vectors `pitch` floats apart to m vectors `step` floats apart. */
static inline void line_4(float *to, size_t step, const float *m, size_t pitch) {
    const vf low = vf_set1(0.70710678118654752f), high = vf_set1(1.41421356237309505f);
    const vf low3 = vf_set1(0.35355339059327376f), high3 = vf_set1(2.82842712474619010f);
    const vf m1 = vf_load(m + pitch), m2 = vf_load(m + 2 * pitch), m3 = vf_load(m + 3 * pitch);
    const vf m4 = vf_load(m + 4 * pitch);
    const vf s1 = vf_add(m1, m2), d1 = vf_sub(m1, m2), s2 = vf_add(m3, m4), d2 = vf_sub(m3, m4);
    vf_store(to, vf_add(vf_add(vf_load(m), s1), s2));
    vf_store(to + step, vf_madd(low, d1, vf_mul(high, d2)));
    vf_store(to + 2 * step, vf_madd(vf_set1(0.5f), s1, vf_add(s2, s2)));
    vf_store(to + 3 * step, vf_madd(low3, d1, vf_madd(high3, d2, vf_load(m + 5 * pitch))));
}

/* The same for m = 6: 8 vectors to 6. */
static inline void line_6(float *to, size_t step, const float *m, size_t pitch) {
    const float *k = ts_winograd_output_6;
    const vf m1 = vf_load(m + pitch), m2 = vf_load(m + 2 * pitch), m3 = vf_load(m + 3 * pitch);
    const vf m4 = vf_load(m + 4 * pitch), m5 = vf_load(m + 5 * pitch), m6 = vf_load(m + 6 * pitch);
    const vf s1 = vf_add(m1, m2), s2 = vf_add(m3, m4), s3 = vf_add(m5, m6);
    vf_store(to, vf_add(vf_add(vf_load(m), s1), vf_add(s2, s3)));
    vf_store(to + 2 * step, vf_madd(vf_set1(k[3]), s3, vf_madd(vf_set1(k[2]), s2, s1)));
    vf_store(to + 4 * step, vf_madd(vf_set1(k[7]), s3, vf_madd(vf_set1(k[6]), s2, s1)));
    const vf d1 = vf_sub(m1, m2), d2 = vf_sub(m3, m4), d3 = vf_sub(m5, m6), last = vf_load(m + 7 * pitch);
    vf_store(to + step, vf_madd(vf_set1(k[1]), d3, vf_madd(vf_set1(k[0]), d2, d1)));
    vf_store(to + 3 * step, vf_madd(vf_set1(k[5]), d3, vf_madd(vf_set1(k[4]), d2, d1)));
    vf_store(to + 5 * step, vf_madd(vf_set1(k[9]), d3, vf_madd(vf_set1(k[8]), d2, vf_add(d1, last))));
}

static inline void line_2(float *to, size_t step, const float *m, size_t pitch) {
    const vf m1 = vf_load(m + pitch), m2 = vf_load(m + 2 * pitch);
    vf_store(to, vf_add(vf_add(vf_load(m), m1), m2));
    vf_store(to + step, vf_add(vf_sub(m1, m2), vf_load(m + 3 * pitch)));
}

/* The m x m outputs of a tile's vector of channels, next to each other. */
static void transform_6(float *to, const float *m, size_t step) {
    float room[48 * TS_VF];
    for (int k = 0; k < 8; k++) line_6(room + k * TS_VF, 8 * TS_VF, m + (size_t)k * step, 8 * step);
    for (int i = 0; i < 6; i++) line_6(to + 6 * i * TS_VF, TS_VF, room + 8 * i * TS_VF, TS_VF);
}

static void transform_4(float *to, const float *m, size_t step) {
    float room[24 * TS_VF];
    for (int k = 0; k < 6; k++) line_4(room + k * TS_VF, 6 * TS_VF, m + (size_t)k * step, 6 * step);
    for (int i = 0; i < 4; i++) line_4(to + 4 * i * TS_VF, TS_VF, room + 6 * i * TS_VF, TS_VF);
}

static void transform_2(float *to, const float *m, size_t step) {
    float room[8 * TS_VF];
    for (int k = 0; k < 4; k++) line_2(room + k * TS_VF, 4 * TS_VF, m + (size_t)k * step, 4 * step);
    for (int i = 0; i < 2; i++) line_2(to + 2 * i * TS_VF, TS_VF, room + 4 * i * TS_VF, TS_VF);
}

/* y = act(values + bias) + add for the part of a tile that lies in the plane; n channels. */
static void store_tile(const ts_winograd_job *j, float *values, int rows, int columns, size_t at, vf bias, size_t n) {
    const int count = j->m * j->m * TS_VF;
    for (int i = 0; i < count; i += TS_VF) vf_store(values + i, vf_add(vf_load(values + i), bias));
    if (j->fuse.act != TS_ACT_NONE) ts_act_forward(values, values, (size_t)count, j->fuse.act, j->fuse.slope, NULL);
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++) {
            const size_t to = at + (size_t)y * j->out_row + (size_t)x * j->out_pixel;
            const vf value = vf_load(values + (y * j->m + x) * TS_VF);
            vf_store_upto(j->out + to, j->fuse.add ? vf_add(value, vf_load_upto(j->fuse.add + to, n)) : value, n);
        }
}

void ts_winograd_output(const ts_winograd_job *j, const ts_winograd_block *b, int first, int end, int phase,
                        const float *m) {
    const int per_image = b->rows * b->columns;
    float values[36 * TS_VF];
    /* to the phase's first pixel: half a pixel's and row's step of the plane */
    const size_t corner = phase < 0 ? 0 : (phase & 2 ? j->out_row / 2 : 0) + (phase & 1 ? j->out_pixel / 2 : 0);
    for (int t = 0; t < b->images * per_image; t++, m += j->group) {
        const int y = (b->row + t % per_image / b->columns) * j->m, x = (b->column + t % b->columns) * j->m;
        const int rows = j->plane_h - y < j->m ? j->plane_h - y : j->m;
        const int columns = j->plane_w - x < j->m ? j->plane_w - x : j->m;
        const size_t at = (size_t)(b->image + t / per_image) * j->out_image + (size_t)y * j->out_row +
                          (size_t)x * j->out_pixel + corner;
        for (int c = first; c < end; c += TS_VF) {
            const size_t n = ts_min_size((size_t)(j->out_c - c), TS_VF);
            if (j->m == 6) transform_6(values, m + (c - first), j->m_step);
            else if (j->m == 4) transform_4(values, m + (c - first), j->m_step);
            else transform_2(values, m + (c - first), j->m_step);
            store_tile(j, values, rows, columns, at + (size_t)c,
                       j->fuse.bias ? vf_load_upto(j->fuse.bias + c, n) : vf_zero(), n);
        }
    }
}
