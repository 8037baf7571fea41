/* encoder.h - the state of an encoding job, shared by encoder.c (the public calls) and encode_job.c (the work). */
#ifndef TS_ENGINE_ENCODER_H
#define TS_ENGINE_ENCODER_H

#include "base/parallel.h"
#include "codec/alpha.h"
#include "codec/container.h"
#include "engine/choice.h"
#include "engine/engine.h"
#include "engine/net.h"
#include "engine/pixels.h"
#include "engine/rate.h"

typedef enum ts_rate_rule { TS_RATE_QUALITY, TS_RATE_BPP, TS_RATE_SIZE } ts_rate_rule;

typedef struct ts_encode_options {
    ts_rate_rule rule;
    double rate;     /* quality, bits per pixel or bytes */
    bool rate_given; /* tokens_only codes to the nearest unless a rate was asked for */
    int effort, threads, tile;
    bool keep_alpha, tokens_only, latents_only;
    bool predict;            /* code with the model's predictors */
    int x, y, width, height; /* region in pixels; width or height 0: to the picture's end */
} ts_encode_options;

typedef enum ts_encode_phase {
    TS_ENCODE_IDLE,
    TS_ENCODE_PIXELS, /* begun: the caller fills the pixels, latents or tokens */
    TS_ENCODE_NET,    /* tiles of latents */
    TS_ENCODE_CHOICE, /* tiles of tokens, in one or more passes */
    TS_ENCODE_WRITE,  /* sections of the file, tile by tile */
    TS_ENCODE_DONE,
    TS_ENCODE_FAILED
} ts_encode_phase;

struct tess_encoder {
    const tess_model *model;
    ts_error error;
    ts_encode_options options;
    ts_encode_phase phase;
    enum { TS_FROM_PIXELS, TS_FROM_LATENTS, TS_FROM_TOKENS } from;
    ts_pixels picture;
    ts_span region; /* in latents; whole unless an option says otherwise */
    ts_tess_header header;
    ts_net net;
    ts_pool *pool;
    float *latents;   /* [token_height][token_width][dim] */
    float *masking;   /* [token_height][token_width] */
    float *kept;      /* the latents of a job that asked for them; else NULL */
    uint16_t *tokens; /* [levels of the model][token_height][token_width] */
    int at;           /* tile of the running phase */
    int tiles;        /* entropy tiles */
    /* choice */
    ts_choice_books books;
    ts_chooser *choosers; /* one per thread */
    int chooser_count;
    uint64_t *tile_bytes; /* [tiles]: estimate of this pass */
    tess_status *tile_status;
    bool (*tile_used)[TS_LEVELS_MAX];
    int stride;     /* a sampling pass takes every stride-th tile */
    bool searching; /* a rate search is on */
    bool rough;     /* its passes still take static code lengths */
    ts_rate search;
    size_t overhead;   /* header, directory and alpha */
    double correction; /* whole picture's bytes over the sample's estimate */
    int corrections;
    int levels; /* in use, after the last pass */
    ts_alpha_coder *alpha;
    ts_tess_writer *writer;
    const uint8_t *bytes;
    size_t size;
    double progress;
};

/* Latents of the picture. */
static inline size_t ts_encode_area(const tess_encoder *encoder) {
    return (size_t)encoder->header.token_width * (size_t)encoder->header.token_height;
}
/* Gets ready for what the job begins from: pixels (the phase becomes TS_ENCODE_NET), latents or tokens. */
tess_status ts_encode_start(tess_encoder *encoder);
/* Does one step of the job; sets the phase. */
tess_status ts_encode_step(tess_encoder *encoder);
/* Gives back what only a running job needs. */
void ts_encode_drop(tess_encoder *encoder);

#endif
