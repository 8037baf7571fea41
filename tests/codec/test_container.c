/* The container: what is put in is found again, a prefix is a smaller file, and no damage goes unseen or does harm. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "base/hash.h"
#include "codec/container.h"
#include "test.h"
#include "tokens.h"

static const ts_tess_header small = {0x0123456789abcdefull, 700, 530, 4, 88, 67, 3, 64};

/* A section's content, known from its place: sometimes empty. */
static size_t fill(uint8_t *bytes, int level, int tile) {
    uint32_t seed = (uint32_t)(level * 100 + tile + 500);
    size_t size = (level + tile) % 5 == 4 ? 0 : next_random(&seed) % 200;
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)next_random(&seed);
    return size;
}

/* A whole file of header `h`, malloc'ed to its exact size. */
static uint8_t *make(const ts_tess_header *h, size_t *size) {
    ts_tess_writer *writer = NULL;
    uint8_t bytes[200];
    const uint8_t *made = NULL;
    CHECK_INT(ts_tess_writer_new(&writer, h, NULL), TESS_OK);
    for (int level = h->levels - 1; level >= TS_TESS_ALPHA; level--) /* in any order */
        for (int tile = 0; tile < (level < 0 ? ts_tess_alpha_strips(h) : ts_tess_tiles(h)); tile++) {
            CHECK_INT(ts_tess_writer_put(writer, level, tile, (const uint8_t *)"replaced", 8, NULL), TESS_OK);
            CHECK_INT(ts_tess_writer_put(writer, level, tile, bytes, fill(bytes, level, tile), NULL), TESS_OK);
        }
    CHECK_INT(ts_tess_writer_put(writer, h->levels, 0, bytes, 1, NULL), TESS_ERR_OPTION);
    CHECK_INT(ts_tess_writer_put(writer, 0, ts_tess_tiles(h), bytes, 1, NULL), TESS_ERR_OPTION);
    CHECK_INT(ts_tess_writer_finish(writer, &made, size, NULL), TESS_OK);
    CHECK_INT(*size, ts_tess_writer_size(writer));
    uint8_t *copy = malloc(*size);
    memcpy(copy, made, *size);
    ts_tess_writer_free(writer);
    return copy;
}

/* Counts sections by how they read: whole, cut off, damaged. Whole ones must hold what was put in. */
static void count_sections(const ts_tess_file *file, int count[3]) {
    const ts_tess_header *h = ts_tess_file_header(file);
    for (int level = TS_TESS_ALPHA; level < h->levels; level++)
        for (int tile = 0; tile < (level < 0 ? ts_tess_alpha_strips(h) : ts_tess_tiles(h)); tile++) {
            const uint8_t *bytes = NULL;
            uint8_t want[200];
            size_t size = 0;
            ts_error err = {{0}};
            tess_status status = ts_tess_section(file, level, tile, &bytes, &size, &err);
            count[status == TESS_OK ? 0 : status == TESS_ERR_FORMAT ? 1 : 2]++;
            if (status == TESS_OK) {
                CHECK_INT(size, fill(want, level, tile));
                CHECK_BYTES(bytes, want, size);
            } else CHECK((status == TESS_ERR_FORMAT || status == TESS_ERR_CHECKSUM) && err.text[0] != 0);
        }
}

static void test_round_trips(void) {
    static const ts_tess_header headers[] = {
        {0x0123456789abcdefull, 700, 530, 4, 88, 67, 3, 64},
        {1, 1, 1, 3, 1, 1, 1, 64},
        {0, 65535, 4096, 1, 8192, 512, 1, 2040},
        {~0ull, 7, 513, 4, 1, 65, 16, 8},
        {5, 512, 512, 3, 64, 64, 0, 64},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        test_row("header %d", (int)i);
        size_t size = 0, section_size;
        uint8_t *bytes = make(&headers[i], &size);
        const uint8_t *section;
        ts_tess_file *file = NULL;
        ts_error err = {{0}};
        if (!CHECK_INT(ts_tess_open(&file, bytes, size, &err), TESS_OK)) {
            printf("  it says: %s\n", err.text);
            continue;
        }
        const ts_tess_header *h = ts_tess_file_header(file);
        CHECK(h->model == headers[i].model && h->channels == headers[i].channels && h->tile == headers[i].tile);
        CHECK(h->width == headers[i].width && h->height == headers[i].height && h->levels == headers[i].levels);
        CHECK(h->token_width == headers[i].token_width && h->token_height == headers[i].token_height);
        CHECK_INT(ts_tess_file_size(file), size);
        int count[3] = {0};
        count_sections(file, count);
        CHECK_INT(count[0], ts_tess_alpha_strips(h) + ts_tess_tiles(h) * h->levels);
        CHECK_INT(count[1] + count[2], 0);
        CHECK_INT(ts_tess_section(file, h->levels, 0, &section, &section_size, NULL), TESS_ERR_OPTION);
        CHECK_INT(ts_tess_section(file, 0, ts_tess_tiles(h), &section, &section_size, NULL), TESS_ERR_OPTION);
        CHECK_INT(ts_tess_section_size(file, 0, -1), 0);
        CHECK_INT(ts_tess_check_model(file, headers[i].model, NULL), TESS_OK);
        CHECK_INT(ts_tess_check_model(file, headers[i].model ^ 0x10, &err), TESS_ERR_MODEL);
        char name[17];
        snprintf(name, sizeof name, "%016llx", (unsigned long long)headers[i].model);
        CHECK(strstr(err.text, name) != NULL);
        snprintf(name, sizeof name, "%016llx", (unsigned long long)(headers[i].model ^ 0x10));
        CHECK(strstr(err.text, name) != NULL);
        ts_tess_close(file);
        free(bytes);
    }
}

/* What a file costs beside its sections: little. */
static void test_overhead(void) {
    const ts_tess_header one = {1, 512, 512, 3, 64, 64, 2, 64};
    ts_tess_writer *writer = NULL;
    uint8_t bytes[1600] = {0};
    CHECK_INT(ts_tess_writer_new(&writer, &one, NULL), TESS_OK);
    CHECK_INT(ts_tess_writer_put(writer, 0, 0, bytes, 1500, NULL), TESS_OK);
    CHECK_INT(ts_tess_writer_put(writer, 1, 0, bytes, 100, NULL), TESS_OK);
    CHECK(ts_tess_writer_size(writer) - 1600 <= 38);
    ts_tess_writer_free(writer);
}

static void test_tiles(void) {
    uint8_t *covered = calloc(88 * 67, 1);
    for (int tile = 0; tile < ts_tess_tiles(&small); tile++) {
        ts_tess_rect r = ts_tess_tile(&small, tile);
        for (int y = r.y; y < r.y + r.height; y++)
            for (int x = r.x; x < r.x + r.width; x++) covered[y * 88 + x]++;
    }
    int once = 0;
    for (int i = 0; i < 88 * 67; i++) once += covered[i] == 1;
    CHECK_INT(once, 88 * 67);
    CHECK_INT(ts_tess_tiles(&small), 4);
    CHECK_INT(ts_tess_alpha_strips(&small), 9);
    free(covered);
}

static void test_header_limits(void) {
    static const struct {
        ts_tess_header header;
        tess_status status;
    } rows[] = {
        {{0, 65535, 4096, 3, 1, 1, 16, 8}, TESS_OK},
        {{0, 70000, 70000, 3, 8750, 8750, 1, 64}, TESS_ERR_TOO_LARGE},
        {{0, 65536, 1, 3, 1, 1, 1, 64}, TESS_ERR_TOO_LARGE},
        {{0, 65535, 4097, 3, 1, 1, 1, 64}, TESS_ERR_TOO_LARGE},
        {{0, 0, 1, 3, 1, 1, 1, 64}, TESS_ERR_OPTION},
        {{0, 1, -1, 3, 1, 1, 1, 64}, TESS_ERR_OPTION},
        {{0, 8, 8, 2, 1, 1, 1, 64}, TESS_ERR_OPTION},
        {{0, 8, 8, 3, 9, 1, 1, 64}, TESS_ERR_OPTION},
        {{0, 8, 8, 3, 1, 0, 1, 64}, TESS_ERR_OPTION},
        {{0, 8, 8, 3, 1, 1, 17, 64}, TESS_ERR_TOO_LARGE},
        {{0, 8, 8, 3, 1, 1, -1, 64}, TESS_ERR_TOO_LARGE},
        {{0, 8, 8, 3, 1, 1, 1, 65}, TESS_ERR_OPTION},
        {{0, 8, 8, 3, 1, 1, 1, 0}, TESS_ERR_OPTION},
        {{0, 8, 8, 3, 1, 1, 1, 2048}, TESS_ERR_OPTION},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_row("row %d", (int)i);
        ts_tess_writer *writer = NULL;
        CHECK_INT(ts_tess_writer_new(&writer, &rows[i].header, NULL), rows[i].status);
        CHECK((writer != NULL) == (rows[i].status == TESS_OK));
        ts_tess_writer_free(writer);
    }
}

/* A header that lies about sizes is refused before anything is allocated for it. */
static void test_lying_header(void) {
    static const uint8_t sides[][12] = {
        /* width, height, token width, token height as varints, levels, tile / 8 */
        {0xf0, 0xa2, 0x04, 0xf0, 0xa2, 0x04, 0xae, 0x44, 0xae, 0x44, 1, 8}, /* 70000 x 70000 */
        {0x80, 0x80, 0x01, 0x80, 0x80, 0x01, 0x80, 0x40, 0x80, 0x40, 1, 1}, /* 16384 x 16384, a million tiles */
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 1, 1, 1, 1},
    };
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        uint8_t bytes[200] = {'T', 'E', 'S', 'S', 1, 0};
        memcpy(bytes + 14, sides[i], 12);
        ts_tess_file *file = NULL;
        ts_error err = {{0}};
        test_row("header %d", (int)i);
        ts_test_alloc_fail_at(0);
        tess_status status = ts_tess_open(&file, bytes, sizeof bytes, &err);
        CHECK_INT(status, i == 0 ? TESS_ERR_TOO_LARGE : TESS_ERR_FORMAT);
        CHECK(file == NULL && err.text[0] != 0);
        CHECK(ts_test_alloc_count() <= 1);
    }
}

static void test_foreign(void) {
    static const struct {
        const char *bytes;
        size_t size;
        tess_status status;
        const char *word;
    } rows[] = {
        {"", 0, TESS_ERR_FORMAT, "empty"},
        {"\x89PNG", 4, TESS_ERR_FORMAT, "not a .tess"},
        {"TES", 3, TESS_ERR_FORMAT, "not a .tess"},
        {"TESS", 4, TESS_ERR_FORMAT, "cut off"},
        {"TESS\x02", 5, TESS_ERR_VERSION, "version 2"},
        {"TESS\x01\x00\x01\x01\x01\x01\x01\x01\x01\x01\x01", 15, TESS_ERR_FORMAT, "cut off"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_row("row %d", (int)i);
        ts_tess_file *file = NULL;
        ts_error err = {{0}};
        CHECK_INT(ts_tess_open(&file, rows[i].bytes, rows[i].size, &err), rows[i].status);
        if (!CHECK(strstr(err.text, rows[i].word) != NULL)) printf("  it says: %s\n", err.text);
    }
}

/* Cut at every byte: an error inside the header; behind it, all sections before the cut and none after. */
static void test_cuts(void) {
    size_t size = 0;
    uint8_t *bytes = make(&small, &size);
    int before = 0, opened = 0;
    for (size_t cut = 0; cut <= size; cut++) {
        test_row("cut to %d", (int)cut);
        uint8_t *part = malloc(cut ? cut : 1);
        memcpy(part, bytes, cut);
        ts_tess_file *file = NULL;
        if (ts_tess_open(&file, part, cut, NULL) == TESS_OK) {
            int count[3] = {0};
            count_sections(file, count);
            CHECK(count[0] >= before && count[2] == 0);
            CHECK_INT(ts_tess_file_size(file), size);
            before = count[0];
            opened++;
        } else CHECK(opened == 0);
        ts_tess_close(file);
        free(part);
    }
    CHECK(opened > 1000);
    CHECK_INT(before, 9 + 3 * 4);
    free(bytes);
}

/* Every bit flipped: an error of the whole file, or exactly one section that is reported. */
static void test_flips(void) {
    size_t size = 0;
    uint8_t *bytes = make(&small, &size);
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ts_tess_file *file = NULL;
        ts_error err = {{0}};
        test_row("bit %d", (int)bit);
        if (ts_tess_open(&file, bytes, size, &err) == TESS_OK) {
            int count[3] = {0};
            count_sections(file, count);
            CHECK_INT(count[1], 0);
            CHECK_INT(count[2], 1);
        } else CHECK(file == NULL && err.text[0] != 0);
        ts_tess_close(file);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(bytes);
}

static tess_status everything(const uint8_t *bytes, size_t size) {
    ts_tess_writer *writer = NULL;
    ts_tess_file *file = NULL;
    const uint8_t *made;
    size_t made_size;
    tess_status status = ts_tess_writer_new(&writer, &small, NULL);
    if (status == TESS_OK) status = ts_tess_writer_put(writer, 0, 0, bytes, 100, NULL);
    if (status == TESS_OK) status = ts_tess_writer_finish(writer, &made, &made_size, NULL);
    if (status == TESS_OK) status = ts_tess_open(&file, bytes, size, NULL);
    ts_tess_writer_free(writer);
    ts_tess_close(file);
    return status;
}

static void test_no_memory(void) {
    size_t size = 0;
    uint8_t *bytes = make(&small, &size);
    long live = ts_test_alloc_live();
    tess_status status = TESS_ERR_MEMORY;
    for (long n = 1; status != TESS_OK && n < 100; n++) {
        test_row("allocation %ld", n);
        ts_test_alloc_fail_at(n);
        status = everything(bytes, size);
        ts_test_alloc_fail_at(0);
        CHECK(status == TESS_OK || status == TESS_ERR_MEMORY);
        CHECK_INT(ts_test_alloc_live(), live);
    }
    CHECK_INT(status, TESS_OK);
    free(bytes);
}

int main(void) {
    RUN(test_round_trips);
    RUN(test_overhead);
    RUN(test_tiles);
    RUN(test_header_limits);
    RUN(test_lying_header);
    RUN(test_foreign);
    RUN(test_cuts);
    RUN(test_flips);
    RUN(test_no_memory);
    return test_end();
}
