/* info.c - tesserae info: what a .tess file or a model file says about itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/file.h"
#include "cli/report.h"
#include "cli/verbs.h"
#include "tesserae.h"

enum { INFO_SIZE = 8192 };

/* Prints one object member per line; nested objects and arrays as they stand. */
static void print_members(const char *text) {
    ts_json doc;
    if (ts_json_parse(&doc, text, strlen(text), NULL)) return;
    for (int key = ts_json_first(&doc, 0); key != TS_JSON_NONE; key = ts_json_next(&doc, 0, key)) {
        size_t name_size, value_size;
        const char *name = ts_json_raw(&doc, key, &name_size);
        const char *value = ts_json_raw(&doc, ts_json_value(&doc, key), &value_size);
        printf("  %-13.*s %.*s\n", (int)name_size, name, (int)value_size, value);
    }
    ts_json_free(&doc);
}

static void print_info(const char *path, const char *kind, const char *info, bool json) {
    if (json) {
        json_line line = json_begin(stdout);
        json_text(&line, "file", path);
        json_text(&line, "kind", kind);
        json_raw(&line, "info", info);
        json_end(&line);
        return;
    }
    printf("%s: %s\n", shown_name(path), kind);
    print_members(info);
}

/* A .tess file starts with its magic; everything else is taken for a model. */
static bool looks_like_tess(const uint8_t *bytes, size_t size, char info[INFO_SIZE], tess_status *status) {
    *status = tess_file_info(bytes, size, info, INFO_SIZE);
    return *status == TESS_OK || (size >= 4 && memcmp(bytes, "TESS", 4) == 0) ||
           (size >= 4 && memcmp(bytes + 1, "TES", 3) == 0);
}

/* The sentence in {"error": "..."}. */
static void error_of(const char *info, char *text, size_t capacity) {
    ts_json doc;
    snprintf(text, capacity, "not readable");
    if (ts_json_parse(&doc, info, strlen(info), NULL)) return;
    ts_json_string(&doc, ts_json_get(&doc, 0, "error"), text, capacity);
    ts_json_free(&doc);
}

static bool info_one(const char *path, bool json) {
    char fault[FAULT_SIZE], info[INFO_SIZE], why[256];
    uint8_t *bytes;
    size_t size;
    if (!file_read(path, &bytes, &size, fault)) {
        say_fault(fault);
        return false;
    }
    tess_status status;
    tess_model *model = NULL;
    bool ok;
    if (looks_like_tess(bytes, size, info, &status)) {
        ok = status == TESS_OK;
        if (ok) print_info(path, "image file", info, json);
        if (!ok) error_of(info, why, sizeof why);
    } else {
        model = tess_model_new();
        ok = model && tess_model_load(model, bytes, size) == TESS_OK;
        if (ok) print_info(path, "model", tess_model_info(model), json);
        if (!ok)
            snprintf(why, sizeof why, "neither a .tess file nor a model: %.200s",
                     model ? tess_model_message(model) : "memory is out");
    }
    if (!ok) {
        snprintf(fault, sizeof fault, "%.200s: %s", shown_name(path), why);
        say_fault(fault);
    }
    tess_model_free(model);
    free(bytes);
    return ok;
}

static int run(int argc, char **argv, const char *program) {
    (void)program;
    bool json = false;
    const option table[] = {{0, "json", OPTION_FLAG, &json, 0, 0, NULL, "one line of JSON per file"}};
    const int count = options_parse(&VERB_INFO, table, 1, argc, argv);
    if (count < 0) return count == -2 ? EXIT_OK : EXIT_USAGE;
    bool all = true;
    for (int i = 1; i <= count; i++) all &= info_one(argv[i], json);
    return all ? EXIT_OK : EXIT_FAILED;
}

const verb VERB_INFO = {
    "info", "FILE...", "what a .tess file or a model says: size, fingerprint, tokens, bytes per section", NULL, 1,
    -1,     run,
};
