/* conv_job.h - what forward passes, their phases and the phases of backward passes have in common. Internal.
 *
 * A job is a correlation of an NHWC picture with a few taps, written to a regular grid of output pixels: step x step
 * phases, each with its own taps, that share what they read. The forward pass has one phase, and four 2x2 ones on the
 * small picture where an enlargement by 2 is joined to it; the gradient with respect to the input has stride x stride
 * phases of input stride 1, with the taps of each phase in falling order.
 */
#ifndef TS_KERNELS_CONV_JOB_H
#define TS_KERNELS_CONV_JOB_H

#include "kernels/conv.h"
#include "kernels/tile.h"

#include <stdbool.h>

enum { TS_CONV_PHASES = 64 }; /* stride 8 */

typedef struct ts_conv_phase {
    int out_h, out_w;   /* outputs; 0: none */
    int taps_h, taps_w; /* 0: nothing reaches these outputs */
    int off_y, off_x;   /* input coordinates of the first tap of output (0, 0); may lie outside */
    size_t first;       /* floats from the image's first output to this phase's */
    size_t panels;      /* floats before this phase's panels */
} ts_conv_phase;

typedef struct ts_conv_job {
    int batch;
    int in_h, in_w, in_c; /* the picture as the convolution sees it: after the unshuffle */
    int out_h, out_w;     /* the largest phase */
    int out_c;
    int stride, step; /* input pixels from output to output of a phase; phases per axis */
    /* What an output band reads: a rectangle that begins at off and reaches `reach` beyond its last output's place. */
    int off_y, off_x, reach_h, reach_w;
    size_t out_pixel, out_row, out_image; /* floats from output to output of a phase, from row to row, image to image */
    int unshuffle, shuffle;               /* 1: none */
    ts_conv_phase phases[TS_CONV_PHASES];
    const float *in, *panels;
    float *out;
    ts_conv_fuse fuse;
} ts_conv_job;

/* ts_conv_plan without Winograd's passes. */
tess_status ts_conv_plan_direct(ts_conv *plan, const ts_conv_shape *shape, ts_error *err);

/* The output channel in column `column` of the panels. With depth to space they are in the order in which they are
 * stored, fy f + fx slowest, so that what a pixel stores in one row lies together. */
static inline size_t ts_conv_job_channel(const ts_conv_job *job, size_t column) {
    const size_t square = (size_t)(job->shuffle * job->shuffle), each = (size_t)job->out_c / square;
    return square > 1 ? column % each * square + column / each : column;
}

ts_conv_job ts_conv_job_forward(const ts_conv *plan);
ts_conv_job ts_conv_job_back(const ts_conv *plan);
/* No tap ever leaves the picture: rows of the input are used where they lie, unless something is done while loading. */
bool ts_conv_job_direct(const ts_conv_job *job);
/* Up to three outputs of many inputs: lanes run along inputs (ts_tile_dots). */
bool ts_conv_job_dots(const ts_conv_job *job);
/* The outputs of a task, rows x columns, evenly cut; a matter of the shape alone. Whole rows and a strip of about 192 KiB,
 * at least 128 pixels where the picture has them; where that makes fewer than 8 rows of taps that overlap, 8 rows cut
 * across, so that little is loaded twice. */
typedef struct ts_conv_window {
    int rows, columns;
} ts_conv_window;
ts_conv_window ts_conv_job_window(const ts_conv_job *job);
/* Floats of scratch per worker: one strip. */
size_t ts_conv_job_scratch(const ts_conv_job *job);
void ts_conv_job_run(const ts_conv_job *job, float *scratch, ts_pool *pool);

/* A picture as a convolution reads it. */
typedef struct ts_conv_picture {
    const float *x;              /* [height unshuffle][width unshuffle][channels / unshuffle^2] */
    int height, width, channels; /* after the unshuffle */
    int unshuffle;               /* 1: none */
    const float *scale, *shift;  /* [channels] or NULL: act(x * scale + shift) is read */
    ts_act act;
    float slope;
} ts_conv_picture;

/* Picture number `image` of a pass over x that fuses `fuse` (or NULL). */
ts_conv_picture ts_conv_picture_of(const ts_conv_shape *shape, const ts_conv_fuse *fuse, const float *x, size_t image);
/* Copies rows [y, y + rows) and columns [x, x + columns) into strip [rows][columns][channels]; zeros outside. */
void ts_conv_load_strip(float *strip, const ts_conv_picture *picture, int y, int rows, int x, int columns);

#endif
