// y = prelu(batch_norm(x) + residual) and its gradients, every combination of its parts, against double
// precision. The constants of the batch norm come from the test, so that forward and backward are checked on
// their own.
#include "nn/cuda/pointwise.h"

#include <type_traits>

#include "tests/nn/cuda/elementwise_support.h"

using namespace qcface::nn::cuda;
using namespace qcface::test;

namespace {

struct Parts {
  bool norm, slope, residual, frozen;
};
struct Size {
  std::int64_t rows;
  int channels;
};

// Everything of one layer; values are what the storage types hold.
struct Layer {
  StorageType type;
  std::int64_t rows;
  int channels;
  Parts parts;
  std::vector<double> x, residual, dy, old_dx, old_residual;
  std::vector<double> saved, slope;  // fp32

  std::size_t count() const { return x.size(); }
  std::size_t c() const { return static_cast<std::size_t>(channels); }
};

Layer make_layer(StorageType type, const Size& size, const Parts& parts) {
  Layer l{type, size.rows, size.channels, parts, {}, {}, {}, {}, {}, {}, {}};
  const auto count = static_cast<std::size_t>(size.rows) * static_cast<std::size_t>(size.channels);
  l.x = random_values(type, 1, count, 0.5, 2);
  l.residual = random_values(type, 2, count);
  l.dy = random_values(type, 3, count, 0.1, 1);
  l.old_dx = random_values(type, 4, count);
  l.old_residual = random_values(type, 5, count);
  l.slope = random_values(StorageType::kF32, 6, l.c(), 0.25, 0.125);
  l.saved.resize(4 * l.c());
  const auto gamma = random_values(StorageType::kF32, 7, l.c(), 1, 0.25);
  const auto beta = random_values(StorageType::kF32, 8, l.c(), 0, 0.125);
  for (std::size_t i = 0; i < l.c(); ++i) {
    double sum = 0, squares = 0;
    for (std::size_t r = i; r < count; r += l.c()) {
      sum += l.x[r];
      squares += l.x[r] * l.x[r];
    }
    const double n = static_cast<double>(size.rows), mean = parts.frozen ? 0.25 : sum / n,
                 var = parts.frozen ? 1.5 : squares / n - mean * mean, inverse = 1 / std::sqrt(var + 2e-5);
    const double rows[4] = {gamma[i] * inverse, beta[i] - mean * gamma[i] * inverse, mean, inverse};
    for (std::size_t k = 0; k < 4; ++k) l.saved[k * l.c() + i] = rounded(StorageType::kF32, rows[k]);
  }
  return l;
}

struct Result {
  std::vector<double> y, dx, d_residual, d_gamma, d_beta, d_slope;
};

// F = double: the reference. F = float: the naive evidence, plain loops that round where a tensor is stored.
// The sign before the PReLU is taken from fp32 where double precision cannot tell it from 0, because there
// both answers are right.
template <class F>
Result compute(const Layer& l, bool accumulate) {
  Result out;
  const std::size_t c = l.c(), count = l.count();
  const Parts& p = l.parts;
  const auto store = [&](F v) {
    return std::is_same_v<F, float> ? rounded(l.type, static_cast<double>(v)) : static_cast<double>(v);
  };
  std::vector<F> dz(count), s1(c), s2(c), s3(c);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t k = i % c;
    const F a = p.norm ? static_cast<F>(l.saved[k]) : F{1},
            b = p.norm ? static_cast<F>(l.saved[c + k]) : F{0},
            mean = p.norm ? static_cast<F>(l.saved[2 * c + k]) : F{0}, x = static_cast<F>(l.x[i]),
            r = p.residual ? static_cast<F>(l.residual[i]) : F{0}, dy = static_cast<F>(l.dy[i]);
    const F z = a * x + b + r;
    const float fused =
        std::fma(static_cast<float>(a), static_cast<float>(x), static_cast<float>(b)) + static_cast<float>(r);
    const bool positive = !p.slope || (std::abs(z) < F(1e-4) ? fused > 0 : z > 0);
    const F slope = static_cast<F>(l.slope[k]);
    out.y.push_back(store(positive ? z : z * slope));
    dz[i] = positive ? dy : dy * slope;
    s1[k] += dz[i];
    s2[k] += dz[i] * (x - mean);
    if (!positive) s3[k] += dy * z;
  }
  for (std::size_t k = 0; k < c; ++k) {
    const F inverse = static_cast<F>(l.saved[3 * c + k]);
    out.d_beta.push_back(static_cast<double>(s1[k]));
    out.d_gamma.push_back(static_cast<double>(s2[k] * inverse));
    out.d_slope.push_back(static_cast<double>(s3[k]));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t k = i % c;
    F dx = dz[i];
    if (p.norm) {
      const F a = static_cast<F>(l.saved[k]), mean = static_cast<F>(l.saved[2 * c + k]),
              inverse = static_cast<F>(l.saved[3 * c + k]), n = static_cast<F>(l.rows);
      dx *= a;
      if (!p.frozen)
        dx -= a * s1[k] / n + a * inverse * inverse * (static_cast<F>(l.x[i]) - mean) * s2[k] / n;
    }
    out.dx.push_back(store(accumulate ? dx + static_cast<F>(l.old_dx[i]) : dx));
    out.d_residual.push_back(store(accumulate ? dz[i] + static_cast<F>(l.old_residual[i]) : dz[i]));
  }
  return out;
}

void check_layer(const Layer& l, bool accumulate, bool in_place) {
  const Parts& p = l.parts;
  INFO(name_of(l.type) << " " << l.rows << " x " << l.channels << (p.norm ? " norm" : "")
                       << (p.slope ? " slope" : "") << (p.residual ? " residual" : "")
                       << (p.frozen ? " frozen" : "") << (accumulate ? " accumulate" : "")
                       << (in_place ? " in place" : ""));
  const Result exact = compute<double>(l, accumulate), naive = compute<float>(l, accumulate);
  // Size of the terms of dx: with two rows they cancel almost completely.
  double term = 0;
  for (std::size_t i = 0; i < l.count(); ++i) {
    term = std::max(term, std::abs((p.norm ? l.saved[i % l.c()] : 1.0) * l.dy[i]));
  }
  const PointwiseShape shape{l.type, l.rows, l.channels};
  same_bits_in_every_mode([&] {
    Array x(l.type, l.x), residual(l.type, l.residual), y(l.type, l.count()),
        saved(StorageType::kF32, l.saved), slope(StorageType::kF32, l.slope);
    PointwiseForward forward{shape,   x.data(), nullptr, in_place ? x.data() : y.data(),
                             nullptr, nullptr,  nullptr};
    if (p.residual) forward.residual = residual.data();
    if (p.norm) forward.saved = saved.floats();
    if (p.slope) forward.slope = slope.floats();
    pointwise_forward(forward, nullptr);
    Array& result = in_place ? x : y;
    check_against("y", result.values(), naive.y, exact.y, 1.5, 1e-6);
    std::vector<std::vector<std::uint8_t>> bytes{result.raw()};
    if (in_place) x.assign(l.x);

    Array dy(l.type, l.dy), dx(l.type, l.count()), d_residual(l.type, l.count()),
        d_gamma(StorageType::kF32, l.c()), d_beta(StorageType::kF32, l.c()),
        d_slope(StorageType::kF32, l.c()), workspace = scratch(pointwise_backward_workspace_bytes(shape));
    if (accumulate) {
      dx.assign(l.old_dx);
      d_residual.assign(l.old_residual);
    }
    PointwiseBackward call;
    call.shape = shape;
    call.x = x.data();
    call.residual = forward.residual;
    call.dy = dy.data();
    call.saved = forward.saved;
    call.slope = forward.slope;
    call.frozen = p.frozen;
    pointwise_backward_sums(call, workspace.data(), nullptr);
    pointwise_backward_finalise(call, workspace.data(), d_gamma.floats(), d_beta.floats(), d_slope.floats(),
                                nullptr);
    call.dx = in_place ? dy.data() : dx.data();
    call.accumulate_dx = accumulate && !in_place;
    if (p.residual) call.d_residual = d_residual.data();
    call.accumulate_residual = accumulate;
    if (!needs_x(call)) call.x = nullptr;
    pointwise_backward(call, workspace.data(), nullptr);
    if (p.norm) {
      check_against("d_gamma", d_gamma.values(), naive.d_gamma, exact.d_gamma, 2, 1e-6);
      check_against("d_beta", d_beta.values(), naive.d_beta, exact.d_beta, 2, 1e-6);
    }
    if (p.slope) check_against("d_slope", d_slope.values(), naive.d_slope, exact.d_slope, 2, 1e-6);
    // Rounding to the storage type decides here; the factors of fp32 leave a few units of fp32 beside it.
    Array& gradient = in_place ? dy : dx;
    check_against("dx", gradient.values(), naive.dx, exact.dx, 1.5, 1e-6, term);
    if (p.residual)
      check_against("d_residual", d_residual.values(), naive.d_residual, exact.d_residual, 1.5, 1e-6);
    for (const Array* a : {&gradient, &d_residual, &d_gamma, &d_beta, &d_slope}) bytes.push_back(a->raw());
    return bytes;
  });
}

// One row; the plain path; vectors with idle lanes; several tiles; several groups and every
// remainder.
const Size kSizes[] = {{1, 9}, {2, 3}, {7, 8}, {61, 20}, {129, 24}, {35, 264}, {523, 64}, {1030, 5}};

}  // namespace

TEST_CASE("cuda pointwise: every combination of batch norm, residual, PReLU and mode") {
  QCFACE_NEED_DEVICE();
  for (const StorageType type : kTypes) {
    for (int bits = 0; bits < 16; ++bits) {
      const Parts parts{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
      if (parts.frozen && !parts.norm) continue;
      check_layer(make_layer(type, {129, 24}, parts), false, false);
      check_layer(make_layer(type, {131, 5}, parts), true, false);
    }
  }
}

TEST_CASE("cuda pointwise: every shape, with accumulation and in place") {
  QCFACE_NEED_DEVICE();
  for (const StorageType type : kTypes) {
    for (const Size& size : kSizes) {
      const bool batch = size.rows > 1;  // a batch of one has no deviation
      check_layer(make_layer(type, size, {true, true, false, !batch}), false, true);
      check_layer(make_layer(type, size, {true, false, true, !batch}), true, false);
    }
  }
}

TEST_CASE("cuda pointwise: emitted statistics equal those of a pass over y, bit for bit") {
  QCFACE_NEED_DEVICE();
  for (const StorageType type : kTypes) {
    for (const Size& size : kSizes) {
      for (const bool residual : {false, true}) {
        INFO(name_of(type) << " " << size.rows << " x " << size.channels << (residual ? " residual" : ""));
        const Layer l = make_layer(type, size, {true, true, residual, true});
        const PointwiseShape shape{type, size.rows, size.channels};
        same_bits_in_every_mode([&] {
          Array x(type, l.x), r(type, l.residual), y(type, l.count()), plain(type, l.count()),
              saved(StorageType::kF32, l.saved), slope(StorageType::kF32, l.slope),
              emitted = scratch(statistics_workspace_bytes(shape)),
              read = scratch(statistics_workspace_bytes(shape));
          PointwiseForward call{shape,         x.data(),       residual ? r.data() : nullptr,
                                y.data(),      saved.floats(), slope.floats(),
                                emitted.data()};
          pointwise_forward(call, nullptr);
          batch_norm_statistics(shape, y.data(), read.data(), nullptr);
          REQUIRE(emitted.raw() == read.raw());
          call.y = plain.data();
          call.next_partials = nullptr;
          pointwise_forward(call, nullptr);
          REQUIRE(plain.raw() == y.raw());
          return Bytes{emitted.raw()};
        });
      }
    }
  }
}

TEST_CASE("cuda pointwise: bad calls are refused by name") {
  QCFACE_NEED_DEVICE();
  Array x(StorageType::kF32, random_values(StorageType::kF32, 1, 64)), y(StorageType::kF32, 64);
  PointwiseForward forward{{StorageType::kF32, 8, 8}, x.data(), nullptr, nullptr, nullptr, nullptr, nullptr};
  REQUIRE_THROWS_WITH(pointwise_forward(forward, nullptr), contains("pointwise_forward: y is null"));
  forward.y = y.floats() + 2;
  REQUIRE_THROWS_WITH(pointwise_forward(forward, nullptr), contains("y lies 8 bytes past"));
  PointwiseBackward backward;
  backward.shape = {StorageType::kF32, 8, 8};
  backward.dy = x.data();
  backward.dx = y.data();
  backward.d_residual = y.data();
  REQUIRE_THROWS_WITH(pointwise_backward(backward, nullptr, nullptr), contains("the same memory"));
  backward.d_residual = nullptr;
  backward.saved = x.floats();
  REQUIRE_THROWS_WITH(pointwise_backward(backward, nullptr, nullptr), contains("x is null"));
  backward.shape.channels = 0;
  REQUIRE_THROWS_WITH(pointwise_backward(backward, nullptr, nullptr), contains("channels must be positive"));
}
