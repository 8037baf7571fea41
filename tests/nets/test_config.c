/* The JSON config: what it reads, what it refuses, and that a refusal names the key. */
#include "test.h"

#include "nets/config_part.h"

#define ENCODER                                                                                                        \
    "\"encoder\":[{\"op\":\"unshuffle\",\"factor\":4},{\"op\":\"conv\",\"out\":8,\"kernel\":3},{\"op\":\"res\"},{"     \
    "\"op\":\"conv\",\"out\":4,\"kernel\":4,\"stride\":2}]"
#define DECODER                                                                                                        \
    "\"decoder\":[{\"op\":\"tconv\",\"out\":48,\"kernel\":4,\"stride\":2},{\"op\":\"shuffle\",\"factor\":4}]"
#define VQ "\"quantizer\":{\"type\":\"vq\",\"levels\":3,\"size\":32,\"dim\":4}"

static ts_error error;

static tess_status parse(const char *json, ts_config *c) {
    memset(&error, 0, sizeof error);
    return ts_config_parse(json, strlen(json), c, &error);
}

static void test_defaults(void) {
    ts_config c;
    CHECK_INT(parse("{\"format\":1," ENCODER "," DECODER "," VQ "}", &c), TESS_OK);
    CHECK_INT(c.encoder_count, 4);
    CHECK_INT(c.encoder[1].in, 48);
    CHECK_INT(c.encoder[1].pad[3], 1);
    CHECK(c.encoder[1].bias);
    CHECK_INT(c.encoder[2].hidden, 8);
    CHECK_INT(c.encoder[2].kernels[0], 3);
    CHECK_INT(c.encoder[2].act, TS_LAYER_SILU);
    CHECK_INT(c.encoder[3].pad[0], 1);
    CHECK_INT(c.decoder[0].pad[0], 1);
    CHECK_INT(c.decoder[1].out, 3);
    CHECK_NEAR(c.range[0], -1, 0);
    CHECK_INT(c.quantizer.gradient, 0);
    CHECK_NEAR(c.quantizer.decay, 0.99, 1e-6);
    CHECK_NEAR(c.quantizer.commitment, 0.25, 0);
    CHECK_INT(c.train.size, 128);
    CHECK_NEAR(c.train.betas[1], 0.99, 1e-6);
    CHECK_NEAR(c.train.level_weights[0], 0, 0);
    CHECK_NEAR(c.train.level_weights[2], 1, 0);
    CHECK_INT(ts_config_factor(&c), 8);
}

static void test_values(void) {
    ts_config c;
    CHECK_INT(parse("{\"format\":1,\"name\":\"x\",\"licence\":\"MIT\",\"trained_on\":\"t\",\"range\":[0,255]," ENCODER
                    "," DECODER ",\"quantizer\":{\"type\":\"fsq\",\"bins\":[8,5,5,5]},\"notes\":{\"psnr\":30},"
                    "\"train\":{\"size\":64,\"batch\":2,\"steps\":9,\"lr\":1e-3,"
                    "\"warmup\":1,\"lr_final\":0.5,\"betas\":[0.5,0.9],\"eps\":1e-6,\"weight_decay\":0.1,\"clip\":0,"
                    "\"ema\":0.5,\"seed\":3,"
                    "\"quantize_from\":2,\"flip\":false,\"loss\":{\"l1\":3,\"l2\":4,\"ms_ssim\":5,\"lpips\":6,\"lpips_"
                    "from\":7},\"lambda\":[0.1,0.2]}}",
                    &c),
              TESS_OK);
    CHECK_TEXT(c.name, "x");
    CHECK_NEAR(c.range[1], 255, 0);
    CHECK_INT(c.quantizer.type, TS_QUANTIZER_FSQ);
    CHECK_INT(c.quantizer.size, 1000);
    CHECK_INT(c.quantizer.dim, 4);
    CHECK_INT(c.train.seed, 3);
    CHECK(!c.train.flip);
    CHECK_INT(c.train.loss.lpips_from, 7);
    CHECK_NEAR(c.train.lambda[1], 0.2, 1e-7);
}

static void test_blocks(void) {
    ts_config c;
    const char *json =
        "{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":32,\"kernel\":3,\"stride\":2,\"pad\":[0,0,1,1]},{\"op\":"
        "\"resnet\",\"out\":64},{\"op\":\"attention\",\"groups\":8,\"eps\":1e-5},{\"op\":\"tiny\",\"out\":4,\"pool\":"
        "16}],"
        "\"decoder\":[{\"op\":\"soft_clamp\",\"limit\":2},{\"op\":\"tiny\"},{\"op\":\"conv\",\"out\":12,\"kernel\":1},{"
        "\"op\":"
        "\"shuffle\",\"factor\":2}],\"quantizer\":{\"type\":\"none\",\"dim\":4}}";
    if (!CHECK_INT(parse(json, &c), TESS_OK)) printf("%s\n", error.text);
    CHECK_INT(c.encoder[0].pad[0], 0);
    CHECK_INT(c.encoder[0].pad[3], 1);
    CHECK_INT(c.encoder[1].out, 64);
    CHECK_INT(c.encoder[1].groups, 32);
    CHECK_NEAR(c.encoder[1].eps, 1e-6, 1e-12);
    CHECK_INT(c.encoder[2].out, 64);
    CHECK_INT(c.encoder[2].groups, 8);
    CHECK_NEAR(c.encoder[2].eps, 1e-5, 1e-11);
    CHECK_INT(c.encoder[3].pool, 16);
    CHECK_NEAR(c.decoder[0].limit, 2, 0);
    CHECK_INT(c.decoder[1].out, 4);
    CHECK_INT(c.decoder[1].pool, 0);
    CHECK_INT(c.quantizer.type, TS_QUANTIZER_NONE);
    CHECK_INT(c.quantizer.levels, 0);
    CHECK_INT(c.quantizer.size, 0);
    CHECK_INT(ts_config_factor(&c), 2);
    CHECK_INT(parse("{\"format\":1," ENCODER "," DECODER
                    ",\"quantizer\":{\"type\":\"vq\",\"size\":32,\"dim\":4,\"normalize\":true}}",
                    &c),
              TESS_OK);
    CHECK(c.quantizer.normalize);
}

#define WITH_TRAIN(train) "{\"format\":1," ENCODER "," DECODER "," VQ ",\"train\":" train "}"

static void test_adversarial(void) {
    ts_config c;
    const ts_adversarial_config *a = &c.train.adversarial;
    CHECK_INT(parse(WITH_TRAIN("{}"), &c), TESS_OK);
    CHECK(!a->on);
    CHECK_NEAR(c.train.loss.entropy, 0, 0);
    CHECK_NEAR(c.train.loss.entropy_gamma, 1, 0);
    CHECK_NEAR(c.train.loss.temperature, 0.01, 1e-8);
    CHECK_INT(parse(WITH_TRAIN("{\"adversarial\":{}}"), &c), TESS_OK);
    CHECK(a->on && a->loss == TS_GAN_HINGE && a->balance == TS_BALANCE_LAYER && !a->freeze);
    CHECK(a->discriminator.layers == 3 && a->discriminator.width == 16 && a->discriminator.groups == 8 &&
          a->discriminator.scales == 1);
    CHECK(a->from == 0 && a->ramp == 0 && a->r1_every == 16);
    CHECK_NEAR(a->weight, 0.1, 1e-7);
    CHECK_NEAR(a->limit, 10000, 0);
    CHECK_NEAR(a->lr, 2e-4, 1e-10);
    CHECK_NEAR(a->betas[0], 0.5, 0);
    CHECK_NEAR(a->betas[1], 0.9, 1e-7);
    CHECK_NEAR(a->lecam_decay, 0.99, 1e-7);
    CHECK_NEAR(a->r1 + a->lecam + a->features, 0, 0);
    CHECK_NEAR(a->gate, 1, 0);
    const char *all = WITH_TRAIN(
        "{\"size\":96,\"loss\":{\"entropy\":0.1,\"entropy_gamma\":2,\"temperature\":0.5},"
        "\"adversarial\":{\"discriminator\":{\"layers\":4,\"width\":24,\"groups\":0,\"scales\":2},"
        "\"loss\":\"nonsaturating\",\"weight\":0.8,\"balance\":\"image\",\"limit\":5,\"from\":7,"
        "\"ramp\":9,\"freeze\":true,\"lr\":1e-3,\"betas\":[0,0.99],\"r1\":10,\"r1_every\":4,"
        "\"lecam\":0.3,\"lecam_decay\":0.5,\"features\":4,\"gate\":0.75}}");
    if (!CHECK_INT(parse(all, &c), TESS_OK)) printf("%s\n", error.text);
    CHECK_NEAR(c.train.loss.entropy, 0.1, 1e-8);
    CHECK_NEAR(c.train.loss.entropy_gamma, 2, 0);
    CHECK_NEAR(c.train.loss.temperature, 0.5, 0);
    CHECK(a->discriminator.layers == 4 && a->discriminator.width == 24 && a->discriminator.groups == 0 &&
          a->discriminator.scales == 2);
    CHECK(a->loss == TS_GAN_NONSATURATING && a->balance == TS_BALANCE_IMAGE && a->freeze);
    CHECK(a->from == 7 && a->ramp == 9 && a->r1_every == 4);
    CHECK_NEAR(a->weight, 0.8, 1e-7);
    CHECK_NEAR(a->limit, 5, 0);
    CHECK_NEAR(a->lr, 1e-3, 1e-9);
    CHECK_NEAR(a->betas[0], 0, 0);
    CHECK_NEAR(a->r1, 10, 0);
    CHECK_NEAR(a->lecam, 0.3, 1e-7);
    CHECK_NEAR(a->lecam_decay, 0.5, 0);
    CHECK_NEAR(a->features, 4, 0);
    CHECK_NEAR(a->gate, 0.75, 0);
    CHECK_INT(parse(WITH_TRAIN("{\"adversarial\":{\"balance\":\"none\",\"loss\":\"hinge\"}}"), &c), TESS_OK);
    CHECK(a->balance == TS_BALANCE_NONE && a->loss == TS_GAN_HINGE);
}

#define ONE_LEVEL "\"quantizer\":{\"type\":\"vq\",\"size\":32,\"dim\":4}"
#define WITH_PRIOR(prior) "{\"format\":1," ENCODER "," DECODER "," ONE_LEVEL ",\"prior\":" prior "}"
#define SMALL "\"grid\":[8,6],\"width\":64,\"layers\":2,\"heads\":4"

static void test_prior(void) {
    ts_config c;
    const ts_prior_config *p = &c.prior;
    const ts_prior_train_config *t = &c.train.prior;
    CHECK_INT(parse("{\"format\":1," ENCODER "," DECODER "," VQ "}", &c), TESS_OK);
    CHECK(p->type == TS_PRIOR_NONE && !t->on);
    CHECK_INT(parse(WITH_PRIOR("{" SMALL "}"), &c), TESS_OK);
    CHECK(p->type == TS_PRIOR_TRANSFORMER && p->rows == 8 && p->columns == 6 && p->width == 64 && p->layers == 2 &&
          p->heads == 4 && p->hidden == 256 && p->words == 0 && p->buckets == 0 && p->classes == 0 && !t->on);
    CHECK_NEAR(p->dropout, 0.1, 1e-7);
    CHECK_INT(parse(WITH_PRIOR("{\"type\":\"transformer\",\"hidden\":100,\"dropout\":0," SMALL ",\"classes\":10}"), &c),
              TESS_OK);
    CHECK(p->hidden == 100 && p->classes == 10);
    CHECK_NEAR(p->dropout, 0, 0);
    CHECK_INT(parse(WITH_PRIOR("{" SMALL ",\"text\":{},\"vocabulary\":[\"hat\"]}"), &c), TESS_OK);
    CHECK_INT(parse(WITH_PRIOR("{" SMALL ",\"text\":{}},\"train\":{\"prior\":{}}"), &c), TESS_OK);
    CHECK(p->words == 16 && p->buckets == 4096 && t->on && t->batch == 64 && t->steps == 20000 && t->warmup == 500 &&
          t->seed == 1);
    const double want[] = {4e-4, 0.05, 0.9, 0.96, 0.045, 1, 0.9995, 0.1, 0.1};
    const float got[] = {t->lr,   t->lr_final, t->betas[0],  t->betas[1], t->weight_decay,
                         t->clip, t->ema,      t->smoothing, t->drop};
    for (int i = 0; i < 9; i++) CHECK_NEAR(got[i], want[i], 1e-7);
    CHECK_INT(parse(WITH_PRIOR("{" SMALL
                               ",\"text\":{\"words\":3,\"buckets\":64}},\"train\":{\"prior\":{\"batch\":2,\"steps\":9,"
                               "\"warmup\":0,\"lr\":1,\"seed\":7,\"drop\":0.5,\"smoothing\":0}}"),
                    &c),
              TESS_OK);
    CHECK(p->words == 3 && p->buckets == 64 && t->batch == 2 && t->steps == 9 && t->warmup == 0 && t->seed == 7);
}

#define WITH_UPSCALER(upscaler) "{\"format\":1," ENCODER "," DECODER "," VQ ",\"upscaler\":" upscaler "}"

static void test_upscaler(void) {
    ts_config c;
    CHECK_INT(parse("{\"format\":1," ENCODER "," DECODER "," VQ "}", &c), TESS_OK);
    CHECK(!ts_upscaler_any(&c.upscaler));
    CHECK_INT(parse(WITH_UPSCALER("{\"4\":{},\"2\":{\"width\":32,\"blocks\":0,\"tail\":[16,0]}}"), &c), TESS_OK);
    const ts_upscaler_net *a = &c.upscaler.by2, *b = &c.upscaler.by4;
    CHECK(a->width == 32 && a->blocks == 0 && a->mid == 16 && a->tail == 0);
    CHECK(b->width == 64 && b->blocks == 6 && b->mid == 128 && b->tail == 3); /* defaults */
    CHECK_INT(parse(WITH_UPSCALER("{\"2\":{}}"), &c), TESS_OK);
    CHECK(a->width == 64 && b->width == 0);
}

static ts_error part_error;

static tess_status parse_part(const char *json, ts_part_config *part) {
    ts_config c;
    CHECK_INT(parse("{\"format\":1,\"name\":\"m\"," ENCODER "," DECODER "," VQ "}", &c), TESS_OK);
    return ts_config_parse_part(json, strlen(json), &c, 0x0123456789abcdef, part, &part_error);
}

#define PART_OF "{\"format\":1,\"part_of\":\"0123456789abcdef\""

static void test_part(void) {
    static const struct {
        const char *json, *says;
        tess_status status;
    } refused[] = {
        {"[", "", TESS_ERR_INPUT},
        {"{\"format\":1}", "no part of a model", TESS_ERR_MODEL},
        {"{\"format\":1,\"part_of\":\"0123456789ABCDEF\"}", "part_of must be a fingerprint", TESS_ERR_INPUT},
        {"{\"format\":1,\"part_of\":\"0123456789abcdee\",\"upscaler\":{}}",
         "model 0123456789abcdee, not to m, which is 0123456789abcdef", TESS_ERR_MODEL},
        {PART_OF "}", "neither prior nor upscaler", TESS_ERR_INPUT},
        {PART_OF ",\"upscaler\":{}}", "upscaler must describe a net", TESS_ERR_INPUT},
        {PART_OF ",\"upscaler\":{\"3\":{}}}", "upscaler.3 is not a known key", TESS_ERR_INPUT},
        {PART_OF ",\"upscaler\":{\"4\":{}},\"encoder\":[]}", "encoder is not a known key", TESS_ERR_INPUT},
        {PART_OF ",\"prior\":{\"grid\":[2,2],\"width\":8,\"layers\":1,\"heads\":1}}", "quantizer of one level",
         TESS_ERR_INPUT},
    };
    ts_part_config part;
    CHECK_INT(parse_part(PART_OF ",\"upscaler\":{\"4\":{}},\"name\":\"x\",\"notes\":{}}", &part), TESS_OK);
    CHECK(part.upscaler.by4.width == 64 && part.prior.type == TS_PRIOR_NONE);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        test_row("%s", refused[i].json);
        CHECK_INT(parse_part(refused[i].json, &part), refused[i].status);
        if (!CHECK(strstr(part_error.text, refused[i].says))) printf("    %s\n", part_error.text);
    }
}

#define WITH_CONV(prior) "{\"format\":1," ENCODER "," DECODER "," VQ ",\"prior\":{\"type\":\"conv\"," prior "}}"

static void test_conv_prior(void) {
    ts_config c;
    const ts_prior_config *p = &c.prior;
    CHECK_INT(parse(WITH_CONV("\"width\":16,\"mid\":24"), &c), TESS_OK);
    CHECK(p->type == TS_PRIOR_CONV && p->width == 16 && p->mid == 24 && p->full[0] == 1 && p->full[1] == 2 &&
          p->half[0] == 1 && p->half[1] == 1 && p->quarter == 3 && p->levels == c.quantizer.levels);
    CHECK_INT(parse(WITH_CONV("\"width\":16,\"mid\":24,\"full\":[0,3],\"half\":[2,0],\"quarter\":0,\"levels\":1"), &c),
              TESS_OK);
    CHECK(p->full[0] == 0 && p->full[1] == 3 && p->half[0] == 2 && p->half[1] == 0 && p->quarter == 0 &&
          p->levels == 1);
}

static void test_lfq(void) {
    ts_config c;
    CHECK_INT(parse("{\"format\":1," ENCODER "," DECODER ",\"quantizer\":{\"type\":\"lfq\",\"bits\":4}}", &c), TESS_OK);
    CHECK_INT(c.quantizer.type, TS_QUANTIZER_LFQ);
    CHECK_INT(c.quantizer.levels, 1);
    CHECK_INT(c.quantizer.size, 16);
    CHECK_INT(c.quantizer.dim, 4);
    CHECK_NEAR(c.quantizer.commitment, 0.25, 0);
}

/* A refused config: what it says must contain `says`. */
typedef struct refusal {
    const char *json, *says;
    tess_status status;
} refusal;

static void test_refusals(void) {
    static const refusal rows[] = {
        {"{\"format\":1,", "", TESS_ERR_INPUT},
        {"[]", "must be an object", TESS_ERR_INPUT},
        {"{" ENCODER "," DECODER "," VQ "}", "format is missing", TESS_ERR_INPUT},
        {"{\"format\":2," ENCODER "," DECODER "," VQ "}", "format 2", TESS_ERR_VERSION},
        {"{\"format\":1," DECODER "," VQ "}", "encoder must be a list", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER "}", "quantizer is missing", TESS_ERR_INPUT},
        {"{\"format\":1,\"colour\":3," ENCODER "," DECODER "," VQ "}", "colour is not a known key", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"blur\"}]," DECODER "," VQ "}", "encoder[0].op must be one of \"conv\"",
         TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":8}]," DECODER "," VQ "}", "encoder[0].kernel is missing",
         TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":0,\"kernel\":3}]," DECODER "," VQ "}",
         "encoder[0].out must be a whole number from 1", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":8,\"kernel\":3.5}]," DECODER "," VQ "}",
         "encoder[0].kernel", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":8,\"kernel\":2}]," DECODER "," VQ "}",
         "encoder[0].pad does not fit", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":8,\"kernel\":3,\"pad\":0}]," DECODER "," VQ "}",
         "encoder[0].pad does not fit", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":8,\"kernel\":3,\"pad\":[1,1,1]}]," DECODER "," VQ "}",
         "encoder[0].pad must be a list of 4", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":8,\"kernel\":3,\"pad\":[1,0,1,1]}]," DECODER "," VQ "}",
         "encoder[0].pad does not fit", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":8,\"kernel\":3,\"pad\":[3,1,-1,1]}]," DECODER "," VQ "}",
         "encoder[0].pad must be a list of 4", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"conv\",\"out\":8,\"kernel\":3,\"pad\":[1,0.5,1,1.5]}]," DECODER "," VQ
         "}",
         "encoder[0].pad must be whole", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"resnet\",\"out\":8}]," DECODER "," VQ "}",
         "encoder[0].groups (32 if not given) must divide", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"attention\",\"out\":3,\"groups\":3}]," DECODER "," VQ "}",
         "encoder[0].out is not a known key", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"tiny\",\"pool\":5}]," DECODER "," VQ "}",
         "encoder[0].pool must divide four times", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"soft_clamp\",\"limit\":0}]," DECODER "," VQ "}",
         "encoder[0].limit must be a number", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER
         ",\"quantizer\":{\"type\":\"vq\",\"levels\":2,\"size\":32,\"dim\":4,\"normalize\":true}}",
         "quantizer.normalize works with one level", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER ",\"quantizer\":{\"type\":\"none\",\"dim\":4,\"size\":32}}",
         "quantizer.size is not a known key", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"silu\",\"factor\":2}]," DECODER "," VQ "}",
         "encoder[0].factor is not a known key", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"res\",\"kernels\":[3,2]}]," DECODER "," VQ "}",
         "encoder[0].kernels must be odd", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"res\",\"act\":\"norm\"}]," DECODER "," VQ "}",
         "encoder[0].act must be an activation", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"norm\",\"groups\":2}]," DECODER "," VQ "}",
         "encoder[0].groups must divide", TESS_ERR_INPUT},
        {"{\"format\":1,\"encoder\":[{\"op\":\"shuffle\",\"factor\":2}]," DECODER "," VQ "}",
         "encoder[0].factor squared must divide", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER ",\"quantizer\":{\"type\":\"vq\",\"size\":32,\"dim\":5}}",
         "quantizer.dim is 5", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER ",\"quantizer\":{\"type\":\"vq\",\"size\":1,\"dim\":4}}",
         "quantizer.size", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER ",\"quantizer\":{\"type\":\"vq\",\"size\":65537,\"dim\":4}}",
         "quantizer.size", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER
         ",\"quantizer\":{\"type\":\"vq\",\"update\":\"magic\",\"size\":32,\"dim\":4}}",
         "quantizer.update", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER ",\"quantizer\":{\"type\":\"fsq\",\"bins\":[200,200,200,200]}}",
         "quantizer.bins multiply", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER ",\"quantizer\":{\"type\":\"fsq\"}}", "quantizer.bins is missing",
         TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER ",\"decoder\":[{\"op\":\"shuffle\",\"factor\":2}]," VQ "}",
         "decoder ends in 1 channels", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER ",\"decoder\":[{\"op\":\"conv\",\"out\":3,\"kernel\":1}]," VQ "}",
         "shrinks by 8 but the decoder grows by 1", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER "," VQ ",\"train\":{\"size\":60}}", "train.size 60 is not a multiple",
         TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER "," VQ ",\"train\":{\"lr\":\"fast\"}}", "train.lr must be a number",
         TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER "," VQ ",\"train\":{\"loss\":{\"l3\":1}}}",
         "train.loss.l3 is not a known key", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER "," VQ ",\"train\":{\"level_weights\":[1,2]}}",
         "train.level_weights must be a list of 3", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER "," VQ ",\"train\":{\"level_weights\":[0,0,0]}}",
         "train.level_weights must not all be 0", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER ",\"quantizer\":{\"type\":\"lfq\"}}", "quantizer.bits is missing",
         TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER ",\"quantizer\":{\"type\":\"lfq\",\"bits\":17}}",
         "quantizer.bits must be a whole number from 1 to 16", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER ",\"quantizer\":{\"type\":\"lfq\",\"bits\":5}}", "quantizer.dim is 5",
         TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER ",\"quantizer\":{\"type\":\"lfq\",\"bits\":4,\"size\":16}}",
         "quantizer.size is not a known key", TESS_ERR_INPUT},
        {WITH_TRAIN("{\"loss\":{\"temperature\":0}}"), "train.loss.temperature must be a number", TESS_ERR_INPUT},
        {WITH_TRAIN("{\"adversarial\":true}"), "train.adversarial must be an object", TESS_ERR_INPUT},
        {WITH_TRAIN("{\"adversarial\":{\"loss\":\"wgan\"}}"), "train.adversarial.loss must be one of \"hinge\"",
         TESS_ERR_INPUT},
        {WITH_TRAIN("{\"adversarial\":{\"balance\":1}}"), "train.adversarial.balance must be one of", TESS_ERR_INPUT},
        {WITH_TRAIN("{\"adversarial\":{\"wait\":1}}"), "train.adversarial.wait is not a known key", TESS_ERR_INPUT},
        {WITH_TRAIN("{\"adversarial\":{\"gate\":2}}"), "train.adversarial.gate must be a number from 0 to 1",
         TESS_ERR_INPUT},
        {WITH_TRAIN("{\"adversarial\":{\"r1_every\":0}}"), "train.adversarial.r1_every must be a whole number from 1",
         TESS_ERR_INPUT},
        {WITH_TRAIN("{\"adversarial\":{\"betas\":[0.5]}}"), "train.adversarial.betas must be a list of 2",
         TESS_ERR_INPUT},
        {WITH_TRAIN("{\"adversarial\":{\"discriminator\":{\"layers\":5}}}"),
         "train.adversarial.discriminator.layers must be a whole number from 2 to 4", TESS_ERR_INPUT},
        {WITH_TRAIN("{\"adversarial\":{\"discriminator\":{\"width\":12}}}"),
         "train.adversarial.discriminator.groups (8 if not given) must be 0 or divide", TESS_ERR_INPUT},
        {WITH_TRAIN("{\"adversarial\":{\"discriminator\":{\"depth\":3}}}"),
         "train.adversarial.discriminator.depth is not a known key", TESS_ERR_INPUT},
        {WITH_TRAIN("{\"size\":40,\"adversarial\":{\"discriminator\":{\"scales\":2}}}"),
         "train.size 40 is too small for the discriminator, which takes 48", TESS_ERR_INPUT},
        {WITH_PRIOR("3"), "prior must be an object", TESS_ERR_INPUT},
        {WITH_PRIOR("{\"width\":8,\"layers\":1,\"heads\":1}"), "prior.grid is missing", TESS_ERR_INPUT},
        {WITH_PRIOR("{\"type\":\"rnn\"," SMALL "}"), "prior.type must be one of \"transformer\"", TESS_ERR_INPUT},
        {WITH_PRIOR("{" SMALL ",\"depth\":2}"), "prior.depth is not a known key", TESS_ERR_INPUT},
        {WITH_PRIOR("{\"grid\":[8],\"width\":64,\"layers\":2,\"heads\":4}"), "prior.grid must be a list of 2",
         TESS_ERR_INPUT},
        {WITH_PRIOR("{\"grid\":[8,1.5],\"width\":64,\"layers\":2,\"heads\":4}"), "prior.grid must be whole",
         TESS_ERR_INPUT},
        {WITH_PRIOR("{\"grid\":[64,17],\"width\":64,\"layers\":2,\"heads\":4}"), "prior.grid has more than 1024",
         TESS_ERR_INPUT},
        {WITH_PRIOR("{\"grid\":[8,8],\"width\":64,\"layers\":2,\"heads\":3}"), "prior.heads must divide",
         TESS_ERR_INPUT},
        {WITH_PRIOR("{\"grid\":[8,8],\"width\":64,\"layers\":2}"), "prior.heads is missing", TESS_ERR_INPUT},
        {WITH_PRIOR("{" SMALL ",\"text\":{\"words\":0}}"), "prior.text.words must be a whole number from 1",
         TESS_ERR_INPUT},
        {WITH_PRIOR("{" SMALL ",\"text\":{},\"classes\":3}"), "prior.classes and text exclude", TESS_ERR_INPUT},
        {WITH_PRIOR("{" SMALL "},\"train\":{\"prior\":{\"drop\":2}}"), "train.prior.drop must be a number",
         TESS_ERR_INPUT},
        {WITH_UPSCALER("{}"), "upscaler must describe", TESS_ERR_INPUT},
        {WITH_UPSCALER("{\"4\":{\"width\":7}}"), "upscaler.4.width must be a whole number from 8", TESS_ERR_INPUT},
        {WITH_UPSCALER("{\"4\":{\"blocks\":65}}"), "upscaler.4.blocks must be", TESS_ERR_INPUT},
        {WITH_UPSCALER("{\"2\":{\"tail\":[128]}}"), "upscaler.2.tail must be a list of 2", TESS_ERR_INPUT},
        {WITH_UPSCALER("{\"2\":{\"tail\":[128,1.5]}}"), "upscaler.2.tail must be [channels, blocks]", TESS_ERR_INPUT},
        {"{\"format\":1,\"part_of\":\"0123456789abcdef\"," ENCODER "," DECODER "," VQ "}", "load that one",
         TESS_ERR_INPUT},
        {WITH_CONV("\"width\":16"), "prior.mid is missing", TESS_ERR_INPUT},
        {WITH_CONV("\"width\":16,\"mid\":8,\"heads\":2"), "prior.heads is not a known key", TESS_ERR_INPUT},
        {WITH_CONV("\"width\":16,\"mid\":8,\"full\":[1]"), "prior.full must be a list of 2", TESS_ERR_INPUT},
        {WITH_CONV("\"width\":16,\"mid\":8,\"half\":[1,0.5]"), "prior.half must be whole", TESS_ERR_INPUT},
        {WITH_CONV("\"width\":16,\"mid\":8,\"levels\":17"), "prior.levels must be a whole number", TESS_ERR_INPUT},
        {WITH_TRAIN("{\"prior\":{}}"), "train.prior needs a prior", TESS_ERR_INPUT},
        {"{\"format\":1," ENCODER "," DECODER "," VQ ",\"prior\":{" SMALL "}}", "prior needs a quantizer of one level",
         TESS_ERR_INPUT},
        {"{\"format\":1,\"range\":[1,1]," ENCODER "," DECODER "," VQ "}", "range must be two rising", TESS_ERR_INPUT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ts_config c;
        test_row("%s", rows[i].says);
        CHECK_INT(parse(rows[i].json, &c), rows[i].status);
        test_check(strstr(error.text, rows[i].says) != NULL && error.text[0], __FILE__, __LINE__,
                   "the message is \"%s\"", error.text);
    }
}

/* Truncated anywhere it is refused, never taken for something else. */
static void test_truncated(void) {
    const char *json = "{\"format\":1," ENCODER "," DECODER "," VQ ",\"train\":{\"betas\":[0.5,0.9]}}";
    for (size_t n = 0; n < strlen(json); n++) {
        ts_config c;
        CHECK_INT(ts_config_parse(json, n, &c, NULL), TESS_ERR_INPUT);
    }
}

/* 4x4 blocks of 48 channels: 48*8*9 at 1/16 of the pixels, two 8*8*9 there, 8*4*16 at 1/64. Decoder per picture pixel:
 * 4*48*16 per latent = per 64 pixels. */
static void test_macs(void) {
    ts_config c;
    CHECK_INT(parse("{\"format\":1," ENCODER "," DECODER "," VQ "}", &c), TESS_OK);
    CHECK_NEAR(ts_config_encoder_macs(&c), (48 * 8 * 9 + 2 * 8 * 8 * 9) / 16.0 + 8 * 4 * 16 / 64.0, 1e-9);
    CHECK_NEAR(ts_config_decoder_macs(&c), 4 * 48 * 16 / 64.0, 1e-9);
}

int main(void) {
    RUN(test_defaults);
    RUN(test_values);
    RUN(test_blocks);
    RUN(test_adversarial);
    RUN(test_prior);
    RUN(test_upscaler);
    RUN(test_part);
    RUN(test_conv_prior);
    RUN(test_lfq);
    RUN(test_refusals);
    RUN(test_truncated);
    RUN(test_macs);
    return test_end();
}
