/* torch.save archives: tensors come out right, and nothing that lies or calls is believed. The files of the corpus are
 * PyTorch's own (tools/make_import_fixtures.py); the wicked ones are made here. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "base/bytes.h"
#include "files.h"
#include "io/checkpoint.h"
#include "test.h"

#define CORPUS "tests/fuzz/corpus/torch/"

/* ---- archives made by hand ------------------------------------------------------------------------------------------ */

typedef struct wish {
    bool zip64;           /* sizes and offsets in the 64-bit places */
    bool follow;          /* sizes behind the data, as PyTorch writes them */
    const char *order;    /* the entry byteorder, if any */
    uint32_t local_size;  /* of data.pkl in its local header, if not 0 */
    uint16_t method;      /* of data.pkl */
    uint64_t offset_plus; /* added to data.pkl's offset in the directory */
} wish;

enum { ENTRIES = 3 };

static void write_head(ts_writer *w, const wish *how, bool local, const char *name, size_t size, size_t offset,
                       bool pickle) {
    const bool follow = local && how->follow, wide = how->zip64 && !follow;
    uint32_t length = wide ? 0xffffffffu : follow ? 0 : (uint32_t)size;
    if (local && pickle && how->local_size) length = how->local_size;
    ts_write_u32(w, local ? 0x04034b50 : 0x02014b50);
    if (!local) ts_write_u16(w, 0);
    ts_write_u16(w, 45);
    ts_write_u16(w, how->follow ? 0x808 : 0x800);
    ts_write_u16(w, pickle ? how->method : 0);
    ts_write_zeros(w, 8); /* time, date, checksum */
    ts_write_u32(w, length);
    ts_write_u32(w, length);
    ts_write_u16(w, (uint16_t)strlen(name));
    ts_write_u16(w, wide ? (local ? 20 : 28) : 0);
    if (!local) {
        ts_write_zeros(w, 10); /* comment, disk, attributes */
        ts_write_u32(w, wide ? 0xffffffffu : (uint32_t)offset);
    }
    ts_write_bytes(w, name, strlen(name));
    if (!wide) return;
    ts_write_u16(w, 1);
    ts_write_u16(w, local ? 16 : 24);
    ts_write_u64(w, size);
    ts_write_u64(w, size);
    if (!local) ts_write_u64(w, offset);
}

static void write_end(ts_writer *w, const wish *how, size_t start) {
    const size_t end = w->size;
    if (how->zip64) {
        ts_write_u32(w, 0x06064b50);
        ts_write_u64(w, 44);
        ts_write_zeros(w, 12);
        ts_write_u64(w, ENTRIES);
        ts_write_u64(w, ENTRIES);
        ts_write_u64(w, end - start);
        ts_write_u64(w, start);
        ts_write_u32(w, 0x07064b50);
        ts_write_u32(w, 0);
        ts_write_u64(w, end);
        ts_write_u32(w, 1);
    }
    ts_write_u32(w, 0x06054b50);
    ts_write_u32(w, 0);
    ts_write_u16(w, how->zip64 ? 0xffff : ENTRIES);
    ts_write_u16(w, how->zip64 ? 0xffff : ENTRIES);
    ts_write_u32(w, how->zip64 ? 0xffffffffu : (uint32_t)(end - start));
    ts_write_u32(w, how->zip64 ? 0xffffffffu : (uint32_t)start);
    ts_write_u16(w, 0);
}

/* x/data.pkl = `pickle`, x/data/0 = 24 bytes of floats 0..5, and x/byteorder. */
static ts_writer make_archive(const wish *how, const void *pickle, size_t size) {
    float values[6] = {0, 1, 2, 3, 4, 5};
    const char *order = how->order ? how->order : "little";
    const struct {
        const char *name;
        const void *data;
        size_t size;
    } entries[ENTRIES] = {
        {"x/data.pkl", pickle, size}, {"x/data/0", values, sizeof values}, {"x/byteorder", order, strlen(order)}};
    size_t offsets[ENTRIES];
    ts_writer w;
    ts_writer_init(&w);
    for (int i = 0; i < ENTRIES; i++) {
        offsets[i] = w.size;
        write_head(&w, how, true, entries[i].name, entries[i].size, 0, i == 0);
        ts_write_bytes(&w, entries[i].data, entries[i].size);
        if (how->follow) ts_write_zeros(&w, 16);
    }
    const size_t start = w.size;
    for (int i = 0; i < ENTRIES; i++)
        write_head(&w, how, false, entries[i].name, entries[i].size, offsets[i] + (i ? 0 : (size_t)how->offset_plus),
                   i == 0);
    write_end(&w, how, start);
    return w;
}

/* {'a': tensor(storage 0 of `storage` elements, offset 0, size (rows, 3), stride (3, 1))} in protocol 2. */
static ts_writer make_pickle(int storage, int offset, int rows, int stride) {
    static const char head[] =
        "\x80\2}X\1\0\0\0actorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\n"
        "X\1\0\0\0"
        "0X\3\0\0\0cpu";
    ts_writer w;
    ts_writer_init(&w);
    ts_write_bytes(&w, head, sizeof head - 1);
    ts_write_u8(&w, 'K'), ts_write_u8(&w, (uint8_t)storage);
    ts_write_u8(&w, 't'), ts_write_u8(&w, 'Q');
    ts_write_u8(&w, 'K'), ts_write_u8(&w, (uint8_t)offset);
    ts_write_u8(&w, 'K'), ts_write_u8(&w, (uint8_t)rows), ts_write_bytes(&w, "K\3\x86", 3);
    ts_write_u8(&w, 'K'), ts_write_u8(&w, (uint8_t)stride), ts_write_bytes(&w, "K\1\x86", 3);
    ts_write_bytes(&w, "\x89}tRs.", 6);
    return w;
}

/* Opens an archive and closes it again; the sentence of a failure. */
static tess_status try_bytes(const uint8_t *bytes, size_t size, ts_error *err) {
    ts_safetensors *file = NULL;
    uint8_t *copy = copy_bytes(bytes, size); /* at its exact size: sanitizers see every overread */
    err->text[0] = 0;
    const tess_status status = ts_checkpoint_open(&file, copy, size, err);
    CHECK((status == TESS_OK) == (file != NULL) && (status == TESS_OK) == (err->text[0] == 0));
    ts_safetensors_close(file);
    free(copy);
    return status;
}

static tess_status try_pickle(const void *pickle, size_t size, ts_error *err) {
    const wish plain = {0};
    ts_writer w = make_archive(&plain, pickle, size);
    const tess_status status = try_bytes(w.data, w.size, err);
    ts_writer_free(&w);
    return status;
}

/* ---- what PyTorch wrote ----------------------------------------------------------------------------------------------- */

static ts_safetensors *open_corpus(const char *path, uint8_t **bytes) {
    size_t size = 0;
    ts_safetensors *file = NULL;
    ts_error err = {{0}};
    *bytes = read_file(path, &size);
    if (CHECK(*bytes != NULL)) CHECK_INT(ts_checkpoint_open(&file, *bytes, size, &err), TESS_OK);
    if (err.text[0]) printf("%s: %s\n", path, err.text);
    return file;
}

static void check_tensor(const ts_safetensors *file, const char *name, ts_dtype dtype, int rows, int columns,
                         const float *want) {
    float out[16];
    const ts_file_tensor *t = ts_safetensors_find(file, name);
    test_row("%s", name);
    if (!CHECK(t != NULL) || !CHECK(t->count <= 16)) return;
    CHECK_INT(t->dtype, dtype);
    CHECK_INT(t->rank, columns > 0 ? 2 : rows > 0);
    if (t->rank > 0) CHECK_INT(t->shape[0], rows);
    if (t->rank > 1) CHECK_INT(t->shape[1], columns);
    ts_file_tensor_floats(t, out);
    for (size_t i = 0; i < t->count; i++) CHECK(out[i] == want[i]);
}

static void test_plain(void) {
    uint8_t *bytes;
    ts_safetensors *file = open_corpus(CORPUS "plain.pt", &bytes);
    if (!file) return;
    const float base[12] = {-1, -.75F, -.5F, -.25F, 0, .25F, .5F, .75F, 1, 1.25F, 1.5F, 1.75F};
    const float turned[12] = {-1, 0, 1, -.75F, .25F, 1.25F, -.5F, .5F, 1.5F, -.25F, .75F, 1.75F};
    const float every[6] = {-.75F, -.5F, .25F, .5F, 1.25F, 1.5F}, scalar = 2.5F, flags[2] = {1, 0};
    const float numbers[4] = {0, 1, 2, 100};
    CHECK_INT(ts_safetensors_count(file), 16);
    check_tensor(file, "matrix", TS_F32, 3, 4, base);
    check_tensor(file, "turned", TS_F32, 4, 3, turned);
    check_tensor(file, "slice", TS_F32, 4, 0, base + 4);
    check_tensor(file, "every", TS_F32, 3, 2, every);
    check_tensor(file, "scalar", TS_F32, 0, 0, &scalar);
    check_tensor(file, "weight", TS_F16, 2, 0, base);
    check_tensor(file, "flags", TS_BOOL, 2, 0, flags);
    check_tensor(file, "float16", TS_F16, 4, 0, numbers);
    check_tensor(file, "bfloat16", TS_BF16, 4, 0, numbers);
    check_tensor(file, "float64", TS_F64, 4, 0, numbers);
    check_tensor(file, "int64", TS_I64, 4, 0, numbers);
    check_tensor(file, "int32", TS_I32, 4, 0, numbers);
    check_tensor(file, "int16", TS_I16, 4, 0, numbers);
    check_tensor(file, "int8", TS_I8, 4, 0, numbers);
    check_tensor(file, "uint8", TS_U8, 4, 0, numbers);
    const ts_file_tensor *matrix = ts_safetensors_find(file, "matrix"), *slice = ts_safetensors_find(file, "slice");
    if (matrix && slice) CHECK(slice->data == matrix->data + 16 && matrix->data > bytes); /* shared, and not copied */
    CHECK_INT(ts_safetensors_find(file, "empty")->count, 0);
    CHECK(ts_safetensors_metadata(file, "tesserae") == NULL);
    ts_safetensors_close(file);
    free(bytes);
}

static void test_nested(void) {
    const char *const paths[] = {CORPUS "lightning.ckpt", CORPUS "protocol4.pt"};
    const float ones[4] = {1, 1, 1, 1}, zeros[3] = {0};
    for (int i = 0; i < 2; i++) {
        uint8_t *bytes;
        ts_safetensors *file = open_corpus(paths[i], &bytes);
        if (!file) continue;
        CHECK_INT(ts_safetensors_count(file), 2);
        check_tensor(file, "a", TS_F32, 2, 2, ones);
        check_tensor(file, "b", TS_F32, 3, 0, zeros);
        ts_safetensors_close(file);
        free(bytes);
    }
}

static void test_refused(void) {
    static const struct {
        const char *path, *says;
    } rows[] = {{CORPUS "legacy.pt", "before 1.6"},
                {CORPUS "deflated.pt", "is compressed"},
                {CORPUS "evil.pt", "os.system"},
                {CORPUS "expanded.pt", "\"a\" reaches past"},
                {CORPUS "list.pt", "no dict of tensors"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size = 0;
        uint8_t *bytes = read_file(rows[i].path, &size);
        ts_error err = {{0}};
        test_row("%s", rows[i].path);
        if (!CHECK(bytes != NULL)) continue;
        CHECK_INT(try_bytes(bytes, size, &err), TESS_ERR_FORMAT);
        if (!CHECK(strstr(err.text, rows[i].says) != NULL)) printf("%s\n", err.text);
        free(bytes);
    }
}

/* ---- zip ---------------------------------------------------------------------------------------------------------------- */

static void test_zip(void) {
    static const struct {
        wish wish;
        tess_status status;
        const char *says;
    } rows[] = {{{0}, TESS_OK, ""},
                {{.zip64 = true}, TESS_OK, ""},
                {{.follow = true}, TESS_OK, ""},
                {{.zip64 = true, .follow = true}, TESS_OK, ""},
                {{.order = "big"}, TESS_ERR_FORMAT, "little-endian"},
                {{.local_size = 5}, TESS_ERR_FORMAT, "do not agree"},
                {{.method = 8}, TESS_ERR_FORMAT, "compressed"},
                {{.offset_plus = 1}, TESS_ERR_FORMAT, "do not agree"},
                {{.zip64 = true, .offset_plus = 1ull << 40}, TESS_ERR_FORMAT, "do not agree"},
                {{.zip64 = true, .offset_plus = UINT64_MAX - 20}, TESS_ERR_FORMAT, "do not agree"}};
    ts_writer pickle = make_pickle(6, 0, 2, 3);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ts_error err;
        ts_writer w = make_archive(&rows[i].wish, pickle.data, pickle.size);
        test_row("case %d", (int)i);
        CHECK_INT(try_bytes(w.data, w.size, &err), rows[i].status);
        if (!CHECK(strstr(err.text, rows[i].says) != NULL)) printf("%s\n", err.text);
        ts_writer_free(&w);
    }
    ts_writer_free(&pickle);
}

/* ---- pickle ------------------------------------------------------------------------------------------------------------- */

static void test_bounds(void) {
    static const struct {
        int storage, offset, rows, stride;
        tess_status status;
    } rows[] = {{6, 0, 2, 3, TESS_OK},         {6, 3, 1, 3, TESS_OK},         {6, 0, 2, 2, TESS_OK},
                {6, 4, 1, 3, TESS_ERR_FORMAT}, {6, 1, 2, 3, TESS_ERR_FORMAT}, {7, 0, 2, 3, TESS_ERR_FORMAT},
                {6, 0, 3, 3, TESS_ERR_FORMAT}, {6, 0, 2, 4, TESS_ERR_FORMAT}, {3, 0, 2, 0, TESS_ERR_FORMAT},
                {6, 0, 0, 255, TESS_OK},       {6, 0, 1, 255, TESS_OK},       {6, 7, 0, 3, TESS_ERR_FORMAT}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ts_error err;
        ts_writer pickle = make_pickle(rows[i].storage, rows[i].offset, rows[i].rows, rows[i].stride);
        test_row("case %d", (int)i);
        CHECK_INT(try_pickle(pickle.data, pickle.size, &err), rows[i].status);
        ts_writer_free(&pickle);
    }
}

static void test_opcodes(void) {
    static const struct {
        const char *pickle;
        size_t size;
        const char *says;
    } rows[] = {
#define ROW(text, says) {text, sizeof text - 1, says}
        ROW("\x80\2cposix\nsystem\n.", "posix.system"),
        ROW("\x80\2cbuiltins\neval\nX\1\0\0\0"
            "1\x85R.",
            "builtins.eval"),
        ROW("\x80\4\x8c\2os\x8c\6system\x93.", "os.system"),
        ROW("\x80\2}X\1\0\0\0aI1\ns.", "opcode 0x49 at byte 9"), /* INT */
        ROW("\x80\2(ios\nsystem\n.", "opcode 0x69"),             /* INST */
        ROW("\x80\2(o.", "opcode 0x6f"),                         /* OBJ */
        ROW("\x80\2P0\n.", "opcode 0x50"),                       /* PERSID */
        ROW("\x80\2\x82\1.", "opcode 0x82"),                     /* EXT1 */
        ROW("\x80\2ctorch\nFloatStorage\n)R.", "bad call"),
        ROW("\x80\2K\1)R.", "bad call"),
        ROW("\x80\2ctorch._utils\n_rebuild_tensor_v2\n)R.", "bad tensor"),
        ROW("\x80\2ctorch._utils\n_rebuild_parameter\n)R.", "bad parameter"),
        ROW("\x80\2)Q.", "bad storage"),
        ROW("\x80\6N.", "protocol above 5"),
        ROW("\x80\2h\1.", "not remembered"),
        ROW("\x80\2Nq\7.", "skips a place"),
        ROW("\x80\2q\0.", "remembers a value"),
        ROW("\x80\2t.", "misses a mark"),
        ROW("\x80\2(R.", "not there"),
        ROW("\x80\2R.", "not there"),
        ROW("\x80\2.", "not there"),
        ROW("\x80\2NNNs.", "no dict of tensors"),
        ROW("\x80\2K\1NNs.", "no dict"),
        ROW("\x80\2}(Nu.", "without its value"),
        ROW("\x80\2K\1Na.", "no list"),
        ROW("\x80\2}", "cut off"),
        ROW("\x80\2X\xff\xff\xff\xff.", "inside a text"),
        ROW("\x80\4\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "inside a text"),
        ROW("\x80\4\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", "inside a value"),
        ROW("\x80\2ctorch", "inside a name"),
        ROW("\x80\2}X\1\0\0\0aK\1s.", "no dict of tensors"),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ts_error err;
        test_row("%s", rows[i].says);
        CHECK_INT(try_pickle(rows[i].pickle, rows[i].size, &err), TESS_ERR_FORMAT);
        if (!CHECK(strstr(err.text, rows[i].says) != NULL)) printf("%s\n", err.text);
    }
}

/* A pickle that only remembers, or only nests, meets a limit and not the end of memory. */
static void test_limits(void) {
    static const struct {
        uint8_t byte;
        const char *says;
    } rows[] = {{'N', "values"}, {'(', "values"}, {'}', "values"}};
    const size_t size = (size_t)TS_SAFETENSORS_TENSORS * 8;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ts_error err;
        uint8_t *pickle = malloc(size);
        memset(pickle, rows[i].byte, size);
        test_row("byte %c", rows[i].byte);
        CHECK_INT(try_pickle(pickle, size, &err), TESS_ERR_TOO_LARGE);
        CHECK(strstr(err.text, rows[i].says) != NULL);
        free(pickle);
    }
}

/* ---- damage ------------------------------------------------------------------------------------------------------------- */

static void test_truncation(void) {
    size_t size = 0;
    uint8_t *bytes = read_file(CORPUS "plain.pt", &size);
    if (!CHECK(bytes != NULL)) return;
    for (size_t length = 0; length < size; length++) {
        ts_error err;
        test_row("%d bytes", (int)length);
        CHECK_INT(try_bytes(bytes, length, &err), TESS_ERR_FORMAT);
    }
    free(bytes);
}

/* Every bit flipped: refused, or read with every tensor inside the bytes (sanitizers look). */
static void test_flips(void) {
    const char *const paths[] = {CORPUS "plain.pt", CORPUS "lightning.ckpt"};
    for (int p = 0; p < 2; p++) {
        size_t size = 0;
        long refused = 0;
        uint8_t *bytes = read_file(paths[p], &size);
        if (!CHECK(bytes != NULL)) continue;
        for (size_t bit = 0; bit < 8 * size; bit++) {
            ts_safetensors *file = NULL;
            ts_error err = {{0}};
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (ts_checkpoint_open(&file, bytes, size, &err) < 0) refused++;
            for (size_t i = 0; file && i < ts_safetensors_count(file); i++) {
                const ts_file_tensor *t = ts_safetensors_at(file, i);
                float out[64];
                if (t->count <= 64) ts_file_tensor_floats(t, out);
            }
            ts_safetensors_close(file);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        CHECK(refused > (long)size); /* most of the file is structure */
        free(bytes);
    }
}

static void test_memory_out(void) {
    size_t size = 0;
    uint8_t *bytes = read_file(CORPUS "plain.pt", &size);
    if (!CHECK(bytes != NULL)) return;
    const long live = ts_test_alloc_live();
    for (long n = 1; n < 100; n++) {
        ts_safetensors *file = NULL;
        ts_error err = {{0}};
        ts_test_alloc_fail_at(n);
        const tess_status status = ts_checkpoint_open(&file, bytes, size, &err);
        ts_test_alloc_fail_at(0);
        ts_safetensors_close(file);
        CHECK_INT(ts_test_alloc_live(), live);
        if (status == TESS_OK) {
            CHECK(n > 3);
            break;
        }
        test_row("allocation %ld", n);
        CHECK_INT(status, TESS_ERR_MEMORY);
    }
    free(bytes);
}

int main(void) {
    RUN(test_plain);
    RUN(test_nested);
    RUN(test_refused);
    RUN(test_zip);
    RUN(test_bounds);
    RUN(test_opcodes);
    RUN(test_limits);
    RUN(test_truncation);
    RUN(test_flips);
    RUN(test_memory_out);
    return test_end();
}
