/* pixels.h - 8-bit pixels to and from the nets' floats. */
#ifndef TS_ENGINE_PIXELS_H
#define TS_ENGINE_PIXELS_H

#include <stddef.h>
#include <stdint.h>

/* A whole picture: [height][width][channels], channels 1, 3 or 4. */
typedef struct ts_pixels {
    uint8_t *data;
    int width, height, channels;
} ts_pixels;

/* Fills out [rows][columns][3] with the picture from pixel (x, y) on, as range[0]..range[1]; grey is tripled, alpha
 * left out, and beyond the right and bottom edges the last column and row repeat. */
void ts_pixels_to_floats(const ts_pixels *picture, int x, int y, int columns, int rows, const float range[2],
                         float *out);

/* Where floats [..][stride][3] go: the block of columns x rows pixels whose first is `from` lands at (x, y) of the
 * picture (channels 3 or 4: alpha is left as it is), rounded to nearest and clamped. grey: the three are averaged. */
void ts_pixels_from_floats(const float *from, size_t stride, int columns, int rows, const float range[2], int grey,
                           ts_pixels *picture, int x, int y);

/* Colours under alpha 0 are never seen: replaces them, block by block (block x block pixels), by the mean of the
 * visible ones in the block, or of the nearest block before it that has any, so that they cost no bits. channels
 * must be 4. */
void ts_pixels_smooth_hidden(ts_pixels *picture, int block);

#endif
