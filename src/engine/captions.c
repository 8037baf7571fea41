#include "engine/captions.h"

#include <string.h>

#include "base/alloc.h"

ts_caption *ts_captions_of(ts_captions *captions, int i) {
    if (i >= captions->capacity) {
        int capacity = captions->capacity ? captions->capacity * 2 : 64;
        if (capacity <= i) capacity = i + 1;
        ts_caption *list = ts_realloc(captions->list, (size_t)capacity * sizeof *list);
        if (!list) return NULL;
        captions->list = list;
        captions->capacity = capacity;
    }
    for (; captions->count <= i; captions->count++) captions->list[captions->count] = (ts_caption){NULL, 0, -1};
    return &captions->list[i];
}

tess_status ts_caption_text(ts_caption *caption, const char *text, size_t size, ts_error *err) {
    char *copy = size ? ts_alloc(size) : NULL;
    if (size && !copy) return ts_fail_memory(err, size);
    if (size) memcpy(copy, text, size);
    ts_free(caption->text);
    caption->text = copy;
    caption->size = size;
    return TESS_OK;
}

void ts_captions_free(ts_captions *captions) {
    for (int i = 0; i < captions->count; i++) ts_free(captions->list[i].text);
    ts_free(captions->list);
    *captions = (ts_captions){0};
}
