/* json.c - documents of JSON tokens over jsmn. */
#include "base/json.h"

#include "base/alloc.h"
#include "base/decimal.h"

#include <string.h>

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

struct ts_json_token {
    ts_json_type type;
    int start, end; /* in the text; strings without quotes */
    int size;       /* members or elements */
    int next;       /* the token after this one and all below it */
};

/* ---- checks that jsmn leaves out ---------------------------------------------------------------------------- */
static size_t skip_digits(const char *s, size_t i, size_t n) {
    while (i < n && s[i] >= '0' && s[i] <= '9') i++;
    return i;
}

static bool is_number(const char *s, size_t n) {
    size_t i = n > 0 && s[0] == '-';
    const size_t whole = i;
    i = skip_digits(s, i, n);
    if (i == whole || (s[whole] == '0' && i > whole + 1)) return false;
    if (i < n && s[i] == '.') {
        const size_t fraction = ++i;
        i = skip_digits(s, i, n);
        if (i == fraction) return false;
    }
    if (i < n && (s[i] == 'e' || s[i] == 'E')) {
        i++;
        if (i < n && (s[i] == '+' || s[i] == '-')) i++;
        const size_t power = i;
        i = skip_digits(s, i, n);
        if (i == power) return false;
    }
    return i == n;
}

static bool same(const char *s, size_t n, const char *word) { return strlen(word) == n && memcmp(s, word, n) == 0; }

/* The type of a token, or TS_JSON_MISSING if its text is not JSON. */
static ts_json_type type_of(const jsmntok_t *t, const char *text) {
    const char *s = text + t->start;
    const size_t n = (size_t)(t->end - t->start);
    switch (t->type) {
    case JSMN_OBJECT: return TS_JSON_OBJECT;
    case JSMN_ARRAY: return TS_JSON_ARRAY;
    case JSMN_STRING:
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)s[i] < 0x20) return TS_JSON_MISSING;
        return TS_JSON_STRING;
    case JSMN_PRIMITIVE:
        if (same(s, n, "true") || same(s, n, "false")) return TS_JSON_BOOL;
        if (same(s, n, "null")) return TS_JSON_NULL;
        return is_number(s, n) ? TS_JSON_NUMBER : TS_JSON_MISSING;
    case JSMN_UNDEFINED: break;
    }
    return TS_JSON_MISSING;
}

/* Does token i stand where JSON allows it: keys are strings with one value, other leaves have none below them? */
static bool well_placed(const jsmntok_t *raw, int i) {
    const int parent = raw[i].parent;
    const bool is_key = parent >= 0 && raw[parent].type == JSMN_OBJECT;
    if (is_key) return raw[i].type == JSMN_STRING && raw[i].size == 1;
    return raw[i].type == JSMN_OBJECT || raw[i].type == JSMN_ARRAY || raw[i].size == 0;
}

/* Turns jsmn's tokens into ours, linking each to what follows it. */
static tess_status convert(ts_json *doc, const jsmntok_t *raw, ts_error *err) {
    int open[TS_JSON_MAX_DEPTH], depth = 0;
    for (int i = 0; i < doc->count; i++) {
        while (depth > 0 && raw[i].start >= raw[open[depth - 1]].end) doc->tokens[open[--depth]].next = i;
        const ts_json_type type = type_of(&raw[i], doc->text);
        if (type == TS_JSON_MISSING || !well_placed(raw, i) || (i > 0 && depth == 0))
            return ts_fail(err, TESS_ERR_FORMAT, "The JSON is malformed near byte %d.", raw[i].start);
        doc->tokens[i] = (struct ts_json_token){type, raw[i].start, raw[i].end, raw[i].size, i + 1};
        if (type != TS_JSON_OBJECT && type != TS_JSON_ARRAY) continue;
        if (depth == TS_JSON_MAX_DEPTH)
            return ts_fail(err, TESS_ERR_TOO_LARGE, "The JSON is nested deeper than %d levels.", TS_JSON_MAX_DEPTH);
        open[depth++] = i;
    }
    while (depth > 0) doc->tokens[open[--depth]].next = doc->count;
    return TESS_OK;
}

static tess_status parse_into(ts_json *doc, jsmntok_t *raw, ts_error *err) {
    jsmn_parser parser;
    jsmn_init(&parser);
    if (jsmn_parse(&parser, doc->text, doc->size, raw, (unsigned)doc->count) != doc->count)
        return ts_fail(err, TESS_ERR_FORMAT, "The JSON is malformed or cut short near byte %u.", parser.pos);
    for (size_t i = parser.pos; i < doc->size; i++)
        if (!memchr(" \t\r\n", doc->text[i], 4))
            return ts_fail(err, TESS_ERR_FORMAT, "The JSON is followed by other bytes, from byte %lu.",
                           (unsigned long)i);
    return convert(doc, raw, err);
}

tess_status ts_json_parse(ts_json *doc, const char *text, size_t size, ts_error *err) {
    *doc = (ts_json){.text = text, .size = size};
    if (size > TS_JSON_MAX_BYTES)
        return ts_fail(err, TESS_ERR_TOO_LARGE, "The JSON has %lu bytes; the limit is %lu.", (unsigned long)size,
                       (unsigned long)TS_JSON_MAX_BYTES);
    jsmn_parser counter;
    jsmn_init(&counter);
    const int count = jsmn_parse(&counter, text, size, NULL, 0);
    if (count <= 0) return ts_fail(err, TESS_ERR_FORMAT, "The JSON is malformed or empty near byte %u.", counter.pos);
    jsmntok_t *raw = ts_calloc((size_t)count, sizeof *raw);
    doc->tokens = ts_calloc((size_t)count, sizeof *doc->tokens);
    doc->count = count;
    tess_status status = raw && doc->tokens ? parse_into(doc, raw, err)
                                            : ts_fail_memory(err, (size_t)count * (sizeof *raw + sizeof *doc->tokens));
    ts_free(raw);
    if (status != TESS_OK) ts_json_free(doc);
    return status;
}

void ts_json_free(ts_json *doc) {
    ts_free(doc->tokens);
    *doc = (ts_json){0};
}

/* ---- walking ------------------------------------------------------------------------------------------------ */
ts_json_type ts_json_typeof(const ts_json *doc, int value) {
    return value < 0 || value >= doc->count ? TS_JSON_MISSING : doc->tokens[value].type;
}

static bool is_container(const ts_json *doc, int value) {
    const ts_json_type type = ts_json_typeof(doc, value);
    return type == TS_JSON_OBJECT || type == TS_JSON_ARRAY;
}

int ts_json_length(const ts_json *doc, int value) { return is_container(doc, value) ? doc->tokens[value].size : 0; }

int ts_json_first(const ts_json *doc, int container) {
    return ts_json_length(doc, container) > 0 ? container + 1 : TS_JSON_NONE;
}

int ts_json_value(const ts_json *doc, int key) {
    return ts_json_typeof(doc, key) == TS_JSON_STRING && key + 1 < doc->count ? key + 1 : TS_JSON_NONE;
}

int ts_json_next(const ts_json *doc, int container, int it) {
    if (!is_container(doc, container) || it < 0 || it >= doc->count) return TS_JSON_NONE;
    const int last = doc->tokens[container].type == TS_JSON_OBJECT ? it + 1 : it;
    const int next = last < doc->count ? doc->tokens[last].next : doc->count;
    return next < doc->tokens[container].next ? next : TS_JSON_NONE;
}

int ts_json_get(const ts_json *doc, int object, const char *key) {
    if (ts_json_typeof(doc, object) != TS_JSON_OBJECT) return TS_JSON_NONE;
    for (int it = ts_json_first(doc, object); it != TS_JSON_NONE; it = ts_json_next(doc, object, it))
        if (ts_json_is(doc, it, key)) return ts_json_value(doc, it);
    return TS_JSON_NONE;
}

int ts_json_at(const ts_json *doc, int array, int i) {
    if (ts_json_typeof(doc, array) != TS_JSON_ARRAY || i < 0) return TS_JSON_NONE;
    int it = ts_json_first(doc, array);
    while (i-- > 0 && it != TS_JSON_NONE) it = ts_json_next(doc, array, it);
    return it;
}

/* ---- values ------------------------------------------------------------------------------------------------- */
const char *ts_json_raw(const ts_json *doc, int value, size_t *length) {
    if (ts_json_typeof(doc, value) == TS_JSON_MISSING) {
        *length = 0;
        return "";
    }
    *length = (size_t)(doc->tokens[value].end - doc->tokens[value].start);
    return doc->text + doc->tokens[value].start;
}

double ts_json_number(const ts_json *doc, int value, double otherwise) {
    size_t length;
    const char *raw = ts_json_raw(doc, value, &length);
    if (ts_json_typeof(doc, value) != TS_JSON_NUMBER || length >= TS_DECIMAL_LENGTH) return otherwise;
    return ts_decimal(raw, length);
}

bool ts_json_int(const ts_json *doc, int value, int low, int high, int *out) {
    if (ts_json_typeof(doc, value) == TS_JSON_MISSING) return true;
    const double number = ts_json_number(doc, value, (double)low - 1);
    if (!(number >= low && number <= high) || number != (double)(int)number) return false;
    *out = (int)number;
    return true;
}

bool ts_json_bool(const ts_json *doc, int value, bool otherwise) {
    if (ts_json_typeof(doc, value) != TS_JSON_BOOL) return otherwise;
    return doc->text[doc->tokens[value].start] == 't';
}

static unsigned hex4(const char *s) {
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        const unsigned c = (unsigned char)s[i];
        value = value << 4 | (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return value;
}

static size_t put_utf8(char *out, unsigned code) {
    if (code < 0x80) return out[0] = (char)code, 1;
    if (code < 0x800) return out[0] = (char)(0xc0 | code >> 6), out[1] = (char)(0x80 | (code & 63)), 2;
    const size_t tail = code < 0x10000 ? 2 : 3;
    out[0] = (char)(tail == 2 ? 0xe0 | code >> 12 : 0xf0 | code >> 18);
    for (size_t i = 1; i <= tail; i++) out[i] = (char)(0x80 | (code >> 6 * (tail - i) & 63));
    return tail + 1;
}

/* Reads one character or escape at s (n bytes left, the escape known to be whole); writes its UTF-8 (at most 4 bytes)
 * and returns the bytes read. A surrogate without its other half becomes U+FFFD. */
static size_t next_char(const char *s, size_t n, char out[4], size_t *written) {
    static const char NAMES[] = "\"\\/bfnrt", VALUES[] = "\"\\/\b\f\n\r\t";
    *written = 1;
    out[0] = s[0];
    if (s[0] != '\\' || n < 2) return 1;
    const char *name = memchr(NAMES, s[1], sizeof NAMES - 1);
    if (name) return out[0] = VALUES[name - NAMES], 2;
    if (n < 6) return n;
    unsigned code = hex4(s + 2);
    size_t used = 6;
    if (code >= 0xd800 && code < 0xe000) {
        const bool paired = code < 0xdc00 && n >= 12 && s[6] == '\\' && s[7] == 'u' && hex4(s + 8) - 0xdc00 < 0x400;
        code = paired ? 0x10000 + ((code - 0xd800) << 10) + (hex4(s + 8) - 0xdc00) : 0xfffd;
        used = paired ? 12 : 6;
    }
    *written = put_utf8(out, code);
    return used;
}

bool ts_json_is(const ts_json *doc, int value, const char *text) {
    if (ts_json_typeof(doc, value) != TS_JSON_STRING) return false;
    size_t n, at = 0;
    const char *s = ts_json_raw(doc, value, &n);
    const size_t length = strlen(text);
    while (n > 0) {
        char one[4];
        size_t written;
        const size_t used = next_char(s, n, one, &written);
        if (written > length - at || memcmp(text + at, one, written) != 0) return false;
        at += written;
        s += used;
        n -= used;
    }
    return at == length;
}

bool ts_json_string(const ts_json *doc, int value, char *text, size_t capacity) {
    if (capacity == 0) return false;
    text[0] = 0;
    if (ts_json_typeof(doc, value) != TS_JSON_STRING) return false;
    size_t n, at = 0;
    const char *s = ts_json_raw(doc, value, &n);
    while (n > 0) {
        char one[4];
        size_t written;
        const size_t used = next_char(s, n, one, &written);
        if (written >= capacity - at) return text[0] = 0, false;
        memcpy(text + at, one, written);
        at += written;
        s += used;
        n -= used;
    }
    text[at] = 0;
    return true;
}
