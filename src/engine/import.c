#include "engine/import.h"

#include "base/alloc.h"
#include "engine/import_map.h"
#include "io/checkpoint.h"

#include <stdio.h>
#include <string.h>

/* Weights for training alone, and buffers that keep statistics. */
static const char *const unneeded[] = {"loss.",
                                       "model_ema.",
                                       "quantize.codebook_used",
                                       "quantize.used",
                                       "quantize.embedding.cluster_size",
                                       "quantize.embedding.embed_avg"};

static bool needless(const char *name) {
    for (size_t i = 0; i < sizeof unneeded / sizeof *unneeded; i++)
        if (strncmp(name, unneeded[i], strlen(unneeded[i])) == 0) return true;
    return false;
}

/* Fails for the first tensor that nothing used: a net with parts that the family does not have. */
static void check_rest(ts_import_map *map) {
    const size_t prefix = strlen(map->prefix);
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; map->files[i] && k < ts_safetensors_count(map->files[i]); k++) {
            const char *name = ts_safetensors_at(map->files[i], k)->name;
            if (map->used[i][k] || strncmp(name, map->prefix, prefix) != 0 || needless(name + prefix)) continue;
            ts_import_fail(map, name + prefix, "has no place in its family's layout");
        }
}

static void no_family(ts_import_map *map) {
    const ts_file_tensor *first = ts_safetensors_at(map->files[0], 0);
    map->status = ts_fail(
        map->err, TESS_ERR_MODEL,
        "It is neither a Tesserae model (no \"tesserae\" in its metadata) nor a VQGAN or TAESD checkpoint that can "
        "be imported; its first tensor is \"%.60s\".",
        first ? first->name : "");
}

/* Writes the config and lists the tensors. */
static void walk(ts_import_map *map) {
    static const char *const prefixes[] = {"", "first_stage_model."};
    ts_json_open(&map->json, '{');
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        map->prefix = prefixes[i];
        const bool vqgan = ts_import_is_vqgan(map);
        if (!vqgan && !ts_import_is_tiny(map)) continue;
        if (vqgan) ts_import_vqgan(map);
        else ts_import_tiny(map);
        check_rest(map);
        ts_json_close(&map->json, '}');
        return;
    }
    no_family(map);
}

static tess_status make_view(ts_import *import, ts_import_map *map, ts_writer *text) {
    walk(map);
    ts_write_u8(text, 0);
    if (map->status < 0) return map->status;
    ts_metadata *metadata = ts_arena_array(map->arena, 1, sizeof *metadata);
    if (text->failed || !metadata) return ts_fail_memory(map->err, text->size);
    metadata->key = "tesserae";
    metadata->value = ts_arena_text(map->arena, (const char *)text->data, text->size - 1);
    if (!metadata->value) return ts_fail_memory(map->err, text->size);
    return ts_safetensors_make(&import->model, map->arena, map->tensors, map->count, metadata, 1, map->err);
}

static tess_status adopt(ts_import *import, ts_error *err) {
    ts_arena arena;
    ts_writer text;
    ts_arena_init(&arena, 0);
    ts_writer_init(&text);
    ts_import_map map = {.files = import->files,
                         .only = -1,
                         .arena = &arena,
                         .json = ts_json_writer_new(&text),
                         .prefix = "",
                         .err = err};
    for (int i = 0; i < 2; i++) {
        const size_t count = import->files[i] ? ts_safetensors_count(import->files[i]) : 0;
        map.room += count;
        map.used[i] = ts_calloc(count + 1, sizeof(bool));
    }
    map.tensors = ts_arena_array(&arena, map.room, sizeof *map.tensors);
    tess_status status = map.used[0] && map.used[1] && map.tensors ? make_view(import, &map, &text)
                                                                   : ts_fail_memory(err, map.room);
    ts_free(map.used[0]);
    ts_free(map.used[1]);
    ts_writer_free(&text);
    ts_arena_free(&arena);
    return status;
}

tess_status ts_import_open(ts_import *import, const void *bytes, size_t size, const void *more, size_t more_size,
                           ts_error *err) {
    memset(import, 0, sizeof *import);
    import->bytes = size + (more ? more_size : 0);
    tess_status status = ts_checkpoint_open(&import->files[0], bytes, size, err);
    if (!status && more) status = ts_checkpoint_open(&import->files[1], more, more_size, err);
    const bool ours = !status && ts_safetensors_metadata(import->files[0], "tesserae");
    if (ours && more) status = ts_fail(err, TESS_ERR_MODEL, "The first file is a whole model; it needs no second.");
    if (ours && !more) import->model = import->files[0];
    if (!status && !ours) status = adopt(import, err);
    if (status) ts_import_close(import);
    return status;
}

void ts_import_close(ts_import *import) {
    if (import->model != import->files[0]) ts_safetensors_close(import->model);
    for (int i = 0; i < 2; i++) ts_safetensors_close(import->files[i]);
    memset(import, 0, sizeof *import);
}
