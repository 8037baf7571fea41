/* taming.h - the decoder of taming-transformers' VQGAN f16 as a graph (Esser et al. 2021; 42.5 M parameters): the net
 * that memory and fusion are planned for. */
#ifndef TS_TEST_TAMING_H
#define TS_TEST_TAMING_H

#include "graph/graph.h"

/* Declares the parameters it needs in those of `weights` (given as `params`) and builds for latents of side x side x
 * 256; the picture is 16 times as large. `ch`: 128 in the published net. The picture is an output. */
ts_tensor taming_decoder(ts_graph *g, ts_params *params, ts_weights *weights, ts_tensor z, int ch);

#endif
