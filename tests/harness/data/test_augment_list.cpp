// Augmentation as a list of steps: how it is written, what a step draws, what it does, and that nothing else decides.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "harness/console/usage.h"
#include "harness/data/augment/augment.h"
#include "harness/data/augment/augmentation.h"
#include "harness/data/augment/degrade.h"
#include "harness/data/augment/picture_augmenter.h"
#include "harness/data/bench.h"
#include "harness/data/loader.h"
#include "harness/data/sets/image_folder.h"
#include "tests/harness/data/loader_support.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
using namespace qcface::data;
using test::difference, test::make_picture, test::make_set, test::read_epoch, test::Seen, test::small_options;

namespace {

Augmentation parsed(const std::string& text) { return augmentation_from_text(text, "--augment"); }

std::string problem(const std::string& text) {
  try {
    return "taken as " + text_of(parsed(text));
  } catch (const UsageError& error) {
    return error.what();
  }
}

Image copy(const Image& image) {
  Image result;
  result.copy_from(image);
  return result;
}

Image augmented(const std::string& text, const Image& input, std::uint64_t entry = 0, std::uint64_t seed = 5,
                std::uint32_t epoch = 2) {
  Image image = copy(input);
  PictureAugmenter(parsed(text), seed, false).apply(epoch, entry, image);
  return image;
}

Image published(const Image& input, const AugmentDraw& draw) {
  Image image = copy(input);
  Augmenter().apply(draw, image);
  return image;
}

bool same(const Image& a, const Image& b) { return difference(a, b).largest == 0; }

}  // namespace

TEST_CASE("a list of steps is written with everything that shapes it, and read back") {
  for (const auto& [text, canonical] : std::vector<std::pair<std::string, std::string>>{
           {"published", "published"},
           {"none", "none"},
           {" none ", "none"},
           {"aligned", std::string(kAlignedSteps)},
           {"hflip", "hflip:0.5"},
           {"hflip:1", "hflip:1"},
           {"blur", "blur:0.5[0.5..4]"},
           {"blur[3]", "blur:0.5[3]"},
           {"blur[3..3]", "blur:0.5[3]"},
           {"blur:0[1..1.25]", "blur:0[1..1.25]"},
           {" jpeg : 0.25 [ 20 .. 30 ] , hflip ", "jpeg:0.25[20..30],hflip:0.5"},
           {"tone[-0.3..1e-1],tone:.5[-0]", "tone:0.5[-0.3..0.1],tone:0.5[0]"},
           {"noise:0.1[0.1..0.30000000000000004]", "noise:0.1[0.1..0.30000000000000004]"}}) {
    INFO(text);
    const Augmentation augmentation = parsed(text);
    CHECK(text_of(augmentation) == canonical);
    CHECK(parsed(canonical) == augmentation);
  }
  CHECK(parsed("aligned").mode == AugmentMode::kList);
  CHECK(parsed("aligned").steps.size() == 7);
  for (const StepInfo& info : step_table()) {
    const Augmentation augmentation = parsed(info.name);  // its defaults lie within its limits
    INFO(info.name);
    REQUIRE(augmentation.steps.size() == 1);
    CHECK(augmentation.steps[0] == AugmentStep{info.kind, 0.5, info.low, info.high});
    CHECK(parsed(text_of(augmentation)) == augmentation);
    CHECK_THAT(describe_steps(), test::contains(std::string(info.name)) && test::contains(info.meaning));
  }
}

TEST_CASE("what is wrong with a list is named by flag and step") {
  for (const auto& [text, expected] : std::vector<std::pair<std::string, std::string>>{
           {"", "--augment is empty, expected published, none, aligned, or steps of turn, hflip, "},
           {"hflip,blurr:0.2",
            "--augment: step 2 \"blurr:0.2\": there is no such step, expected one of turn, hflip, "},
           {"blurr", "; did you mean blur?"},
           {"hflip,,vflip", "step 2 \"\": its name is missing"},
           {"hflip,", "step 2 \"\": its name is missing"},
           {"aligned,jpeg", "step 1 \"aligned\": aligned is a whole augmentation: give it alone"},
           {"hflip:1.5", "step 1 \"hflip:1.5\": its probability is 1.5, expected a number from 0 to 1"},
           {"hflip:-0.1", "its probability is -0.1, expected"},
           {"hflip:nan", "its probability is nan, expected"},
           {"hflip:", "its probability is empty, expected"},
           {"hflip:0.5[1..2]", "hflip has no value, expected it without [ ], as in hflip:0.5"},
           {"blur:0.2[0.5..4", "its [ is not closed by a ], expected a range as in blur:0.5[0.5..4]"},
           {"blur:0.2[0.5,4]", "step 1 \"blur:0.2[0.5\": its [ is not closed"},
           {"blur[1..2]:0.3", "\":0.3\" stands behind its range, expected name:probability[low..high]"},
           {"blur[4..1]", "its range begins at 4 and ends below it, at 1: exchange them"},
           {"downup[0.5..4]", "the low end of its range is 0.5, expected a number from 1 to 64"},
           {"jpeg[20..101]", "the high end of its range is 101, expected a number from 1 to 100"},
           {"jpeg[20.5..30]", "the low end of its range is 20.5, expected an integer (quality)"},
           {"box[4]", "its value is 4, expected an odd number (window of a box mean, in pixels)"},
           {"blur[]", "its value is empty, expected a number from 0 to 20"},
           {"blur[1..]", "the high end of its range is empty"},
           {"blur[1...2]", "its range begins at 1 and ends below it, at 0.2"},
           {"noise[inf]", "its value is inf, expected"},
           {"hflip\n", "step 1 \"hflip\\n\": there is no such step"}}) {
    INFO(text);
    CHECK_THAT(problem(text), test::contains(expected));
  }
}

TEST_CASE("a step draws by seed, epoch, entry and position alone, as its probability and range say") {
  const AugmentStep jpeg{StepKind::kJpeg, 0.3, 20, 30}, blur{StepKind::kBlur, 0.3, 1, 3},
      box{StepKind::kBox, 0.3, 3, 7};
  // By the words of the stream, which the document promises.
  RandomStream random(9, RandomPurpose::kAugmentStep, 4, 77);
  for (int word = 0; word < 16; ++word) random.next_u32();
  const double coin = random.uniform(), value = random.uniform(), second = random.uniform();
  const StepDraw draw = draw_step(blur, 9, 4, 77, 2);
  CHECK(draw.on == (coin < 0.3));
  CHECK(draw.value == 1 + 2 * value);
  CHECK(draw.second == 1 + 2 * second);
  CHECK(draw.stream == random.next_u64());
  // Neither coin nor kind of step changes what the others draw.
  CHECK(draw_step({StepKind::kBlur, 1, 1, 3}, 9, 4, 77, 2).value == draw.value);
  CHECK(draw_step(blur, 9, 4, 77, 3).value != draw.value);
  CHECK(draw_step(blur, 9, 4, 78, 2).value != draw.value);
  CHECK(draw_step(blur, 9, 5, 77, 2).value != draw.value);
  CHECK(draw_step(blur, 8, 4, 77, 2).value != draw.value);

  constexpr int kCount = 8000;
  const auto near = [](int count, double share) {
    return std::abs(count - share * kCount) <= 5.0 * std::sqrt(share * kCount);
  };
  int on = 0, both = 0, always = 0, never = 0, below_two = 0;
  std::array<int, 11> qualities{};
  std::array<int, 3> windows{};
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const StepDraw first = draw_step(jpeg, 1, 0, i, 0), other = draw_step(blur, 1, 0, i, 1);
    on += first.on;
    both += first.on && other.on;
    always += draw_step({StepKind::kHflip, 1, 0, 0}, 1, 0, i, 2).on;
    never += draw_step({StepKind::kHflip, 0, 0, 0}, 1, 0, i, 2).on;
    below_two += other.value < 2;
    REQUIRE((other.value >= 1 && other.value <= 3));
    ++qualities.at(static_cast<std::size_t>(first.value - 20));
    ++windows.at(static_cast<std::size_t>((draw_step(box, 1, 0, i, 3).value - 3) / 2));
  }
  CHECK(near(on, 0.3));
  CHECK(near(both, 0.09));
  CHECK((always == kCount && never == 0));
  CHECK(near(below_two, 0.5));
  for (const int count : qualities) CHECK(near(count, 1.0 / 11));
  for (const int count : windows) CHECK(near(count, 1.0 / 3));
}

TEST_CASE("a step does what its operation does with the drawn value") {
  const Image input = make_picture(21, 40, 40);
  const auto expect = [&](const std::string& step, const Image& expected, bool changes = true) {
    INFO(step);
    const std::string always = step.substr(0, step.find('[')) + ":1" +
                               (step.find('[') == std::string::npos ? "" : step.substr(step.find('[')));
    CHECK(same(augmented(always, input), expected));
    CHECK(same(expected, input) != changes);
  };
  const auto with = [&](auto set) {
    AugmentDraw draw;
    set(draw);
    return published(input, draw);
  };
  expect("turn[3]", with([](AugmentDraw& d) { d.quarter_turns = 3; }));
  expect("turn[0]", input, false);
  expect("hflip", with([](AugmentDraw& d) { d.flip_columns = true; }));
  expect("vflip", with([](AugmentDraw& d) { d.flip_rows = true; }));
  expect("box[5]", with([](AugmentDraw& d) { d.blur = 5; }));
  expect("median[3]", with([](AugmentDraw& d) { d.median = 3; }));
  expect("clahe[2.5]", with([](AugmentDraw& d) { d.clahe_clip = 2.5; }));
  expect("tone[0.1]", with([](AugmentDraw& d) {
           d.brightness_contrast = true;
           d.alpha = 1.1;
           d.beta = 0.1;
         }));
  expect("gamma[50]", with([](AugmentDraw& d) { d.gamma_percent = 50; }));
  expect("gamma[200]", with([](AugmentDraw& d) { d.gamma_percent = 200; }));
  expect("jpeg[30]", with([](AugmentDraw& d) { d.jpeg_quality = 30; }));
  expect("downup[1]", input, false);
  // Drawn values, and the streams of noise and rectangle.
  for (const auto& [name, kind] : {std::pair{"blur", Degradation::kBlur},
                                   {"downup", Degradation::kDownUp},
                                   {"noise", Degradation::kNoise},
                                   {"occlusion", Degradation::kOcclusion},
                                   {"brightness", Degradation::kBrightness}}) {
    AugmentStep step = parsed(name).steps[0];
    step.probability = 1;
    const StepDraw draw = draw_step(step, 5, 2, 0, 0);
    Image expected;
    degrade(input, kind, draw.value, draw.stream, 0, expected);
    expect(name, expected);
  }
  const AugmentStep tone = parsed("tone:1").steps[0];
  const StepDraw draw = draw_step(tone, 5, 2, 0, 0);
  expect("tone", with([&](AugmentDraw& d) {
           d.brightness_contrast = true;
           d.alpha = 1 + draw.value;
           d.beta = draw.second;
         }));
  CHECK(same(augmented("hflip:0,blur:0,noise:0", input), input));
}

TEST_CASE("whatever its limits allow a step can do, to pictures of one pixel too") {
  for (const StepInfo& info : step_table()) {
    for (const double value : {info.least, info.most}) {
      const std::string step = text_of(AugmentStep{info.kind, 1, value, value});
      INFO(step);
      for (const auto& [height, width] : {std::pair{1, 1}, {2, 3}, {40, 24}}) {
        const Image result = augmented(step, make_picture(24, height, width));
        CHECK(result.bytes() == static_cast<std::size_t>(3 * height * width));
      }
    }
  }
}

TEST_CASE("docs/data-formats.md has the table of steps, and the preset, as they are") {
  const std::string page = test::read_text(QCFACE_SOURCE_DIR "/docs/data-formats.md");
  CHECK_THAT(page, test::contains("`aligned` is the list `" + std::string(kAlignedSteps) + "`"));
  for (const StepInfo& info : step_table()) {
    INFO(info.name);
    std::size_t row = page.find(fmt::format("\n| `{}` | ", info.name));
    if (info.values == StepInfo::Values::kNone) row = page.find("\n| `hflip`, `vflip` | | | | ");
    REQUIRE(row != std::string::npos);
    if (info.values == StepInfo::Values::kNone) continue;
    CHECK_THAT(
        page.substr(row + 1, page.find('\n', row + 1) - row - 1),
        test::contains(fmt::format(" | {}..{} | {}..{} | ", info.low, info.high, info.least, info.most)));
  }
}

TEST_CASE("steps are applied in the order of the list, and a name may occur twice") {
  const Image input = make_picture(22, 40, 40);
  CHECK(!same(augmented("blur:1[2],jpeg:1[20]", input), augmented("jpeg:1[20],blur:1[2]", input)));
  CHECK(
      same(augmented("blur:1[2],jpeg:1[20]", input), augmented("jpeg:1[20]", augmented("blur:1[2]", input))));
  CHECK(same(augmented("hflip:1,hflip:1", input), input));
  // The second of two noises has numbers of its own.
  CHECK(!same(augmented("noise:1[20],hflip:0", input), augmented("hflip:0,noise:1[20]", input)));
  // A step in front that is off, whatever it is, changes nothing of those behind it.
  CHECK(
      same(augmented("noise:0,occlusion:1,noise:1", input), augmented("vflip:0,occlusion:1,noise:1", input)));
}

TEST_CASE("a list step by step gives the pixels of the whole, and so does the published augmentation") {
  const Image input = make_picture(23, 40, 40);
  for (const char* text : {"published", "none", "aligned", "noise:1,hflip:0,jpeg:1,noise:1"}) {
    INFO(text);
    PictureAugmenter augmenter(parsed(text), 3, false);
    std::vector<int> runs(augmenter.step_names().size());
    bool changed = false;
    for (std::uint64_t entry = 0; entry < 20; ++entry) {
      Image whole = copy(input), stepwise = copy(input);
      augmenter.apply(1, entry, whole);
      augmenter.apply_in_steps(1, entry, stepwise, [&](std::size_t step, const std::function<void()>& run) {
        ++runs.at(step);
        run();
      });
      REQUIRE(same(whole, stepwise));
      changed = changed || !same(whole, input);
    }
    CHECK(changed == (text != std::string("none")));
    if (runs.size() == 4) CHECK(runs == std::vector<int>{20, 0, 20, 20});
  }
}

TEST_CASE("loader: a list gives the same bits with any number of workers, and from the middle of an epoch") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 29);
  const ImageFolder set = scan_image_folder(folder.path());
  LoaderOptions options = small_options(4, 0);
  options.augment = parsed("aligned");
  Loader alone(set, options);
  const Seen whole = read_epoch(alone, 1);
  CHECK(read_epoch(alone, 2).pixels != whole.pixels);
  for (int workers : {1, 3}) {
    options.workers = workers;
    Loader loader(set, options);
    CHECK(read_epoch(loader, 1) == whole);
    const Seen tail = read_epoch(loader, 1, 5);
    CHECK(std::equal(tail.pixels.rbegin(), tail.pixels.rend(), whole.pixels.rbegin()));
    CHECK(tail.indices.size() == 9);
  }
  // The exchange inside the JPEG step belongs to the published augmentation.
  options.jpeg_swap_rb = true;
  Loader swapped(set, options);
  CHECK(read_epoch(swapped, 1) == whole);
}

TEST_CASE("data bench lists the steps of a list with what they cost") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 6);
  DataBenchOptions options;
  options.loader = small_options(5, 0);
  options.loader.augment = parsed("noise:1,hflip:0,jpeg:1[50]");
  options.stage_seconds = options.loader_seconds = 60;
  options.max_pictures = 10;
  const DataBenchResult result = run_data_bench(scan_image_folder(folder.path()), options);
  REQUIRE(result.augment_steps.size() == 3);
  CHECK(result.augment_steps[0].runs == 10);
  CHECK(result.augment_steps[1].runs == 0);
  CHECK(result.augment_steps[2].runs == 10);
  CHECK(result.augment_us > 0);
  CHECK_THAT(format_data_bench(result, options),
             test::contains("noise:1[2..40] ") && test::contains("jpeg:1[50] "));
}
