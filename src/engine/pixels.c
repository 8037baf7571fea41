/* pixels.c - 8-bit pixels to and from the nets' floats. */
#include "engine/pixels.h"

#include <string.h>

void ts_pixels_to_floats(const ts_pixels *picture, int x, int y, int columns, int rows, const float range[2],
                         float *out) {
    float table[256];
    for (int i = 0; i < 256; i++) table[i] = range[0] + (range[1] - range[0]) * ((float)i / 255.0F);
    const int green = picture->channels == 1 ? 0 : 1, blue = picture->channels == 1 ? 0 : 2;
    for (int r = 0; r < rows; r++) {
        const int row = y + r < picture->height ? y + r : picture->height - 1;
        const uint8_t *line = picture->data + (size_t)row * (size_t)picture->width * (size_t)picture->channels;
        for (int c = 0; c < columns; c++, out += 3) {
            const int column = x + c < picture->width ? x + c : picture->width - 1;
            const uint8_t *pixel = line + (size_t)column * (size_t)picture->channels;
            out[0] = table[pixel[0]];
            out[1] = table[pixel[green]];
            out[2] = table[pixel[blue]];
        }
    }
}

/* Nearest byte of value * scale + shift; NaN becomes 0. */
static inline uint8_t to_byte(float value, float scale, float shift) {
    const float v = value * scale + shift;
    return v > 0 ? v < 255 ? (uint8_t)(v + 0.5F) : 255 : 0;
}

void ts_pixels_from_floats(const float *from, size_t stride, int columns, int rows, const float range[2], int grey,
                           ts_pixels *picture, int x, int y) {
    const float scale = 255.0F / (range[1] - range[0]), shift = -range[0] * scale;
    for (int r = 0; r < rows; r++) {
        const float *in = from + (size_t)r * stride * 3;
        uint8_t *out = picture->data +
                       ((size_t)(y + r) * (size_t)picture->width + (size_t)x) * (size_t)picture->channels;
        for (int c = 0; c < columns; c++, in += 3, out += picture->channels) {
            if (grey) {
                out[0] = out[1] = out[2] = to_byte((in[0] + in[1] + in[2]) * (1.0F / 3.0F), scale, shift);
            } else {
                out[0] = to_byte(in[0], scale, shift);
                out[1] = to_byte(in[1], scale, shift);
                out[2] = to_byte(in[2], scale, shift);
            }
        }
    }
}

/* Mean colour of the visible pixels of a block; false if none is visible. */
static int visible_mean(const ts_pixels *picture, int x, int y, int columns, int rows, uint8_t mean[3]) {
    unsigned sum[3] = {0, 0, 0}, count = 0;
    for (int r = 0; r < rows; r++) {
        const uint8_t *p = picture->data + ((size_t)(y + r) * (size_t)picture->width + (size_t)x) * 4;
        for (int c = 0; c < columns; c++, p += 4) {
            if (!p[3]) continue;
            for (int i = 0; i < 3; i++) sum[i] += p[i];
            count++;
        }
    }
    for (int i = 0; i < 3 && count; i++) mean[i] = (uint8_t)((sum[i] + count / 2) / count);
    return count != 0;
}

static void fill_hidden(ts_pixels *picture, int x, int y, int columns, int rows, const uint8_t colour[3]) {
    for (int r = 0; r < rows; r++) {
        uint8_t *p = picture->data + ((size_t)(y + r) * (size_t)picture->width + (size_t)x) * 4;
        for (int c = 0; c < columns; c++, p += 4)
            if (!p[3]) memcpy(p, colour, 3);
    }
}

void ts_pixels_smooth_hidden(ts_pixels *picture, int block) {
    uint8_t above[3] = {128, 128, 128}; /* colour of the row of blocks above: its first block's */
    for (int y = 0; y < picture->height; y += block) {
        const int rows = picture->height - y < block ? picture->height - y : block;
        uint8_t colour[3];
        memcpy(colour, above, 3);
        for (int x = 0; x < picture->width; x += block) {
            const int columns = picture->width - x < block ? picture->width - x : block;
            visible_mean(picture, x, y, columns, rows, colour);
            fill_hidden(picture, x, y, columns, rows, colour);
            if (x == 0) memcpy(above, colour, 3);
        }
    }
}
