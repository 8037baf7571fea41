#include "io/deflate.h"

#include <string.h>

enum { LONGEST = 258, CHAIN = 16, ADLER = 65521 };

/* ---- bits --------------------------------------------------------------------------------------------------- */

static void put_bits(ts_deflate *z, uint32_t value, int count) {
    z->bits |= (uint64_t)value << z->bit_count;
    z->bit_count += count;
    for (; z->bit_count >= 8; z->bit_count -= 8, z->bits >>= 8) ts_write_u8(z->out, (uint8_t)z->bits);
}

/* Huffman codes go out high bit first. */
static void put_code(ts_deflate *z, uint32_t code, int count) {
    uint32_t reversed = 0;
    for (int i = 0; i < count; i++) reversed |= (code >> i & 1) << (count - 1 - i);
    put_bits(z, reversed, count);
}

/* The fixed code of RFC 1951, 3.2.6. */
static void put_symbol(ts_deflate *z, uint32_t symbol) {
    if (symbol < 144) put_code(z, 0x30 + symbol, 8);
    else if (symbol < 256) put_code(z, 0x190 + symbol - 144, 9);
    else if (symbol < 280) put_code(z, symbol - 256, 7);
    else put_code(z, 0xc0 + symbol - 280, 8);
}

/* Lengths and distances are split in ranges of 2^e values, `per` ranges to each e (RFC 1951, 3.2.5). `value` counts
 * from 0; returns the range and its extra bits. */
static uint32_t range_of(uint32_t value, uint32_t per, int *extra) {
    *extra = 0;
    while (value >> *extra >= 2 * per) ++*extra;
    return (uint32_t)*extra * per + (value >> *extra);
}

static void put_match(ts_deflate *z, int length, int distance) {
    int extra;
    if (length == LONGEST) put_symbol(z, 285);
    else {
        uint32_t value = (uint32_t)length - 3;
        put_symbol(z, 257 + range_of(value, 4, &extra));
        put_bits(z, value & ((1u << extra) - 1), extra);
    }
    uint32_t value = (uint32_t)distance - 1;
    put_code(z, range_of(value, 2, &extra), 5);
    put_bits(z, value & ((1u << extra) - 1), extra);
}

/* ---- matches ------------------------------------------------------------------------------------------------ */

static uint32_t hash_of(const uint8_t *p) {
    return ((uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]) * 0x9e3779b1u >> 18;
}

static int match_length(const uint8_t *a, const uint8_t *b, int limit) {
    int length = 0;
    while (length < limit && a[length] == b[length]) length++;
    return length;
}

/* The longest match for the bytes at `at` among the last places with their hash; 0 if none of 3 bytes. */
static int find_match(const ts_deflate *z, int at, int *distance) {
    int limit = z->end - at < LONGEST ? z->end - at : LONGEST, best = 2;
    if (limit < 3) return 0;
    int place = z->head[hash_of(z->window + at)];
    for (int tries = 0; tries < CHAIN && place >= 0 && at - place <= TS_DEFLATE_WINDOW;
         tries++, place = z->previous[place]) {
        int length = match_length(z->window + place, z->window + at, limit);
        if (length > best) {
            best = length;
            *distance = at - place;
        }
    }
    return best > 2 ? best : 0;
}

/* Makes the places [from, to) known to later matches. */
static void remember(ts_deflate *z, int from, int to) {
    for (int i = from; i < to && i + 3 <= z->end; i++) {
        int32_t *head = &z->head[hash_of(z->window + i)];
        z->previous[i] = *head;
        *head = i;
    }
}

/* Codes until fewer than `reserve` bytes are left: a match may be as long as they are. */
static void code(ts_deflate *z, int reserve) {
    while (z->end - z->at > reserve) {
        int distance = 0, later = 0;
        int length = find_match(z, z->at, &distance);
        remember(z, z->at, z->at + 1);
        if (length > 0 && length < 32 && find_match(z, z->at + 1, &later) > length)
            length = 0; /* the next one is better */
        if (length > 0) {
            put_match(z, length, distance);
            remember(z, z->at + 1, z->at + length);
            z->at += length;
        } else put_symbol(z, z->window[z->at++]);
    }
}

/* Drops the older half of the window. */
static void slide(ts_deflate *z) {
    memmove(z->window, z->window + TS_DEFLATE_WINDOW, TS_DEFLATE_WINDOW);
    memmove(z->previous, z->previous + TS_DEFLATE_WINDOW, TS_DEFLATE_WINDOW * sizeof *z->previous);
    for (int i = 0; i < TS_DEFLATE_HASH; i++)
        z->head[i] = z->head[i] < TS_DEFLATE_WINDOW ? -1 : z->head[i] - TS_DEFLATE_WINDOW;
    for (int i = 0; i < TS_DEFLATE_WINDOW; i++)
        z->previous[i] = z->previous[i] < TS_DEFLATE_WINDOW ? -1 : z->previous[i] - TS_DEFLATE_WINDOW;
    z->at -= TS_DEFLATE_WINDOW;
    z->end -= TS_DEFLATE_WINDOW;
}

/* ---- the stream --------------------------------------------------------------------------------------------- */

void ts_deflate_begin(ts_deflate *z, ts_writer *out) {
    z->out = out;
    z->bits = 0;
    z->bit_count = z->at = z->end = 0;
    z->adler_a = 1;
    z->adler_b = 0;
    memset(z->head, 0xff, sizeof z->head);
    memset(z->previous, 0xff, sizeof z->previous);
    ts_write_u8(out, 0x78);
    ts_write_u8(out, 0x01);
    put_bits(z, 1, 1); /* one block, the last */
    put_bits(z, 1, 2); /* fixed code */
}

void ts_deflate_put(ts_deflate *z, const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        z->adler_a = (z->adler_a + bytes[i]) % ADLER;
        z->adler_b = (z->adler_b + z->adler_a) % ADLER;
    }
    while (size > 0) {
        if (z->end == 2 * TS_DEFLATE_WINDOW) {
            code(z, LONGEST);
            slide(z);
        }
        size_t room = (size_t)(2 * TS_DEFLATE_WINDOW - z->end), part = size < room ? size : room;
        memcpy(z->window + z->end, bytes, part);
        z->end += (int)part;
        bytes += part;
        size -= part;
    }
}

void ts_deflate_end(ts_deflate *z) {
    code(z, 0);
    put_symbol(z, 256);
    if (z->bit_count > 0) put_bits(z, 0, 8 - z->bit_count);
    for (int shift = 24; shift >= 0; shift -= 8)
        ts_write_u8(z->out, (uint8_t)((z->adler_b << 16 | z->adler_a) >> shift));
}
