// The interface promises that no call allocates. This program counts what the library asks of operator new and of the C
// allocation functions: its calls of the latter are redirected by the linker (--wrap in CMakeLists.txt). What OpenMP's
// and C's own libraries take for threads and text is theirs and not seen here.
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <numeric>
#include <string>
#include <vector>

#include "qcface/kernels.h"
#include "tests/kernels/head_runner.h"
#include "tests/kernels/random_input.h"
#include "tests/support/catch.h"

namespace {
std::atomic<long> allocations{0};
}

extern "C" {
void* __real_malloc(std::size_t size);                         // NOLINT(bugprone-reserved-identifier)
void* __real_calloc(std::size_t count, std::size_t size);      // NOLINT(bugprone-reserved-identifier)
void* __real_realloc(void* memory, std::size_t size);          // NOLINT(bugprone-reserved-identifier)
void* __real_aligned_alloc(std::size_t to, std::size_t size);  // NOLINT(bugprone-reserved-identifier)
void* __wrap_malloc(std::size_t size) {                        // NOLINT(bugprone-reserved-identifier)
  ++allocations;
  return __real_malloc(size);
}
void* __wrap_calloc(std::size_t count, std::size_t size) {  // NOLINT(bugprone-reserved-identifier)
  ++allocations;
  return __real_calloc(count, size);
}
void* __wrap_realloc(void* memory, std::size_t size) {  // NOLINT(bugprone-reserved-identifier)
  ++allocations;
  return __real_realloc(memory, size);
}
void* __wrap_aligned_alloc(std::size_t to, std::size_t size) {  // NOLINT(bugprone-reserved-identifier)
  ++allocations;
  return __real_aligned_alloc(to, size);
}
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = __real_malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  const auto to = static_cast<std::size_t>(alignment);
  if (void* memory = __real_aligned_alloc(to, (size + to - 1) / to * to)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace qcface::test {
namespace {

/// Allocations during `work`.
template <class Work>
long counted(Work&& work) {
  const long before = allocations;
  work();
  return allocations - before;
}

TEST_CASE("allocation: the counter sees what the library could call") {
  CHECK(counted([] { ::operator delete(::operator new(8)); }) == 1);
  CHECK(counted([] {
          void* volatile memory = std::malloc(8);
          std::free(memory);
        }) == 1);
  CHECK(counted([] { const std::vector<double> values(100); }) == 1);
}

/// One head with everything that can be asked for.
struct Step {
  Step(qcf_head_kind kind, bool sampled) : config(make_head_config(kind)) {
    sgd = {sizeof(sgd), in.w.data(), {velocity.data()}, &lr, nullptr, 0.9f, 5e-4f};
    qcf_head_args wanted = run.args(in);
    wanted.optimiser = &sgd;
    if (sampled) {
      std::iota(rows.begin(), rows.end(), 0);
      wanted.sampled = rows.data();
      wanted.sampled_count = in.k;
    }
    call = std::make_unique<CallArgs>(context, wanted);
    call->add_workspace(context, config);
  }

  qcf_head_config config;
  HeadInput in = random_input(700, 9, 24, 130);
  HeadRun run{in};
  TestContext context{2};
  qcf_optimiser sgd{};
  float lr = 0.01f;
  std::vector<float> velocity = std::vector<float>(in.w.size());
  std::vector<std::int64_t> rows = std::vector<std::int64_t>(static_cast<std::size_t>(in.k));
  std::unique_ptr<CallArgs> call;
};

TEST_CASE("allocation: no step of any head allocates, nor does an error") {
  for (int kind = 0; kind < qcf_head_count(); ++kind) {
    for (const bool sampled : {false, true}) {
      Step step(static_cast<qcf_head_kind>(kind), sampled);
      INFO(qcf_head_name(step.config.kind) << (sampled ? ", sampled" : ""));
      qcf_context* const context = step.context.get();
      const qcf_head_args& args = step.call->args();
      qcf_status status = QCF_OK;
      CHECK(counted([&] { status = qcf_head_step(context, &step.config, &args); }) == 0);
      INFO(context->error);
      REQUIRE(status == QCF_OK);
      const auto stage = [&](auto call) {
        if (status == QCF_OK) status = call(context, &step.config, &args);
      };
      CHECK(counted([&] {
              stage(qcf_head_prepare);
              stage(qcf_head_sums);
              stage(qcf_head_finish);
              stage(qcf_head_weights);
              stage(qcf_head_check);
            }) == 0);
      REQUIRE(status == QCF_OK);
      std::size_t bytes = 0;
      CHECK(counted([&] { status = qcf_head_workspace_bytes(context, &step.config, &args, &bytes); }) == 0);
      REQUIRE(status == QCF_OK);
      step.in.labels[3] = step.in.k;
      CHECK(counted([&] { status = qcf_head_step(context, &step.config, &args); }) == 0);
      CHECK(status == QCF_LABEL_OUT_OF_RANGE);
      CHECK(std::string(context->error).find("labels[3]") != std::string::npos);
    }
  }
}

TEST_CASE("allocation: cosines and unit rows do not allocate") {
  const HeadInput in = random_input(701, 9, 24, 130);
  qcf_context context;
  qcf_context_init(&context, QCF_DEVICE_CPU);
  context.threads = 2;
  std::size_t bytes = 0;
  REQUIRE(qcf_cosines_workspace_bytes(&context, in.n, in.d, in.k, &bytes) == QCF_OK);
  std::vector<unsigned char> memory(bytes + 64);
  void* const workspace = memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64;
  std::vector<float> out(static_cast<std::size_t>(in.n * in.k)), unit(in.w.size());
  qcf_status status = QCF_OK;
  CHECK(counted([&] {
          status = qcf_cosines(&context, in.n, in.d, in.k, in.x.data(), in.w.data(), 1, out.data(), workspace,
                               bytes);
        }) == 0);
  REQUIRE(status == QCF_OK);
  CHECK(counted([&] {
          status = qcf_unit_rows(&context, in.k, in.d, in.w.data(), QCF_TYPE_F32, unit.data());
        }) == 0);
  REQUIRE(status == QCF_OK);
}

}  // namespace
}  // namespace qcface::test
