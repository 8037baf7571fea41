/* config_part.h - the config of a part: a prior or an upscaler in a file of its own, made for one model. */
#ifndef TS_NETS_CONFIG_PART_H
#define TS_NETS_CONFIG_PART_H

#include "nets/config.h"

typedef struct ts_part_config {
    ts_prior_config prior;       /* type none: the part has none */
    ts_upscaler_config upscaler; /* widths 0: the same */
} ts_part_config;

/* Parses `size` bytes of JSON, {"format":1,"part_of":FINGERPRINT,"prior":{...},"upscaler":{...}} with one of the last two or
 * both, for the model of that config and fingerprint.
 * Errors: INPUT as ts_config_parse; MODEL (made for another model, or no part at all); VERSION; MEMORY. */
tess_status ts_config_parse_part(const char *json, size_t size, const ts_config *model, uint64_t fingerprint,
                                 ts_part_config *part, ts_error *err);

#endif
