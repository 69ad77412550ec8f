// The C++ face of the installed library: a step, a named head, and an error that arrives as an exception.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <qcface/kernels.hpp>
#include <string>
#include <vector>

int main() {
  const std::vector<float> x{1, 2, -1, 0.5f}, w{1, 0, 0, 1};  // [2, 2] each
  std::vector<std::int64_t> labels{0, 1};
  qcface::KernelContext context(1);
  qcf_head_config config = qcface::make_head_config(qcface::head_from_name("softmax"));
  config.s = 2;
  qcf_head_args args = qcface::make_head_args();
  double losses[3] = {};
  args.n = args.d = args.k_loc = 2;
  args.x = x.data();
  args.w = w.data();
  args.labels = labels.data();
  args.losses = losses;
  args.workspace_bytes = (qcface::head_workspace_bytes(context, config, args) + 63) / 64 * 64;
  const std::unique_ptr<void, decltype(&std::free)> workspace(std::aligned_alloc(64, args.workspace_bytes),
                                                              &std::free);
  args.workspace = workspace.get();
  qcface::head_step(context, config, args);

  // With the unit vectors of the axes as classes the cosines are the coordinates of the unit rows.
  double want = 0;
  for (int i = 0; i < 2; ++i) {
    const double length = std::hypot(x[2 * i], x[2 * i + 1]);
    const double own = 2 * x[2 * i + i] / length, other = 2 * x[2 * i + 1 - i] / length;
    want += std::log1p(std::exp(other - own)) / 2;
  }
  if (std::fabs(losses[0] - want) > 1e-6) {
    std::fprintf(stderr, "loss %.9g, expected %.9g\n", losses[0], want);
    return 1;
  }
  labels[1] = 7;
  try {
    qcface::head_step(context, config, args);
  } catch (const qcface::KernelError& error) {
    if (std::string(error.what()).find("labels[1] = 7") == std::string::npos) return 1;
    std::printf("C++: loss %.6f; a bad label: %s\n", losses[0], error.what());
    return 0;
  }
  std::fprintf(stderr, "a label out of range was accepted\n");
  return 1;
}
