#include "codec/rans.h"

#include "base/alloc.h"

void ts_rans_writer_free(ts_rans_writer *writer) {
    ts_free(writer->decisions);
    ts_free(writer->bytes);
    *writer = (ts_rans_writer){0};
}

void ts_rans_writer_reset(ts_rans_writer *writer) {
    writer->count = 0;
    writer->failed = 0;
}

int ts_rans_writer_grow(ts_rans_writer *writer) {
    size_t capacity = writer->capacity ? writer->capacity * 2 : 4096;
    uint32_t *grown = capacity > SIZE_MAX / sizeof *grown / 2 || writer->failed
                          ? NULL
                          : ts_realloc(writer->decisions, capacity * sizeof *grown);
    if (!grown) {
        writer->failed = 1;
        return 0;
    }
    writer->decisions = grown;
    writer->capacity = capacity;
    return 1;
}

/* Codes all decisions, the last one first, into the end of the buffer; returns where the section starts. A decision
 * moves at most two bytes. */
static uint8_t *code(const ts_rans_writer *writer) {
    uint8_t *place = writer->bytes + writer->bytes_capacity;
    uint32_t x = 0;
    for (size_t i = writer->count; i-- > 0;) {
        uint32_t p = writer->decisions[i] >> 1, bit = writer->decisions[i] & 1;
        uint32_t width = bit ? p : (1u << TS_RANS_BITS) - p, start = bit ? 0 : p;
        while (x >> 16 >= width) {
            *--place = (uint8_t)x;
            x >>= 8;
        }
        x = (x / width << TS_RANS_BITS) + x % width + start;
    }
    for (; x > 0; x >>= 8) *--place = (uint8_t)x;
    return place;
}

tess_status ts_rans_finish(ts_rans_writer *writer, const uint8_t **bytes, size_t *size, ts_error *err) {
    size_t need = writer->count * 2 + 4;
    if (!writer->failed && need > writer->bytes_capacity) {
        ts_free(writer->bytes);
        writer->bytes = ts_alloc(need);
        writer->bytes_capacity = writer->bytes ? need : 0;
    }
    if (writer->failed || !writer->bytes) return ts_fail_memory(err, need);
    *bytes = code(writer);
    *size = (size_t)(writer->bytes + writer->bytes_capacity - *bytes);
    return TESS_OK;
}

void ts_rans_reader_init(ts_rans_reader *reader, const uint8_t *bytes, size_t size) {
    *reader = (ts_rans_reader){.next = bytes, .end = bytes + size};
    for (int i = 0; i < 4 && reader->next < reader->end; i++) reader->state = reader->state << 8 | *reader->next++;
}

int ts_rans_reader_done(const ts_rans_reader *reader) { return reader->next == reader->end && reader->state == 0; }
