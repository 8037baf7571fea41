/* entropy.h - codes the tokens of one tile, level by level, with the integer context model and rANS.
 *
 * A token of level 0 is coded as the bits of its index, high first; codebooks are tree-ordered, so the first bits name
 * a coarse cluster. A token of a level >= 1 starts with a flag "the level's frequent token" (that of the tables; 0
 * without). Each bit is predicted from the tokens around it and, in levels >= 1, from the lower levels at and around
 * its place.
 *
 * Each (tile, level) is a section of its own: the adaptive state starts from the model's tables in every section, so
 * that sections of different tiles are independent. Section l needs the tokens of levels 0..l-1 of its tile, and
 * nothing else.
 *
 * Order of calls, encoder:  begin(level, view)  { costs(...)?  put(symbol) } x height*width, rows top to bottom, left
 * to right;  finish.   Decoder: ts_entropy_decode.   Everything is integer; no call fails silently.
 */
#ifndef TS_CODEC_ENTROPY_H
#define TS_CODEC_ENTROPY_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TS_ENTROPY_LEVELS = 16,   /* levels at most */
    TS_ENTROPY_SIZE = 65536,  /* codes per level at most; at least 1 */
    TS_ENTROPY_COST_ONE = 256 /* costs are in 1/256 bit */
};

/* A rectangle of a token grid [levels][grid height][grid width], borrowed. `tokens` is the rectangle's first token at
 * level 0; strides are in tokens. */
typedef struct ts_token_view {
    uint16_t *tokens;
    size_t row_stride, level_stride;
    int height, width; /* >= 1 */
} ts_token_view;

/* ---- the model: codebook sizes and trained tables; immutable, may be shared by threads ------------------------ */
typedef struct ts_entropy_model ts_entropy_model;

/* Bytes of the tables of one level (the U8 tensor `entropy.{level}`), for sizes[0..levels-1] codes. Depends on nothing
 * else; at most 500 kB over 6 levels of 1024. 0 if sizes are out of range. */
size_t ts_entropy_table_bytes(int level, int size);

/* A model for `levels` levels of sizes[l] codes. tables[l] (table_bytes[l] bytes, copied) may be NULL: then that level
 * starts flat and learns from the file itself; `tables` itself may be NULL. On success *model is owned by the caller.
 * Errors: OPTION (levels or sizes out of range), MODEL (tables of a wrong size or version), MEMORY. */
tess_status ts_entropy_model_new(ts_entropy_model **model, int levels, const int *sizes, const uint8_t *const *tables,
                                 const size_t *table_bytes, ts_error *err);
void ts_entropy_model_free(ts_entropy_model *model); /* NULL is fine; after all its coders */
int ts_entropy_model_levels(const ts_entropy_model *model);
int ts_entropy_model_size(const ts_entropy_model *model, int level); /* codes in that level */

/* Gives a level its predictor (predictor.h; bytes are copied). Before the model is shared. Errors: OPTION (no such
 * level, or one whose lower levels have other sizes), MODEL, MEMORY. */
tess_status ts_entropy_model_add(ts_entropy_model *model, int level, const uint8_t *bytes, size_t size, ts_error *err);

/* ---- the coder: adaptive state for one thread; the model must outlive it ------------------------------------- */
typedef struct ts_entropy_coder ts_entropy_coder;

/* predict: whether the context model's odds are mixed with those of the predictors, at levels that have one. A reader
 * has to do as the writer did. Errors: MEMORY. */
tess_status ts_entropy_coder_new(ts_entropy_coder **coder, const ts_entropy_model *model, bool predict, ts_error *err);
void ts_entropy_coder_free(ts_entropy_coder *coder);

/* Starts level `level` of a tile. view->tokens of levels < `level` must be there already; put() writes this level's.
 * Errors: OPTION (level or view out of range), INPUT (a lower-level token is not below its codebook size), MEMORY. */
tess_status ts_entropy_begin(ts_entropy_coder *coder, int level, const ts_token_view *view, ts_error *err);

/* What each of `count` candidates (each < size) would cost at the current position, in 1/256 bit. Changes nothing that
 * is coded; about 0.3 microseconds per candidate, nodes that candidates share are computed once. */
void ts_entropy_costs(ts_entropy_coder *coder, int count, const uint16_t *candidates, uint32_t *costs);

/* Commits `symbol` (< size) at the current position, writes it into the view and moves on; returns its cost in 1/256
 * bit. Calls past the last position, or a symbol out of range, change nothing and return 0 (finish then fails with
 * STATE). */
uint32_t ts_entropy_put(ts_entropy_coder *coder, uint16_t symbol);

/* Cost of all tokens put since begin, in 1/256 bit: the size that finish would have, without the byte work. */
uint64_t ts_entropy_cost(const ts_entropy_coder *coder);

/* The section's bytes: owned by the coder, good until its next begin or free. Errors: STATE (tokens missing or
 * refused), MEMORY. */
tess_status ts_entropy_finish(ts_entropy_coder *coder, const uint8_t **bytes, size_t *size, ts_error *err);

/* begin, put for every token of the view's level (already there), finish. Errors: theirs, INPUT for a token >= size. */
tess_status ts_entropy_encode(ts_entropy_coder *coder, int level, const ts_token_view *view, const uint8_t **bytes,
                              size_t *size, ts_error *err);

/* Fills level `level` of the view from a section. All tokens written are < size whatever the bytes are. Errors: FORMAT
 * (the bytes do not end where the tokens do: damaged; tokens of this level are then garbage), and begin's.
 * costs: NULL, or room laid out like the view's tokens of one level: what each token cost in 1/256 bit, rounded so that
 * they add up to ts_entropy_cost (at most 17 decisions of 11.5 bits: below 2^16). */
tess_status ts_entropy_decode(ts_entropy_coder *coder, int level, const ts_token_view *view, const uint8_t *bytes,
                              size_t size, uint16_t *costs, ts_error *err);

/* ---- fitting the tables -------------------------------------------------------------------------------------- */

/* Learns the tables of one level from `count` tiles of tokens as they will be coded (each with levels 0..level there),
 * into `table` (ts_entropy_table_bytes(level, sizes[level]) bytes). Time: about 5 codings of all tokens (3 s for a
 * million). Few tokens are fine: what was never seen starts flat. Errors: OPTION, INPUT, MEMORY. */
tess_status ts_entropy_fit(int level, int levels, const int *sizes, int count, const ts_token_view *tiles,
                           uint8_t *table, ts_error *err);

#endif
