/* json_write.c - writing JSON. */
#include "base/json.h"

#include "base/decimal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

ts_json_writer ts_json_writer_new(ts_writer *out) { return (ts_json_writer){.out = out}; }

static void begin_value(ts_json_writer *w) {
    if (w->comma) ts_write_u8(w->out, ',');
    w->comma = true;
}

void ts_json_open(ts_json_writer *w, char bracket) {
    begin_value(w);
    ts_write_u8(w->out, (uint8_t)bracket);
    w->depth++;
    w->comma = false;
}

void ts_json_close(ts_json_writer *w, char bracket) {
    ts_write_u8(w->out, (uint8_t)bracket);
    w->depth--;
    w->comma = true;
}

static void write_quoted(ts_writer *out, const char *text, size_t length) {
    ts_write_u8(out, '"');
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        char escaped[8];
        if (c == '"' || c == '\\') {
            ts_write_u8(out, '\\');
            ts_write_u8(out, c);
        } else if (c < 0x20) {
            ts_write_bytes(out, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", c));
        } else {
            ts_write_u8(out, c);
        }
    }
    ts_write_u8(out, '"');
}

void ts_json_key(ts_json_writer *w, const char *key) {
    begin_value(w);
    write_quoted(w->out, key, strlen(key));
    ts_write_u8(w->out, ':');
    w->comma = false;
}

void ts_json_put_string(ts_json_writer *w, const char *text, size_t length) {
    begin_value(w);
    write_quoted(w->out, text, length);
}

void ts_json_put_text(ts_json_writer *w, const char *text) { ts_json_put_string(w, text, strlen(text)); }

void ts_json_put_raw(ts_json_writer *w, const char *json, size_t length) {
    begin_value(w);
    ts_write_bytes(w->out, json, length);
}

void ts_json_put_number(ts_json_writer *w, double value) {
    char text[32];
    if (!isfinite(value)) {
        ts_json_put_null(w);
        return;
    }
    int length = snprintf(text, sizeof text, "%.9g", value);
    if (ts_decimal(text, (size_t)length) != value) length = snprintf(text, sizeof text, "%.17g", value);
    ts_json_put_raw(w, text, (size_t)length);
}

void ts_json_put_int(ts_json_writer *w, int64_t value) {
    char text[32];
    ts_json_put_raw(w, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)value));
}

void ts_json_put_bool(ts_json_writer *w, bool value) { ts_json_put_raw(w, value ? "true" : "false", value ? 4 : 5); }

void ts_json_put_null(ts_json_writer *w) { ts_json_put_raw(w, "null", 4); }
