/* options.h - the words of a command line: one table per verb gives parsing, checking and help. */
#ifndef TS_CLI_OPTIONS_H
#define TS_CLI_OPTIONS_H

#include <stdbool.h>

/* What an option takes and where it goes. */
typedef enum option_kind {
    OPTION_FLAG, /* bool *    */
    OPTION_TEXT, /* const char ** */
    OPTION_INT,  /* int *,    low..high */
    OPTION_REAL, /* double *, low..high */
    OPTION_REALS /* number_list *, comma-separated, each low..high */
} option_kind;

enum { LIST_MOST = 16 };

typedef struct number_list {
    double values[LIST_MOST];
    int count;
} number_list;

typedef struct option {
    char letter;      /* short name, or 0 */
    const char *name; /* long name without dashes */
    option_kind kind;
    void *target;
    double low, high;
    const char *word; /* what the help calls the value, such as FILE */
    const char *help;
} option;

typedef struct verb {
    const char *name;
    const char *operands;                                   /* as the usage line shows them */
    const char *summary;                                    /* one line */
    const char *more;                                       /* further help, or NULL */
    int least, most;                                        /* operands; most < 0: any number */
    int (*run)(int argc, char **argv, const char *program); /* argv[0] is the verb; returns the exit code */
} verb;

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Parses argv[1..]: sets targets and moves the operands to argv[1..]. Returns the number of operands, -1 after a usage
 * error (said on stderr), or -2 after --help was printed. */
int options_parse(const verb *about, const option *table, int count, int argc, char **argv);
/* Says "tesserae VERB: sentence" and how to get help; returns EXIT_USAGE. */
int usage_error(const verb *about, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
