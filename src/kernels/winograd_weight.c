/* winograd_weight.c - the gradient of a 3x3 convolution's weights by Winograd: the adjoint of F(4x4, 3x3).
 *
 * With V = B^T d B of a tile's window and D = A dY A^T of its outputs' gradient,
 *     dW = G^T [ sum over tiles of V^T D, frequency by frequency ] G:
 * 36 products, tiles x input channels (transposed) by tiles x output channels, make up for 16 x 9. Blocks of tiles, which
 * follow from the shape alone, are taken in order: V and D of a block are made, then every frequency's product is
 * added to dU. Tasks share out channels, frequencies, and rows of dW; so the result does not depend on threads.
 */
#include "kernels/winograd_job.h"

#include "base/size.h"

typedef struct gradient {
    const ts_winograd_job *job;
    const ts_winograd_block *block;
    bool fresh; /* the first block */
    const float *dy;
    float *dw;
    float *v, *d, *u; /* [frequency][tile][depth], [frequency][tile][width], [frequency][depth][width] */
    float *strips;    /* one of each worker */
} gradient;

/* One line of A y: four vectors `pitch` floats apart to six vectors `step` floats apart. */
static inline void spread_line(float *to, size_t step, const float *y, size_t pitch) {
    const vf low = vf_set1(0.70710678118654752f), high = vf_set1(1.41421356237309505f);
    const vf half = vf_set1(0.5f), two = vf_set1(2.0f);
    const vf y0 = vf_load(y), y1 = vf_load(y + pitch), y2 = vf_load(y + 2 * pitch), y3 = vf_load(y + 3 * pitch);
    const vf p = vf_madd(half, y2, y0), q = vf_madd(half, y3, y1);
    const vf r = vf_madd(two, y2, y0), s = vf_madd(two, y3, y1);
    vf_store(to, y0);
    vf_store(to + step, vf_madd(low, q, p));
    vf_store(to + 2 * step, vf_nmadd(low, q, p));
    vf_store(to + 3 * step, vf_madd(high, s, r));
    vf_store(to + 4 * step, vf_nmadd(high, s, r));
    vf_store(to + 5 * step, y3);
}

/* One line of G^T u: six vectors `pitch` floats apart to three vectors `step` floats apart. */
static inline void gather_line(float *to, size_t step, const float *u, size_t pitch) {
    const vf third = vf_set1(0.33333333333333333f), sixth = vf_set1(0.16666666666666667f);
    const vf low = vf_set1(0.47140452079103168f), high = vf_set1(0.23570226039551584f); /* sqrt 2 / 3, sqrt 2 / 6 */
    const vf u1 = vf_load(u + pitch), u2 = vf_load(u + 2 * pitch), u3 = vf_load(u + 3 * pitch);
    const vf u4 = vf_load(u + 4 * pitch);
    const vf s1 = vf_add(u1, u2), s2 = vf_add(u3, u4);
    vf_store(to, vf_nmadd(vf_add(third, third), s1, vf_madd(sixth, s2, vf_load(u))));
    vf_store(to + step, vf_nmadd(low, vf_sub(u1, u2), vf_mul(high, vf_sub(u3, u4))));
    vf_store(to + 2 * step, vf_madd(third, vf_sub(s2, s1), vf_load(u + 5 * pitch)));
}

/* D of a block's chunk of output channels: zeros outside the plane, and beyond the channels up to whole vectors. */
static void spread(const gradient *g, int first) {
    const ts_winograd_job *j = g->job;
    const ts_winograd_block *b = g->block;
    const int per_image = b->rows * b->columns;
    const int end = first + TS_WINOGRAD_CHUNK < j->out_c ? first + TS_WINOGRAD_CHUNK : j->out_c;
    float values[16 * TS_VF], room[24 * TS_VF], *d = g->d;
    for (int t = 0; t < b->images * per_image; t++, d += j->group) {
        const int y = (b->row + t % per_image / b->columns) * 4, x = (b->column + t % b->columns) * 4;
        const int rows = j->plane_h - y < 4 ? j->plane_h - y : 4, columns = j->plane_w - x < 4 ? j->plane_w - x : 4;
        const float *from = g->dy + (size_t)(b->image + t / per_image) * j->out_image + (size_t)y * j->out_row +
                            (size_t)x * j->out_pixel;
        if (rows * columns < 16) memset(values, 0, sizeof values);
        for (int c = first; c < end; c += TS_VF) {
            const size_t n = ts_min_size((size_t)(j->out_c - c), TS_VF);
            for (int i = 0; i < rows; i++)
                for (int k = 0; k < columns; k++)
                    vf_store(values + (4 * i + k) * TS_VF,
                             vf_load_upto(from + (size_t)i * j->out_row + (size_t)k * j->out_pixel + c, n));
            for (int k = 0; k < 4; k++) spread_line(room + k * TS_VF, 4 * TS_VF, values + k * TS_VF, 4 * TS_VF);
            for (int i = 0; i < 6; i++)
                spread_line(d + c + (size_t)(6 * i) * j->m_step, j->m_step, room + 4 * i * TS_VF, TS_VF);
        }
    }
}

static size_t chunks(int channels) { return ts_div_up((size_t)channels, TS_WINOGRAD_CHUNK); }

/* V or D of a chunk of channels: input channels first, then output channels. */
static void transform_task(void *context, size_t begin, size_t end, int worker) {
    const gradient *g = context;
    const ts_winograd_job *j = g->job;
    float *strip = g->strips + (size_t)worker * ts_winograd_strip(j);
    for (size_t i = begin; i < end; i++) {
        if (i < chunks(j->in_c)) ts_winograd_input(j, g->block, (int)i * TS_WINOGRAD_CHUNK, g->v, strip);
        else spread(g, (int)(i - chunks(j->in_c)) * TS_WINOGRAD_CHUNK);
    }
}

/* dU += V^T D of a block, at some frequencies. */
static void product_task(void *context, size_t begin, size_t end, int worker) {
    const gradient *g = context;
    const ts_winograd_job *j = g->job;
    const ts_walk walk = {1, ts_winograd_tiles(g->block), (size_t)j->depth, 0, (size_t)j->group};
    (void)worker;
    for (size_t f = begin; f < end; f++) {
        const float *v = g->v + f * j->v_step, *d = g->d + f * j->m_step;
        float *u = g->u + f * j->u_step;
        if (g->fresh) memset(u, 0, j->u_step * sizeof *u);
        for (int first = 0; first < j->width; first += TS_NR) {
            const int columns = j->width - first < TS_NR ? j->width - first : TS_NR;
            for (int i = 0; i < j->in_c; i += TS_MR) {
                /* the last tile overlaps the one before and adds only what is new */
                const int from = i + TS_MR > j->in_c ? i + TS_MR - j->in_c : 0;
                ts_tile_columns(u + (i - from) * j->width + first, (size_t)j->width, v + i - from, d + first, &walk,
                                from, columns);
            }
        }
    }
}

/* dW += G^T dU G for some input channels. */
static void weight_task(void *context, size_t begin, size_t end, int worker) {
    const gradient *g = context;
    const ts_winograd_job *j = g->job;
    const size_t tap = (size_t)j->in_c * (size_t)j->out_c;
    float room[18 * TS_VF], taps[9 * TS_VF];
    (void)worker;
    for (size_t i = begin; i < end; i++)
        for (int c = 0; c < j->out_c; c += TS_VF) {
            const float *u = g->u + i * (size_t)j->width + (size_t)c;
            float *dw = g->dw + i * (size_t)j->out_c + (size_t)c;
            const size_t n = ts_min_size((size_t)(j->out_c - c), TS_VF);
            for (size_t k = 0; k < 6; k++) gather_line(room + k * TS_VF, 6 * TS_VF, u + k * j->u_step, 6 * j->u_step);
            for (int k = 0; k < 3; k++) gather_line(taps + 3 * k * TS_VF, TS_VF, room + 6 * k * TS_VF, TS_VF);
            for (size_t t = 0; t < 9; t++, dw += tap)
                vf_store_upto(dw, vf_add(vf_load_upto(dw, n), vf_load(taps + t * TS_VF)), n);
        }
}

static ts_winograd_job planned(const ts_conv_shape *shape) {
    ts_winograd_job j = ts_winograd_job_of(shape, 4, TS_WINOGRAD_WEIGHT, 1);
    j.group = j.width;
    j.m_step = (size_t)j.tiles * (size_t)j.width + 16;
    return j;
}

static size_t part_floats(size_t step) { return ts_div_up((size_t)36 * step, 16) * 16; }

size_t ts_winograd_scratch_weight(const ts_conv_shape *shape, int threads) {
    const ts_winograd_job j = planned(shape);
    return part_floats(j.v_step) + part_floats(j.m_step) + part_floats(j.u_step) +
           (size_t)threads * ts_winograd_strip(&j);
}

void ts_winograd_weight(const ts_conv_shape *shape, float *dw, const float *x, const float *dy, float *scratch,
                        ts_pool *pool) {
    ts_winograd_job j = planned(shape);
    j.in = x;
    gradient g = {.job = &j, .dy = dy, .dw = dw, .v = scratch};
    g.d = g.v + part_floats(j.v_step);
    g.u = g.d + part_floats(j.m_step);
    g.strips = g.u + part_floats(j.u_step);
    for (size_t i = 0; i < ts_winograd_blocks(&j); i++) {
        const ts_winograd_block block = ts_winograd_block_at(&j, i);
        g.block = &block;
        g.fresh = i == 0;
        ts_parallel(pool, chunks(j.in_c) + chunks(j.out_c), 1, transform_task, &g);
        ts_parallel(pool, 36, 1, product_task, &g);
    }
    ts_parallel(pool, (size_t)j.in_c, 4, weight_task, &g);
}
