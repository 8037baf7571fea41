/* encode.c - tesserae encode: pictures to .tess files. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/picture.h"
#include "cli/platform.h"
#include "cli/report.h"
#include "cli/verbs.h"

typedef struct encode_options {
    const char *out, *folder, *model;
    double quality, bpp, size;
    int effort, threads;
    bool json, drop_alpha, predict;
} encode_options;

/* Sets one rate rule, whichever was given. False after a fault. */
static bool set_options(tess_encoder *encoder, const encode_options *o, char fault[FAULT_SIZE]) {
    tess_status status = tess_encoder_set(encoder, "effort", o->effort);
    if (!status) status = tess_encoder_set(encoder, "threads", o->threads);
    if (!status) status = tess_encoder_set(encoder, "alpha", o->drop_alpha ? 0 : 1);
    if (!status) status = tess_encoder_set(encoder, "predict", o->predict);
    if (!status && o->quality >= 0) status = tess_encoder_set(encoder, "quality", o->quality);
    if (!status && o->bpp > 0) status = tess_encoder_set(encoder, "bpp", o->bpp);
    if (!status && o->size > 0) status = tess_encoder_set(encoder, "size", o->size);
    if (status) snprintf(fault, FAULT_SIZE, "%s", tess_encoder_message(encoder));
    return status == TESS_OK;
}

static bool run_encoder(tess_encoder *encoder, const ts_image *image, const char *name, char fault[FAULT_SIZE]) {
    uint8_t *pixels = tess_encoder_begin(encoder, image->width, image->height, image->channels);
    tess_status status = pixels ? TESS_MORE : TESS_ERR_INPUT;
    if (pixels) memcpy(pixels, image->pixels, (size_t)image->width * (size_t)image->height * (size_t)image->channels);
    progress bar = progress_new();
    while (status == TESS_MORE) {
        status = tess_encoder_step(encoder);
        progress_show(&bar, name, tess_encoder_progress(encoder));
    }
    progress_end(&bar);
    if (status < 0) snprintf(fault, FAULT_SIZE, "%.200s: %s", shown_name(name), tess_encoder_message(encoder));
    return status == TESS_DONE;
}

static void report(const char *in, const char *out, const ts_image *image, size_t size, double ms, bool json) {
    const double bpp = 8.0 * (double)size / ((double)image->width * image->height);
    if (json) {
        json_line j = json_begin(stdout);
        json_text(&j, "file", in);
        json_text(&j, "output", out);
        json_whole(&j, "width", image->width);
        json_whole(&j, "height", image->height);
        json_whole(&j, "bytes", (long long)size);
        json_real(&j, "bpp", bpp);
        json_real(&j, "ms", floor(ms * 10 + 0.5) / 10);
        json_end(&j);
        return;
    }
    FILE *to = strcmp(out, "-") == 0 ? stderr : stdout;
    fprintf(to, "%s -> %s  %d x %d  %zu bytes  %.3f bpp  %.0f ms\n", shown_name(in),
            strcmp(out, "-") == 0 ? "standard output" : out, image->width, image->height, size, bpp, ms);
}

static bool encode_one(tess_encoder *encoder, const char *in, const encode_options *o) {
    char fault[FAULT_SIZE], path[PATH_SIZE];
    ts_image image = {0};
    if (!output_path(in, o->out, o->folder, ".tess", path)) {
        snprintf(fault, sizeof fault, "%.200s: the output's path is too long; name one by -o", in);
        say_fault(fault);
        return false;
    }
    bool ok = picture_read(in, 0, &image, fault);
    const double start = clock_ms();
    ok = ok && run_encoder(encoder, &image, in, fault);
    const double ms = clock_ms() - start;
    size_t size = 0;
    const uint8_t *bytes = ok ? tess_encoder_bytes(encoder, &size) : NULL;
    ok = ok && file_write(path, bytes, size, fault);
    if (ok) report(in, path, &image, size, ms, o->json);
    else say_fault(fault);
    ts_image_free(&image);
    return ok;
}

static int run(int argc, char **argv, const char *program) {
    encode_options o = {.quality = -1, .effort = 4, .threads = processors()};
    const option table[] = {
        {'o', "output", OPTION_TEXT, &o.out, 0, 0, "OUT", "the file to write, - for standard output (one IN only)"},
        {'d', "directory", OPTION_TEXT, &o.folder, 0, 0, "DIR",
         "write DIR/name.tess for every IN; DIR is made if missing"},
        {'q', "quality", OPTION_REAL, &o.quality, 0, 100, "Q", "0 (smallest) to 100 (best); 60 unless a rate is given"},
        {0, "bpp", OPTION_REAL, &o.bpp, 1e-6, 1e6, "B", "at most B bits per pixel, whole file"},
        {0, "size", OPTION_REAL, &o.size, 1, 1e12, "BYTES", "at most BYTES bytes, whole file"},
        {'m', "model", OPTION_TEXT, &o.model, 0, 0, "MODEL", "model file; the bundled photo model if left out"},
        {'e', "effort", OPTION_INT, &o.effort, 0, 9, "E", "0 (fast) to 9 (smaller files), 4 if left out"},
        {0, "predict", OPTION_FLAG, &o.predict, 0, 0, NULL,
         "code with the model's predictors: smaller files, slower both ways"},
        {0, "drop-alpha", OPTION_FLAG, &o.drop_alpha, 0, 0, NULL, "leave transparency out"},
        {0, "threads", OPTION_INT, &o.threads, 1, 64, "N", "threads; all processors if left out"},
        {0, "json", OPTION_FLAG, &o.json, 0, 0, NULL, "one line of JSON per file"},
    };
    const verb *v = &VERB_ENCODE;
    const int count = options_parse(v, table, sizeof table / sizeof *table, argc, argv);
    if (count < 0) return count == -2 ? EXIT_OK : EXIT_USAGE;
    if (o.out && count > 1) return usage_error(v, "-o names one file, but there are %d to encode; use -d", count);
    if (o.out && o.folder) return usage_error(v, "-o and -d exclude each other");
    if ((o.quality >= 0) + (o.bpp > 0) + (o.size > 0) > 1)
        return usage_error(v, "-q, --bpp and --size exclude each other");
    if (o.json && (o.out ? strcmp(o.out, "-") == 0 : !o.folder && strcmp(argv[1], "-") == 0))
        return usage_error(v, "--json and the file cannot both go to standard output; give -o a name");

    char fault[FAULT_SIZE];
    tess_model *model = model_read(o.model, program, fault);
    tess_encoder *encoder = model ? tess_encoder_new(model) : NULL;
    if (model && !encoder) snprintf(fault, sizeof fault, "memory is out");
    bool ok = encoder && set_options(encoder, &o, fault) && (!o.folder || make_folder(o.folder, fault));
    if (!ok) say_fault(fault);
    bool all = ok;
    for (int i = 1; ok && i <= count; i++) all &= encode_one(encoder, argv[i], &o);
    tess_encoder_free(encoder);
    tess_model_free(model);
    return all ? EXIT_OK : EXIT_FAILED;
}

const verb VERB_ENCODE = {
    "encode",
    "IN...",
    "pictures (PNG, JPEG, BMP, PPM) to .tess files",
    "Each IN becomes IN with the ending .tess, unless -o or -d says otherwise.",
    1,
    -1,
    run,
};
