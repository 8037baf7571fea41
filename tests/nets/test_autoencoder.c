/* Autoencoder graphs: the reach that the config tells is the true one, costs agree, and the whole net's gradient is
 * right. */
#include "test.h"

#include <stdlib.h>

#include "nets/autoencoder.h"

#define VQ(dim) "\"quantizer\":{\"type\":\"vq\",\"size\":8,\"dim\":" #dim "}}"

static const char *const configs[] = {
    /* the photo net in small */
    "{\"format\":1,\"encoder\":[{\"op\":\"unshuffle\",\"factor\":2},{\"op\":\"conv\",\"out\":6,\"kernel\":3},{\"op\":"
    "\"res\"},"
    "{\"op\":\"unshuffle\",\"factor\":2},{\"op\":\"conv\",\"out\":8,\"kernel\":1},{\"op\":\"res\",\"kernels\":[3,1],"
    "\"hidden\":5},{\"op\":\"silu\"},"
    "{\"op\":\"conv\",\"out\":4,\"kernel\":1}],\"decoder\":[{\"op\":\"conv\",\"out\":8,\"kernel\":1},{\"op\":\"res\"},{"
    "\"op\":\"silu\"},"
    "{\"op\":\"conv\",\"out\":24,\"kernel\":1},{\"op\":\"shuffle\",\"factor\":2},{\"op\":\"res\"},{\"op\":\"conv\","
    "\"out\":12,\"kernel\":3},"
    "{\"op\":\"shuffle\",\"factor\":2}]," VQ(4),
    /* strides, transposed convs, nearest upsampling, odd kernels */
    "{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":6,\"kernel\":4,\"stride\":2},{\"op\":\"leaky_relu\"},{\"op\":"
    "\"conv\",\"out\":6,\"kernel\":3,\"stride\":2},"
    "{\"op\":\"gelu\"},{\"op\":\"conv\",\"out\":3,\"kernel\":5,\"bias\":false}],\"decoder\":[{\"op\":\"tconv\",\"out\":"
    "5,\"kernel\":4,\"stride\":2},{\"op\":\"tanh\"},"
    "{\"op\":\"up\"},{\"op\":\"conv\",\"out\":3,\"kernel\":3}]," VQ(3),
    /* down past the latent grid and up again */
    "{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":4,\"kernel\":4,\"stride\":4},{\"op\":\"relu\"},{\"op\":"
    "\"conv\",\"out\":4,\"kernel\":3},{\"op\":\"tconv\",\"out\":4,\"kernel\":2,\"stride\":2}],"
    "\"decoder\":[{\"op\":\"conv\",\"out\":12,\"kernel\":3},{\"op\":\"shuffle\",\"factor\":2}]," VQ(4),
    /* tiny blocks and zeros that differ from side to side */
    "{\"format\":1,\"encoder\":[{\"op\":\"tiny\",\"out\":6},{\"op\":\"conv\",\"out\":5,\"kernel\":3,\"stride\":2,"
    "\"pad\":[0,1,1,0]},{\"op\":\"tiny\"},{\"op\":\"conv\",\"out\":4,\"kernel\":4,\"pad\":[2,0,1,3]}],\"decoder\":[{"
    "\"op\":\"soft_clamp\"},{\"op\":\"tiny\",\"out\":7},{\"op\":\"up\"},{\"op\":\"conv\",\"out\":3,\"kernel\":3}]," VQ(
        4),
    /* blocks that look across the picture */
    "{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":4,\"kernel\":3},{\"op\":\"resnet\",\"out\":6,\"groups\":2},{"
    "\"op\":"
    "\"conv\",\"out\":6,\"kernel\":3,\"stride\":2,\"pad\":[0,0,1,1]},{\"op\":\"resnet\",\"groups\":3},{\"op\":\"tiny\","
    "\"pool\":"
    "4},{\"op\":\"conv\",\"out\":4,\"kernel\":1}],\"decoder\":[{\"op\":\"tiny\",\"pool\":2,\"out\":6},{\"op\":\"up\"},{"
    "\"op\":"
    "\"resnet\",\"out\":3,\"groups\":3}]," VQ(4),
    /* attention; the encoder's last step makes latents of length one */
    "{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":6,\"kernel\":2,\"stride\":2},{\"op\":\"attention\",\"groups\":"
    "3},{"
    "\"op\":\"conv\",\"out\":4,\"kernel\":1}],\"decoder\":[{\"op\":\"attention\",\"groups\":2},{\"op\":\"tconv\","
    "\"out\":3,"
    "\"kernel\":2,\"stride\":2}],\"quantizer\":{\"type\":\"vq\",\"size\":8,\"dim\":4,\"normalize\":true}}",
};

enum { BOUNDED = 4 }; /* of these nets, the first, reach only so far */

typedef struct net {
    ts_config config;
    ts_params *params;
    float *values, *grads;
    ts_weights *weights;
} net;

static net net_new(const char *json) {
    net n = {0};
    ts_error err = {{0}};
    ts_rng rng = ts_rng_new(3, 3);
    if (!CHECK(ts_config_parse(json, strlen(json), &n.config, &err) == TESS_OK)) printf("%s\n", err.text);
    CHECK_INT(ts_params_new(&n.params, NULL), TESS_OK);
    CHECK_INT(ts_autoencoder_params(&n.config, n.params, NULL), TESS_OK);
    n.values = calloc(ts_params_floats(n.params), sizeof *n.values);
    n.grads = calloc(ts_params_floats(n.params), sizeof *n.grads);
    ts_autoencoder_init(&n.config, n.params, n.values, &rng);
    ts_rng_fill_normal(&rng, n.values, ts_params_floats(n.params), 0.3f); /* second convs of res too */
    CHECK_INT(ts_weights_new(n.params, n.values, n.grads, &n.weights, NULL), TESS_OK);
    return n;
}

static void net_free(net *n) {
    ts_weights_free(n->weights);
    ts_params_free(n->params);
    free(n->values);
    free(n->grads);
}

/* Runs one half on a picture (or latents) of h x w x c values; the result is the caller's. */
static float *run(net *n, bool encoder, const float *x, int h, int w, int c, ts_shape *out) {
    ts_graph *g = NULL;
    CHECK_INT(ts_graph_new(TS_GRAPH_INFERENCE, &g, NULL), TESS_OK);
    ts_tensor in = ts_graph_input(g, (ts_shape){1, h, w, c}, false);
    ts_tensor y = encoder ? ts_autoencoder_encoder(g, &n->config, n->weights, in)
                          : ts_autoencoder_decoder(g, &n->config, n->weights, in);
    ts_graph_output(g, y);
    CHECK_INT(ts_graph_plan(g, 1, NULL), TESS_OK);
    CHECK_INT(ts_graph_alloc(g, NULL), TESS_OK);
    *out = ts_graph_shape(g, y);
    double per_pixel = encoder ? ts_config_encoder_macs(&n->config) : ts_config_decoder_macs(&n->config);
    double pixels = (encoder ? 1 : ts_config_factor(&n->config) * ts_config_factor(&n->config)) * (double)h * w;
    CHECK_NEAR((double)ts_graph_macs(g), per_pixel * pixels, 0.5);
    memcpy(ts_graph_data(g, in), x, (size_t)h * (size_t)w * (size_t)c * sizeof *x);
    ts_graph_forward(g, NULL);
    float *result = malloc(ts_shape_count(*out) * sizeof *result);
    memcpy(result, ts_graph_data(g, y), ts_shape_count(*out) * sizeof *result);
    ts_graph_free(g);
    return result;
}

/* A change of one input cell (a latent, or a latent's block of pixels) moves outputs at latent distance `radius`
 * somewhere and none beyond. Cells all over a grid are tried, since strided nets reach unevenly. */
static void check_radius(net *n, bool encoder) {
    enum { GRID = 24 };
    int f = ts_config_factor(&n->config), in_cell = encoder ? f : 1, out_cell = encoder ? 1 : f;
    int c = encoder ? 3 : n->config.quantizer.dim, side = GRID * in_cell, furthest = 0;
    int radius = encoder ? ts_config_encoder_radius(&n->config) : ts_config_decoder_radius(&n->config);
    size_t count = (size_t)side * (size_t)side * (size_t)c;
    float *x = malloc(count * sizeof *x);
    ts_rng rng = ts_rng_new(9, 9);
    ts_shape out;
    ts_rng_fill_normal(&rng, x, count, 1);
    float *before = run(n, encoder, x, side, side, c, &out);
    for (int cell = 10; cell < 14; cell++) {
        for (int y = cell * in_cell; y < (cell + 1) * in_cell; y++) {
            for (int k = cell * in_cell * c; k < (cell + 1) * in_cell * c; k++) x[y * side * c + k] += 0.5f;
        }
        float *after = run(n, encoder, x, side, side, c, &out);
        for (int y = 0; y < out.h; y++) {
            for (int k = 0; k < out.w * out.c; k++) {
                int dy = abs(y / out_cell - cell), dx = abs(k / out.c / out_cell - cell), d = dy > dx ? dy : dx;
                size_t at = (size_t)y * (size_t)(out.w * out.c) + (size_t)k;
                if (after[at] != before[at] && d > furthest) furthest = d;
            }
        }
        free(before);
        before = after;
    }
    CHECK_INT(radius, furthest);
    free(before);
    free(x);
}

static void test_radius(void) {
    for (size_t i = 0; i < BOUNDED; i++) {
        net n = net_new(configs[i]);
        test_row("config %d, encoder", (int)i);
        check_radius(&n, true);
        test_row("config %d, decoder", (int)i);
        check_radius(&n, false);
        net_free(&n);
    }
}

/* A tile with its halo gives the very values of the whole picture. */
static void test_tile_is_exact(void) {
    for (size_t i = 0; i < BOUNDED; i++) {
        if (i == 2) continue; /* its halo is wider than this grid has room for */
        net n = net_new(configs[i]);
        int dim = n.config.quantizer.dim, halo = ts_config_decoder_radius(&n.config), f = ts_config_factor(&n.config),
            grid = 20, first = 8, tile = 4;
        float z[20 * 20 * 8], part[20 * 20 * 8];
        ts_rng rng = ts_rng_new(4, 4);
        ts_shape whole_shape, part_shape;
        int from = first - halo, side = tile + 2 * halo;
        ts_rng_fill_normal(&rng, z, (size_t)(grid * grid * dim), 1);
        for (int y = 0; y < side; y++)
            memcpy(part + y * side * dim, z + ((from + y) * grid + from) * dim, (size_t)(side * dim) * sizeof *z);
        float *whole = run(&n, false, z, grid, grid, dim, &whole_shape),
              *got = run(&n, false, part, side, side, dim, &part_shape);
        test_row("config %d", (int)i);
        for (int y = 0; y < tile * f; y++) {
            const float *a = whole + ((first * f + y) * whole_shape.w + first * f) * 3,
                        *b = got + ((halo * f + y) * part_shape.w + halo * f) * 3;
            CHECK_BYTES(a, b, (size_t)(tile * f * 3) * sizeof *a);
        }
        free(whole);
        free(got);
        net_free(&n);
    }
}

/* Norms look across the picture. */
static void test_norm_has_no_radius(void) {
    ts_config c;
    const char *json = "{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":4,\"kernel\":2,\"stride\":2},{\"op\":"
                       "\"norm\",\"groups\":2}],"
                       "\"decoder\":[{\"op\":\"tconv\",\"out\":3,\"kernel\":2,\"stride\":2}]," VQ(4);
    CHECK_INT(ts_config_parse(json, strlen(json), &c, NULL), TESS_OK);
    CHECK_INT(ts_config_encoder_radius(&c), TS_RADIUS_WHOLE);
    CHECK_INT(ts_config_decoder_radius(&c), 0);
}

/* Blocks with norms and attention do too. Costs agree with the graph's, but for attention's products of T places with T,
 * which the config leaves out: 2 T^2 C. */
static void test_blocks_across(void) {
    enum { SIDE = 8 };
    float x[SIDE * SIDE * 3] = {0};
    ts_shape out;
    for (size_t i = BOUNDED; i < sizeof configs / sizeof *configs; i++) {
        net n = net_new(configs[i]);
        test_row("config %d", (int)i);
        CHECK_INT(ts_config_encoder_radius(&n.config), TS_RADIUS_WHOLE);
        CHECK_INT(ts_config_decoder_radius(&n.config), TS_RADIUS_WHOLE);
        if (i == BOUNDED) free(run(&n, true, x, SIDE, SIDE, 3, &out));
        if (i == BOUNDED) free(run(&n, false, x, 4, 4, 4, &out));
        net_free(&n);
    }
    net n = net_new(configs[BOUNDED + 1]);
    ts_graph *g = NULL;
    CHECK_INT(ts_graph_new(TS_GRAPH_INFERENCE, &g, NULL), TESS_OK);
    ts_tensor in = ts_graph_input(g, (ts_shape){1, SIDE, SIDE, 3}, false);
    ts_graph_output(g, ts_autoencoder_encoder(g, &n.config, n.weights, in));
    CHECK_INT(ts_graph_plan(g, 1, NULL), TESS_OK);
    CHECK_NEAR((double)ts_graph_macs(g), ts_config_encoder_macs(&n.config) * SIDE * SIDE + 2.0 * 16 * 16 * 6, 0.5);
    ts_graph_free(g);
    net_free(&n);
}

/* PyTorch's bounds, and a res that starts as the identity. */
static void test_start_values(void) {
    net n = net_new(configs[0]);
    ts_rng rng = ts_rng_new(1, 1);
    memset(n.values, 0, ts_params_floats(n.params) * sizeof *n.values);
    ts_autoencoder_init(&n.config, n.params, n.values, &rng);
    for (int i = 0; i < ts_params_count(n.params); i++) {
        const ts_param *p = ts_params_at(n.params, i);
        double largest = 0, bound = 0, fan = 1;
        char weight[TS_PARAM_NAME];
        snprintf(weight, sizeof weight, "%.*sweight", (int)(strrchr(p->name, '.') - p->name) + 1, p->name);
        const ts_param *w = ts_params_at(n.params, ts_params_find(n.params, weight));
        for (int k = 1; k < w->rank; k++) fan *= w->dims[k];
        bound = strstr(p->name, "conv2") ? 0 : 1 / sqrt(fan);
        for (size_t k = 0; k < p->count; k++) largest = fmax(largest, fabs((double)n.values[p->offset + k]));
        test_row("%s", p->name);
        CHECK(largest <= bound + 1e-7);
        CHECK(largest >= bound * 0.4);
    }
    net_free(&n);
}

/* The gradient of a whole autoencoder (encoder, decoder, l2) against central differences, at some of its parameters. */
static void test_whole_gradient(void) {
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        if (i == 2) continue; /* its picture would have to be larger */
        net n = net_new(configs[i]);
        ts_graph *g = NULL;
        ts_rng rng = ts_rng_new(6, 6);
        enum { SIDE = 12 };
        float x[SIDE * SIDE * 3];
        CHECK_INT(ts_graph_new(TS_GRAPH_TRAINING, &g, NULL), TESS_OK);
        ts_tensor in = ts_graph_input(g, (ts_shape){1, SIDE, SIDE, 3}, false);
        ts_tensor y = ts_autoencoder_decoder(g, &n.config, n.weights,
                                             ts_autoencoder_encoder(g, &n.config, n.weights, in));
        ts_tensor loss = ts_graph_l2(g, y, in);
        CHECK_INT(ts_graph_plan(g, 1, NULL), TESS_OK);
        CHECK_INT(ts_graph_alloc(g, NULL), TESS_OK);
        ts_graph_seed(g, loss, 1);
        ts_rng_fill_normal(&rng, x, SIDE * SIDE * 3, 0.5f);
        memcpy(ts_graph_data(g, in), x, sizeof x);
        ts_graph_forward(g, NULL);
        ts_graph_backward(g, NULL);
        for (int p = 0; p < ts_params_count(n.params); p++) {
            const ts_param *param = ts_params_at(n.params, p);
            double scale = 1e-3;
            for (size_t k = 0; k < param->count; k++) scale = fmax(scale, fabs((double)n.grads[param->offset + k]));
            for (int tries = 0; tries < 6; tries++) {
                size_t k = param->offset + ts_rng_below(&rng, (uint32_t)param->count);
                float was = n.values[k], step = i <= BOUNDED ? 5e-4f : 2e-3f; /* small: relus have kinks */
                double f[2];
                for (int s = 0; s < 2; s++) {
                    n.values[k] = was + (s ? -step : step);
                    ts_weights_changed(n.weights);
                    memcpy(ts_graph_data(g, in), x, sizeof x);
                    ts_graph_forward(g, NULL);
                    f[s] = *ts_graph_data(g, loss);
                }
                n.values[k] = was;
                test_row("config %d, %s", (int)i, param->name);
                CHECK_NEAR((f[0] - f[1]) / (2 * (double)step), n.grads[k], 0.02 * scale);
            }
        }
        ts_graph_free(g);
        net_free(&n);
    }
}

int main(void) {
    RUN(test_radius);
    RUN(test_tile_is_exact);
    RUN(test_norm_has_no_radius);
    RUN(test_blocks_across);
    RUN(test_start_values);
    RUN(test_whole_gradient);
    return test_end();
}
