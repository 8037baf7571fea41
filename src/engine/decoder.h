/* decoder.h - the state of a decoding job, shared by decoder.c (the public calls), decode_job.c and conceal.c. */
#ifndef TS_ENGINE_DECODER_H
#define TS_ENGINE_DECODER_H

#include "base/parallel.h"
#include "codec/alpha.h"
#include "codec/container.h"
#include "engine/engine.h"
#include "engine/net.h"
#include "engine/pixels.h"

typedef struct ts_decode_options {
    int levels, x, y, width, height, threads, tile; /* 0: all, everything */
    bool strict, bits;
} ts_decode_options;

typedef enum ts_decode_phase {
    TS_DECODE_IDLE,
    TS_DECODE_FILLING, /* begun: the caller fills bytes or tokens */
    TS_DECODE_ENTROPY, /* tokens, one entropy tile per step */
    TS_DECODE_ALPHA,   /* all strips in one step */
    TS_DECODE_NET,     /* pixels, one window per step */
    TS_DECODE_DONE,
    TS_DECODE_FAILED
} ts_decode_phase;

enum { TS_TILE_UNREAD, TS_TILE_WHOLE, TS_TILE_LOST }; /* LOST: not even level 0 */

struct tess_decoder {
    const tess_model *model;
    ts_error error;
    ts_decode_options options;
    ts_decode_phase phase;
    uint8_t *bytes; /* the file, while a job needs it */
    size_t size;
    ts_tess_file *file; /* NULL for a job from tokens or latents */
    ts_tess_header header;
    ts_span region;      /* wanted pixels */
    ts_span needed;      /* tokens that the region needs */
    uint16_t *tokens;    /* [levels][token_height][token_width]; NULL for a job from latents */
    uint16_t *bits;      /* the same, 1/256 bit each, with option "bits"; else NULL */
    float *latents;      /* [token_height][token_width][dim] of a job from latents; else NULL */
    int levels;          /* decoded */
    uint8_t *tile_state; /* [tiles] */
    int damaged;
    ts_pixels picture; /* region.width x region.height */
    ts_net net;
    ts_pool *pool;
    ts_entropy_coder *coder;
    int at;
    int painted[4];
    double progress;
};

tess_status ts_decode_step(tess_decoder *decoder);
/* Gives back what only a running job needs. */
void ts_decode_drop(tess_decoder *decoder);

/* Fills the tokens of a lost tile from the whole tiles around it: latents that blend what its borders meet, coded to
 * the nearest level-0 codes. Errors: MEMORY. */
tess_status ts_conceal_tile(tess_decoder *decoder, int tile);

#endif
