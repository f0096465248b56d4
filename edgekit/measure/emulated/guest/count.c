/* SPDX-License-Identifier: MIT
 *
 * QEMU TCG plugin: what a guest program executes between two marks, for AArch64 in user mode.
 * MIT, because QEMU loads it into a GPL-2.0 program. It declares the few functions of QEMU's plugin API (version 1:
 * QEMU 6 to 8) that it calls, so that it builds without QEMU's headers.
 *
 * The guest marks a stretch with a system call that no kernel has: number MARK, argument 1 to begin, 2 to end. The
 * counts between the two are appended to the file `out=`, one JSON object a line, with the blocks of instructions that
 * ran most: how often, and their encodings. The last line, "total", is written when the guest ends, without blocks.
 * Argument 0, before the first run, starts the caches: loading a model would only slow them.
 *
 * Arguments: out=FILE  pages=0|1  cache=KB:WAYS[+KB:WAYS...] (first level first; repeat for other caches that look on)
 * atomic=0|1
 * limit=PAGES (more at a time end the guest with status 77)
 *
 * The guest gets no network: the process may not open sockets from the moment the plugin is loaded.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "classify.h"

#define EXPORT __attribute__((visibility("default")))
typedef uint64_t plugin_id;
typedef uint32_t mem_info;
struct tb;
struct insn;
typedef struct { const char *target_name; } plugin_info; /* more follows, unread */

EXPORT int qemu_plugin_version = 1;
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct tb *, void (*)(unsigned, void *), int flags, void *);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct tb *, int op, void *counter, uint64_t add);
extern void qemu_plugin_register_vcpu_mem_cb(struct insn *, void (*)(unsigned, mem_info, uint64_t, void *), int flags,
                                             int rw, void *);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id, void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t,
                                                                     uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                                     uint64_t));
extern void qemu_plugin_register_vcpu_syscall_ret_cb(plugin_id, void (*)(plugin_id, unsigned, int64_t, int64_t));
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct tb *);
extern uint64_t qemu_plugin_tb_vaddr(const struct tb *);
extern struct insn *qemu_plugin_tb_get_insn(const struct tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct insn *);
extern unsigned qemu_plugin_mem_size_shift(mem_info);
extern bool qemu_plugin_mem_is_store(mem_info);

enum { MARK = 0x4544, MARK_WARM = 0, MARK_BEGIN = 1, MARK_END = 2 };
enum { NO_REGS = 0, READ_AND_WRITE = 3, ADD_U64 = 0, OVER_LIMIT = 77 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *out;
static bool count_pages, atomic_counts, caches_on;

/* ---- translated blocks: each counts how often it ran, its classes are known when it is translated ---- */

typedef struct block {
    struct block *next, *same_bucket;
    uint64_t runs, runs_at_mark;
    uint64_t address, hash;
    uint32_t length, of_class[N_CLASSES], words[];
} block;

enum { BUCKETS = 1 << 16, RARE = 20000 }; /* a block of less than 1 / RARE of all instructions is not written */
static block *blocks, *buckets[BUCKETS];

/* QEMU translates a block again after it flushed its buffer: the same code keeps the same counter. */
static block *block_of(uint64_t address, uint64_t hash, uint32_t length, const uint32_t *of_class,
                       const uint32_t *words)
{
    block **bucket = &buckets[hash >> 48], *b;
    for (b = *bucket; b; b = b->same_bucket)
        if (b->hash == hash && b->address == address && b->length == length)
            return b;
    b = calloc(1, sizeof *b + length * sizeof *words);
    b->hash = hash, b->address = address, b->length = length;
    memcpy(b->of_class, of_class, sizeof b->of_class);
    memcpy(b->words, words, length * sizeof *words);
    b->next = blocks, blocks = b;
    b->same_bucket = *bucket, *bucket = b;
    return b;
}

static void block_ran(unsigned cpu, void *data)
{
    (void)cpu;
    __atomic_fetch_add(&((block *)data)->runs, 1, __ATOMIC_RELAXED);
}

/* ---- caches: set associative, least recently used, every level asked after a miss of the one before ---- */

enum { LINE_SHIFT = 6, MAX_LEVELS = 3, MAX_CACHES = 8, STREAMS = 16, AHEAD = 2 };
typedef struct {
    uint64_t *tags, sets, ways, mask; /* mask: of the set's number, where there are 2^n sets; a division costs more */
    uint64_t streams[STREAMS], next_stream; /* the last line that each of the latest streams missed */
    struct { uint64_t accesses, misses, streamed; } now, at_mark;
} cache;
static struct { cache levels[MAX_LEVELS]; int n; } caches[MAX_CACHES];
static int n_caches;

/* Whether a miss goes on where one of the latest misses was: a prefetcher would have fetched the line ahead. */
static bool streams(cache *c, uint64_t line)
{
    for (int k = 0; k < STREAMS; k++)
        if (line - c->streams[k] - 1 < AHEAD) {
            c->streams[k] = line;
            return true;
        }
    c->streams[c->next_stream++ % STREAMS] = line;
    return false;
}

/* A set's lines stand in the order of their use, the most recent first: a hit there costs one comparison. */
static bool hit(cache *c, uint64_t line)
{
    uint64_t set = c->mask ? line & c->mask : line % c->sets, *tag = c->tags + set * c->ways, moved = tag[0];
    c->now.accesses++;
    if (moved == line)
        return true;
    tag[0] = line;
    for (uint64_t k = 1; k < c->ways; k++) {
        uint64_t next = tag[k];
        tag[k] = moved;
        if (next == line)
            return true;
        moved = next;
    }
    c->now.misses++;
    c->now.streamed += streams(c, line);
    return false;
}

static void touch_line(uint64_t line)
{
    for (int c = 0; c < n_caches; c++)
        for (int k = 0; k < caches[c].n && !hit(&caches[c].levels[k], line); k++)
            ;
}

/* ---- pages of 4 KiB that the guest's data touched and that it has not given back ---- */

enum { PAGE_SHIFT = 12, CHUNK_PAGES = 512, CHUNKS = 1 << 18 };
typedef struct { uint64_t key, bits[CHUNK_PAGES / 64]; } chunk; /* key: chunk number + 1 */
static chunk *chunks;
static uint64_t live_pages, peak_pages, page_limit = UINT64_MAX, program_break;

static chunk *chunk_of(uint64_t number, bool make)
{
    uint64_t h = (number * 0x9e3779b97f4a7c15ull) >> 46;
    while (chunks[h].key && chunks[h].key != number + 1)
        h = (h + 1) % CHUNKS;
    if (!chunks[h].key) {
        if (!make)
            return NULL;
        chunks[h].key = number + 1;
    }
    return &chunks[h];
}

static uint64_t last_page = UINT64_MAX;

static void touch_page(uint64_t page)
{
    if (page == last_page)
        return;
    last_page = page;
    chunk *c = chunk_of(page / CHUNK_PAGES, true);
    uint64_t bit = 1ull << page % 64, *word = &c->bits[page % CHUNK_PAGES / 64];
    if (*word & bit)
        return;
    *word |= bit;
    if (++live_pages > peak_pages)
        peak_pages = live_pages;
    if (live_pages > page_limit)
        _exit(OVER_LIMIT);
}

static void touch_range(uint64_t from, uint64_t bytes)
{
    for (uint64_t page = from >> PAGE_SHIFT; bytes && page <= (from + bytes - 1) >> PAGE_SHIFT; page++)
        touch_page(page);
}

/* Forgets whole pages of a range. */
static void drop_range(uint64_t from, uint64_t bytes)
{
    uint64_t page = (from + (1 << PAGE_SHIFT) - 1) >> PAGE_SHIFT, end = (from + bytes) >> PAGE_SHIFT;
    last_page = UINT64_MAX;
    while (page < end) {
        chunk *c = chunk_of(page / CHUNK_PAGES, false);
        uint64_t stop = (page / CHUNK_PAGES + 1) * CHUNK_PAGES;
        for (stop = stop < end ? stop : end; page < stop; page++) {
            uint64_t bit = 1ull << page % 64, *word = c ? &c->bits[page % CHUNK_PAGES / 64] : NULL;
            if (!word)
                continue;
            live_pages -= !!(*word & bit);
            *word &= ~bit;
        }
    }
}

static void move_range(uint64_t from, uint64_t bytes, uint64_t to)
{
    for (uint64_t page = from >> PAGE_SHIFT; page < (from + bytes) >> PAGE_SHIFT; page++) {
        chunk *c = chunk_of(page / CHUNK_PAGES, false);
        if (!c || !(c->bits[page % CHUNK_PAGES / 64] >> page % 64 & 1))
            continue;
        drop_range(page << PAGE_SHIFT, 1 << PAGE_SHIFT);
        touch_page((to >> PAGE_SHIFT) + page - (from >> PAGE_SHIFT));
    }
}

/* ---- every load and store ---- */

static uint64_t load_bytes, store_bytes, load_bytes_at_mark, store_bytes_at_mark;

static void accessed(unsigned cpu, mem_info info, uint64_t address, void *data)
{
    (void)cpu, (void)data;
    uint64_t size = 1ull << qemu_plugin_mem_size_shift(info), last = address + size - 1;
    if (atomic_counts)
        pthread_mutex_lock(&lock);
    if (qemu_plugin_mem_is_store(info))
        store_bytes += size;
    else
        load_bytes += size;
    if (count_pages)
        touch_page(address >> PAGE_SHIFT);
    if (caches_on)
        touch_line(address >> LINE_SHIFT);
    if (last >> LINE_SHIFT != address >> LINE_SHIFT) {
        if (caches_on)
            touch_line(last >> LINE_SHIFT);
        if (count_pages)
            touch_page(last >> PAGE_SHIFT);
    }
    if (atomic_counts)
        pthread_mutex_unlock(&lock);
}

static void translated(plugin_id id, struct tb *tb)
{
    (void)id;
    size_t n = qemu_plugin_tb_n_insns(tb);
    if (!n)
        return;
    uint64_t address = qemu_plugin_tb_vaddr(tb), hash = address * 0x9e3779b97f4a7c15ull + n;
    uint32_t of_class[N_CLASSES] = {0}, words[n];
    for (size_t k = 0; k < n; k++) {
        struct insn *insn = qemu_plugin_tb_get_insn(tb, k);
        memcpy(&words[k], qemu_plugin_insn_data(insn), sizeof words[k]);
        enum insn_class c = classify(words[k]);
        of_class[c]++;
        hash = (hash ^ words[k]) * 0x100000001b3ull;
        if ((count_pages || n_caches) && touches_memory(c))
            qemu_plugin_register_vcpu_mem_cb(insn, accessed, NO_REGS, READ_AND_WRITE, NULL);
    }
    pthread_mutex_lock(&lock);
    block *b = block_of(address, hash, n, of_class, words);
    pthread_mutex_unlock(&lock);
    if (atomic_counts)
        qemu_plugin_register_vcpu_tb_exec_cb(tb, block_ran, NO_REGS, b);
    else
        qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &b->runs, 1);
}

/* ---- marks and output ---- */

static void begin(void)
{
    for (block *b = blocks; b; b = b->next)
        b->runs_at_mark = b->runs;
    load_bytes_at_mark = load_bytes, store_bytes_at_mark = store_bytes;
    for (int c = 0; c < n_caches; c++)
        for (cache *l = caches[c].levels; l < caches[c].levels + caches[c].n; l++)
            l->at_mark = l->now;
}

static void write_blocks(uint64_t instructions)
{
    const char *comma = "";
    fprintf(out, ",\"blocks\":[");
    for (const block *b = blocks; b; b = b->next) {
        uint64_t runs = b->runs - b->runs_at_mark;
        if (!runs || runs * b->length < instructions / RARE)
            continue;
        fprintf(out, "%s[%llu,\"", comma, (unsigned long long)runs), comma = ",";
        for (uint32_t k = 0; k < b->length; k++)
            fprintf(out, "%08x", b->words[k]);
        fprintf(out, "\"]");
    }
    fputc(']', out);
}

static void write_counts(const char *what, bool with_blocks)
{
    uint64_t of_class[N_CLASSES] = {0}, instructions = 0;
    for (block *b = blocks; b; b = b->next) {
        uint64_t runs = b->runs - b->runs_at_mark;
        if (!runs)
            continue;
        instructions += runs * b->length;
        for (int c = 0; c < N_CLASSES; c++)
            of_class[c] += runs * b->of_class[c];
    }
    fprintf(out, "{\"what\":\"%s\",\"instructions\":%llu,\"by_class\":{", what, (unsigned long long)instructions);
    const char *comma = "";
    for (int c = 0; c < N_CLASSES; c++)
        if (of_class[c])
            fprintf(out, "%s\"%s\":%llu", comma, class_names[c], (unsigned long long)of_class[c]), comma = ",";
    fprintf(out, "},\"load_bytes\":%llu,\"store_bytes\":%llu,\"peak_pages\":%llu,\"caches\":[",
            (unsigned long long)(load_bytes - load_bytes_at_mark),
            (unsigned long long)(store_bytes - store_bytes_at_mark), (unsigned long long)peak_pages);
    for (int c = 0; c < n_caches; c++) {
        fprintf(out, "%s[", c ? "," : "");
        for (const cache *l = caches[c].levels; l < caches[c].levels + caches[c].n; l++)
            fprintf(out, "%s{\"accesses\":%llu,\"misses\":%llu,\"streamed\":%llu}", l == caches[c].levels ? "" : ",",
                    (unsigned long long)(l->now.accesses - l->at_mark.accesses),
                    (unsigned long long)(l->now.misses - l->at_mark.misses),
                    (unsigned long long)(l->now.streamed - l->at_mark.streamed));
        fputc(']', out);
    }
    fputc(']', out);
    if (with_blocks)
        write_blocks(instructions);
    fprintf(out, "}\n");
    fflush(out);
}

/* AArch64 Linux system calls by which memory comes, goes, moves, or is written by the kernel. */
enum { SYS_READ = 63, SYS_PREAD = 67, SYS_BRK = 214, SYS_MUNMAP = 215, SYS_MREMAP = 216, SYS_MMAP = 222,
       SYS_MADVISE = 233, MADV_DONTNEED_ = 4, MAP_FIXED_ = 0x10, MAX_CPUS = 256 };
static uint64_t call[MAX_CPUS][4];

static void syscall_begins(plugin_id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                           uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    (void)id, (void)e, (void)f, (void)g, (void)h;
    if (number == MARK) {
        pthread_mutex_lock(&lock);
        caches_on = true;
        if (a == MARK_END)
            write_counts("inference", true);
        begin();
        pthread_mutex_unlock(&lock);
    }
    memcpy(call[cpu % MAX_CPUS], (uint64_t[]){a, b, c, d}, sizeof call[0]);
}

static void syscall_ended(plugin_id id, unsigned cpu, int64_t number, int64_t result)
{
    (void)id;
    const uint64_t *a = call[cpu % MAX_CPUS];
    if (!count_pages || (result < 0 && result > -4096))
        return;
    pthread_mutex_lock(&lock);
    switch (number) {
    case SYS_READ: case SYS_PREAD: touch_range(a[1], result); break;
    case SYS_MUNMAP: drop_range(a[0], a[1]); break;
    case SYS_MMAP: if (a[3] & MAP_FIXED_) drop_range(result, a[1]); break;
    case SYS_MADVISE: if (a[2] == MADV_DONTNEED_) drop_range(a[0], a[1]); break;
    case SYS_MREMAP:
        if ((uint64_t)result != a[0]) move_range(a[0], a[1], result);
        else if (a[2] < a[1]) drop_range(a[0] + a[2], a[1] - a[2]);
        break;
    case SYS_BRK:
        if ((uint64_t)result < program_break) drop_range(result, program_break - result);
        program_break = result;
        break;
    }
    pthread_mutex_unlock(&lock);
}

static void ended(plugin_id id, void *data)
{
    (void)id, (void)data;
    for (block *b = blocks; b; b = b->next)
        b->runs_at_mark = 0;
    load_bytes_at_mark = store_bytes_at_mark = 0;
    for (int c = 0; c < n_caches; c++)
        for (int k = 0; k < caches[c].n; k++)
            memset(&caches[c].levels[k].at_mark, 0, sizeof caches[c].levels[k].at_mark);
    write_counts("total", false);
    fclose(out);
}

static bool add_caches(const char *value)
{
    if (n_caches == MAX_CACHES)
        return false;
    for (int read; ; value += read + 1) {
        unsigned kb, ways;
        if (caches[n_caches].n == MAX_LEVELS || sscanf(value, "%u:%u%n", &kb, &ways, &read) != 2 || !kb || !ways)
            return false;
        cache *c = &caches[n_caches].levels[caches[n_caches].n++];
        c->ways = ways, c->sets = ((uint64_t)kb << 10 >> LINE_SHIFT) / ways;
        c->mask = c->sets & (c->sets - 1) ? 0 : c->sets - 1;
        c->tags = malloc(c->sets * ways * sizeof *c->tags);
        memset(c->tags, 0xff, c->sets * ways * sizeof *c->tags);
        if (!c->sets || (value[read] && value[read] != '+'))
            return false;
        if (!value[read])
            return ++n_caches;
    }
}

static bool refuse_sockets(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

EXPORT int qemu_plugin_install(plugin_id id, const plugin_info *info, int argc, char **argv)
{
    if (strcmp(info->target_name, "aarch64"))
        return fprintf(stderr, "count: the guest is %s, not aarch64\n", info->target_name), -1;
    for (int k = 0; k < argc; k++) {
        char *value = strchr(argv[k], '=');
        bool known = value != NULL;
        if (known)
            *value++ = 0;
        if (known && !strcmp(argv[k], "out"))
            known = (out = fopen(value, "w")) != NULL;
        else if (known && !strcmp(argv[k], "pages"))
            count_pages = atoi(value);
        else if (known && !strcmp(argv[k], "atomic"))
            atomic_counts = atoi(value);
        else if (known && !strcmp(argv[k], "limit"))
            page_limit = strtoull(value, NULL, 10);
        else
            known = known && !strcmp(argv[k], "cache") && add_caches(value);
        if (!known)
            return fprintf(stderr, "count: cannot use argument '%s'\n", argv[k]), -1;
    }
    if (!out)
        return fprintf(stderr, "count: out=FILE is missing\n"), -1;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* whoever started the emulator waits for it: without them it shall not go on */
    if (!refuse_sockets())
        return perror("count: the network could not be refused"), -1;
    if (count_pages)
        chunks = calloc(CHUNKS, sizeof *chunks);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, syscall_begins);
    qemu_plugin_register_vcpu_syscall_ret_cb(id, syscall_ended);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
