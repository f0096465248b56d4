// Runs a .pte by ExecuTorch's C++ Module, linked to the libraries inside the executorch wheel. One shared library is
// missing there for older releases: 1.5.1 is the first wheel with libraries to link.
#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

#include "runner.h"

// The wheel has the library of the thread pool but not its header.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  bool _unsafe_reset_threadpool(uint32_t threads);
};
ThreadPool *get_threadpool();
}  // namespace executorch::extension::threadpool

using namespace executorch::extension;
using executorch::aten::ScalarType;
using executorch::runtime::ArrayRef;
using executorch::runtime::Error;
using executorch::runtime::EValue;
using executorch::runtime::Result;
namespace et = executorch::runtime;

static const struct { const char *name; ScalarType type; } TYPES[] = {
    {"uint8", ScalarType::Byte},   {"int8", ScalarType::Char},     {"int16", ScalarType::Short},
    {"int32", ScalarType::Int},    {"int64", ScalarType::Long},    {"float16", ScalarType::Half},
    {"float32", ScalarType::Float}, {"float64", ScalarType::Double}, {"bool", ScalarType::Bool},
    {"bfloat16", ScalarType::BFloat16}};

static job *the_job;
static Module *module_;
static std::vector<TensorPtr> tensors;
static std::vector<EValue> inputs, outputs;

// Times every operator: those outside a delegate by their own call, those inside by what the delegate tells.
class OperatorTimes final : public et::EventTracer {
 public:
  bool on = false;

  void create_event_block(const char *) override {}
  et::EventTracerEntry start_profiling(const char *name, et::ChainID, et::DebugHandle) override { return began(name); }
  void end_profiling(et::EventTracerEntry entry) override { ended(entry); }
  et::EventTracerEntry start_profiling_delegate(const char *name, et::DelegateDebugIntId) override { return began(name); }
  void end_profiling_delegate(et::EventTracerEntry entry, const void *, size_t) override { ended(entry); }
  void log_profiling_delegate(const char *name, et::DelegateDebugIntId, et_timestamp_t from, et_timestamp_t to,
                              const void *, size_t) override {
    if (on && name)
      add_operator(the_job, name, nanoseconds(to - from));
  }
  void track_allocation(et::AllocatorID, size_t) override {}
  et::AllocatorID track_allocator(const char *) override { return 0; }
  Result<bool> log_evalue(const EValue &, et::LoggedEValueType) override { return false; }
  Result<bool> log_intermediate_output_delegate(const char *, et::DelegateDebugIntId,
                                                const executorch::aten::Tensor &) override { return false; }
  Result<bool> log_intermediate_output_delegate(const char *, et::DelegateDebugIntId,
                                                const ArrayRef<executorch::aten::Tensor>) override { return false; }
  Result<bool> log_intermediate_output_delegate(const char *, et::DelegateDebugIntId, const int &) override { return false; }
  Result<bool> log_intermediate_output_delegate(const char *, et::DelegateDebugIntId, const bool &) override { return false; }
  Result<bool> log_intermediate_output_delegate(const char *, et::DelegateDebugIntId, const double &) override { return false; }
  void set_delegation_intermediate_output_filter(et::EventTracerFilterBase *) override {}

 private:
  std::vector<std::string> names;

  static uint64_t nanoseconds(et_timestamp_t ticks) {
    auto ratio = et_pal_ticks_to_ns_multiplier();
    return ticks * ratio.numerator / ratio.denominator;
  }

  et::EventTracerEntry began(const char *name) {
    names.push_back(name ? name : "");
    if (the_job->operators > 1)
      now_at(names.back().c_str());
    et::EventTracerEntry entry{};
    entry.event_id = names.size() - 1;
    entry.start_time = et_pal_current_ticks();
    return entry;
  }

  void ended(et::EventTracerEntry entry) {
    const std::string &name = names[entry.event_id];
    // OPERATOR_CALL holds native_call_*, and Method::execute holds everything: to count them would count twice
    if (on && name.rfind("native_call_", 0) == 0)
      add_operator(the_job, name.c_str() + strlen("native_call_"),
                   nanoseconds(et_pal_current_ticks() - entry.start_time));
  }
};

static void check(job *j, const char *step, Error error) {
  if (error != Error::Ok)
    fail(j, step, et::to_string(error));
}

static ScalarType type_of(job *j, const tensor &t) {
  for (const auto &known : TYPES)
    if (!strcmp(known.name, DTYPES[t.dtype].name))
      return known.type;
  fail(j, "inputs", "a dtype that ExecuTorch lacks");
  return ScalarType::Float;
}

static void give_inputs(job *j) {
  for (int k = 0; k < j->n_inputs; k++) {
    tensor &t = j->inputs[k];
    tensors.push_back(from_blob(t.data, {t.dims, t.dims + t.rank}, type_of(j, t)));
    inputs.emplace_back(tensors.back());
  }
}

static void once(job *j) {
  auto result = module_->forward(inputs);
  check(j, "run", result.error());
  outputs = result.get();
}

// The values in the plain order of dimensions: a program may keep them in another, as channels last.
static void *plain_values(const executorch::aten::Tensor &from) {
  auto *values = static_cast<char *>(from.mutable_data_ptr());
  bool plain = true;
  for (ssize_t d = 0; d < from.dim(); d++)
    plain &= from.dim_order()[d] == d;
  if (plain)
    return values;
  char *made = static_cast<char *>(malloc(from.nbytes() + 1));
  size_t bytes = from.element_size();
  for (ssize_t k = 0; k < from.numel(); k++) {
    ssize_t left = k, at = 0;
    for (ssize_t d = from.dim() - 1; d >= 0; left /= from.size(d--))
      at += left % from.size(d) * from.strides()[d];
    memcpy(made + k * bytes, values + at * bytes, bytes);
  }
  return made;
}

static void read_outputs(job *j) {
  for (const EValue &value : outputs) {
    if (!value.isTensor())
      fail(j, "outputs", "an output that is no tensor");
    if (j->n_outputs == MAX_TENSORS)
      fail(j, "outputs", "more outputs than the runner takes");
    const auto from = value.toTensor();
    tensor &t = j->outputs[j->n_outputs];
    t.dtype = -1;
    for (const auto &known : TYPES)
      if (known.type == from.scalar_type())
        t.dtype = dtype_named(known.name);
    t.rank = from.dim();
    if (t.dtype < 0 || t.rank > MAX_RANK)
      fail(j, "outputs", "a dtype or rank that the runner does not know");
    for (int d = 0; d < t.rank; d++)
      t.dims[d] = from.size(d);
    t.bytes = from.nbytes();
    t.data = plain_values(from);
    snprintf(t.name, sizeof t.name, "output_%d", j->n_outputs++);
  }
}

int main(int argc, char **argv) {
  job *j = the_job = job_of(argc, argv);
  uint64_t begin = now_ns();
  snprintf(j->runtime, sizeof j->runtime, "ExecuTorch");
  threadpool::get_threadpool()->_unsafe_reset_threadpool(j->threads);
  if (!j->model) {
    j->repeats = 0;
    write_result(j);
    return 0;
  }
  now_at("load");
  auto tracer = std::make_unique<OperatorTimes>();
  OperatorTimes *times = tracer.get();
  std::unique_ptr<et::EventTracer> given;
  if (j->operators)
    given = std::move(tracer);
  // mapped, as apps and boards load it: pages that are never read cost no memory
  module_ = new Module(j->model, Module::LoadMode::Mmap, std::move(given));
  check(j, "load", module_->load());
  check(j, "load", module_->load_forward());
  give_inputs(j);
  j->load_ns = now_ns() - begin;
  measure(j, NULL, once);
  if (j->operators) {
    times->on = true;
    once(j);
  }
  read_outputs(j);
  write_result(j);
  return 0;
}
