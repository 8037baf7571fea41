/* tree.h - the order of codes that the context model relies on: index bits, high first, walk a binary tree of the code
 * vectors, split at the median along the principal axis, so that the top bits of an index are a coarse cluster. */
#ifndef TS_NETS_TREE_H
#define TS_NETS_TREE_H

#include <stdbool.h>

#include "base/status.h"

/* order[i] = the code that gets index i; codes: [size][dim]. With size no power of two the first half of a split
 * holds the indices whose next bit is 0. `zero_first`: code 0 keeps index 0 (the half that holds it comes first at
 * every split). Errors: MEMORY. */
tess_status ts_tree_order(const float *codes, int size, int dim, bool zero_first, int *order, ts_error *err);

#endif
