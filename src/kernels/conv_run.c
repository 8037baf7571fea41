/* conv_run.c - runs a convolution job: bands of output rows in parallel, panels of weights, tiles of pixels. */
#include "kernels/conv_job.h"

#include "base/size.h"

static int strip_columns(const ts_conv_job *job) { return (job->out_w - 1) * job->stride + job->taps_w; }

static int strip_rows(const ts_conv_job *job, int band) { return (band - 1) * job->stride + job->taps_h; }

bool ts_conv_job_direct(const ts_conv_job *job) {
    return job->off_y >= 0 && job->off_x >= 0 && job->off_y + strip_rows(job, job->out_h) <= job->in_h &&
           job->off_x + strip_columns(job) <= job->in_w;
}

int ts_conv_job_band(const ts_conv_job *job) {
    const size_t row = (size_t)strip_columns(job) * (size_t)job->in_c * sizeof(float);
    int band = 1;
    while (band < job->out_h && (size_t)band * (size_t)job->out_w < 512 &&
           ((size_t)band * (size_t)job->out_w < 128 || row * (size_t)strip_rows(job, band + 1) < (size_t)192 << 10))
        band++;
    const int bands = (job->out_h + band - 1) / band; /* the same number of bands, evenly filled */
    return (job->out_h + bands - 1) / bands;
}

size_t ts_conv_job_scratch(const ts_conv_job *job) {
    if (job->out_h < 1 || job->out_w < 1 || job->taps_h < 1 || job->taps_w < 1 || ts_conv_job_direct(job)) return 0;
    const size_t floats = (size_t)strip_rows(job, ts_conv_job_band(job)) * (size_t)strip_columns(job) *
                          (size_t)job->in_c;
    return ts_div_up(floats, 16) * 16;
}

void ts_conv_copy_strip(float *strip, const float *image, int height, int width, int channels, int y, int rows, int x,
                        int columns) {
    const size_t c = (size_t)channels;
    const int left = x < 0 ? (-x < columns ? -x : columns) : 0; /* columns of zeros before and after the picture's */
    const int inside = x + columns < width ? x + columns : width;
    const int copied = inside - (x + left) > 0 ? inside - (x + left) : 0;
    for (int r = 0; r < rows; r++, strip += (size_t)columns * c) {
        if (y + r < 0 || y + r >= height) {
            memset(strip, 0, (size_t)columns * c * sizeof(float));
            continue;
        }
        const float *from = image + ((size_t)(y + r) * (size_t)width + (size_t)(x + left)) * c;
        memset(strip, 0, (size_t)left * c * sizeof(float));
        if (copied > 0) memcpy(strip + (size_t)left * c, from, (size_t)copied * c * sizeof(float));
        memset(strip + (size_t)(left + copied) * c, 0, (size_t)(columns - left - copied) * c * sizeof(float));
    }
}

/* Where a task reads its input: output pixel (r, c) of the band has its first tap at a + r * row + c * pixel. */
typedef struct source {
    const float *a;
    size_t row, pixel; /* floats between output rows, pixels */
    size_t step;       /* floats between rows of taps */
} source;

typedef struct run {
    const ts_conv_job *job;
    float *scratch;
    size_t scratch_each;
    int band, bands;
    bool direct;
} run;

static source band_source(const run *r, const float *image, int first, int rows, float *strip) {
    const ts_conv_job *j = r->job;
    const size_t c = (size_t)j->in_c, s = (size_t)j->stride;
    const int y = first * j->stride + j->off_y, columns = strip_columns(j);
    if (r->direct) {
        const size_t line = (size_t)j->in_w * c;
        return (source){image + (size_t)y * line + (size_t)j->off_x * c, s * line, s * c, line};
    }
    ts_conv_copy_strip(strip, image, j->in_h, j->in_w, j->in_c, y, strip_rows(j, rows), j->off_x, columns);
    const size_t line = (size_t)columns * c;
    return (source){strip, s * line, s * c, line};
}

/* One panel of output channels over a band of `rows` output rows; out: its first pixel. */
static void band_panel(const ts_conv_job *j, const source *from, int rows, int first, float *out) {
    float room[TS_MR][TS_NR], start[TS_NR] = {0};
    const int vectors = ts_panel_vectors(j->out_c, first);
    const int columns = j->out_c - first < TS_NR ? j->out_c - first : TS_NR;
    const bool whole = columns == vectors * TS_VF;
    const int length = j->taps_w * j->in_c;
    const float *panel = j->panels + (size_t)first * (size_t)(j->taps_h * length);
    for (int i = 0; j->fuse.bias && i < columns; i++) start[i] = j->fuse.bias[first + i];
    const int pixels = rows * j->out_w;
    int y = 0, x = 0;
    for (int p = 0; p < pixels; p += TS_MR) {
        ts_tile tile;
        float *target[TS_MR];
        const int count = pixels - p < TS_MR ? pixels - p : TS_MR;
        for (int i = 0; i < TS_MR; i++) {
            if (i < count) {
                tile.a[i] = from->a + (size_t)y * from->row + (size_t)x * from->pixel;
                target[i] = out + (size_t)y * j->out_row + (size_t)x * j->out_pixel + first;
                if (++x == j->out_w) x = 0, y++;
            } else {
                tile.a[i] = tile.a[i - 1];
            }
            tile.c[i] = whole && i < count ? target[i] : room[i];
        }
        ts_tile_rows(&tile, vectors, j->taps_h, length, from->step, panel, start);
        if (whole) continue;
        for (int i = 0; i < count; i++) memcpy(target[i], room[i], (size_t)columns * sizeof(float));
    }
}

/* act(y) + add over a dense band that has just been written. */
static void finish_band(const ts_conv_job *j, float *out, size_t n) {
    const ts_conv_fuse *fuse = &j->fuse;
    if (fuse->act != TS_ACT_NONE) ts_act_forward(out, out, n, fuse->act, fuse->slope, NULL);
    if (!fuse->add) return;
    const float *add = fuse->add + (out - j->out);
    size_t i = 0;
    for (; i + TS_VF <= n; i += TS_VF) vf_store(out + i, vf_add(vf_load(out + i), vf_load(add + i)));
    for (; i < n; i++) out[i] += add[i];
}

static void run_task(void *context, size_t begin, size_t end, int worker) {
    const run *r = context;
    const ts_conv_job *j = r->job;
    for (size_t t = begin; t < end; t++) {
        const size_t image = t / (size_t)r->bands;
        const int first = (int)(t % (size_t)r->bands) * r->band;
        const int rows = j->out_h - first < r->band ? j->out_h - first : r->band;
        const float *in = j->in + image * (size_t)j->in_h * (size_t)j->in_w * (size_t)j->in_c;
        float *strip = r->direct ? NULL : r->scratch + (size_t)worker * r->scratch_each;
        const source from = band_source(r, in, first, rows, strip);
        float *out = j->out + image * j->out_image + j->out_first + (size_t)first * j->out_row;
        for (int panel = 0; panel < j->out_c; panel += TS_NR) band_panel(j, &from, rows, panel, out);
        finish_band(j, out, (size_t)rows * j->out_row);
    }
}

/* An output that no tap reaches. */
static void fill_zero(const ts_conv_job *j) {
    for (int n = 0; n < j->batch; n++)
        for (int y = 0; y < j->out_h; y++)
            for (int x = 0; x < j->out_w; x++)
                memset(j->out + (size_t)n * j->out_image + j->out_first + (size_t)y * j->out_row +
                           (size_t)x * j->out_pixel,
                       0, (size_t)j->out_c * sizeof(float));
}

void ts_conv_job_run(const ts_conv_job *job, float *scratch, ts_pool *pool) {
    if (job->out_h < 1 || job->out_w < 1) return;
    if (job->taps_h < 1 || job->taps_w < 1) {
        fill_zero(job);
        return;
    }
    const int band = ts_conv_job_band(job);
    run r = {job, scratch, ts_conv_job_scratch(job), band, (job->out_h + band - 1) / band, ts_conv_job_direct(job)};
    ts_parallel(pool, (size_t)job->batch * (size_t)r.bands, 1, run_task, &r);
}
