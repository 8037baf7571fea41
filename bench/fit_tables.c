/* fit_tables.c - gives a model the entropy tables that suit the files it makes.
 *
 *     fit_tables MODEL.safetensors OUT.safetensors FILE.tess...
 *
 * FILE.tess are training pictures encoded with MODEL (with or without tables) at the rates that matter. OUT is MODEL
 * with its entropy.* tensors replaced; its fingerprint is another one. A model that `tesserae train` writes has tables
 * already, fitted to a few pictures; more pictures make files a few per cent smaller.
 */
#include "base/alloc.h"
#include "codec/container.h"
#include "engine/engine.h"
#include "file.h"
#include "io/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = TS_LEVELS_MAX };

typedef struct sample {
    ts_token_view *tiles[LEVELS]; /* tiles that have this level, and so all below it */
    int count[LEVELS];
} sample;

static void add_tile(sample *s, int level, const ts_token_view *tile) {
    if ((s->count[level] & (s->count[level] + 1)) == 0) /* 0, 1, 3, 7 ...: room for as many again */
        s->tiles[level] = realloc(s->tiles[level], (size_t)(2 * s->count[level] + 1) * sizeof *tile);
    if (!s->tiles[level]) fail("tiles", "out of memory");
    s->tiles[level][s->count[level]++] = *tile;
}

/* Decodes the tokens of a file, which stay in memory. */
static void add_file(sample *s, const char *path, const tess_model *model, ts_entropy_coder *coder) {
    size_t size = 0;
    uint8_t *bytes = read_file(path, &size);
    ts_tess_file *file = NULL;
    ts_error err = {{0}};
    if (ts_tess_open(&file, bytes, size, &err) < 0 || ts_tess_check_model(file, model->hash, &err) < 0)
        fail(path, err.text);
    const ts_tess_header *h = ts_tess_file_header(file);
    size_t plane = (size_t)h->token_width * (size_t)h->token_height;
    uint16_t *tokens = calloc(plane * (size_t)h->levels + 1, sizeof *tokens);
    if (!tokens) fail(path, "out of memory");
    for (int t = 0; t < ts_tess_tiles(h); t++) {
        ts_tess_rect r = ts_tess_tile(h, t);
        ts_token_view view = {tokens + (size_t)r.y * (size_t)h->token_width + (size_t)r.x, (size_t)h->token_width,
                              plane, r.height, r.width};
        for (int level = 0; level < h->levels; level++) {
            const uint8_t *section;
            if (ts_tess_section(file, level, t, &section, &size, &err) < 0 ||
                ts_entropy_decode(coder, level, &view, section, size, NULL, &err) < 0)
                fail(path, err.text);
            add_tile(s, level, &view);
        }
    }
    ts_tess_close(file);
    free(bytes);
}

/* The model file with tables in place of its own. */
static void write_model(const char *path, const ts_safetensors *model, uint8_t *const *tables, const size_t *bytes,
                        int levels) {
    size_t count = ts_safetensors_count(model), metadata_count = ts_safetensors_metadata_count(model), n = 0, size = 0;
    ts_file_tensor_source *sources = calloc(count + LEVELS, sizeof *sources);
    ts_metadata *metadata = calloc(metadata_count + 1, sizeof *metadata);
    static char names[LEVELS][24];
    if (!sources || !metadata) fail(path, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const ts_file_tensor *tensor = ts_safetensors_at(model, i);
        if (strncmp(tensor->name, "entropy.", 8) != 0) sources[n++].tensor = *tensor;
    }
    for (int l = 0; l < levels; l++) {
        if (!tables[l]) continue;
        snprintf(names[l], sizeof names[l], "entropy.%d", l);
        sources[n++].tensor = (ts_file_tensor){names[l], TS_U8, 1, {bytes[l]}, bytes[l], tables[l]};
    }
    for (size_t i = 0; i < metadata_count; i++)
        metadata[i].key = ts_safetensors_metadata_at(model, i, &metadata[i].value);
    uint8_t *made = NULL;
    ts_error err = {{0}};
    if (ts_safetensors_write(&made, &size, sources, n, metadata, metadata_count, &err) < 0) fail(path, err.text);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(made, 1, size, file) != size || fclose(file) != 0) fail(path, "cannot be written");
    ts_free(made);
    free(sources);
    free(metadata);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: fit_tables MODEL.safetensors OUT.safetensors FILE.tess...\n");
        return 2;
    }
    size_t size = 0, table_bytes[LEVELS] = {0};
    uint8_t *bytes = read_file(argv[1], &size), *tables[LEVELS] = {0};
    tess_model *model = tess_model_new();
    if (!model || tess_model_load(model, bytes, size) != TESS_OK)
        fail(argv[1], model ? tess_model_message(model) : "out of memory");
    ts_error err = {{0}};
    ts_entropy_coder *coder = NULL;
    if (ts_entropy_coder_new(&coder, model->entropy, false, &err) < 0) fail(argv[1], err.text);
    static sample s;
    for (int i = 3; i < argc; i++) add_file(&s, argv[i], model, coder);
    int levels = ts_entropy_model_levels(model->entropy), sizes[LEVELS];
    for (int l = 0; l < levels; l++) sizes[l] = ts_entropy_model_size(model->entropy, l);
    for (int l = 0; l < levels; l++) {
        if (s.count[l] == 0) continue; /* no file went so far: this level starts flat */
        table_bytes[l] = ts_entropy_table_bytes(l, sizes[l]);
        tables[l] = malloc(table_bytes[l]);
        if (!tables[l]) fail("tables", "out of memory");
        if (ts_entropy_fit(l, levels, sizes, s.count[l], s.tiles[l], tables[l], &err) < 0) fail("tables", err.text);
        printf("level %d: %d tiles, %d bytes\n", l, s.count[l], (int)table_bytes[l]);
    }
    ts_safetensors *file = NULL;
    if (ts_safetensors_open(&file, bytes, size, &err) < 0) fail(argv[1], err.text);
    write_model(argv[2], file, tables, table_bytes, levels);
    ts_safetensors_close(file);
    ts_entropy_coder_free(coder);
    tess_model_free(model);
    return 0;
}
