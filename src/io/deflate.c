#include "io/deflate.h"

#include <string.h>

enum {
    LONGEST = 258,
    CHAIN = 16,
    ADLER = 65521,
    LITERALS = 286, /* bytes, the end of a block, lengths */
    DISTANCES = 30,
    LENGTHS = 19, /* of codes */
    END = 256
};

/* ---- Huffman codes ------------------------------------------------------------------------------------------- */

typedef struct code {
    uint32_t frequency[LITERALS];
    uint16_t bits[LITERALS]; /* first bit lowest, as they are written */
    uint8_t length[LITERALS];
    int size;
} code;

/* Depths of Huffman's tree; returns the deepest. Frequencies of at least two symbols are not 0. */
static int build_tree(code *c) {
    uint32_t weight[2 * LITERALS];
    int parent[2 * LITERALS], nodes = c->size, deepest = 0;
    memcpy(weight, c->frequency, (size_t)c->size * sizeof *weight);
    for (;; nodes++) {
        int a = -1, b = -1; /* the two lightest that have no parent yet; weight 0: none, or already joined */
        for (int i = 0; i < nodes; i++) {
            if (weight[i] == 0) continue;
            if (a < 0 || weight[i] < weight[a]) b = a, a = i;
            else if (b < 0 || weight[i] < weight[b]) b = i;
        }
        if (b < 0) break;
        weight[nodes] = weight[a] + weight[b];
        parent[a] = parent[b] = nodes;
        weight[a] = weight[b] = 0;
    }
    for (int i = 0; i < c->size; i++) {
        c->length[i] = 0;
        for (int node = i; c->frequency[i] > 0 && node != nodes - 1; node = parent[node]) c->length[i]++;
        if (c->length[i] > deepest) deepest = c->length[i];
    }
    return deepest;
}

/* Lengths of at most `limit` (flattening the frequencies until they fit) and canonical codes (RFC 1951, 3.2.2). */
static void build_code(code *c, int limit) {
    c->frequency[0]++; /* two symbols at least: a code of one is no code */
    c->frequency[1]++;
    while (build_tree(c) > limit)
        for (int i = 0; i < c->size; i++) c->frequency[i] = (c->frequency[i] + 1) / 2;
    uint32_t next = 0;
    for (int length = 1; length <= limit; length++, next <<= 1)
        for (int i = 0; i < c->size; i++) {
            if (c->length[i] != length) continue;
            c->bits[i] = 0;
            for (int b = 0; b < length; b++) c->bits[i] = (uint16_t)(c->bits[i] | (next >> b & 1) << (length - 1 - b));
            next++;
        }
}

/* ---- blocks -------------------------------------------------------------------------------------------------- */

static void put_bits(ts_deflate *z, uint32_t value, int count) {
    z->bits |= (uint64_t)value << z->bit_count;
    z->bit_count += count;
    for (; z->bit_count >= 8; z->bit_count -= 8, z->bits >>= 8) ts_write_u8(z->out, (uint8_t)z->bits);
}

static void put_symbol(ts_deflate *z, const code *c, uint32_t symbol) {
    put_bits(z, c->bits[symbol], c->length[symbol]);
}

/* Lengths and distances are split in ranges of 2^e values, `per` ranges to each e (RFC 1951, 3.2.5). `value` counts
 * from 0; returns the range and its extra bits. */
static uint32_t range_of(uint32_t value, uint32_t per, int *extra) {
    *extra = 0;
    while (value >> *extra >= 2 * per) ++*extra;
    return (uint32_t)*extra * per + (value >> *extra);
}

/* The literal/length symbol of a match of `length`, and its extra bits. */
static uint32_t length_symbol(uint32_t length, int *extra) {
    if (length < LONGEST) return 257 + range_of(length - 3, 4, extra);
    *extra = 0;
    return 285;
}

static void count_symbols(const ts_deflate *z, code *literals, code *distances) {
    int extra;
    for (int i = 0; i < z->count; i++) {
        uint32_t length = z->symbols[i] >> 16, low = z->symbols[i] & 0xffff;
        literals->frequency[length ? length_symbol(length, &extra) : low]++;
        if (length) distances->frequency[range_of(low - 1, 2, &extra)]++;
    }
    literals->frequency[END]++;
}

/* The lengths of both codes, themselves coded; runs are not (RFC 1951, 3.2.7). */
static void put_codes(ts_deflate *z, const code *literals, const code *distances) {
    static const uint8_t order[LENGTHS] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    code lengths = {.size = LENGTHS};
    for (int i = 0; i < LITERALS; i++) lengths.frequency[literals->length[i]]++;
    for (int i = 0; i < DISTANCES; i++) lengths.frequency[distances->length[i]]++;
    build_code(&lengths, 7);
    put_bits(z, LITERALS - 257, 5);
    put_bits(z, DISTANCES - 1, 5);
    put_bits(z, LENGTHS - 4, 4);
    for (int i = 0; i < LENGTHS; i++) put_bits(z, lengths.length[order[i]], 3);
    for (int i = 0; i < LITERALS; i++) put_symbol(z, &lengths, literals->length[i]);
    for (int i = 0; i < DISTANCES; i++) put_symbol(z, &lengths, distances->length[i]);
}

/* Writes the symbols collected so far as a block with its own code. */
static void put_block(ts_deflate *z, int last) {
    code literals = {.size = LITERALS}, distances = {.size = DISTANCES};
    count_symbols(z, &literals, &distances);
    build_code(&literals, 15);
    build_code(&distances, 15);
    put_bits(z, (uint32_t)last, 1);
    put_bits(z, 2, 2);
    put_codes(z, &literals, &distances);
    for (int i = 0; i < z->count; i++) {
        uint32_t length = z->symbols[i] >> 16, low = z->symbols[i] & 0xffff;
        int extra;
        if (length == 0) {
            put_symbol(z, &literals, low);
            continue;
        }
        put_symbol(z, &literals, length_symbol(length, &extra));
        put_bits(z, (length - 3) & ((1u << extra) - 1), extra);
        put_symbol(z, &distances, range_of(low - 1, 2, &extra));
        put_bits(z, (low - 1) & ((1u << extra) - 1), extra);
    }
    put_symbol(z, &literals, END);
    z->count = 0;
}

static void add_symbol(ts_deflate *z, uint32_t symbol) {
    z->symbols[z->count++] = symbol;
    if (z->count == TS_DEFLATE_BLOCK) put_block(z, 0);
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

/* Matches until at most `reserve` bytes are left: a match may be as long as they are. */
static void match(ts_deflate *z, int reserve) {
    while (z->end - z->at > reserve) {
        int distance = 0, later = 0;
        int length = find_match(z, z->at, &distance);
        remember(z, z->at, z->at + 1);
        if (length > 0 && length < 32 && find_match(z, z->at + 1, &later) > length)
            length = 0; /* the next one is better */
        if (length > 0) {
            add_symbol(z, (uint32_t)length << 16 | (uint32_t)distance);
            remember(z, z->at + 1, z->at + length);
            z->at += length;
        } else add_symbol(z, z->window[z->at++]);
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
    z->bit_count = z->at = z->end = z->count = 0;
    z->adler_a = 1;
    z->adler_b = 0;
    memset(z->head, 0xff, sizeof z->head);
    memset(z->previous, 0xff, sizeof z->previous);
    ts_write_u8(out, 0x78);
    ts_write_u8(out, 0x01);
}

void ts_deflate_put(ts_deflate *z, const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        z->adler_a = (z->adler_a + bytes[i]) % ADLER;
        z->adler_b = (z->adler_b + z->adler_a) % ADLER;
    }
    while (size > 0) {
        if (z->end == 2 * TS_DEFLATE_WINDOW) {
            match(z, LONGEST);
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
    match(z, 0);
    put_block(z, 1);
    if (z->bit_count > 0) put_bits(z, 0, 8 - z->bit_count);
    for (int shift = 24; shift >= 0; shift -= 8)
        ts_write_u8(z->out, (uint8_t)((z->adler_b << 16 | z->adler_a) >> shift));
}
