/* feature_net.h - the net that LPIPS looks through, read from its files: for the trainer's loss and for the measure. */
#ifndef TS_ENGINE_FEATURE_NET_H
#define TS_ENGINE_FEATURE_NET_H

#include "graph/params.h"

/* All zero: none. It owns what it points to. */
typedef struct ts_feature_net {
    ts_params *params; /* ts_perceptual_params */
    float *values;     /* a store of params */
    ts_weights *weights;
} ts_feature_net;

/* Reads trunk and heads, safetensors each (both may be one file), in place of what was there; none after a failure.
 * Trunk tensors go by their names; a head is the tensor whose name contains "lin0" and so on. Errors: FORMAT, MODEL (a
 * tensor is missing, does not fit or is not finite), MEMORY. */
tess_status ts_feature_net_load(ts_feature_net *net, const void *trunk, size_t trunk_size, const void *heads,
                                size_t heads_size, ts_error *err);
void ts_feature_net_drop(ts_feature_net *net);

#endif
