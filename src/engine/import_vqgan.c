/* import_vqgan.c - VQGANs: encoder and decoder of esser et al. 2020 (arXiv 2012.09841, section A), as taming-transformers
 * wrote them and others renamed them. Where attention stands, how many blocks a level has and how many levels there are
 * follow from the tensors. GroupNorm has 32 groups and eps 1e-6 everywhere; pixels are in [-1, 1]. */
#include "engine/import_map.h"

#include <stdio.h>
#include <string.h>

enum { GROUPS = 32, ENCODER = 0, DECODER = 1, LEVELS_MOST = 16 };

/* How one code base names things. Paths: {half}.{levels}.{i}.{block}.{j}. */
typedef struct scheme {
    const char *name;
    const char *levels[2]; /* of the encoder, of the decoder */
    const char *block, *attention;
    const char *sample[2]; /* below a level: the strided conv, the conv behind nearest upsampling */
    const char *middle[3]; /* block, attention, block */
    const char *shortcut, *norm_out;
    const char *parts[5]; /* of attention: norm, query, key, value, projection */
    bool lowest_last;     /* decoder levels count from the highest resolution, so the last runs first */
    bool normalize;       /* latents and codes have length 1 */
} scheme;

static const scheme schemes[] = {
    {.name = "vqgan",
     .levels = {"down", "up"},
     .block = "block",
     .attention = "attn",
     .sample = {"downsample.conv", "upsample.conv"},
     .middle = {"mid.block_1", "mid.attn_1", "mid.block_2"},
     .shortcut = "nin_shortcut",
     .norm_out = "norm_out",
     .parts = {"norm", "q", "k", "v", "proj_out"},
     .lowest_last = true},
    {.name = "diffusers-vq",
     .levels = {"down_blocks", "up_blocks"},
     .block = "resnets",
     .attention = "attentions",
     .sample = {"downsamplers.0.conv", "upsamplers.0.conv"},
     .middle = {"mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1"},
     .shortcut = "conv_shortcut",
     .norm_out = "conv_norm_out",
     .parts = {"group_norm", "to_q", "to_k", "to_v", "to_out.0"}},
    {.name = "llamagen",
     .levels = {"conv_blocks", "conv_blocks"},
     .block = "res",
     .attention = "attn",
     .sample = {"downsample.conv", "upsample.conv"},
     .middle = {"mid.0", "mid.1", "mid.2"},
     .shortcut = "nin_shortcut",
     .norm_out = "norm_out",
     .parts = {"norm", "q", "k", "v", "proj_out"},
     .normalize = true},
};

/* diffusers before 0.15 */
static const char *const older_parts[5] = {"group_norm", "query", "key", "value", "proj_attn"};

static void level_path(char path[TS_IMPORT_NAME], const scheme *s, int half, int level, const char *what) {
    snprintf(path, TS_IMPORT_NAME, "%s.%s.%d.%s", half == ENCODER ? "encoder" : "decoder", s->levels[half], level,
             what);
}

static void item_path(char path[TS_IMPORT_NAME], const scheme *s, int half, int level, const char *what, int item) {
    snprintf(path, TS_IMPORT_NAME, "%s.%s.%d.%s.%d", half == ENCODER ? "encoder" : "decoder", s->levels[half], level,
             what, item);
}

static bool has_part(const ts_import_map *map, const char *path, const char *part) {
    char full[TS_IMPORT_NAME];
    ts_import_path(full, path, part, "");
    return ts_import_has(map, full);
}

static const scheme *find_scheme(const ts_import_map *map) {
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        char path[TS_IMPORT_NAME];
        item_path(path, &schemes[i], ENCODER, 0, schemes[i].block, 0);
        if (has_part(map, path, "conv1")) return &schemes[i];
    }
    return NULL;
}

bool ts_import_is_vqgan(const ts_import_map *map) { return find_scheme(map) != NULL; }

/* ---- layers --------------------------------------------------------------------------------------------------------- */

static int take_conv(ts_import_map *map, const char *part, const char *path, const char *below, int in, int kernel) {
    char full[TS_IMPORT_NAME];
    bool bias = true;
    ts_import_path(full, path, below, "");
    const int out = ts_import_take_conv(map, part, full, in, kernel, &bias);
    if (!bias) ts_import_fail(map, full, "has no bias");
    return out;
}

static void take_norm(ts_import_map *map, const char *part, const char *path, const char *below, int channels) {
    char full[TS_IMPORT_NAME];
    ts_import_path(full, path, below, "");
    ts_import_take_norm(map, part, full, channels);
    if (channels % GROUPS) ts_import_fail(map, full, "is of channels that 32 groups do not divide");
}

static void block(ts_import_map *map, const scheme *s, const char *path) {
    const int in = map->channels;
    ts_import_open_layer(map, "resnet");
    take_norm(map, ".norm1", path, "norm1", in);
    const int out = take_conv(map, ".conv1", path, "conv1", in, 3);
    take_norm(map, ".norm2", path, "norm2", out);
    const int last = take_conv(map, ".conv2", path, "conv2", out, 3);
    const int skipped = in == out ? out : take_conv(map, ".shortcut", path, s->shortcut, in, 1);
    if (last != out || skipped != out) ts_import_fail(map, path, "has blocks of two widths");
    ts_import_put(map, "out", out);
    ts_import_put(map, "groups", GROUPS);
    ts_import_close_layer(map, out);
}

static void attention(ts_import_map *map, const scheme *s, const char *path) {
    static const char *const ours[5] = {".norm", ".q", ".k", ".v", ".proj"};
    const char *const *parts = has_part(map, path, older_parts[1]) ? older_parts : s->parts;
    ts_import_open_layer(map, "attention");
    take_norm(map, ours[0], path, parts[0], map->channels);
    for (int i = 1; i < 5; i++)
        if (take_conv(map, ours[i], path, parts[i], map->channels, 1) != map->channels)
            ts_import_fail(map, path, "changes its channels");
    ts_import_put(map, "groups", GROUPS);
    ts_import_close_layer(map, map->channels);
}

static void middle(ts_import_map *map, const scheme *s) {
    char path[TS_IMPORT_NAME];
    for (int i = 0; i < 3; i++) {
        ts_import_path(path, map->half, s->middle[i], "");
        if (i != 1) block(map, s, path);
        else if (has_part(map, path, s->parts[0])) attention(map, s, path);
    }
}

/* The blocks of one level, each with its attention if it has one. */
static void level_blocks(ts_import_map *map, const scheme *s, int half, int level) {
    char path[TS_IMPORT_NAME];
    for (int j = 0; map->status == TESS_OK; j++) {
        item_path(path, s, half, level, s->block, j);
        if (!has_part(map, path, "conv1")) break;
        block(map, s, path);
        item_path(path, s, half, level, s->attention, j);
        if (has_part(map, path, s->parts[0])) attention(map, s, path);
    }
}

static void head_conv(ts_import_map *map, const char *name) {
    char path[TS_IMPORT_NAME];
    ts_import_path(path, map->half, name, "");
    ts_import_conv(map, path, 3, 1, NULL);
}

static void tail(ts_import_map *map, const scheme *s) {
    ts_import_open_layer(map, "norm");
    take_norm(map, "", map->half, s->norm_out, map->channels);
    ts_import_put(map, "groups", GROUPS);
    ts_import_close_layer(map, map->channels);
    ts_import_plain(map, "silu");
    head_conv(map, "conv_out");
}

static void encoder(ts_import_map *map, const scheme *s, int levels) {
    static const int below_right[4] = {0, 0, 1, 1};
    ts_import_begin(map, "encoder", 3);
    head_conv(map, "conv_in");
    for (int i = 0; i < levels; i++) {
        char path[TS_IMPORT_NAME];
        level_blocks(map, s, ENCODER, i);
        level_path(path, s, ENCODER, i, s->sample[0]);
        if (i + 1 < levels) ts_import_conv(map, path, 3, 2, below_right);
    }
    middle(map, s);
    tail(map, s);
    ts_import_conv(map, "quant_conv", 1, 1, NULL);
    ts_import_end(map);
}

static void decoder(ts_import_map *map, const scheme *s, int levels, int dim) {
    ts_import_begin(map, "decoder", dim);
    ts_import_conv(map, "post_quant_conv", 1, 1, NULL);
    head_conv(map, "conv_in");
    middle(map, s);
    for (int i = 0; i < levels; i++) {
        char path[TS_IMPORT_NAME];
        const int level = s->lowest_last ? levels - 1 - i : i;
        level_blocks(map, s, DECODER, level);
        level_path(path, s, DECODER, level, s->sample[1]);
        if (i + 1 == levels) break;
        ts_import_plain(map, "up");
        ts_import_conv(map, path, 3, 1, NULL);
    }
    tail(map, s);
    ts_import_end(map);
}

void ts_import_vqgan(ts_import_map *map) {
    const scheme *s = find_scheme(map);
    int levels = 0, size = 0, dim = 0;
    char name[64], path[TS_IMPORT_NAME];
    for (; levels < LEVELS_MOST; levels++) {
        item_path(path, s, ENCODER, levels, s->block, 0);
        if (!has_part(map, path, "conv1")) break;
    }
    ts_import_take_codebook(map, "quantize.embedding", &size, &dim);
    snprintf(name, sizeof name, "%s-f%d-%d", s->name, 1 << (levels - 1), size);
    ts_import_head(map, name, -1, 1);
    encoder(map, s, levels);
    if (map->channels != dim) ts_import_fail(map, "quant_conv.weight", "does not end in the codes' dimensions");
    decoder(map, s, levels, dim);
    ts_json_key(&map->json, "quantizer");
    ts_json_open(&map->json, '{');
    ts_json_key(&map->json, "type"), ts_json_put_text(&map->json, "vq");
    ts_json_key(&map->json, "update"), ts_json_put_text(&map->json, "gradient");
    ts_import_put(map, "size", size);
    ts_import_put(map, "dim", dim);
    if (s->normalize) ts_json_key(&map->json, "normalize"), ts_json_put_bool(&map->json, true);
    ts_json_close(&map->json, '}');
}
