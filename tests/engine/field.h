/* field.h - checkpoints of the field, made again from lists of names and shapes.
 *
 * A list is a text file of tests/fixtures/import: a first line (F32 or F16), then "name [sides]" for each tensor. Values
 * follow from the names by the formula of tools/tesserae/field.py, which made the expected outputs. */
#ifndef TS_TEST_FIELD_H
#define TS_TEST_FIELD_H

#include "io/safetensors.h"

#include <stdbool.h>

typedef struct field_tensor {
    char name[96];  /* the values follow from this one */
    char alias[96]; /* the name in the file */
    int rank;
    uint64_t shape[4];
    size_t count;
} field_tensor;

typedef struct field_list {
    field_tensor *tensors; /* malloc'ed */
    size_t count;
    ts_dtype dtype; /* of all */
} field_list;

/* Reads tests/fixtures/import/{name}.txt; `column` of those separated by bars. Empty if it cannot be read. */
field_list field_read(const char *name, int column);
void field_free(field_list *list);
/* The tensors whose names begin with `part`, which goes from their aliases. */
field_list field_part(const field_list *list, const char *part);
field_tensor *field_find(const field_list *list, const char *name); /* NULL if there is none */

/* The list as a file (free with ts_free): safetensors, or what torch.save makes of {'state_dict': ...}. */
uint8_t *field_safetensors(const field_list *list, size_t *size);
uint8_t *field_torch(const field_list *list, size_t *size);

#endif
