/* Runs a .tflite by the C API of LiteRT 2.x (libLiteRt.so of the ai-edge-litert wheel). Built without its headers: the
 * declarations below are those of litert/c at release 2.3.0. */
#include "library.h"

typedef void *handle;
typedef struct { unsigned rank : 7, has_strides : 1; int32_t dims[8]; uint32_t strides[8]; } layout;
typedef struct { int32_t element_type; layout layout; } tensor_type;
typedef struct {
    const char *tag;
    int32_t kind;
    uint64_t start_us, elapsed_us, begin_memory[3], end_memory[3], metadata[2];
    int32_t source;
} profiled_event;
_Static_assert(sizeof(layout) == 68 && sizeof(tensor_type) == 72 && sizeof(profiled_event) == 104, "LiteRT's layouts");

enum { ACCELERATOR_CPU = 1, LOCK_READ = 0, LOCK_WRITE = 1, EVENT_OPERATOR = 2, EVENT_DELEGATE_OPERATOR = 8 };
/* By LiteRtElementType. */
static const char *const ELEMENT_TYPES[] = {"", "float32", "int32", "uint8", "int64", "", "bool", "int16", "", "int8",
                                            "float16", "float64", "", "uint64", "", "", "uint32", "uint16", "",
                                            "bfloat16"};

static handle environment, model, compiled, signature, inputs[MAX_TENSORS], outputs[MAX_TENSORS];
static int (*run)(handle, size_t, size_t, handle *, size_t, handle *);

#define CHECK(step, call) do { int status_ = (call); if (status_) refuse(j, step, status_); } while (0)

static void refuse(job *j, const char *step, int status)
{
    char why[4096];
    char *messages = NULL;
    if (compiled) {
        IMPORT(int, LiteRtCompiledModelGetErrorMessages, (handle, char **));
        LiteRtCompiledModelGetErrorMessages(compiled, &messages);
    }
    snprintf(why, sizeof why, "LiteRT's status %d%s%s", status, messages && *messages ? ": " : "",
             messages ? messages : "");
    fail(j, step, why);
}

static void add_options(job *j, handle options, const char *id, const char *text)
{
    IMPORT(int, LiteRtCreateOpaqueOptions, (const char *, void *, void (*)(void *), handle *));
    IMPORT(int, LiteRtAddOpaqueOptions, (handle, handle));
    handle opaque;
    CHECK("options", LiteRtCreateOpaqueOptions(id, strdup(text), free, &opaque));
    CHECK("options", LiteRtAddOpaqueOptions(options, opaque));
}

static handle options_of(job *j)
{
    IMPORT(int, LiteRtCreateOptions, (handle *));
    IMPORT(int, LiteRtSetOptionsHardwareAccelerators, (handle, int));
    handle options;
    char threads[64];
    CHECK("options", LiteRtCreateOptions(&options));
    CHECK("options", LiteRtSetOptionsHardwareAccelerators(options, ACCELERATOR_CPU));
    snprintf(threads, sizeof threads, "num_threads = %d", j->threads);
    add_options(j, options, "xnnpack", threads);
    add_options(j, options, "runtime_options_string",
                j->operators ? "enable_profiling = true\nerror_reporter_mode = 2" : "error_reporter_mode = 2");
    return options;
}

static void read_type(job *j, handle tensor_, layout from, tensor *t)
{
    IMPORT(int, LiteRtGetRankedTensorType, (handle, tensor_type *));
    tensor_type type;
    CHECK("outputs", LiteRtGetRankedTensorType(tensor_, &type));
    size_t known = sizeof ELEMENT_TYPES / sizeof *ELEMENT_TYPES;
    const char *name = (size_t)type.element_type < known ? ELEMENT_TYPES[type.element_type] : "";
    t->dtype = dtype_named(name);
    if (t->dtype < 0)
        fail(j, "outputs", "a dtype that the runner does not know");
    t->rank = from.rank;
    for (int k = 0; k < t->rank; k++)
        t->dims[k] = from.dims[k];
    t->bytes = elements(t) * DTYPES[t->dtype].bytes;
}

static handle buffer_of(job *j, handle tensor_, handle requirements, const layout *shape)
{
    IMPORT(int, LiteRtGetRankedTensorType, (handle, tensor_type *));
    IMPORT(int, LiteRtCreateManagedTensorBufferFromRequirements, (handle, const tensor_type *, handle, handle *));
    tensor_type type;
    handle buffer;
    CHECK("buffers", LiteRtGetRankedTensorType(tensor_, &type));
    type.layout = *shape;
    CHECK("buffers", LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, requirements, &buffer));
    return buffer;
}

static void give_inputs(job *j)
{
    IMPORT(int, LiteRtGetNumSignatureInputs, (handle, size_t *));
    IMPORT(int, LiteRtGetSignatureInputTensorByIndex, (handle, size_t, handle *));
    IMPORT(int, LiteRtGetCompiledModelInputTensorLayout, (handle, size_t, size_t, layout *));
    IMPORT(int, LiteRtCompiledModelResizeInputTensor, (handle, size_t, size_t, const int *, size_t));
    IMPORT(int, LiteRtGetCompiledModelInputBufferRequirements, (handle, size_t, size_t, handle *));
    IMPORT(int, LiteRtLockTensorBuffer, (handle, void **, int));
    IMPORT(int, LiteRtUnlockTensorBuffer, (handle));
    size_t n;
    CHECK("inputs", LiteRtGetNumSignatureInputs(signature, &n));
    if ((int)n != j->n_inputs)
        fail(j, "inputs", "the model takes another number of inputs");
    for (size_t k = 0; k < n; k++) {
        const tensor *t = &j->inputs[k];
        int dims[MAX_RANK];
        bool other = false;
        layout shape;
        CHECK("inputs", LiteRtGetCompiledModelInputTensorLayout(compiled, 0, k, &shape));
        for (int d = 0; d < t->rank; d++)
            dims[d] = t->dims[d], other |= d >= (int)shape.rank || dims[d] != shape.dims[d];
        if (other || t->rank != (int)shape.rank)
            CHECK("inputs", LiteRtCompiledModelResizeInputTensor(compiled, 0, k, dims, t->rank));
    }
    for (size_t k = 0; k < n; k++) {
        handle of, requirements;
        layout shape;
        void *values;
        CHECK("inputs", LiteRtGetSignatureInputTensorByIndex(signature, k, &of));
        CHECK("inputs", LiteRtGetCompiledModelInputTensorLayout(compiled, 0, k, &shape));
        CHECK("inputs", LiteRtGetCompiledModelInputBufferRequirements(compiled, 0, k, &requirements));
        inputs[k] = buffer_of(j, of, requirements, &shape);
        CHECK("inputs", LiteRtLockTensorBuffer(inputs[k], &values, LOCK_WRITE));
        memcpy(values, j->inputs[k].data, j->inputs[k].bytes);
        CHECK("inputs", LiteRtUnlockTensorBuffer(inputs[k]));
    }
}

static void prepare_outputs(job *j)
{
    IMPORT(int, LiteRtGetNumSignatureOutputs, (handle, size_t *));
    IMPORT(int, LiteRtGetSignatureOutputTensorByIndex, (handle, size_t, handle *));
    IMPORT(int, LiteRtGetSignatureOutputName, (handle, size_t, const char **));
    IMPORT(int, LiteRtGetCompiledModelOutputTensorLayouts, (handle, size_t, size_t, layout *, bool));
    IMPORT(int, LiteRtGetCompiledModelOutputBufferRequirements, (handle, size_t, size_t, handle *));
    size_t n;
    layout shapes[MAX_TENSORS];
    CHECK("outputs", LiteRtGetNumSignatureOutputs(signature, &n));
    if (n > MAX_TENSORS)
        fail(j, "outputs", "more outputs than the runner takes");
    CHECK("outputs", LiteRtGetCompiledModelOutputTensorLayouts(compiled, 0, n, shapes, true));
    j->n_outputs = n;
    for (size_t k = 0; k < n; k++) {
        handle of, requirements;
        const char *name;
        CHECK("outputs", LiteRtGetSignatureOutputTensorByIndex(signature, k, &of));
        CHECK("outputs", LiteRtGetSignatureOutputName(signature, k, &name));
        CHECK("outputs", LiteRtGetCompiledModelOutputBufferRequirements(compiled, 0, k, &requirements));
        snprintf(j->outputs[k].name, sizeof j->outputs[k].name, "%s", name);
        read_type(j, of, shapes[k], &j->outputs[k]);
        outputs[k] = buffer_of(j, of, requirements, &shapes[k]);
    }
}

static void once(job *j)
{
    CHECK("run", run(compiled, 0, j->n_inputs, inputs, j->n_outputs, outputs));
}

static void read_outputs(job *j)
{
    IMPORT(int, LiteRtLockTensorBuffer, (handle, void **, int));
    for (int k = 0; k < j->n_outputs; k++)
        CHECK("outputs", LiteRtLockTensorBuffer(outputs[k], &j->outputs[k].data, LOCK_READ));
}

static void time_operators(job *j)
{
    IMPORT(int, LiteRtCompiledModelGetProfiler, (handle, handle *));
    IMPORT(int, LiteRtStartProfiler, (handle));
    IMPORT(int, LiteRtStopProfiler, (handle));
    IMPORT(int, LiteRtGetNumProfilerEvents, (handle, int *));
    IMPORT(int, LiteRtGetProfilerEvents, (handle, int, profiled_event *));
    handle profiler;
    int n;
    CHECK("profiling", LiteRtCompiledModelGetProfiler(compiled, &profiler));
    CHECK("profiling", LiteRtStartProfiler(profiler));
    once(j);
    CHECK("profiling", LiteRtStopProfiler(profiler));
    CHECK("profiling", LiteRtGetNumProfilerEvents(profiler, &n));
    profiled_event *events = calloc(n + 1, sizeof *events);
    if (n > 0)
        CHECK("profiling", LiteRtGetProfilerEvents(profiler, n, events));
    for (int k = 0; k < n; k++)
        if (events[k].kind == EVENT_OPERATOR || events[k].kind == EVENT_DELEGATE_OPERATOR)
            add_operator(j, events[k].tag, events[k].elapsed_us * 1000);
}

int main(int argc, char **argv)
{
    job *j = job_of(argc, argv);
    uint64_t begin = now_ns();
    now_at("loading the runtime");
    open_library(j);
    now_at("load");
    IMPORT(int, LiteRtCreateEnvironment, (int, const void *, handle *));
    IMPORT(int, LiteRtCreateModelFromFile, (handle, const char *, handle *));
    IMPORT(int, LiteRtCreateCompiledModel, (handle, handle, handle, handle *));
    IMPORT(int, LiteRtGetModelSignature, (handle, size_t, handle *));
    run = (int (*)(handle, size_t, size_t, handle *, size_t, handle *))symbol(j, "LiteRtRunCompiledModel");
    snprintf(j->runtime, sizeof j->runtime, "LiteRT");
    CHECK("environment", LiteRtCreateEnvironment(0, NULL, &environment));
    if (j->model) {
        CHECK("load", LiteRtCreateModelFromFile(environment, j->model, &model));
        CHECK("load", LiteRtCreateCompiledModel(environment, model, options_of(j), &compiled));
        CHECK("load", LiteRtGetModelSignature(model, 0, &signature));
        give_inputs(j);
        prepare_outputs(j);
        j->load_ns = now_ns() - begin;
        measure(j, NULL, once);
        if (j->operators)
            time_operators(j);
        read_outputs(j);
    } else
        j->repeats = 0;
    write_result(j);
    return 0;
}
