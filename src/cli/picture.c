/* picture.c - pictures and models from files. */
#define _XOPEN_SOURCE 700
#include "cli/picture.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/platform.h"

bool picture_read(const char *path, int channels, ts_image *image, char fault[FAULT_SIZE]) {
    uint8_t *bytes;
    size_t size;
    if (!file_read(path, &bytes, &size, fault)) return false;
    ts_error err;
    const tess_status status = ts_image_decode(image, bytes, size, channels, &err);
    free(bytes);
    if (status) snprintf(fault, FAULT_SIZE, "%.200s %s", shown_name(path), err.text);
    return status == TESS_OK;
}

static bool named(const char *path, const char *ending) {
    const size_t n = strlen(path), e = strlen(ending);
    return n > e && strcasecmp(path + n - e, ending) == 0;
}

bool picture_write(const char *path, const ts_image *image, char fault[FAULT_SIZE]) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    ts_error err;
    const bool plain = named(path, ".ppm") || named(path, ".pgm");
    const tess_status status = plain ? ts_image_encode_ppm(image, &bytes, &size, &err)
                                     : ts_image_encode_png(image, &bytes, &size, &err);
    if (status) {
        snprintf(fault, FAULT_SIZE, "%.200s: %s", path, err.text);
        return false;
    }
    const bool ok = file_write(path, bytes, size, fault);
    ts_free(bytes);
    return ok;
}

static bool exists(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file) fclose(file);
    return file != NULL;
}

/* A model that comes with the program: in its folder or up to two folders up. */
static bool bundled_model(const char *name, const char *program, char path[PATH_SIZE]) {
    static const char *const PLACES[] = {"models", "../models", "../../models", "../share/tesserae"};
    char folder[PATH_SIZE];
    if (!program_folder(program, folder, sizeof folder)) return false;
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        const int n = snprintf(path, PATH_SIZE, "%s/%s/%s.safetensors", folder, PLACES[i], name);
        if (n > 0 && n < PATH_SIZE && exists(path)) return true;
    }
    return false;
}

/* May this be the name of a bundled model? Paths have an ending or a slash. */
static bool is_name(const char *text) { return *text && !strpbrk(text, "./\\"); }

/* Where the model is that model_read is asked for. */
static bool model_path(const char *model, const char *program, char found[PATH_SIZE], char fault[FAULT_SIZE]) {
    const char *path = model ? model : environment("TESSERAE_MODEL");
    if (!path || !*path) path = "photo";
    if (is_name(path) && bundled_model(path, program, found)) return true;
    if (is_name(path) && !exists(path)) {
        snprintf(fault, FAULT_SIZE,
                 "%.200s: no such file, and no models/%.200s.safetensors beside the program; name a model by -m%s",
                 path, path, model ? "" : " or TESSERAE_MODEL");
        return false;
    }
    snprintf(found, PATH_SIZE, "%s", path);
    return true;
}

tess_model *model_read(const char *model, const char *program, char fault[FAULT_SIZE]) {
    char path[PATH_SIZE];
    if (!model_path(model, program, path, fault)) return NULL;
    uint8_t *bytes;
    size_t size;
    if (!file_read(path, &bytes, &size, fault)) return NULL;
    tess_model *loaded = tess_model_new();
    const tess_status status = loaded ? tess_model_load(loaded, bytes, size) : TESS_ERR_MEMORY;
    free(bytes);
    if (status == TESS_OK) return loaded;
    snprintf(fault, FAULT_SIZE, "%.200s: %s", shown_name(path), loaded ? tess_model_message(loaded) : "memory is out");
    tess_model_free(loaded);
    return NULL;
}

/* Does the model hold a part of that kind? */
static bool holds(const tess_model *model, const char *part) {
    ts_json doc;
    const char *info = tess_model_info(model);
    if (ts_json_parse(&doc, info, strlen(info), NULL)) return false;
    const bool there = ts_json_get(&doc, 0, part) != TS_JSON_NONE;
    ts_json_free(&doc);
    return there;
}

bool part_read(tess_model *model, const char *part, const char *from, const char *name, const char *program,
               char fault[FAULT_SIZE]) {
    static const char ending[] = ".safetensors";
    char beside[PATH_SIZE];
    if (!from) {
        if (holds(model, part)) return true;
        if (!model_path(name, program, beside, fault)) return false;
        size_t stem = strlen(beside);
        if (named(beside, ending)) stem -= strlen(ending);
        snprintf(beside + stem, sizeof beside - stem, ".%s%s", part, ending);
        if (!exists(beside)) {
            snprintf(fault, FAULT_SIZE, "the model has no %s: %.300s is not there; name one by --part", part, beside);
            return false;
        }
        from = beside;
    }
    uint8_t *bytes;
    size_t size;
    if (!file_read(from, &bytes, &size, fault)) return false;
    const tess_status status = tess_model_add(model, bytes, size);
    free(bytes);
    if (status) snprintf(fault, FAULT_SIZE, "%.200s: %s", shown_name(from), tess_model_message(model));
    return status == TESS_OK;
}
