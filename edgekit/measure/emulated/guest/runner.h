/* What the guest runners share: their arguments, the tensors of a job, marks, clocks and the result.
 *
 * A runner is called as
 *   RUNNER library=FILE model=FILE job=FOLDER warmup=N repeats=N threads=N operators=0|1|2 seconds=N
 * FOLDER/inputs.txt has a line for each input of the model, in order: dtype, then the dimensions. FOLDER/inputs.bin
 * holds their values, one tensor after the other, little-endian. The runner writes FOLDER/outputs.bin in the same way
 * and FOLDER/result.json. Exit status: 0, or 3 with {"error": ...} in result.json. operators=1 adds the runtime's own
 * time of each operator in one more run, where it gives one; operators=2 names each on standard error as it begins.
 */
#ifndef RUNNER_H
#define RUNNER_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MAX_TENSORS = 64, MAX_RANK = 8, MAX_OPERATORS = 8192 };
/* Outside the emulator no kernel has this system call: it fails, harmlessly. */
enum { MARK = 0x4544, MARK_WARM = 0, MARK_BEGIN = 1, MARK_END = 2 };

typedef struct { const char *name; size_t bytes; } dtype;
static const dtype DTYPES[] = {{"float32", 4}, {"float16", 2}, {"float64", 8}, {"int8", 1}, {"uint8", 1}, {"int16", 2},
                               {"uint16", 2}, {"int32", 4}, {"uint32", 4}, {"int64", 8}, {"uint64", 8}, {"bool", 1},
                               {"bfloat16", 2}};
enum { N_DTYPES = sizeof DTYPES / sizeof *DTYPES };

typedef struct { int dtype, rank; int64_t dims[MAX_RANK]; size_t bytes; void *data; char name[128]; } tensor;
typedef struct { char name[128]; uint64_t ns; } operator_time;

typedef struct {
    const char *library, *model, *folder;
    int warmup, repeats, threads, operators, seconds;
    char runtime[64];
    int n_inputs, n_outputs, n_operators;
    tensor inputs[MAX_TENSORS], outputs[MAX_TENSORS];
    operator_time *operator_times;
    uint64_t load_ns, *times_ns;
} job;

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static inline bool any_line(const char *file, bool (*is)(const char *line))
{
    char line[512];
    bool found = false;
    FILE *f = fopen(file, "r");
    while (f && fgets(line, sizeof line, f))
        found |= is(line);
    if (f)
        fclose(f);
    return found;
}

static inline bool maps_qemu(const char *line)
{
    const char *name = strrchr(line, '/');
    return name && !strncmp(name, "/qemu-", 6);
}

static inline bool is_software(const char *line)
{
    unsigned implementer;
    return sscanf(line, "CPU implementer : %x", &implementer) == 1 && implementer == 0;
}

/* Whether the processor is itself emulated, so that no clock says anything of a device. QEMU's generic timer runs at
 * 62.5 MHz, a frequency that no chip is known to have (19.2, 24, 25, 26, 52, 54, 100 MHz; 1 GHz since Armv8.6); the
 * processor "max" says implementer 0, which Arm keeps for software; and user mode leaves a task's own maps as the host's
 * kernel gives them. */
static inline bool emulated(void)
{
    bool found = false;
#ifdef __aarch64__
    uint64_t hz;
    __asm__("mrs %0, cntfrq_el0" : "=r"(hz));
    found = hz == 62500000;
#endif
    char maps[64];
    snprintf(maps, sizeof maps, "/proc/self/task/%d/maps", (int)getpid());
    return found || any_line(maps, maps_qemu) || any_line("/proc/cpuinfo", is_software);
}

static inline FILE *file_of(const job *j, const char *name, const char *mode)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", j->folder, name);
    FILE *f = fopen(path, mode);
    if (!f) {
        perror(path);
        exit(2);
    }
    return f;
}

/* A file that could not be written whole, on a full disk, is no result. */
static inline void close_or_exit(FILE *f, const char *name)
{
    bool failed = ferror(f);
    if (fclose(f) || failed) {
        perror(name);
        exit(2);
    }
}

/* What the runner is at, for whoever looks into its log after a crash. */
static inline void now_at(const char *step)
{
    fprintf(stderr, "edgekit-at: %s\n", step);
}

static inline void put_text(FILE *f, const char *text)
{
    fputc('"', f);
    for (; *text; text++)
        if ((unsigned char)*text < 0x20)
            fputc(' ', f);
        else {
            if (*text == '"' || *text == '\\')
                fputc('\\', f);
            fputc(*text, f);
        }
    fputc('"', f);
}

/* Ends the process: what went wrong stands in result.json. */
static inline void fail(const job *j, const char *step, const char *why)
{
    FILE *f = file_of(j, "result.json", "w");
    fputs("{\"error\":", f);
    put_text(f, why && *why ? why : "no reason given");
    fputs(",\"step\":", f);
    put_text(f, step);
    fputs("}\n", f);
    close_or_exit(f, "result.json");
    exit(3);
}

static inline size_t elements(const tensor *t)
{
    size_t n = 1;
    for (int k = 0; k < t->rank; k++)
        n *= t->dims[k];
    return n;
}

static inline int dtype_named(const char *name)
{
    for (int k = 0; k < N_DTYPES; k++)
        if (!strcmp(DTYPES[k].name, name))
            return k;
    return -1;
}

static inline void read_inputs(job *j)
{
    char line[512];
    FILE *text = file_of(j, "inputs.txt", "r"), *values = file_of(j, "inputs.bin", "r");
    while (fgets(line, sizeof line, text)) {
        if (j->n_inputs == MAX_TENSORS)
            fail(j, "inputs", "more inputs than the runner takes");
        tensor *t = &j->inputs[j->n_inputs++];
        char *word = strtok(line, " \n");
        t->dtype = word ? dtype_named(word) : -1;
        if (t->dtype < 0)
            fail(j, "inputs", "an input of unknown dtype");
        while ((word = strtok(NULL, " \n"))) {
            if (t->rank == MAX_RANK)
                fail(j, "inputs", "an input of too many dimensions");
            t->dims[t->rank++] = atoll(word);
        }
        t->bytes = elements(t) * DTYPES[t->dtype].bytes;
        t->data = aligned_alloc(64, (t->bytes + 127) / 64 * 64);
        if (fread(t->data, 1, t->bytes, values) != t->bytes)
            fail(j, "inputs", "inputs.bin is too short");
    }
    fclose(text);
    fclose(values);
}

static inline job *job_of(int argc, char **argv)
{
    static job j;
    j.warmup = j.repeats = j.threads = 1;
    const struct { const char *name, **text; int *number; } known[] = {
        {"library", &j.library, NULL}, {"model", &j.model, NULL}, {"job", &j.folder, NULL}, {"warmup", NULL, &j.warmup},
        {"repeats", NULL, &j.repeats}, {"threads", NULL, &j.threads}, {"operators", NULL, &j.operators},
        {"seconds", NULL, &j.seconds}};
    for (int k = 1; k < argc; k++) {
        char *value = strchr(argv[k], '=');
        size_t i, n = sizeof known / sizeof *known;
        for (i = 0; value && i < n; i++)
            if (!strncmp(argv[k], known[i].name, value - argv[k]) && !known[i].name[value - argv[k]])
                break;
        if (!value || i == n)
            exit((fprintf(stderr, "unknown argument '%s'\n", argv[k]), 2));
        if (known[i].text)
            *known[i].text = value + 1;
        else
            *known[i].number = atoi(value + 1);
    }
    alarm(j.seconds); /* 0: no alarm; else SIGALRM ends the process */
    if (!j.folder)
        exit((fprintf(stderr, "job=FOLDER is needed\n"), 2));
    j.times_ns = (uint64_t *)calloc(j.repeats + 1, sizeof *j.times_ns);
    j.operator_times = (operator_time *)calloc(MAX_OPERATORS, sizeof *j.operator_times);
    read_inputs(&j);
    return &j;
}

static inline void add_operator(job *j, const char *name, uint64_t ns)
{
    if (j->n_operators == MAX_OPERATORS)
        return;
    operator_time *o = &j->operator_times[j->n_operators++];
    snprintf(o->name, sizeof o->name, "%s", name);
    o->ns = ns;
}

/* Runs `once` warm, then timed and between marks, each time after `give` (or NULL), which is neither timed nor marked.
 * Both end the process through fail() where they cannot. */
static inline void measure(job *j, void (*give)(job *), void (*once)(job *))
{
    now_at("run");
    syscall(MARK, MARK_WARM);
    for (int k = -j->warmup; k < j->repeats; k++) {
        if (give)
            give(j);
        if (k < 0) {
            once(j);
            continue;
        }
        uint64_t begin = now_ns();
        syscall(MARK, MARK_BEGIN);
        once(j);
        syscall(MARK, MARK_END);
        j->times_ns[k] = now_ns() - begin;
    }
}

static inline void write_result(job *j)
{
    FILE *values = file_of(j, "outputs.bin", "w"), *f = file_of(j, "result.json", "w");
    for (int k = 0; k < j->n_outputs; k++)
        fwrite(j->outputs[k].data, 1, j->outputs[k].bytes, values);
    close_or_exit(values, "outputs.bin");
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    fputs("{\"runtime\":", f);
    put_text(f, j->runtime);
    fprintf(f, ",\"load_ns\":%llu,\"peak_rss_kb\":%ld,\"emulated\":%s,\"times_ns\":[",
            (unsigned long long)j->load_ns, used.ru_maxrss, emulated() ? "true" : "false");
    for (int k = 0; k < j->repeats; k++)
        fprintf(f, "%s%llu", k ? "," : "", (unsigned long long)j->times_ns[k]);
    fputs("],\"outputs\":[", f);
    for (int k = 0; k < j->n_outputs; k++) {
        const tensor *t = &j->outputs[k];
        fprintf(f, "%s{\"name\":", k ? "," : "");
        put_text(f, t->name);
        fprintf(f, ",\"dtype\":\"%s\",\"shape\":[", DTYPES[t->dtype].name);
        for (int d = 0; d < t->rank; d++)
            fprintf(f, "%s%lld", d ? "," : "", (long long)t->dims[d]);
        fputs("]}", f);
    }
    fputs("],\"operators\":[", f);
    for (int k = 0; k < j->n_operators; k++) {
        fprintf(f, "%s{\"name\":", k ? "," : "");
        put_text(f, j->operator_times[k].name);
        fprintf(f, ",\"ns\":%llu}", (unsigned long long)j->operator_times[k].ns);
    }
    fputs("]}\n", f);
    close_or_exit(f, "result.json");
}
#endif
