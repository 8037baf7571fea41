/* entropy_level.h - internal: what the decisions of one level are, under which contexts, and where their counters lie.
 *
 * A token is a walk down a binary tree. Level 0: the bits of its index, high first. Levels >= 1: first a flag "it is the
 * level's frequent token", then the bits. A decision is named by its depth and its node (the bits before it); each has
 * TS_CONTEXTS counters, one for each context: a 16-bit value whose high bits matter most. The deeper the decision, the more
 * nodes there are and the fewer bits of a context are looked at: a context has about 2^12 counters per depth.
 */
#ifndef TS_CODEC_ENTROPY_LEVEL_H
#define TS_CODEC_ENTROPY_LEVEL_H

#include "codec/context.h"
#include "codec/entropy.h"
#include "codec/rans.h"

#include <stdbool.h>

enum {
    TS_CONTEXTS = 6,
    TS_INPUTS = TS_CONTEXTS + 1, /* and a constant */
    TS_DEPTHS = 17               /* decisions of a token at most: the flag and 16 bits */
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

/* The contexts of one token: [0] for the flag, [1] for the bits. */
typedef struct ts_token_contexts {
    uint16_t value[2][TS_CONTEXTS];
} ts_token_contexts;

/* From the tokens before (y, x) at this level, and those of the lower levels. sizes of the lower levels: bits[l]. */
void ts_entropy_contexts(const ts_entropy_level *layout, const uint8_t *bits, const ts_token_view *view, int y, int x,
                         ts_token_contexts *out);

/* The counter of context c for a decision. */
static inline uint32_t ts_entropy_counter(const ts_entropy_level *layout, const ts_token_contexts *contexts, int depth,
                                          uint32_t node, int c) {
    int is_bit = depth >= layout->flag;
    uint32_t value = (uint32_t)contexts->value[is_bit][c] >> (16 - layout->width[depth][c]);
    return layout->place[depth][c] + (value << (is_bit ? depth - layout->flag : 0)) + node;
}

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
    uint8_t bits[TS_ENTROPY_LEVELS];
    uint32_t *counters[TS_ENTROPY_LEVELS]; /* what a section starts from; owned */
    int32_t *weights[TS_ENTROPY_LEVELS];   /* [depths][TS_INPUTS]; owned */
};

/* ---- the coder's inside ---------------------------------------------------------------------------------------- */

struct ts_entropy_coder {
    const ts_entropy_model *model;
    const ts_entropy_level *layout; /* of the level begun; NULL before */
    uint32_t *counters;             /* the adaptive state; room for the largest level */
    int32_t weights[TS_DEPTHS * TS_INPUTS];
    ts_token_view view;
    int y, x;
    ts_token_contexts contexts; /* of the token at (y, x) */
    ts_rans_writer writer;
    uint64_t cost; /* since begin, in 1/4096 bit */
    bool refused;  /* a put was out of range */
    uint32_t turn; /* counts positions; odds computed in another turn are stale */
    struct {
        uint32_t turn;
        uint16_t p;
    } * odds; /* of each node at (y, x), for costs(): [depth's first node + node] */
};

/* Whether the tokens of levels from..to-1 are within their codebooks. Errors: INPUT. */
tess_status ts_entropy_check_tokens(const ts_entropy_model *model, const ts_token_view *view, int from, int to,
                                    ts_error *err);

/* Packs a level's start state (and layout->frequent) into a table, and back. False if it is no table for this layout. */
void ts_entropy_pack(const ts_entropy_level *layout, const uint32_t *counters, const int32_t *weights, uint8_t *table);
bool ts_entropy_unpack(ts_entropy_level *layout, uint32_t *counters, int32_t *weights, const uint8_t *table,
                       size_t bytes);

#endif
