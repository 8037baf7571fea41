/* bytes.h - little-endian reading and writing of byte strings, checked at every step.
 *
 * Both sides carry a sticky `failed` flag: read or write freely, look once. A failed reader gives zeros and never
 * touches memory outside its string; a failed writer (memory out) keeps what it had.
 */
#ifndef TS_BASE_BYTES_H
#define TS_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ts_reader {
    const uint8_t *data; /* not owned */
    size_t size;
    size_t pos;
    bool failed; /* something was read past the end, or a varint was malformed */
} ts_reader;

ts_reader ts_reader_new(const void *data, size_t size);
size_t ts_reader_left(const ts_reader *r); /* bytes not yet read; 0 after a failure */
uint8_t ts_read_u8(ts_reader *r);
uint16_t ts_read_u16(ts_reader *r);
uint32_t ts_read_u32(ts_reader *r);
uint64_t ts_read_u64(ts_reader *r);
float ts_read_f32(ts_reader *r);
/* LEB128, at most 5 bytes and below 2^32; longer or padded forms fail. */
uint32_t ts_read_varint(ts_reader *r);
/* The next n bytes in place, or NULL (and failed). */
const uint8_t *ts_read_bytes(ts_reader *r, size_t n);

typedef struct ts_writer {
    uint8_t *data; /* owned; ts_alloc memory */
    size_t size;
    size_t capacity;
    bool failed; /* memory ran out */
} ts_writer;

void ts_writer_init(ts_writer *w);  /* allocates nothing yet */
void ts_writer_free(ts_writer *w);  /* leaves an empty, usable writer */
void ts_writer_clear(ts_writer *w); /* size 0, keeps the memory, clears failed */
/* Makes room for n more bytes; false when memory is out. */
bool ts_writer_reserve(ts_writer *w, size_t n);
void ts_write_u8(ts_writer *w, uint8_t value);
void ts_write_u16(ts_writer *w, uint16_t value);
void ts_write_u32(ts_writer *w, uint32_t value);
void ts_write_u64(ts_writer *w, uint64_t value);
void ts_write_f32(ts_writer *w, float value);
void ts_write_varint(ts_writer *w, uint32_t value); /* LEB128, shortest form */
void ts_write_bytes(ts_writer *w, const void *data, size_t n);
void ts_write_zeros(ts_writer *w, size_t n);
/* Overwrites four bytes written earlier (a length or checksum known later); pos + 4 <= size. */
void ts_patch_u32(ts_writer *w, size_t pos, uint32_t value);

/* Unaligned little-endian access for code that has checked its bounds. */
uint32_t ts_load_u32(const uint8_t *p);
uint64_t ts_load_u64(const uint8_t *p);
void ts_store_u32(uint8_t *p, uint32_t value);
void ts_store_u64(uint8_t *p, uint64_t value);

#endif
