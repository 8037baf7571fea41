/* captions.h - what training pictures show: a text, a class, or neither. */
#ifndef TS_ENGINE_CAPTIONS_H
#define TS_ENGINE_CAPTIONS_H

#include "base/status.h"

typedef struct ts_caption {
    char *text; /* size bytes, owned; NULL: none */
    size_t size;
    int label; /* a class, or -1 */
} ts_caption;

/* By picture; pictures past the count have neither. A zeroed one is empty. */
typedef struct ts_captions {
    ts_caption *list;
    int count, capacity;
} ts_captions;

/* The caption of picture i >= 0, to be changed; NULL if memory is out. */
ts_caption *ts_captions_of(ts_captions *captions, int i);
/* Copies the text (size 0: none). Errors: MEMORY, then the old text stays. */
tess_status ts_caption_text(ts_caption *caption, const char *text, size_t size, ts_error *err);
void ts_captions_free(ts_captions *captions);

#endif
