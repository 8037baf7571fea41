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

/* The model that comes with the program: in its folder or up to two folders up. */
static bool bundled_model(const char *program, char path[PATH_SIZE]) {
    static const char *const PLACES[] = {"models", "../models", "../../models", "../share/tesserae"};
    char folder[PATH_SIZE];
    if (!program_folder(program, folder, sizeof folder)) return false;
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        const int n = snprintf(path, PATH_SIZE, "%s/%s/photo.safetensors", folder, PLACES[i]);
        if (n > 0 && n < PATH_SIZE && exists(path)) return true;
    }
    return false;
}

/* Where the model is: `path`, or if that is NULL what model_read says. */
static bool model_path(const char *path, const char *program, char found[PATH_SIZE], char fault[FAULT_SIZE]) {
    const char *named_by_user = environment("TESSERAE_MODEL");
    if (!path && named_by_user && *named_by_user) path = named_by_user;
    if (path) snprintf(found, PATH_SIZE, "%s", path);
    if (path || bundled_model(program, found)) return true;
    snprintf(fault, FAULT_SIZE,
             "no model: models/photo.safetensors is not beside the program; name one by -m or TESSERAE_MODEL");
    return false;
}

tess_model *model_read(const char *path, const char *program, char fault[FAULT_SIZE]) {
    char found[PATH_SIZE];
    if (!model_path(path, program, found, fault)) return NULL;
    path = found;
    uint8_t *bytes;
    size_t size;
    if (!file_read(path, &bytes, &size, fault)) return NULL;
    tess_model *model = tess_model_new();
    const tess_status status = model ? tess_model_load(model, bytes, size) : TESS_ERR_MEMORY;
    free(bytes);
    if (status == TESS_OK) return model;
    snprintf(fault, FAULT_SIZE, "%.200s: %s", shown_name(path), model ? tess_model_message(model) : "memory is out");
    tess_model_free(model);
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

bool part_read(tess_model *model, const char *part, const char *from, const char *path, const char *program,
               char fault[FAULT_SIZE]) {
    static const char ending[] = ".safetensors";
    char beside[PATH_SIZE];
    if (!from) {
        if (holds(model, part)) return true;
        if (!model_path(path, program, beside, fault)) return false;
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
