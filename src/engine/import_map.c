#include "engine/import_map.h"

#include <stdio.h>
#include <string.h>

/* ---- looking up --------------------------------------------------------------------------------------------------- */

void ts_import_path(char path[TS_IMPORT_NAME], const char *a, const char *b, const char *c) {
    snprintf(path, TS_IMPORT_NAME, "%s%s%s%s%s", a, *a && *b ? "." : "", b, *b && *c ? "." : "", c);
}

const ts_file_tensor *ts_import_find(const ts_import_map *map, const char *path, const char *kind) {
    char name[2 * TS_IMPORT_NAME];
    const ts_file_tensor *tensor = NULL;
    snprintf(name, sizeof name, "%s%s.%s", map->prefix, path, kind);
    for (int i = 0; i < 2 && !tensor; i++)
        if (map->files[i] && (map->only < 0 || map->only == i)) tensor = ts_safetensors_find(map->files[i], name);
    return tensor;
}

void ts_import_fail(ts_import_map *map, const char *path, const char *fault) {
    if (map->status == TESS_OK)
        map->status = ts_fail(map->err, TESS_ERR_MODEL,
                              "Tensor %s%.100s %s: its layout is none that Tesserae can import.", map->prefix, path,
                              fault);
}

static void mark_used(ts_import_map *map, const ts_file_tensor *tensor) {
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; map->files[i] && k < ts_safetensors_count(map->files[i]); k++)
            if (ts_safetensors_at(map->files[i], k) == tensor) map->used[i][k] = true;
}

/* Lists `tensor` under our name; NULL after a failure. */
static ts_file_tensor *list(ts_import_map *map, const ts_file_tensor *tensor, const char *name) {
    if (map->status < 0) return NULL;
    const char *copy = ts_arena_text(map->arena, name, strlen(name));
    if (!copy || map->count == map->room) {
        map->status = ts_fail_memory(map->err, strlen(name));
        return NULL;
    }
    mark_used(map, tensor);
    ts_file_tensor *mine = &map->tensors[map->count++];
    *mine = *tensor;
    mine->name = copy;
    return mine;
}

static void our_name(const ts_import_map *map, char name[TS_IMPORT_NAME], const char *part, const char *kind) {
    snprintf(name, TS_IMPORT_NAME, "%s.%d%s.%s", map->half, map->layer, part, kind);
}

/* The tensor path.kind; a failure if there is none or its shape is not one of `rank` sides, all but the first (which is
 * any in 1..limit) given. */
static const ts_file_tensor *need(ts_import_map *map, const char *path, const char *kind, int rank, int first, int in,
                                  int kernel) {
    const ts_file_tensor *tensor = ts_import_find(map, path, kind);
    char full[TS_IMPORT_NAME];
    ts_import_path(full, path, kind, "");
    if (!tensor) {
        ts_import_fail(map, full, "is missing");
        return NULL;
    }
    const uint64_t wanted[4] = {(uint64_t)first, (uint64_t)in, (uint64_t)kernel, (uint64_t)kernel};
    bool fits = tensor->rank == rank && tensor->shape[0] >= 1 && tensor->shape[0] <= 1 << 20;
    for (int i = first > 0 ? 0 : 1; i < rank && fits; i++) fits = tensor->shape[i] == wanted[i];
    if (fits) return tensor;
    char fault[80];
    int used = snprintf(fault, sizeof fault, "has shape [");
    for (int i = 0; i < tensor->rank && i < 4; i++)
        used += snprintf(fault + used, sizeof fault - (size_t)used, i ? ", %u" : "%u",
                         tensor->shape[i] > 999999999 ? 999999999 : (unsigned)tensor->shape[i]);
    snprintf(fault + used, sizeof fault - (size_t)used, "], not [%.0d%s, %d, %d, %d]", first, first ? "" : "n", in,
             kernel, kernel);
    if (rank == 1) snprintf(fault + used, sizeof fault - (size_t)used, "], not [%d]", first);
    ts_import_fail(map, full, fault);
    return NULL;
}

/* ---- taking ------------------------------------------------------------------------------------------------------- */

int ts_import_take_conv(ts_import_map *map, const char *part, const char *path, int in, int kernel, bool *bias) {
    char name[TS_IMPORT_NAME];
    if (map->status < 0) return 1;
    const ts_file_tensor *weight = ts_import_find(map, path, "weight");
    const bool linear = weight && weight->rank == 2 && kernel == 1;
    weight = need(map, path, "weight", linear ? 2 : 4, 0, in, kernel);
    if (!weight) return 1;
    our_name(map, name, part, "weight");
    ts_file_tensor *mine = list(map, weight, name);
    if (mine && linear) {
        mine->rank = 4;
        mine->shape[2] = mine->shape[3] = 1;
    }
    const int out = (int)weight->shape[0];
    *bias = ts_import_find(map, path, "bias") != NULL;
    if (*bias) {
        const ts_file_tensor *tensor = need(map, path, "bias", 1, out, 0, 0);
        our_name(map, name, part, "bias");
        if (tensor) list(map, tensor, name);
    }
    return out;
}

void ts_import_take_norm(ts_import_map *map, const char *part, const char *path, int channels) {
    static const char *const kinds[2] = {"weight", "bias"};
    for (int i = 0; i < 2 && map->status == TESS_OK; i++) {
        char name[TS_IMPORT_NAME];
        const ts_file_tensor *tensor = need(map, path, kinds[i], 1, channels, 0, 0);
        our_name(map, name, part, kinds[i]);
        if (tensor) list(map, tensor, name);
    }
}

void ts_import_take_codebook(ts_import_map *map, const char *path, int *size, int *dim) {
    if (map->status < 0) return;
    const ts_file_tensor *table = ts_import_find(map, path, "weight");
    if (!table || table->rank != 2 || table->shape[0] > 1 << 20 || table->shape[1] > 1 << 20) {
        ts_import_fail(map, path, table ? "is no table of codes" : "is missing");
        return;
    }
    *size = (int)table->shape[0];
    *dim = (int)table->shape[1];
    ts_file_tensor *mine = list(map, table, "quantizer.codebook");
    if (!mine) return;
    mine->rank = 3;
    mine->shape[0] = 1;
    mine->shape[1] = table->shape[0];
    mine->shape[2] = table->shape[1];
}

/* ---- the config --------------------------------------------------------------------------------------------------- */

void ts_import_head(ts_import_map *map, const char *name, int low, int high) {
    ts_json_key(&map->json, "format"), ts_json_put_int(&map->json, 1);
    ts_json_key(&map->json, "name"), ts_json_put_text(&map->json, name);
    const char *licence = ts_safetensors_metadata(map->files[0], "license");
    if (licence && strlen(licence) < 100) ts_json_key(&map->json, "licence"), ts_json_put_text(&map->json, licence);
    ts_json_key(&map->json, "range");
    ts_json_open(&map->json, '[');
    ts_json_put_int(&map->json, low);
    ts_json_put_int(&map->json, high);
    ts_json_close(&map->json, ']');
}

void ts_import_begin(ts_import_map *map, const char *half, int channels) {
    map->half = half;
    map->layer = 0;
    map->channels = channels;
    ts_json_key(&map->json, half);
    ts_json_open(&map->json, '[');
}

void ts_import_end(ts_import_map *map) { ts_json_close(&map->json, ']'); }

void ts_import_open_layer(ts_import_map *map, const char *op) {
    ts_json_open(&map->json, '{');
    ts_json_key(&map->json, "op");
    ts_json_put_text(&map->json, op);
}

void ts_import_put(ts_import_map *map, const char *key, int value) {
    ts_json_key(&map->json, key);
    ts_json_put_int(&map->json, value);
}

void ts_import_close_layer(ts_import_map *map, int channels) {
    ts_json_close(&map->json, '}');
    map->layer++;
    map->channels = channels;
}

void ts_import_plain(ts_import_map *map, const char *op) {
    ts_import_open_layer(map, op);
    ts_import_close_layer(map, map->channels);
}

void ts_import_conv(ts_import_map *map, const char *path, int kernel, int stride, const int *pad) {
    bool bias = true;
    ts_import_open_layer(map, "conv");
    const int out = ts_import_take_conv(map, "", path, map->channels, kernel, &bias);
    ts_import_put(map, "out", out);
    ts_import_put(map, "kernel", kernel);
    if (stride > 1) ts_import_put(map, "stride", stride);
    if (!bias) ts_json_key(&map->json, "bias"), ts_json_put_bool(&map->json, false);
    if (pad) {
        ts_json_key(&map->json, "pad");
        ts_json_open(&map->json, '[');
        for (int i = 0; i < 4; i++) ts_json_put_int(&map->json, pad[i]);
        ts_json_close(&map->json, ']');
    }
    ts_import_close_layer(map, out);
}
