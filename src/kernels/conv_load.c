/* conv_load.c - rows of a picture as a convolution reads them: unshuffled, normalised, with zeros around. */
#include "kernels/conv_job.h"

#include <string.h>

ts_conv_picture ts_conv_picture_of(const ts_conv_shape *shape, const ts_conv_fuse *fuse, const float *x, size_t image) {
    const int shrink = shape->upsample == 2 ? 2 : 1;
    ts_conv_picture p = {.height = shape->height / shrink,
                         .width = shape->width / shrink,
                         .channels = shape->in,
                         .unshuffle = shape->unshuffle > 1 ? shape->unshuffle : 1};
    p.x = x + image * (size_t)p.height * (size_t)p.width * (size_t)p.channels;
    if (fuse && fuse->scale) {
        p.scale = fuse->scale + image * (size_t)p.channels;
        p.shift = fuse->shift + image * (size_t)p.channels;
    }
    if (fuse) p.act = fuse->load_act, p.slope = fuse->slope;
    return p;
}

/* Space to depth of `pixels` pixels from (y, x) on: channel c f^2 + fy f + fx is value c of input pixel (fy, fx). */
static void load_unshuffled(float *to, const ts_conv_picture *p, int y, int x, int pixels) {
    const size_t f = (size_t)p->unshuffle, c = (size_t)p->channels / (f * f), row = (size_t)p->width * f * c;
    const float *from = p->x + (size_t)y * f * row + (size_t)x * f * c;
    for (int i = 0; i < pixels; i++, from += f * c, to += f * f * c)
        for (size_t place = 0; place < f * f; place++) {
            const float *pixel = from + place / f * row + place % f * c;
            for (size_t k = 0; k < c; k++) to[k * f * f + place] = pixel[k];
        }
}

static void load_run(float *to, const ts_conv_picture *p, int y, int x, int pixels) {
    const size_t c = (size_t)p->channels;
    const float *from = p->x + ((size_t)y * (size_t)p->width + (size_t)x) * c;
    if (p->unshuffle > 1) load_unshuffled(to, p, y, x, pixels), from = to;
    if (p->scale || p->act != TS_ACT_NONE) {
        ts_act_affine(to, from, p->scale, p->shift, (size_t)pixels, p->channels, p->act, p->slope);
    } else if (from != to) {
        memcpy(to, from, (size_t)pixels * c * sizeof(float));
    }
}

void ts_conv_load_strip(float *strip, const ts_conv_picture *picture, int y, int rows, int x, int columns) {
    const size_t c = (size_t)picture->channels;
    const int left = x < 0 ? (-x < columns ? -x : columns) : 0; /* columns of zeros before and after the picture's */
    const int inside = x + columns < picture->width ? x + columns : picture->width;
    const int copied = inside - (x + left) > 0 ? inside - (x + left) : 0;
    for (int r = 0; r < rows; r++, strip += (size_t)columns * c) {
        if (y + r < 0 || y + r >= picture->height) {
            memset(strip, 0, (size_t)columns * c * sizeof(float));
            continue;
        }
        memset(strip, 0, (size_t)left * c * sizeof(float));
        if (copied > 0) load_run(strip + (size_t)left * c, picture, y + r, x + left, copied);
        memset(strip + (size_t)(left + copied) * c, 0, (size_t)(columns - left - copied) * c * sizeof(float));
    }
}
