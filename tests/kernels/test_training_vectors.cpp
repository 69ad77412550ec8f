// The twelve trajectories of golden/train.json: 20 steps of SGD around the head. The little network and SGD are double
// loops written here; the head sees fp32 copies, so what is compared is the head inside a feedback loop.
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/kernels/golden_heads.h"

namespace qcface::test {
namespace {

using Json = nlohmann::json;
using Matrix = std::vector<double>;

struct Problem {
  Json run;
  std::map<std::string, Matrix> parameters, velocity;
  Matrix inputs;  // U of the mlp
  bool mlp = false;
  std::int64_t rows = 0, batch = 0, in = 0, hidden = 0, d = 0, k = 0;
};

Problem make_problem(const Json& run) {
  Problem p;
  p.run = run;
  p.mlp = run["kind"] == "mlp";
  const Json& shape = run["shape"];
  p.d = shape["D"];
  p.k = shape["C"];
  p.rows = p.mlp ? shape["rows"] : shape["N"];
  p.batch = p.mlp ? shape["batch"] : shape["N"];
  p.in = p.mlp ? shape["inp"].get<std::int64_t>() : 0;
  p.hidden = p.mlp ? shape["hid"].get<std::int64_t>() : 0;
  for (const auto& [name, spec] : run["tensors"].items()) {
    std::size_t count = 1;
    for (const std::size_t extent : spec[3]) count *= extent;
    const auto values = tensor(run["seed"], spec[0], count, spec[1], spec[2]);
    (name == "U" ? p.inputs : p.parameters[name]) = Matrix(values.begin(), values.end());
  }
  return p;
}

/// out [rows, columns] = a [rows, inner] * b^T, b [columns, inner], plus a bias.
Matrix affine(const Matrix& a, const Matrix& b, const Matrix& bias, std::int64_t inner) {
  const auto depth = static_cast<std::size_t>(inner);
  const std::size_t rows = a.size() / depth, columns = bias.size();
  Matrix out(rows * columns);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      double sum = bias[c];
      for (std::size_t e = 0; e < depth; ++e) sum += a[r * depth + e] * b[c * depth + e];
      out[r * columns + c] = sum;
    }
  }
  return out;
}

/// Gradients of an affine map from dout [rows, columns]: dweight [columns, inner], dbias; returns dinput.
Matrix affine_backward(const Matrix& dout, const Matrix& a, const Matrix& b, std::int64_t inner,
                       std::int64_t outer, Matrix* dweight, Matrix* dbias) {
  const auto depth = static_cast<std::size_t>(inner), columns = static_cast<std::size_t>(outer);
  const std::size_t rows = a.size() / depth;
  dweight->assign(columns * depth, 0);
  dbias->assign(columns, 0);
  Matrix din(a.size(), 0.0);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      const double g = dout[r * columns + c];
      (*dbias)[c] += g;
      for (std::size_t e = 0; e < depth; ++e) {
        (*dweight)[c * depth + e] += g * a[r * depth + e];
        din[r * depth + e] += g * b[c * depth + e];
      }
    }
  }
  return din;
}

std::vector<double> step(Problem& p, const qcf_head_config& config, int index, float* t) {
  HeadInput in;
  in.n = p.batch;
  in.d = p.d;
  in.k = p.k;
  Matrix u, v, h, x;
  for (std::int64_t j = 0; j < p.batch; ++j) {
    const std::int64_t row = p.mlp ? (index * p.batch + j) % p.rows : j;
    in.labels.push_back(p.run["labels"][static_cast<std::size_t>(row)]);
    if (p.mlp) u.insert(u.end(), p.inputs.begin() + row * p.in, p.inputs.begin() + (row + 1) * p.in);
  }
  if (p.mlp) {
    v = affine(u, p.parameters["A"], p.parameters["a"], p.in);
    h = v;
    for (double& value : h) value = value > 0 ? value : value / 4;
    x = affine(h, p.parameters["B"], p.parameters["b"], p.hidden);
  } else {
    x = p.parameters["X"];
  }
  in.x.assign(x.begin(), x.end());
  in.w.assign(p.parameters["W"].begin(), p.parameters["W"].end());
  const HeadRun run = run_head(config, in, *t);
  *t = run.t;
  std::map<std::string, Matrix> gradient;
  gradient["W"] = Matrix(run.dw.data(), run.dw.data() + run.dw.size());
  const Matrix dx(run.dx.data(), run.dx.data() + run.dx.size());
  if (p.mlp) {
    Matrix dh = affine_backward(dx, h, p.parameters["B"], p.hidden, p.d, &gradient["B"], &gradient["b"]);
    for (std::size_t i = 0; i < dh.size(); ++i) dh[i] *= v[i] > 0 ? 1 : 0.25;
    affine_backward(dh, u, p.parameters["A"], p.in, p.hidden, &gradient["A"], &gradient["a"]);
  } else {
    gradient["X"] = dx;
  }
  const double momentum = p.run["momentum"], decay = p.run["weight_decay"];
  const double rate = p.run["lr"][static_cast<std::size_t>(index)];
  for (auto& [name, values] : p.parameters) {
    Matrix& velocity = p.velocity[name];
    velocity.resize(values.size(), 0.0);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double g = gradient.at(name)[i] + decay * values[i];
      velocity[i] = index == 0 ? g : momentum * velocity[i] + g;
      values[i] -= rate * velocity[i];
    }
  }
  double z = 0, mean_p = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(in.n); ++i) {
    z += static_cast<double>(run.z[i]) / static_cast<double>(in.n);
    mean_p += static_cast<double>(run.p[i]) / static_cast<double>(in.n);
  }
  return {run.losses[0], run.losses[1], run.losses[2], z, mean_p, static_cast<double>(*t)};
}

TEST_CASE("golden training trajectories (vectors of train.json)", "[golden]") {
  QCFACE_NEEDS_BACKEND();
  std::ifstream file(golden("train.json"));
  REQUIRE(file.good());
  const Json all = Json::parse(file);
  REQUIRE(!all["runs"].empty());
  if (own_data()) REQUIRE(all["runs"].size() == 12);
  for (const Json& run : all["runs"]) {
    Problem p = make_problem(run);
    qcf_head_config config = make_head_config(golden_head_kind(run["head"]));
    REQUIRE(!run["log"].empty());
    REQUIRE(run["end"].size() == p.parameters.size());
    REQUIRE(qcf_rule_from_name(run["rule"].get<std::string>().c_str(), &config.rule) == 1);
    config.phase = run["phase"] == "norm" ? QCF_PHASE_NORM : QCF_PHASE_ID;
    config.lambda = run["lam"];
    config.m = run["m"];
    config.s = run["s"];
    float t = 0;
    for (std::size_t k = 0; k < run["log"].size(); ++k) {
      const std::vector<double> got = step(p, config, static_cast<int>(k), &t);
      // What fp32 rounding alone does to the loss of this run, with room for another order of summation.
      const double evidence = run["f32_loss_err"][k < 5 ? 0 : 1];
      const double relative = 1e-5 + 10 * evidence;
      for (std::size_t column = 0; column < got.size(); ++column) {
        const double want = run["log"][k][column];
        const double scale = column < 4 ? std::fabs(want) : 1.0;
        INFO(run["kind"] << " " << run["head"] << " " << run["phase"] << " step " << k << " "
                         << run["columns"][column] << ": " << got[column] << ", expected " << want);
        REQUIRE(std::fabs(got[column] - want) <= relative * scale);
      }
    }
    for (const auto& [name, end] : run["end"].items()) {
      const Matrix& values = p.parameters.at(name);
      double square = 0, sum = 0, absolute = 0;
      for (const double value : values) {
        square += value * value;
        sum += value;
        absolute += std::fabs(value);
      }
      INFO(run["kind"] << " " << run["head"] << " " << run["phase"] << " end of " << name);
      REQUIRE(std::fabs(std::sqrt(square) - end[0].get<double>()) <= 1e-4 * end[0].get<double>());
      REQUIRE(std::fabs(sum - end[1].get<double>()) <= 1e-4 * absolute);
      for (std::size_t i = 0; i < 4; ++i) {
        REQUIRE(std::fabs(values[i] - end[2 + i].get<double>()) <= 1e-4 * (1 + std::fabs(values[i])));
      }
    }
  }
}

}  // namespace
}  // namespace qcface::test
