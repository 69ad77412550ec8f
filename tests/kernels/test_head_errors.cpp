// Bad input: the status, a text that names the tensor and the row, and t left alone. Empty and tiny sizes.
#include <functional>
#include <limits>

#include "tests/kernels/random_input.h"

namespace qcface::test {
namespace {

using Change = std::function<void(HeadInput&, qcf_head_config&, qcf_head_args&, qcf_context&)>;

void expect_error(qcf_status status, const std::vector<std::string>& words, const Change& change,
                  qcf_head_kind kind = QCF_HEAD_QCFACE_CUR) {
  HeadInput in = random_input(5, 6, 9, 120);
  HeadRun run(in);
  run.t = 0.5f;
  TestContext context(2);
  qcf_head_config config = make_head_config(kind);
  qcf_head_args args = run.args(in);
  // Twice: the data before they are copied to the device, then the arguments that point there.
  qcf_context spare = *context.get();
  change(in, config, args, spare);
  config = make_head_config(kind);
  CallArgs call(context, run.args(in));
  call.add_workspace(4 << 20);
  change(in, config, call.args(), *context.get());
  const qcf_status found =
      checked(context, config, call.args(), qcf_head_step(context.get(), &config, &call.args()));
  REQUIRE(call.download());
  INFO("text: " << context.get()->error);
  REQUIRE(found == status);
  for (const std::string& word : words) {
    INFO("looking for " << word);
    REQUIRE(std::string(context.get()->error).find(word) != std::string::npos);
  }
  REQUIRE(run.t == 0.5f);
  REQUIRE(run.intact());
}

TEST_CASE("head errors: labels out of range name the row, the value and the range") {
  QCFACE_NEEDS_BACKEND();
  for (const std::int64_t bad : {std::int64_t{-1}, std::int64_t{120}, std::int64_t{1} << 40}) {
    expect_error(QCF_LABEL_OUT_OF_RANGE, {"labels[3]", std::to_string(bad), "0 <= label < 120"},
                 [bad](HeadInput& in, auto&, auto&, auto&) { in.labels[3] = bad; });
  }
}

TEST_CASE("head errors: NaN and infinity name the tensor and the first row") {
  QCFACE_NEEDS_BACKEND();
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const float bad : {nan, inf, -inf}) {
    for (const std::size_t column : {0, 4, 8}) {
      expect_error(QCF_NOT_FINITE, {"x: row 2"}, [=](HeadInput& in, auto&, auto&, auto&) {
        in.x[2 * 9 + column] = bad;
        in.x[4 * 9] = bad;
      });
      for (const std::int64_t row : {0, 57, 96, 119}) {
        expect_error(QCF_NOT_FINITE, {"w: row " + std::to_string(row) + " of 120"},
                     [=](HeadInput& in, auto&, auto&, auto&) {
                       in.w[static_cast<std::size_t>(row) * 9 + column] = bad;
                     });
      }
    }
  }
}

TEST_CASE("head errors: sizes, pointers, settings") {
  QCFACE_NEEDS_BACKEND();
  const auto invalid = [](const std::vector<std::string>& words, const Change& change) {
    expect_error(QCF_INVALID_ARGUMENT, words, change);
  };
  invalid({"n = -1"}, [](auto&, auto&, qcf_head_args& a, auto&) { a.n = -1; });
  invalid({"d = 0"}, [](auto&, auto&, qcf_head_args& a, auto&) { a.d = 0; });
  invalid({"k_loc = 0"}, [](auto&, auto&, qcf_head_args& a, auto&) { a.k_loc = 0; });
  invalid({"too large"}, [](auto&, auto&, qcf_head_args& a, auto&) { a.k_loc = std::int64_t{1} << 60; });
  invalid({"K = 1 classes", "at least 2"}, [](auto&, auto&, qcf_head_args& a, auto&) { a.k_loc = 1; });
  invalid({"k_total", "staged"}, [](auto&, auto&, qcf_head_args& a, auto&) {
    a.k_total = 500;
    a.dx = a.row_tangent = nullptr;
  });
  invalid({"row_tangent needs every class"}, [](auto&, auto&, qcf_head_args& a, auto&) { a.k_total = 500; });
  invalid({"class_offset = 3"}, [](auto&, auto&, qcf_head_args& a, auto&) { a.class_offset = 3; });
  invalid({"batch_total = 2"}, [](auto&, auto&, qcf_head_args& a, auto&) { a.batch_total = 2; });
  invalid({"x is NULL"}, [](auto&, auto&, qcf_head_args& a, auto&) { a.x = nullptr; });
  invalid({"w is NULL"}, [](auto&, auto&, qcf_head_args& a, auto&) { a.w = nullptr; });
  invalid({"labels is NULL"}, [](auto&, auto&, qcf_head_args& a, auto&) { a.labels = nullptr; });
  invalid({"t is NULL"}, [](auto&, auto&, qcf_head_args& a, auto&) { a.t = nullptr; });
  invalid({"workspace is NULL"}, [](auto&, auto&, qcf_head_args& a, auto&) { a.workspace = nullptr; });
  invalid({"workspace is not aligned to 64"},
          [](auto&, auto&, qcf_head_args& a, auto&) { a.workspace = static_cast<char*>(a.workspace) + 8; });
  invalid({"dw is not aligned"}, [](auto&, auto&, qcf_head_args& a, auto&) {
    a.dw = reinterpret_cast<float*>(reinterpret_cast<char*>(a.dw) + 1);
  });
  invalid({"config.s = 0"}, [](auto&, qcf_head_config& c, auto&, auto&) { c.s = 0; });
  invalid({"config.m"}, [](auto&, qcf_head_config& c, auto&, auto&) { c.m = std::nan(""); });
  invalid({"config.ua = 1"}, [](auto&, qcf_head_config& c, auto&, auto&) { c.ua = 1; });
  invalid({"config.lambda = -1"}, [](auto&, qcf_head_config& c, auto&, auto&) { c.lambda = -1; });
  invalid({"config.mv_a"}, [](auto&, qcf_head_config& c, auto&, auto&) { c.mv_a = 0.5; });
  invalid({"config.struct_size"}, [](auto&, qcf_head_config& c, auto&, auto&) { c.struct_size = 4; });
  invalid({"args.struct_size"}, [](auto&, auto&, qcf_head_args& a, auto&) { a.struct_size = 0; });
  if (!kOnCuda) {
    invalid({"context.threads = -1"}, [](auto&, auto&, auto&, qcf_context& c) { c.threads = -1; });
    expect_error(QCF_UNSUPPORTED, {"context.device"},
                 [](auto&, auto&, auto&, qcf_context& c) { c.device = QCF_DEVICE_CUDA; });
    expect_error(QCF_UNSUPPORTED, {"operand_type"},
                 [](auto&, auto&, qcf_head_args& a, auto&) { a.operand_type = QCF_TYPE_BF16; });
  } else {
    invalid({"context.plan = 9"},
            [](auto&, auto&, auto&, qcf_context& c) { c.plan = static_cast<qcf_plan>(9); });
    invalid({"context.device_index = 99"}, [](auto&, auto&, auto&, qcf_context& c) { c.device_index = 99; });
    invalid({"context.cublaslt is NULL", "qcf_cuda_open"},
            [](auto&, auto&, auto&, qcf_context& c) { c.cublaslt = nullptr; });
    expect_error(QCF_UNSUPPORTED, {"context.plan = mma"},
                 [](auto&, auto&, auto&, qcf_context& c) { c.plan = QCF_PLAN_MMA; });
    expect_error(QCF_UNSUPPORTED, {"context.plan = wgmma"},
                 [](auto&, auto&, auto&, qcf_context& c) { c.plan = QCF_PLAN_WGMMA; });
  }
  expect_error(QCF_WORKSPACE_TOO_SMALL, {"workspace_bytes = 100", "expected at least"},
               [](auto&, auto&, qcf_head_args& a, auto&) { a.workspace_bytes = 100; });
  expect_error(QCF_UNSUPPORTED, {"config.kind = 77"},
               [](auto&, qcf_head_config& c, auto&, auto&) { c.kind = static_cast<qcf_head_kind>(77); });
  REQUIRE(qcf_head_step(nullptr, nullptr, nullptr) == QCF_INVALID_ARGUMENT);
}

TEST_CASE("head errors: t that is not finite") {
  QCFACE_NEEDS_BACKEND();
  HeadInput in = random_input(5, 3, 9, 20);
  HeadRun run(in);
  run.t = std::numeric_limits<float>::quiet_NaN();
  TestContext context(1);
  REQUIRE_THROWS_AS(run_args(context, make_head_config(QCF_HEAD_QCFACE_CUR), run.args(in), Form::kStep),
                    KernelError);
  REQUIRE(std::string(context.get()->error).find("t[0]") != std::string::npos);
}

TEST_CASE("head errors: stages out of order") {
  QCFACE_NEEDS_BACKEND();
  const HeadInput in = random_input(5, 3, 9, 20);
  HeadRun run(in);
  TestContext context(1);
  const qcf_head_config config = make_head_config(QCF_HEAD_QCFACE);
  CallArgs call(context, run.args(in));
  call.add_workspace(context, config);
  const qcf_head_args& args = call.args();
  const auto status = [&](qcf_status found) { return checked(context, config, args, found); };
  REQUIRE(status(qcf_head_sums(context.get(), &config, &args)) == QCF_INVALID_ARGUMENT);
  REQUIRE(std::string(context.get()->error).find("follows prepare") != std::string::npos);
  REQUIRE(status(qcf_head_prepare(context.get(), &config, &args)) == QCF_OK);
  REQUIRE(status(qcf_head_finish(context.get(), &config, &args)) == QCF_INVALID_ARGUMENT);
  REQUIRE(status(qcf_head_weights(context.get(), &config, &args)) == QCF_INVALID_ARGUMENT);
}

TEST_CASE("head: an empty batch has losses 0 and dw 0, and leaves t") {
  QCFACE_NEEDS_BACKEND();
  for (int head = 0; head < 3; ++head) {
    HeadInput in = random_input(6, 1, 9, 20);
    in.n = 0;
    HeadRun run(in);
    run.t = 0.5f;
    qcf_head_args args = run.args(in);
    args.x = nullptr;
    args.labels = nullptr;
    TestContext context(2);
    run_args(context, make_head_config(static_cast<qcf_head_kind>(head)), args, Form::kStep);
    for (std::size_t i = 0; i < 3; ++i) REQUIRE(run.losses[i] == 0.0);
    for (std::size_t i = 0; i < run.dw.size(); ++i) REQUIRE(run.dw[i] == 0.0f);
    REQUIRE(run.t == 0.5f);
    args = run.args(in);
    args.dw_mode = QCF_GRADIENT_ACCUMULATE;
    for (std::size_t i = 0; i < run.dw.size(); ++i) run.dw[i] = 3.0f;
    run_args(context, make_head_config(static_cast<qcf_head_kind>(head)), args, Form::kStaged);
    for (std::size_t i = 0; i < run.dw.size(); ++i) REQUIRE(run.dw[i] == 3.0f);
  }
}

TEST_CASE("head: names") {
  QCFACE_NEEDS_BACKEND();
  REQUIRE(qcf_head_count() >= 3);
  for (int i = 0; i < qcf_head_count(); ++i) {
    const auto kind = static_cast<qcf_head_kind>(i);
    REQUIRE(head_from_name(qcf_head_name(kind)) == kind);
  }
  REQUIRE(head_from_name("qcface-cur") == QCF_HEAD_QCFACE_CUR);
  REQUIRE_THROWS_AS(head_from_name("qcfac"), std::invalid_argument);
  REQUIRE(qcf_head_name(static_cast<qcf_head_kind>(99)) == nullptr);
  qcf_rule rule;
  REQUIRE(qcf_rule_from_name("threshold", &rule) == 1);
  REQUIRE(rule == QCF_RULE_THRESHOLD);
  REQUIRE(qcf_rule_from_name("Easy", &rule) == 0);
  REQUIRE(qcf_head_has_t(QCF_HEAD_QCFACE_CUR) == 1);
  REQUIRE(qcf_head_has_t(QCF_HEAD_QCFACE) == 0);
  REQUIRE(make_head_config(QCF_HEAD_QCFACE_CUR).rule == QCF_RULE_THRESHOLD);
  REQUIRE(make_head_config(QCF_HEAD_QCFACE_MV).rule == QCF_RULE_EASY);
}

TEST_CASE("head: workspace does not grow with the classes") {
  if (kOnCuda) QCFACE_SKIP("the bound of the CPU's workspace; test_cuda_plan.cpp has the GPU's");
  TestContext context(2);
  for (int head = 0; head < 3; ++head) {
    const qcf_head_config config = make_head_config(static_cast<qcf_head_kind>(head));
    float dummy = 0;
    qcf_head_args args = make_head_args();
    args.n = 64;
    args.d = 512;
    args.dx = args.dw = &dummy;
    args.k_loc = 93431;
    const std::size_t small = head_workspace_bytes(context, config, args);
    args.k_loc = 2000000;
    REQUIRE(head_workspace_bytes(context, config, args) == small);
    // the bound that kernels.h states: 2 threads, 32 parts, at most 64 x 512 padded
    REQUIRE(small <=
            4 * 34 * 64 * 512 + 4 * 2 * (96 * (64 + 512) + 6 * 64 + 384) + (32 * 32 + 128) * 64 + 2048);
  }
}

}  // namespace
}  // namespace qcface::test
