/* import_tiny.c - TAESD and its kin (madebyollin/taesd, diffusers' AutoencoderTiny): sequences of 3x3 convolutions and
 * blocks, whose indices skip the layers without weights. Pixels are in [0, 1]; latents are continuous. */
#include "engine/import_map.h"

#include <stdio.h>

/* Where a half's sequence lies: {path}{index} of a file. The plain path is for a file of its own. */
typedef struct place {
    const char *path; /* NULL: not found */
    int file;
    int first; /* index of the first convolution */
} place;

static void item(char path[TS_IMPORT_NAME], const char *sequence, int index, const char *below) {
    snprintf(path, TS_IMPORT_NAME, "%s%d%s", sequence, index, below);
}

static bool has(const ts_import_map *map, const char *sequence, int index, const char *below) {
    char path[TS_IMPORT_NAME];
    item(path, sequence, index, below);
    return ts_import_has(map, path);
}

/* The encoder is a convolution, then a block. The decoder has a ReLU between, and taesd.py counts the clamp before. */
static place find(const ts_import_map *map, bool decoder) {
    static const char *const paths[2][3] = {{"encoder.layers.", "encoder.", ""}, {"decoder.layers.", "decoder.", ""}};
    ts_import_map one = *map;
    for (int i = 0; i < 6; i++) {
        const char *path = paths[decoder][i / 2];
        one.only = i % 2;
        for (int first = 0; first <= decoder; first++) {
            if (!has(&one, path, first, "") || has(&one, path, first + 1, ".conv.0") == decoder) continue;
            if (!decoder || has(&one, path, first + 2, ".conv.0")) return (place){path, one.only, first};
        }
    }
    return (place){NULL, 0, 0};
}

bool ts_import_is_tiny(const ts_import_map *map) { return find(map, false).path || find(map, true).path; }

static void take(ts_import_map *map, const char *part, const char *sequence, int index, const char *below, int in,
                 int kernel, bool with_bias, int *out) {
    char path[TS_IMPORT_NAME];
    bool bias = with_bias;
    item(path, sequence, index, below);
    const int found = ts_import_take_conv(map, part, path, in, kernel, &bias);
    if (bias != with_bias) ts_import_fail(map, path, with_bias ? "has no bias" : "has a bias");
    if (*out && found != *out) ts_import_fail(map, path, "has another width than its block");
    *out = found;
}

static void block(ts_import_map *map, const char *sequence, int index) {
    const int in = map->channels, inner = 4 * in;
    int out = 0, same = in, wide = inner;
    ts_import_open_layer(map, "tiny");
    take(map, ".conv1", sequence, index, ".conv.0", in, 3, true, &out);
    take(map, ".conv2", sequence, index, ".conv.2", out, 3, true, &out);
    take(map, ".conv3", sequence, index, ".conv.4", out, 3, true, &out);
    if (in != out) take(map, ".skip", sequence, index, ".skip", in, 1, false, &out);
    ts_import_put(map, "out", out);
    if (has(map, sequence, index, ".pool.0")) {
        char path[TS_IMPORT_NAME];
        take(map, ".pool1", sequence, index, ".pool.0", in, 1, false, &wide);
        item(path, sequence, index, ".pool.1");
        ts_import_take_norm(map, ".pool_norm", path, inner);
        take(map, ".pool2", sequence, index, ".pool.3", inner, 1, false, &same);
        ts_import_put(map, "pool", 4);
    }
    ts_import_close_layer(map, out);
}

static void conv(ts_import_map *map, const char *sequence, int index, int stride) {
    char path[TS_IMPORT_NAME];
    item(path, sequence, index, "");
    ts_import_conv(map, path, 3, stride, NULL);
}

static bool has_bias(const ts_import_map *map, const char *sequence, int index) {
    char path[TS_IMPORT_NAME];
    item(path, sequence, index, "");
    return ts_import_find(map, path, "bias") != NULL;
}

/* Blocks and convolutions from `index` on; the one with a bias is the last. In the encoder a convolution without bias
 * strides, in the decoder an index without weights before it is nearest upsampling. Returns the number of those. */
static int walk(ts_import_map *map, const char *sequence, int index, bool up) {
    int scales = 0;
    for (; map->status == TESS_OK; index++) {
        const bool last = has_bias(map, sequence, index);
        if (has(map, sequence, index, ".conv.0")) block(map, sequence, index);
        else if (up && !has(map, sequence, index, "")) {
            ts_import_plain(map, "up");
            conv(map, sequence, ++index, 1);
            scales++;
        } else {
            conv(map, sequence, index, up || last ? 1 : 2);
            if (last) break;
            scales++;
        }
    }
    return scales;
}

void ts_import_tiny(ts_import_map *map) {
    const place encoder = find(map, false), decoder = find(map, true);
    if (!encoder.path || !decoder.path) {
        map->status = ts_fail(map->err, TESS_ERR_MODEL,
                              "This is only the %s of a tiny autoencoder. Give the file of the other half too: "
                              "tesserae import ENCODER DECODER OUT.",
                              encoder.path ? "encoder" : "decoder");
        return;
    }
    ts_import_head(map, "taesd", 0, 1);
    ts_import_begin(map, "encoder", 3);
    map->only = encoder.file;
    conv(map, encoder.path, 0, 1);
    const int down = walk(map, encoder.path, 1, false), dim = map->channels;
    ts_import_end(map);

    ts_import_begin(map, "decoder", dim);
    ts_import_open_layer(map, "soft_clamp");
    ts_import_put(map, "limit", 3);
    ts_import_close_layer(map, dim);
    map->only = decoder.file;
    conv(map, decoder.path, decoder.first, 1);
    ts_import_plain(map, "relu");
    const int up = walk(map, decoder.path, decoder.first + 2, true);
    ts_import_end(map);
    if (map->status == TESS_OK && up != down)
        map->status = ts_fail(
            map->err, TESS_ERR_MODEL,
            "The encoder halves the picture %d times but the decoder doubles it %d times: the two are "
            "no pair.",
            down, up);
    ts_json_key(&map->json, "quantizer");
    ts_json_open(&map->json, '{');
    ts_json_key(&map->json, "type"), ts_json_put_text(&map->json, "none");
    ts_import_put(map, "dim", dim);
    ts_json_close(&map->json, '}');
}
