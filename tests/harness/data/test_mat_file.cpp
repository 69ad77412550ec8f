#include "harness/data/lists/mat_file.h"

#include <zlib.h>

#include <bit>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"

using namespace qcface;

namespace {

template <class T>
std::string bytes_of(std::vector<T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string element(std::uint32_t type, std::string data) {
  const std::string tag = bytes_of<std::uint32_t>({type, static_cast<std::uint32_t>(data.size())});
  if (type != 15) data.resize((data.size() + 7) / 8 * 8);
  return tag + data;
}
std::string matrix(std::uint32_t flags, std::vector<std::int32_t> dims, const std::string& name,
                   const std::string& rest) {
  return element(14, element(6, bytes_of<std::uint32_t>({flags, 0})) + element(5, bytes_of(dims)) +
                         element(1, name) + rest);
}
std::string packed(const std::string& data) {
  uLongf size = ::compressBound(data.size());
  std::string out(size, '\0');
  ::compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(data.data()),
             data.size());
  return element(15, out.substr(0, size));
}
std::string header() { return "MATLAB 5.0" + std::string(114, ' ') + std::string("\0\1IM", 4); }

std::string text(const std::string& data, std::uint32_t type, std::int32_t characters) {
  return matrix(4, {1, characters}, "", element(type, data));
}
std::string ascii(const std::string& name) { return text(name, 16, static_cast<std::int32_t>(name.size())); }
std::string names(const std::vector<std::string>& cells) {
  std::string all;
  for (const std::string& cell : cells) all += cell;
  return matrix(1, {static_cast<std::int32_t>(cells.size()), 1}, "n", all);
}
std::string doubles(const std::vector<double>& values) {
  return matrix(6, {static_cast<std::int32_t>(values.size()), 1}, "i", element(9, bytes_of(values)));
}

data::IdPairs read(const std::string& content) {
  test::TemporaryFolder folder;
  test::write_text(folder / "a.mat", content);
  return data::read_id_pairs(folder / "a.mat", "n", "i");
}
std::string refusal(const std::string& content) {
  try {
    read(content);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("MAT-files of the vectors are read, those of version 7.3 refused") {
  const auto expected = parse_json(test::read_text(test::vectors("mat/expected.json")));
  int files = 0;
  for (const auto& [file, want] : expected.items()) {
    if (file == "must_reject") continue;
    INFO(file);
    const bool probe = file.starts_with("probe");
    const auto pairs =
        data::read_id_pairs(test::vectors(("mat/" + file).c_str()), probe ? "probe_set" : "gallery_set",
                            probe ? "probe_ids" : "gallery_ids");
    REQUIRE(pairs.names == want.at("names").get<std::vector<std::string>>());
    REQUIRE(pairs.ids == want.at("ids").get<std::vector<std::int64_t>>());
    ++files;
  }
  REQUIRE((files == 4 || !test::own_data()));
  for (const auto& file : expected.at("must_reject")) {
    const auto path = test::vectors(("mat/" + file.get<std::string>()).c_str());
    REQUIRE(data::is_mat_file(path));
    REQUIRE_THROWS_WITH(data::read_id_pairs(path, "gallery_set", "gallery_ids"),
                        test::contains("byte 124") && test::contains("HDF5") && test::contains("-v7"));
  }
}

TEST_CASE("TinyFace's own lists are read whole") {
  const auto folder = test::real_data("formats/mat");
  if (folder.empty()) QCFACE_SKIP("QCFACE_REAL_DATA names no folder with formats/mat");
  // The ids number the people of both files in order; the names have numbers of their own, with gaps.
  std::map<std::string, std::int64_t> id_of;
  const auto check = [&](const data::IdPairs& pairs, std::size_t rows) {
    REQUIRE(pairs.names.size() == rows);
    REQUIRE(pairs.ids.size() == rows);
    for (std::size_t i = 0; i < rows; ++i) {
      INFO(pairs.names[i]);
      REQUIRE(pairs.names[i].ends_with(".jpg"));
      const std::string person = pairs.names[i].substr(0, pairs.names[i].find('_'));
      REQUIRE(id_of.try_emplace(person, pairs.ids[i]).first->second == pairs.ids[i]);
    }
  };
  check(data::read_id_pairs(folder / "gallery_match_img_ID_pairs.mat", "gallery_set", "gallery_ids"), 4443);
  check(data::read_id_pairs(folder / "probe_img_ID_pairs.mat", "probe_set", "probe_ids"), 3728);
  REQUIRE(id_of.size() == 2569);
  REQUIRE(id_of.at("5") == 3);
  REQUIRE(id_of.at("5700") == 2569);
}

TEST_CASE("MAT-files: every stored type of names and numbers") {
  // "ä€😀" in each form: 4 units of UTF-16.
  const std::string utf8 = "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80";
  const std::string utf16 = bytes_of<std::uint16_t>({0xE4, 0x20AC, 0xD83D, 0xDE00});
  const std::string list =
      names({text(utf8, 16, 4), text(utf16, 17, 4), text(utf16, 4, 4), text("ab", 2, 2)});
  const std::vector<std::string> expected{utf8, utf8, utf8, "ab"};
  const auto numbers = [&](std::uint32_t matrix_class, std::uint32_t type, const std::string& data) {
    const std::string file = header() + packed(list) + matrix(matrix_class, {1, 4}, "i", element(type, data));
    const auto pairs = read(file);
    REQUIRE(pairs.names == expected);
    REQUIRE(pairs.ids == std::vector<std::int64_t>{0, 1, 100, 7});
  };
  // What is stored may be smaller than the class.
  for (const std::uint32_t matrix_class : {6u, 7u, 8u, 9u, 10u, 11u, 12u, 13u, 14u, 15u}) {
    INFO("class " << matrix_class);
    numbers(matrix_class, 2, bytes_of<std::uint8_t>({0, 1, 100, 7}));
    if (matrix_class != 9) numbers(matrix_class, 1, bytes_of<std::int8_t>({0, 1, 100, 7}));
  }
  numbers(6, 3, bytes_of<std::int16_t>({0, 1, 100, 7}));
  numbers(6, 4, bytes_of<std::uint16_t>({0, 1, 100, 7}));
  numbers(6, 5, bytes_of<std::int32_t>({0, 1, 100, 7}));
  numbers(6, 6, bytes_of<std::uint32_t>({0, 1, 100, 7}));
  numbers(6, 7, bytes_of<float>({0, 1, 100, 7}));
  numbers(6, 9, bytes_of<double>({0, 1, 100, 7}));
  numbers(14, 12, bytes_of<std::int64_t>({0, 1, 100, 7}));
  numbers(15, 13, bytes_of<std::uint64_t>({0, 1, 100, 7}));
  // The small form of an element, and variables that nobody asked for.
  const std::string small = bytes_of<std::uint32_t>({3u << 16 | 16u}) + "a.j" + std::string(1, '\0');
  const std::string other = matrix(6, {2, 2}, "other", element(9, bytes_of<double>({1, 2, 3, 4})));
  const auto pairs = read(header() + packed(other) + doubles({-5, 0x1p53}) +
                          matrix(1, {1, 2}, "n", matrix(4, {1, 3}, "", small) + ascii("b")) + other);
  REQUIRE(pairs.names == std::vector<std::string>{"a.j", "b"});
  REQUIRE(pairs.ids == std::vector<std::int64_t>{-5, std::int64_t{1} << 53});
}

TEST_CASE("MAT-files with a fault are refused with the byte") {
  const std::string two = names({ascii("a.jpg"), ascii("b.jpg")}), ids = doubles({1, 2}),
                    good = header() + two + ids;
  REQUIRE(read(good).ids.size() == 2);
  const auto refused = [](const std::string& file, const std::string& place, const std::string& expected) {
    const std::string message = refusal(file);
    INFO(message);
    REQUIRE(message.find("a.mat: " + place) != std::string::npos);
    REQUIRE(message.find(expected) != std::string::npos);
  };
  const std::string second = "byte " + std::to_string(128 + two.size());
  refused("", "byte 0", "not a MAT-file");
  refused(std::string(200, 'x'), "byte 0", "not a MAT-file");
  refused(header().substr(0, 126) + "MI" + two, "byte 126", "big-endian");
  refused(header().substr(0, 124) + std::string("\7\1IM", 4) + two, "byte 124", "0x0107");
  refused(header(), "holds no variable n", "none");
  refused(header() + two, "holds no variable i", "it holds n");
  refused(header() + ids + matrix(1, {1, 1}, "m\x1b", ascii("x")), "holds no variable n", "i, m\\x1b");
  for (const std::size_t size : {good.size() - 8, good.size() - 100, std::size_t{129}}) {
    INFO(size);
    REQUIRE(refusal(good.substr(0, size)) != "no error");
  }
  refused(good.substr(0, good.size() - 8), second, "an element of");
  refused(good + "12345", "byte " + std::to_string(good.size()), "5 bytes where an element begins");
  refused(header() + element(9, "12345678"), "byte 128", "element type 9 where a matrix");
  refused(header() + bytes_of<std::uint32_t>({14, 0xFFFFFFF0}) + "x", "byte 128",
          "an element of 4294967280 bytes where 1 are left");
  refused(header() + bytes_of<std::uint32_t>({5u << 16 | 14u, 0}), "byte 128", "small form with 5 bytes");
  // Compressed.
  std::string damaged = header() + packed(two);
  damaged[128 + 8 + 20] = static_cast<char>(damaged[128 + 8 + 20] ^ 0x55);
  refused(damaged, "byte", "compressed element is damaged or cut");
  const std::string whole = packed(two).substr(8);
  refused(header() + element(15, whole.substr(0, whole.size() - 6)), "byte", "damaged or cut");
  refused(header() + packed(two + ids),
          "byte " + std::to_string(two.size()) + " of what is compressed at byte 128",
          "more than the one element");
  refused(header() + packed(std::string("\0\0\0\0\0\0\0\0", 8)), "byte 0 of what is compressed at byte 128",
          "element type 0");
  refused(header() + packed(std::string(std::size_t{80} << 20, '\0')), "byte 128", "more than 32 MiB");
  // Matrices.
  const auto matrix_with = [&](const std::string& content) { return header() + element(14, content); };
  refused(matrix_with(element(6, "1234")), "byte 136", "two u32");
  refused(matrix_with(element(6, std::string("\6\0\0\0\0\0\0\0", 8)) + element(5, "1234")), "byte 152",
          "extents");
  refused(header() + matrix(6, {1, -1}, "n", ""), "byte 164", "an extent of -1");
  refused(header() + matrix(6, {1, 1}, std::string(300, 'n'), ""), "byte 168", "at most 255 characters");
  // Names.
  const auto with_names = [&](const std::string& list) { return header() + list + ids; };
  refused(with_names(matrix(6, {2, 1}, "n", element(9, bytes_of<double>({1, 2})))), "byte 128",
          "n is an array of class double, expected a cell array");
  refused(with_names(matrix(1, {2, 2}, "n", "")), "byte 128", "n is 2 x 2");
  refused(with_names(matrix(1, {0, 1}, "n", "")), "byte 128", "n is 0 x 1");
  refused(with_names(matrix(1, {2, 1, 1}, "n", "")), "byte 128", "n is 2 x 1 x 1");
  refused(with_names(matrix(1, {0x7FFFFFFF, 1}, "n", "")), "byte 128", "1 to 262144 rows");
  refused(with_names(matrix(1, {2, 1}, "n", ascii("a"))), second.substr(0, 5),
          "1 cells where 2 are announced");
  refused(with_names(matrix(1, {1, 1}, "n", ascii("a") + ascii("b"))), "byte", "more than the 1 cells");
  refused(with_names(names({ascii("a"), matrix(6, {1, 1}, "", element(9, bytes_of<double>({1})))})), "byte",
          "cell 2 is of class double");
  refused(with_names(names({ascii("a"), text("", 16, 0)})), "byte", "cell 2 is 1 x 0 characters");
  refused(with_names(names({ascii("a"), matrix(4, {2, 1}, "", element(16, "ab"))})), "byte",
          "cell 2 is 2 x 1 characters");
  refused(with_names(names({ascii("a"), matrix(4, {1, 1}, "own", element(16, "a"))})), "byte",
          "has a name of its own");
  refused(with_names(names({ascii("a"), text("abcd", 5, 1)})), "byte", "cell 2 holds type 5");
  refused(with_names(names({ascii("a"), text("abcd", 17, 4)})), "byte",
          "holds 4 bytes of type 17 for 4 characters");
  refused(with_names(names({ascii("a"), ascii(std::string(4097, 'x'))})), "byte",
          "cell 2 is 1 x 4097 characters");
  refused(with_names(names({ascii("a"), text("ab", 16, 3)})), "byte", "2 bytes of type 16 for 3 characters");
  refused(with_names(names({ascii("a"), text("ab", 16, 0x7FFFFFFF)})), "byte",
          "cell 2 is 1 x 2147483647 characters");
  refused(with_names(names({ascii("a"), text(bytes_of<std::uint16_t>({0xD83D}), 17, 1)})), "cell 2 of n",
          "no text");
  refused(with_names(names({ascii("a"), text("\xC3(", 16, 2)})), "cell 2 of n", "no text");
  refused(with_names(names({ascii("a"), text(std::string(2, '\0'), 16, 2)})), "cell 2 of n", "no text");
  // Numbers.
  const auto with_ids = [&](const std::string& list) { return header() + two + list; };
  refused(with_ids(matrix(1, {1, 1}, "i", ascii("a"))), second,
          "i is an array of class cell, expected real numbers");
  refused(with_ids(matrix(6 | 0x800, {2, 1}, "i",
                          element(9, bytes_of<double>({1, 2})) + element(9, bytes_of<double>({1, 2})))),
          second, "i is complex");
  refused(with_ids(matrix(6, {3, 1}, "i", element(9, bytes_of<double>({1, 2})))), "byte",
          "16 bytes of type 9 for 3 numbers");
  refused(with_ids(matrix(6, {2, 1}, "i", element(16, "ab"))), "byte", "2 bytes of type 16 for 2 numbers");
  refused(with_ids(matrix(6, {2, 1}, "i", element(2, "ab") + element(2, "c"))), "byte",
          "more than the 2 numbers");
  refused(with_ids(doubles({1, 2, 3})), "n has 2 rows, i has 3", "expected as many");
  refused(with_ids(doubles({1, 2.5})), "number 2 is 2.5", "whole number");
  refused(with_ids(doubles({std::bit_cast<double>(std::uint64_t{0x7FF8000000000000}), 1})), "number 1 is nan",
          "whole number");
}

TEST_CASE("variables of a MAT-file are listed") {
  test::TemporaryFolder folder;
  test::write_text(folder / "a.mat", header() + packed(names({ascii("x")})) + doubles({1, 2, 3}) +
                                         element(14, element(6, bytes_of<std::uint32_t>({17, 0}))));
  const auto list = data::list_mat_variables(folder / "a.mat");
  REQUIRE(list.size() == 3);
  REQUIRE(list[0].name == "n");
  REQUIRE(list[0].kind == "cell");
  REQUIRE(list[1].kind == "double");
  REQUIRE(list[1].dims == std::vector<std::int32_t>{3, 1});
  REQUIRE(list[2].kind == "opaque");
  REQUIRE(data::is_mat_file(folder / "a.mat"));
  test::write_text(folder / "b.mat", "no such thing");
  REQUIRE_FALSE(data::is_mat_file(folder / "b.mat"));
  REQUIRE_FALSE(data::is_mat_file(folder / "c.mat"));
}
