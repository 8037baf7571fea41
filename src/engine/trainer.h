/* trainer.h - what a tess_trainer holds, shared by trainer*.c and its tests.
 *
 * A step: draw a batch, levels and lambda -> forward -> image losses and, from its step on, the adversary -> backward
 * -> global norm -> AdamW, EMA, codes, discriminator. Nothing of these changes before every loss and norm was seen to be
 * finite; else the generators are rewound and the step is tried once more, so that a passing fault changes nothing; bad
 * again, it counts as skipped and the stream goes on. Phase two is the adversary's; with train.adversarial.freeze the
 * encoder and the codes stand still in it: the encoder runs without gradients, optimizer and EMA see the decoder alone. All
 * randomness comes from two generators in the state, so that a checkpoint resumes bit-exactly (given the same
 * pictures in the same order).
 */
#ifndef TS_ENGINE_TRAINER_H
#define TS_ENGINE_TRAINER_H

#include "base/parallel.h"
#include "base/rng.h"
#include "engine/adversary.h"
#include "engine/captions.h"
#include "engine/feature_net.h"
#include "engine/image_loss.h"
#include "engine/model_file.h"
#include "engine/pixels.h"
#include "engine/prior_trainer.h"
#include "engine/tail.h"
#include "graph/graph.h"
#include "nets/config.h"
#include "nets/learner.h"
#include "nets/perceptual.h"

typedef struct ts_pictures {
    ts_pixels *list; /* data owned */
    int count, capacity;
    double *area; /* running sums of the square roots of areas: the chance of being drawn; rebuilt when stale */
    bool stale;
} ts_pictures;

/* The figures of the last step. NaN where nothing was measured. */
typedef struct ts_figures {
    double total, reconstruction, l1, l2, lpips, ms_ssim, commitment, codebook, entropy, psnr, bpp, lr, grad_norm;
    ts_adversary_figures adversary;
    int levels, phase;
    double lambda;
} ts_figures;
ts_figures ts_figures_none(void); /* before the first step */

/* The last good state, and the account of faults. Of this session alone: none of it is in a checkpoint. */
typedef struct ts_guard {
    float *room;                      /* see ts_guard_ready; NULL before the first step */
    bool filled;                      /* room holds a state */
    long good;                        /* good steps since it was copied */
    long adam_steps, adversary_steps; /* of that state, as the following */
    ts_adversary_averages averages;
    long restored; /* the step at which it last came back, or 0 */
    long retried;  /* steps whose first attempt was bad */
    long fault;    /* steps until the next attempt that sees NaN (a testing aid), or 0 */
} ts_guard;

/* What the warning is about. */
typedef struct ts_watch {
    char text[256]; /* of tess_trainer_warning */
    int about;      /* what kind of trouble the text tells of, 0 for none: the text stays as long as the kind does */
    int poor;       /* the first level with few codes in use, or -1; looked at now and then */
    double skipped; /* running share of bad steps */
    long high, low; /* steps that the discriminator has been near always right, near always wrong */
} ts_watch;

/* A graph over pictures of one size for looking: pixels -> tokens -> pixels, with the EMA weights. */
typedef struct ts_view {
    ts_graph *graph;
    ts_tensor x, y;
    int width, height, threads; /* of x, multiples of the factor */
    ts_weights *weights;
    ts_quantizer *quantizer;
    int levels;
    float lambda;
    uint16_t *tokens; /* [levels][rows] */
    float *scratch;
    ts_pixels input, output;
} ts_view;

/* What a trainer's graphs are made for. */
typedef struct ts_made {
    int phase;
    bool frozen;    /* the encoder has no gradients */
    bool spread;    /* the entropy loss has a gradient at z */
    bool matching;  /* the adversary matches features */
    bool penalized; /* and has R1 */
} ts_made;

struct tess_trainer {
    ts_error error;
    ts_pictures train, validation;
    ts_captions captions; /* of train */
    int threads;
    ts_pool *pool;
    ts_feature_net features; /* for LPIPS; may be none */
    /* the model: json NULL before config */
    char *json;
    ts_config config; /* with live changes */
    ts_prior_trainer
        *prior;        /* with train.prior in the config: all that is trained, and nothing of the following is there */
    ts_params *params; /* the nets', then the codebook when it is trained by gradient */
    float *values, *grads, *first, *second, *ema; /* stores: weights, gradients, Adam's moments, EMA weights */
    ts_weights *weights;
    ts_quantizer *quantizer;
    ts_learner *learner;
    int codebook; /* parameter index, or -1 */
    /* Sealed: the switch to a frozen phase two is done, and encoder, codes (in tree order) and tables stand still. */
    bool sealed;
    uint8_t *tables[TS_LEVELS_MAX]; /* entropy.{level} of the sealed model, or NULL */
    size_t table_bytes[TS_LEVELS_MAX];
    long step, skipped, skipped_in_row, adam_steps, crops;
    bool fitted; /* codes come from data, a file or a checkpoint */
    ts_rng data_rng, step_rng;
    ts_figures figures;
    ts_guard guard;
    ts_watch watch;
    ts_adversary *adversary; /* NULL: the config has none */
    /* what runs a step; graph NULL when all of it must be made afresh */
    ts_graph *graph;
    ts_tensor x, z, y, tail_in, commitment; /* y: its gradient comes from outside; tail_in: what enters the tail */
    ts_made made;
    ts_weights *frozen_weights; /* made.frozen: the encoder's, over the same values */
    ts_image_loss *image_loss;  /* this and what follows works between forward and backward, in memory free then */
    ts_tail *tail;              /* NULL unless the adversary's balance asks for it */
    /* results handed out */
    ts_view view;
    uint8_t *checkpoint, *model;
};

/* trainer_data.c */
uint8_t *ts_pictures_add(ts_pictures *pictures, int width, int height, int channels, ts_error *err);
void ts_pictures_free(ts_pictures *pictures);
/* Fills batch [n][size][size][3] with random crops, in range; false if memory is out (the pictures' table). */
bool ts_pictures_crops(ts_pictures *pictures, float *batch, int n, int size, bool flip, const float range[2],
                       ts_rng *rng);

/* trainer_net.c */
void ts_trainer_unload(tess_trainer *t); /* forgets the model; pictures, features and the message stay */
tess_status ts_trainer_load_config(tess_trainer *t, const char *json, size_t size);
void ts_trainer_drop_graph(tess_trainer *t);
/* Makes graphs and pool fit config, features, threads and phase: before every step. */
tess_status ts_trainer_ready(tess_trainer *t);
int ts_trainer_phase(const tess_trainer *t);   /* of the coming step: 1, or 2 from train.adversarial.from on */
bool ts_trainer_frozen(const tess_trainer *t); /* is the coming step one with a frozen encoder? */

/* trainer_step.c */
/* Levels and lambda of a step, from the config's level_weights and lambda. */
void ts_trainer_draw(tess_trainer *t, int *levels, float *lambda);
double ts_trainer_rate(const tess_trainer *t); /* learning rate of the coming step */
/* One attempt at the step with the batch that lies in the graph's x, and the account of it. OK (also when the step was
 * skipped), or NUMERIC after too many. */
tess_status ts_trainer_run(tess_trainer *t, int levels, float lambda);
/* Codes from data: fits them to latents of fresh batches, after scaling the latent to unit variance (folded into the
 * convs on both sides), so that lambda means the same in every run. */
tess_status ts_trainer_fit(tess_trainer *t);
/* Codes trained by gradient live in the stores of weights; the quantizer works on a copy. No-ops for other codes. */
void ts_trainer_codes_to_store(tess_trainer *t, float *store);
void ts_trainer_codes_from_store(tess_trainer *t);

/* trainer_guard.c */
/* Makes room for the last good state: what a checkpoint holds, in floats: 4 for each weight (values, EMA, Adam's
 * moments), 3 for each of the discriminator's, and for codes 2 dim + 2 each. Errors: MEMORY. */
tess_status ts_guard_ready(tess_trainer *t);
void ts_guard_free(tess_trainer *t);
/* Copies the state that a good step is about to leave, in every hundredth call: loss, gradients and so weights were just
 * seen to be finite. */
void ts_guard_keep(tess_trainer *t);
/* The copy does not fit what the state has become (codes were fitted, or put in another order). */
void ts_guard_forget(tess_trainer *t);
/* The account of a step, after its last attempt. Ten bad steps in a row bring back the last good state (generators and
 * step go on), at most once in 100 steps. Errors: NUMERIC after 100 bad steps in a row; the last good state is in place. */
tess_status ts_guard_count(tess_trainer *t, bool good);

/* trainer_watch.c */
void ts_watch_reset(tess_trainer *t);
/* Looks at the step that was just counted, and words or withdraws the warning. */
void ts_watch_step(tess_trainer *t, bool good);

/* trainer_seal.c: adversarial training with "freeze": what decides how a file's tokens are read stays as it was before
 * step "from", so that later models read the files of the one sealed there. */
/* Before the first step of the frozen phase: ts_seal_weights, and codes become those of the model file of this moment,
 * whose fingerprints (float32 and float16) go into the config's "reads".
 * Errors: STATE (there is nothing to freeze yet), MEMORY, INPUT (too many "reads"); then nothing has changed. */
tess_status ts_seal(tess_trainer *t);
/* The switch of the weights alone: their EMA takes their place, and the optimizer starts anew. */
void ts_seal_weights(tess_trainer *t);
/* Takes tables and fingerprints of the model file that init has just read, when the coming step is one of the frozen phase.
 * Errors as above, and those of loading. */
tess_status ts_seal_init(tess_trainer *t, const void *file, size_t size);
/* Takes a checkpoint's tables; the codes are those of the checkpoint. Errors: MODEL, MEMORY. */
tess_status ts_seal_resume(tess_trainer *t, const ts_safetensors *file);
void ts_seal_free(tess_trainer *t);
/* Makes `reads` those of config and its text. Errors: MEMORY, then nothing has changed. */
tess_status ts_seal_reads(tess_trainer *t, const uint64_t *reads, int count);

/* trainer_view.c */
void ts_view_free(ts_view *view);
/* Runs a picture (the middle side x side of it, when larger) through encoder, quantizer and decoder with the EMA
 * weights; fills view.input, view.output, view.tokens. */
tess_status ts_view_run(tess_trainer *t, const ts_pixels *picture, int side, int levels, float lambda);
/* The quantizer as a model file will have it, but in training order, into view.quantizer. */
tess_status ts_view_quantizer(tess_trainer *t);

#endif
