/* shrink.h - pictures made smaller by whole factors, to fit memory. */
#ifndef TS_CLI_SHRINK_H
#define TS_CLI_SHRINK_H

#include "io/image.h"

/* The least whole factor that brings the longer side to at most `side` (0: any). */
int shrink_factor(int width, int height, int side);
/* Replaces the picture by the means of its factor x factor blocks, in place; what does not fill a block is cut off. */
void shrink(ts_image *image, int factor);

#endif
