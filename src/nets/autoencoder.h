/* autoencoder.h - appends an encoder or a decoder (a config's layer lists) to a graph.
 *
 * Parameters are declared first, once per net, with the names of ARCHITECTURE.md ("encoder.{i}.weight",
 * "encoder.{i}.conv1.bias"); the builders then find them by name, for any picture size. */
#ifndef TS_NETS_AUTOENCODER_H
#define TS_NETS_AUTOENCODER_H

#include "base/rng.h"
#include "graph/graph.h"
#include "nets/config.h"

/* Declares the parameters of both halves. */
tess_status ts_autoencoder_params(const ts_config *config, ts_params *params, ts_error *err);

/* Random start values into a zeroed store: convs uniform(-1/sqrt(fan_in), +1/sqrt(fan_in)), weight and bias, as
 * PyTorch's default; the second conv of every res zero; norms 1 and 0. */
void ts_autoencoder_init(const ts_config *config, const ts_params *params, float *values, ts_rng *rng);

/* x: [n][h][w][3] in the config's range, h and w multiples of the factor -> latents [n][h/f][w/f][dim], of length one
 * if the quantizer normalizes. */
ts_tensor ts_autoencoder_encoder(ts_graph *graph, const ts_config *config, ts_weights *weights, ts_tensor x);
/* z: [n][h][w][dim] -> pixels [n][h*f][w*f][3]; not clamped. */
ts_tensor ts_autoencoder_decoder(ts_graph *graph, const ts_config *config, ts_weights *weights, ts_tensor z);

#endif
