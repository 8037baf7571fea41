/* winograd.c - geometry of a Winograd convolution, its panels, and how its parts run.
 *
 * A plane is cut into blocks of tiles whose V (transformed input, 36 x tiles x channels) stays near the core. A panel of
 * output channels is multiplied and transformed back before the next, so its products never leave the cache either.
 * With panels made in advance a task is a block. A streaming pass takes the blocks one by one: its tasks are first chunks
 * of input channels, then panels of output channels, each with filters of its own making. An output's bits depend on
 * its place in its tile and on the tile's window; not on blocks, tasks or threads.
 */
#include "kernels/winograd_job.h"

#include "base/size.h"

enum { TILES = 72, V_BYTES = 2400 << 10, STREAM_TILES = 64 };

static int split_evenly(int whole, int most) {
    const int parts = (whole + most - 1) / most;
    return (whole + parts - 1) / parts;
}

/* Tiles per block: as many as keep V small; whole images where they fit, else about as many rows as columns. */
static void cut_blocks(ts_winograd_job *j) {
    const size_t per_tile = (size_t)(ts_winograd_frequencies(j) * j->depth) * sizeof(float);
    const int fit = (int)ts_min_size(TILES, ts_max_size(V_BYTES / per_tile, 2 * TS_MR));
    const int image = j->tiles_y * j->tiles_x;
    j->images = j->rows = j->columns = 1;
    if (image <= fit) {
        j->images = split_evenly(j->batch, fit / image);
        j->rows = j->tiles_y;
        j->columns = j->tiles_x;
    } else {
        j->rows = split_evenly(j->tiles_y, fit < 36 ? 4 : 8);
        j->columns = j->tiles_x < fit / j->rows ? j->tiles_x : fit / j->rows;
    }
    j->blocks_n = (j->batch + j->images - 1) / j->images;
    j->blocks_y = (j->tiles_y + j->rows - 1) / j->rows;
    j->blocks_x = (j->tiles_x + j->columns - 1) / j->columns;
    j->tiles = (j->images * j->rows * j->columns + TS_MR - 1) / TS_MR * TS_MR;
    j->v_step = (size_t)j->tiles * (size_t)j->depth + 16;
}

static ts_winograd_job job_of(const ts_conv_shape *s, int m, ts_winograd_pass pass) {
    const bool back = pass == TS_WINOGRAD_BACK;
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
                         .back = back};
    const size_t row = (size_t)j.plane_w * (size_t)shrink * (size_t)j.out_c;
    j.out_pixel = (size_t)j.out_c * (size_t)shrink;
    j.out_row = row * (size_t)shrink;
    j.out_image = j.out_row * (size_t)j.plane_h;
    j.depth = (j.in_c + TS_VF - 1) / TS_VF * TS_VF;
    j.tiles_y = (j.plane_h + m - 1) / m;
    j.tiles_x = (j.plane_w + m - 1) / m;
    cut_blocks(&j);
    return j;
}

int ts_winograd_tile(const ts_conv_shape *s, ts_winograd_pass pass) {
    if (s->kernel_h != 3 || s->kernel_w != 3 || s->stride != 1 || s->unshuffle > 1 || s->shuffle > 1) return 0;
    if (s->upsample > 1 && (s->upsample != 2 || pass == TS_WINOGRAD_BACK)) return 0;
    if (s->in < 16 || s->out < 16) return 0;
    const int deep = pass == TS_WINOGRAD_BACK ? s->out : s->in, m = deep > TS_WINOGRAD_DEPTH ? 2 : 4;
    const ts_winograd_job j = job_of(s, m, pass);
    const int64_t side = m + 2, tiles = (int64_t)j.tiles_y * j.tiles_x, pixels = (int64_t)j.plane_h * j.plane_w;
    if (tiles * s->batch < 4) return 0; /* too few to share the filters' transform */
    return tiles * side * side * 3 <= pixels * 9 * 2 ? m : 0;
}

bool ts_winograd_streams(const ts_conv_shape *shape, int m) {
    const ts_winograd_job j = job_of(shape, m, TS_WINOGRAD_FORWARD);
    return (int64_t)j.tiles_y * j.tiles_x * j.batch <= STREAM_TILES;
}

/* ---- panels --------------------------------------------------------------------------------------------------- */
static size_t panel_at(const ts_winograd_job *j, int first) { /* floats to the panel of this output channel */
    return (size_t)(first / TS_NR) * ts_winograd_panel(j, TS_NV);
}

size_t ts_winograd_panels(const ts_conv_shape *shape, int m, ts_winograd_pass pass) {
    const ts_winograd_job j = job_of(shape, m, pass);
    const int last = (j.out_c - 1) / TS_NR * TS_NR;
    return panel_at(&j, last) + ts_winograd_panel(&j, ts_panel_vectors(j.out_c, last));
}

/* All phases' filters of one panel. */
static void make_panel(const ts_winograd_job *j, int first, float *u) {
    const size_t each = ts_winograd_panel(j, ts_panel_vectors(j->out_c, first)) / (size_t)j->phases;
    for (int phase = 0; phase < j->phases; phase++)
        ts_winograd_filter(j, first, j->phases > 1 ? phase : -1, u + (size_t)phase * each);
}

typedef struct run {
    const ts_winograd_job *job;
    float *v, *room; /* of all blocks in flight, of the workers */
    size_t v_each, room_each;
    const ts_winograd_block *block; /* streaming: the one */
} run;

static void pack_task(void *context, size_t begin, size_t end, int worker) {
    const run *r = context;
    (void)worker;
    for (size_t p = begin; p < end; p++) {
        const int first = (int)p * TS_NR;
        make_panel(r->job, first, r->room + panel_at(r->job, first));
    }
}

static ts_winograd_job planned(const ts_conv *plan, ts_winograd_pass pass) {
    return job_of(&plan->shape, pass == TS_WINOGRAD_BACK ? plan->tile_back : plan->tile, pass);
}

void ts_winograd_pack(const ts_conv *plan, ts_winograd_pass pass, float *panels, const float *weights, ts_pool *pool) {
    ts_winograd_job j = planned(plan, pass);
    j.filter.values = weights;
    run r = {.job = &j, .room = panels};
    ts_parallel(pool, ts_div_up((size_t)j.out_c, TS_NR), 1, pack_task, &r);
}

/* ---- running -------------------------------------------------------------------------------------------------- */
static size_t aligned(size_t floats) { return ts_div_up(floats, 16) * 16; }

static size_t v_floats(const ts_winograd_job *j) { return aligned((size_t)ts_winograd_frequencies(j) * j->v_step); }

static size_t product_floats(const ts_winograd_job *j) {
    return aligned((size_t)ts_winograd_frequencies(j) * ts_winograd_product_step(j, TS_NV));
}

/* Of one worker: products, and a strip or (streaming) filters, never at one time. */
static size_t room_floats(const ts_winograd_job *j, bool streams) {
    const size_t filters = streams ? product_floats(j) + ts_winograd_panel(j, TS_NV) : product_floats(j);
    return aligned(ts_max_size(filters, ts_winograd_strip(j)));
}

size_t ts_winograd_scratch(const ts_conv *plan, ts_winograd_pass pass, int threads) {
    const ts_winograd_job j = planned(plan, pass);
    const bool streams = pass == TS_WINOGRAD_FORWARD && plan->streams;
    return v_floats(&j) * (streams ? 1 : (size_t)threads) + room_floats(&j, streams) * (size_t)threads;
}

static int least(int a, int b) { return a < b ? a : b; }

static ts_winograd_block block_at(const ts_winograd_job *j, size_t index) {
    const int x = (int)(index % (size_t)j->blocks_x), y = (int)(index / (size_t)j->blocks_x % (size_t)j->blocks_y);
    const int n = (int)(index / (size_t)j->blocks_x / (size_t)j->blocks_y);
    ts_winograd_block b = {.image = n * j->images, .row = y * j->rows, .column = x * j->columns};
    b.images = least(j->images, j->batch - b.image);
    b.rows = least(j->rows, j->tiles_y - b.row);
    b.columns = least(j->columns, j->tiles_x - b.column);
    return b;
}

/* One panel of output channels of a block, u: its filters. */
static void run_panel(const ts_winograd_job *j, const ts_winograd_block *b, int first, const float *v, const float *u,
                      float *products) {
    const int vectors = ts_panel_vectors(j->out_c, first);
    const size_t each = ts_winograd_panel(j, vectors) / (size_t)j->phases;
    for (int p = 0; p < j->phases; p++, u += each) {
        const int phase = j->phases > 1 ? p : -1;
        ts_winograd_product(j, b->images * b->rows * b->columns, vectors, phase, products, v, u);
        ts_winograd_output(j, b, first, phase, products);
    }
}

static void block_task(void *context, size_t begin, size_t end, int worker) {
    const run *r = context;
    const ts_winograd_job *j = r->job;
    float *v = r->v + (size_t)worker * r->v_each, *room = r->room + (size_t)worker * r->room_each;
    for (size_t i = begin; i < end; i++) {
        const ts_winograd_block b = block_at(j, i);
        for (int chunk = 0; chunk < j->in_c; chunk += TS_WINOGRAD_CHUNK) ts_winograd_input(j, &b, chunk, v, room);
        for (int first = 0; first < j->out_c; first += TS_NR)
            run_panel(j, &b, first, v, j->filter.panels + panel_at(j, first), room);
    }
}

static void chunk_task(void *context, size_t begin, size_t end, int worker) {
    const run *r = context;
    for (size_t i = begin; i < end; i++)
        ts_winograd_input(r->job, r->block, (int)i * TS_WINOGRAD_CHUNK, r->v, r->room + (size_t)worker * r->room_each);
}

static void panel_task(void *context, size_t begin, size_t end, int worker) {
    const run *r = context;
    float *products = r->room + (size_t)worker * r->room_each, *u = products + product_floats(r->job);
    for (size_t i = begin; i < end; i++) {
        make_panel(r->job, (int)i * TS_NR, u);
        run_panel(r->job, r->block, (int)i * TS_NR, r->v, u, products);
    }
}

static void run_streaming(run *r, size_t blocks, ts_pool *pool) {
    for (size_t i = 0; i < blocks; i++) {
        const ts_winograd_block b = block_at(r->job, i);
        r->block = &b;
        ts_parallel(pool, ts_div_up((size_t)r->job->in_c, TS_WINOGRAD_CHUNK), 1, chunk_task, r);
        ts_parallel(pool, ts_div_up((size_t)r->job->out_c, TS_NR), 1, panel_task, r);
    }
}

void ts_winograd_run(const ts_conv *plan, ts_winograd_pass pass, float *y, const float *x, ts_filter filter,
                     const ts_conv_fuse *fuse, float *scratch, ts_pool *pool) {
    ts_winograd_job j = planned(plan, pass);
    const bool streams = pass == TS_WINOGRAD_FORWARD && plan->streams;
    const size_t blocks = (size_t)j.blocks_n * (size_t)j.blocks_y * (size_t)j.blocks_x;
    const size_t workers = (size_t)ts_pool_threads(pool);
    j.in = x;
    j.out = y;
    j.filter = filter;
    if (fuse) j.fuse = *fuse;
    run r = {.job = &j, .v = scratch, .v_each = v_floats(&j), .room_each = room_floats(&j, streams)};
    r.room = scratch + r.v_each * (streams ? 1 : workers);
    if (streams) run_streaming(&r, blocks, pool);
    else ts_parallel(pool, blocks, 1, block_task, &r);
}
