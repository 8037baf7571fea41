#include "nets/autoencoder.h"

#include "nets/sequential.h"
#include "nets/unit.h"

static ts_sequential encoder_of(const ts_config *c) { return (ts_sequential){"encoder", c->encoder, c->encoder_count}; }

static ts_sequential decoder_of(const ts_config *c) { return (ts_sequential){"decoder", c->decoder, c->decoder_count}; }

tess_status ts_autoencoder_params(const ts_config *config, ts_params *params, ts_error *err) {
    ts_sequential encoder = encoder_of(config), decoder = decoder_of(config);
    tess_status status = ts_sequential_params(&encoder, params, err);
    return status < 0 ? status : ts_sequential_params(&decoder, params, err);
}

void ts_autoencoder_init(const ts_config *config, const ts_params *params, float *values, ts_rng *rng) {
    ts_sequential encoder = encoder_of(config), decoder = decoder_of(config);
    ts_sequential_init(&encoder, params, values, rng);
    ts_sequential_init(&decoder, params, values, rng);
}

ts_tensor ts_autoencoder_encoder(ts_graph *graph, const ts_config *config, ts_weights *weights, ts_tensor x) {
    ts_sequential encoder = encoder_of(config);
    ts_tensor z = ts_sequential_build(graph, &encoder, weights, x);
    return config->quantizer.normalize ? ts_graph_quantize(graph, z, ts_unit_hooks()) : z;
}

ts_tensor ts_autoencoder_decoder(ts_graph *graph, const ts_config *config, ts_weights *weights, ts_tensor z) {
    return ts_autoencoder_decoder_part(graph, config, weights, z, 0, config->decoder_count);
}

ts_tensor ts_autoencoder_decoder_part(ts_graph *graph, const ts_config *config, ts_weights *weights, ts_tensor x,
                                      int first, int last) {
    ts_sequential decoder = decoder_of(config);
    for (int i = first; i < last; i++) x = ts_sequential_layer(graph, &decoder, i, weights, x);
    return x;
}
