/* options.c - parses words against a verb's table, and prints its help. */
#include "cli/options.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int usage_error(const verb *about, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "tesserae %s: ", about->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, "; see `tesserae %s --help`\n", about->name);
    va_end(args);
    return EXIT_USAGE;
}

static void print_help(const verb *about, const option *table, int count) {
    printf("usage: tesserae %s %s%s\n\n%s.\n", about->name, about->operands, count ? " [options]" : "", about->summary);
    if (about->more) printf("\n%s\n", about->more);
    printf("\noptions:\n");
    for (int i = 0; i < count; i++) {
        char left[64];
        const option *o = &table[i];
        const bool takes = o->kind != OPTION_FLAG;
        if (o->letter)
            snprintf(left, sizeof left, "-%c, --%s%s%s", o->letter, o->name, takes ? " " : "", takes ? o->word : "");
        else snprintf(left, sizeof left, "    --%s%s%s", o->name, takes ? " " : "", takes ? o->word : "");
        printf("  %-26s %s\n", left, o->help);
    }
    printf("  %-26s %s\n", "-h, --help", "this text");
}

/* The whole word as a number in [low, high]. */
static bool parse_number(const char *text, double low, double high, bool whole, double *value) {
    char *end;
    const double x = strtod(text, &end);
    if (end == text || *end || !isfinite(x) || x < low || x > high) return false;
    if (whole && x != floor(x)) return false;
    *value = x;
    return true;
}

static bool parse_list(const char *text, const option *o, number_list *list) {
    char piece[64];
    list->count = 0;
    for (const char *at = text; list->count < LIST_MOST;) {
        const size_t length = strcspn(at, ",");
        if (length >= sizeof piece) return false;
        memcpy(piece, at, length);
        piece[length] = 0;
        if (!parse_number(piece, o->low, o->high, false, &list->values[list->count])) return false;
        list->count++;
        if (!at[length]) return true;
        at += length + 1;
    }
    return false;
}

/* Gives an option its value; false after a message. */
static bool take(const verb *about, const option *o, const char *value) {
    double number = 0;
    switch (o->kind) {
    case OPTION_FLAG: *(bool *)o->target = true; return true;
    case OPTION_TEXT: *(const char **)o->target = value; return true;
    case OPTION_INT:
    case OPTION_REAL:
        if (!parse_number(value, o->low, o->high, o->kind == OPTION_INT, &number)) {
            usage_error(about, "--%s takes %s from %g to %g, not '%s'", o->name,
                        o->kind == OPTION_INT ? "a whole number" : "a number", o->low, o->high, value);
            return false;
        }
        if (o->kind == OPTION_INT) *(int *)o->target = (int)number;
        else *(double *)o->target = number;
        return true;
    case OPTION_REALS:
        if (parse_list(value, o, o->target)) return true;
        usage_error(about, "--%s takes up to %d numbers from %g to %g with commas between, not '%s'", o->name,
                    LIST_MOST, o->low, o->high, value);
        return false;
    }
    return false;
}

/* The option that a word names, and the value that is part of the word ("--q=3", "-q3") or NULL. */
static const option *find(const option *table, int count, const char *word, const char **value) {
    *value = NULL;
    for (int i = 0; i < count; i++) {
        const option *o = &table[i];
        if (word[1] == '-') {
            const size_t length = strlen(o->name);
            if (strncmp(word + 2, o->name, length) != 0) continue;
            if (word[2 + length] == 0) return o;
            if (word[2 + length] != '=') continue;
            *value = word + 3 + length;
            return o;
        }
        if (o->letter && word[1] == o->letter) {
            if (word[2]) *value = word + 2;
            return o;
        }
    }
    return NULL;
}

static bool is_help(const char *word) { return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0; }

int options_parse(const verb *about, const option *table, int count, int argc, char **argv) {
    int operands = 0;
    bool only_operands = false;
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        if (only_operands || word[0] != '-' || word[1] == 0) {
            argv[++operands] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_operands = true;
            continue;
        }
        if (is_help(word)) {
            print_help(about, table, count);
            return -2;
        }
        const char *value;
        const option *o = find(table, count, word, &value);
        if (!o) return usage_error(about, "there is no option %s", word), -1;
        if (o->kind == OPTION_FLAG && value) return usage_error(about, "--%s takes no value", o->name), -1;
        if (o->kind != OPTION_FLAG && !value) {
            if (i + 1 == argc) return usage_error(about, "--%s needs a value (%s)", o->name, o->word), -1;
            value = argv[++i];
        }
        if (!take(about, o, value)) return -1;
    }
    if (operands < about->least)
        return usage_error(about, operands ? "something is missing: give %s" : "nothing to work on: give %s",
                           about->operands),
               -1;
    if (about->most >= 0 && operands > about->most)
        return usage_error(about, "'%s' is one thing too many", argv[about->most + 1]), -1;
    return operands;
}
