// Names of classes in little memory: the same names as a list of strings, found again by name.
#include "harness/data/sets/class_names.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/catch.h"

using qcface::data::ClassIndex, qcface::data::ClassNames;
using Strings = std::vector<std::string>;

namespace {

Strings strings_of(const ClassNames& names) {
  Strings all;
  names.for_each([&all](std::string_view name) { all.emplace_back(name); });
  return all;
}

// All that is told of them one way is told the other way.
void require_same(const ClassNames& names, const Strings& expected) {
  REQUIRE(names.size() == expected.size());
  REQUIRE(strings_of(names) == expected);
  for (std::size_t i = 0; i < expected.size(); ++i) REQUIRE(names[i] == expected[i]);
  for (const std::size_t first : {std::size_t{0}, std::size_t{1}, expected.size() / 2, expected.size()}) {
    Strings rest;
    names.for_each([&rest](std::string_view name) { rest.emplace_back(name); }, first, expected.size());
    const std::size_t begin = std::min(first, expected.size());
    REQUIRE(rest == Strings(expected.begin() + static_cast<std::ptrdiff_t>(begin), expected.end()));
  }
  bool numbers = true;
  for (std::size_t i = 0; i < expected.size(); ++i) numbers = numbers && expected[i] == std::to_string(i);
  REQUIRE(names.are_numbers() == numbers);
  REQUIRE(names == ClassNames(expected));
}

Strings numbers_up_to(std::size_t count) {
  Strings names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

void add(Strings& to, const Strings& names) { to.insert(to.end(), names.begin(), names.end()); }

}  // namespace

TEST_CASE("names of classes are what they were given as, numbers or not") {
  require_same({}, {});
  Strings names;
  SECTION("numbers") { names = numbers_up_to(1000); }
  SECTION("names, the empty one and ones of any bytes") {
    names = {"anna",
             "",
             std::string("a\0b\xff\n", 5),
             std::string(127, 'x'),
             std::string(128, 'y'),
             std::string(40000, 'z'),
             "01",
             "-1",
             "00"};
    for (int i = 0; i < 500; ++i) names.push_back("n" + std::to_string(i * i));
  }
  SECTION("numbers between names") {
    names = {"0", "0", "1", "anna", "4", "0"};
    add(names, numbers_up_to(70));
    add(names, {"70", "72", "bert", "0", "", "1"});
    add(names, numbers_up_to(3));
  }
  require_same(ClassNames(names), names);
}

TEST_CASE("lists of classes stand one behind the other") {
  const Strings numbers = numbers_up_to(100), words{"a", "b", "0", "1", "c"}, count{"100", "101"};
  Strings all;
  ClassNames names;
  for (const Strings& part : {numbers, numbers, words, count, Strings{}, numbers, count}) {
    names.append(ClassNames(part));
    add(all, part);
    REQUIRE(strings_of(names) == all);
  }
  for (std::size_t i = 0; i < all.size(); ++i) REQUIRE(names[i] == all[i]);
  REQUIRE_FALSE(names.are_numbers());
  ClassNames joined = ClassNames::numbers(100);
  joined.append({"100", "101"});
  REQUIRE(joined == ClassNames::numbers(102));
  REQUIRE(joined != ClassNames::numbers(103));
  REQUIRE(joined != ClassNames({"a"}));
}

TEST_CASE("numbers take no memory for each class, names little more than their bytes") {
  REQUIRE(ClassNames::numbers(100'000'000).memory() < 1000);
  ClassNames two = ClassNames::numbers(10'000'000);
  two.append(ClassNames::numbers(10'000'000));
  REQUIRE(two.memory() < 1000);
  REQUIRE(two[10'000'000] == "0");
  REQUIRE(two[19'999'999] == "9999999");
  ClassNames counted, named;
  for (int i = 0; i < 100'000; ++i) {
    counted.push_back(std::to_string(i));
    named.push_back("person" + std::to_string(100'000 + i));
  }
  REQUIRE(counted.memory() < 1000);
  REQUIRE(named.memory() < 100'000 * (12 + 3));
}

TEST_CASE("classes are found by name: the first of several") {
  const auto check = [](const Strings& list) {
    const ClassNames names(list);
    ClassIndex index(names);
    index.add_all();
    std::vector<std::int64_t> first(list.size(), -1);
    for (std::size_t i = list.size(); i-- > 0;) {
      for (std::size_t k = i; k < list.size(); ++k) {
        if (list[k] == list[i]) first[k] = static_cast<std::int64_t>(i);
      }
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      REQUIRE(index.find(list[i]) == first[i]);
      REQUIRE(index.add(static_cast<std::int64_t>(i)) == first[i]);
    }
    for (const char* none : {"nobody", "-1", "007", "99999999999999999999", "1000000"})
      REQUIRE(index.find(none) == -1);
  };
  check({});
  check(numbers_up_to(200));
  Strings mixed{"0", "1", "5", "anna", "5", "", "3", "", "anna"};
  add(mixed, numbers_up_to(150));
  add(mixed, {"zoe", "149", "150"});
  check(mixed);
}
