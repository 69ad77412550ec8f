// The pure functions of the fused plans: who is refused and why, and the split of the classes.
#include <algorithm>
#include <string>

#include "kernels/cuda/fused.h"
#include "tests/support/catch.h"

namespace qcface::test {
namespace {

namespace cu = qcface::kernels::cuda;

cu::DeviceFacts facts(int major, int minor, int multiprocessors, std::size_t shared_kib) {
  cu::DeviceFacts f;
  f.major = major;
  f.minor = minor;
  f.multiprocessors = multiprocessors;
  f.shared_bytes_per_block = shared_kib << 10;
  return f;
}

bool says(const char* text, const char* part) {
  return text != nullptr && std::string(text).find(part) != std::string::npos;
}

TEST_CASE("fused plans: refused with the reason") {
  const cu::DeviceFacts a100 = facts(8, 0, 108, 163), h100 = facts(9, 0, 132, 227),
                        ada = facts(8, 9, 128, 99), turing = facts(7, 5, 68, 64);
  const cu::FusedShape good{QCF_TYPE_BF16, 512, 512, 100000, true, false};
  REQUIRE(cu::mma_refusal(a100, good) == nullptr);
  REQUIRE(cu::mma_refusal(h100, good) == nullptr);
  REQUIRE(cu::wgmma_refusal(h100, good) == nullptr);
  REQUIRE(says(cu::mma_refusal(turing, good), "8.0"));
  REQUIRE(says(cu::wgmma_refusal(a100, good), "9.0"));
  REQUIRE(says(cu::wgmma_refusal(facts(10, 0, 148, 227), good), "9.0"));
  REQUIRE(says(cu::mma_refusal(ada, good), "shared memory"));
  const auto with = [&](auto change) {
    cu::FusedShape shape = good;
    change(shape);
    return shape;
  };
  REQUIRE(cu::mma_refusal(ada, with([](auto& s) { s.d = 128; })) == nullptr);
  REQUIRE(says(cu::mma_refusal(ada, with([](auto& s) { s.d = 136; })), "shared memory"));
  for (const auto refusal : {&cu::mma_refusal, &cu::wgmma_refusal}) {
    REQUIRE(says(refusal(h100, with([](auto& s) { s.type = QCF_TYPE_F32; })), "operand_type"));
    REQUIRE(says(refusal(h100, with([](auto& s) { s.has_unit_w = false; })), "unit_w"));
    REQUIRE(says(refusal(h100, with([](auto& s) { s.d = 100; })), "multiple of 8"));
    REQUIRE(says(refusal(h100, with([](auto& s) { s.d = 520; })), "512"));
    REQUIRE(says(refusal(h100, with([](auto& s) { s.k_loc = std::int64_t{1} << 31; })), "2^31"));
    REQUIRE(refusal(h100, with([](auto& s) { s.type = QCF_TYPE_F16; })) == nullptr);
  }
}

TEST_CASE("fused plans: parts fill the device and keep the memory bound") {
  for (const int multiprocessors : {1, 16, 108, 132}) {
    const cu::DeviceFacts f = facts(9, 0, multiprocessors, 227);
    for (const std::int64_t n : {0, 1, 64, 65, 512, 1000, 8192, 70000}) {
      for (const std::int64_t d : {8, 128, 512}) {
        for (const std::int64_t k : {1, 64, 65, 10000, 1000000, 2000000000}) {
          for (const bool vectors : {false, true}) {
            const cu::FusedShape shape{QCF_TYPE_BF16, n, d, k, true, false};
            const int parts = cu::fused_parts(f, QCF_PLAN_MMA, shape, vectors);
            REQUIRE(parts >= 1);
            REQUIRE(parts <= cu::kFusedMaxParts);
            REQUIRE(parts <= (k + 63) / 64);
            const std::size_t one = cu::fused_partial_bytes(shape, 1, vectors);
            const std::size_t room = (std::size_t{40} << 20) + static_cast<std::size_t>(16 * n * d);
            REQUIRE(cu::fused_partial_bytes(shape, parts, vectors) <= std::max(one, room));
            REQUIRE(cu::fused_partial_bytes(shape, parts, true) >=
                    static_cast<std::size_t>(parts * n * 4 * d));
          }
        }
      }
    }
  }
  const auto parts = [](std::int64_t n, std::int64_t k) {
    return cu::fused_parts(facts(9, 0, 132, 227), QCF_PLAN_MMA, {QCF_TYPE_BF16, n, 512, k, true, false},
                           true);
  };
  REQUIRE(parts(512, 1000000) == 16);  // 8 row tiles: 128 blocks in one wave of 132
  REQUIRE(parts(64, 1000000) == 129);  // the least within 3 % of 132
  REQUIRE(parts(64, 640) == 10);
}

}  // namespace
}  // namespace qcface::test
