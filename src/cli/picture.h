/* picture.h - pictures and models from files, for the verbs. Faults are sentences that name the file. */
#ifndef TS_CLI_PICTURE_H
#define TS_CLI_PICTURE_H

#include <stdbool.h>

#include "cli/file.h"
#include "io/image.h"
#include "tesserae.h"

#define PICTURE_ENDINGS ".png .jpg .jpeg .bmp .ppm .pgm"

/* Reads and decodes a picture; channels 0 as stored, or 1, 3, 4. Free with ts_image_free. */
bool picture_read(const char *path, int channels, ts_image *image, char fault[FAULT_SIZE]);
/* Writes PNG, or PPM/PGM if the name ends so. */
bool picture_write(const char *path, const ts_image *image, char fault[FAULT_SIZE]);

/* Loads `model`: the name of a model that comes with the program ("avatars": models/avatars.safetensors beside it; a
 * file of that name in this folder is ./avatars), or a path. NULL stands for $TESSERAE_MODEL, and that left empty for
 * "photo". NULL after a fault. Free with tess_model_free. */
tess_model *model_read(const char *model, const char *program, char fault[FAULT_SIZE]);
/* Adds a part, "upscaler" or "prior", to a model that model_read gave for the same name and program: the file `from`, or if
 * that is NULL, NAME.PART.safetensors beside the model; a model whose own file holds the part keeps that. */
bool part_read(tess_model *model, const char *part, const char *from, const char *name, const char *program,
               char fault[FAULT_SIZE]);

#endif
