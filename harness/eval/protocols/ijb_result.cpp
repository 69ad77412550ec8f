// ijb.json, and how it is shown.
#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <utility>

#include "core/text.h"
#include "harness/eval/protocols/ijb_protocol.h"
#include "harness/eval/protocols/quality_constants.h"
#include "harness/eval/protocols/roc_sheet.h"

namespace qcface::eval {

// Members that stand in ijb.json under their own names.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PairwiseRecall, far, k, resolvable, threshold, recall)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(OpenSetRow, fpir, k, resolvable, threshold, tpir, fpir_found)

namespace {

using nlohmann::json;
using Kind = Note::Kind;

json to_json(const TarRow& row) {
  return {{"far", row.far},
          {"resolvable", row.resolvable},
          {"tar_nearest", row.tar_nearest},
          {"far_nearest", row.far_nearest},
          {"tar_strict", row.tar_strict},
          {"far_strict", row.far_strict},
          {"threshold_strict", row.threshold_strict}};
}

json to_json(const Pooling& pooling) {
  return {{"media", name_of(pooling.media)}, {"template", name_of(pooling.templates)}};
}

json to_json(const IjbVerification& found) {
  json tar = json::array();
  for (const TarRow& row : found.table.tar) tar.push_back(to_json(row));
  return {{"auc", found.auc},
          {"eer", found.summary.eer},
          {"eer_threshold", found.summary.eer_threshold},
          {"tar_at_far", std::move(tar)}};
}

json to_json(const IjbIdentification& found) {
  json top = json::array(), galleries = json::array(), tpir = json::array();
  for (std::size_t i = 0; i < found.top.size(); ++i)
    top.push_back({{"rank", kIjbRanks[i]}, {"rate", found.top[i]}});
  for (const OpenSet& gallery : found.galleries)
    galleries.push_back({{"mated", gallery.mated}, {"nonmated", gallery.nonmated}, {"rows", gallery.rows}});
  for (std::size_t i = 0; i < found.tpir.size(); ++i)
    tpir.push_back({{"fpir", kIjbFars[i]}, {"tpir", found.tpir[i]}});
  return {{"top", std::move(top)},
          {"recall_pairwise", found.recall},
          {"open_set", {{"galleries", std::move(galleries)}, {"tpir", std::move(tpir)}}}};
}

// A truth value of a JSON object, or `absent`.
bool flag_at(const json& object, const char* key, bool absent) {
  if (!object.is_object()) return absent;
  const auto it = object.find(key);
  return it != object.end() && it->is_boolean() ? it->get<bool>() : absent;
}

std::string shown_name(const json& method) {
  const std::string name = text_at(method, "name");
  return name == "qmf" ? "quality-aware" : name;
}

// A table of measures, one column a similarity.
class Measures {
 public:
  explicit Measures(const json& methods) : methods_(methods) {
    table.columns = {{"measure", 40}, {"unit", 6}};
    for (const json& method : methods) table.columns.push_back({shown_name(method), 15});
    table.text_columns = 2;
  }
  /// `figure` gives a method's cell; a row of which none is there is left out.
  template <class Figure>
  void add(const std::string& measure, Figure figure) {
    Table::Row row{{measure, "%"}, Where::kBoth};
    bool any = false;
    for (const json& method : methods_) {
      row.cells.push_back(figure(method));
      any |= row.cells.back() != kNoFigure;
    }
    if (any) table.rows.push_back(std::move(row));
  }
  Table table;

 private:
  const json& methods_;
};

// The longest of the lists of that name, by which rows are made.
const json& longest(const json& methods, const char* part, const char* key) {
  const json* best = &list_at(json::object(), key);
  for (const json& method : methods) {
    const json& list = list_at(object_at(method, part), key);
    if (list.size() > best->size()) best = &list;
  }
  return *best;
}

Table verification_table(const json& methods, bool& unresolved) {
  Measures measures(methods);
  const json& targets = longest(methods, "verification", "tar_at_far");
  for (const auto& [key, name] : {std::pair{"tar_nearest", "nearest"}, std::pair{"tar_strict", "strict"}}) {
    for (std::size_t i = 0; i < targets.size(); ++i) {
      measures.add(fmt::format("TAR at FAR {:g}, {}", number_at(targets[i], "far"), name),
                   [&](const json& method) {
                     const json& row = row_at(list_at(object_at(method, "verification"), "tar_at_far"), i);
                     const bool resolvable = flag_at(row, "resolvable", true);
                     unresolved |= !resolvable;
                     return percent(number_at(row, key)) + (resolvable ? "" : "*");
                   });
    }
  }
  for (const auto& [key, name] : {std::pair{"auc", "AUC"}, std::pair{"eer", "equal error rate (EER)"}}) {
    measures.add(
        name, [&](const json& method) { return percent(number_at(object_at(method, "verification"), key)); });
  }
  measures.table.caption =
      "Verification of templates (1:1). nearest takes the ROC point whose FAR is nearest to the target, as "
      "published "
      "tables do, and may exceed it; strict never does.";
  return std::move(measures.table);
}

Table identification_table(const json& methods, bool& unresolved) {
  Measures measures(methods);
  const json& ranks = longest(methods, "identification", "top");
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    measures.add(
        fmt::format("identification, rank {:.0f}", number_at(ranks[i], "rank")), [&](const json& method) {
          return percent(number_at(row_at(list_at(object_at(method, "identification"), "top"), i), "rate"));
        });
  }
  const json& recall = longest(methods, "identification", "recall_pairwise");
  for (std::size_t i = 0; i < recall.size(); ++i) {
    measures.add(
        fmt::format("recall_pairwise at {:g}", number_at(recall[i], "far")), [&](const json& method) {
          const json& row = row_at(list_at(object_at(method, "identification"), "recall_pairwise"), i);
          return percent(number_at(row, "recall"));
        });
  }
  const auto open_set = [](const json& method) -> const json& {
    return object_at(object_at(method, "identification"), "open_set");
  };
  for (std::size_t i = 0; i < std::size(kIjbFars); ++i) {
    measures.add(fmt::format("TPIR at FPIR {:g}, mean of galleries", kIjbFars[i]), [&](const json& method) {
      bool resolvable = true;
      for (const json& gallery : list_at(open_set(method), "galleries"))
        resolvable &= flag_at(row_at(list_at(gallery, "rows"), i), "resolvable", true);
      unresolved |= !resolvable;
      return percent(number_at(row_at(list_at(open_set(method), "tpir"), i), "tpir")) +
             (resolvable ? "" : "*");
    });
  }
  measures.table.caption =
      "Identification in both galleries (1:N). recall_pairwise counts FAR per probe over all impostor "
      "scores, as the "
      "published script prints it; TPIR takes each non-mated probe's largest score, and the mate must stand "
      "first.";
  return std::move(measures.table);
}

std::string pooling_text(const json& method) {
  const auto text = [&](const char* task) {
    const json& pooling = object_at(object_at(method, "pooling"), task);
    return fmt::format("{}/{}", text_at(pooling, "media", "?"), text_at(pooling, "template", "?"));
  };
  std::string line = fmt::format("{}: media/template by {} (1:1), {} (1:N)", shown_name(method),
                                 text("verification"), text("identification"));
  if (flag_at(method, "detector_scores", false)) line += ", pictures weighted by the detector's score";
  return line;
}

}  // namespace

json to_json(const IjbFound& found) {
  json method{{"name", name_of(found.method.similarity)},
              {"pooling",
               {{"verification", to_json(found.method.verification)},
                {"identification", to_json(found.method.identification)}}},
              {"detector_scores", found.method.detector}};
  if (found.verification) method["verification"] = to_json(*found.verification);
  if (found.identification) method["identification"] = to_json(*found.identification);
  return method;
}

std::string ijb_csv(const json& methods) {
  std::string csv = "similarity,measure,at,value,detail\n";
  for (const json& method : methods) {
    const std::string name = text_at(method, "name");
    const auto add = [&](const char* measure, double at, double value, const std::string& detail) {
      fmt::format_to(std::back_inserter(csv), "{},{},{},{},{}\n", name, measure,
                     std::isnan(at) ? "" : fmt::format("{:g}", at), value, detail);
    };
    const json& verification = object_at(method, "verification");
    for (const json& row : list_at(verification, "tar_at_far")) {
      const double far = number_at(row, "far");
      add("tar_nearest", far, number_at(row, "tar_nearest"),
          fmt::format("FAR {}", number_at(row, "far_nearest")));
      add("tar_strict", far, number_at(row, "tar_strict"),
          fmt::format("threshold {}", number_at(row, "threshold_strict")));
    }
    for (const char* key : {"auc", "eer"}) {
      if (verification.contains(key)) add(key, NAN, number_at(verification, key), "");
    }
    const json& identification = object_at(method, "identification");
    for (const json& row : list_at(identification, "top"))
      add("top", number_at(row, "rank"), number_at(row, "rate"), "");
    for (const json& row : list_at(identification, "recall_pairwise"))
      add("recall_pairwise", number_at(row, "far"), number_at(row, "recall"),
          fmt::format("threshold {}", number_at(row, "threshold")));
    const json& open_set = object_at(identification, "open_set");
    for (const json& row : list_at(open_set, "tpir"))
      add("tpir", number_at(row, "fpir"), number_at(row, "tpir"), "mean of galleries");
    for (std::size_t g = 0; g < list_at(open_set, "galleries").size(); ++g) {
      for (const json& row : list_at(list_at(open_set, "galleries")[g], "rows"))
        add("tpir", number_at(row, "fpir"), number_at(row, "tpir"),
            fmt::format("gallery {} threshold {}", g + 1, number_at(row, "threshold")));
    }
  }
  return csv;
}

Presentation present_ijb(const Result& result) {
  const json& whole = result.json;
  const json &methods = list_at(whole, "methods"), &pairs = object_at(whole, "pairs"),
             &pictures = object_at(whole, "pictures"), &gallery = list_at(whole, "gallery");
  const std::string dataset = text_at(whole, "dataset", "IJB");
  Presentation shown;
  bool unresolved = false;
  if (const json& first = row_at(methods, 0); !first.empty()) {
    const json& tar = row_at(list_at(object_at(first, "verification"), "tar_at_far"), 2);
    if (!tar.empty()) {
      shown.tiles.push_back({fmt::format("{}: TAR at FAR {:g}", dataset, number_at(tar, "far")),
                             percent(number_at(tar, "tar_nearest")) + " %", shown_name(first) + ", nearest"});
    }
    const json& top = row_at(list_at(object_at(first, "identification"), "top"), 0);
    if (!top.empty())
      shown.tiles.push_back(
          {dataset + ": rank 1", percent(number_at(top, "rate")) + " %", shown_name(first) + ", closed set"});
  }
  std::string sizes = fmt::format("{}: {:.0f} pictures, {:.0f} templates", dataset,
                                  number_at(pictures, "count"), number_at(whole, "templates"));
  if (!pairs.empty()) {
    sizes += fmt::format(", {:.0f} pairs ({:.0f} same, {:.0f} different)", number_at(pairs, "used"),
                         number_at(pairs, "same"), number_at(pairs, "different"));
  }
  if (gallery.size() == 2 && gallery[0].is_number() && gallery[1].is_number()) {
    sizes += fmt::format(", galleries of {:.0f} and {:.0f}, {:.0f} probes", gallery[0].get<double>(),
                         gallery[1].get<double>(), number_at(whole, "probes"));
  }
  shown.note(sizes + fmt::format("; flip fusion {}{}", text_at(whole, "flip", "unknown"),
                                 flag_at(whole, "published", false) ? "; as the published script" : ""));
  for (const json& method : methods) shown.note(pooling_text(method), Where::kBoth, Kind::kSmall);
  if (const double unreadable = number_at(pictures, "unreadable"); unreadable > 0) {
    shown.note(
        fmt::format("{:.0f} pictures could not be read and are left out of their templates", unreadable),
        Where::kBoth, Kind::kWarning);
  }
  if (const double cropped = number_at(pictures, "centre_cropped"); cropped > 0) {
    shown.note(fmt::format("the five points of {:.0f} pictures are one: their centre was taken", cropped),
               Where::kBoth, Kind::kWarning);
  }
  note_warnings(whole, shown);
  if (Table table = verification_table(methods, unresolved); !table.rows.empty())
    shown.blocks.push_back(std::move(table));
  if (Table table = identification_table(methods, unresolved); !table.rows.empty())
    shown.blocks.push_back(std::move(table));
  if (unresolved)
    shown.note("* not resolvable: the target is below 1/n of the n impostors", Where::kBoth, Kind::kSmall);
  note_constants(whole, shown);
  const auto sheet = result.sheets.find("roc.csv");
  std::vector<RocCurve> curves = roc_curves(sheet == result.sheets.end() ? std::string() : sheet->second);
  if (!curves.empty()) {
    for (RocCurve& curve : curves) {
      for (const json& method : methods) {
        if (text_at(method, "name") != curve.name) continue;
        curve.name = fmt::format("{} (AUC {} %)", shown_name(method),
                                 percent(number_at(object_at(method, "verification"), "auc")));
        break;
      }
    }
    Figure figure;
    figure.plot =
        roc_plot(curves, fmt::format("{}, {:.0f} same and {:.0f} different pairs of templates", dataset,
                                     number_at(pairs, "same"), number_at(pairs, "different")));
    figure.caption =
        "True against false accept rate, FAR on a log axis; points at FAR 0 stand on its left edge.";
    figure.wide = true;
    figure.file = "roc.svg";
    shown.blocks.push_back(std::move(figure));
  } else if (!pairs.empty()) {
    shown.note("There is no roc.csv beside ijb.json", Where::kPage, Kind::kWarning);
  }
  return shown;
}

}  // namespace qcface::eval
