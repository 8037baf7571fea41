/* layers.h - the layer lists of a config: reading, checking, and what follows from them alone. */
#ifndef TS_NETS_LAYERS_H
#define TS_NETS_LAYERS_H

#include "base/json.h"
#include "nets/config.h"

/* Reads a list such as "encoder"; `channels` is what goes in. Fills in/out of every layer and sets *count. */
tess_status ts_layers_parse(const ts_json *doc, int array, const char *path, int channels, ts_layer *layers, int *count,
                            ts_error *err);

/* Output size per input size as a fraction (num / den, reduced): an encoder with factor 8 has 1/8. */
typedef struct ts_ratio {
    int num, den;
} ts_ratio;
ts_ratio ts_layers_ratio(const ts_layer *layers, int count);
/* How far an output reaches into the input on any side, in input pixels; TS_RADIUS_WHOLE with a norm or attention. */
int ts_layers_radius(const ts_layer *layers, int count);
/* Multiply-adds per input pixel, attention's products of all tokens with all left out. */
double ts_layers_macs(const ts_layer *layers, int count);
/* Is the layer an activation? */
bool ts_layer_is_activation(ts_layer_kind kind);

#endif
