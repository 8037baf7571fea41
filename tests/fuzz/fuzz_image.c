/* fuzz_image.c - any bytes as a picture: refused, or pixels that can be written and read again. */
#include "base/alloc.h"
#include "io/image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_PIXELS = 1 << 16 };

static void require(int condition) {
    if (!condition) abort();
}

static void write_again(const ts_image *image) {
    uint8_t *bytes = NULL;
    size_t size = 0, count = (size_t)image->width * (size_t)image->height * (size_t)image->channels;
    ts_image back = {0};
    require(ts_image_encode_png(image, &bytes, &size, NULL) == TESS_OK);
    require(ts_image_decode(&back, bytes, size, image->channels, NULL) == TESS_OK);
    require(back.width == image->width && back.height == image->height &&
            memcmp(back.pixels, image->pixels, count) == 0);
    ts_image_free(&back);
    ts_free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ts_image image = {0};
    ts_error err = {{0}};
    int width = 0, height = 0, channels = 0;
    if (ts_image_size(data, size, &width, &height, &channels, &err) != TESS_OK) {
        require(err.text[0] != 0);
        return 0;
    }
    if ((int64_t)width * height > MOST_PIXELS) return 0;
    if (ts_image_decode(&image, data, size, 0, &err) == TESS_OK) {
        require(image.width == width && image.height == height && image.pixels != NULL);
        write_again(&image);
    } else require(image.pixels == NULL && err.text[0] != 0);
    ts_image_free(&image);
    return 0;
}
