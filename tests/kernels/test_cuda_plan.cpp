// The pure host functions of the CUDA head: chunk, memory bound, choice of the plan, range of fp16. They need no GPU.
#include <algorithm>
#include <cmath>

#include "kernels/cuda/layout.h"
#include "kernels/cuda/passes.h"
#include "kernels/cuda/plan_table.h"
#include "kernels/cuda/product.h"
#include "tests/kernels/backend.h"

namespace qcface::test {
namespace {

namespace cu = qcface::kernels::cuda;

qcface::cuda::DeviceFacts device(int major, std::size_t l2) {
  qcface::cuda::DeviceFacts facts;
  facts.major = major;
  facts.multiprocessors = 108;
  facts.shared_bytes_per_block = 163 << 10;
  facts.l2_bytes = l2;
  return facts;
}

TEST_CASE("cuda plan: a chunk fits half the L2 cache, the memory and shared memory") {
  for (const std::size_t operand : {std::size_t{2}, std::size_t{4}}) {
    for (const std::int64_t n : {1, 64, 512, 4096, 65536}) {
      for (const std::int64_t d : {8, 128, 512, 2048}) {
        for (const std::size_t l2 : {std::size_t{4} << 20, std::size_t{40} << 20, std::size_t{50} << 20}) {
          const std::size_t memory = std::size_t{40} << 20;
          const bool second = operand == 2;
          const std::int64_t chunk = cu::chunk_classes({n, d, 5000000, operand, l2, memory, second});
          const std::size_t each = cu::chunk_class_bytes(n, d, operand);
          const std::size_t kept = cu::chunk_memory_bytes(n, d, operand, second);
          REQUIRE(chunk >= 8);
          REQUIRE(chunk <= cu::kMostChunk);
          REQUIRE(chunk % 8 == 0);
          if (chunk > 64) REQUIRE(static_cast<std::size_t>(chunk) * each <= l2 / 2);
          if (chunk > 8) REQUIRE(static_cast<std::size_t>(chunk) * kept <= memory);
          // no smaller than need be
          if (chunk < cu::kMostChunk && chunk >= 64) {
            REQUIRE((static_cast<std::size_t>(chunk + 64) * each > l2 / 2 ||
                     static_cast<std::size_t>(chunk + 64) * kept > memory));
          }
        }
      }
    }
  }
  REQUIRE(cu::chunk_classes({512, 512, 5000000, 2, std::size_t{50} << 20, std::size_t{48} << 20, true}) ==
          6400);
  REQUIRE(cu::chunk_classes({4, 8, 10, 2, std::size_t{50} << 20, std::size_t{48} << 20}) == 16);
}

TEST_CASE("cuda plan: extra memory is at most 64 MiB + 32 N D bytes for any number of classes") {
  float dummy = 0;
  for (const qcf_type type : {QCF_TYPE_F32, QCF_TYPE_BF16, QCF_TYPE_F16}) {
    for (const std::int64_t n : {0, 1, 7, 64, 512, 1000, 4096, 16384, 65536}) {
      for (const std::int64_t d : {1, 3, 8, 100, 128, 512, 1024}) {
        std::size_t largest = 0;
        for (const std::int64_t k : {2, 100, 93431, 2000000, 500000000}) {
          for (const std::size_t l2 : {std::size_t{6} << 20, std::size_t{50} << 20, std::size_t{128} << 20}) {
            qcf_head_args args = make_head_args();
            args.n = n;
            args.d = d;
            args.k_loc = k;
            args.operand_type = type;
            args.dx = args.dw = &dummy;
            const cu::Layout layout =
                cu::make_layout(QCF_PLAN_CHUNKED, device(9, l2), make_head_config(QCF_HEAD_QCFACE_CUR), args,
                                qcface::cuda::kProductWorkspaceBytes, nullptr);
            largest = std::max(largest, layout.bytes);
            // every place 64-byte aligned and inside
            REQUIRE(layout.bytes % 64 == 0);
          }
        }
        INFO("type " << type << " n " << n << " d " << d << ": " << largest);
        REQUIRE(largest <= (std::size_t{64} << 20) + 32 * static_cast<std::size_t>(n * d));
      }
    }
  }
}

TEST_CASE("cuda plan: at the sizes of training the second buffer does not shrink the chunk") {
  float dummy = 0;
  for (const std::int64_t k : {93431, 1000000, 2059906}) {
    qcf_head_args args = make_head_args();
    args.n = args.d = 512;
    args.k_loc = k;
    args.operand_type = QCF_TYPE_BF16;
    args.unit_w = args.dx = args.dw = &dummy;
    const cu::Layout layout =
        cu::make_layout(QCF_PLAN_CHUNKED, device(9, 50 << 20), make_head_config(QCF_HEAD_QCFACE), args,
                        qcface::cuda::kProductWorkspaceBytes, &dummy);
    REQUIRE(layout.chunk == 6400);
    REQUIRE(layout.second != nullptr);
    args.dw = nullptr;
    REQUIRE(cu::make_layout(QCF_PLAN_CHUNKED, device(9, 50 << 20), make_head_config(QCF_HEAD_QCFACE), args,
                            qcface::cuda::kProductWorkspaceBytes, &dummy)
                .second == nullptr);
  }
}

TEST_CASE("cuda plan: a workspace for the largest batch holds every smaller one") {
  float dummy = 0;
  int grown = 0;  // sizes at which the largest batch is not the one that needs most
  qcface::cuda::DeviceFacts h100 = device(9, 50 << 20);
  h100.multiprocessors = 132;
  h100.shared_bytes_per_block = 227 << 10;
  for (const qcf_plan kind : {QCF_PLAN_CHUNKED, QCF_PLAN_MMA, QCF_PLAN_WGMMA, QCF_PLAN_AUTO}) {
    for (const qcf_type type : {QCF_TYPE_F32, QCF_TYPE_BF16}) {
      if (type == QCF_TYPE_F32 && (kind == QCF_PLAN_MMA || kind == QCF_PLAN_WGMMA)) continue;
      for (const std::int64_t batch : {128, 256, 384, 400, 500, 512}) {
        qcf_head_args args = make_head_args();
        args.d = 512;
        args.k_loc = 93431;
        args.operand_type = type;
        if (type != QCF_TYPE_F32) args.unit_w = &dummy;
        args.dx = args.dw = &dummy;
        args.n = batch;
        const qcf_head_config config = make_head_config(QCF_HEAD_QCFACE);
        const std::size_t workspace =
            cu::largest_layout_bytes(kind, h100, config, args, qcface::cuda::kProductWorkspaceBytes);
        std::size_t own = 0;
        for (std::int64_t n = 0; n <= batch; ++n) {
          args.n = n;
          const qcf_plan chosen = cu::choose_plan(h100, cu::shape_of(args), kind).plan;
          own = cu::make_layout(chosen, h100, config, args, qcface::cuda::kProductWorkspaceBytes, nullptr)
                    .bytes;
          if (own > workspace) FAIL("n " << n << " of " << batch << " needs " << own << " > " << workspace);
        }
        grown += own < workspace;
        REQUIRE(workspace <= own + own / 4);
      }
    }
  }
  REQUIRE(grown > 0);  // else the test shows nothing
}

TEST_CASE("cuda plan: a product's result is promised as much alignment as it has") {
  alignas(64) float memory[64] = {};
  REQUIRE(cu::alignment_of(memory, 8) == 16);
  REQUIRE(cu::alignment_of(memory, 4) == 16);
  REQUIRE(cu::alignment_of(memory, 6) == 8);
  REQUIRE(cu::alignment_of(memory, 93431) == 4);
  REQUIRE(cu::alignment_of(memory + 1, 8) == 4);
  REQUIRE(cu::alignment_of(memory + 2, 8) == 8);
  REQUIRE(cu::ProductShape{}.c_alignment == 16);
}

TEST_CASE("cuda plan: AUTO and forced plans") {
  const cu::FusedShape half{QCF_TYPE_BF16, 64, 128, 1000, true, false},
      full{QCF_TYPE_F32, 64, 128, 1000, false, false};
  for (const int major : {8, 9}) {
    for (const auto& shape : {half, full}) {
      const cu::PlanChoice choice = cu::choose_plan(device(major, 40 << 20), shape, QCF_PLAN_AUTO);
      REQUIRE(choice.plan == QCF_PLAN_CHUNKED);
      REQUIRE(choice.refusal == nullptr);
      REQUIRE(cu::choose_plan(device(major, 40 << 20), shape, QCF_PLAN_CHUNKED).plan == QCF_PLAN_CHUNKED);
    }
  }
  for (const qcf_plan plan : {QCF_PLAN_MMA, QCF_PLAN_WGMMA}) {
    const cu::PlanChoice refused = cu::choose_plan(device(9, 40 << 20), full, plan);
    REQUIRE(refused.plan == QCF_PLAN_AUTO);
    REQUIRE(refused.refusal != nullptr);
  }
}

TEST_CASE("cuda plan: fp16 operands cannot overflow") {
  for (int head = 0; head < 3; ++head) {
    for (const double a : {1.0, 1.12, 100.0}) {
      qcf_head_config config = make_head_config(static_cast<qcf_head_kind>(head));
      config.mv_a = a;
      const double slope = head == 1 ? 3 : head == 2 ? a : 1;
      const cu::ShiftPolicy policy = cu::shift_policy(QCF_TYPE_F16, config);
      REQUIRE(std::exp(static_cast<double>(policy.lazy)) * slope <= 65504);
      REQUIRE(policy.lead < policy.lazy);
      REQUIRE(policy.lead > 2.5f);
      for (const double batch : {1.0, 512.0, 1e6}) {
        const float scale = cu::gradient_scale(QCF_TYPE_F16, config, batch);
        REQUIRE(static_cast<double>(scale) * config.s / batch * slope <= 65504);
        REQUIRE(static_cast<double>(scale) * config.s / batch >= 100);
        int exponent = 0;
        REQUIRE(std::frexp(scale, &exponent) == 0.5f);  // a power of two
      }
      REQUIRE(cu::gradient_scale(QCF_TYPE_BF16, config, 512) == 1.0f);
    }
  }
}

}  // namespace
}  // namespace qcface::test
