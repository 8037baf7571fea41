/* import.c - tesserae import: a checkpoint of the field becomes a model file. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/file.h"
#include "cli/report.h"
#include "cli/verbs.h"
#include "tesserae.h"

/* Reads the inputs and loads them; says what went wrong. The bytes are freed. */
static bool load(tess_model *model, char *const *paths, int count) {
    uint8_t *bytes[2] = {NULL, NULL};
    size_t sizes[2] = {0, 0};
    char fault[FAULT_SIZE];
    bool ok = true;
    for (int i = 0; i < count && ok; i++) ok = file_read(paths[i], &bytes[i], &sizes[i], fault);
    if (ok && tess_model_load_pair(model, bytes[0], sizes[0], bytes[1], sizes[1])) {
        ok = false;
        snprintf(fault, sizeof fault, "%.200s: %s", shown_name(paths[0]), tess_model_message(model));
    }
    if (!ok) say_fault(fault);
    free(bytes[0]);
    free(bytes[1]);
    return ok;
}

static bool save(tess_model *model, const char *path, int half) {
    const uint8_t *bytes;
    size_t size;
    char fault[FAULT_SIZE];
    if (tess_model_save(model, half, &bytes, &size)) {
        snprintf(fault, sizeof fault, "%.200s: %s", shown_name(path), tess_model_message(model));
        say_fault(fault);
        return false;
    }
    if (file_write(path, bytes, size, fault)) return true;
    say_fault(fault);
    return false;
}

static int run(int argc, char **argv, const char *program) {
    (void)program;
    bool half = false, full = false;
    const option table[] = {{0, "half", OPTION_FLAG, &half, 0, 0, NULL, "store weights as 16-bit floats"},
                            {0, "full", OPTION_FLAG, &full, 0, 0, NULL, "store weights as 32-bit floats"}};
    const int count = options_parse(&VERB_IMPORT, table, 2, argc, argv);
    if (count < 0) return count == -2 ? EXIT_OK : EXIT_USAGE;
    if (half && full) return usage_error(&VERB_IMPORT, "--half and --full exclude each other");
    tess_model *model = tess_model_new();
    const bool ok = model && load(model, argv + 1, count - 1) && save(model, argv[count], half ? 1 : full ? 0 : -1);
    if (!model) say_fault("memory is out");
    tess_model_free(model);
    return ok ? EXIT_OK : EXIT_FAILED;
}

const verb VERB_IMPORT = {
    "import",
    "IN [IN2] OUT",
    "a VQGAN or TAESD checkpoint (.safetensors, PyTorch .ckpt .pt .pth .bin) as a model file",
    "Reads CompVis taming and latent-diffusion VQGANs, LlamaGen's tokenizers, diffusers' VQModel and AutoencoderTiny,\n"
    "and TAESD, whose encoder and decoder are two files: give both. Without --half or --full weights keep their "
    "width.\n"
    "Other commands take such a checkpoint as --model too; importing once makes it smaller and load faster.",
    2,
    3,
    run,
};
