/* train.c - tesserae train: a folder of pictures to a model, with checkpoints, a log and Ctrl-C. */
#define _XOPEN_SOURCE 700
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/captions.h"
#include "cli/picture.h"
#include "cli/platform.h"
#include "cli/report.h"
#include "cli/shrink.h"
#include "cli/verbs.h"

typedef struct train_options {
    const char *config, *out, *resume, *init, *log, *features, *heads, *validation, *captions;
    int steps, threads, max_side, memory_mb, tile;
    double checkpoint_minutes;
    bool full, json;
} train_options;

static bool trainer_fault(const tess_trainer *trainer, const char *about, char fault[FAULT_SIZE]) {
    snprintf(fault, FAULT_SIZE, "%.200s: %s", about, tess_trainer_message(trainer));
    return false;
}

/* ---- set-up --------------------------------------------------------------------------------------------------- */

static bool give_file(tess_trainer *trainer, const char *path, bool resume, char fault[FAULT_SIZE]) {
    uint8_t *bytes;
    size_t size;
    if (!file_read(path, &bytes, &size, fault)) return false;
    const tess_status status = resume ? tess_trainer_resume(trainer, bytes, size)
                                      : tess_trainer_init(trainer, bytes, size);
    free(bytes);
    return status == TESS_OK || trainer_fault(trainer, path, fault);
}

static bool give_config(tess_trainer *trainer, const char *path, char fault[FAULT_SIZE]) {
    uint8_t *bytes;
    size_t size;
    if (!file_read(path, &bytes, &size, fault)) return false;
    const tess_status status = tess_trainer_config(trainer, (const char *)bytes, size);
    free(bytes);
    return status == TESS_OK || trainer_fault(trainer, path, fault);
}

static bool give_features(tess_trainer *trainer, const train_options *o, char fault[FAULT_SIZE]) {
    uint8_t *net, *heads;
    size_t net_size, heads_size;
    if (!o->features) return true;
    if (!file_read(o->features, &net, &net_size, fault)) return false;
    bool ok = file_read(o->heads, &heads, &heads_size, fault);
    if (ok) {
        ok = tess_trainer_features(trainer, net, net_size, heads, heads_size) == TESS_OK ||
             trainer_fault(trainer, o->features, fault);
        free(heads);
    }
    free(net);
    return ok;
}

/* Width and height of every picture of a list, from the files' headers; 0 x 0 for files that are none. */
static int (*sizes_of(const file_list *files))[2] {
    int(*sizes)[2] = calloc((size_t)files->count + 1, sizeof *sizes);
    for (int i = 0; sizes && i < files->count; i++) {
        uint8_t *data;
        size_t size;
        char fault[FAULT_SIZE];
        int channels;
        if (!file_read(files->paths[i], &data, &size, fault)) continue;
        ts_image_size(data, size, &sizes[i][0], &sizes[i][1], &channels, NULL);
        free(data);
    }
    return sizes;
}

/* The largest side that keeps all pictures within the memory limit. */
static int side_for_memory(const file_list *files, int max_side, double limit_bytes) {
    int(*sizes)[2] = sizes_of(files), side = max_side ? max_side : 65535;
    for (; sizes && side > 256; side = side > 4096 ? 4096 : side * 3 / 4) {
        double bytes = 0;
        for (int i = 0; i < files->count; i++) {
            const int factor = shrink_factor(sizes[i][0], sizes[i][1], side);
            bytes += 3.0 * (sizes[i][0] / factor) * (sizes[i][1] / factor);
        }
        if (bytes <= limit_bytes) break;
    }
    free(sizes);
    return side;
}

/* Adds a picture, shrunk by a whole factor where its longer side exceeds max_side. */
static bool add_picture(tess_trainer *trainer, const char *path, int validation, int max_side, char fault[FAULT_SIZE]) {
    ts_image image = {0};
    if (!picture_read(path, 3, &image, fault)) return false;
    shrink(&image, shrink_factor(image.width, image.height, max_side));
    uint8_t *room = tess_trainer_add_image(trainer, validation, image.width, image.height, 3);
    if (room) memcpy(room, image.pixels, (size_t)image.width * (size_t)image.height * 3);
    ts_image_free(&image);
    return room || trainer_fault(trainer, path, fault);
}

/* Are all pixels of the tile at (x, y) the same? Such a place of a sheet is unused. */
static bool tile_is_empty(const ts_image *sheet, int x, int y, int side) {
    const uint8_t *first = sheet->pixels + 3 * ((size_t)y * (size_t)sheet->width + (size_t)x);
    for (int row = 0; row < side; row++) {
        const uint8_t *line = first + 3 * (size_t)row * (size_t)sheet->width;
        for (int i = 0; i < 3 * side; i++) {
            if (line[i] != first[i % 3]) return false;
        }
    }
    return true;
}

static bool add_tile(tess_trainer *trainer, const ts_image *sheet, int x, int y, int side, int validation) {
    uint8_t *room = tess_trainer_add_image(trainer, validation, side, side, 3);
    for (int row = 0; room && row < side; row++) {
        memcpy(room + 3 * (size_t)row * (size_t)side,
               sheet->pixels + 3 * ((size_t)(y + row) * (size_t)sheet->width + (size_t)x), 3 * (size_t)side);
    }
    return room != NULL;
}

/* Adds the tiles of a sheet, row by row, as pictures of their own; with hold_out > 0 every hold_out-th goes to
 * validation. */
static bool add_sheet(tess_trainer *trainer, const char *path, int validation, int hold_out, int side, captions *lines,
                      bool *fatal, char fault[FAULT_SIZE]) {
    ts_image sheet = {0};
    if (!picture_read(path, 3, &sheet, fault)) return false;
    int count = 0;
    bool ok = sheet.width >= side && sheet.height >= side;
    if (!ok) {
        snprintf(fault, FAULT_SIZE, "%.200s is %d x %d, smaller than one tile; check --tile", path, sheet.width,
                 sheet.height);
        ts_image_free(&sheet);
        return false;
    }
    for (int y = 0; y + side <= sheet.height && ok; y += side) {
        for (int x = 0; x + side <= sheet.width && ok; x += side) {
            if (tile_is_empty(&sheet, x, y, side)) continue;
            const int held = hold_out > 0 && count++ % hold_out == hold_out / 2;
            ok = add_tile(trainer, &sheet, x, y, side, validation || held);
            if (ok && !captions_give(lines, trainer, validation || held, fault)) ok = false, *fatal = true;
        }
    }
    ts_image_free(&sheet);
    return ok || *fatal ? ok : trainer_fault(trainer, path, fault);
}

/* Adds a folder's pictures (or sheets); files that are no good are said and left out. With hold_out > 0 every
 * hold_out-th picture or tile goes to validation. False if none was good. */
static bool add_folder(tess_trainer *trainer, const char *folder, int validation, int hold_out, const train_options *o,
                       captions *lines, char fault[FAULT_SIZE]) {
    file_list files;
    if (!list_folder(folder, PICTURE_ENDINGS, &files, fault)) return false;
    const int side = o->tile ? 65535 : side_for_memory(&files, o->max_side, o->memory_mb * 1e6);
    int good = 0;
    bool fatal = false; /* a bad caption, unlike a bad picture, ends it all */
    progress bar = progress_new();
    for (int i = 0; i < files.count && !interrupted() && !fatal; i++) {
        const int held = hold_out > 0 && i % hold_out == hold_out / 2;
        const bool added = o->tile
                               ? add_sheet(trainer, files.paths[i], validation, hold_out, o->tile, lines, &fatal, fault)
                               : add_picture(trainer, files.paths[i], validation || held, side, fault);
        if (!o->tile && !captions_give(lines, trainer, validation || held || !added, fault)) fatal = true;
        if (added) {
            good++;
        } else if (!fatal) {
            progress_end(&bar);
            say_fault(fault);
        }
        progress_show(&bar, "reading pictures", (i + 1.0) / files.count);
    }
    progress_end(&bar);
    if (good && side < 65535 && side != o->max_side)
        fprintf(stderr, "pictures are shrunk to at most %d px so that they fit %d MB (--memory, --max-side)\n", side,
                o->memory_mb);
    const int count = files.count;
    free_list(&files);
    if (good || fatal) return !fatal;
    if (count == 0) snprintf(fault, FAULT_SIZE, "%.200s holds no pictures (%s)", folder, PICTURE_ENDINGS);
    return false;
}

#define TILES_HOLD_OUT 32 /* of the tiles of sheets, every so manieth */

/* Every how manieth picture is held out when no validation folder is named: eight or so, none of a handful. */
static int hold_out_every(const char *folder) {
    file_list files;
    char fault[FAULT_SIZE];
    if (!list_folder(folder, PICTURE_ENDINGS, &files, fault)) return 0;
    const int count = files.count;
    free_list(&files);
    if (count < 10) return 0;
    return count < 64 ? 8 : count / 8;
}

static bool set_up(tess_trainer *trainer, const char *folder, const train_options *o, char fault[FAULT_SIZE]) {
    bool ok = o->resume ? give_file(trainer, o->resume, true, fault) : give_config(trainer, o->config, fault);
    if (ok && o->init) ok = give_file(trainer, o->init, false, fault);
    if (ok && o->steps && tess_trainer_set(trainer, "steps", o->steps)) ok = trainer_fault(trainer, "--steps", fault);
    if (ok && tess_trainer_set(trainer, "threads", o->threads)) ok = trainer_fault(trainer, "--threads", fault);
    if (ok) ok = give_features(trainer, o, fault);
    captions lines = {0};
    if (ok) ok = captions_read(&lines, o->captions, fault);
    if (ok)
        ok = add_folder(trainer, folder, 0,
                        o->validation ? 0
                        : o->tile     ? TILES_HOLD_OUT
                                      : hold_out_every(folder),
                        o, &lines, fault);
    if (ok && o->validation) ok = add_folder(trainer, o->validation, 1, 0, o, NULL, fault);
    captions_free(&lines);
    return ok;
}

/* ---- the log -------------------------------------------------------------------------------------------------- */

static const char *const FIGURES[] = {"step",       "total",     "l1",   "l2",      "lpips",      "ms_ssim",
                                      "commitment", "codebook",  "psnr", "bpp",     "perplexity", "used",
                                      "dead",       "grad_norm", "lr",   "skipped", "retried",    "images"};
static const char *const ADVERSARY[] = {"phase", "generator",  "discriminator", "features",
                                        "r1",    "lecam",      "entropy",       "real",
                                        "fake",  "d_accuracy", "d_weight",      "d_grad_norm"};
static const char *const PRIOR[] = {"step", "total", "accuracy", "grad_norm", "lr", "skipped", "images"};
enum {
    FIGURE_COUNT = sizeof FIGURES / sizeof *FIGURES,
    ADVERSARY_COUNT = sizeof ADVERSARY / sizeof *ADVERSARY,
    PRIOR_COUNT = sizeof PRIOR / sizeof *PRIOR
};

/* Name i of a run's figures, NULL after the last: the adversary's come last, where there is one; a prior has its own. */
static const char *figure(const tess_trainer *trainer, int i) {
    if (isfinite(tess_trainer_stat(trainer, "encoded"))) return i < PRIOR_COUNT ? PRIOR[i] : NULL;
    if (i < FIGURE_COUNT) return FIGURES[i];
    const bool adversary = isfinite(tess_trainer_stat(trainer, "adversarial"));
    return adversary && i < FIGURE_COUNT + ADVERSARY_COUNT ? ADVERSARY[i - FIGURE_COUNT] : NULL;
}

/* Opens the CSV: a resumed run appends. */
static FILE *open_log(const train_options *o, char fault[FAULT_SIZE]) {
    FILE *log = fopen(o->log, o->resume ? "ab" : "wb");
    if (!log) {
        snprintf(fault, FAULT_SIZE, "%.200s cannot be opened for writing; check --log", o->log);
        return NULL;
    }
    return log;
}

/* A line of the CSV; an empty one gets its heading first. */
static void log_step(FILE *log, const tess_trainer *trainer, double seconds) {
    fseek(log, 0, SEEK_END);
    if (ftell(log) == 0) {
        for (int i = 0; figure(trainer, i); i++) fprintf(log, "%s,", figure(trainer, i));
        fputs("seconds\n", log);
    }
    for (int i = 0; figure(trainer, i); i++) {
        const double value = tess_trainer_stat(trainer, figure(trainer, i));
        if (isfinite(value)) fprintf(log, "%.7g", value);
        fputc(',', log);
    }
    fprintf(log, "%.1f\n", seconds);
    fflush(log);
}

enum { FIGURES_TEXT = 224 };

/* Appends "label value" to a line of figures; nothing for a figure that was not measured. */
static void add_figure(char text[FIGURES_TEXT], const char *label, int digits, double value) {
    const size_t length = strlen(text);
    if (isfinite(value)) snprintf(text + length, FIGURES_TEXT - length, "%s %.*f", label, digits, value);
}

static void show_step(progress *bar, const tess_trainer *trainer, double seconds, double first_step,
                      double first_images) {
    const double step = tess_trainer_stat(trainer, "step"), steps = tess_trainer_stat(trainer, "steps");
    const double rate = seconds > 0 ? (tess_trainer_stat(trainer, "images") - first_images) / seconds : 0;
    const double left = step > first_step ? seconds / (step - first_step) * (steps - step) : 0;
    const double lpips = tess_trainer_stat(trainer, "lpips");
    const double encoded = tess_trainer_stat(trainer, "encoded");
    char figures[FIGURES_TEXT] = "";
    if (encoded < 1) { /* before a prior's first step */
        progress_show(bar, "encoding pictures", encoded);
        return;
    }
    add_figure(figures, " loss", 4, tess_trainer_stat(trainer, "total"));
    add_figure(figures, " accuracy", 3, tess_trainer_stat(trainer, "accuracy"));
    add_figure(figures, " l1", 4, tess_trainer_stat(trainer, "l1"));
    if (lpips > 0) add_figure(figures, " lpips", 3, lpips);
    add_figure(figures, " g", 3, tess_trainer_stat(trainer, "generator"));
    add_figure(figures, " d", 3, tess_trainer_stat(trainer, "discriminator"));
    add_figure(figures, " right", 2, tess_trainer_stat(trainer, "d_accuracy"));
    add_figure(figures, " weight", 2, tess_trainer_stat(trainer, "d_weight"));
    add_figure(figures, " PSNR", 2, tess_trainer_stat(trainer, "psnr"));
    add_figure(figures, " bpp", 3, tess_trainer_stat(trainer, "bpp"));
    add_figure(figures, " codes", 0, tess_trainer_stat(trainer, "used"));
    add_figure(figures, " dead", 0, tess_trainer_stat(trainer, "dead"));
    progress_text(bar, "%.0f/%.0f%s  %.1f img/s  %d:%02d:%02d left", step, steps, figures, rate, (int)(left / 3600),
                  (int)(left / 60) % 60, (int)left % 60);
}

/* Prints the trainer's warning when it is a new one. */
static void show_warning(progress *bar, const tess_trainer *trainer, char shown[FAULT_SIZE]) {
    const char *warning = tess_trainer_warning(trainer);
    if (strcmp(warning, shown) == 0) return;
    snprintf(shown, FAULT_SIZE, "%s", warning);
    if (!*warning) return;
    progress_end(bar);
    fprintf(stderr, "step %.0f: %s\n", tess_trainer_stat(trainer, "step"), warning);
}

/* ---- the run -------------------------------------------------------------------------------------------------- */

static bool save(tess_trainer *trainer, const char *path, bool checkpoint, bool half, char fault[FAULT_SIZE]) {
    const uint8_t *bytes;
    size_t size;
    const tess_status status = checkpoint ? tess_trainer_checkpoint(trainer, &bytes, &size)
                                          : tess_trainer_model(trainer, half, &bytes, &size);
    if (status) return trainer_fault(trainer, path, fault);
    return file_write(path, bytes, size, fault);
}

static void report(const tess_trainer *trainer, const train_options *o, double seconds) {
    if (!o->json) {
        char figures[FIGURES_TEXT] = "";
        add_figure(figures, ", accuracy", 3, tess_trainer_stat(trainer, "accuracy"));
        add_figure(figures, ", PSNR", 2, tess_trainer_stat(trainer, "psnr"));
        add_figure(figures, ", bpp", 3, tess_trainer_stat(trainer, "bpp"));
        add_figure(figures, ", codes in use", 0, tess_trainer_stat(trainer, "used"));
        printf("%s: %.0f steps in %.0f s%s\n", o->out, tess_trainer_stat(trainer, "step"), seconds, figures);
        return;
    }
    json_line j = json_begin(stdout);
    json_text(&j, "output", o->out);
    for (int i = 0; figure(trainer, i); i++)
        json_real(&j, figure(trainer, i), tess_trainer_stat(trainer, figure(trainer, i)));
    json_real(&j, "seconds", seconds);
    json_end(&j);
}

/* Steps until done, interrupted or at fault; keeps the checkpoint fresh. */
static bool run_training(tess_trainer *trainer, const train_options *o, FILE *log, const char *checkpoint,
                         char fault[FAULT_SIZE]) {
    const double start = clock_ms(), first_step = tess_trainer_stat(trainer, "step"),
                 first_images = tess_trainer_stat(trainer, "images");
    double saved = start, logged = 0;
    char warning[FAULT_SIZE] = "";
    bool ok = true;
    tess_status status = TESS_MORE;
    progress bar = progress_new();
    while (ok && status == TESS_MORE && !interrupted()) {
        status = tess_trainer_step(trainer);
        if (status < 0) {
            ok = trainer_fault(trainer, "training", fault);
            break;
        }
        const double now = clock_ms(), seconds = (now - start) / 1000, step = tess_trainer_stat(trainer, "step");
        show_step(&bar, trainer, seconds, first_step, first_images);
        show_warning(&bar, trainer, warning);
        if (log && (step - logged >= 10 || status == TESS_DONE)) log_step(log, trainer, seconds), logged = step;
        if (now - saved >= o->checkpoint_minutes * 60e3) {
            progress_end(&bar);
            if (!save(trainer, checkpoint, true, false, fault)) say_fault(fault); /* the next one may work */
            saved = clock_ms();
        }
    }
    progress_end(&bar);
    const double seconds = (clock_ms() - start) / 1000;
    char other[FAULT_SIZE];
    const bool kept = save(trainer, checkpoint, true, false, ok ? fault : other);
    if (!ok || !kept) return false;
    if (status == TESS_MORE) {
        snprintf(fault, FAULT_SIZE, "stopped after step %.0f; go on with --resume %.200s",
                 tess_trainer_stat(trainer, "step"), checkpoint);
        return false;
    }
    ok = save(trainer, o->out, false, !o->full, fault);
    if (ok) report(trainer, o, seconds);
    return ok;
}

static int train(const char *folder, const train_options *o) {
    char fault[FAULT_SIZE] = "memory is out", checkpoint[PATH_SIZE];
    if (snprintf(checkpoint, sizeof checkpoint, "%s.ckpt", o->out) >= (int)sizeof checkpoint) return EXIT_FAILED;
    FILE *log = NULL;
    tess_trainer *trainer = tess_trainer_new();
    bool ok = trainer != NULL;
    if (ok && o->log) ok = (log = open_log(o, fault)) != NULL;
    catch_interrupt();
    ok = ok && set_up(trainer, folder, o, fault);
    if (ok && interrupted()) {
        snprintf(fault, sizeof fault, "stopped before the first step");
        ok = false;
    }
    ok = ok && run_training(trainer, o, log, checkpoint, fault);
    if (!ok) say_fault(fault);
    if (log) fclose(log);
    tess_trainer_free(trainer);
    return ok ? EXIT_OK : EXIT_FAILED;
}

static int run(int argc, char **argv, const char *program) {
    (void)program;
    train_options o = {.threads = processors(), .memory_mb = 1500, .checkpoint_minutes = 3};
    const option table[] = {
        {'c', "config", OPTION_TEXT, &o.config, 0, 0, "FILE",
         "JSON config of nets, quantizer and training (docs/FORMAT.md)"},
        {'o', "output", OPTION_TEXT, &o.out, 0, 0, "MODEL", "the model to write; checkpoints go to MODEL.ckpt"},
        {0, "steps", OPTION_INT, &o.steps, 1, 1e9, "N", "steps in all, instead of the config's"},
        {0, "resume", OPTION_TEXT, &o.resume, 0, 0, "CKPT", "go on from a checkpoint, exactly (no -c needed)"},
        {0, "init", OPTION_TEXT, &o.init, 0, 0, "MODEL", "start from this model's weights instead of random ones"},
        {0, "log", OPTION_TEXT, &o.log, 0, 0, "FILE.csv", "figures of every tenth step"},
        {0, "features", OPTION_TEXT, &o.features, 0, 0, "FILE", "feature net for LPIPS (SqueezeNet 1.1, safetensors)"},
        {0, "heads", OPTION_TEXT, &o.heads, 0, 0, "FILE", "LPIPS heads for it (safetensors)"},
        {0, "validation", OPTION_TEXT, &o.validation, 0, 0, "DIR", "pictures to hold out; a few of DIR if left out"},
        {0, "captions", OPTION_TEXT, &o.captions, 0, 0, "FILE.jsonl",
         "for a prior: line i is an object with the \"caption\" or \"class\" of picture (or tile) i"},
        {0, "threads", OPTION_INT, &o.threads, 1, 64, "N", "threads; all processors if left out"},
        {0, "max-side", OPTION_INT, &o.max_side, 32, 65535, "PX", "shrink pictures whose longer side exceeds this"},
        {0, "tile", OPTION_INT, &o.tile, 8, 4096, "PX", "pictures are sheets: cut each into tiles of PX x PX pixels"},
        {0, "memory", OPTION_INT, &o.memory_mb, 1, 1e6, "MB", "for all pictures; larger ones are shrunk to fit (1500)"},
        {0, "checkpoint", OPTION_REAL, &o.checkpoint_minutes, 0, 1e6, "MIN",
         "minutes between checkpoints (3); 0: after every step"},
        {0, "full", OPTION_FLAG, &o.full, 0, 0, NULL, "store weights as float32 instead of float16"},
        {0, "json", OPTION_FLAG, &o.json, 0, 0, NULL, "the last step's figures as a line of JSON"},
    };
    const verb *v = &VERB_TRAIN;
    const int count = options_parse(v, table, sizeof table / sizeof *table, argc, argv);
    if (count < 0) return count == -2 ? EXIT_OK : EXIT_USAGE;
    if (!o.out) return usage_error(v, "name the model to write by -o");
    if (!o.config && !o.resume) return usage_error(v, "name a config by -c, or a checkpoint by --resume");
    if (o.config && o.resume)
        return usage_error(v, "-c and --resume exclude each other: a checkpoint holds its config");
    if (o.resume && o.init) return usage_error(v, "--init and --resume exclude each other");
    if (!o.features != !o.heads) return usage_error(v, "--features and --heads go together");
    return train(argv[1], &o);
}

const verb VERB_TRAIN = {
    "train",
    "DIR",
    "a model, or a prior for one, from a folder of pictures",
    "Ctrl-C saves MODEL.ckpt and stops; --resume MODEL.ckpt goes on from there with the same numbers as if nothing had "
    "been.",
    1,
    1,
    run,
};
