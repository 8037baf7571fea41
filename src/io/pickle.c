/* pickle.c - the stack machine: opcodes of Python's pickletools, those that dicts of tensors are made of. */
#include "io/pickle.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <string.h>

typedef ts_pickle_value value;

typedef struct row { /* a growing array of values */
    value *values;
    size_t count, room;
} row;

typedef struct machine {
    ts_reader in;
    ts_arena *arena;
    ts_error *err;
    tess_status status; /* sticky */
    size_t at;          /* place of the opcode */
    row stack, memo;
} machine;

static const value OTHER = {.kind = TS_PICKLE_OTHER};

static void fail(machine *m, const char *fault) {
    if (m->status == TESS_OK)
        m->status = ts_fail(m->err, TESS_ERR_FORMAT, "Its pickle %s at byte %llu: the file is damaged.", fault,
                            (unsigned long long)m->at);
}

/* ---- stack and memo -------------------------------------------------------------------------------------------- */

static void append(machine *m, row *r, value v, size_t limit) {
    if (m->status < 0) return;
    if (r->count == r->room) {
        const size_t room = r->room ? 2 * r->room : 256;
        value *grown = r->count < limit ? ts_realloc(r->values, room * sizeof v) : NULL;
        if (!grown) {
            if (r->count < limit) m->status = ts_fail_memory(m->err, room * sizeof v);
            else m->status = ts_fail(m->err, TESS_ERR_TOO_LARGE, "Its pickle holds over %zu values.", limit);
            return;
        }
        r->values = grown;
        r->room = room;
    }
    r->values[r->count++] = v;
}

static void push(machine *m, value v) { append(m, &m->stack, v, TS_PICKLE_STACK); }

static void push_int(machine *m, int64_t number) { push(m, (value){.kind = TS_PICKLE_INT, .as.number = number}); }

/* Marks are popped by pop_to_mark alone. */
static value pop(machine *m) {
    if (m->stack.count > 0 && m->stack.values[m->stack.count - 1].kind != TS_PICKLE_MARK)
        return m->stack.values[--m->stack.count];
    fail(m, "takes a value that is not there");
    return OTHER;
}

/* The values above the newest mark, which go; *count of them. Good until the next push. */
static const value *pop_to_mark(machine *m, size_t *count) {
    size_t i = m->stack.count;
    while (i > 0 && m->stack.values[i - 1].kind != TS_PICKLE_MARK) i--;
    *count = 0;
    if (i == 0) {
        fail(m, "misses a mark");
        return NULL;
    }
    *count = m->stack.count - i;
    m->stack.count = i - 1;
    return m->stack.values + i;
}

static void remember(machine *m, size_t index) {
    if (m->stack.count == 0) fail(m, "remembers a value that is not there");
    else if (index > m->memo.count) fail(m, "skips a place of its memo");
    else if (index < m->memo.count) m->memo.values[index] = m->stack.values[m->stack.count - 1];
    else append(m, &m->memo, m->stack.values[m->stack.count - 1], TS_PICKLE_MEMO);
}

static void recall(machine *m, size_t index) {
    if (index < m->memo.count) push(m, m->memo.values[index]);
    else fail(m, "asks for a value it has not remembered");
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void push_text(machine *m, uint64_t size) {
    const char *text = size <= ts_reader_left(&m->in) ? (const char *)ts_read_bytes(&m->in, (size_t)size) : NULL;
    if (text) push(m, (value){.kind = TS_PICKLE_TEXT, .as.text = text, .size = (size_t)size});
    else fail(m, "ends inside a text");
}

static void skip(machine *m, uint64_t size) {
    if (size > ts_reader_left(&m->in)) fail(m, "ends inside a value");
    else ts_read_bytes(&m->in, (size_t)size);
}

/* A little-endian two's complement number of any length; past 8 bytes it describes no tensor. */
static void push_long(machine *m, uint64_t size) {
    uint64_t bits = 0;
    if (size > 8) {
        skip(m, size);
        push(m, OTHER);
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        const uint8_t byte = ts_read_u8(&m->in);
        bits |= (uint64_t)byte << 8 * i;
        if (i + 1 == size && size < 8 && byte & 0x80) bits |= ~(uint64_t)0 << 8 * size;
    }
    push_int(m, (int64_t)bits);
}

static void push_tuple(machine *m, const value *items, size_t count) {
    value *copy = ts_arena_array(m->arena, count, sizeof *copy);
    if (!copy) {
        m->status = ts_fail_memory(m->err, count * sizeof *copy);
        return;
    }
    for (size_t i = 0; i < count; i++) copy[i] = items[i];
    push(m, (value){.kind = TS_PICKLE_TUPLE, .as.items = copy, .size = count});
}

static void push_top_tuple(machine *m, size_t count) {
    value items[3];
    for (size_t i = count; i-- > 0;) items[i] = pop(m);
    push_tuple(m, items, count);
}

/* A line of GLOBAL: up to its newline. */
static value read_line(machine *m) {
    const char *start = (const char *)m->in.data + m->in.pos;
    const size_t left = ts_reader_left(&m->in);
    const char *end = left ? memchr(start, '\n', left) : NULL;
    if (!end) {
        fail(m, "ends inside a name");
        return OTHER;
    }
    ts_read_bytes(&m->in, (size_t)(end - start) + 1);
    return (value){.kind = TS_PICKLE_TEXT, .as.text = start, .size = (size_t)(end - start)};
}

static void push_global(machine *m, value module, value name) {
    value out = OTHER;
    if (m->status == TESS_OK) m->status = ts_pickle_global(&out, module, name, m->at, m->err);
    push(m, out);
}

static void call(machine *m) {
    const value arguments = pop(m), function = pop(m);
    value out = OTHER;
    if (m->status == TESS_OK) m->status = ts_pickle_call(&out, m->arena, function, arguments, m->at, m->err);
    push(m, out);
}

static void push_storage(machine *m) {
    const value id = pop(m);
    value out = OTHER;
    if (m->status == TESS_OK) m->status = ts_pickle_persistent(&out, m->arena, id, m->at, m->err);
    push(m, out);
}

/* ---- filling containers ----------------------------------------------------------------------------------------- */

static void set_items(machine *m, const value *pairs, size_t count) {
    const value *top = m->stack.count ? &m->stack.values[m->stack.count - 1] : &OTHER;
    if (count % 2) fail(m, "sets a key without its value");
    if (m->status < 0 || (top->kind == TS_PICKLE_OTHER && m->stack.count)) return; /* of no interest */
    if (top->kind != TS_PICKLE_DICT) {
        fail(m, "sets items of what is no dict");
        return;
    }
    ts_pickle_dict *dict = top->as.dict;
    const size_t needed = dict->count + count / 2;
    if (needed > dict->room) {
        const size_t room = needed > 2 * dict->room ? needed : 2 * dict->room;
        value *grown = ts_arena_array(m->arena, room, 2 * sizeof *grown);
        if (!grown) {
            m->status = ts_fail_memory(m->err, room * sizeof *grown);
            return;
        }
        for (size_t i = 0; i < 2 * dict->count; i++) grown[i] = dict->pairs[i];
        dict->pairs = grown;
        dict->room = room;
    }
    for (size_t i = 0; i < count; i++) dict->pairs[2 * dict->count + i] = pairs[i];
    dict->count = needed;
}

/* Appended items are dropped: no list describes a tensor. */
static void append_items(machine *m) {
    if (m->stack.count == 0 || m->stack.values[m->stack.count - 1].kind != TS_PICKLE_OTHER)
        fail(m, "appends to what is no list");
}

/* ---- opcodes ------------------------------------------------------------------------------------------------------ */

static bool step_value(machine *m, uint8_t op) {
    switch (op) {
    case 'N':                                                             /* NONE */
    case 0x88:                                                            /* NEWTRUE */
    case 0x89:                                                            /* NEWFALSE */
    case ']':                                                             /* EMPTY_LIST */
    case 0x8f: push(m, OTHER); return true;                               /* EMPTY_SET */
    case '}': push(m, ts_pickle_new_dict(m->arena)); return true;         /* EMPTY_DICT */
    case ')': push_tuple(m, NULL, 0); return true;                        /* EMPTY_TUPLE */
    case 'J': push_int(m, (int32_t)ts_read_u32(&m->in)); return true;     /* BININT */
    case 'K': push_int(m, ts_read_u8(&m->in)); return true;               /* BININT1 */
    case 'M': push_int(m, ts_read_u16(&m->in)); return true;              /* BININT2 */
    case 0x8a: push_long(m, ts_read_u8(&m->in)); return true;             /* LONG1 */
    case 0x8b: push_long(m, ts_read_u32(&m->in)); return true;            /* LONG4 */
    case 'G': skip(m, 8), push(m, OTHER); return true;                    /* BINFLOAT */
    case 'U':                                                             /* SHORT_BINSTRING */
    case 0x8c: push_text(m, ts_read_u8(&m->in)); return true;             /* SHORT_BINUNICODE */
    case 'T':                                                             /* BINSTRING */
    case 'X': push_text(m, ts_read_u32(&m->in)); return true;             /* BINUNICODE */
    case 0x8d: push_text(m, ts_read_u64(&m->in)); return true;            /* BINUNICODE8 */
    case 'C': skip(m, ts_read_u8(&m->in)), push(m, OTHER); return true;   /* SHORT_BINBYTES */
    case 'B': skip(m, ts_read_u32(&m->in)), push(m, OTHER); return true;  /* BINBYTES */
    case 0x8e:                                                            /* BINBYTES8 */
    case 0x96: skip(m, ts_read_u64(&m->in)), push(m, OTHER); return true; /* BYTEARRAY8 */
    default: return false;
    }
}

static bool step_container(machine *m, uint8_t op) {
    size_t count = 0;
    const value *items;
    switch (op) {
    case '(': push(m, (value){.kind = TS_PICKLE_MARK}); return true; /* MARK */
    case 't':                                                        /* TUPLE */
        items = pop_to_mark(m, &count);
        if (m->status == TESS_OK) push_tuple(m, items, count);
        return true;
    case 0x85: push_top_tuple(m, 1); return true; /* TUPLE1 */
    case 0x86: push_top_tuple(m, 2); return true; /* TUPLE2 */
    case 0x87: push_top_tuple(m, 3); return true; /* TUPLE3 */
    case 's': {                                   /* SETITEM */
        value pair[2];
        pair[1] = pop(m), pair[0] = pop(m);
        set_items(m, pair, 2);
        return true;
    }
    case 'u': /* SETITEMS */
        items = pop_to_mark(m, &count);
        set_items(m, items, count);
        return true;
    case 'a': pop(m), append_items(m); return true;                  /* APPEND */
    case 'e':                                                        /* APPENDS */
    case 0x90: pop_to_mark(m, &count), append_items(m); return true; /* ADDITEMS */
    case 0x91: pop_to_mark(m, &count), push(m, OTHER); return true;  /* FROZENSET */
    case '0': pop(m); return true;                                   /* POP */
    case '1': pop_to_mark(m, &count); return true;                   /* POP_MARK */
    default: return false;
    }
}

static bool step_other(machine *m, uint8_t op) {
    value name;
    switch (op) {
    case 0x80: /* PROTO */
        if (ts_read_u8(&m->in) > 5) fail(m, "has a protocol above 5");
        return true;
    case 0x95: ts_read_u64(&m->in); return true; /* FRAME: how much to read ahead */
    case 'q': remember(m, ts_read_u8(&m->in)); return true;
    case 'r': remember(m, ts_read_u32(&m->in)); return true;
    case 0x94: remember(m, m->memo.count); return true; /* MEMOIZE */
    case 'h': recall(m, ts_read_u8(&m->in)); return true;
    case 'j': recall(m, ts_read_u32(&m->in)); return true;
    case 'c': /* GLOBAL */
        name = read_line(m);
        push_global(m, name, read_line(m));
        return true;
    case 0x93: /* STACK_GLOBAL */
        name = pop(m);
        push_global(m, pop(m), name);
        return true;
    case 'Q': push_storage(m); return true; /* BINPERSID */
    case 'R':                               /* REDUCE */
    case 0x81: call(m); return true;        /* NEWOBJ */
    case 'b': /* BUILD: the attributes of an object, which no tensor needs */ pop(m), push(m, pop(m)); return true;
    default: return false;
    }
}

static void run(machine *m) {
    while (m->status == TESS_OK) {
        m->at = m->in.pos;
        const uint8_t op = ts_read_u8(&m->in);
        if (op == '.' && !m->in.failed) return; /* STOP */
        if (!m->in.failed && !step_value(m, op) && !step_container(m, op) && !step_other(m, op))
            m->status = ts_fail(m->err, TESS_ERR_FORMAT,
                                "Its pickle has opcode 0x%02x at byte %llu, which no dict of tensors needs. Save the "
                                "state_dict() alone, best as safetensors.",
                                op, (unsigned long long)m->at);
        if (m->in.failed) fail(m, "is cut off");
        if (m->arena->failed && m->status == TESS_OK) m->status = ts_fail_memory(m->err, m->in.size);
    }
}

tess_status ts_pickle_read(ts_pickle_value *top, ts_arena *arena, const uint8_t *bytes, size_t size, ts_error *err) {
    if (size > TS_PICKLE_BYTES)
        return ts_fail(err, TESS_ERR_TOO_LARGE,
                       "Its pickle has %zu bytes; the limit is %d. Save the state_dict() alone.", size,
                       TS_PICKLE_BYTES);
    machine m = {.in = ts_reader_new(bytes, size), .arena = arena, .err = err};
    run(&m);
    if (m.status == TESS_OK) *top = pop(&m);
    ts_free(m.stack.values);
    ts_free(m.memo.values);
    return m.status;
}

const ts_pickle_value *ts_pickle_get(const ts_pickle_value *dict, const char *key) {
    if (dict->kind != TS_PICKLE_DICT) return NULL;
    const value *pairs = dict->as.dict->pairs;
    for (size_t i = dict->as.dict->count; i-- > 0;) /* the last one set holds */
        if (pairs[2 * i].kind == TS_PICKLE_TEXT && pairs[2 * i].size == strlen(key) &&
            memcmp(pairs[2 * i].as.text, key, pairs[2 * i].size) == 0)
            return &pairs[2 * i + 1];
    return NULL;
}
