// A head whose classes and batch are shared out over ranks, against one rank that holds everything.
#include "nn/head/exchange.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "core/comm/communicator.h"
#include "nn/backbones/iresnet.h"
#include "nn/backend.h"
#include "nn/network.h"
#include "tests/kernels/random_input.h"
#include "tests/support/thread_ranks.h"

namespace qcface::test {
namespace {

constexpr float kStartT = 0.2f;

/// What one rank has after a step.
struct RankStep {
  HeadInput part;  // all rows, the rank's classes
  HeadRun run{part};
  std::vector<float> dx;  // [own rows, D]
};

template <class T>
std::vector<T> slice(const std::vector<T>& all, std::int64_t first, std::int64_t count) {
  return {all.begin() + first, all.begin() + first + count};
}

/// One step on one rank, from its own rows of x and labels and, of `whole`, the class weights, n, d and k.
RankStep step_of(Communicator& communicator, const qcf_head_config& config, const HeadInput& whole,
                 const std::vector<float>& own_x, const std::vector<std::int64_t>& own_labels) {
  const int rank = communicator.rank(), ranks = communicator.size();
  const Share rows = share_of(whole.n, rank, ranks), classes = share_of(whole.k, rank, ranks);
  RankStep step;
  HeadInput& part = step.part;
  part.n = whole.n;
  part.d = whole.d;
  part.k = classes.count;
  part.w = slice(whole.w, classes.first * whole.d, classes.count * whole.d);
  part.x.assign(static_cast<std::size_t>(whole.n * whole.d), NAN);
  part.labels.assign(static_cast<std::size_t>(whole.n), -99);
  communicator.all_gather(array_of(own_x.data(), rows.count, whole.d),
                          array_of(part.x.data(), whole.n, whole.d));
  communicator.all_gather(array_of(own_labels.data(), rows.count), array_of(part.labels.data(), whole.n));

  step.run = HeadRun(part);
  HeadRun& run = step.run;
  run.t = kStartT;
  qcf_head_args args = run.args(part);
  args.k_total = whole.k;
  args.class_offset = classes.first;
  if (ranks > 1) args.row_tangent = nullptr;
  KernelContext context(1);
  CallArgs call(context, args);
  call.add_workspace(context, config);
  nn::forward_stages(context, config, call.args(), communicator);
  head_weights(context, config, call.args());
  step.dx.assign(own_x.size(), NAN);
  communicator.reduce_scatter(array_of(run.dx.data(), whole.n, whole.d),
                              array_of(step.dx.data(), rows.count, whole.d), Reduce::kSum);
  return step;
}

/// The same with the rows of `whole`.
RankStep step_of(Communicator& communicator, const qcf_head_config& config, const HeadInput& whole) {
  const Share rows = share_of(whole.n, communicator.rank(), communicator.size());
  return step_of(communicator, config, whole, slice(whole.x, rows.first * whole.d, rows.count * whole.d),
                 slice(whole.labels, rows.first, rows.count));
}

/// Largest |a - b| over the rows, against `relative` of the row's largest value in b.
template <class A, class B>
void require_rows_near(const A* a, const B* b, std::size_t rows, std::size_t width, double relative) {
  for (std::size_t r = 0; r < rows; ++r) {
    double largest = 0, worst = 0;
    for (std::size_t k = 0; k < width; ++k) {
      const double want = b[r * width + k],
                   difference = std::fabs(static_cast<double>(a[r * width + k]) - want);
      largest = std::max(largest, std::fabs(want));
      worst = difference <= worst ? worst : difference;  // NaN stays
    }
    INFO("row " << r << ": off by " << worst << ", largest value " << largest);
    REQUIRE(worst <= relative * largest + 1e-30);
  }
}

bool bits(const double* a, const double* b, std::size_t count) {
  return std::memcmp(a, b, count * sizeof(double)) == 0;
}

TEST_CASE("head exchange: ranks that share classes and batch give what one rank gives") {
  for (int head = 0; head < qcf_head_count(); ++head) {
    qcf_head_config config = make_head_config(static_cast<qcf_head_kind>(head));
    for (const qcf_phase phase : {QCF_PHASE_ID, QCF_PHASE_NORM}) {
      config.phase = phase;
      for (const std::int64_t n : {11, 2}) {  // two rows: one of three ranks has none
        const HeadInput in = random_input(static_cast<std::uint32_t>(70 + head), n, 20, 311);
        const HeadRun whole = run_head(config, in, kStartT, 1);
        for (const int ranks : {1, 2, 3}) {
          INFO(qcf_head_name(config.kind)
               << ", phase " << phase << ", " << n << " rows, " << ranks << " ranks");
          std::vector<RankStep> steps(static_cast<std::size_t>(ranks));
          run_ranks(ranks, [&](Communicator& communicator) {
            steps[static_cast<std::size_t>(communicator.rank())] = step_of(communicator, config, in);
          });
          if (ranks == 1) {
            REQUIRE(same_bits(steps[0].run, whole));
            continue;
          }
          const auto rows = static_cast<std::size_t>(n);
          for (int rank = 0; rank < ranks; ++rank) {
            const RankStep& step = steps[static_cast<std::size_t>(rank)];
            const HeadRun& run = step.run;
            REQUIRE(run.intact());
            // The bits of one rank: what depends on the rows and their own classes.
            REQUIRE(std::memcmp(&run.t, &whole.t, sizeof(float)) == 0);
            REQUIRE(run.length_stats == whole.length_stats);
            REQUIRE(same_bits(run.z, whole.z));
            REQUIRE(same_bits(run.c, whole.c));
            REQUIRE(same_bits(run.t_logit, whole.t_logit));
            REQUIRE(run.rank.vector() == whole.rank.vector());
            REQUIRE(run.hard.vector() == whole.hard.vector());
            // The same bits on all ranks: everything that is said of the batch.
            REQUIRE(bits(run.losses.data(), steps[0].run.losses.data(), 3));
            for (const auto row : {&HeadRun::nll, &HeadRun::one_minus_q, &HeadRun::p, &HeadRun::zstar,
                                   &HeadRun::lg, &HeadRun::dz, &HeadRun::dx_magnitude})
              REQUIRE(same_bits(run.*row, steps[0].run.*row));
            // Up to the rounding of sums over classes.
            for (std::size_t i = 0; i < 3; ++i)
              REQUIRE(std::fabs(run.losses[i] - whole.losses[i]) <= 2e-6 * std::fabs(whole.losses[i]));
            require_rows_near(run.p.data(), whole.p.data(), 1, rows, 2e-6);
            const Share own = share_of(n, rank, ranks), classes = share_of(in.k, rank, ranks);
            require_rows_near(step.dx.data(), whole.dx.data() + own.first * in.d,
                              static_cast<std::size_t>(own.count), static_cast<std::size_t>(in.d), 1e-5);
            require_rows_near(run.dw.data(), whole.dw.data() + classes.first * in.d,
                              static_cast<std::size_t>(classes.count), static_cast<std::size_t>(in.d), 1e-5);
          }
        }
      }
    }
  }
}

// A whole step up to the gradients, batch norm with its running statistics: those of a batch would be each rank's own.
TEST_CASE("head exchange: backbone and head over ranks give the losses and gradients of one rank") {
  constexpr int kSize = 16, kBatch = 7, kWidth = 24;
  constexpr std::int64_t kClasses = 50;
  nn::IResNetConfig net = nn::iresnet_config("mini", kWidth);
  net.widths = {8, 16, 16, 24};
  net.image_size = kSize;
  net.dropout = 0;
  constexpr std::int64_t kPixels = 3 * kSize * kSize;
  const std::vector<float> pictures = tensor(61, 1, static_cast<std::size_t>(kBatch * kPixels), 0, 1);
  HeadInput whole;
  whole.n = kBatch;
  whole.d = kWidth;
  whole.k = kClasses;
  whole.w = tensor(61, 2, static_cast<std::size_t>(kClasses * kWidth), 0, 1);
  for (std::int64_t i = 0; i < kBatch; ++i) whole.labels.push_back(i * 19 % kClasses);

  struct Result {
    double loss = 0;
    std::vector<float> backbone, classes;
  };
  for (const qcf_head_kind kind : {QCF_HEAD_QCFACE_CUR, QCF_HEAD_ADAFACE}) {
    qcf_head_config config = make_head_config(kind);
    config.phase = QCF_PHASE_NORM;
    std::vector<Result> of_one;
    for (const int ranks : {1, 2, 3}) {
      std::vector<Result> results(static_cast<std::size_t>(ranks));
      run_ranks(ranks, [&](Communicator& communicator) {
        const Share rows = share_of(kBatch, communicator.rank(), ranks);
        const auto backend = nn::make_cpu_backend(1);
        nn::Network network(nn::iresnet_graph(net), *backend);
        network.parameters().initialise(3);
        const std::vector<float> images = slice(pictures, rows.first * kPixels, rows.count * kPixels);
        const auto x = network.forward_frozen(images, static_cast<int>(rows.count));
        const RankStep step = step_of(communicator, config, whole, {x.begin(), x.end()},
                                      slice(whole.labels, rows.first, rows.count));
        network.backward(step.dx);
        const std::span<float> gradients = network.parameters().gradients();
        communicator.all_reduce(array_of(gradients.data(), std::ssize(gradients)), Reduce::kSum);
        results[static_cast<std::size_t>(communicator.rank())] = {
            step.run.losses[0], {gradients.begin(), gradients.end()}, step.run.dw.vector()};
      });
      if (ranks == 1) {
        of_one = results;
        continue;
      }
      INFO(qcf_head_name(kind) << ", " << ranks << " ranks");
      const Result& want = of_one.front();
      std::vector<float> classes;
      for (const Result& result : results) {
        REQUIRE(bits(&result.loss, &results.front().loss, 1));
        REQUIRE(result.backbone == results.front().backbone);
        classes.insert(classes.end(), result.classes.begin(), result.classes.end());
      }
      REQUIRE(std::fabs(results.front().loss - want.loss) <= 2e-6 * want.loss);
      REQUIRE(classes.size() == want.classes.size());
      require_rows_near(classes.data(), want.classes.data(), kClasses, kWidth, 1e-5);
      REQUIRE(results.front().backbone.size() == want.backbone.size());
      require_rows_near(results.front().backbone.data(), want.backbone.data(), 1, want.backbone.size(), 1e-5);
    }
  }
}

TEST_CASE("head exchange: a rank that finds NaN in its classes is named to the others") {
  HeadInput in = random_input(5, 6, 20, 90);
  in.w[89 * 20] = NAN;  // the last rank's
  const qcf_head_config config = make_head_config(QCF_HEAD_QCFACE);
  std::vector<std::string> texts(3);
  REQUIRE_THROWS_AS(run_ranks(3,
                              [&](Communicator& communicator) {
                                try {
                                  step_of(communicator, config, in);
                                } catch (const std::exception& error) {
                                  texts[static_cast<std::size_t>(communicator.rank())] = error.what();
                                  throw;
                                }
                              }),
                    KernelError);
  REQUIRE(texts[2] == "w: row 29 of 30 holds NaN or infinity");
  for (const std::size_t rank : {std::size_t{0}, std::size_t{1}})
    REQUIRE_THAT(texts[rank], contains("rank 2 is gone (w: row 29 of 30 holds NaN"));
}

}  // namespace
}  // namespace qcface::test
