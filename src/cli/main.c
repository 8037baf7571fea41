/* main.c - tesserae VERB ...: finds the verb and runs it. */
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"
#include "tesserae.h"

static const verb *const VERBS[] = {&VERB_ENCODE,   &VERB_DECODE, &VERB_RECONSTRUCT, &VERB_INFO,    &VERB_TOKENS,
                                    &VERB_CODEBOOK, &VERB_TRAIN,  &VERB_GENERATE,    &VERB_INPAINT, &VERB_UPSCALE,
                                    &VERB_EVAL,     &VERB_BENCH,  &VERB_IMPORT};

enum { VERB_COUNT = sizeof VERBS / sizeof *VERBS };

static void print_usage(FILE *to) {
    fprintf(to, "tesserae %s (%s): images to tokens and back\n\n", tess_version(), tess_backend());
    for (int i = 0; i < VERB_COUNT; i++)
        fprintf(to, "  tesserae %-11s %-24s %s\n", VERBS[i]->name, VERBS[i]->operands, VERBS[i]->summary);
    fprintf(to, "\n`tesserae VERB --help` tells a verb's options. `-` stands for standard input or output.\n"
                "Exit code: 0 all well, 1 a file failed (the others are done), 2 bad usage.\n");
}

int main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "";
    if (!*word) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_usage(stdout);
        return EXIT_OK;
    }
    if (strcmp(word, "--version") == 0) {
        printf("tesserae %s (%s)\n", tess_version(), tess_backend());
        return EXIT_OK;
    }
    for (int i = 0; i < VERB_COUNT; i++)
        if (strcmp(VERBS[i]->name, word) == 0) return VERBS[i]->run(argc - 1, argv + 1, argv[0]);
    fprintf(stderr, "tesserae: there is no verb '%s'; see `tesserae --help`\n", word);
    return EXIT_USAGE;
}
