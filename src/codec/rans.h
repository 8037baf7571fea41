/* rans.h - binary rANS: turns (probability, bit) pairs into bytes and back, in integers only.
 *
 * One 32-bit state x, kept in [2^24, 2^32) by moving bytes; probabilities have 16 bits (Duda, arXiv:1311.2540). rANS
 * is last in, first out: the writer collects the decisions forward and codes them in reverse in `finish`, so the
 * reader meets them in their order. The writer starts from x = 0, not from 2^24: a section costs no fixed flush, one
 * in which every bit is a certain 1 costs no byte at all, and a reader that ends with x = 0 and no byte left has proof
 * that the bytes were whole. docs/FORMAT.md, "rANS", is the normative text.
 */
#ifndef TS_CODEC_RANS_H
#define TS_CODEC_RANS_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { TS_RANS_BITS = 16 }; /* a probability of 1 is written as p / 2^16, with p in 1..65535 */

/* Collects decisions. Zero-initialise, free with ts_rans_writer_free; may be reused after ts_rans_writer_reset. */
typedef struct ts_rans_writer {
    uint32_t *decisions; /* p << 1 | bit, in coding order; owned */
    size_t count, capacity;
    uint8_t *bytes; /* the last finished section is the last `size` of `bytes_capacity` bytes; owned */
    size_t bytes_capacity;
    int failed; /* sticky: an allocation failed */
} ts_rans_writer;

void ts_rans_writer_free(ts_rans_writer *writer);
void ts_rans_writer_reset(ts_rans_writer *writer); /* forget all decisions, keep the memory */
int ts_rans_writer_grow(ts_rans_writer *writer);   /* 0 and `failed` set if memory is out */

/* Appends one decision: `bit` 0 or 1, `p` = probability of 1 in 1..65535. Out of memory is reported by finish. */
static inline void ts_rans_put(ts_rans_writer *writer, uint32_t p, int bit) {
    if (writer->count == writer->capacity && !ts_rans_writer_grow(writer)) return;
    writer->decisions[writer->count++] = p << 1 | (uint32_t)bit;
}

/* Codes all decisions; `*bytes` (owned by the writer, good until its next call) and `*size` are the section.
 * Errors: TESS_ERR_MEMORY. */
tess_status ts_rans_finish(ts_rans_writer *writer, const uint8_t **bytes, size_t *size, ts_error *err);

typedef struct ts_rans_reader {
    const uint8_t *next, *end; /* borrowed */
    uint32_t state;
} ts_rans_reader;

void ts_rans_reader_init(ts_rans_reader *reader, const uint8_t *bytes, size_t size);

/* The next bit, whose probability of being 1 is p (1..65535), as it was when the writer put it. Never reads past the
 * end. */
static inline int ts_rans_get(ts_rans_reader *reader, uint32_t p) {
    uint32_t x = reader->state, slot = x & 0xffffu;
    int bit = slot < p;
    x = bit ? (x >> 16) * p + slot : (x >> 16) * (0x10000u - p) + slot - p;
    while (x < 1u << 24 && reader->next < reader->end) x = x << 8 | *reader->next++;
    reader->state = x;
    return bit;
}

/* 1 if every byte was used and the state is back at its start: what an undamaged section leaves. */
int ts_rans_reader_done(const ts_rans_reader *reader);

#endif
