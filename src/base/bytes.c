/* bytes.c - checked little-endian reading and writing. */
#include "base/bytes.h"

#include "base/alloc.h"
#include "base/size.h"

#include <string.h>

uint32_t ts_load_u32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t ts_load_u64(const uint8_t *p) { return ts_load_u32(p) | (uint64_t)ts_load_u32(p + 4) << 32; }

void ts_store_u32(uint8_t *p, uint32_t value) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(value >> (8 * i));
}

void ts_store_u64(uint8_t *p, uint64_t value) {
    for (int i = 0; i < 8; i++) p[i] = (uint8_t)(value >> (8 * i));
}

/* ---- reader ------------------------------------------------------------------------------------------------- */
ts_reader ts_reader_new(const void *data, size_t size) { return (ts_reader){.data = data, .size = size}; }

size_t ts_reader_left(const ts_reader *r) { return r->failed ? 0 : r->size - r->pos; }

const uint8_t *ts_read_bytes(ts_reader *r, size_t n) {
    if (r->failed || n > r->size - r->pos) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->data + r->pos;
    r->pos += n;
    return p;
}

uint8_t ts_read_u8(ts_reader *r) {
    const uint8_t *p = ts_read_bytes(r, 1);
    return p ? *p : 0;
}

uint16_t ts_read_u16(ts_reader *r) {
    const uint8_t *p = ts_read_bytes(r, 2);
    return (uint16_t)(p ? p[0] | p[1] << 8 : 0);
}

uint32_t ts_read_u32(ts_reader *r) {
    const uint8_t *p = ts_read_bytes(r, 4);
    return p ? ts_load_u32(p) : 0;
}

uint64_t ts_read_u64(ts_reader *r) {
    const uint8_t *p = ts_read_bytes(r, 8);
    return p ? ts_load_u64(p) : 0;
}

float ts_read_f32(ts_reader *r) {
    const uint32_t bits = ts_read_u32(r);
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

uint32_t ts_read_varint(ts_reader *r) {
    uint32_t value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
        const uint8_t byte = ts_read_u8(r);
        if (r->failed) return 0;
        const bool too_big = shift == 28 && byte > 15;
        const bool padded = shift > 0 && byte == 0;
        if (too_big || padded) break;
        value |= (uint32_t)(byte & 127) << shift;
        if (byte < 128) return value;
    }
    r->failed = true;
    return 0;
}

/* ---- writer ------------------------------------------------------------------------------------------------- */
void ts_writer_init(ts_writer *w) { *w = (ts_writer){0}; }

void ts_writer_free(ts_writer *w) {
    ts_free(w->data);
    ts_writer_init(w);
}

void ts_writer_clear(ts_writer *w) {
    w->size = 0;
    w->failed = false;
}

bool ts_writer_reserve(ts_writer *w, size_t n) {
    if (w->failed) return false;
    if (n <= w->capacity - w->size) return true;
    bool over = false;
    const size_t needed = ts_add(w->size, n, &over);
    const size_t roomy = w->capacity > SIZE_MAX / 2 ? needed : ts_max_size(2 * w->capacity, 256);
    const size_t capacity = ts_max_size(needed, roomy);
    uint8_t *data = over ? NULL : ts_realloc(w->data, capacity);
    if (!data) {
        w->failed = true;
        return false;
    }
    w->data = data;
    w->capacity = capacity;
    return true;
}

void ts_write_bytes(ts_writer *w, const void *data, size_t n) {
    if (n == 0 || !ts_writer_reserve(w, n)) return;
    memcpy(w->data + w->size, data, n);
    w->size += n;
}

void ts_write_zeros(ts_writer *w, size_t n) {
    if (n == 0 || !ts_writer_reserve(w, n)) return;
    memset(w->data + w->size, 0, n);
    w->size += n;
}

void ts_write_u8(ts_writer *w, uint8_t value) { ts_write_bytes(w, &value, 1); }

void ts_write_u16(ts_writer *w, uint16_t value) {
    const uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    ts_write_bytes(w, bytes, 2);
}

void ts_write_u32(ts_writer *w, uint32_t value) {
    uint8_t bytes[4];
    ts_store_u32(bytes, value);
    ts_write_bytes(w, bytes, 4);
}

void ts_write_u64(ts_writer *w, uint64_t value) {
    uint8_t bytes[8];
    ts_store_u64(bytes, value);
    ts_write_bytes(w, bytes, 8);
}

void ts_write_f32(ts_writer *w, float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    ts_write_u32(w, bits);
}

void ts_write_varint(ts_writer *w, uint32_t value) {
    uint8_t bytes[5];
    size_t n = 0;
    for (; value > 127; value >>= 7) bytes[n++] = (uint8_t)(value | 128);
    bytes[n++] = (uint8_t)value;
    ts_write_bytes(w, bytes, n);
}

void ts_patch_u32(ts_writer *w, size_t pos, uint32_t value) {
    if (w->size >= 4 && pos <= w->size - 4) ts_store_u32(w->data + pos, value);
}
