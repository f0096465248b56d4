/* Symbols of a runtime's shared library, loaded when the runner starts. */
#ifndef LIBRARY_H
#define LIBRARY_H
#include <dlfcn.h>

#include "runner.h"

static void *library;

static inline void open_library(const job *j)
{
    if (!j->library)
        fail(j, "library", "library=FILE is needed");
    library = dlopen(j->library, RTLD_NOW);
    if (!library)
        fail(j, "library", dlerror());
}

static inline void *symbol(const job *j, const char *name)
{
    void *found = dlsym(library, name);
    if (!found)
        fail(j, "library", dlerror());
    return found;
}

/* IMPORT(int, TfLiteInterpreterInvoke, (Interpreter *)) declares a pointer of that name and fills it. */
#define IMPORT(result, name, arguments) result (*name) arguments = (result (*) arguments)symbol(j, #name)
#endif
