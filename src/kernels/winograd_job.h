/* winograd_job.h - the parts of a Winograd convolution: geometry, transforms, products. Internal. */
#ifndef TS_KERNELS_WINOGRAD_JOB_H
#define TS_KERNELS_WINOGRAD_JOB_H

#include "kernels/tile.h"
#include "kernels/winograd.h"

enum {
    TS_WINOGRAD_CHUNK = 16, /* channels of a strip */
    TS_WINOGRAD_CHAIN = 128 /* channels that F(6x6) sums up in one chain */
};

/* Constants of the lines of F(6x6), read from memory like those of exp (simd/vmath.h). */
extern const float ts_winograd_input_6[8], ts_winograd_output_6[10];

typedef struct ts_winograd_job {
    int m;
    int batch, in_h, in_w, in_c, out_c;
    int plane_h, plane_w;                 /* outputs (of one phase) */
    int off_y, off_x;                     /* input coordinates of the first window */
    int phases;                           /* 1, or 4 of an upsampled input */
    size_t out_pixel, out_row, out_image; /* floats between neighbours of the plane, rows, images */
    bool back;                            /* filters are turned by 180 degrees, their channels exchanged */
    bool stream;                          /* V's groups of TS_MR tiles are [depth][TS_MR], see winograd_product.c */
    int depth, width;                     /* in_c and out_c in whole vectors; what is added is zero */
    int tiles_y, tiles_x;                 /* of an image */
    int images, rows, columns;            /* of a block: whole images, or rows x columns tiles of one */
    int blocks_n, blocks_y, blocks_x;
    int tiles; /* of a block, in whole groups of TS_MR */
    int group; /* output channels whose products are kept at one time, a multiple of TS_NR or all of width */
    /* Floats between frequencies of V [tiles][depth], of the products [tiles][group], of the filters made in advance
     * [panel][depth][its width]: 64 bytes more than they need, so that they do not all fall on the same lines of a cache. */
    size_t v_step, m_step, u_step;
    const float *in;
    ts_filter filter;
    float *out;
    ts_conv_fuse fuse;
} ts_winograd_job;

/* A block: where it lies in the grid of tiles, and how many tiles it has. */
typedef struct ts_winograd_block {
    int image, images;
    int row, rows, column, columns;
} ts_winograd_block;

static inline int ts_winograd_tiles(const ts_winograd_block *b) { return b->images * b->rows * b->columns; }

static inline int ts_winograd_frequencies(const ts_winograd_job *j) { return (j->m + 2) * (j->m + 2); }

/* Is the filter's transform zero at this frequency (of phase > 0)? Phases are numbered 2 y + x; -1: no upsampling. */
static inline bool ts_winograd_zero(int m, int phase, int frequency) {
    if (phase < 0) return false;
    const int i = frequency / (m + 2), k = frequency % (m + 2);
    return i == (phase & 2 ? 0 : m + 1) || k == (phase & 1 ? 0 : m + 1);
}

/* Frequencies of a phase that are not zero. */
static inline int ts_winograd_used(const ts_winograd_job *j) {
    return j->phases > 1 ? (j->m + 1) * (j->m + 1) : ts_winograd_frequencies(j);
}

/* The geometry of a pass, its blocks for this number of threads; those of the gradient of weights follow from the shape
 * alone, whatever the threads and vectors are. */
ts_winograd_job ts_winograd_job_of(const ts_conv_shape *shape, int m, ts_winograd_pass pass, int threads);
size_t ts_winograd_blocks(const ts_winograd_job *j);
ts_winograd_block ts_winograd_block_at(const ts_winograd_job *j, size_t index);

/* Floats of a strip of one chunk of channels for a block. */
size_t ts_winograd_strip(const ts_winograd_job *j);
/* Reads the channels [chunk, chunk + TS_WINOGRAD_CHUNK) of a block's input and transforms them into V. */
void ts_winograd_input(const ts_winograd_job *j, const ts_winograd_block *b, int chunk, float *v, float *strip);
/* Transforms the filters of input channels begin .. end-1 for the panel that starts at output channel `first`, of one
 * phase (-1: none): u[frequency that is not zero][end - begin][panel's width], `step` floats between frequencies. */
void ts_winograd_filter(const ts_winograd_job *j, int first, int phase, int begin, int end, float *u, size_t step);
/* One frequency: m[tile] = (k > 0: +=) v[tile][k .. k + depth-1] u[depth][panel's width]; tiles of m are group floats apart. */
void ts_winograd_product(const ts_winograd_job *j, int tiles, int first, int k, int depth, float *m, const float *v,
                         const float *u);
/* Transforms the products of output channels first .. end-1 back and stores them, with bias, activation and addend. m: the
 * first's. */
void ts_winograd_output(const ts_winograd_job *j, const ts_winograd_block *b, int first, int end, int phase,
                        const float *m);

#endif
