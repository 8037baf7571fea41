#include "cli/captions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { CAPTION_SIZE = 4096 };

bool captions_read(captions *c, const char *path, char fault[FAULT_SIZE]) {
    uint8_t *bytes;
    if (!path) return true;
    if (!file_read(path, &bytes, &c->size, fault)) return false;
    c->path = path;
    c->bytes = (char *)bytes;
    return true;
}

void captions_free(captions *c) {
    free(c->bytes);
    *c = (captions){0};
}

/* The next line that is not empty; false at the end. */
static bool next_line(captions *c, const char **line, size_t *size) {
    while (c->bytes && c->at < c->size) {
        const char *end = memchr(c->bytes + c->at, '\n', c->size - c->at);
        *line = c->bytes + c->at;
        *size = end ? (size_t)(end - *line) : c->size - c->at;
        c->at += *size + 1;
        c->line++;
        for (size_t i = 0; i < *size; i++)
            if (!strchr(" \t\r", (*line)[i])) return true;
    }
    return false;
}

bool captions_give(captions *c, tess_trainer *trainer, bool held, char fault[FAULT_SIZE]) {
    const char *line;
    size_t size;
    char text[CAPTION_SIZE] = "";
    int label = -1;
    ts_json doc;
    if (!c) return true;
    const int picture = c->pictures;
    c->pictures += !held;
    if (!next_line(c, &line, &size) || held) return true;
    bool ok = ts_json_parse(&doc, line, size, NULL) == TESS_OK;
    if (ok) {
        const int caption = ts_json_get(&doc, 0, "caption");
        ok = ts_json_typeof(&doc, 0) == TS_JSON_OBJECT;
        ok = ok && (caption == TS_JSON_NONE || ts_json_string(&doc, caption, text, sizeof text));
        ok = ok && ts_json_int(&doc, ts_json_get(&doc, 0, "class"), -1, 65535, &label);
        ts_json_free(&doc);
    }
    if (!ok) {
        snprintf(fault, FAULT_SIZE,
                 "%.200s, line %d: it must be an object with a \"caption\" (a text) or a \"class\" (a number)", c->path,
                 c->line);
        return false;
    }
    ok = tess_trainer_caption(trainer, picture, text, strlen(text)) >= 0 &&
         tess_trainer_class(trainer, picture, label) >= 0;
    if (!ok) snprintf(fault, FAULT_SIZE, "%.200s: %s", c->path, tess_trainer_message(trainer));
    return ok;
}
