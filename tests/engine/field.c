#include "field.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/f16.h"
#include "base/hash.h"

/* ---- lists ---------------------------------------------------------------------------------------------------------- */

static bool read_tensor(field_tensor *t, const char *text) {
    int used = 0;
    *t = (field_tensor){.count = 1};
    if (sscanf(text, " %95s [%n", t->name, &used) != 1 || used == 0) return false;
    memcpy(t->alias, t->name, sizeof t->alias);
    for (text += used; *text != ']' && t->rank < 4; text += used) {
        unsigned side = 0;
        used = 0;
        if (sscanf(text, "%u%n", &side, &used) != 1) return false;
        if (text[used] == ',') used += 2;
        t->shape[t->rank++] = side;
        t->count *= side;
    }
    return *text == ']';
}

field_list field_read(const char *name, int column) {
    field_list list = {calloc(1024, sizeof *list.tensors), 0, TS_F32};
    char line[512];
    snprintf(line, sizeof line, "tests/fixtures/import/%s.txt", name);
    FILE *in = fopen(line, "r");
    if (in && fgets(line, sizeof line, in) && strncmp(line, "F16", 3) == 0) list.dtype = TS_F16;
    while (in && fgets(line, sizeof line, in) && list.count < 1024) {
        const char *text = line;
        for (int i = 0; i < column && text; i++)
            if ((text = strchr(text, '|')) != NULL) text++;
        if (text && read_tensor(&list.tensors[list.count], text)) list.count++;
    }
    if (in) fclose(in);
    return list;
}

void field_free(field_list *list) { free(list->tensors); }

field_list field_part(const field_list *list, const char *part) {
    field_list found = {calloc(list->count + 1, sizeof *found.tensors), 0, list->dtype};
    for (size_t i = 0; i < list->count; i++) {
        const field_tensor *t = &list->tensors[i];
        if (strncmp(t->name, part, strlen(part)) != 0) continue;
        found.tensors[found.count] = *t;
        snprintf(found.tensors[found.count++].alias, sizeof t->alias, "%s", t->name + strlen(part));
    }
    return found;
}

field_tensor *field_find(const field_list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->tensors[i].name, name) == 0) return &list->tensors[i];
    return NULL;
}

/* ---- values --------------------------------------------------------------------------------------------------------- */

static float noise(uint64_t seed, size_t i) {
    uint64_t x = seed + (uint64_t)(i + 1) * 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    x ^= x >> 31;
    return (float)((int64_t)(x >> 40) - (1 << 23)) * 0x1p-23F;
}

/* Appends the tensor's values as `dtype`. */
static void write_values(ts_writer *w, const field_tensor *t, ts_dtype dtype) {
    const uint64_t seed = ts_fnv1a64(TS_FNV_START, t->name, strlen(t->name));
    const size_t length = strlen(t->name);
    const bool is_weight = length > 6 && strcmp(t->name + length - 6, "weight") == 0;
    const double fan_in = t->shape[0] ? (double)t->count / (double)t->shape[0] : 1;
    float scale = (float)sqrt(3 / fan_in), shift = 0;
    if (t->rank == 1) scale = 0.125F, shift = is_weight ? 1 : 0;
    else if (strstr(t->name, "embedding")) scale = 1;
    if (!ts_writer_reserve(w, t->count * ts_dtype_bytes(dtype))) return;
    for (size_t i = 0; i < t->count; i++) {
        const float value = noise(seed, i) * scale + shift;
        if (dtype == TS_F16) ts_write_u16(w, ts_f16_from_f32(value));
        else ts_write_f32(w, value);
    }
}

/* ---- safetensors ----------------------------------------------------------------------------------------------------- */

uint8_t *field_safetensors(const field_list *list, size_t *size) {
    ts_writer w;
    uint8_t *bytes = NULL;
    ts_file_tensor_source *sources = calloc(list->count + 1, sizeof *sources);
    size_t total = 0;
    ts_writer_init(&w);
    for (size_t i = 0; i < list->count; i++) total += list->tensors[i].count * ts_dtype_bytes(list->dtype);
    ts_writer_reserve(&w, total); /* the data stays in its place */
    for (size_t i = 0; i < list->count; i++) {
        const field_tensor *t = &list->tensors[i];
        ts_file_tensor *out = &sources[i].tensor;
        *out = (ts_file_tensor){.name = t->alias, .dtype = list->dtype, .rank = t->rank, .data = w.data + w.size};
        memcpy(out->shape, t->shape, sizeof t->shape);
        write_values(&w, t, list->dtype);
    }
    if (w.failed || ts_safetensors_write(&bytes, size, sources, list->count, NULL, 0, NULL)) bytes = NULL;
    ts_writer_free(&w);
    free(sources);
    return bytes;
}

/* ---- torch.save ------------------------------------------------------------------------------------------------------ */

static void write_text(ts_writer *w, const char *text) { ts_write_bytes(w, text, strlen(text)); }

static void write_unicode(ts_writer *w, const char *text) {
    ts_write_u8(w, 'X');
    ts_write_u32(w, (uint32_t)strlen(text));
    write_text(w, text);
}

static void write_int(ts_writer *w, uint64_t value) {
    ts_write_u8(w, 'J');
    ts_write_u32(w, (uint32_t)value);
}

/* 'name': _rebuild_tensor_v2(storage i, 0, shape, stride, False, {}) */
static void write_pickled(ts_writer *w, const field_tensor *t, size_t i, ts_dtype dtype) {
    char key[24];
    snprintf(key, sizeof key, "%zu", i);
    write_unicode(w, t->alias);
    write_text(w, "ctorch._utils\n_rebuild_tensor_v2\n((");
    write_unicode(w, "storage");
    write_text(w, dtype == TS_F16 ? "ctorch\nHalfStorage\n" : "ctorch\nFloatStorage\n");
    write_unicode(w, key);
    write_unicode(w, "cpu");
    write_int(w, t->count);
    write_text(w, "tQ");
    write_int(w, 0);
    write_text(w, "(");
    for (int d = 0; d < t->rank; d++) write_int(w, t->shape[d]);
    write_text(w, "t(");
    for (int d = 0; d < t->rank; d++) {
        uint64_t stride = 1;
        for (int k = d + 1; k < t->rank; k++) stride *= t->shape[k];
        write_int(w, stride);
    }
    write_text(w, "t\x89}tRs");
}

static void write_entry(ts_writer *w, ts_writer *directory, const char *name, const ts_writer *data) {
    const uint32_t offset = (uint32_t)w->size, size = (uint32_t)data->size, length = (uint32_t)strlen(name);
    ts_writer *const both[2] = {w, directory};
    for (int i = 0; i < 2; i++) {
        ts_write_u32(both[i], i ? 0x02014b50 : 0x04034b50);
        if (i) ts_write_u16(both[i], 0);
        ts_write_zeros(both[i], 14); /* version, flags, method, time, checksum */
        ts_write_u32(both[i], size);
        ts_write_u32(both[i], size);
        ts_write_u32(both[i], length); /* no extra data */
        if (i) ts_write_zeros(both[i], 10), ts_write_u32(both[i], offset);
        write_text(both[i], name);
    }
    ts_write_bytes(w, data->data, data->size);
}

uint8_t *field_torch(const field_list *list, size_t *size) {
    ts_writer out, directory, pickle, data;
    ts_writer_init(&out), ts_writer_init(&directory), ts_writer_init(&pickle), ts_writer_init(&data);
    write_text(&pickle, "\x80\2}");
    write_unicode(&pickle, "state_dict");
    write_text(&pickle, "}");
    for (size_t i = 0; i < list->count; i++) write_pickled(&pickle, &list->tensors[i], i, list->dtype);
    write_text(&pickle, "s.");
    write_entry(&out, &directory, "field/data.pkl", &pickle);
    for (size_t i = 0; i < list->count; i++) {
        char name[32];
        snprintf(name, sizeof name, "field/data/%zu", i);
        ts_writer_clear(&data);
        write_values(&data, &list->tensors[i], list->dtype);
        write_entry(&out, &directory, name, &data);
    }
    const uint32_t start = (uint32_t)out.size, entries = (uint32_t)list->count + 1;
    ts_write_bytes(&out, directory.data, directory.size);
    ts_write_u32(&out, 0x06054b50);
    ts_write_u32(&out, 0);
    ts_write_u16(&out, (uint16_t)entries);
    ts_write_u16(&out, (uint16_t)entries);
    ts_write_u32(&out, (uint32_t)directory.size);
    ts_write_u32(&out, start);
    ts_write_u16(&out, 0);
    ts_writer_free(&directory), ts_writer_free(&pickle), ts_writer_free(&data);
    *size = out.size;
    return out.data;
}
