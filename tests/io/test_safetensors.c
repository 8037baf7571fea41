/* Safetensors: what is written is read back, and nothing that lies is believed. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "files.h"
#include "io/safetensors.h"
#include "test.h"

#define CORPUS "tests/fuzz/corpus/safetensors/"

/* A file of a JSON header, padded to 8, and `data_size` zero bytes; malloc'ed. */
static uint8_t *make_file(const char *json, size_t data_size, size_t *size) {
    size_t length = (strlen(json) + 7) / 8 * 8;
    *size = 8 + length + data_size;
    uint8_t *bytes = calloc(*size, 1);
    memset(bytes + 8, ' ', length);
    memcpy(bytes + 8, json, strlen(json));
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)((uint64_t)length >> 8 * i);
    return bytes;
}

static void test_round_trip(void) {
    const float values[6] = {0, -1.5f, 3e8f, 1.0f / 3, -65504, 1e-7f};
    const uint8_t table[3] = {1, 2, 255};
    const int64_t big[1] = {-5};
    const ts_file_tensor_source sources[] = {
        {{"steps", TS_I64, 0, {0}, 1, (const uint8_t *)big}, 0},
        {{"weight", TS_F32, 2, {2, 3}, 6, (const uint8_t *)values}, 1},
        {{"half", TS_F16, 1, {6}, 6, (const uint8_t *)values}, 1},
        {{"brain", TS_BF16, 3, {1, 2, 3}, 6, (const uint8_t *)values}, 1},
        {{"none", TS_F32, 2, {0, 9}, 0, NULL}, 0},
        {{"table \"\xc3\xa9\"", TS_U8, 1, {3}, 3, table}, 0},
    };
    const ts_metadata metadata[] = {{"tesserae", "{\"format\":1,\n\"name\":\"caf\xc3\xa9\"}"}, {"b", ""}};
    uint8_t *bytes = NULL, *again = NULL;
    size_t size = 0, again_size = 0;
    ts_error err = {{0}};
    CHECK_INT(ts_safetensors_write(&bytes, &size, sources, 6, metadata, 2, &err), TESS_OK);
    CHECK_INT(ts_safetensors_write(&again, &again_size, sources, 6, metadata, 2, &err), TESS_OK);
    CHECK(size == again_size && memcmp(bytes, again, size) == 0);
    CHECK_INT((size - 8 - 12 - 12 - 24 - 3) % 8, 0); /* data starts on 8 bytes: 8 of int64 come first */

    ts_safetensors *file = NULL;
    CHECK_INT(ts_safetensors_open(&file, bytes, size, &err), TESS_OK);
    if (!CHECK(file != NULL)) return;
    CHECK_INT(ts_safetensors_count(file), 6);
    CHECK(ts_safetensors_find(file, "missing") == NULL && ts_safetensors_at(file, 6) == NULL);
    CHECK_TEXT(ts_safetensors_metadata(file, "tesserae"), metadata[0].value);
    CHECK(ts_safetensors_metadata(file, "c") == NULL);
    for (size_t i = 0; i < 6; i++) {
        const ts_file_tensor *tensor = ts_safetensors_find(file, sources[i].tensor.name);
        if (!CHECK(tensor == ts_safetensors_at(file, i))) continue;
        CHECK_INT(tensor->dtype, sources[i].tensor.dtype);
        CHECK_INT(tensor->rank, sources[i].tensor.rank);
        CHECK_INT(tensor->count, sources[i].tensor.count);
        for (int d = 0; d < tensor->rank; d++) CHECK_INT(tensor->shape[d], sources[i].tensor.shape[d]);
    }
    float out[6];
    ts_file_tensor_floats(ts_safetensors_find(file, "steps"), out);
    CHECK(out[0] == -5);
    ts_file_tensor_floats(ts_safetensors_find(file, "weight"), out);
    CHECK_BYTES(out, values, sizeof values);
    ts_file_tensor_floats(ts_safetensors_find(file, "half"), out);
    CHECK(out[1] == -1.5f && out[2] > 3.4e38f && out[3] == 0.333251953125f && out[4] == -65504);
    ts_file_tensor_floats(ts_safetensors_find(file, "brain"), out);
    CHECK(out[1] == -1.5f && out[3] == 0.333984375f && out[4] == -65536.0f);
    ts_file_tensor_floats(ts_safetensors_find(file, "table \"\xc3\xa9\""), out);
    CHECK(out[0] == 1 && out[2] == 255);
    ts_safetensors_close(file);
    ts_free(bytes);
    ts_free(again);
}

static void test_dtypes(void) {
    size_t size = 0;
    uint8_t *bytes = read_file(CORPUS "dtypes.safetensors", &size);
    ts_safetensors *file = NULL;
    ts_error err = {{0}};
    if (!CHECK(bytes != NULL) || !CHECK_INT(ts_safetensors_open(&file, bytes, size, &err), TESS_OK)) return;
    static const struct {
        const char *name;
        double first; /* of bytes 1, 2, 3 ... */
    } rows[] = {{"all.bool", 1},
                {"all.u8", 1},
                {"all.i8", 1},
                {"all.u16", 0x0201},
                {"all.i16", 0x0201},
                {"all.u32", 0x04030201},
                {"all.i32", 0x04030201},
                {"all.u64", 578437695752307201.0},
                {"all.i64", 578437695752307201.0},
                {"all.f16", 3.0576229095458984e-05},
                {"all.bf16", 9.5e-38},
                {"all.f32", 1.5399896e-36},
                {"all.f64", 5.4478e-270}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_row("%s", rows[i].name);
        const ts_file_tensor *tensor = ts_safetensors_find(file, rows[i].name);
        float out[2];
        if (!CHECK(tensor && tensor->count == 2)) continue;
        ts_file_tensor_floats(tensor, out);
        CHECK_NEAR(out[0], rows[i].first, fabs(rows[i].first) * 1e-2 + 1e-45);
        if (ts_dtype_bytes(tensor->dtype) > 1) CHECK_NEAR(out[0] / rows[i].first, rows[i].first < 1e-200 ? 0 : 1, 1e-2);
    }
    const char *value = NULL;
    CHECK_INT(ts_safetensors_metadata_count(file), 2);
    CHECK_TEXT(ts_safetensors_metadata_at(file, 1, &value), "note");
    CHECK_TEXT(value, "caf\xc3\xa9 \"quoted\" \\ line\n");
    ts_safetensors_close(file);
    free(bytes);
}

/* Headers that lie, each with 16 bytes of data behind it. */
static void test_lies(void) {
    static const struct {
        const char *header;
        tess_status status;
        const char *word; /* the sentence has it */
    } rows[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", TESS_OK, ""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,20]}}", TESS_ERR_FORMAT, "cut off"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,16]}}", TESS_ERR_FORMAT, "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}", TESS_ERR_FORMAT, "behind"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[4,16]}}", TESS_ERR_FORMAT, "unused"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,0]}}", TESS_ERR_FORMAT, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[-16,0]}}", TESS_ERR_FORMAT, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0.5,16.5]}}", TESS_ERR_FORMAT, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0]}}", TESS_ERR_FORMAT, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}", TESS_ERR_FORMAT, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F33\",\"shape\":[4],\"data_offsets\":[0,16]}}", TESS_ERR_FORMAT, "dtype"},
        {"{\"a\":{\"shape\":[4],\"data_offsets\":[0,16]}}", TESS_ERR_FORMAT, "dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}", TESS_ERR_FORMAT, "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,16]}}", TESS_ERR_FORMAT, "side"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1e300],\"data_offsets\":[0,16]}}", TESS_ERR_FORMAT, "side"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,2,2],\"data_offsets\":[0,16]}}", TESS_ERR_FORMAT, "8"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4294967296],\"data_offsets\":[0,16]}}",
         TESS_ERR_TOO_LARGE, "memory"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"U8\",\"shape\":[12],\"data_"
         "offsets\":[4,16]}}",
         TESS_ERR_FORMAT, "overlaps"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_"
         "offsets\":[8,16]}}",
         TESS_ERR_FORMAT, "twice"},
        {"{\"__metadata__\":{\"x\":1}}", TESS_ERR_FORMAT, "__metadata__"},
        {"{\"__metadata__\":[]}", TESS_ERR_FORMAT, "__metadata__"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", TESS_ERR_FORMAT, "twice"},
        {"{\"a\":7}", TESS_ERR_FORMAT, "dtype"},
        {"{\"a\":{\"dtype\":\"F32\"", TESS_ERR_FORMAT, ""},
        {"[]", TESS_ERR_FORMAT, "header"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_row("%s", rows[i].header);
        size_t size;
        uint8_t *bytes = make_file(rows[i].header, 16, &size);
        ts_safetensors *file = NULL;
        ts_error err = {{0}};
        CHECK_INT(ts_safetensors_open(&file, bytes, size, &err), rows[i].status);
        CHECK((file != NULL) == (rows[i].status == TESS_OK));
        if (!CHECK(strstr(err.text, rows[i].word) != NULL)) printf("  it says: %s\n", err.text);
        ts_safetensors_close(file);
        free(bytes);
    }
}

static void test_header_length(void) {
    uint8_t bytes[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}', ' ', ' ', ' ', ' ', ' ', ' '};
    ts_safetensors *file = NULL;
    ts_error err;
    CHECK_INT(ts_safetensors_open(&file, bytes, sizeof bytes, &err), TESS_ERR_TOO_LARGE);
    memset(bytes, 0, 8);
    CHECK_INT(ts_safetensors_open(&file, bytes, sizeof bytes, &err), TESS_ERR_FORMAT);
    bytes[0] = 9;
    CHECK_INT(ts_safetensors_open(&file, bytes, sizeof bytes, &err), TESS_ERR_FORMAT);
    bytes[0] = 8;
    CHECK_INT(ts_safetensors_open(&file, bytes, sizeof bytes, &err), TESS_OK);
    ts_safetensors_close(file);
    CHECK_INT(ts_safetensors_open(&file, bytes, 0, &err), TESS_ERR_FORMAT);
    CHECK(strstr(err.text, "empty") != NULL);
}

/* Reads every byte of every tensor, so that sanitizers see a pointer that is wrong. */
static unsigned touch(const ts_safetensors *file) {
    unsigned sum = 0;
    for (size_t i = 0; i < ts_safetensors_count(file); i++) {
        const ts_file_tensor *tensor = ts_safetensors_at(file, i);
        sum += (unsigned)strlen(tensor->name);
        for (size_t b = 0; b < tensor->count * ts_dtype_bytes(tensor->dtype); b++) sum += tensor->data[b];
    }
    return sum;
}

static void test_damage(void) {
    size_t size = 0;
    uint8_t *bytes = read_file(CORPUS "dtypes.safetensors", &size);
    if (!CHECK(bytes != NULL)) return;
    for (size_t cut = 0; cut < size; cut++) {
        test_row("cut to %d", (int)cut);
        uint8_t *part = copy_bytes(bytes, cut);
        ts_safetensors *file = NULL;
        CHECK(ts_safetensors_open(&file, part, cut, NULL) < 0 && file == NULL);
        free(part);
    }
    int opened = 0;
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ts_safetensors *file = NULL;
        ts_error err = {{0}};
        test_row("bit %d", (int)bit);
        tess_status status = ts_safetensors_open(&file, bytes, size, &err);
        CHECK(status == TESS_OK ? file != NULL : file == NULL && err.text[0] != 0);
        if (file) {
            opened++;
            touch(file);
        }
        ts_safetensors_close(file);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK(opened > 0 && opened < (int)size * 8);
    free(bytes);
}

static void test_no_memory(void) {
    size_t size = 0;
    uint8_t *bytes = read_file(CORPUS "dtypes.safetensors", &size);
    if (!CHECK(bytes != NULL)) return;
    long live = ts_test_alloc_live();
    tess_status status = TESS_ERR_MEMORY;
    for (long n = 1; status != TESS_OK && n < 100; n++) {
        test_row("allocation %ld", n);
        ts_safetensors *file = NULL;
        ts_test_alloc_fail_at(n);
        status = ts_safetensors_open(&file, bytes, size, NULL);
        ts_test_alloc_fail_at(0);
        CHECK(status == TESS_OK || status == TESS_ERR_MEMORY);
        ts_safetensors_close(file);
        CHECK_INT(ts_test_alloc_live(), live);
    }
    CHECK_INT(status, TESS_OK);
    const float zeros[1000] = {0};
    const ts_file_tensor_source source = {{"a", TS_F32, 1, {1000}, 1000, (const uint8_t *)zeros}, 1};
    status = TESS_ERR_MEMORY;
    for (long n = 1; status != TESS_OK && n < 100; n++) {
        test_row("writing, allocation %ld", n);
        uint8_t *out = NULL;
        ts_test_alloc_fail_at(n);
        status = ts_safetensors_write(&out, &size, &source, 1, NULL, 0, NULL);
        ts_test_alloc_fail_at(0);
        CHECK(status == TESS_OK ? out != NULL : status == TESS_ERR_MEMORY && out == NULL);
        ts_free(out);
        CHECK_INT(ts_test_alloc_live(), live);
    }
    CHECK_INT(status, TESS_OK);
    free(bytes);
}

static void test_bad_sources(void) {
    const uint8_t zeros[64] = {0};
    const ts_file_tensor_source rows[] = {
        {{"", TS_F32, 1, {4}, 4, zeros}, 0},     {{"__metadata__", TS_F32, 1, {4}, 4, zeros}, 0},
        {{"a", TS_DTYPES, 1, {4}, 4, zeros}, 0}, {{"a", TS_F32, 9, {4}, 4, zeros}, 0},
        {{"a", TS_I32, 1, {4}, 4, zeros}, 1},    {{"a", TS_F32, 3, {1ull << 40, 1ull << 40, 8}, 4, zeros}, 0},
    };
    uint8_t *bytes = NULL;
    size_t size;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_row("source %d", (int)i);
        CHECK(ts_safetensors_write(&bytes, &size, &rows[i], 1, NULL, 0, NULL) < 0);
    }
    const ts_file_tensor_source twice[2] = {{{"a", TS_U8, 1, {4}, 4, zeros}, 0}, {{"a", TS_U8, 1, {4}, 4, zeros}, 0}};
    CHECK_INT(ts_safetensors_write(&bytes, &size, twice, 2, NULL, 0, NULL), TESS_ERR_OPTION);
    CHECK(bytes == NULL);
}

int main(void) {
    RUN(test_round_trip);
    RUN(test_dtypes);
    RUN(test_lies);
    RUN(test_header_length);
    RUN(test_damage);
    RUN(test_no_memory);
    RUN(test_bad_sources);
    return test_end();
}
