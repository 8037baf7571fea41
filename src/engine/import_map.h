/* import_map.h - the making of one import: a config written layer by layer, and the tensors found for it.
 *
 * A family walks the layers in the order of execution. Each step looks a tensor up by its foreign path, checks that it
 * fits the channels so far, lists it under our name and appends the layer to the config. The status is sticky: after a
 * failure all steps do nothing. */
#ifndef TS_ENGINE_IMPORT_MAP_H
#define TS_ENGINE_IMPORT_MAP_H

#include "base/arena.h"
#include "base/json.h"
#include "io/safetensors.h"

#include <stdbool.h>

#define TS_IMPORT_NAME 160 /* bytes of a foreign name with its terminator */

typedef struct ts_import_map {
    ts_safetensors *const *files; /* [2], the second may be NULL */
    bool *used[2];                /* of each file's tensors */
    ts_arena *arena;              /* what the view will own */
    ts_file_tensor *tensors;      /* the view's */
    size_t count, room;
    ts_json_writer json;
    int only;           /* look in this file alone; -1: in both */
    const char *prefix; /* of all foreign names that count, often "" */
    const char *half;   /* "encoder" or "decoder", while its layers are written */
    int layer;          /* index of the layer being written */
    int channels;       /* before that layer */
    tess_status status;
    ts_error *err;
} ts_import_map;

/* The foreign tensor {prefix}{path}.{kind}, or NULL. */
const ts_file_tensor *ts_import_find(const ts_import_map *map, const char *path, const char *kind);
static inline bool ts_import_has(const ts_import_map *map, const char *path) {
    return ts_import_find(map, path, "weight") != NULL;
}
/* a, b and c as one path with points between; empty parts leave no point. */
void ts_import_path(char path[TS_IMPORT_NAME], const char *a, const char *b, const char *c);

void ts_import_fail(ts_import_map *map, const char *path, const char *fault);
/* Starts a layer list with `channels` coming in; ends it. */
void ts_import_begin(ts_import_map *map, const char *half, int channels);
void ts_import_end(ts_import_map *map);
/* Starts a layer of that op; its members may then be put into map->json; ends it with `channels` going out. */
void ts_import_open_layer(ts_import_map *map, const char *op);
void ts_import_close_layer(ts_import_map *map, int channels);
void ts_import_put(ts_import_map *map, const char *key, int value); /* one member */
void ts_import_plain(ts_import_map *map, const char *op);           /* a layer without members or tensors */

/* List {path}.weight and {path}.bias as {half}.{layer}{part}.weight and .bias.
 * Conv: [out][in][k][k], or [out][in] of a linear layer for k 1; any bias; returns out (1 after a failure). */
int ts_import_take_conv(ts_import_map *map, const char *part, const char *path, int in, int kernel, bool *bias);
void ts_import_take_norm(ts_import_map *map, const char *part, const char *path, int channels);
/* The table {path}.weight [K][D] as quantizer.codebook [1][K][D]; *size and *dim. */
void ts_import_take_codebook(ts_import_map *map, const char *path, int *size, int *dim);

/* A convolution as a layer of its own. `pad` NULL: the default of its kernel; else top, left, bottom, right. */
void ts_import_conv(ts_import_map *map, const char *path, int kernel, int stride, const int *pad);

/* ---- families: write name, range, both halves and the quantizer -------------------------------------------------- */

/* Is it one of the family? */
bool ts_import_is_vqgan(const ts_import_map *map);
void ts_import_vqgan(ts_import_map *map);
bool ts_import_is_tiny(const ts_import_map *map);
void ts_import_tiny(ts_import_map *map);
/* What all begin with. */
void ts_import_head(ts_import_map *map, const char *name, int low, int high);

#endif
