/* inpaint.c - tesserae inpaint: parts of a picture, or what lies around it, made up. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/picture.h"
#include "cli/platform.h"
#include "cli/report.h"
#include "cli/verbs.h"

typedef struct inpaint_options {
    const char *out, *mask, *model, *part, *method;
    number_list extend;
    int samples, seed, steps, top_k, levels, feather, threads;
    double temperature, top_p;
    bool json;
} inpaint_options;

/* A picture to fill and where: mask [height][width], 0 keeps. */
typedef struct task {
    ts_image image;
    uint8_t *mask;
} task;

/* ---- the picture and its mask -------------------------------------------------------------------------------- */

/* Takes the alpha out of a picture: it has become the mask. */
static void drop_alpha(ts_image *image) {
    const size_t pixels = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < pixels; i++) memmove(image->pixels + 3 * i, image->pixels + 4 * i, 3);
    image->channels = 3;
}

/* White of the mask file is filled; without one, what is transparent. */
static bool read_mask(task *t, const inpaint_options *o, char fault[FAULT_SIZE]) {
    const size_t pixels = (size_t)t->image.width * (size_t)t->image.height;
    ts_image mask = {0};
    if (o->mask && !picture_read(o->mask, 1, &mask, fault)) return false;
    if (o->mask && (mask.width != t->image.width || mask.height != t->image.height)) {
        snprintf(fault, FAULT_SIZE, "%.200s: the mask has %d x %d pixels, the picture %d x %d", o->mask, mask.width,
                 mask.height, t->image.width, t->image.height);
        ts_image_free(&mask);
        return false;
    }
    t->mask = calloc(pixels, 1);
    for (size_t i = 0; t->mask && i < pixels; i++) {
        if (mask.pixels) t->mask[i] = mask.pixels[i] >= 128;
        else if (t->image.channels == 4) t->mask[i] = t->image.pixels[4 * i + 3] < 128;
    }
    if (!mask.pixels && t->image.channels == 4) drop_alpha(&t->image);
    ts_image_free(&mask);
    if (!t->mask) snprintf(fault, FAULT_SIZE, "memory is out for a mask");
    return t->mask != NULL;
}

/* Makes the canvas larger by `extend`: left, top, right, bottom; what is new is masked, and opaque. */
static bool extend(task *t, const number_list *extend, char fault[FAULT_SIZE]) {
    const int left = (int)extend->values[0], top = (int)extend->values[1];
    const size_t channels = (size_t)t->image.channels, row = (size_t)t->image.width;
    task wide = {.image = {NULL, t->image.width + left + (int)extend->values[2],
                           t->image.height + top + (int)extend->values[3], t->image.channels}};
    const size_t width = (size_t)wide.image.width, pixels = width * (size_t)wide.image.height;
    if (wide.image.width > TS_IMAGE_SIDE || wide.image.height > TS_IMAGE_SIDE || pixels > TS_IMAGE_PIXELS) {
        snprintf(fault, FAULT_SIZE, "a picture extended to %d x %d pixels is too large", wide.image.width,
                 wide.image.height);
        return false;
    }
    wide.image.pixels = ts_alloc(pixels * channels);
    wide.mask = malloc(pixels);
    if (!wide.image.pixels || !wide.mask) {
        ts_image_free(&wide.image);
        free(wide.mask);
        snprintf(fault, FAULT_SIZE, "memory is out for a picture of %d x %d", wide.image.width, wide.image.height);
        return false;
    }
    memset(wide.image.pixels, 255, pixels * channels);
    memset(wide.mask, 1, pixels);
    for (int y = 0; y < t->image.height; y++) {
        const size_t to = (size_t)(y + top) * width + (size_t)left, from = (size_t)y * row;
        memcpy(wide.image.pixels + to * channels, t->image.pixels + from * channels, row * channels);
        memcpy(wide.mask + to, t->mask + from, row);
    }
    ts_image_free(&t->image);
    free(t->mask);
    *t = wide;
    return true;
}

static bool prepare(task *t, const char *in, const inpaint_options *o, char fault[FAULT_SIZE]) {
    if (!picture_read(in, 0, &t->image, fault)) return false;
    if (!o->mask && !o->extend.count && t->image.channels != 4) {
        snprintf(fault, FAULT_SIZE, "%.200s is opaque: say by --mask or --extend what is to be filled", shown_name(in));
        return false;
    }
    return read_mask(t, o, fault) && (!o->extend.count || extend(t, &o->extend, fault));
}

/* ---- the work ------------------------------------------------------------------------------------------------ */

static bool inpainter_fault(const tess_inpainter *inpainter, const char *in, char fault[FAULT_SIZE]) {
    snprintf(fault, FAULT_SIZE, "%.200s: %s", shown_name(in), tess_inpainter_message(inpainter));
    return false;
}

static const char *const METHODS[] = {"auto", "copy", "prior"}; /* as the core counts them, from -1 */

/* The method of a name as the core counts them; -2 if there is none of that name. */
static int method_of(const char *name) {
    for (int i = 0; i < 3; i++)
        if (strcmp(METHODS[i], name) == 0) return i - 1;
    return -2;
}

static bool set_options(tess_inpainter *inpainter, const inpaint_options *o, char fault[FAULT_SIZE]) {
    const struct {
        const char *name;
        double value;
    } settings[] = {{"method", method_of(o->method)},
                    {"steps", o->steps},
                    {"temperature", o->temperature},
                    {"top_k", o->top_k},
                    {"top_p", o->top_p},
                    {"levels", o->levels},
                    {"feather", o->feather},
                    {"threads", o->threads}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (tess_inpainter_set(inpainter, settings[i].name, settings[i].value))
            return inpainter_fault(inpainter, settings[i].name, fault);
    return true;
}

/* Sample i of a picture; the first one begins the job. */
static bool fill(tess_inpainter *inpainter, const task *t, int i, const inpaint_options *o, const char *in,
                 progress *bar, char fault[FAULT_SIZE]) {
    const size_t pixels = (size_t)t->image.width * (size_t)t->image.height;
    tess_status status = tess_inpainter_set(inpainter, "seed", o->seed + i);
    if (status == TESS_OK && i == 0) {
        uint8_t *mask = NULL;
        uint8_t *room = tess_inpainter_begin(inpainter, t->image.width, t->image.height, t->image.channels, &mask);
        if (!room) return inpainter_fault(inpainter, in, fault);
        memcpy(room, t->image.pixels, pixels * (size_t)t->image.channels);
        memcpy(mask, t->mask, pixels);
    } else if (status == TESS_OK) {
        status = tess_inpainter_again(inpainter);
    }
    if (status == TESS_OK) status = TESS_MORE;
    while (status == TESS_MORE && !interrupted()) {
        status = tess_inpainter_step(inpainter);
        progress_show(bar, "filling", (i + tess_inpainter_progress(inpainter)) / o->samples);
    }
    if (status == TESS_MORE) snprintf(fault, FAULT_SIZE, "stopped");
    return status == TESS_DONE || (status < 0 && inpainter_fault(inpainter, in, fault));
}

static void report(const char *path, const task *t, int seed, double ms, bool json) {
    const size_t pixels = (size_t)t->image.width * (size_t)t->image.height;
    size_t masked = 0;
    for (size_t i = 0; i < pixels; i++) masked += t->mask[i] != 0;
    if (json) {
        json_line j = json_begin(stdout);
        json_text(&j, "output", path);
        json_whole(&j, "seed", seed);
        json_whole(&j, "width", t->image.width);
        json_whole(&j, "height", t->image.height);
        json_real(&j, "masked", (double)masked / (double)pixels);
        json_real(&j, "ms", floor(ms * 10 + 0.5) / 10);
        json_end(&j);
    } else if (strcmp(path, "-") != 0) {
        printf("%s  %d x %d  %.1f %% filled  seed %d  %.0f ms\n", path, t->image.width, t->image.height,
               100 * (double)masked / (double)pixels, seed, ms);
    }
}

static bool inpaint(tess_inpainter *inpainter, const char *in, const inpaint_options *o, char fault[FAULT_SIZE]) {
    task t = {0};
    char path[PATH_SIZE];
    progress bar = progress_new();
    bool ok = set_options(inpainter, o, fault) && prepare(&t, in, o, fault);
    for (int i = 0; i < o->samples && ok; i++) {
        const double start = clock_ms();
        ok = fill(inpainter, &t, i, o, in, &bar, fault);
        const double ms = clock_ms() - start;
        ts_image made = t.image;
        made.pixels = ok ? (uint8_t *)tess_inpainter_pixels(inpainter, &made.width, &made.height) : NULL;
        progress_end(&bar);
        if (ok && !numbered_path(o->out, i, o->samples, path)) {
            snprintf(fault, FAULT_SIZE, "%.200s: the output's path is too long", o->out);
            ok = false;
        }
        ok = ok && picture_write(path, &made, fault);
        if (ok) report(path, &t, o->seed + i, ms, o->json);
    }
    progress_end(&bar);
    ts_image_free(&t.image);
    free(t.mask);
    return ok;
}

/* "--extend 64" is the same on all sides; else four sides. False if it is neither. */
static bool check_extend(number_list *extend) {
    if (extend->count == 1)
        for (; extend->count < 4; extend->count++) extend->values[extend->count] = extend->values[0];
    for (int i = 0; i < extend->count; i++)
        if (extend->values[i] != floor(extend->values[i])) return false;
    return extend->count == 0 || extend->count == 4;
}

static int run(int argc, char **argv, const char *program) {
    inpaint_options o = {.samples = 1,
                         .seed = 1,
                         .steps = 12,
                         .threads = processors(),
                         .method = "auto",
                         .levels = 3,
                         .temperature = 0.5,
                         .top_p = 1};
    const option table[] = {
        {'o', "output", OPTION_TEXT, &o.out, 0, 0, "OUT",
         "the PNG (or .ppm) to write, - for standard output; of several samples OUT-1.png, OUT-2.png and so on"},
        {0, "mask", OPTION_TEXT, &o.mask, 0, 0, "MASK",
         "a picture of the same size, white where IN is to be filled; without it, what is transparent in IN"},
        {0, "extend", OPTION_REALS, &o.extend, 0, TS_IMAGE_SIDE, "L,T,R,B",
         "make up so many pixels more on the left, top, right and bottom; one number: on all sides"},
        {0, "method", OPTION_TEXT, &o.method, 0, 0, "METHOD",
         "copy (from elsewhere in the picture), prior (the model makes it up), or auto: copy where it can (auto)"},
        {'n', "samples", OPTION_INT, &o.samples, 1, 1000, "N",
         "so many fillings, with seeds that follow each other (1)"},
        {0, "seed", OPTION_INT, &o.seed, 0, 2e9, "N", "the same seed gives the same filling (1)"},
        {0, "steps", OPTION_INT, &o.steps, 1, 256, "N",
         "of a prior: sampling steps, more are slower and better up to a point (12)"},
        {0, "temperature", OPTION_REAL, &o.temperature, 0, 100, "T",
         "how freely samples are drawn; the first copy is of the best matches; 0: all are the likeliest (0.5)"},
        {0, "top-k", OPTION_INT, &o.top_k, 0, 65536, "K",
         "of a prior: draw from the K likeliest codes; 0: from all (0)"},
        {0, "top-p", OPTION_REAL, &o.top_p, 0, 1, "P",
         "of a prior: draw from the likeliest codes of this probability together (1)"},
        {0, "levels", OPTION_INT, &o.levels, 0, 16, "N", "of a prior: make up only the first N levels; 0: all (3)"},
        {0, "feather", OPTION_INT, &o.feather, 0, 65535, "PX",
         "pixels over which the filling takes on the colours around it; 0: everywhere (0)"},
        {'m', "model", OPTION_TEXT, &o.model, 0, 0, "MODEL", "model file; the bundled photo model if left out"},
        {0, "part", OPTION_TEXT, &o.part, 0, 0, "FILE",
         "the model's prior; NAME.prior.safetensors beside the model if left out"},
        {0, "threads", OPTION_INT, &o.threads, 1, 64, "N", "threads; all processors if left out"},
        {0, "json", OPTION_FLAG, &o.json, 0, 0, NULL, "one line of JSON per picture"},
    };
    const verb *v = &VERB_INPAINT;
    const int count = options_parse(v, table, sizeof table / sizeof *table, argc, argv);
    if (count < 0) return count == -2 ? EXIT_OK : EXIT_USAGE;
    if (!o.out) return usage_error(v, "name the picture to write by -o");
    if (method_of(o.method) < -1) return usage_error(v, "--method is auto, copy or prior, not '%s'", o.method);
    if (!check_extend(&o.extend))
        return usage_error(v, "--extend takes four whole numbers (left,top,right,bottom) or one");
    if (strcmp(o.out, "-") == 0 && o.samples > 1)
        return usage_error(v, "%d pictures cannot all go to standard output; give -o a name", o.samples);
    if (strcmp(o.out, "-") == 0 && o.json)
        return usage_error(v, "--json and the picture cannot both go to standard output; give -o a name");

    char fault[FAULT_SIZE];
    tess_model *model = model_read(o.model, program, fault);
    const bool needed = o.part || strcmp(o.method, "prior") == 0;
    const bool complete = model && (!needed || part_read(model, "prior", o.part, o.model, program, fault));
    tess_inpainter *inpainter = complete ? tess_inpainter_new(model) : NULL;
    if (complete && !inpainter) snprintf(fault, sizeof fault, "memory is out");
    catch_interrupt();
    const bool ok = inpainter && inpaint(inpainter, argv[1], &o, fault);
    if (!ok) say_fault(fault);
    tess_inpainter_free(inpainter);
    tess_model_free(model);
    return ok ? EXIT_OK : EXIT_FAILED;
}

const verb VERB_INPAINT = {
    "inpaint",
    "IN",
    "fills parts of a picture, or makes it larger",
    "Pixels outside the mask stay as they are. With --extend the picture grows, and what is new is made up. Where "
    "there is\n"
    "too little to copy from, and for --method prior, the model needs a prior.",
    1,
    1,
    run,
};
