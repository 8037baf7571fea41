/* Alpha: lossless for every kind of plane, small for the usual ones. */
#define TS_TEST_ALLOC
#include "base/alloc.c"

#include "codec/alpha.h"
#include "test.h"
#include "tokens.h"

enum { KINDS = 7 };

static uint8_t value_of(int kind, int y, int x, int height, int width, uint32_t *seed) {
    double dy = y - height / 2.0, dx = x - width / 2.0, r = sqrt(dx * dx + dy * dy) - width / 3.0;
    switch (kind) {
    case 0: return 255;
    case 1: return 0;
    case 2: return 77;
    case 3: return r < -0.5 ? 255 : r > 0.5 ? 0 : (uint8_t)((0.5 - r) * 255); /* a disc with a smooth edge */
    case 4: return (uint8_t)(x * 255 / width);
    case 5: return (uint8_t)next_random(seed);
    default: return next_random(seed) % 50 ? 255 : (uint8_t)next_random(seed);
    }
}

/* Codes a strip inside RGBA pixels, decodes it, and returns its bytes. */
static size_t round_trip(int kind, int height, int width) {
    size_t count = (size_t)height * (size_t)width * 4, row = (size_t)width * 4, size = 0;
    uint8_t *in = malloc(count), *out = malloc(count);
    uint32_t seed = 3;
    memset(in, 9, count);
    memset(out, 9, count);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            in[(size_t)y * row + (size_t)x * 4 + 3] = value_of(kind, y, x, height, width, &seed);
    ts_alpha_coder *coder = NULL, *decoder = NULL;
    const uint8_t *bytes = NULL;
    CHECK_INT(ts_alpha_coder_new(&coder, NULL), TESS_OK);
    CHECK_INT(ts_alpha_coder_new(&decoder, NULL), TESS_OK);
    CHECK_INT(ts_alpha_encode(coder, in + 3, row, 4, height, width, &bytes, &size, NULL), TESS_OK);
    CHECK_INT(ts_alpha_encode(coder, in + 3, row, 4, height, width, &bytes, &size, NULL),
              TESS_OK); /* coders are reusable */
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, bytes, size);
    CHECK_INT(ts_alpha_decode(decoder, out + 3, row, 4, height, width, exact, size, NULL), TESS_OK);
    CHECK_BYTES(out, in, count);
    if (size > 0) { /* damage */
        CHECK_INT(ts_alpha_decode(decoder, out + 3, row, 4, height, width, exact, size - 1, NULL), TESS_ERR_FORMAT);
        exact[size / 2] ^= 0x10;
        tess_status status = ts_alpha_decode(decoder, out + 3, row, 4, height, width, exact, size, NULL);
        CHECK(status == TESS_OK || status == TESS_ERR_FORMAT);
    }
    ts_alpha_coder_free(coder);
    ts_alpha_coder_free(decoder);
    free(exact);
    free(in);
    free(out);
    return size;
}

static void test_planes(void) {
    static const int sides[][2] = {{1, 1}, {1, 40}, {40, 1}, {7, 5}, {64, 300}};
    static const size_t most[KINDS] = {0, 4, 8, 420, 200, 19800, 1300}; /* bytes for 64 x 300 */
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
            test_row("kind %d, %d x %d", kind, sides[i][0], sides[i][1]);
            size_t size = round_trip(kind, sides[i][0], sides[i][1]);
            if (!CHECK(size <= (sides[i][0] == 64 ? most[kind] : (size_t)(sides[i][0] * sides[i][1] * 2 + 4))))
                printf("  %d bytes\n", (int)size);
        }
}

static void test_refusals(void) {
    ts_alpha_coder *coder = NULL;
    uint8_t value = 0;
    const uint8_t *bytes;
    size_t size;
    CHECK_INT(ts_alpha_coder_new(&coder, NULL), TESS_OK);
    CHECK_INT(ts_alpha_encode(coder, &value, 1, 1, 0, 1, &bytes, &size, NULL), TESS_ERR_OPTION);
    CHECK_INT(ts_alpha_decode(coder, &value, 1, 1, 1, 0, &value, 0, NULL), TESS_ERR_OPTION);
    ts_test_alloc_fail_at(1);
    CHECK_INT(ts_alpha_encode(coder, &value, 1, 1, 1, 1, &bytes, &size, NULL), TESS_ERR_MEMORY);
    ts_alpha_coder *none = NULL;
    CHECK_INT(ts_alpha_coder_new(&none, NULL), TESS_ERR_MEMORY);
    ts_test_alloc_fail_at(0);
    ts_alpha_coder_free(coder);
    CHECK_INT(ts_test_alloc_live(), 0);
}

int main(void) {
    RUN(test_planes);
    RUN(test_refusals);
    return test_end();
}
