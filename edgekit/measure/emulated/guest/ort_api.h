/* The part of ONNX Runtime's C API that the runner calls, by position in `struct OrtApi`, which only ever grows at its
 * end (onnxruntime_c_api.h; positions counted there and checked against the library). */
#ifndef ORT_API_H
#define ORT_API_H
#include <stddef.h>
#include <stdint.h>

typedef void *ort;         /* any Ort object */
typedef ort status;        /* NULL: all is well */
typedef const void *const *ort_table;
typedef struct { const void *(*get_api)(uint32_t version); const char *(*version)(void); } ort_base;

enum { ORT_API_VERSION = 16, ORT_LOG_ERROR = 3, ORT_ALLOCATOR_DEVICE = 0, ORT_MEMORY_DEFAULT = 0 };

#define ORT_FUNCTIONS(X) \
    X(2, const char *, GetErrorMessage, (status)) \
    X(3, status, CreateEnv, (int level, const char *id, ort *)) \
    X(7, status, CreateSession, (ort env, const char *path, ort options, ort *)) \
    X(9, status, Run, (ort session, ort options, const char *const *, const ort *, size_t, const char *const *, size_t, ort *)) \
    X(10, status, CreateSessionOptions, (ort *)) \
    X(14, status, EnableProfiling, (ort options, const char *prefix)) \
    X(24, status, SetIntraOpNumThreads, (ort options, int)) \
    X(25, status, SetInterOpNumThreads, (ort options, int)) \
    X(30, status, SessionGetInputCount, (ort session, size_t *)) \
    X(31, status, SessionGetOutputCount, (ort session, size_t *)) \
    X(33, status, SessionGetInputTypeInfo, (ort session, size_t, ort *)) \
    X(36, status, SessionGetInputName, (ort session, size_t, ort allocator, char **)) \
    X(37, status, SessionGetOutputName, (ort session, size_t, ort allocator, char **)) \
    X(49, status, CreateTensorWithDataAsOrtValue, (ort memory, void *, size_t, const int64_t *, size_t, int type, ort *)) \
    X(51, status, GetTensorMutableData, (ort value, void **)) \
    X(60, status, GetTensorElementType, (ort info, int *)) \
    X(61, status, GetDimensionsCount, (ort info, size_t *)) \
    X(62, status, GetDimensions, (ort info, int64_t *, size_t)) \
    X(65, status, GetTensorTypeAndShape, (ort value, ort *)) \
    X(69, status, CreateCpuMemoryInfo, (int allocator, int memory, ort *)) \
    X(78, status, GetAllocatorWithDefaultOptions, (ort *)) \
    X(96, void, ReleaseValue, (ort)) \
    X(99, void, ReleaseTensorTypeAndShapeInfo, (ort)) \
    X(110, status, SessionEndProfiling, (ort session, ort allocator, char **))

typedef struct {
#define DECLARE(position, result, name, arguments) result (*name) arguments;
    ORT_FUNCTIONS(DECLARE)
} ort_api;

static inline ort_api ort_api_of(ort_table table)
{
    ort_api api;
#define FILL(position, result, name, arguments) api.name = (result (*) arguments)table[position];
    ORT_FUNCTIONS(FILL)
    return api;
}
#endif
