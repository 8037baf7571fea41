#include "nets/config_read.h"

#include <stdio.h>
#include <string.h>

void ts_section_fail(ts_section *s, const char *key, const char *sentence) {
    if (*s->status < 0) return;
    const char *dot = s->path[0] && key[0] ? "." : "";
    *s->status = ts_fail(s->err, TESS_ERR_INPUT, "Config: %s%s%s %s.", s->path, dot, key, sentence);
}

ts_section ts_section_open(const ts_json *doc, int object, const char *path, bool optional, tess_status *status,
                           ts_error *err) {
    ts_section s = {.doc = doc, .object = object, .status = status, .err = err};
    snprintf(s.path, sizeof s.path, "%s", path);
    ts_json_type type = ts_json_typeof(doc, object);
    if (type == TS_JSON_MISSING && optional) return s;
    if (type == TS_JSON_MISSING) ts_section_fail(&s, "", "is missing");
    else if (type != TS_JSON_OBJECT) ts_section_fail(&s, "", "must be an object {...}");
    return s;
}

int ts_section_get(ts_section *s, const char *key) {
    if (s->known_count < TS_SECTION_KEYS) s->known[s->known_count++] = key;
    return ts_json_get(s->doc, s->object, key);
}

void ts_section_int(ts_section *s, const char *key, int low, int high, bool required, int *out) {
    int value = ts_section_get(s, key);
    char sentence[96];
    if (value == TS_JSON_NONE) {
        if (required) ts_section_fail(s, key, "is missing");
        return;
    }
    if (ts_json_int(s->doc, value, low, high, out)) return;
    snprintf(sentence, sizeof sentence, "must be a whole number from %d to %d", low, high);
    ts_section_fail(s, key, sentence);
}

static bool number_in(const ts_json *doc, int value, double low, double high, float *out) {
    if (ts_json_typeof(doc, value) != TS_JSON_NUMBER) return false;
    double x = ts_json_number(doc, value, 0);
    if (!(x >= low && x <= high)) return false;
    *out = (float)x;
    return true;
}

void ts_section_float(ts_section *s, const char *key, double low, double high, float *out) {
    int value = ts_section_get(s, key);
    char sentence[96];
    if (value == TS_JSON_NONE || number_in(s->doc, value, low, high, out)) return;
    snprintf(sentence, sizeof sentence, "must be a number from %g to %g", low, high);
    ts_section_fail(s, key, sentence);
}

void ts_section_bool(ts_section *s, const char *key, bool *out) {
    int value = ts_section_get(s, key);
    if (value == TS_JSON_NONE) return;
    if (ts_json_typeof(s->doc, value) != TS_JSON_BOOL) ts_section_fail(s, key, "must be true or false");
    else *out = ts_json_bool(s->doc, value, *out);
}

void ts_section_string(ts_section *s, const char *key, char *out, size_t capacity) {
    int value = ts_section_get(s, key);
    char sentence[64];
    if (value == TS_JSON_NONE || ts_json_string(s->doc, value, out, capacity)) return;
    snprintf(sentence, sizeof sentence, "must be a string of at most %d bytes", (int)capacity - 1);
    ts_section_fail(s, key, sentence);
}

void ts_section_choice(ts_section *s, const char *key, const char *const *names, bool required, int *out) {
    int value = ts_section_get(s, key);
    char sentence[200] = "must be one of";
    if (value == TS_JSON_NONE) {
        if (required) ts_section_fail(s, key, "is missing");
        return;
    }
    for (int i = 0; names[i]; i++) {
        if (ts_json_is(s->doc, value, names[i])) {
            *out = i;
            return;
        }
        size_t used = strlen(sentence);
        snprintf(sentence + used, sizeof sentence - used, " \"%s\"", names[i]);
    }
    ts_section_fail(s, key, sentence);
}

void ts_section_floats(ts_section *s, const char *key, int min_count, int max_count, double low, double high,
                       float *out, int *count) {
    int value = ts_section_get(s, key), n = 0;
    char sentence[128];
    if (value == TS_JSON_NONE) return;
    int length = ts_json_length(s->doc, value);
    if (ts_json_typeof(s->doc, value) == TS_JSON_ARRAY && length >= min_count && length <= max_count) {
        int it = ts_json_first(s->doc, value);
        while (it != TS_JSON_NONE && number_in(s->doc, it, low, high, &out[n])) {
            n++;
            it = ts_json_next(s->doc, value, it);
        }
        if (n == length) {
            *count = n;
            return;
        }
    }
    snprintf(sentence, sizeof sentence, "must be a list of %d to %d numbers from %g to %g", min_count, max_count, low,
             high);
    ts_section_fail(s, key, sentence);
}

void ts_section_format(ts_section *s) {
    int format = 0;
    ts_section_int(s, "format", 1, 1 << 30, true, &format);
    if (*s->status >= 0 && format != 1)
        *s->status = ts_fail(s->err, TESS_ERR_VERSION, "Config: format %d is newer than this library reads (1).",
                             format);
}

bool ts_section_fingerprint(const ts_json *doc, int value, uint64_t *out) {
    static const char digits[] = "0123456789abcdef";
    char text[17];
    *out = 0;
    if (!ts_json_string(doc, value, text, sizeof text) || strlen(text) != 16) return false;
    for (const char *c = text; *c; c++) {
        const char *digit = strchr(digits, *c);
        if (!digit) return false;
        *out = *out << 4 | (uint64_t)(digit - digits);
    }
    return true;
}

void ts_section_close(ts_section *s) {
    char key[40];
    if (*s->status < 0) return;
    for (int it = ts_json_first(s->doc, s->object); it != TS_JSON_NONE; it = ts_json_next(s->doc, s->object, it)) {
        bool known = false;
        for (int i = 0; i < s->known_count && !known; i++) known = ts_json_is(s->doc, it, s->known[i]);
        if (known) continue;
        if (!ts_json_string(s->doc, it, key, sizeof key)) snprintf(key, sizeof key, "(a long name)");
        ts_section_fail(s, key, "is not a known key here");
        return;
    }
}
