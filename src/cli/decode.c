/* decode.c - tesserae decode: .tess files to PNG. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/picture.h"
#include "cli/platform.h"
#include "cli/report.h"
#include "cli/verbs.h"

typedef struct decode_options {
    const char *out, *folder, *model;
    int levels, threads;
    bool json, strict;
} decode_options;

static bool run_decoder(tess_decoder *decoder, const char *in, double *ms, char fault[FAULT_SIZE]) {
    uint8_t *bytes;
    size_t size;
    if (!file_read(in, &bytes, &size, fault)) return false;
    const double start = clock_ms();
    uint8_t *room = tess_decoder_begin(decoder, size);
    tess_status status = room ? TESS_MORE : TESS_ERR_MEMORY;
    if (room) memcpy(room, bytes, size);
    free(bytes);
    progress bar = progress_new();
    while (status == TESS_MORE) {
        status = tess_decoder_step(decoder);
        progress_show(&bar, in, tess_decoder_progress(decoder));
    }
    progress_end(&bar);
    *ms = clock_ms() - start;
    if (status < 0) snprintf(fault, FAULT_SIZE, "%.200s: %s", shown_name(in), tess_decoder_message(decoder));
    return status == TESS_DONE;
}

static void report(const char *in, const char *out, const ts_image *image, int damaged, double ms, bool json) {
    if (json) {
        json_line j = json_begin(stdout);
        json_text(&j, "file", in);
        json_text(&j, "output", out);
        json_whole(&j, "width", image->width);
        json_whole(&j, "height", image->height);
        json_whole(&j, "channels", image->channels);
        json_whole(&j, "damaged", damaged);
        json_real(&j, "ms", floor(ms * 10 + 0.5) / 10);
        json_end(&j);
        return;
    }
    FILE *to = strcmp(out, "-") == 0 ? stderr : stdout;
    fprintf(to, "%s -> %s  %d x %d%s  %.0f ms\n", shown_name(in), strcmp(out, "-") == 0 ? "standard output" : out,
            image->width, image->height, image->channels == 4 ? " with alpha" : "", ms);
}

static bool decode_one(tess_decoder *decoder, const char *in, const decode_options *o) {
    char fault[FAULT_SIZE], path[PATH_SIZE];
    double ms = 0;
    if (!output_path(in, o->out, o->folder, ".png", path)) {
        snprintf(fault, sizeof fault, "%.200s: the output's path is too long; name one by -o", in);
        say_fault(fault);
        return false;
    }
    ts_image image = {0};
    bool ok = strcmp(in, path) != 0 || strcmp(in, "-") == 0;
    if (!ok)
        snprintf(fault, sizeof fault, "%.200s would be overwritten by its own picture; name another output by -o", in);
    ok = ok && run_decoder(decoder, in, &ms, fault);
    if (ok) {
        image.pixels = (uint8_t *)tess_decoder_pixels(decoder, &image.width, &image.height, &image.channels);
        ok = picture_write(path, &image, fault);
    }
    if (!ok) {
        say_fault(fault);
        return false;
    }
    const int damaged = tess_decoder_damaged(decoder);
    report(in, path, &image, damaged, ms, o->json);
    if (damaged) {
        snprintf(fault, sizeof fault, "%.200s is damaged: %d part%s made up from what is around; fetch the file again",
                 shown_name(in), damaged, damaged == 1 ? " is" : "s are");
        say_fault(fault);
    }
    return damaged == 0;
}

static int run(int argc, char **argv, const char *program) {
    decode_options o = {.threads = processors()};
    const option table[] = {
        {'o', "output", OPTION_TEXT, &o.out, 0, 0, "OUT",
         "the PNG (or .ppm) to write, - for standard output (one IN only)"},
        {'d', "directory", OPTION_TEXT, &o.folder, 0, 0, "DIR",
         "write DIR/name.png for every IN; DIR is made if missing"},
        {0, "levels", OPTION_INT, &o.levels, 1, 16, "N", "decode only the first N levels: coarser"},
        {'m', "model", OPTION_TEXT, &o.model, 0, 0, "MODEL", "model file; the bundled photo model if left out"},
        {0, "strict", OPTION_FLAG, &o.strict, 0, 0, NULL, "fail on damage instead of making up what is lost"},
        {0, "threads", OPTION_INT, &o.threads, 1, 64, "N", "threads; all processors if left out"},
        {0, "json", OPTION_FLAG, &o.json, 0, 0, NULL, "one line of JSON per file"},
    };
    const verb *v = &VERB_DECODE;
    const int count = options_parse(v, table, sizeof table / sizeof *table, argc, argv);
    if (count < 0) return count == -2 ? EXIT_OK : EXIT_USAGE;
    if (o.out && count > 1) return usage_error(v, "-o names one file, but there are %d to decode; use -d", count);
    if (o.out && o.folder) return usage_error(v, "-o and -d exclude each other");
    if (o.json && (o.out ? strcmp(o.out, "-") == 0 : !o.folder && strcmp(argv[1], "-") == 0))
        return usage_error(v, "--json and the picture cannot both go to standard output; give -o a name");

    char fault[FAULT_SIZE];
    tess_model *model = model_read(o.model, program, fault);
    tess_decoder *decoder = model ? tess_decoder_new(model) : NULL;
    if (model && !decoder) snprintf(fault, sizeof fault, "memory is out");
    bool ok = decoder != NULL;
    if (ok) {
        tess_decoder_set(decoder, "levels", o.levels);
        tess_decoder_set(decoder, "threads", o.threads);
        tess_decoder_set(decoder, "strict", o.strict);
        ok = !o.folder || make_folder(o.folder, fault);
    }
    if (!ok) say_fault(fault);
    bool all = ok;
    for (int i = 1; ok && i <= count; i++) all &= decode_one(decoder, argv[i], &o);
    tess_decoder_free(decoder);
    tess_model_free(model);
    return all ? EXIT_OK : EXIT_FAILED;
}

const verb VERB_DECODE = {
    "decode",
    "IN...",
    ".tess files to PNG",
    "Each IN becomes IN with the ending .png, unless -o or -d says otherwise. A damaged file is decoded as far as it "
    "goes\n"
    "and counts as failed (exit code 1).",
    1,
    -1,
    run,
};
