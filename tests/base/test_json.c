/* test_json.c - parsing, look-ups, limits, damage, and writing. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "base/json.h"
#include "test.h"

static const char SAMPLE[] =
    "{ \"name\": \"photo\", \"sizes\": [1, 2.5e3, -0.125, {\"deep\": [[], {}, null]}],\n"
    "  \"flag\": true, \"off\": false, \"caf\\u00e9\": \"a\\n\\\"\\ud83d\\ude00\\ud800x\", \"empty\": {} }";

static void test_reading(void) {
    ts_json doc;
    ts_error err = {""};
    if (!CHECK(ts_json_parse(&doc, SAMPLE, strlen(SAMPLE), &err) == TESS_OK)) return;
    const int sizes = ts_json_get(&doc, 0, "sizes");
    CHECK_INT(ts_json_length(&doc, 0), 6);
    CHECK_INT(ts_json_length(&doc, sizes), 4);
    CHECK(ts_json_number(&doc, ts_json_at(&doc, sizes, 1), 0) == 2500);
    CHECK(ts_json_number(&doc, ts_json_at(&doc, sizes, 2), 0) == -0.125);
    CHECK(ts_json_number(&doc, ts_json_at(&doc, sizes, 4), 42) == 42);
    CHECK(ts_json_number(&doc, ts_json_get(&doc, ts_json_get(&doc, 0, "no"), "such"), 7) == 7);
    const int deep = ts_json_get(&doc, ts_json_at(&doc, sizes, 3), "deep");
    static const ts_json_type KINDS[] = {TS_JSON_ARRAY, TS_JSON_OBJECT, TS_JSON_NULL};
    int i = 0;
    for (int it = ts_json_first(&doc, deep); it != TS_JSON_NONE; it = ts_json_next(&doc, deep, it))
        CHECK(i < 3 && ts_json_typeof(&doc, it) == KINDS[i++]);
    CHECK_INT(i, 3);
    CHECK(ts_json_bool(&doc, ts_json_get(&doc, 0, "flag"), false) &&
          !ts_json_bool(&doc, ts_json_get(&doc, 0, "off"), true) && ts_json_bool(&doc, sizes, true));
    char text[32];
    const int cafe = ts_json_get(&doc, 0, "caf\xc3\xa9");
    CHECK(ts_json_string(&doc, cafe, text, sizeof text));
    CHECK_TEXT(text, "a\n\"\xf0\x9f\x98\x80\xef\xbf\xbdx");
    CHECK(ts_json_is(&doc, cafe, text) && !ts_json_is(&doc, cafe, "a") &&
          !ts_json_is(&doc, cafe, "a\n\"\xf0\x9f\x98\x80\xef\xbf\xbdxy"));
    CHECK(!ts_json_string(&doc, cafe, text, 5) && text[0] == 0);
    CHECK(!ts_json_string(&doc, sizes, text, sizeof text));
    size_t length;
    const char *raw = ts_json_raw(&doc, ts_json_at(&doc, sizes, 3), &length);
    CHECK(length == 24 && memcmp(raw, "{\"deep\": [[], {}, null]}", 24) == 0);
    CHECK_INT(ts_json_first(&doc, ts_json_get(&doc, 0, "empty")), TS_JSON_NONE);
    int keys = 0;
    for (int it = ts_json_first(&doc, 0); it != TS_JSON_NONE; it = ts_json_next(&doc, 0, it))
        keys += ts_json_typeof(&doc, ts_json_value(&doc, it)) != TS_JSON_MISSING;
    CHECK_INT(keys, 6);
    ts_json_free(&doc);
    CHECK_INT(ts_test_alloc_live(), 0);
}

static void test_integers(void) {
    static const char TEXT[] = "[5, 5.5, 300, \"5\", -1e1, 1e300]";
    ts_json doc;
    ts_json_parse(&doc, TEXT, strlen(TEXT), NULL);
    static const int FITS[] = {1, 0, 0, 0, 1, 0};
    for (int i = 0; i < 6; i++) {
        int value = 77;
        test_row("element %d", i);
        CHECK_INT(ts_json_int(&doc, ts_json_at(&doc, 0, i), -10, 255, &value), FITS[i]);
        CHECK_INT(value, FITS[i] ? (i ? -10 : 5) : 77);
    }
    int value = 3;
    CHECK(ts_json_int(&doc, TS_JSON_NONE, 0, 1, &value) && value == 3);
    ts_json_free(&doc);
}

static void test_bad(void) {
    static const char *const BAD[] = {"",
                                      " ",
                                      "{",
                                      "}",
                                      "[1,2",
                                      "{\"a\"}",
                                      "{1:2}",
                                      "{} {}",
                                      "[] x",
                                      "[tru]",
                                      "[01]",
                                      "[1.]",
                                      "[.5]",
                                      "[1e]",
                                      "[-]",
                                      "[+1]",
                                      "[nan]",
                                      "\"a",
                                      "[\"\\q\"]",
                                      "[\"\\u12g4\"]",
                                      "[\"a\nb\"]",
                                      "{\"a\":1,\"b\"}",
                                      "{\"a\":{\"b\":1}",
                                      "{\"a\":1]",
                                      "{a:1}",
                                      "[1}"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        ts_json doc;
        ts_error err = {""};
        test_row("%s", BAD[i]);
        CHECK_INT(ts_json_parse(&doc, BAD[i], strlen(BAD[i]), &err), TESS_ERR_FORMAT);
        CHECK(err.text[0] && doc.tokens == NULL);
        CHECK_INT(ts_json_typeof(&doc, 0), TS_JSON_MISSING);
    }
    char deep[2 * TS_JSON_MAX_DEPTH + 4];
    const size_t half = TS_JSON_MAX_DEPTH + 1;
    memset(deep, '[', half);
    memset(deep + half, ']', half);
    ts_json doc;
    CHECK_INT(ts_json_parse(&doc, deep, 2 * half, NULL), TESS_ERR_TOO_LARGE);
    CHECK_INT(ts_json_parse(&doc, deep + 1, 2 * half - 2, NULL), TESS_OK);
    ts_json_free(&doc);
    CHECK_INT(ts_json_parse(&doc, deep, TS_JSON_MAX_BYTES + 1, NULL), TESS_ERR_TOO_LARGE);
}

/* Every cut and every flipped bit either parses or fails cleanly, and walking what parsed stays inside. */
static void test_damage(void) {
    char text[sizeof SAMPLE];
    const size_t size = strlen(SAMPLE);
    int parsed = 0;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        memcpy(text, SAMPLE, size);
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        ts_json doc;
        if (ts_json_parse(&doc, text, bit % 3 ? size : bit / 8, NULL) != TESS_OK) continue;
        parsed++;
        char word[16];
        for (int v = -1; v <= doc.count; v++) {
            ts_json_string(&doc, v, word, sizeof word);
            ts_json_number(&doc, ts_json_next(&doc, 0, v), 0);
            ts_json_get(&doc, v, "name");
            ts_json_at(&doc, v, 2);
        }
        ts_json_free(&doc);
    }
    CHECK(parsed > 100);
    CHECK_INT(ts_test_alloc_live(), 0);
}

static void test_memory(void) {
    for (long n = 1; n <= 2; n++) {
        ts_json doc;
        ts_test_alloc_fail_at(n);
        CHECK_INT(ts_json_parse(&doc, SAMPLE, strlen(SAMPLE), NULL), TESS_ERR_MEMORY);
        ts_test_alloc_fail_at(0);
        CHECK_INT(ts_test_alloc_live(), 0);
    }
}

static void test_writing(void) {
    ts_writer out;
    ts_writer_init(&out);
    ts_json_writer w = ts_json_writer_new(&out);
    ts_json_open(&w, '{');
    ts_json_key(&w, "a\"b");
    ts_json_put_text(&w, "x\n\x01\\\xc3\xa9");
    ts_json_key(&w, "list");
    ts_json_open(&w, '[');
    ts_json_put_number(&w, 0.1);
    ts_json_put_number(&w, 1.0 / 3);
    ts_json_put_number(&w, NAN);
    ts_json_put_int(&w, -9007199254740993);
    ts_json_put_bool(&w, true);
    ts_json_put_null(&w);
    ts_json_open(&w, '{');
    ts_json_close(&w, '}');
    ts_json_put_raw(&w, "[1]", 3);
    ts_json_close(&w, ']');
    ts_json_key(&w, "z");
    ts_json_put_string(&w, "cut", 2);
    ts_json_close(&w, '}');
    CHECK_INT(w.depth, 0);
    ts_write_u8(&out, 0);
    CHECK_TEXT((char *)out.data, "{\"a\\\"b\":\"x\\u000a\\u0001\\\\\xc3\xa9\",\"list\":[0.1,0.33333333333333331,null,-"
                                 "9007199254740993,true,null,{},[1]],\"z\":\"cu\"}");
    ts_json doc;
    CHECK_INT(ts_json_parse(&doc, (char *)out.data, out.size - 1, NULL), TESS_OK);
    CHECK(ts_json_is(&doc, ts_json_get(&doc, 0, "a\"b"), "x\n\x01\\\xc3\xa9"));
    CHECK(ts_json_number(&doc, ts_json_at(&doc, ts_json_get(&doc, 0, "list"), 1), 0) == 1.0 / 3);
    ts_json_free(&doc);
    ts_writer_free(&out);
}

int main(void) {
    RUN(test_reading);
    RUN(test_integers);
    RUN(test_bad);
    RUN(test_damage);
    RUN(test_memory);
    RUN(test_writing);
    return test_end();
}
