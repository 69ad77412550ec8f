#include "bench/record.h"

#include <unistd.h>

#include <climits>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace qcface::bench {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out + "\"";
}

std::string number(double value, int digits = 9) {
  if (!std::isfinite(value)) return "null";
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

/// Members of one JSON object; empty texts and zero figures are left out.
class Object {
 public:
  Object& add(const char* name, const std::string& value) {
    return value.empty() ? *this : raw(name, quoted(value));
  }
  Object& add(const char* name, double value) { return value == 0 ? *this : raw(name, number(value)); }
  Object& count(const char* name, std::size_t value) {
    return value == 0 ? *this : raw(name, std::to_string(value));
  }
  Object& raw(const char* name, const std::string& value) {
    text_ += (text_.empty() ? "{" : ", ") + quoted(name) + ": " + value;
    return *this;
  }
  std::string text() const { return text_.empty() ? "{}" : text_ + "}"; }

 private:
  std::string text_;
};

std::string row_json(const Row& row) {
  Object o;
  o.add("implementation", row.implementation)
      .add("arch", row.arch)
      .add("head", row.head)
      .add("phase", row.phase)
      .add("type", row.type);
  o.add("plan", row.plan).add("update", row.update);
  o.raw("n", std::to_string(row.n)).raw("d", std::to_string(row.d)).raw("k", std::to_string(row.k));
  o.count("samples", row.samples.ms.size()).raw("ms_median", number(row.samples.median()));
  o.raw("ms_p20", number(row.samples.quantile(0.2))).raw("ms_p80", number(row.samples.quantile(0.8)));
  if (!row.calls.ms.empty()) {
    o.count("calls", row.calls.ms.size()).raw("ms_calls", number(row.calls.median()));
    o.raw("ms_calls_p20", number(row.calls.quantile(0.2)))
        .raw("ms_calls_p80", number(row.calls.quantile(0.8)));
  }
  o.add("host_us", row.host_us);
  o.add("cpu_ms", row.samples.cpu_ms).add("gflops", row.gflops()).add("gbytes_per_s", row.gbytes());
  if (row.peak_gflops > 0)
    o.add("peak_gflops", row.peak_gflops).add("peak_share", row.gflops() / row.peak_gflops);
  o.add("times_products", row.times_products);
  o.count("workspace_bytes", row.workspace_bytes).count("extra_bytes", row.extra_bytes);
  o.add("loss_id", row.loss_id);
  if (row.error >= 0) o.raw("error", number(row.error, 3));
  for (const auto& [name, value] : row.more) o.raw(name.c_str(), number(value));
  std::string list;
  for (const double ms : row.samples.ms) list += (list.empty() ? "" : ", ") + number(ms, 6);
  return o.raw("samples_ms", "[" + list + "]").text();
}

/// A line of /proc/self/status in bytes; 0 where there is none.
std::size_t status_bytes(const std::string& field) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(field + ":", 0) == 0)
      return std::strtoull(line.c_str() + field.size() + 1, nullptr, 10) * 1024;
  }
  return 0;
}

std::string output_of(const std::string& command) {
  std::FILE* pipe = popen((command + " 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return "";
  char buffer[256];
  std::string out;
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) out += buffer;
  const bool good = pclose(pipe) == 0;
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return good ? out : "";
}

}  // namespace

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::string source_commit() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0 || length >= static_cast<ssize_t>(sizeof path)) return "unknown";
  std::string folder(path, static_cast<std::size_t>(length));
  folder.resize(folder.rfind('/'));
  if (folder.find('\'') != std::string::npos) return "unknown";
  std::string packed;
  if (std::ifstream(folder + "/COMMIT") >> packed && !packed.empty()) return packed;
  const std::string git = "git -C '" + folder + "' ";
  const std::string commit = output_of(git + "rev-parse --short HEAD");
  if (commit.empty()) return "unknown";
  return commit + (output_of(git + "status --porcelain --untracked-files=no").empty() ? "" : "-modified");
}

std::string command_line(int argc, char** argv) {
  std::string out;
  for (int i = 0; i < argc; ++i) {
    std::string word = argv[i];
    if (i == 0 && word.rfind('/') != std::string::npos) word = word.substr(word.rfind('/') + 1);
    out += (i == 0 ? "" : " ") + word;
  }
  return out;
}

void print_header(const Run& run) {
  std::printf("%s; threads %d; %s\n", run.device_name.c_str(), run.threads, run.libraries.c_str());
  if (!run.peak_source.empty()) std::printf("peak: %s\n", run.peak_source.c_str());
  std::printf("%-12s %-5s %-7s %-4s %5s %9s %10s %19s %8s %7s %6s %7s %9s %9s %8s\n", "head", "type", "plan",
              "upd.", "N", "K", "ms", "(p20-p80)", "GFLOP/s", "GB/s", "peak", "/bare", "workspace",
              "extra MiB", "error");
}

void print_row(const Row& row) {
  char range[48], share[16] = "-", ratio[16] = "-", error[16] = "-";
  std::snprintf(range, sizeof range, "(%.3f-%.3f)", row.samples.quantile(0.2), row.samples.quantile(0.8));
  if (row.peak_gflops > 0)
    std::snprintf(share, sizeof share, "%.0f %%", 100 * row.gflops() / row.peak_gflops);
  if (row.times_products > 0) std::snprintf(ratio, sizeof ratio, "%.2f", row.times_products);
  if (row.error >= 0) std::snprintf(error, sizeof error, "%.1e", row.error);
  std::printf("%-12s %-5s %-7s %-4s %5lld %9lld %10.3f %19s %8.1f %7.1f %6s %7s %9.2f %9.2f %8s\n",
              (row.head.empty() ? row.implementation : row.head).c_str(), row.type.c_str(),
              row.plan.empty() ? "-" : row.plan.c_str(), row.update.empty() ? "-" : row.update.c_str(),
              static_cast<long long>(row.n), static_cast<long long>(row.k), row.samples.median(), range,
              row.gflops(), row.gbytes(), share, ratio, static_cast<double>(row.workspace_bytes) / 1048576,
              static_cast<double>(row.extra_bytes) / 1048576, error);
  std::fflush(stdout);
}

void write_json(const Run& run, const std::string& path) {
  char date[32];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  double load[1] = {0};
  const bool has_load = getloadavg(load, 1) == 1;
  Object o;
  o.raw("schema", "1").add("program", run.program).add("command", run.command).add("device", run.device);
  o.add("device_name", run.device_name).add("driver", run.driver).add("cuda", run.cuda).add("isa", run.isa);
  o.add("libraries", run.libraries).add("peak_source", run.peak_source).add("cache", run.cache);
  o.raw("threads", std::to_string(run.threads)).add("commit", source_commit()).add("date", std::string(date));
  if (has_load) o.raw("load_at_end", number(load[0], 3));
  std::string rows, missing;
  for (const Row& row : run.rows) rows += (rows.empty() ? "\n  " : ",\n  ") + row_json(row);
  for (const std::string& reason : run.left_out) missing += (missing.empty() ? "" : ", ") + quoted(reason);
  o.raw("left_out", "[" + missing + "]").raw("rows", "[" + rows + "\n ]");
  const std::string text = o.text() + "\n";
  if (path == "-") {  // one line, as programs that read it from a pipe expect
    for (const char c : text) {
      if (c != '\n') std::fputc(c, stdout);
    }
    std::fputc('\n', stdout);
    return;
  }
  // Written beside and renamed: a run that is killed here leaves the file of the row before. Pipes are written as they are.
  std::error_code ignored;
  const auto kind = std::filesystem::status(path, ignored).type();
  const bool plain =
      kind == std::filesystem::file_type::regular || kind == std::filesystem::file_type::not_found;
  const std::string beside = plain ? path + ".part" : path;
  std::ofstream file(beside);
  file << text;
  file.close();
  if (!file || (plain && std::rename(beside.c_str(), path.c_str()) != 0))
    throw std::runtime_error("--json " + path + ": cannot be written");
}

void keep(Run* run, const Row& row, const std::string& path) {
  run->rows.push_back(row);
  if (!path.empty() && path != "-") write_json(*run, path);
}

void reset_resident_peak() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5";
}
std::size_t resident_peak() { return status_bytes("VmHWM"); }
std::size_t resident_now() { return status_bytes("VmRSS"); }

}  // namespace qcface::bench
