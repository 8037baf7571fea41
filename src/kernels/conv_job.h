/* conv_job.h - what forward passes and the phases of backward passes have in common. Internal.
 *
 * A job is a correlation of an NHWC picture with a few taps, written to a regular grid of output pixels. The forward
 * pass is one job; the gradient with respect to the input is stride x stride jobs of stride 1, one per phase, with the
 * taps of that phase in falling order.
 */
#ifndef TS_KERNELS_CONV_JOB_H
#define TS_KERNELS_CONV_JOB_H

#include "kernels/conv.h"
#include "kernels/tile.h"

#include <stdbool.h>

typedef struct ts_conv_job {
    int batch;
    int in_h, in_w, in_c;
    int out_h, out_w, out_c;
    int taps_h, taps_w, stride;           /* zero taps: the output is zero */
    int off_y, off_x;                     /* input coordinates of the first tap of output (0, 0); may lie outside */
    size_t out_first;                     /* floats to output (0, 0) ... */
    size_t out_pixel, out_row, out_image; /* ... and from there to the next pixel, row, image */
    const float *in, *panels;
    float *out;
    ts_conv_fuse fuse; /* act and add: only where out is dense */
} ts_conv_job;

ts_conv_job ts_conv_job_forward(const ts_conv *plan);
ts_conv_job ts_conv_job_back(const ts_conv *plan, int phase_y, int phase_x);
/* No tap ever leaves the picture: rows of the input are used where they lie. */
bool ts_conv_job_direct(const ts_conv_job *job);
/* Output rows per task: a strip of about 192 KiB and at least 128 pixels where the picture has them. */
int ts_conv_job_band(const ts_conv_job *job);
/* Floats of scratch per worker: one strip. */
size_t ts_conv_job_scratch(const ts_conv_job *job);
void ts_conv_job_run(const ts_conv_job *job, float *scratch, ts_pool *pool);

/* Copies rows [y, y + rows) and columns [x, x + columns) of one picture, zeros outside of it. */
void ts_conv_copy_strip(float *strip, const float *image, int height, int width, int channels, int y, int rows, int x,
                        int columns);

#endif
