/* winograd_input.c - reads a block of the input, normalised on the way, and transforms its tiles: V = B^T d B. */
#include "kernels/winograd_job.h"

#include "simd/vmath.h"

static int strip_rows(const ts_winograd_job *j) { return j->rows * j->m + 2; }

static int strip_columns(const ts_winograd_job *j) { return j->columns * j->m + 2; }

size_t ts_winograd_strip(const ts_winograd_job *j) {
    return (size_t)j->images * (size_t)strip_rows(j) * (size_t)strip_columns(j) * TS_WINOGRAD_CHUNK;
}

/* `pixels` pixels of `channels` channels (at most a chunk) -> the strip, [pixel][TS_WINOGRAD_CHUNK], zeros beyond the
 * channels up to whole vectors; normalised when scale is given, and SiLU of it. */
static inline void copy_pixels(float *strip, const float *from, int pixels, size_t pitch, int channels,
                               const float *scale, const float *shift, bool silu) {
    for (int c = 0; c < channels; c += TS_VF) {
        const size_t left = (size_t)(channels - c);
        const vf a = scale ? vf_load_upto(scale + c, left) : vf_zero();
        const vf b = scale ? vf_load_upto(shift + c, left) : vf_zero();
        float *to = strip + c;
        const float *x = from + c;
        for (int p = 0; p < pixels; p++, to += TS_WINOGRAD_CHUNK, x += pitch) {
            const vf read = vf_load_upto(x, left), value = scale ? vf_madd(read, a, b) : read;
            vf_store(to, silu ? vf_silu(value) : value);
        }
    }
}

/* One row of a strip: columns [x, x + columns) of row y of an image, zeros outside of it. */
static void copy_row(const ts_winograd_job *j, int image, int y, int x, int columns, int chunk, float *strip) {
    const int left = x < 0 ? -x : 0;
    const int end = x + columns < j->in_w ? columns : j->in_w - x; /* of the picture's columns */
    if (y < 0 || y >= j->in_h || end <= left) {
        memset(strip, 0, (size_t)columns * TS_WINOGRAD_CHUNK * sizeof(float));
        return;
    }
    memset(strip, 0, (size_t)left * TS_WINOGRAD_CHUNK * sizeof(float));
    memset(strip + end * TS_WINOGRAD_CHUNK, 0, (size_t)(columns - end) * TS_WINOGRAD_CHUNK * sizeof(float));
    const size_t pitch = (size_t)j->in_c, channel = (size_t)image * pitch + (size_t)chunk;
    const int channels = j->in_c - chunk < TS_WINOGRAD_CHUNK ? j->in_c - chunk : TS_WINOGRAD_CHUNK;
    const float *from = j->in +
                        (((size_t)image * (size_t)j->in_h + (size_t)y) * (size_t)j->in_w + (size_t)(x + left)) * pitch +
                        (size_t)chunk;
    float *to = strip + left * TS_WINOGRAD_CHUNK;
    const ts_conv_fuse *f = &j->fuse;
    if (f->scale && f->load_act == TS_ACT_SILU) { /* in one loop, as nets of the field have it */
        copy_pixels(to, from, end - left, pitch, channels, f->scale + channel, f->shift + channel, true);
        return;
    }
    copy_pixels(to, from, end - left, pitch, channels, f->scale ? f->scale + channel : NULL,
                f->scale ? f->shift + channel : NULL, false);
    if (f->load_act != TS_ACT_NONE)
        ts_act_forward(to, to, (size_t)(end - left) * TS_WINOGRAD_CHUNK, f->load_act, f->slope, NULL);
}

/* One line of B^T d: m + 2 vectors, `pitch` floats apart, to m + 2 vectors, `step` floats apart. */
static inline void line_4(float *to, size_t step, const float *d, size_t pitch) {
    const vf half = vf_set1(0.5f), two = vf_set1(2.0f), mid = vf_set1(2.5f);
    const vf low = vf_set1(0.70710678118654752f), high = vf_set1(1.41421356237309505f);
    const vf d0 = vf_load(d), d1 = vf_load(d + pitch), d2 = vf_load(d + 2 * pitch), d3 = vf_load(d + 3 * pitch);
    const vf d4 = vf_load(d + 4 * pitch), d5 = vf_load(d + 5 * pitch);
    const vf p = vf_nmadd(two, d2, d4), q = vf_nmadd(two, d1, d3);
    const vf r = vf_nmadd(half, d2, d4), s = vf_nmadd(half, d1, d3);
    vf_store(to, vf_add(vf_nmadd(mid, d2, d4), d0));
    vf_store(to + step, vf_madd(low, q, p));
    vf_store(to + 2 * step, vf_nmadd(low, q, p));
    vf_store(to + 3 * step, vf_madd(high, s, r));
    vf_store(to + 4 * step, vf_nmadd(high, s, r));
    vf_store(to + 5 * step, vf_add(vf_nmadd(mid, d3, d5), d1));
}

/* The same for m = 6: 8 vectors to 8. */
static inline void line_6(float *to, size_t step, const float *d, size_t pitch) {
    const float *k = ts_winograd_input_6;
    const vf d1 = vf_load(d + pitch), d2 = vf_load(d + 2 * pitch), d3 = vf_load(d + 3 * pitch);
    const vf d4 = vf_load(d + 4 * pitch), d5 = vf_load(d + 5 * pitch), d6 = vf_load(d + 6 * pitch);
    vf_store(to, vf_madd(vf_set1(k[5]), vf_sub(d4, d2), vf_sub(vf_load(d), d6)));
    vf_store(to + 7 * step, vf_madd(vf_set1(k[5]), vf_sub(d3, d5), vf_sub(vf_load(d + 7 * pitch), d1)));
    const vf p = vf_nmadd(vf_set1(k[4]), d4, vf_add(d2, d6)), q = vf_nmadd(vf_set1(k[4]), d3, vf_add(d1, d5));
    vf_store(to + step, vf_add(p, q));
    vf_store(to + 2 * step, vf_sub(p, q));
    const vf r = vf_nmadd(vf_set1(k[3]), d4, vf_madd(vf_set1(k[1]), d2, d6));
    const vf s = vf_nmadd(vf_set1(k[3]), d3, vf_madd(vf_set1(k[1]), d1, d5));
    vf_store(to + 3 * step, vf_madd(vf_set1(k[2]), s, r));
    vf_store(to + 4 * step, vf_nmadd(vf_set1(k[2]), s, r));
    const vf t = vf_nmadd(vf_set1(k[7]), d4, vf_madd(vf_set1(k[6]), d2, d6));
    const vf u = vf_nmadd(vf_set1(k[7]), d3, vf_madd(vf_set1(k[6]), d1, d5));
    vf_store(to + 5 * step, vf_madd(vf_set1(k[0]), u, t));
    vf_store(to + 6 * step, vf_nmadd(vf_set1(k[0]), u, t));
}

static inline void line_2(float *to, size_t step, const float *d, size_t pitch) {
    const vf d0 = vf_load(d), d1 = vf_load(d + pitch), d2 = vf_load(d + 2 * pitch), d3 = vf_load(d + 3 * pitch);
    vf_store(to, vf_sub(d0, d2));
    vf_store(to + step, vf_add(d1, d2));
    vf_store(to + 2 * step, vf_sub(d2, d1));
    vf_store(to + 3 * step, vf_sub(d3, d1));
}

/* A tile's vector of channels: frequencies `step` floats apart. */
static void transform_6(float *to, size_t step, const float *d, size_t row) {
    float room[64 * TS_VF];
    for (int k = 0; k < 8; k++) line_6(room + k * TS_VF, 8 * TS_VF, d + k * TS_WINOGRAD_CHUNK, row);
    for (int i = 0; i < 8; i++) line_6(to + (size_t)(8 * i) * step, step, room + 8 * i * TS_VF, TS_VF);
}

static void transform_4(float *to, size_t step, const float *d, size_t row) {
    float room[36 * TS_VF];
    for (int k = 0; k < 6; k++) line_4(room + k * TS_VF, 6 * TS_VF, d + k * TS_WINOGRAD_CHUNK, row);
    for (int i = 0; i < 6; i++) line_4(to + (size_t)(6 * i) * step, step, room + 6 * i * TS_VF, TS_VF);
}

static void transform_2(float *to, size_t step, const float *d, size_t row) {
    float room[16 * TS_VF];
    for (int k = 0; k < 4; k++) line_2(room + k * TS_VF, 4 * TS_VF, d + k * TS_WINOGRAD_CHUNK, row);
    for (int i = 0; i < 4; i++) line_2(to + (size_t)(4 * i) * step, step, room + 4 * i * TS_VF, TS_VF);
}

/* A group of TS_MR tiles whose windows start at d[]. V holds the group as [depth][TS_MR] where the product wants its
 * scalars in one stream, as [TS_MR][depth] elsewhere. */
static void transform_group(const ts_winograd_job *j, const float *const *d, size_t row, int vectors, float *v) {
    float room[64 * TS_MR * TS_VF];
    for (int c = 0; c < vectors; c++) {
        for (int i = 0; i < TS_MR; i++) {
            float *to = j->stream ? room + i * TS_VF : v + i * j->depth + c * TS_VF;
            const size_t step = j->stream ? TS_MR * TS_VF : j->v_step;
            if (j->m == 6) transform_6(to, step, d[i] + c * TS_VF, row);
            else if (j->m == 4) transform_4(to, step, d[i] + c * TS_VF, row);
            else transform_2(to, step, d[i] + c * TS_VF, row);
        }
        if (!j->stream) continue;
        for (int f = 0; f < ts_winograd_frequencies(j); f++)
            vf_interleave(v + (size_t)f * j->v_step + c * TS_VF * TS_MR, room + f * TS_MR * TS_VF);
    }
}

void ts_winograd_input(const ts_winograd_job *j, const ts_winograd_block *b, int chunk, float *v, float *strip) {
    const int height = b->rows * j->m + 2, width = b->columns * j->m + 2, per_image = b->rows * b->columns;
    const size_t row = (size_t)width * TS_WINOGRAD_CHUNK, image = (size_t)height * row;
    for (int n = 0; n < b->images; n++)
        for (int y = 0; y < height; y++)
            copy_row(j, b->image + n, b->row * j->m + j->off_y + y, b->column * j->m + j->off_x, width, chunk,
                     strip + (size_t)n * image + (size_t)y * row);
    const int tiles = b->images * per_image, left = j->in_c - chunk;
    const int vectors = ((left < TS_WINOGRAD_CHUNK ? left : TS_WINOGRAD_CHUNK) + TS_VF - 1) / TS_VF;
    v += (size_t)chunk * (j->stream ? TS_MR : 1);
    for (int first = 0; first < tiles; first += TS_MR) {
        const float *d[TS_MR];
        for (int i = 0; i < TS_MR; i++) { /* the last group repeats its last tile */
            const int t = first + i < tiles ? first + i : tiles - 1, in_image = t % per_image;
            const int ty = in_image / b->columns, tx = in_image % b->columns;
            d[i] = strip + (size_t)(t / per_image) * image + (size_t)(ty * j->m) * row +
                   (size_t)(tx * j->m * TS_WINOGRAD_CHUNK);
        }
        transform_group(j, d, row, vectors, v + (size_t)first * (size_t)j->depth);
    }
}
