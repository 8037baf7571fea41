/* trainer_data.c - pictures in memory and random crops of them. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/engine.h"
#include "engine/trainer.h"

static bool grow(ts_pictures *p) {
    int capacity = p->capacity ? p->capacity * 2 : 64;
    ts_pixels *list = ts_realloc(p->list, (size_t)capacity * sizeof *list);
    if (!list) return false;
    p->list = list;
    p->capacity = capacity;
    return true;
}

uint8_t *ts_pictures_add(ts_pictures *pictures, int width, int height, int channels, ts_error *err) {
    bool size = width >= 1 && height >= 1 && width <= TS_MAX_SIDE && height <= TS_MAX_SIDE;
    if (!size || (size_t)width * (size_t)height > TS_MAX_PIXELS || (channels != 1 && channels != 3 && channels != 4)) {
        ts_fail(err, TESS_ERR_INPUT, "A picture of %d x %d x %d cannot be used: sides are 1 to %d, channels 1, 3 or 4.",
                width, height, channels, TS_MAX_SIDE);
        return NULL;
    }
    size_t bytes = (size_t)width * (size_t)height * (size_t)channels;
    uint8_t *data = pictures->count < pictures->capacity || grow(pictures) ? ts_alloc(bytes) : NULL;
    if (!data) {
        ts_fail_memory(err, bytes);
        return NULL;
    }
    memset(data, 0, bytes);
    pictures->list[pictures->count++] = (ts_pixels){
        .data = data, .width = width, .height = height, .channels = channels};
    pictures->stale = true;
    return data;
}

void ts_pictures_free(ts_pictures *pictures) {
    for (int i = 0; i < pictures->count; i++) ts_free(pictures->list[i].data);
    ts_free(pictures->list);
    ts_free(pictures->area);
    *pictures = (ts_pictures){0};
}

/* Large pictures are drawn more often, by the square root of their area. */
static bool refresh(ts_pictures *p) {
    double sum = 0;
    if (!p->stale) return true;
    ts_free(p->area);
    p->area = ts_calloc((size_t)p->count, sizeof *p->area);
    if (!p->area) return false;
    for (int i = 0; i < p->count; i++) p->area[i] = sum += sqrt((double)p->list[i].width * p->list[i].height);
    p->stale = false;
    return true;
}

static const ts_pixels *draw(const ts_pictures *p, ts_rng *rng) {
    double at = ts_rng_uniform(rng) * p->area[p->count - 1];
    int low = 0, high = p->count - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (p->area[middle] > at) high = middle;
        else low = middle + 1;
    }
    return &p->list[low];
}

static void mirror(float *crop, int size) {
    for (int y = 0; y < size; y++) {
        float *row = crop + (size_t)y * (size_t)size * 3;
        for (int a = 0, b = size - 1; a < b; a++, b--) {
            for (int c = 0; c < 3; c++) {
                float v = row[3 * a + c];
                row[3 * a + c] = row[3 * b + c];
                row[3 * b + c] = v;
            }
        }
    }
}

static int offset(int side, int size, ts_rng *rng) {
    uint32_t drawn = ts_rng_below(rng, side > size ? (uint32_t)(side - size + 1) : 1);
    return (int)drawn;
}

bool ts_pictures_crops(ts_pictures *pictures, float *batch, int n, int size, bool flip, const float range[2],
                       ts_rng *rng) {
    if (!refresh(pictures)) return false;
    for (int i = 0; i < n; i++) {
        const ts_pixels *picture = draw(pictures, rng);
        int x = offset(picture->width, size, rng), y = offset(picture->height, size, rng);
        float *crop = batch + (size_t)i * (size_t)size * (size_t)size * 3;
        ts_pixels_to_floats(picture, x, y, size, size, range, crop);
        if (ts_rng_u32(rng) & 1 && flip) mirror(crop, size);
    }
    return true;
}
