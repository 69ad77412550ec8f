// Reads golden/heads.txt and heads.npy (golden-formats.md).
#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/kernels/head_runner.h"
#include "tests/support/hash_generator.h"
#include "tests/support/test_data.h"

namespace qcface::test {

struct GoldenRow {
  std::int64_t label = 0, src = 0;
  double alpha = 0, beta = 0;
  int e = 0;
  std::string kind;
};

struct GoldenScene {
  std::string name;
  std::uint32_t seed = 0;
  std::int64_t n = 0, d = 0, k = 0;
  std::vector<GoldenRow> rows;
  std::uint32_t x_bits = 0, w_bits = 0;
};

struct GoldenCase {
  std::string id, head, rule = "easy", phase = "id";
  std::map<std::string, double> p, in, out, s;
  std::size_t rows = 0, gx = 0, gw = 0;
  bool gx_full = false, gw_full = false;
  std::int64_t hard = 0;

  std::string scene() const { return id.substr(0, id.find('/')); }
};

struct GoldenHeads {
  std::map<std::string, GoldenScene> scenes;
  std::vector<GoldenCase> cases;
  std::vector<double> data;
};

inline std::vector<double> read_flat_npy(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path.string() + ": cannot be opened");
  unsigned char head[10];
  file.read(reinterpret_cast<char*>(head), 10);
  const std::size_t length = head[8] + 256u * head[9];
  std::string header(length, ' ');
  file.read(header.data(), static_cast<std::streamsize>(length));
  if (!file || head[6] != 1 || header.find("'<f8'") == std::string::npos) {
    throw std::runtime_error(path.string() + ": expected NPY 1.0 of <f8");
  }
  const std::size_t shape = header.find('(');
  std::vector<double> values(std::stoull(header.substr(shape + 1)));
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(double)));
  if (!file) throw std::runtime_error(path.string() + ": shorter than its header says");
  return values;
}

inline GoldenHeads read_golden_heads() {
  GoldenHeads golden_heads;
  golden_heads.data = read_flat_npy(golden("heads.npy"));
  std::ifstream file(golden("heads.txt"));
  if (!file) throw std::runtime_error(golden("heads.txt").string() + ": cannot be opened");
  std::string line, word;
  GoldenScene* scene = nullptr;
  while (std::getline(file, line)) {
    std::istringstream in(line);
    in >> word;
    if (word == "scene") {
      GoldenScene s;
      in >> s.name >> s.seed >> s.n >> s.d >> s.k;
      scene = &(golden_heads.scenes[s.name] = s);
    } else if (word == "row") {
      GoldenRow r;
      in >> r.label >> r.src >> r.alpha >> r.beta >> r.e >> r.kind;
      scene->rows.push_back(r);
    } else if (word == "bits") {
      in >> scene->x_bits >> scene->w_bits;
    } else if (word == "case") {
      golden_heads.cases.emplace_back();
      in >> golden_heads.cases.back().id >> golden_heads.cases.back().head;
    } else if (word == "p" || word == "in" || word == "out" || word == "s") {
      GoldenCase& c = golden_heads.cases.back();
      std::string name, value;
      in >> name >> value;
      if (name == "rule" || name == "phase") {
        (name == "rule" ? c.rule : c.phase) = value;
      } else {
        (word == "p" ? c.p : word == "in" ? c.in : word == "out" ? c.out : c.s)[name] = std::stod(value);
      }
    } else if (word == "a") {
      GoldenCase& c = golden_heads.cases.back();
      std::string key, form;
      in >> key >> c.rows >> key >> form >> c.gx;
      c.gx_full = form == "full";
      in >> key >> form >> c.gw >> key >> c.hard;
      c.gw_full = form == "full";
    } else if (word != "e" && word != "qcgolden") {
      throw std::runtime_error(golden("heads.txt").string() + ": unknown line: " + line);
    }
    if (in.fail()) throw std::runtime_error(golden("heads.txt").string() + ": malformed line: " + line);
  }
  return golden_heads;
}

inline std::uint32_t bit_sum(const std::vector<float>& values) {
  std::uint32_t sum = 0;
  for (const float v : values) {
    std::uint32_t bits;
    std::memcpy(&bits, &v, sizeof bits);
    sum += bits;
  }
  return sum;
}

inline HeadInput build_scene(const GoldenScene& scene) {
  HeadInput in;
  in.n = scene.n;
  in.d = scene.d;
  in.k = scene.k;
  const auto base = [&](std::int64_t c, std::int64_t d) {
    return sym(scene.seed, 1, static_cast<std::uint32_t>(c * scene.d + d));
  };
  in.w.resize(static_cast<std::size_t>(scene.k * scene.d));
  for (std::int64_t c = 0; c < scene.k; ++c) {
    const double scale =
        std::ldexp(1.0, static_cast<int>(hash(scene.seed, 2, static_cast<std::uint32_t>(c)) % 5) - 2);
    for (std::int64_t d = 0; d < scene.d; ++d) {
      in.w[static_cast<std::size_t>(c * scene.d + d)] = static_cast<float>(scale * base(c, d));
    }
  }
  in.x.resize(static_cast<std::size_t>(scene.n * scene.d));
  for (std::int64_t i = 0; i < scene.n; ++i) {
    const GoldenRow& row = scene.rows[static_cast<std::size_t>(i)];
    for (std::int64_t d = 0; d < scene.d; ++d) {
      const double noise = sym(scene.seed, 3, static_cast<std::uint32_t>(i * scene.d + d));
      in.x[static_cast<std::size_t>(i * scene.d + d)] =
          static_cast<float>(std::ldexp(row.alpha * base(row.src, d) + row.beta * noise, row.e));
    }
    in.labels.push_back(row.label);
  }
  return in;
}

/// The head that a case names. One that the library does not have is an error: its cases would pass unseen.
inline qcf_head_kind golden_head_kind(const std::string& head) {
  std::string name = head;
  if (head.rfind("qc-", 0) == 0) name = head == "qc-arc" ? "qcface" : "qcface-" + head.substr(3);
  if (head == "mv") name = "mv-arc";
  if (head == "mvam") name = "mv-am";
  qcf_head_kind kind = QCF_HEAD_QCFACE;
  if (qcf_head_from_name(name.c_str(), &kind) != 1)
    throw std::runtime_error("golden vectors: unknown head " + head);
  return kind;
}

inline qcf_head_config golden_config(const GoldenCase& c, qcf_head_kind kind) {
  qcf_head_config config = make_head_config(kind);
  if (qcf_rule_from_name(c.rule.c_str(), &config.rule) != 1)
    throw std::runtime_error("unknown rule " + c.rule);
  config.phase = c.phase == "norm" ? QCF_PHASE_NORM : QCF_PHASE_ID;
  const auto get = [&](const char* name, double fallback) {
    const auto found = c.p.find(name);
    return found == c.p.end() ? fallback : found->second;
  };
  config.s = get("s", 64);
  config.m = get("m", 0.5);
  config.lambda = get("lam", 0);
  config.ua = get("ua", 100);
  config.la = get("la", 1);
  config.eps = get("eps", 1e-3);
  config.mv_a = get("mv", 1.12);
  config.t_momentum = get("tm", 0.01);
  config.mag_la = get("al", 10);
  config.mag_ua = get("au", 110);
  config.mag_lm = get("ml", 0.45);
  config.mag_um = get("mu", 0.8);
  config.ada_h = get("h", 0.333);
  config.ada_momentum = get("ta", 0.01);
  if (kind == QCF_HEAD_MAGFACE) config.phase = QCF_PHASE_NORM;  // the file names a phase for qc heads only
  return config;
}

}  // namespace qcface::test
