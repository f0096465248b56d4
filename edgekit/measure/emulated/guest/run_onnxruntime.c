/* Runs an .onnx by the C API of ONNX Runtime (libonnxruntime inside the onnxruntime wheel's capi folder). */
#include "library.h"
#include "ort_api.h"

/* By ONNXTensorElementDataType. */
static const char *const TYPES[] = {"", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "", "bool",
                                    "float16", "float64", "uint32", "uint64", "", "", "bfloat16"};
enum { N_TYPES = sizeof TYPES / sizeof *TYPES };

static ort_api api;
static ort session, allocator, inputs[MAX_TENSORS], outputs[MAX_TENSORS];
static const char *input_names[MAX_TENSORS], *output_names[MAX_TENSORS];

#define CHECK(step, call) do { status s_ = (call); if (s_) fail(j, step, api.GetErrorMessage(s_)); } while (0)

static int element_type(int dtype)
{
    for (int k = 1; k < N_TYPES; k++)
        if (!strcmp(TYPES[k], DTYPES[dtype].name))
            return k;
    return 0;
}

static void load(job *j)
{
    ort environment, options;
    CHECK("environment", api.CreateEnv(ORT_LOG_ERROR, "edgekit", &environment));
    CHECK("environment", api.GetAllocatorWithDefaultOptions(&allocator));
    if (!j->model)
        return;
    CHECK("options", api.CreateSessionOptions(&options));
    CHECK("options", api.SetIntraOpNumThreads(options, j->threads));
    CHECK("options", api.SetInterOpNumThreads(options, 1));
    if (j->operators) {
        static char prefix[4096];
        snprintf(prefix, sizeof prefix, "%s/profile", j->folder);
        CHECK("options", api.EnableProfiling(options, prefix));
    }
    CHECK("load", api.CreateSession(environment, j->model, options, &session));
}

static void give_inputs(job *j)
{
    size_t n;
    ort memory;
    CHECK("inputs", api.SessionGetInputCount(session, &n));
    if ((int)n != j->n_inputs)
        fail(j, "inputs", "the model takes another number of inputs");
    CHECK("inputs", api.CreateCpuMemoryInfo(ORT_ALLOCATOR_DEVICE, ORT_MEMORY_DEFAULT, &memory));
    for (size_t k = 0; k < n; k++) {
        tensor *t = &j->inputs[k];
        CHECK("inputs", api.SessionGetInputName(session, k, allocator, (char **)&input_names[k]));
        CHECK("inputs", api.CreateTensorWithDataAsOrtValue(memory, t->data, t->bytes, t->dims, t->rank,
                                                           element_type(t->dtype), &inputs[k]));
    }
    CHECK("outputs", api.SessionGetOutputCount(session, &n));
    if (n > MAX_TENSORS)
        fail(j, "outputs", "more outputs than the runner takes");
    j->n_outputs = n;
    for (size_t k = 0; k < n; k++)
        CHECK("outputs", api.SessionGetOutputName(session, k, allocator, (char **)&output_names[k]));
}

static void drop_outputs(job *j)
{
    for (int k = 0; k < j->n_outputs; k++) {
        if (outputs[k])
            api.ReleaseValue(outputs[k]);
        outputs[k] = NULL;
    }
}

static void once(job *j)
{
    CHECK("run", api.Run(session, NULL, input_names, inputs, j->n_inputs, output_names, j->n_outputs, outputs));
}

static void read_outputs(job *j)
{
    for (int k = 0; k < j->n_outputs; k++) {
        tensor *t = &j->outputs[k];
        ort info;
        int type;
        size_t rank;
        CHECK("outputs", api.GetTensorTypeAndShape(outputs[k], &info));
        CHECK("outputs", api.GetTensorElementType(info, &type));
        CHECK("outputs", api.GetDimensionsCount(info, &rank));
        t->dtype = type > 0 && type < N_TYPES ? dtype_named(TYPES[type]) : -1;
        if (t->dtype < 0 || rank > MAX_RANK)
            fail(j, "outputs", "a dtype or rank that the runner does not know");
        t->rank = rank;
        CHECK("outputs", api.GetDimensions(info, t->dims, rank));
        CHECK("outputs", api.GetTensorMutableData(outputs[k], &t->data));
        t->bytes = elements(t) * DTYPES[t->dtype].bytes;
        snprintf(t->name, sizeof t->name, "%s", output_names[k]);
        api.ReleaseTensorTypeAndShapeInfo(info);
    }
}

int main(int argc, char **argv)
{
    job *j = job_of(argc, argv);
    uint64_t begin = now_ns();
    now_at("loading the runtime");
    open_library(j);
    now_at("load");
    IMPORT(const ort_base *, OrtGetApiBase, (void));
    const ort_base *base = OrtGetApiBase();
    ort_table table = base->get_api(ORT_API_VERSION);
    if (!table)
        fail(j, "library", "this ONNX Runtime is too old: it lacks version 16 of its API");
    api = ort_api_of(table);
    snprintf(j->runtime, sizeof j->runtime, "ONNX Runtime %s", base->version());
    load(j);
    if (j->model) {
        give_inputs(j);
        j->load_ns = now_ns() - begin;
        measure(j, drop_outputs, once);
        read_outputs(j);
        if (j->operators) { /* a trace of all runs, as JSON: for the reader of the job's folder */
            char *made, kept[4096];
            CHECK("profiling", api.SessionEndProfiling(session, allocator, &made));
            snprintf(kept, sizeof kept, "%s/profile.json", j->folder);
            if (rename(made, kept))
                fail(j, "profiling", "the profile could not be kept");
        }
    } else
        j->repeats = 0;
    write_result(j);
    return 0;
}
