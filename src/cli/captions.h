/* captions.h - what pictures to train on show: a file of JSON lines, of which every picture or tile takes the next. */
#ifndef TS_CLI_CAPTIONS_H
#define TS_CLI_CAPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/file.h"
#include "tesserae.h"

/* A zeroed one is empty. */
typedef struct captions {
    const char *path;
    char *bytes; /* NULL: there is none */
    size_t size, at;
    int line, pictures; /* of the file; in the training set */
} captions;

/* path NULL: no captions. */
bool captions_read(captions *c, const char *path, char fault[FAULT_SIZE]);
/* Takes the next line, {"caption": text} or {"class": number}, for the picture that was just added to the trainer; `held`:
 * it is not in the training set. c NULL, or no line left: there is nothing to say. False if the line is none of that. */
bool captions_give(captions *c, tess_trainer *trainer, bool held, char fault[FAULT_SIZE]);
void captions_free(captions *c);

#endif
