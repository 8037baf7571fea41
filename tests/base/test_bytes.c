/* test_bytes.c - reader, writer, checksums, half floats, checked sizes, error sentences. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "base/bytes.h"
#include "base/f16.h"
#include "base/hash.h"
#include "base/size.h"
#include "base/status.h"
#include "test.h"

static void write_sample(ts_writer *w) {
    ts_write_u8(w, 0xab);
    ts_write_u16(w, 0x1234);
    ts_write_u32(w, 0xdeadbeef);
    ts_write_u64(w, 0x0123456789abcdefull);
    ts_write_f32(w, -1.5f);
    ts_write_varint(w, 300);
    ts_write_bytes(w, "text", 4);
    ts_write_zeros(w, 3);
}

static void test_round_trip(void) {
    ts_writer w;
    ts_writer_init(&w);
    write_sample(&w);
    static const uint8_t WANT[] = {0xab, 0x34, 0x12, 0xef, 0xbe, 0xad, 0xde, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23,
                                   0x01, 0,    0,    0xc0, 0xbf, 0xac, 2,    't',  'e',  'x',  't',  0,    0,    0};
    CHECK_INT(w.size, sizeof WANT);
    CHECK_BYTES(w.data, WANT, sizeof WANT);
    ts_reader r = ts_reader_new(w.data, w.size);
    CHECK_INT(ts_read_u8(&r), 0xab);
    CHECK_INT(ts_read_u16(&r), 0x1234);
    CHECK_INT(ts_read_u32(&r), 0xdeadbeef);
    CHECK(ts_read_u64(&r) == 0x0123456789abcdefull);
    CHECK(ts_read_f32(&r) == -1.5f);
    CHECK_INT(ts_read_varint(&r), 300);
    CHECK_INT(ts_reader_left(&r), 7);
    const uint8_t *text = ts_read_bytes(&r, 4);
    CHECK(text && memcmp(text, "text", 4) == 0);
    CHECK(ts_read_bytes(&r, 3) && !r.failed);
    CHECK_INT(ts_read_u8(&r), 0);
    CHECK(r.failed && ts_reader_left(&r) == 0);
    ts_patch_u32(&w, 3, 7);
    CHECK_INT(ts_load_u32(w.data + 3), 7);
    ts_patch_u32(&w, w.size - 3, 0xffffffff); /* does not fit: ignored */
    CHECK_INT(w.data[w.size - 1], 0);
    ts_writer_clear(&w);
    CHECK_INT(w.size, 0);
    ts_writer_free(&w);
    CHECK_INT(ts_test_alloc_live(), 0);
}

/* Cut after every byte: zeros from there on, the flag stays set, no read beyond (the sanitizer watches). */
static void test_truncation(void) {
    ts_writer w;
    ts_writer_init(&w);
    write_sample(&w);
    for (size_t n = 0; n < w.size; n++) {
        uint8_t *cut = ts_alloc(n);
        memcpy(cut, w.data, n);
        ts_reader r = ts_reader_new(cut, n);
        ts_read_u8(&r), ts_read_u16(&r), ts_read_u32(&r), ts_read_u64(&r), ts_read_f32(&r), ts_read_varint(&r);
        ts_read_bytes(&r, 4), ts_read_bytes(&r, 3);
        test_row("cut at %d", (int)n);
        CHECK(r.failed);
        CHECK(ts_read_u32(&r) == 0 && ts_read_bytes(&r, 0) == NULL);
        ts_free(cut);
    }
    ts_reader r = ts_reader_new(w.data, w.size);
    CHECK(ts_read_bytes(&r, SIZE_MAX) == NULL && r.failed);
    ts_writer_free(&w);
}

static void test_varints(void) {
    static const uint32_t VALUES[] = {0, 1, 127, 128, 16383, 16384, 0x0fffffff, 0x10000000, 0xffffffff};
    for (int i = 0; i < 9; i++) {
        ts_writer w;
        ts_writer_init(&w);
        ts_write_varint(&w, VALUES[i]);
        ts_reader r = ts_reader_new(w.data, w.size);
        CHECK(ts_read_varint(&r) == VALUES[i] && !r.failed && r.pos == w.size);
        ts_writer_free(&w);
    }
    static const uint8_t BAD[][5] = {
        {0xff, 0xff, 0xff, 0xff, 0x10}, {0x80, 0x80, 0x80, 0x80, 0x80}, {0x80, 0x00}, {0xff, 0xff, 0xff, 0xff, 0x8f}};
    for (int i = 0; i < 4; i++) {
        ts_reader r = ts_reader_new(BAD[i], 5);
        test_row("bad varint %d", i);
        CHECK(ts_read_varint(&r) == 0 && r.failed);
    }
}

static void test_writer_memory(void) {
    for (long n = 1; n <= 3; n++) {
        ts_writer w;
        ts_writer_init(&w);
        ts_test_alloc_fail_at(n);
        for (int i = 0; i < 2000; i++) ts_write_u8(&w, (uint8_t)i);
        ts_test_alloc_fail_at(0);
        CHECK(w.failed && w.size < 2000);
        CHECK(!ts_writer_reserve(&w, 1));
        ts_writer_free(&w);
        ts_write_u8(&w, 1);
        CHECK(!w.failed && w.size == 1);
        volatile size_t huge = SIZE_MAX - 5;
        CHECK(!ts_writer_reserve(&w, huge) && w.failed);
        ts_writer_free(&w);
    }
    CHECK_INT(ts_test_alloc_live(), 0);
}

static void test_hashes(void) {
    CHECK_INT(ts_crc32(0, "123456789", 9), 0xCBF43926);
    CHECK_INT(ts_crc32(ts_crc32(0, "1234", 4), "56789", 5), 0xCBF43926);
    CHECK_INT(ts_crc32(0, "", 0), 0);
    CHECK(ts_fnv1a64(TS_FNV_START, "", 0) == 0xcbf29ce484222325ull);
    CHECK(ts_fnv1a64(TS_FNV_START, "foobar", 6) == 0x85944171f73967e8ull);
}

/* All 65536 halves survive a round trip; rounding is checked against the nearest of the two neighbours. */
static void test_halves(void) {
    int wrong = 0;
    for (uint32_t h = 0; h < 65536; h++) {
        const float value = ts_f32_from_f16((uint16_t)h);
        const int is_nan = (h & 0x7c00) == 0x7c00 && (h & 0x3ff);
        const uint16_t back = ts_f16_from_f32(value);
        if (is_nan) {
            wrong += !isnan(value) || (back & 0x7c00) != 0x7c00 || !(back & 0x3ff);
        } else {
            wrong += back != h;
        }
    }
    CHECK_INT(wrong, 0);
    for (uint32_t h = 0; h < 0x7bff; h++) { /* midpoints go to even, their neighbours to the nearer side */
        const float low = ts_f32_from_f16((uint16_t)h), high = ts_f32_from_f16((uint16_t)(h + 1)),
                    middle = low + (high - low) / 2;
        const uint16_t even = (uint16_t)(h + (h & 1));
        wrong += ts_f16_from_f32(middle) != even || ts_f16_from_f32(-middle) != (even | 0x8000);
        wrong += ts_f16_from_f32(nextafterf(middle, 0)) != h || ts_f16_from_f32(nextafterf(middle, 1e9f)) != h + 1;
    }
    CHECK_INT(wrong, 0);
    CHECK(ts_f32_from_f16(0x3c00) == 1 && ts_f32_from_f16(0xc000) == -2 && ts_f32_from_f16(0x7bff) == 65504 &&
          ts_f32_from_f16(1) == 0x1p-24f);
    CHECK_INT(ts_f16_from_f32(65519.996f), 0x7bff);
    CHECK_INT(ts_f16_from_f32(65520), 0x7c00);
    CHECK_INT(ts_f16_from_f32(-INFINITY), 0xfc00);
    float values[3] = {0.1f, -7, 1e-6f}, back[3];
    uint8_t bytes[7];
    ts_f16_pack(bytes + 1, values, 3);
    ts_f16_unpack(back, bytes + 1, 3);
    for (int i = 0; i < 3; i++) CHECK(back[i] == ts_f32_from_f16(ts_f16_from_f32(values[i])));
}

static void test_sizes(void) {
    bool over = false;
    CHECK(ts_mul(1u << 15, 1u << 15, &over) == 1u << 30 && ts_add(5, 6, &over) == 11 &&
          ts_round_up(65, 64, &over) == 128 && ts_round_up(64, 64, &over) == 64);
    CHECK(!over && ts_mul(SIZE_MAX, 0, &over) == 0 && !over);
    CHECK(ts_mul(SIZE_MAX / 2, 3, &over) == SIZE_MAX && over);
    CHECK(ts_add(1, 1, &over) == 2 && over); /* sticky */
    over = false;
    CHECK(ts_add(SIZE_MAX, 1, &over) == SIZE_MAX && over);
    over = false;
    CHECK(ts_round_up(SIZE_MAX - 3, 64, &over) == SIZE_MAX && over);
    CHECK_INT(ts_div_up(10, 3), 4);
    CHECK_INT(ts_div_up(0, 3), 0);
    CHECK(ts_min_size(2, 3) == 2 && ts_max_size(2, 3) == 3);
}

static void test_errors(void) {
    ts_error err;
    CHECK_INT(ts_fail(&err, TESS_ERR_FORMAT, "Tile %d of %s.", 3, "x"), TESS_ERR_FORMAT);
    CHECK_TEXT(err.text, "Tile 3 of x.");
    CHECK_INT(ts_fail(NULL, TESS_ERR_STATE, "unheard"), TESS_ERR_STATE);
    char longer[600];
    memset(longer, 'a', 599);
    longer[599] = 0;
    ts_fail(&err, TESS_ERR_INPUT, "%s", longer);
    CHECK_INT(strlen(err.text), 255);
    CHECK_INT(ts_fail_memory(&err, 3 << 20), TESS_ERR_MEMORY);
    CHECK(strstr(err.text, "3.0 MiB"));
    for (int code = TESS_ERR_NUMERIC; code <= TESS_DONE; code++)
        CHECK(strcmp(ts_status_name((tess_status)code), "UNKNOWN") != 0);
    CHECK_TEXT(ts_status_name((tess_status)99), "UNKNOWN");
}

int main(void) {
    RUN(test_round_trip);
    RUN(test_truncation);
    RUN(test_varints);
    RUN(test_writer_memory);
    RUN(test_hashes);
    RUN(test_halves);
    RUN(test_sizes);
    RUN(test_errors);
    return test_end();
}
