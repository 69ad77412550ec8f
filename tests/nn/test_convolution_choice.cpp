// The choice of convolution plans without cuDNN: a planner, a clock and a fallback that the tests make up.
#include "nn/cuda/convolution_choice.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>

#include "core/atomic_file.h"
#include "core/error.h"
#include "nn/cuda/legacy_choice.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
using namespace qcface::nn::cuda;

namespace {

struct Candidate {
  std::string name;
  bool builds = true;
  double time = 1;
  int build_ms = 0;
};

/// What happened, kept outside of the objects that the library owns.
struct Journal {
  std::vector<std::string> built, ran;
  int timed = 0, planned = 0, fallbacks = 0, fallback_calls = 0;
};

class FakeGraph final : public ConvolutionGraph {
 public:
  FakeGraph(std::vector<Candidate> list, Journal& journal) : list_(std::move(list)), journal_(journal) {}
  std::vector<GraphTensor> tensors() const override { return {}; }
  int candidates() const override { return static_cast<int>(list_.size()); }
  std::string name(int i) const override { return at(i).name; }
  bool reproducible(int) const override { return true; }
  bool build(int i) override {
    journal_.built.push_back(at(i).name);
    std::this_thread::sleep_for(std::chrono::milliseconds(at(i).build_ms));
    return at(i).builds;
  }
  std::size_t workspace_bytes(int i) const override { return 256 * static_cast<std::size_t>(i + 1); }
  void run(int i, const PassPointers&, void*) override { journal_.ran.push_back(at(i).name); }
  const Candidate& at(int i) const { return list_.at(static_cast<std::size_t>(i)); }

 private:
  std::vector<Candidate> list_;
  Journal& journal_;
};

class FakePlanner final : public GraphPlanner {
 public:
  FakePlanner(std::vector<Candidate> list, Journal& journal, std::set<ConvolutionPass> refused)
      : list_(std::move(list)), journal_(journal), refused_(std::move(refused)) {}
  std::string library() const override { return "cuDNN 9.0.0"; }
  std::unique_ptr<ConvolutionGraph> plan(const ConvolutionShape&, ConvolutionPass pass) override {
    ++journal_.planned;
    if (refused_.count(pass) != 0) fail("no engine");
    return std::make_unique<FakeGraph>(list_, journal_);
  }

 private:
  std::vector<Candidate> list_;
  Journal& journal_;
  std::set<ConvolutionPass> refused_;
};

class FallbackConvolution final : public Convolution {
 public:
  explicit FallbackConvolution(Journal& journal) : journal_(journal) {}
  std::size_t forward_bytes() const override { return 1000; }
  std::size_t backward_data_bytes() const override { return 2000; }
  std::size_t backward_weights_bytes() const override { return 3000; }
  void forward(const void*, const void*, void*, void*) override { ++journal_.fallback_calls; }
  void backward_data(const void*, const void*, void*, void*) override { ++journal_.fallback_calls; }
  void backward_weights(const void*, const void*, void*, void*) override { ++journal_.fallback_calls; }

 private:
  Journal& journal_;
};

class FallbackLibrary final : public ConvolutionLibrary {
 public:
  explicit FallbackLibrary(Journal& journal) : journal_(journal) { ++journal_.fallbacks; }
  std::string name() const override { return "fallback"; }
  std::shared_ptr<Convolution> find(const ConvolutionShape&) override {
    return std::make_shared<FallbackConvolution>(journal_);
  }

 private:
  Journal& journal_;
};

PlanClock clock_of(Journal& journal) {
  return [&journal](ConvolutionGraph& graph, int i, const ConvolutionShape&, ConvolutionPass) {
    ++journal.timed;
    return std::optional<double>(dynamic_cast<FakeGraph&>(graph).at(i).time);
  };
}

std::unique_ptr<ConvolutionLibrary> library(Journal& journal, const std::vector<Candidate>& list,
                                            const std::filesystem::path& cache = {},
                                            const std::set<ConvolutionPass>& refused = {},
                                            const std::string& device = "some GPU, driver 13.0") {
  GraphLibraryParts parts;
  parts.planner = std::make_unique<FakePlanner>(list, journal, refused);
  parts.clock = clock_of(journal);
  parts.device = device;
  parts.cache = cache;
  parts.fallback = [&journal] { return std::make_unique<FallbackLibrary>(journal); };
  return make_graph_convolutions(std::move(parts));
}

const std::vector<Candidate> kList{{"slow", true, 3},     {"broken", false, 0}, {"fast", true, 1},
                                   {"close", true, 0.99}, {"middle", true, 2},  {"untried", true, 0.1}};

const ConvolutionShape kShape{StorageType::kBf16, 4, 8, 8, 8, 16, 3, 1, 1};

int calls(Convolution& convolution) {
  convolution.forward(nullptr, nullptr, nullptr, nullptr);
  convolution.backward_data(nullptr, nullptr, nullptr, nullptr);
  convolution.backward_weights(nullptr, nullptr, nullptr, nullptr);
  return 3;
}

}  // namespace

TEST_CASE("convolution choice: the fastest of the first few that can be built, by a margin") {
  Journal journal;
  FakeGraph graph(kList, journal);
  const auto choice = choose_plan(graph, "", clock_of(journal), kShape, ConvolutionPass::kForward);
  REQUIRE(choice);
  REQUIRE(choice->timed);
  REQUIRE(graph.name(choice->candidate) == "fast");  // "close" is within the clock's noise
  REQUIRE(journal.timed == 4);
  REQUIRE(journal.built == std::vector<std::string>{"slow", "broken", "fast", "close", "middle"});
}

TEST_CASE("convolution choice: once a pass has taken its time no further candidate is built") {
  Journal journal;
  FakeGraph graph({{"refused", false, 1, 300}, {"slow", true, 3, 1}, {"fast", true, 1, 1}}, journal);
  const auto choice = choose_plan(graph, "", clock_of(journal), kShape, ConvolutionPass::kForward);
  REQUIRE(choice);
  REQUIRE(graph.name(choice->candidate) ==
          "slow");  // the first that can be built is taken however long it took
  REQUIRE(journal.built == std::vector<std::string>{"refused", "slow"});
}

TEST_CASE("convolution choice: without a clock the first that can be built; a known plan before all") {
  Journal journal;
  FakeGraph graph({{"broken", false}, {"first"}, {"second"}}, journal);
  const auto choose = [&](const std::string& known) {
    return choose_plan(graph, known, nullptr, kShape, ConvolutionPass::kForward);
  };
  REQUIRE(choose("")->candidate == 1);
  REQUIRE(choose("second")->candidate == 2);
  REQUIRE(choose("broken")->candidate == 1);  // known, but refused here
  REQUIRE(choose("of another age")->candidate == 1);
  REQUIRE_FALSE(choose("second")->timed);
  const PlanClock no_memory = [](ConvolutionGraph&, int, const ConvolutionShape&, ConvolutionPass) {
    return std::optional<double>();
  };
  const auto untimed = choose_plan(graph, "", no_memory, kShape, ConvolutionPass::kForward);
  REQUIRE(untimed->candidate == 1);
  REQUIRE_FALSE(untimed->timed);
  FakeGraph none({{"broken", false}}, journal);
  REQUIRE_FALSE(choose_plan(none, "", nullptr, kShape, ConvolutionPass::kForward));
}

TEST_CASE(
    "convolution library: a pass is planned and timed once, then kept in the file for the next process") {
  const test::TemporaryFolder folder;
  const auto file = folder / "deeper/convolutions.txt";
  Journal first;
  {
    const auto convolutions = library(first, kList, file);
    const auto convolution = convolutions->find(kShape);
    REQUIRE(convolutions->find(kShape) == convolution);
    REQUIRE(first.planned == 0);  // nothing before it is asked for
    REQUIRE(convolution->forward_bytes() == 3 * 256);
    REQUIRE(first.planned == 1);
    REQUIRE(convolution->forward_bytes() == 3 * 256);
    calls(*convolution);
    REQUIRE(first.ran == std::vector<std::string>{"fast", "fast", "fast"});
    REQUIRE(first.planned == 3);
    REQUIRE(first.timed == 12);
    REQUIRE(first.fallbacks == 0);
  }
  Journal second;
  calls(*library(second, kList, file)->find(kShape));
  REQUIRE(second.ran == first.ran);
  REQUIRE(second.timed == 0);
  // Another GPU or driver, another shape: timed anew, and the old entries stay.
  Journal third;
  calls(*library(third, kList, file, {}, "another GPU, driver 13.0")->find(kShape));
  REQUIRE(third.timed == 12);
  ConvolutionShape other = kShape;
  other.n = 5;
  calls(*library(third, kList, file)->find(other));
  REQUIRE(third.timed == 24);
  Journal fourth;
  calls(*library(fourth, kList, file)->find(kShape));
  REQUIRE(fourth.timed == 0);
}

TEST_CASE("convolution library: without a file nothing is timed, so that every run chooses the same") {
  Journal journal;
  calls(*library(journal, kList)->find(kShape));
  REQUIRE(journal.timed == 0);
  REQUIRE(journal.ran == std::vector<std::string>{"slow", "slow", "slow"});
}

TEST_CASE("convolution library: what cuDNN refuses goes to the fallback, pass by pass") {
  Journal journal;
  const auto convolutions =
      library(journal, kList, {}, {ConvolutionPass::kBackwardData, ConvolutionPass::kForwardSums});
  const auto convolution = convolutions->find(kShape);
  REQUIRE(convolution->forward_bytes() == 256);
  REQUIRE(journal.fallbacks == 0);
  REQUIRE_FALSE(convolution->gives_sums());  // no reason for the fallback
  REQUIRE(journal.fallbacks == 0);
  REQUIRE(convolution->backward_data_bytes() == 2000);
  REQUIRE(convolution->backward_weights_bytes() == 256);
  calls(*convolution);
  REQUIRE(journal.ran.size() == 2);
  REQUIRE(journal.fallback_calls == 1);
  REQUIRE_THROWS_AS(convolution->forward_sums(nullptr, nullptr, nullptr, nullptr, nullptr), Error);

  Journal all;  // plans are offered, but none can be built
  const auto broken = library(all, {{"broken", false}});
  for (const int n : {1, 2}) {
    ConvolutionShape shape = kShape;
    shape.n = n;
    REQUIRE(broken->find(shape)->forward_bytes() == 1000);
    calls(*broken->find(shape));
  }
  REQUIRE(all.fallbacks == 1);  // one library for all shapes
  REQUIRE(all.fallback_calls == 6);
}

TEST_CASE("convolution library: sums come from the convolution only where that is no slower") {
  for (const double reading : {0.0, 5.0}) {  // the plan with sums takes 3, the one without 1
    const test::TemporaryFolder folder;
    Journal journal;
    for (int process = 0; process < 2; ++process) {
      GraphLibraryParts parts;
      parts.planner = std::make_unique<FakePlanner>(std::vector<Candidate>{{"plan"}}, journal,
                                                    std::set<ConvolutionPass>{});
      parts.clock = [&](ConvolutionGraph&, int, const ConvolutionShape&, ConvolutionPass pass) {
        ++journal.timed;
        return std::optional<double>(pass == ConvolutionPass::kForwardSums ? 3 : 1);
      };
      parts.statistics_clock = [&](const ConvolutionShape&) { return std::optional<double>(reading); };
      parts.device = "some GPU";
      parts.cache = folder / "convolutions.txt";
      parts.fallback = [&] { return std::make_unique<FallbackLibrary>(journal); };
      const auto convolutions = make_graph_convolutions(std::move(parts));
      const auto convolution = convolutions->find(kShape);
      REQUIRE(convolution->gives_sums() == (reading == 5.0));
      if (reading == 5.0) REQUIRE(convolution->forward_sums_bytes() == 256);
      REQUIRE(convolution->forward_bytes() == 256);
      REQUIRE(journal.timed == 3);  // in the first process
    }
    REQUIRE(journal.fallbacks == 0);
  }
}

TEST_CASE("plan cache: damaged and foreign files are ignored and written anew") {
  const test::TemporaryFolder folder;
  const auto file = folder / "convolutions.txt";
  for (const std::string& content :
       {std::string("no cache of ours\nkey\tplan\n"), std::string("qcface convolution plans 2\nkey\tplan\n"),
        std::string("qcface convolution plans 1\nkey\tplan\nkey without a plan\n"),
        std::string("qcface convolution plans 1\nkey\tpl"), std::string(), std::string("\0\xFF\n", 3),
        std::string("qcface convolution plans 1\na\tb\tc\n")}) {
    std::ofstream(file, std::ios::binary) << content;
    PlanCache cache(file);
    REQUIRE(cache.find("key").empty());
    REQUIRE(cache.keep("key", "new plan") == "new plan");
    REQUIRE(PlanCache(file).find("key") == "new plan");
  }
  std::ofstream(file) << "qcface convolution plans 1\nkey\tplan\n";
  REQUIRE(PlanCache(file).find("key") == "plan");
  REQUIRE_THROWS_AS(PlanCache(file).keep("a\tb", "c"), Error);
}

TEST_CASE("plan cache: the first choice written stays, and both processes learn of it") {
  const test::TemporaryFolder folder;
  const auto file = folder / "convolutions.txt";
  PlanCache one(file), two(file);
  REQUIRE(one.keep("shape", "plan of one") == "plan of one");
  REQUIRE(two.keep("shape", "plan of two") == "plan of one");
  REQUIRE(two.find("shape") == "plan of one");
  REQUIRE(PlanCache(file).find("shape") == "plan of one");
}

TEST_CASE("plan cache: processes that write at once lose nothing") {
  const test::TemporaryFolder folder;
  const auto file = folder / "convolutions.txt";
  constexpr int kProcesses = 4, kEntries = 25;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      PlanCache cache(file);
      bool fine = true;
      for (int i = 0; i < kEntries; ++i)
        fine = cache.keep(fmt::format("{} of {}", i, p), fmt::format("plan {}", i)) ==
                   fmt::format("plan {}", i) &&
               fine;
      ::_exit(fine ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
  }
  const PlanCache all(file);
  for (int p = 0; p < kProcesses; ++p)
    for (int i = 0; i < kEntries; ++i)
      REQUIRE(all.find(fmt::format("{} of {}", i, p)) == fmt::format("plan {}", i));
}

TEST_CASE("plan cache: a place that cannot be written costs nothing but a line") {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "file") << "in the way";
  PlanCache cache(folder / "file/convolutions.txt");
  REQUIRE(cache.keep("key", "plan") == "plan");
  REQUIRE(cache.find("key") == "plan");  // in this process
}

TEST_CASE("plan cache: where the file is, and how to turn it off") {
  struct Variables {
    std::vector<std::pair<std::string, std::string>> before;
    explicit Variables(const std::vector<const char*>& names) {
      for (const char* name : names)
        if (const char* value = std::getenv(name)) before.emplace_back(name, value);
    }
    ~Variables() {
      for (const char* name : {"QCFACE_PLAN_CACHE", "XDG_CACHE_HOME", "HOME"}) ::unsetenv(name);
      for (const auto& [name, value] : before) ::setenv(name.c_str(), value.c_str(), 1);
    }
  };
  const Variables restore({"QCFACE_PLAN_CACHE", "XDG_CACHE_HOME", "HOME"});
  ::setenv("HOME", "/home/someone", 1);
  ::unsetenv("XDG_CACHE_HOME");
  ::unsetenv("QCFACE_PLAN_CACHE");
  REQUIRE(plan_cache_file() == "/home/someone/.cache/qcface/convolutions.txt");
  ::setenv("XDG_CACHE_HOME", "/cache", 1);
  REQUIRE(plan_cache_file() == "/cache/qcface/convolutions.txt");
  ::setenv("QCFACE_PLAN_CACHE", "/mine", 1);
  REQUIRE(plan_cache_file() == "/mine/convolutions.txt");
  ::setenv("QCFACE_PLAN_CACHE", "off", 1);
  REQUIRE(plan_cache_file().empty());
  REQUIRE_FALSE(PlanCache(plan_cache_file()).enabled());
  for (const char* name : {"QCFACE_PLAN_CACHE", "XDG_CACHE_HOME", "HOME"}) ::unsetenv(name);
  REQUIRE(plan_cache_file().empty());
}

TEST_CASE("older functions: the first reproducible offer within the limit, else algorithm 1") {
  const LegacyOffer last{1, true, true, 7};
  const auto size = [](const LegacyOffer& offer) -> std::optional<std::size_t> {
    if (offer.algorithm == 4) return std::nullopt;
    return static_cast<std::size_t>(offer.algorithm) * 100;
  };
  const auto algorithm = [&](const std::vector<LegacyOffer>& offers, std::size_t limit) {
    const auto choice = choose_legacy(offers, last, limit, size);
    return choice ? choice->algorithm : -1;
  };
  REQUIRE(algorithm({{5, true, true, 0}, {3, true, true, 0}}, 1000) == 5);
  REQUIRE(algorithm({{5, true, true, 0}, {3, true, true, 0}}, 400) == 3);    // too much workspace
  REQUIRE(algorithm({{5, true, false, 0}, {3, true, true, 0}}, 1000) == 3);  // not reproducible
  REQUIRE(algorithm({{5, false, true, 0}, {4, true, true, 0}, {2, true, true, 0}}, 1000) == 2);
  REQUIRE(algorithm({{5, true, false, 0}, {3, false, true, 0}}, 1000) == 1);  // the list holds none
  REQUIRE(algorithm({}, 1000) == 1);
  REQUIRE(algorithm({}, 50) == -1);  // not even that fits
  REQUIRE(choose_legacy({}, last, 1000, size)->bytes == 100);
}
