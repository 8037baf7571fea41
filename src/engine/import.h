/* import.h - checkpoints of the field, seen as model files.
 *
 * A foreign checkpoint is never converted: its tensors are listed again under Tesserae's names, with the config that its
 * names and shapes imply, and loading goes on as if it were a model file. Families (docs/FORMAT.md, "Checkpoints from the
 * field"): VQGANs of CompVis taming-transformers and latent-diffusion, of LlamaGen, and diffusers' VQModel; TAESD and
 * diffusers' AutoencoderTiny. */
#ifndef TS_ENGINE_IMPORT_H
#define TS_ENGINE_IMPORT_H

#include "io/safetensors.h"

typedef struct ts_import {
    ts_safetensors *files[2]; /* what was opened; the second is NULL but for pairs */
    ts_safetensors *model;    /* the view: names of ARCHITECTURE.md, metadata "tesserae"; files[0] for a model file */
    size_t bytes;             /* of the files together */
} ts_import;

/* Opens a model file or a foreign checkpoint of any container; `more` (or NULL) is the other half of a pair. The bytes
 * are borrowed until ts_import_close. Errors: FORMAT, TOO_LARGE, MEMORY as the containers' readers; MODEL (a layout that
 * is not known: the sentence names the first tensor that does not fit; half of a pair). */
tess_status ts_import_open(ts_import *import, const void *bytes, size_t size, const void *more, size_t more_size,
                           ts_error *err);
void ts_import_close(ts_import *import); /* a zeroed one is allowed */

#endif
