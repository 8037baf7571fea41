/* inpainter.h - the state of an inpainting job, shared by inpainter.c (the public calls) and inpaint_job.c (the work).
 *
 * The picture is worked on in place, and only masked pixels are ever written: the others are the caller's own by
 * construction. They are filled by a membrane; the picture is encoded; tokens that the mask touches, and their neighbours,
 * are made up by a sampler; decoded, they give the gradients of the filling (Poisson blending, kernels/membrane.h). */
#ifndef TS_ENGINE_INPAINTER_H
#define TS_ENGINE_INPAINTER_H

#include "base/parallel.h"
#include "engine/engine.h"
#include "engine/net.h"
#include "engine/pixels.h"

typedef enum ts_inpaint_phase {
    TS_INPAINT_IDLE,
    TS_INPAINT_FILLING, /* begun: the caller fills picture and mask */
    TS_INPAINT_ENCODE,  /* latents, one window per step, to tokens */
    TS_INPAINT_SAMPLE,  /* tokens of the hole */
    TS_INPAINT_DECODE,  /* pixels of the hole, one window per step */
    TS_INPAINT_DONE,
    TS_INPAINT_FAILED
} ts_inpaint_phase;

struct tess_inpainter {
    const tess_model *model;
    ts_error error;
    int threads, feather; /* options; the others are the sampler's */
    tess_sampler *sampler;
    ts_inpaint_phase phase;
    ts_pixels picture; /* the caller's, and the result */
    uint8_t *mask;     /* [height][width], 0: keep */
    ts_net net;        /* encoder, then decoder */
    ts_span tiled;     /* the part of the grid that its tiles lie in */
    int at;            /* tile */
    ts_pool *pool;
    int rows, columns; /* of the tokens */
    uint8_t *open;     /* [rows][columns], 1: to be made up */
    ts_span hole;      /* the smallest area with all of these; width 0: nothing is masked */
    uint16_t *tokens;  /* [levels][rows][columns] of the filled picture, where the sampler looks */
    ts_span frame;     /* of pixels: the masked ones and those around them */
    float *colours;    /* [frame.height][frame.width][3], 0..255 */
    uint8_t *free;     /* [frame.height][frame.width]: the mask */
};

/* Works on a job for some tens of milliseconds; sets the phase. */
tess_status ts_inpaint_step(tess_inpainter *inpainter);
/* Goes back to where tokens are sampled. */
tess_status ts_inpaint_sample(tess_inpainter *inpainter);
/* Gives back what only a running job needs. */
void ts_inpaint_drop(tess_inpainter *inpainter);

#endif
