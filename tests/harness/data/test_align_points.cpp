// Similarity, warp and lists of landmarks.
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "harness/data/align/similarity.h"
#include "harness/data/align/warp.h"
#include "harness/data/lists/landmarks.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using data::Point;

namespace {

data::FivePoints points_of(const nlohmann::json& json) {
  data::FivePoints points;
  for (std::size_t i = 0; i < points.size(); ++i)
    points[i] = {json.at(i).at(0).get<double>(), json.at(i).at(1).get<double>()};
  return points;
}

nlohmann::json vector_file() { return parse_json(test::read_text(test::vectors("similarity_align.json"))); }

std::vector<data::Landmarks> read(const std::string& text) {
  test::TemporaryFolder folder;
  test::write_text(folder / "list.txt", text);
  return data::read_landmarks(folder / "list.txt");
}

std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

constexpr const char* kTen = "30.5 40 62 39 47 58 34 75 61 73.25";

}  // namespace

TEST_CASE("the fitted similarity is that of the vectors") {
  const auto json = vector_file();
  const data::FivePoints target = data::face_template(112, false);
  const data::FivePoints published = points_of(json.at("template"));
  for (std::size_t i = 0; i < target.size(); ++i) {
    REQUIRE(target[i].x == published[i].x);
    REQUIRE(target[i].y == published[i].y);
  }
  REQUIRE(json.at("cases").size() == 5);
  for (const auto& c : json.at("cases")) {
    INFO(c.at("name"));
    const auto map = data::fit_similarity(points_of(c.at("landmarks")), target);
    REQUIRE(map.has_value());
    const auto& m = c.at("matrix");
    const double expected[2][3] = {{map->a, -map->b, map->tx}, {map->b, map->a, map->ty}};
    for (std::size_t row = 0; row < 2; ++row) {
      for (std::size_t column = 0; column < 3; ++column)
        REQUIRE(std::abs(expected[row][column] - m.at(row).at(column).get<double>()) < 1e-9);
    }
  }
}

TEST_CASE(
    "the fitted similarity undoes a turn, a scale and a shift, and there is none for points that are one") {
  const data::Similarity moved{2.5 * std::cos(0.7), 2.5 * std::sin(0.7), -40, 300};
  for (const bool narrow : {false, true}) {
    const data::FivePoints target = data::face_template(224, narrow);
    REQUIRE(target[0].x > 2 * (38.29 - (narrow ? 8 : 0)));
    data::FivePoints there;
    for (std::size_t i = 0; i < there.size(); ++i) there[i] = moved(target[i]);
    const auto back = data::fit_similarity(there, target);
    REQUIRE(back.has_value());
    for (std::size_t i = 0; i < there.size(); ++i) {
      const Point p = (*back)(there[i]);
      REQUIRE(std::hypot(p.x - target[i].x, p.y - target[i].y) < 1e-9);
    }
  }
  const data::FivePoints target = data::face_template(112, false);
  // 0.1 and the like have no exact mean of five.
  for (const double x : {0.0, 0.1, 33.3, 1e6}) {
    data::FivePoints one;
    one.fill({x, x / 3});
    REQUIRE_FALSE(data::fit_similarity(one, target).has_value());
  }
  // Targets that are one: no scale, nothing to invert.
  data::FivePoints flat;
  flat.fill({5, 5});
  REQUIRE_FALSE(data::fit_similarity(target, flat).has_value());
}

TEST_CASE("the warp gives the vector's pixels") {
  const auto json = vector_file();
  const auto map = data::fit_similarity(points_of(json.at("cases").at(0).at("landmarks")),
                                        data::face_template(112, false));
  data::Image out;
  data::warp(test::vector_image("align_input_bgr.npy"), *map, 112, 112, out);
  const auto d = test::difference(out, test::vector_image("align_output_bgr.npy"));
  INFO("largest difference " << d.largest << " at " << d.where << ", " << d.count << " differ");
  REQUIRE(d.largest == 0);
}

TEST_CASE("a warp by nothing copies, what is outside is black, and far away is outside") {
  const data::Image picture = test::make_picture(1, 20, 30);
  data::Image out;
  data::warp(picture, {}, 20, 30, out);
  REQUIRE(test::difference(picture, out).largest == 0);
  data::warp(picture, {1, 0, 3, 2}, 20, 30, out);  // three to the right, two down
  REQUIRE(int{out.row(1)[3 * 10]} == 0);
  REQUIRE(int{out.row(10)[3 * 2 + 1]} == 0);
  REQUIRE(out.row(2)[3 * 3] == picture.row(0)[0]);
  REQUIRE(out.row(19)[3 * 29 + 2] == picture.row(17)[3 * 26 + 2]);
  for (const data::Similarity& far : {data::Similarity{1, 0, 1e18, 0},
                                      {1, 0, -1e18, -1e18},
                                      {1e-12, 0, 1.5, 1.5},
                                      {0, 1e-100, 5e5, -5e5}}) {
    data::warp(picture, far, 8, 8, out);
    for (std::size_t i = 0; i < out.bytes(); ++i) REQUIRE(int{out.data()[i]} == 0);
  }
}

TEST_CASE("lists of landmarks are read in every form") {
  const auto check = [](const data::Landmarks& row, const std::string& name, std::size_t line) {
    REQUIRE(row.name == name);
    REQUIRE(row.line == line);
    REQUIRE(row.points[0].x == 30.5);
    REQUIRE(row.points[4].y == 73.25);
  };
  const std::string ten = kTen;
  std::string commas = ten, tabs = ten;
  std::replace(commas.begin(), commas.end(), ' ', ',');
  std::replace(tabs.begin(), tabs.end(), ' ', '\t');
  check(read("a/1.jpg " + ten + "\n").at(0), "a/1.jpg", 1);
  check(read("1.jpg " + ten + " 0.998\n").at(0), "1.jpg", 1);  // IJB
  check(read("Bob/Bob 1.jpg\t" + tabs).at(0), "Bob/Bob 1.jpg", 1);
  check(read("\xEF\xBB\xBF\"b,c.jpg\"," + commas + "\r\n").at(0), "b,c.jpg", 1);
  check(read("image,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5\n# note\na.jpg," + commas).at(0), "a.jpg", 3);
  check(read("202599\nlefteye_x lefteye_y righteye_x righteye_y\n000001.jpg  " + ten).at(0), "000001.jpg",
        3);  // CelebA
  // 68 points: point i is (i, 1000 + i), 1-based.
  std::string all = "x.png";
  for (int i = 1; i <= 68; ++i) all += " " + std::to_string(i) + " " + std::to_string(1000 + i);
  const data::FivePoints five = read(all).at(0).points;
  const double expected[] = {38.5, 44.5, 31, 49, 55};
  for (std::size_t i = 0; i < 5; ++i) {
    REQUIRE(five[i].x == expected[i]);
    REQUIRE(five[i].y == 1000 + expected[i]);
  }
}

TEST_CASE("lists of landmarks with a fault are refused with their line") {
  const std::string good = std::string("a.jpg ") + kTen + "\n";
  const auto refused = [](const std::string& text, const std::string& line, const std::string& expected) {
    const std::string message = refusal(text);
    INFO(message);
    REQUIRE(message.find("list.txt: " + line) != std::string::npos);
    REQUIRE(message.find(expected) != std::string::npos);
  };
  refused("", "no landmarks", "list");
  refused("a heading of words\n", "no landmarks", "list");
  refused(good + "b.jpg 1 2 3\n", "line 2", "4 fields where the rows above have 11");
  refused(good + "b.jpg " + kTen + " 0.9\n", "line 2", "12 fields");
  refused("b.jpg 1 2 3 4 5 6 7 8 9\n", "line 1", "expected a name and 10 numbers");
  refused(good + "b.jpg 1 2 3 4 x\x1b[2J 6 7 8 9 10\n", "line 2", "'x\\x1b[2J' is no number");
  refused(good + "b.jpg 1 2 3 4 nan 6 7 8 9 10\n", "line 2", "'nan' is no number");
  refused("b.jpg 1 2 3 4 inf 6 7 8 9 10\n", "line 1", "'inf' is no number");
  refused("b.jpg 1 2 3 4 -1e7 6 7 8 9 10\n", "line 1", "'-1e7' is no number");
  refused("b.jpg 1 2 3 4 1e999 6 7 8 9 10\n", "line 1", "'1e999' is no number");
  refused("b.jpg 1 2 3 4 0x10 6 7 8 9 10\n", "line 1", "'0x10' is no number");
  refused(good + "b.jpg 1 2 3 4 5 6 7 8 9 10\n" + good, "line 3", "a.jpg has a row already, line 1");
  refused(good + "\"b.jpg 1 2\n", "line 2", "double quote");
  refused(good + "\"\" " + kTen + "\n", "line 2", "the name is empty");
  refused("two words.jpg " + std::string(kTen) + " 0.5\n", "line 1", "names with blanks need tabs");
}

TEST_CASE("LFW's list of landmarks is read whole") {
  const auto lists = test::real_data("lists");
  if (lists.empty()) QCFACE_SKIP("QCFACE_REAL_DATA names no folder with lists");
  const auto rows = data::read_landmarks(lists / "lfw_landmark_5pts_250x250.txt");
  REQUIRE(rows.size() == 13233);
  REQUIRE(rows.front().name == "Aaron_Eckhart/Aaron_Eckhart_0001.jpg");
  REQUIRE(rows.front().points[2].x == 124);
  const data::FivePoints target = data::face_template(112, false);
  double scales = 0;
  for (const auto& row : rows) {
    const auto map = data::fit_similarity(row.points, target);
    REQUIRE(map.has_value());
    scales += std::hypot(map->a, map->b) / static_cast<double>(rows.size());
  }
  // Eyes of the 250x250 pictures are about 41 pixels apart, those of a crop 35.2.
  REQUIRE(std::abs(scales - 0.86) < 0.05);
}
