// Structs grow at their end only: what an older caller's lack has its default, what this build does not know is refused.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "tests/kernels/head_runner.h"
#include "tests/kernels/random_input.h"
#include "tests/support/catch.h"

namespace qcface::test {
namespace {

constexpr int kBeyond =
    0x5A;  // what lies behind a caller's shorter struct: the library must neither read nor write it

/// The struct cut off at `size`, as a program has it that was compiled when it ended there.
template <class T>
T cut_off(T full, std::size_t size) {
  full.struct_size = static_cast<std::uint32_t>(size);
  std::memset(reinterpret_cast<unsigned char*>(&full) + size, kBeyond, sizeof(T) - size);
  return full;
}

template <class T>
bool untouched_from(const T& value, std::size_t size) {
  for (std::size_t i = size; i < sizeof(T); ++i) {
    if (reinterpret_cast<const unsigned char*>(&value)[i] != kBeyond) return false;
  }
  return true;
}

/// One step on the CPU with an update of the weights; every struct as the caller gives it.
struct Call {
  HeadInput in = random_input(31, 5, 16, 40);
  HeadRun run{in};
  std::vector<float> w = in.w, velocity = std::vector<float>(in.w.size(), 0.5f);
  float lr = 0.1f;
  qcf_context context;
  qcf_head_config config = make_head_config(QCF_HEAD_MAGFACE);
  qcf_head_args args = run.args(in);
  qcf_optimiser optimiser = make_optimiser();
  std::vector<unsigned char> memory = std::vector<unsigned char>((4 << 20) + 64);

  Call() {
    qcf_context_init(&context, QCF_DEVICE_CPU);
    args.w = optimiser.w = w.data();
    optimiser.slots[0] = velocity.data();
    optimiser.lr = &lr;
    optimiser.momentum = 0.9f;
    args.optimiser = &optimiser;
    args.workspace = memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64);
    args.workspace_bytes = 4 << 20;
  }
  qcf_status step() { return qcf_head_step(&context, &config, &args); }
};

}  // namespace

TEST_CASE("struct sizes: a program that was compiled when the structs were shorter goes on working") {
  Call now, before;
  REQUIRE(now.step() == QCF_OK);

  constexpr std::size_t kContext = offsetof(qcf_context, side_stream),
                        kConfig = offsetof(qcf_head_config, mag_la),
                        kOptimiser = offsetof(qcf_optimiser, weight_decay);
  before.context = cut_off(before.context, kContext);
  before.config = cut_off(before.config, kConfig);
  before.optimiser = cut_off(before.optimiser, kOptimiser);
  const qcf_status status = before.step();
  INFO(before.context.error);
  REQUIRE(status == QCF_OK);
  REQUIRE(same_bits(before.run, now.run));
  REQUIRE(before.w == now.w);
  REQUIRE(before.velocity == now.velocity);
  REQUIRE(qcf_cuda_open(&before.context) == QCF_OK);
  qcf_cuda_close(&before.context);
  REQUIRE(untouched_from(before.context, kContext));

  // Arguments without the last members, which the question for a workspace does not need.
  constexpr std::size_t kArgs = offsetof(qcf_head_args, workspace);
  std::size_t bytes = 0, shorter = 0;
  REQUIRE(qcf_head_workspace_bytes(&now.context, &now.config, &now.args, &bytes) == QCF_OK);
  const qcf_head_args args = cut_off(now.args, kArgs);
  REQUIRE(qcf_head_workspace_bytes(&now.context, &now.config, &args, &shorter) == QCF_OK);
  REQUIRE(shorter == bytes);
  REQUIRE(qcf_head_step(&now.context, &now.config, &args) == QCF_INVALID_ARGUMENT);
  REQUIRE(std::string(now.context.error).find("workspace is NULL") != std::string::npos);
}

TEST_CASE("struct sizes: the init functions write what the caller has and no more") {
  qcf_context context;
  qcf_head_config config;
  qcf_head_args args;
  std::memset(static_cast<void*>(&context), kBeyond, sizeof(context));
  std::memset(static_cast<void*>(&config), kBeyond, sizeof(config));
  std::memset(static_cast<void*>(&args), kBeyond, sizeof(args));
  qcf_context_init_sized(&context, offsetof(qcf_context, side_stream), QCF_DEVICE_CPU);
  qcf_head_config_init_sized(&config, offsetof(qcf_head_config, ada_h), QCF_HEAD_QCFACE);
  qcf_head_args_init_sized(&args, offsetof(qcf_head_args, workspace));
  REQUIRE(context.struct_size == offsetof(qcf_context, side_stream));
  REQUIRE(config.struct_size == offsetof(qcf_head_config, ada_h));
  REQUIRE(config.mag_um == 0.8);
  REQUIRE(args.struct_size == offsetof(qcf_head_args, workspace));
  REQUIRE(args.optimiser == nullptr);
  REQUIRE(untouched_from(context, offsetof(qcf_context, side_stream)));
  REQUIRE(untouched_from(config, offsetof(qcf_head_config, ada_h)));
  REQUIRE(untouched_from(args, offsetof(qcf_head_args, workspace)));
}

TEST_CASE("struct sizes: a struct that is larger than the library knows is refused with a sentence") {
  const auto refused = [](const char* name, auto&& enlarge) {
    Call call;
    enlarge(call);
    REQUIRE(call.step() == QCF_INVALID_ARGUMENT);
    const std::string text = call.context.error;
    INFO(text);
    REQUIRE(text.find(std::string(name) + ".struct_size = ") == 0);
    REQUIRE(text.find("older than the header") != std::string::npos);
  };
  refused("context", [](Call& c) { c.context.struct_size += 8; });
  refused("config", [](Call& c) { c.config.struct_size += 8; });
  refused("args", [](Call& c) { c.args.struct_size += 8; });
  refused("optimiser", [](Call& c) { c.optimiser.struct_size += 8; });
}

TEST_CASE("struct sizes: a struct that nobody initialised is refused") {
  const auto refused = [](const char* text, auto&& clear) {
    Call call;
    clear(call);
    REQUIRE(call.step() == QCF_INVALID_ARGUMENT);
    INFO(call.context.error);
    REQUIRE(std::string(call.context.error).find(text) == 0);
  };
  refused("", [](Call& c) { c.context.struct_size = 8; });  // where its text lies is not known
  refused("config.struct_size = 0", [](Call& c) { c.config = {}; });
  refused("args.struct_size = 0", [](Call& c) { c.args = {}; });
  refused("optimiser.struct_size = 0", [](Call& c) { c.optimiser = {}; });
}

}  // namespace qcface::test
