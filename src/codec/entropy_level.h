/* entropy_level.h - internal: what the decisions of one level are, under which contexts, and where their counters lie.
 *
 * A token is a walk down a binary tree. Level 0: the bits of its index, high first. Levels >= 1: first a flag "it is
 * the level's frequent token", then the bits. A decision is named by its depth and its node (the bits before it), and
 * predicted under TS_CONTEXTS contexts. Contexts 0 to 4 are 16-bit values whose high bits matter most, beside the
 * node; the deeper the decision, the more nodes there are and the fewer bits are looked at, so that a context keeps to
 * about 2^12 (levels >= 1: 2^11) counters per depth. The last context is how the tokens around agree: for each of
 * TS_NEAR of them, whether its index starts with the node, and with which bit it goes on.
 *
 * Each context predicts twice: by the model's table, which does not change, and by a counter that starts from the
 * table and learns from the section.
 */
#ifndef TS_CODEC_ENTROPY_LEVEL_H
#define TS_CODEC_ENTROPY_LEVEL_H

#include "codec/context.h"
#include "codec/entropy.h"
#include "codec/predictor.h"
#include "codec/rans.h"

#include <stdbool.h>

enum {
    TS_CONTEXTS = 6,
    TS_INPUTS = 2 * TS_CONTEXTS + 1, /* of the mixer: counters, tables, a constant */
    TS_NEAR = 5,                     /* tokens that may agree */
    TS_AGREEMENTS = 243,             /* 3^TS_NEAR */
    TS_DEPTHS = 17                   /* decisions of a token at most: the flag and 16 bits */
};

typedef struct ts_entropy_level {
    int level, size;
    int bits;                               /* of an index: size <= 2^bits */
    int flag;                               /* 1 if tokens start with the flag (levels >= 1), else 0 */
    int depths;                             /* flag + bits */
    uint32_t frequent;                      /* the token that the flag stands for */
    uint32_t counters;                      /* of all contexts together */
    uint32_t place[TS_DEPTHS][TS_CONTEXTS]; /* first counter of each depth and context */
    uint8_t width[TS_DEPTHS][TS_CONTEXTS];  /* bits of the context looked at there */
} ts_entropy_level;

/* Lays the level out; frequent = 0. False if level or size is out of range. */
bool ts_entropy_level_init(ts_entropy_level *layout, int level, int size);

/* Whether [first, first + count) holds a token that exists and was not ruled out by the flag. */
static inline bool ts_entropy_reachable(const ts_entropy_level *layout, uint32_t first, uint32_t count) {
    uint32_t size = (uint32_t)layout->size, end = first + count < size ? first + count : size;
    return first < end && !(layout->flag && end - first == 1 && layout->frequent == first);
}

/* ---- the model's inside ---------------------------------------------------------------------------------------- */

struct ts_entropy_model {
    int levels;
    ts_context_tables tables;
    ts_entropy_level layout[TS_ENTROPY_LEVELS];
    int8_t *odds[TS_ENTROPY_LEVELS];             /* the table: log-odds of every counter's start, in 1/16 nat; owned */
    uint32_t *counters[TS_ENTROPY_LEVELS];       /* the same as counters; owned */
    int32_t *weights[TS_ENTROPY_LEVELS];         /* [depths][TS_INPUTS]; owned */
    ts_predictor *predictors[TS_ENTROPY_LEVELS]; /* NULL where the context model stands alone; owned */
};

/* Sets the counters of a level to what its odds say. */
void ts_entropy_start(ts_entropy_model *model, int level);

/* Writes a level's frequent token, weights and odds as a table. */
void ts_entropy_pack(const ts_entropy_model *model, int level, uint8_t *table);

/* ---- contexts -------------------------------------------------------------------------------------------------- */

/* The contexts of one token; tokens are high-aligned to 16 bits, so that their first bits are at the top. */
typedef struct ts_token_contexts {
    uint16_t value[2][TS_CONTEXTS - 1]; /* [0] for the flag, [1] for the bits */
    uint16_t near[TS_NEAR];
    uint32_t below; /* the last context of the flag */
} ts_token_contexts;

/* From the tokens before (y, x) at this level, and those of the lower levels. */
void ts_entropy_contexts(const ts_entropy_model *model, int level, const ts_token_view *view, int y, int x,
                         ts_token_contexts *out);

/* The counters of a decision, one per context. */
void ts_entropy_counters(const ts_entropy_level *layout, const ts_token_contexts *contexts, int depth, uint32_t node,
                         uint32_t counters[TS_CONTEXTS]);

/* ---- the coder's inside ---------------------------------------------------------------------------------------- */

typedef struct ts_odds {
    uint32_t turn;
    uint32_t p;
} ts_odds;

struct ts_entropy_coder {
    const ts_entropy_model *model;
    const ts_entropy_level *layout; /* of the level begun; NULL before */
    uint32_t *counters;             /* the adaptive state; room for the largest level */
    int32_t weights[TS_DEPTHS * TS_INPUTS];
    ts_prediction *prediction;                  /* NULL for a coder without predictors; owned */
    const ts_predictor *predictor;              /* of the level begun, or NULL */
    int32_t last[TS_DEPTHS * TS_PREDICTOR_MIX]; /* weights of the last mixer */
    ts_token_view view;
    int y, x;
    ts_token_contexts contexts; /* of the token at (y, x) */
    ts_rans_writer writer;
    uint64_t cost; /* since begin, in 1/4096 bit, if it is counted */
    bool counted;  /* always by the writer, by a reader where it is asked for */
    bool refused;  /* a put was out of range */
    uint32_t turn; /* counts positions; odds computed in another turn are stale */
    ts_odds *odds; /* of each node at (y, x), for costs() */
};

/* Whether the tokens of levels from..to-1 are within their codebooks. Errors: INPUT. */
tess_status ts_entropy_check_tokens(const ts_entropy_model *model, const ts_token_view *view, int from, int to,
                                    ts_error *err);

#endif
