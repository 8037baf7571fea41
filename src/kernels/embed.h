/* embed.h - sums or means of rows of a table, chosen by ids that are held as floats. */
#ifndef TS_KERNELS_EMBED_H
#define TS_KERNELS_EMBED_H

#include "base/parallel.h"

#include <stdbool.h>
#include <stddef.h>

/* A table [rows][channels] and ids [places][each]. An id is rounded to the nearest row; one below 0 counts for nothing,
 * one past the last row is the last row. */
typedef struct ts_embed {
    const float *ids;
    size_t places, each, rows, channels;
    bool mean; /* over the ids that count; 0 where none does */
} ts_embed;

/* y [places][channels] is overwritten. */
void ts_embed_forward(const ts_embed *embed, float *y, const float *table, ts_pool *pool);
/* dtable [rows][channels] += what places give their rows, place by place: the same bits for any number of threads. */
void ts_embed_backward(const ts_embed *embed, float *dtable, const float *dy, ts_pool *pool);

#endif
