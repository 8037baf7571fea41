/* autoencoder.h - appends an encoder or a decoder (a config's layer lists) to a graph.
 *
 * Parameters are declared first, once per net; the builders then find them by name, for any picture size
 * (nets/sequential.h). */
#ifndef TS_NETS_AUTOENCODER_H
#define TS_NETS_AUTOENCODER_H

#include "base/rng.h"
#include "graph/graph.h"
#include "nets/config.h"

/* Declares the parameters of both halves. */
tess_status ts_autoencoder_params(const ts_config *config, ts_params *params, ts_error *err);

/* Random start values into a zeroed store, as ts_sequential_init makes them. */
void ts_autoencoder_init(const ts_config *config, const ts_params *params, float *values, ts_rng *rng);

/* x: [n][h][w][3] in the config's range, h and w multiples of the factor -> latents [n][h/f][w/f][dim], of length one
 * if the quantizer normalizes. */
ts_tensor ts_autoencoder_encoder(ts_graph *graph, const ts_config *config, ts_weights *weights, ts_tensor x);
/* z: [n][h][w][dim] -> pixels [n][h*f][w*f][3]; not clamped. */
ts_tensor ts_autoencoder_decoder(ts_graph *graph, const ts_config *config, ts_weights *weights, ts_tensor z);
/* The decoder's layers [first, last) alone, 0 <= first <= last <= decoder_count. */
ts_tensor ts_autoencoder_decoder_part(ts_graph *graph, const ts_config *config, ts_weights *weights, ts_tensor x,
                                      int first, int last);

#endif
