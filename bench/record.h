// What a benchmark hands on: a table for people and a JSON file (schema 1, read by bench/compare.py, bench/head/peers.py
// and bench/head/plot.py).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench/timing.h"

namespace qcface::bench {

/// One measured line. Figures that do not apply are 0 and left out of the JSON.
struct Row {
  std::string implementation = "qcface", arch, head, phase, type, plan, update;
  std::int64_t n = 0, d = 0, k = 0;
  Samples samples;
  Samples calls;       // the same work as separate calls, on the device's clock
  double host_us = 0;  // host time of enqueuing one call (GPU), or of a call with next to no work (CPU)
  double flops = 0, bytes = 0;  // of the products; the least that must move
  double peak_gflops = 0;       // what `share` is a share of
  double times_products = 0;    // this row's time over that of the bare products, median of the pairs
  double error = -1;            // largest relative error of the check before the timing
  double loss_id = 0;
  std::size_t workspace_bytes = 0, extra_bytes = 0;  // extra: growth of the peak of resident or device memory
  std::vector<std::pair<std::string, double>> more;  // figures that one benchmark alone has

  double gflops() const { return samples.ms.empty() ? 0 : flops / samples.median() * 1e-6; }
  double gbytes() const { return samples.ms.empty() ? 0 : bytes / samples.median() * 1e-6; }
};

/// What was run, where and when.
struct Run {
  std::string program, command, device, device_name, driver, cuda, isa, libraries, peak_source, cache;
  int threads = 0;
  std::vector<Row> rows;
  std::vector<std::string> left_out;  // what could not run, and why
};

std::string processor_name();
/// What the file COMMIT beside the program says (packed programs carry one), else the commit of the checkout that the
/// program lies in, "-modified" where it has changes; "unknown" without either.
std::string source_commit();
/// The command line as typed, the program by its base name.
std::string command_line(int argc, char** argv);

void print_header(const Run& run);
void print_row(const Row& row);
/// "-" is the standard output; a file is replaced as a whole. Throws std::runtime_error where the file cannot be written.
void write_json(const Run& run, const std::string& path);
/// Adds the row; if `path` names a file, writes it now, so that a run that is cut off keeps what it measured.
void keep(Run* run, const Row& row, const std::string& path);

/// Starts the peak of resident memory anew (Linux); what resident_peak() then returns counts from here.
void reset_resident_peak();
std::size_t resident_peak();
std::size_t resident_now();

}  // namespace qcface::bench
