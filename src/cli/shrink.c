/* shrink.c - pictures made smaller by whole factors. */
#include "cli/shrink.h"

int shrink_factor(int width, int height, int side) {
    const int longer = width > height ? width : height, shorter = width > height ? height : width;
    if (side <= 0 || longer <= side) return 1;
    const int factor = (longer + side - 1) / side;
    return factor < shorter || shorter < 1 ? factor : shorter;
}

void shrink(ts_image *image, int factor) {
    if (factor <= 1) return;
    const size_t channels = (size_t)image->channels, stride = (size_t)image->width * channels, f = (size_t)factor;
    const size_t width = (size_t)image->width / f, height = (size_t)image->height / f, area = f * f;
    uint8_t *out = image->pixels;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < channels; c++) {
                size_t sum = area / 2;
                for (size_t by = 0; by < f; by++)
                    for (size_t bx = 0; bx < f; bx++)
                        sum += image->pixels[(y * f + by) * stride + (x * f + bx) * channels + c];
                *out++ = (uint8_t)(sum / area); /* never ahead of what is still to be read */
            }
    image->width = (int)width;
    image->height = (int)height;
}
