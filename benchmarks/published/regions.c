/* What it takes to start and end a parallel region: pthreadpool, as in LiteRT, beside OpenMP, as in ncnn.

   gcc -O2 -fopenmp regions.c -o regions -ldl
   ./regions THREADS GAP_NS LIBRARY

   LIBRARY exports pthreadpool's functions, as PyTorch's libtorch_cpu.so does. Between regions the first thread works
   for GAP_NS alone, as a network's serial parts do. Prints percentiles: on a shared machine the low ones are of regions
   that nobody interrupted. */
#include <dlfcn.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REGIONS 40000
#define ROUNDS 3
#define APART 64 /* ints: no two threads write one line */

typedef void *(*create_fn)(size_t);
typedef void (*destroy_fn)(void *);
typedef void (*parallelize_fn)(void *, void (*)(void *, size_t), void *, size_t, unsigned);

static volatile int written[64 * APART];
static double took[REGIONS];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void work(double ns)
{
    double end = now() + ns;
    while (now() < end)
        ;
}

static void body(void *context, size_t k)
{
    (void)context;
    written[k * APART]++;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void report(const char *name)
{
    qsort(took, REGIONS, sizeof *took, order);
    printf("%s: ", name);
    for (int percent = 5; percent <= 50; percent *= 2)
        printf("%d %% %.0f ns, ", percent, took[REGIONS * percent / 100]);
    printf("50 %% %.0f ns\n", took[REGIONS / 2]);
}

int main(int count, char **arguments)
{
    if (count != 4)
        return fprintf(stderr, "usage: regions THREADS GAP_NS LIBRARY\n"), 2;
    int threads = atoi(arguments[1]);
    double gap = atof(arguments[2]);
    void *library = dlopen(arguments[3], RTLD_NOW | RTLD_GLOBAL);
    if (!library)
        return fprintf(stderr, "%s\n", dlerror()), 1;
    create_fn create = (create_fn)dlsym(library, "pthreadpool_create");
    destroy_fn destroy = (destroy_fn)dlsym(library, "pthreadpool_destroy");
    parallelize_fn parallelize = (parallelize_fn)dlsym(library, "pthreadpool_parallelize_1d");
    if (!create || !destroy || !parallelize || threads < 1 || threads > 64)
        return fprintf(stderr, "no pthreadpool in %s, or not 1 to 64 threads\n", arguments[3]), 1;
    omp_set_num_threads(threads);
    for (int round = 0; round < ROUNDS; round++) {
        void *pool = create(threads);
        for (int k = 0; k < REGIONS; k++) {
            work(gap);
            double began = now();
            parallelize(pool, body, NULL, threads, 0);
            took[k] = now() - began;
        }
        report("pthreadpool");
        destroy(pool);
        for (int k = 0; k < REGIONS; k++) {
            work(gap);
            double began = now();
#pragma omp parallel for
            for (int i = 0; i < threads; i++)
                body(NULL, i);
            took[k] = now() - began;
        }
        report("OpenMP");
    }
}
