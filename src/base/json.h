/* json.h - reading and writing JSON.
 *
 * Reading: ts_json_parse makes a document of tokens (jsmn) over the caller's text, which must outlive it. Values are
 * plain indices into it: 0 is the root, TS_JSON_NONE means "not there", and every getter takes that quietly, so that
 * look-ups nest:  ts_json_number(&doc, ts_json_get(&doc, ts_json_get(&doc, 0, "train"), "lr"), 4e-4)
 *
 * Writing: a ts_json_writer adds commas and escapes; the bytes land in a ts_writer.
 */
#ifndef TS_BASE_JSON_H
#define TS_BASE_JSON_H

#include "base/bytes.h"
#include "base/status.h"

#include <stdbool.h>

#define TS_JSON_NONE (-1)
#define TS_JSON_MAX_BYTES ((size_t)1 << 26) /* 64 MiB of text */
#define TS_JSON_MAX_DEPTH 32

typedef enum ts_json_type {
    TS_JSON_MISSING, /* TS_JSON_NONE */
    TS_JSON_OBJECT,
    TS_JSON_ARRAY,
    TS_JSON_STRING,
    TS_JSON_NUMBER,
    TS_JSON_BOOL,
    TS_JSON_NULL
} ts_json_type;

struct ts_json_token;

typedef struct ts_json {
    const char *text;
    size_t size;
    struct ts_json_token *tokens; /* owned */
    int count;
} ts_json;

/* Checks that keys are quoted and have one value each, that primitives are true, false, null or well-formed numbers,
 * that strings hold valid escapes and no control characters, and that nothing but white space follows the root. Missing
 * or extra commas are forgiven. At most TS_JSON_MAX_BYTES and TS_JSON_MAX_DEPTH. On error (TESS_ERR_FORMAT,
 * TESS_ERR_TOO_LARGE, TESS_ERR_MEMORY) the document is empty and needs no freeing. */
tess_status ts_json_parse(ts_json *doc, const char *text, size_t size, ts_error *err);
void ts_json_free(ts_json *doc);

ts_json_type ts_json_typeof(const ts_json *doc, int value);
/* Members of an object or elements of an array; 0 for anything else. */
int ts_json_length(const ts_json *doc, int value);
/* The member called key (the first, if repeated), or TS_JSON_NONE. */
int ts_json_get(const ts_json *doc, int object, const char *key);
/* Element i of an array in O(i); prefer the iteration below for long arrays. */
int ts_json_at(const ts_json *doc, int array, int i);

/* Iteration:  for (int it = ts_json_first(d, v); it != TS_JSON_NONE; it = ts_json_next(d, v, it))
 * For arrays `it` is the element; for objects it is the key (a string) and ts_json_value(d, it) its value. */
int ts_json_first(const ts_json *doc, int container);
int ts_json_next(const ts_json *doc, int container, int it);
int ts_json_value(const ts_json *doc, int key);

/* The number, or `otherwise` if value is not a number. */
double ts_json_number(const ts_json *doc, int value, double otherwise);
/* As above, but false if there is something that is not an integer in [low, high]; *out keeps its value when the
 * value is missing. */
bool ts_json_int(const ts_json *doc, int value, int low, int high, int *out);
bool ts_json_bool(const ts_json *doc, int value, bool otherwise);
/* Is value a string equal to text (escapes resolved)? */
bool ts_json_is(const ts_json *doc, int value, const char *text);
/* Copies a string, escapes resolved to UTF-8, into text (capacity bytes, always terminated). False if it is not a
 * string or does not fit (then text is empty). */
bool ts_json_string(const ts_json *doc, int value, char *text, size_t capacity);
/* The raw source text of any value (strings without their quotes); length 0 when missing. */
const char *ts_json_raw(const ts_json *doc, int value, size_t *length);

/* ---- writing ------------------------------------------------------------------------------------------------ */
typedef struct ts_json_writer {
    ts_writer *out; /* not owned; look at out->failed at the end */
    int depth;
    bool comma; /* the next value needs a comma before it */
} ts_json_writer;

ts_json_writer ts_json_writer_new(ts_writer *out);
void ts_json_open(ts_json_writer *w, char bracket);  /* '{' or '[' */
void ts_json_close(ts_json_writer *w, char bracket); /* '}' or ']' */
void ts_json_key(ts_json_writer *w, const char *key);
void ts_json_put_string(ts_json_writer *w, const char *text, size_t length); /* UTF-8, escaped as needed */
void ts_json_put_text(ts_json_writer *w, const char *text);                  /* terminated */
void ts_json_put_number(ts_json_writer *w,
                        double value); /* shortest of %.9g/%.17g that reads back; null if not finite */
void ts_json_put_int(ts_json_writer *w, int64_t value);
void ts_json_put_bool(ts_json_writer *w, bool value);
void ts_json_put_null(ts_json_writer *w);
void ts_json_put_raw(ts_json_writer *w, const char *json, size_t length); /* already JSON */

#endif
