/* params.h - one description of a net's parameters, shared by weights, gradients, Adam moments and EMA.
 *
 * A ts_params is a list of named, shaped entries with offsets (in floats) into a flat store; every store that it
 * describes is one array of ts_params_floats() floats. Offsets are multiples of 16 floats, gaps hold zeros.
 * Files hold PyTorch shapes and orders (conv OIHW, transposed conv IOHW); memory holds the order that the kernels
 * want (see ts_param_layout); ts_param_read and ts_param_write convert, exactly, in both directions.
 *
 * A store may also be split: convolution weights as float16 in one array, everything else as floats in another (half the
 * memory for a model that runs and does not learn). Entries then lie at `split`, in the array of their kind. */
#ifndef TS_GRAPH_PARAMS_H
#define TS_GRAPH_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define TS_PARAM_NAME 48 /* bytes of a name with its terminator */

typedef enum ts_param_layout {
    TS_PARAM_PLAIN, /* memory order = file order */
    TS_PARAM_CONV   /* file [A][B][kh][kw], memory [kh][kw][B][A]: conv O I kh kw, transposed conv I O kh kw; of rank 2,
                     * a linear layer's [out][in], as with kh = kw = 1 */
} ts_param_layout;

typedef struct ts_param {
    char name[TS_PARAM_NAME];
    ts_param_layout layout;
    int rank;      /* 1..4 */
    int dims[4];   /* the shape in a file, then ones */
    size_t offset; /* floats from the start of a store */
    size_t split;  /* halves or floats from the start of a split store's array */
    size_t count;  /* floats */
} ts_param;

typedef struct ts_params ts_params;

/* Makes an empty description. The caller owns *out; untouched on failure. */
tess_status ts_params_new(ts_params **out, ts_error *err);
void ts_params_free(ts_params *params);

/* Finds `name` or adds it. An existing entry must have the same layout and shape (the same net built for another
 * picture size adds nothing). Errors: INPUT (declared otherwise before, name too long), TOO_LARGE, MEMORY. */
tess_status ts_params_add(ts_params *params, const char *name, ts_param_layout layout, int rank, const int *dims,
                          ts_error *err);
int ts_params_find(const ts_params *params, const char *name); /* index or -1 */
int ts_params_count(const ts_params *params);                  /* entries */
const ts_param *ts_params_at(const ts_params *params, int index);
size_t ts_params_floats(const ts_params *params);  /* floats of one store, gaps included */
size_t ts_params_total(const ts_params *params);   /* parameters proper, gaps left out */
size_t ts_params_largest(const ts_params *params); /* floats of the largest entry */

/* A store's values, borrowed. `halves` NULL: an ordinary store; else a split one, `values` its floats. */
typedef struct ts_store {
    const float *values;
    const uint16_t *halves;
} ts_store;

/* What the arrays of a split store take: halves (conv) or floats (plain), gaps included. */
size_t ts_params_split(const ts_params *params, ts_param_layout layout);

/* Copies one entry between file order and a store (`store` is the start of the store, `file` has count floats). */
void ts_param_read(const ts_param *param, float *store, const float *file);
void ts_param_write(const ts_param *param, const float *store, float *file);
/* The same for a split store; floats are rounded to nearest where they do not fit float16 exactly. */
void ts_param_read_split(const ts_param *param, float *values, uint16_t *halves, const float *file);
void ts_param_write_store(const ts_param *param, ts_store store, float *file); /* of either kind */

/* Weights in use: a description, the values, optionally gradients, and the forms that kernels prepare from the values
 * (packed panels, transformed taps). Graphs refer to it; several graphs of one net share it, so that preparing is done
 * once. Not to be used by two threads at a time: give each encoder, decoder or trainer its own. */
typedef struct ts_weights ts_weights;

/* `values` and `grads` are borrowed stores of ts_params_floats(params) floats and must outlive the weights, as must
 * `params`. `grads` NULL: frozen, no gradients are ever computed for them. */
tess_status ts_weights_new(const ts_params *params, const float *values, float *grads, ts_weights **out, ts_error *err);
/* Frozen weights over a store of either kind; the values of a split one must not change. */
tess_status ts_weights_over(const ts_params *params, ts_store store, ts_weights **out, ts_error *err);
void ts_weights_free(ts_weights *weights);
/* Say so after changing the values: prepared forms are made afresh before the next forward. */
void ts_weights_changed(ts_weights *weights);
/* Points at another store of the same description (EMA for a preview) and marks them changed. */
void ts_weights_use(ts_weights *weights, const float *values);
const ts_params *ts_weights_params(const ts_weights *weights);

#endif
