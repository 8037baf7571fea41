/* verbs.h - the verbs of the command line; each returns the exit code. */
#ifndef TS_CLI_VERBS_H
#define TS_CLI_VERBS_H

#include "cli/options.h"

extern const verb VERB_ENCODE, VERB_DECODE, VERB_INFO, VERB_TOKENS, VERB_CODEBOOK, VERB_TRAIN, VERB_EVAL, VERB_BENCH,
    VERB_IMPORT, VERB_RECONSTRUCT, VERB_GENERATE, VERB_UPSCALE, VERB_INPAINT;

#endif
