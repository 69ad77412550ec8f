// The class update beside the products of the next chunk: the same bits as in line, whichever of the two streams is late.
#include <optional>

#include "kernels/cuda/side_stream.h"
#include "tests/kernels/random_input.h"

namespace qcface::test {
namespace {

namespace cu = qcface::kernels::cuda;

enum class Streams { kInLine, kBeside, kSideLate, kMainLate };

struct Result {
  HeadRun run;
  std::vector<float> w, velocity;
};

Result step(const HeadInput& in, Streams streams, bool update) {
  Result result{HeadRun(in), in.w, tensor(3, 1, in.w.size(), 0, 0.25)};
  float lr = 0.1f;
  qcf_optimiser sgd{sizeof(sgd), result.w.data(), {result.velocity.data()}, &lr, nullptr, 0.9f, 5e-4f};
  qcf_head_args args = result.run.args(in);
  if (update) {
    args.w = result.w.data();
    args.optimiser = &sgd;
    args.dw = nullptr;
  }
  TestContext context;
  void* const side = context.get()->side_stream;
  REQUIRE(side != nullptr);
  if (streams == Streams::kInLine) context.get()->side_stream = nullptr;
  {
#ifdef QCF_EMULATE
    std::optional<emulation::LateStream> late;
    if (streams == Streams::kSideLate) late.emplace(static_cast<cu::SideStream*>(side)->stream);
    if (streams == Streams::kMainLate) late.emplace(nullptr);
#endif
    const qcf_head_config config = make_head_config(QCF_HEAD_QCFACE_CUR);
    CallArgs call(context, args);
    call.add_workspace(context, config);
    head_step(context, config, call.args());
    check_cuda(cudaStreamSynchronize(nullptr));
#ifdef QCF_EMULATE
    if (late) REQUIRE(late->kept() == 0);  // whoever waits for the context's stream waits for all
#endif
    context.check(qcf_head_check(context.get(), &config, &call.args()));
    REQUIRE(call.download());
  }
  context.get()->side_stream = side;
  REQUIRE(result.run.intact());
  return result;
}

TEST_CASE("head: the class update beside the next chunk's products gives the bits of one after the other") {
  QCFACE_NEEDS_BACKEND();
  std::vector<Streams> ways = {Streams::kBeside};
#ifdef QCF_EMULATE
  ways.push_back(Streams::kSideLate);
  ways.push_back(Streams::kMainLate);
  const HeadInput in = random_input(71, 9, 24, 1500);
  const WithL2 l2(32 << 10);  // some twenty chunks
#else
  const HeadInput in = random_input(71, 64, 128, 40000);  // at least five chunks, whatever the cache
#endif
  for (const qcf_type type : {QCF_TYPE_F32, QCF_TYPE_BF16, QCF_TYPE_F16}) {
    for (const bool unit_w : {false, true}) {
      const WithSetup with({QCF_PLAN_CHUNKED, type, unit_w});
      for (const bool update : {false, true}) {
        const Result expected = step(in, Streams::kInLine, update);
        for (const Streams streams : ways) {
          INFO("type " << qcf_type_name(type) << ", unit_w " << unit_w << ", update " << update
                       << ", streams " << static_cast<int>(streams));
          const Result result = step(in, streams, update);
          REQUIRE(result.w == expected.w);
          REQUIRE(result.velocity == expected.velocity);
          if (!update) REQUIRE(same_bits(result.run, expected.run));
          REQUIRE(same_bits(result.run.dx, expected.run.dx));
        }
        REQUIRE((expected.w != in.w) == update);
      }
    }
  }
}

}  // namespace
}  // namespace qcface::test
