/* choice.h - which token stands for a latent: rate against distortion under the real context model.
 *
 * For every level of a tile, in coding order, the token k that minimises |r - e_k|^2 + lambda * masking * bits(k): r is
 * what the lower levels left over, masking the weight of the place (masking.h), bits(k) what the adaptive coder would
 * charge for k right here (keep > 1: asked for the `keep` best codes by the model's static code lengths), or the static
 * length itself (keep 1, without masking).
 */
#ifndef TS_ENGINE_CHOICE_H
#define TS_ENGINE_CHOICE_H

#include "engine/engine.h"

/* Prepared codebooks for one lambda, shared by all tiles and threads of a pass. */
typedef struct ts_choice_books {
    const tess_model *model;
    float lambda[TS_LEVELS_MAX];     /* of each level */
    int keep;                        /* candidates per token, 1..TS_CHOICE_KEEP */
    int levels;                      /* levels in use; tokens of the others become 0 */
    float *packed;                   /* [levels][ts_vq_packed] */
    float zero_below[TS_LEVELS_MAX]; /* |r|^2 under which code 0 is taken unseen */
} ts_choice_books;

enum { TS_CHOICE_KEEP = 64 };

tess_status ts_choice_books_init(ts_choice_books *books, const tess_model *model, ts_error *err);
void ts_choice_books_free(ts_choice_books *books);
void ts_choice_books_set(ts_choice_books *books, float lambda, int keep);

/* What one thread needs besides. */
typedef struct ts_chooser {
    const tess_model *model;
    ts_entropy_coder *coder;
    int side;        /* largest tile, in tokens */
    float *residual; /* [side * side][dim] */
    uint16_t *candidates;
    float *scores;
    uint32_t *costs;
    ts_error error;
} ts_chooser;

/* side: of the largest tile; predict: whether rates are those of a coder with the model's predictors. Errors: MEMORY. */
tess_status ts_chooser_init(ts_chooser *chooser, const tess_model *model, int side, bool predict, ts_error *err);
void ts_chooser_free(ts_chooser *chooser);

/* Chooses all tokens of a tile of view->height x view->width tokens; latents: its first latent, masking: its weight,
 * both with row_stride between rows. cost[level] receives the level's coded size in 1/256 bit, used[level] whether any token
 * is not 0. */
tess_status ts_choose(ts_chooser *chooser, const ts_choice_books *books, const float *latents, const float *masking,
                      size_t row_stride, const ts_token_view *view, uint64_t cost[TS_LEVELS_MAX],
                      bool used[TS_LEVELS_MAX]);

#endif
