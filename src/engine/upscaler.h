/* upscaler.h - the state of an upscaling job, shared by upscaler.c (the public calls) and upscale_job.c (the work). */
#ifndef TS_ENGINE_UPSCALER_H
#define TS_ENGINE_UPSCALER_H

#include "base/parallel.h"
#include "engine/engine.h"
#include "engine/net.h"
#include "engine/pixels.h"

typedef struct ts_upscale_options {
    int factor, threads, tile; /* tile: side in latents, 0: by the picture's size and the model */
    double sharpness;
} ts_upscale_options;

typedef enum ts_upscale_phase {
    TS_UPSCALE_IDLE,
    TS_UPSCALE_FILLING, /* begun: the caller fills the small picture */
    TS_UPSCALE_SMOOTH,  /* the upscaler's net, tile by tile: the smooth answer, latents, or both */
    TS_UPSCALE_SHARP,   /* the decoder, tile by tile */
    TS_UPSCALE_DONE,
    TS_UPSCALE_FAILED
} ts_upscale_phase;

struct tess_upscaler {
    const tess_model *model;
    ts_error error;
    ts_upscale_options options;
    ts_upscale_phase phase;
    ts_pixels small, large; /* large: channels 3 or 4 */
    int columns, rows;      /* of latents, which cover the large picture */
    ts_net net;             /* of the running phase */
    ts_pool *pool;
    float *latents; /* [rows][columns][dim], quantized; NULL with sharpness 0 */
    float *smooth;  /* [large.height][large.width][3]; NULL with sharpness 0 or 1 */
    int at;         /* tile of the running phase */
    double progress;
};

/* One step of a begun job: MORE or DONE. Errors: MODEL (no net for the factor), TOO_LARGE, MEMORY. */
tess_status ts_upscale_step(tess_upscaler *upscaler);
/* Gives back what only a running job needs. */
void ts_upscale_drop(tess_upscaler *upscaler);

#endif
