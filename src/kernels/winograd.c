/* winograd.c - geometry of a Winograd convolution, its panels, and how its parts run.
 *
 * A plane is cut into blocks of tiles, smaller ones for several threads. A block's input is transformed into V
 * [frequency][tile][channel]; then come the products, one frequency after the other, so that V's part and a panel of
 * filters stay in the first levels of the cache and everything else is read or written once; then the way back.
 * With panels made in advance a task is a block. A streaming pass takes the blocks one by one, and makes filters as
 * it goes: STREAM_DEPTH input channels of a panel of output channels at a time, which do not leave the cache either.
 * An output's bits depend on its place in its tile and on the tile's window; not on blocks, tasks or threads.
 */
#include "kernels/winograd_job.h"

#include "base/size.h"

enum {
    TILES = 144,          /* of a block, at most */
    V_BYTES = 4800 << 10, /* of V, about */
    BLOCK_COST = 8,       /* of another block, in tiles */
    WEIGHT_TILES = 64,    /* of a block of the gradient of weights, at most; bits depend on it */
    WEIGHT_START = 12,    /* tiles whose products take as long as that gradient's work for any number of tiles */
    GROUP = 64,           /* output channels whose products are kept at one time */
    SIX_LEAST = 96,       /* input and output channels of F(6x6): with 64 it is no faster */
    SIX_PAIRS = 1 << 15,  /* of channels, at most, of F(6x6): its panels are 64 / 36 of those of F(4x4) */
    STREAM_TILES = 64,    /* of a plane whose filters are made as it goes, at most */
    STREAM_DEPTH = TS_NR > 16 ? 32 : 64
};

const float ts_winograd_input_6[8] = {0.5f, 0.25f, 2.0f, 1.25f, 4.25f, 5.25f, 4.0f, 5.0f};
const float ts_winograd_output_6[10] = {2.0f, 0.5f, 4.0f, 0.25f, 8.0f, 0.125f, 16.0f, 0.0625f, 32.0f, 0.03125f};

static int split_evenly(int whole, int most) {
    const int parts = (whole + most - 1) / most;
    return (whole + parts - 1) / parts;
}

static int64_t padded(int tiles) { return (tiles + TS_MR - 1) / TS_MR * TS_MR; }

/* What a cut costs, in eighths of a tile: tiles as the products count them; for every block, reading the panels and the
 * pixels around it. */
static int64_t cut_cost(const ts_winograd_job *j, int rows, int columns) {
    const int down = j->tiles_y / rows, across = j->tiles_x / columns;
    const int below = j->tiles_y % rows, beside = j->tiles_x % columns;
    const int blocks = (down + (below > 0)) * (across + (beside > 0));
    const int64_t tiles = down * across * padded(rows * columns) + down * padded(rows * beside) +
                          across * padded(below * columns) + padded(below * beside);
    return 8 * tiles + (int64_t)blocks * (8 * BLOCK_COST + rows + columns);
}

/* Tiles of a block: as many as keep V small, for a block reads all panels, and at least two blocks for each of several
 * threads. */
static int tiles_that_fit(const ts_winograd_job *j, int threads) {
    const size_t per_tile = (size_t)(ts_winograd_frequencies(j) * j->depth) * sizeof(float);
    const size_t all = (size_t)(j->tiles_y * j->tiles_x) * (size_t)j->batch;
    size_t most = ts_min_size(TILES, V_BYTES / per_tile);
    if (threads > 1) most = ts_min_size(most, all / (2 * (size_t)threads));
    return (int)ts_max_size(most, 2 * TS_MR);
}

/* Rows and columns of tiles, at most `fit`: the cheapest cut. */
static void cut_image(ts_winograd_job *j, int fit) {
    int64_t least_cost = INT64_MAX;
    for (int rows = 1; rows <= fit && rows <= j->tiles_y; rows++) {
        const int columns = split_evenly(j->tiles_x, fit / rows);
        const int64_t cost = cut_cost(j, rows, columns);
        if (cost >= least_cost) continue;
        least_cost = cost;
        j->rows = rows;
        j->columns = columns;
    }
}

/* Blocks of at most `fit` tiles: whole images where they fit; else `even`, about as many rows as columns in every build,
 * or the cheapest. */
static void cut_blocks(ts_winograd_job *j, int fit, bool even) {
    const int image = j->tiles_y * j->tiles_x;
    j->images = j->rows = j->columns = 1;
    if (image <= fit) {
        j->images = split_evenly(j->batch, fit / image);
        j->rows = j->tiles_y;
        j->columns = j->tiles_x;
    } else if (even) {
        j->rows = split_evenly(j->tiles_y, fit < 36 ? 4 : 8);
        j->columns = j->tiles_x < fit / j->rows ? j->tiles_x : fit / j->rows;
    } else cut_image(j, fit);
    j->blocks_n = (j->batch + j->images - 1) / j->images;
    j->blocks_y = (j->tiles_y + j->rows - 1) / j->rows;
    j->blocks_x = (j->tiles_x + j->columns - 1) / j->columns;
    j->tiles = (j->images * j->rows * j->columns + TS_MR - 1) / TS_MR * TS_MR;
    j->v_step = (size_t)j->tiles * (size_t)j->depth + 16;
    j->u_step = (size_t)j->depth * (size_t)j->width + 16;
}

ts_winograd_job ts_winograd_job_of(const ts_conv_shape *s, int m, ts_winograd_pass pass, int threads) {
    const bool back = pass == TS_WINOGRAD_BACK, weight = pass == TS_WINOGRAD_WEIGHT;
    const int out_h = s->height + s->pad_top + s->pad_bottom - 2, out_w = s->width + s->pad_left + s->pad_right - 2;
    const int shrink = s->upsample == 2 ? 2 : 1;
    ts_winograd_job j = {.m = m,
                         .batch = s->batch,
                         .in_h = back ? out_h : s->height / shrink,
                         .in_w = back ? out_w : s->width / shrink,
                         .in_c = back ? s->out : s->in,
                         .out_c = back ? s->in : s->out,
                         .plane_h = back ? s->height : out_h / shrink,
                         .plane_w = back ? s->width : out_w / shrink,
                         .off_y = back ? s->pad_top - 2 : -s->pad_top,
                         .off_x = back ? s->pad_left - 2 : -s->pad_left,
                         .phases = shrink * shrink,
                         .back = back,
                         .stream = TS_STREAM && !weight};
    const size_t row = (size_t)j.plane_w * (size_t)shrink * (size_t)j.out_c;
    j.out_pixel = (size_t)j.out_c * (size_t)shrink;
    j.out_row = row * (size_t)shrink;
    j.out_image = j.out_row * (size_t)j.plane_h;
    j.depth = (j.in_c + TS_VF - 1) / TS_VF * TS_VF;
    j.width = (j.out_c + TS_VF - 1) / TS_VF * TS_VF;
    j.tiles_y = (j.plane_h + m - 1) / m;
    j.tiles_x = (j.plane_w + m - 1) / m;
    cut_blocks(&j, weight ? WEIGHT_TILES : tiles_that_fit(&j, threads), weight);
    return j;
}

/* Does F(6x6) do with seven eighths of the multiplications of F(4x4) where they matter, and do its panels stay small?
 * It never streams. */
static bool prefers_six(const ts_conv_shape *s, const ts_winograd_job *four, ts_winograd_pass pass) {
    const ts_winograd_job six = ts_winograd_job_of(s, 6, pass, 1);
    const int64_t tiles = (int64_t)four->tiles_y * four->tiles_x * four->batch;
    const int64_t tiles_six = (int64_t)six.tiles_y * six.tiles_x * six.batch;
    return tiles > STREAM_TILES && s->in >= SIX_LEAST && s->out >= SIX_LEAST && (int64_t)s->in * s->out <= SIX_PAIRS &&
           8 * tiles_six * ts_winograd_used(&six) <= 7 * tiles * ts_winograd_used(four);
}

int ts_winograd_tile(const ts_conv_shape *s, ts_winograd_pass pass) {
    if (s->kernel_h != 3 || s->kernel_w != 3 || s->stride != 1 || s->unshuffle > 1 || s->shuffle > 1) return 0;
    if (s->upsample > 1 && (s->upsample != 2 || pass != TS_WINOGRAD_FORWARD)) return 0;
    if (s->in < 16 || s->out < 16) return 0;
    const int deep = pass == TS_WINOGRAD_BACK ? s->out : s->in;
    const int m = pass != TS_WINOGRAD_WEIGHT && deep > TS_WINOGRAD_DEPTH ? 2 : 4;
    const ts_winograd_job j = ts_winograd_job_of(s, m, pass, 1);
    /* Half of the direct form's multiplications have to go, counting six tiles at a time as the products do; for the
     * gradient of weights, whose sums are cleared, added to and transformed back once, a few tiles more. */
    const int64_t number = (int64_t)j.tiles_y * j.tiles_x * j.batch;
    const int64_t tiles = pass == TS_WINOGRAD_WEIGHT ? number + WEIGHT_START : (number + 5) / 6 * 6;
    const int64_t pixels = (int64_t)j.plane_h * j.plane_w * j.batch;
    if (tiles * ts_winograd_frequencies(&j) * 2 > pixels * 9) return 0;
    return m == 4 && pass != TS_WINOGRAD_WEIGHT && prefers_six(s, &j, pass) ? 6 : m;
}

bool ts_winograd_streams(const ts_conv_shape *shape, int m) {
    const ts_winograd_job j = ts_winograd_job_of(shape, m, TS_WINOGRAD_FORWARD, 1);
    return m < 6 && (int64_t)j.tiles_y * j.tiles_x * j.batch <= STREAM_TILES;
}

/* ---- panels --------------------------------------------------------------------------------------------------- */
size_t ts_winograd_panels(const ts_conv_shape *shape, int m, ts_winograd_pass pass) {
    const ts_winograd_job j = ts_winograd_job_of(shape, m, pass, 1);
    return (size_t)(j.phases * ts_winograd_used(&j)) * j.u_step;
}

typedef struct run {
    const ts_winograd_job *job;
    float *v, *products, *room; /* of the blocks in flight; strips or filters of the workers */
    size_t v_each, products_each, room_each;
    /* streaming: what all tasks work on, and the first of the input channels */
    const ts_winograd_block *block;
    int phase, channel;
} run;

static int phase_number(const ts_winograd_job *j, int phase) { return j->phases > 1 ? phase : -1; }

static void pack_task(void *context, size_t begin, size_t end, int worker) {
    const run *r = context;
    const ts_winograd_job *j = r->job;
    (void)worker;
    for (size_t p = begin; p < end; p++) {
        const int first = (int)p * TS_NR;
        float *u = r->room + (size_t)first * (size_t)j->depth;
        for (int phase = 0; phase < j->phases; phase++, u += (size_t)ts_winograd_used(j) * j->u_step)
            ts_winograd_filter(j, first, phase_number(j, phase), 0, j->depth, u, j->u_step);
    }
}

static bool streaming(const ts_conv *plan, ts_winograd_pass pass) {
    return pass == TS_WINOGRAD_FORWARD && plan->streams;
}

static ts_winograd_job planned(const ts_conv *plan, ts_winograd_pass pass, int threads) {
    const int m = pass == TS_WINOGRAD_BACK ? plan->tile_back : plan->tile;
    ts_winograd_job j = ts_winograd_job_of(&plan->shape, m, pass, threads);
    j.group = streaming(plan, pass) || j.width < GROUP ? j.width : GROUP;
    j.m_step = (size_t)j.tiles * (size_t)j.group + 16;
    return j;
}

void ts_winograd_pack(const ts_conv *plan, ts_winograd_pass pass, float *panels, const float *weights, ts_pool *pool) {
    ts_winograd_job j = planned(plan, pass, 1);
    j.filter.values = weights;
    run r = {.job = &j, .room = panels};
    ts_parallel(pool, ts_div_up((size_t)j.out_c, TS_NR), 1, pack_task, &r);
}

/* ---- running -------------------------------------------------------------------------------------------------- */
static size_t aligned(size_t floats) { return ts_div_up(floats, 16) * 16; }

static size_t v_floats(const ts_winograd_job *j) { return aligned((size_t)ts_winograd_frequencies(j) * j->v_step); }

static size_t product_floats(const ts_winograd_job *j) {
    return aligned((size_t)ts_winograd_frequencies(j) * j->m_step);
}

static size_t stream_step(void) { return STREAM_DEPTH * TS_NR + 16; }

/* Of one worker: a strip, or (streaming) filters, never at one time. */
static size_t room_floats(const ts_winograd_job *j, bool streams) {
    const size_t filters = streams ? (size_t)ts_winograd_used(j) * stream_step() : 0;
    return aligned(ts_max_size(filters, ts_winograd_strip(j)));
}

size_t ts_winograd_scratch(const ts_conv *plan, ts_winograd_pass pass, int threads) {
    const bool streams = streaming(plan, pass);
    size_t most = 0;
    for (int some = 1; some <= threads; some++) { /* fewer may come than are planned for, and have larger blocks */
        const ts_winograd_job j = planned(plan, pass, streams ? 1 : some);
        most = ts_max_size(most, (v_floats(&j) + product_floats(&j)) * (streams ? 1 : (size_t)some) +
                                     room_floats(&j, streams) * (size_t)some);
    }
    return most;
}

static int least(int a, int b) { return a < b ? a : b; }

size_t ts_winograd_blocks(const ts_winograd_job *j) {
    return (size_t)j->blocks_n * (size_t)j->blocks_y * (size_t)j->blocks_x;
}

ts_winograd_block ts_winograd_block_at(const ts_winograd_job *j, size_t index) {
    const int x = (int)(index % (size_t)j->blocks_x), y = (int)(index / (size_t)j->blocks_x % (size_t)j->blocks_y);
    const int n = (int)(index / (size_t)j->blocks_x / (size_t)j->blocks_y);
    ts_winograd_block b = {.image = n * j->images, .row = y * j->rows, .column = x * j->columns};
    b.images = least(j->images, j->batch - b.image);
    b.rows = least(j->rows, j->tiles_y - b.row);
    b.columns = least(j->columns, j->tiles_x - b.column);
    return b;
}

/* All products of output channels begin .. end-1 of a block, in a phase; u: the phase's panels. */
static void multiply(const ts_winograd_job *j, const ts_winograd_block *b, int begin, int end, int phase, float *m,
                     const float *v, const float *u) {
    const int tiles = ts_winograd_tiles(b);
    for (int f = 0; f < ts_winograd_frequencies(j); f++, m += j->m_step, v += j->v_step) {
        if (ts_winograd_zero(j->m, phase, f)) {
            memset(m, 0, (size_t)tiles * (size_t)j->group * sizeof(float));
            continue;
        }
        for (int first = begin; first < end; first += TS_NR)
            ts_winograd_product(j, tiles, first, 0, j->depth, m + (first - begin), v,
                                u + (size_t)first * (size_t)j->depth);
        u += j->u_step;
    }
}

static void block_task(void *context, size_t begin, size_t end, int worker) {
    const run *r = context;
    const ts_winograd_job *j = r->job;
    const size_t w = (size_t)worker;
    float *v = r->v + w * r->v_each, *products = r->products + w * r->products_each,
          *strip = r->room + w * r->room_each;
    for (size_t i = begin; i < end; i++) {
        const ts_winograd_block b = ts_winograd_block_at(j, i);
        for (int chunk = 0; chunk < j->in_c; chunk += TS_WINOGRAD_CHUNK) ts_winograd_input(j, &b, chunk, v, strip);
        const float *u = j->filter.panels;
        for (int phase = 0; phase < j->phases; phase++, u += (size_t)ts_winograd_used(j) * j->u_step) {
            for (int first = 0; first < j->out_c; first += j->group) {
                const int last = least(first + j->group, j->out_c);
                multiply(j, &b, first, last, phase_number(j, phase), products, v, u);
                ts_winograd_output(j, &b, first, last, phase_number(j, phase), products);
            }
        }
    }
}

static void chunk_task(void *context, size_t begin, size_t end, int worker) {
    const run *r = context;
    for (size_t i = begin; i < end; i++)
        ts_winograd_input(r->job, r->block, (int)i * TS_WINOGRAD_CHUNK, r->v, r->room + (size_t)worker * r->room_each);
}

/* Some input channels of a panel: filters, products at all frequencies, and after the last channels the way back. */
static void stream_task(void *context, size_t begin, size_t end, int worker) {
    const run *r = context;
    const ts_winograd_job *j = r->job;
    const int last = least(r->channel + STREAM_DEPTH, j->depth), depth = last - r->channel,
              tiles = ts_winograd_tiles(r->block);
    for (size_t i = begin; i < end; i++) {
        const int first = (int)i * TS_NR, past = least(first + TS_NR, j->out_c);
        float *m = r->products + first, *u = r->room + (size_t)worker * r->room_each;
        const float *v = r->v;
        ts_winograd_filter(j, first, r->phase, r->channel, last, u, stream_step());
        for (int f = 0; f < ts_winograd_frequencies(j); f++, m += j->m_step, v += j->v_step) {
            if (ts_winograd_zero(j->m, r->phase, f)) {
                for (int t = 0; t < tiles && r->channel == 0; t++)
                    memset(m + t * j->group, 0, (size_t)(past - first) * sizeof(float));
                continue;
            }
            ts_winograd_product(j, tiles, first, r->channel, depth, m, v, u);
            u += stream_step();
        }
        if (last == j->depth) ts_winograd_output(j, r->block, first, past, r->phase, r->products + first);
    }
}

static void run_streaming(run *r, size_t blocks, ts_pool *pool) {
    const ts_winograd_job *j = r->job;
    for (size_t i = 0; i < blocks; i++) {
        const ts_winograd_block b = ts_winograd_block_at(j, i);
        r->block = &b;
        ts_parallel(pool, ts_div_up((size_t)j->in_c, TS_WINOGRAD_CHUNK), 1, chunk_task, r);
        for (int phase = 0; phase < j->phases; phase++) {
            r->phase = phase_number(j, phase);
            for (r->channel = 0; r->channel < j->depth; r->channel += STREAM_DEPTH)
                ts_parallel(pool, ts_div_up((size_t)j->out_c, TS_NR), 1, stream_task, r);
        }
    }
}

void ts_winograd_run(const ts_conv *plan, ts_winograd_pass pass, float *y, const float *x, ts_filter filter,
                     const ts_conv_fuse *fuse, float *scratch, ts_pool *pool) {
    const bool streams = streaming(plan, pass);
    ts_winograd_job j = planned(plan, pass, streams ? 1 : ts_pool_threads(pool));
    const size_t blocks = ts_winograd_blocks(&j);
    const size_t workers = (size_t)ts_pool_threads(pool);
    j.in = x;
    j.out = y;
    j.filter = filter;
    if (fuse) j.fuse = *fuse;
    run r = {.job = &j, .v = scratch, .v_each = v_floats(&j), .products_each = product_floats(&j)};
    r.room_each = room_floats(&j, streams);
    r.products = scratch + r.v_each * (streams ? 1 : workers);
    r.room = r.products + r.products_each * (streams ? 1 : workers);
    if (streams) run_streaming(&r, blocks, pool);
    else ts_parallel(pool, blocks, 1, block_task, &r);
}
