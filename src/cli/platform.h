/* platform.h - what differs between a native program and WASM under Node: the only place that knows. */
#ifndef TS_CLI_PLATFORM_H
#define TS_CLI_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>

double clock_ms(void); /* a steady clock */
bool stderr_is_terminal(void);
const char *environment(const char *name); /* NULL if unset; the text lives until the next call */
/* The folder of this program, without a closing slash, into out. */
bool program_folder(const char *argv0, char *out, size_t capacity);
long process_id(void);
bool process_lives(int id); /* id: above 0; true as well for a process that is not ours to ask */
int processors(void);       /* worth using, at least 1 */
void catch_interrupt(void); /* from now on Ctrl-C only makes interrupted() true (a second one ends the program) */
bool interrupted(void);

#endif
