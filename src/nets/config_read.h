/* config_read.h - strict reading of JSON objects: every member is fetched by name, then none may be left over.
 * Errors name the member by its path. Used by config*.c and layers.c only. */
#ifndef TS_NETS_CONFIG_READ_H
#define TS_NETS_CONFIG_READ_H

#include "base/json.h"

#define TS_SECTION_KEYS 32

/* One object being read. Errors are sticky in *status. */
typedef struct ts_section {
    const ts_json *doc;
    int object;
    char path[48]; /* "encoder[3]", "train.loss"; empty at the root */
    const char *known[TS_SECTION_KEYS];
    int known_count;
    tess_status *status;
    ts_error *err;
} ts_section;

/* Starts a section; anything but an object is an error ("missing" too, unless optional: then all defaults hold). */
ts_section ts_section_open(const ts_json *doc, int object, const char *path, bool optional, tess_status *status,
                           ts_error *err);
/* The value of a key or TS_JSON_NONE; marks the key as known. */
int ts_section_get(ts_section *s, const char *key);
void ts_section_int(ts_section *s, const char *key, int low, int high, bool required, int *out);
void ts_section_float(ts_section *s, const char *key, double low, double high, float *out);
void ts_section_bool(ts_section *s, const char *key, bool *out);
void ts_section_string(ts_section *s, const char *key, char *out, size_t capacity);
/* Index of the string among `names` (NULL-terminated); keeps *out when missing and not required. */
void ts_section_choice(ts_section *s, const char *key, const char *const *names, bool required, int *out);
/* An array of low..high numbers; *count stays when missing. */
void ts_section_floats(ts_section *s, const char *key, int min_count, int max_count, double low, double high,
                       float *out, int *count);
/* The member "format", which must be there and be 1; else INPUT or VERSION. */
void ts_section_format(ts_section *s);
/* Reads 16 hexadecimal digits; false: the value is something else. */
bool ts_section_fingerprint(const ts_json *doc, int value, uint64_t *out);
/* Ends: a member that nobody asked for is an error that names it. */
void ts_section_close(ts_section *s);
/* Records "path.key: sentence". */
void ts_section_fail(ts_section *s, const char *key, const char *sentence);

#endif
