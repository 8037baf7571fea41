/* inpainter.h - the state of an inpainting job, shared by inpainter.c (the public calls) and inpaint_job.c (the work).
 *
 * The picture is worked on in place, and only masked pixels are ever written: the others are the caller's own by
 * construction. They are filled by a membrane; the picture is encoded; the latents that the mask touches are made up, by
 * copies from elsewhere in the picture or by the prior; decoded, they give what the membrane lacks: all but the lowest
 * frequencies, and the gradients at the mask's edge (Poisson blending, kernels/membrane.h). */
#ifndef TS_ENGINE_INPAINTER_H
#define TS_ENGINE_INPAINTER_H

#include "base/parallel.h"
#include "engine/engine.h"
#include "engine/exemplar.h"
#include "engine/net.h"
#include "engine/pixels.h"

typedef enum ts_inpaint_method {
    TS_INPAINT_AUTO =
        -1, /* the prior where it is a transformer, copies elsewhere as long as there is anything to copy */
    TS_INPAINT_COPY,
    TS_INPAINT_PRIOR
} ts_inpaint_method;

typedef enum ts_inpaint_phase {
    TS_INPAINT_IDLE,
    TS_INPAINT_FILLING, /* begun: the caller fills picture and mask */
    TS_INPAINT_ENCODE,  /* latents, one window per step */
    TS_INPAINT_MAKE,    /* latents of the hole */
    TS_INPAINT_DECODE,  /* pixels of the hole, one window per step */
    TS_INPAINT_DONE,
    TS_INPAINT_FAILED
} ts_inpaint_phase;

struct tess_inpainter {
    const tess_model *model;
    ts_error error;
    ts_inpaint_method method; /* options; the others are the sampler's */
    uint64_t seed;
    double temperature;
    int threads, feather;
    tess_sampler *sampler;
    ts_inpaint_phase phase;
    ts_pixels picture; /* the caller's, and the result */
    uint8_t *mask;     /* [height][width], 0: keep */
    ts_net net;        /* encoder, then decoder */
    ts_span tiled;     /* the part of the grid that its tiles lie in */
    int at;            /* tile */
    ts_pool *pool;
    int rows, columns; /* of the grid of latents */
    uint8_t *open;     /* [rows][columns], 1: to be made up */
    ts_span hole;      /* the smallest area with all of these; width 0: nothing is masked */
    bool copying;      /* how this job's are made up; and is it a first picture? */
    bool first;
    ts_exemplar exemplar;
    ts_span area;     /* of the grid: the hole and what is looked at around it */
    float *given;     /* [area][dim]: what is known, quantized, and in the hole the encoder's answer to the membrane */
    float *latents;   /* [area][dim]: the same with the hole made up */
    uint16_t *tokens; /* [levels][rows][columns] of what is known, if the model has a prior */
    ts_span frame;    /* of pixels: the masked ones and what is around them, in whole blocks */
    uint8_t *free;    /* [frame.height][frame.width]: the mask */
    float *smooth;    /* [frame.height][frame.width][3], 0..255: the picture, filled by the membrane */
    float *colours;   /* the same, decoded */
};

/* Works on a job for some tens of milliseconds; sets the phase. */
tess_status ts_inpaint_step(tess_inpainter *inpainter);
/* Goes back to where the hole is made up. */
tess_status ts_inpaint_make(tess_inpainter *inpainter);
/* Gives back what only a running job needs. */
void ts_inpaint_drop(tess_inpainter *inpainter);

#endif
