// Every case of golden/heads.txt for the heads of this library, against the tolerances of golden-formats.md.
#include <algorithm>
#include <map>
#include <string>

#include "tests/kernels/golden_heads.h"

namespace qcface::test {
namespace {

struct Checker {
  std::string where;
  int failures = 0;

  void check(const char* what, std::int64_t index, double got, double want, double tolerance) {
    if (std::fabs(got - want) <= tolerance) return;
    if (++failures <= 5) {
      UNSCOPED_INFO(where << " " << what << "[" << index << "] = " << got << ", expected " << want << " +- "
                          << tolerance);
    }
  }
};

struct Kinks {
  std::vector<bool> row, klass;
};

/// Rows whose gradient is not unique, and the classes they touch.
Kinks find_kinks(const GoldenScene& scene, const GoldenCase& c) {
  Kinks kinks{std::vector<bool>(static_cast<std::size_t>(scene.n)),
              std::vector<bool>(static_cast<std::size_t>(scene.k))};
  for (std::size_t i = 0; i < scene.rows.size(); ++i) {
    const GoldenRow& row = scene.rows[i];
    if (row.kind == "par" || (row.kind == "anti" && c.rule == "none")) {
      kinks.row[i] = true;
      kinks.klass[static_cast<std::size_t>(row.label)] = true;
    }
  }
  return kinks;
}

void check_digest(Checker& checker, const char* what, const double* want, const Guarded<float>& got,
                  std::int64_t columns, const std::vector<std::int64_t>* labels,
                  const std::vector<double>& row_tolerance, double relative) {
  const auto count = static_cast<std::uint32_t>(got.size());
  double sum = 0, absolute = 0, square = 0, largest = 0;
  double projection[8] = {};
  for (std::uint32_t i = 0; i < count; ++i) {
    const double g = got[i];
    sum += g;
    absolute += std::fabs(g);
    square += g * g;
    largest = std::max(largest, std::fabs(g));
    for (std::uint32_t k = 0; k < 8; ++k) projection[k] += g * sym(77, k, i);
  }
  const double tolerance = relative * want[1];
  checker.check((std::string(what) + " sum").c_str(), 0, sum, want[0], tolerance);
  checker.check((std::string(what) + " sum |.|").c_str(), 0, absolute, want[1], tolerance);
  checker.check((std::string(what) + " 2-norm").c_str(), 0, std::sqrt(square), want[2], relative * want[2]);
  double widest = 0;
  for (const double t : row_tolerance) widest = std::max(widest, t);
  checker.check((std::string(what) + " max").c_str(), 0, largest, want[3], widest);
  for (int k = 0; k < 8; ++k) {
    checker.check((std::string(what) + " projection").c_str(), k, projection[k], want[4 + k], tolerance);
  }
  for (std::uint32_t j = 0; j < 64; ++j) {
    std::uint32_t at;
    if (j < 32) {
      at = hash(78, 1, j) % count;
    } else if (labels == nullptr) {
      at = hash(78, 1, j) % count;
    } else {
      const auto row = static_cast<std::uint32_t>((*labels)[(j - 32) % labels->size()]);
      at = row * static_cast<std::uint32_t>(columns) +
           hash(78, 1, 64 + (j - 32)) % static_cast<std::uint32_t>(columns);
    }
    checker.check((std::string(what) + " sample").c_str(), at, got[at], want[12 + j],
                  row_tolerance[static_cast<std::size_t>(at / columns)]);
  }
}

void check_case(const GoldenHeads& all, const GoldenScene& scene, const HeadInput& in, const GoldenCase& c,
                Form form, qcf_isa isa) {
  const qcf_head_config config = golden_config(c, golden_head_kind(c.head));
  const auto state = [&](const char* name, double start) {
    const auto found = c.in.find(name);
    return static_cast<float>(found == c.in.end() ? start : found->second);
  };
  const HeadRun run =
      run_head(config, in, state("t", 0), 2, form, isa, {state("mean", 20), state("std", 100)});

  Checker checker{c.id};
  const auto n = static_cast<std::size_t>(in.n);
  const auto d = static_cast<std::size_t>(in.d);
  const double batch = static_cast<double>(in.n);
  const double* rows = all.data.data() + c.rows;
  const auto golden_row = [&](int which, std::size_t i) {
    return rows[static_cast<std::size_t>(which) * n + i];
  };
  const Kinks kinks = find_kinks(scene, c);
  std::int64_t hard = 0;
  double nll_tolerance = 0, lg_tolerance = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto at = static_cast<std::int64_t>(i);
    const bool par = scene.rows[i].kind == "par";
    const double z = golden_row(0, i), nll = golden_row(3, i), lg = golden_row(7, i),
                 one_minus_q = 1 - golden_row(4, i);
    checker.check("z", at, run.z[i], z, 1e-6 * z);
    checker.check("c_y", at, run.c[i], golden_row(1, i), 1e-6);
    checker.check("T", at, run.t_logit[i], golden_row(2, i), par ? 1e-5 : 2e-6);
    checker.check("nll", at, run.nll[i], nll, 1e-4 + 1e-5 * std::fabs(nll));
    checker.check("q", at, 1 - static_cast<double>(run.one_minus_q[i]), golden_row(4, i), 1e-4);
    checker.check("p", at, run.p[i], golden_row(5, i), 1e-4);
    checker.check("z*", at, run.zstar[i], golden_row(6, i), 1e-3 * golden_row(6, i) + 1e-4 * 1e2);
    checker.check("L_g", at, run.lg[i], lg, 2e-4 * (1 + std::fabs(lg)));
    nll_tolerance += (1e-4 + 1e-5 * std::fabs(nll)) / batch;
    lg_tolerance += 2e-4 * (1 + std::fabs(lg)) / batch;
    const double dz = golden_row(8, i);
    checker.check("dL/dz", at, run.dz[i], dz, 2e-4 * std::fabs(dz) + 5e-5 * config.s / (batch * z));
    hard += run.hard[i];
    if (kinks.row[i]) {
      const double limit = config.s * (one_minus_q + 1e-4) / (batch * z);
      checker.check("tangent at a kink", at, run.tangent[i], 0, limit * 1.0001);
      for (std::size_t k = 0; k < d; ++k) {
        if (!std::isfinite(run.dx[i * d + k])) checker.check("dx at a kink", at, run.dx[i * d + k], 0, 0);
      }
    } else {
      const double tangent = golden_row(9, i);
      checker.check("tangent", at, run.tangent[i], tangent, 5e-5 * (tangent + config.s / (batch * z)));
    }
  }
  CHECK(hard == c.hard);
  const double lambda = config.phase == QCF_PHASE_NORM ? config.lambda : 0;
  checker.check("loss_id", 0, run.losses[1], c.s.at("loss_id"), nll_tolerance);
  checker.check("loss_g", 0, run.losses[2], c.s.at("loss_g"), lg_tolerance);
  checker.check("loss", 0, run.losses[0], c.s.at("loss"), nll_tolerance + lambda * lg_tolerance);
  if (const auto out = c.out.find("t"); out != c.out.end())
    checker.check("t out", 0, run.t, out->second, 1e-6);
  if (c.out.count("mean") != 0) {
    checker.check("mean out", 0, run.length_stats[0], c.out.at("mean"), 1e-6 * c.out.at("mean"));
    checker.check("std out", 0, run.length_stats[1], c.out.at("std"), 1e-6 * c.out.at("std"));
  }

  // gradients: per-row tolerances on each row's natural scale
  const auto tolerances = [&](const Guarded<float>& got, const double* full, std::size_t count,
                              double relative, const auto& natural) {
    std::vector<double> tolerance(count);
    for (std::size_t r = 0; r < count; ++r) {
      double largest = 0;
      for (std::size_t k = 0; k < d; ++k) {
        largest = std::max(
            largest, std::fabs(full != nullptr ? full[r * d + k] : static_cast<double>(got[r * d + k])));
      }
      tolerance[r] = relative * (largest + natural(r));
    }
    return tolerance;
  };
  const double* gx = all.data.data() + c.gx;
  const double* gw = all.data.data() + c.gw;
  const auto dx_tolerance = tolerances(run.dx, c.gx_full ? gx : nullptr, n, 5e-5,
                                       [&](std::size_t r) { return config.s / (batch * golden_row(0, r)); });
  const auto dw_tolerance =
      tolerances(run.dw, c.gw_full ? gw : nullptr, static_cast<std::size_t>(in.k), 1e-5, [&](std::size_t r) {
        double square = 0;
        for (std::size_t k = 0; k < d; ++k) {
          square += static_cast<double>(in.w[r * d + k]) * in.w[r * d + k];
        }
        return config.s / (batch * std::sqrt(square));
      });
  const auto check_full = [&](const char* what, const Guarded<float>& got, const double* want,
                              const std::vector<double>& tolerance, const std::vector<bool>& skip) {
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (!skip[i / d]) checker.check(what, static_cast<std::int64_t>(i), got[i], want[i], tolerance[i / d]);
    }
  };
  if (c.gx_full) {
    check_full("dx", run.dx, gx, dx_tolerance, kinks.row);
  } else {
    check_digest(checker, "dx", gx, run.dx, in.d, nullptr, dx_tolerance, 5e-5);
  }
  if (c.gw_full) {
    check_full("dw", run.dw, gw, dw_tolerance, kinks.klass);
  } else {
    check_digest(checker, "dw", gw, run.dw, in.d, &in.labels, dw_tolerance, 1e-5);
  }
  CHECK(checker.failures == 0);
}

/// Runs what `wanted` selects: in this checkout's vectors `expected` cases, in others some.
template <class Wanted>
void run_golden(Form form, qcf_isa isa, int expected, const Wanted& wanted) {
  const WithL2 cache(2 << 20);
  const GoldenHeads all = read_golden_heads();
  int count = 0;
  for (const auto& [name, scene] : all.scenes) {
    if (!wanted(name)) continue;
    const HeadInput in = build_scene(scene);
    REQUIRE(bit_sum(in.x) == scene.x_bits);
    REQUIRE(bit_sum(in.w) == scene.w_bits);
    for (const GoldenCase& c : all.cases) {
      if (c.scene() != name) continue;
      check_case(all, scene, in, c, form, isa);
      ++count;
    }
  }
  REQUIRE(count > 0);
  if (own_data()) REQUIRE(count == expected);
}

bool all_but_large(const std::string& scene) { return scene != "large"; }

TEST_CASE("golden heads: every case names a scene and a head that are there", "[golden]") {
  const GoldenHeads all = read_golden_heads();
  std::map<std::string, int> of_head;
  for (const GoldenCase& c : all.cases) {
    INFO(c.id);
    REQUIRE(all.scenes.count(c.scene()) == 1);
    golden_head_kind(c.head);
    ++of_head[c.head];
  }
  REQUIRE(!all.cases.empty());
  if (!own_data()) return;
  REQUIRE(all.scenes.size() == 16);
  REQUIRE(of_head ==
          std::map<std::string, int>{{"qc-arc", 91},
                                     {"qc-cur", 91},
                                     {"qc-mv", 76},
                                     {"softmax", 15},
                                     {"cosface", 15},
                                     {"arcface", 45},
                                     {"magface", 31},
                                     {"adaface", 16},
                                     {"curricular", 15},
                                     {"mv", 15},
                                     {"mvam", 15}});  // 425: 258 of qcface's heads, 167 of the others
}

TEST_CASE("golden heads: whole step, every instruction set", "[golden]") {
  QCFACE_NEEDS_BACKEND();
  for (const qcf_isa isa : isas()) {
    INFO("instruction set " << isa);
    run_golden(Form::kStep, isa, 420, all_but_large);
  }
}

TEST_CASE("golden heads: staged calls", "[golden]") {
  if (kOnCuda) QCFACE_SKIP("on CUDA the whole step is the four staged calls");
  run_golden(Form::kStaged, QCF_ISA_AUTO, 420, all_but_large);
}

TEST_CASE("golden heads: unit rows of the class weights kept outside", "[golden]") {
  QCFACE_NEEDS_BACKEND();
  if (!kOnCuda) QCFACE_SKIP("the CPU makes its unit rows itself");
  Setup kept;
  kept.unit_w = true;
  const WithSetup with(kept);
  const GoldenHeads all = read_golden_heads();
  run_golden(Form::kStep, QCF_ISA_AUTO, 280, [&](const std::string& scene) {
    const GoldenScene& s = all.scenes.at(scene);
    return s.d % 8 == 0 && s.k < 2000;
  });
}

TEST_CASE("golden heads: scene large (93,431 classes)", "[golden]") {
  QCFACE_NEEDS_BACKEND();
  if (!own_data() && read_golden_heads().scenes.count("large") == 0)
    QCFACE_SKIP("this set of vectors has no scene large");
  run_golden(Form::kStep, QCF_ISA_AUTO, 5, [](const std::string& scene) { return scene == "large"; });
}

}  // namespace
}  // namespace qcface::test
