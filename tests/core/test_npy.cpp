#include "core/npy.h"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"

using namespace qcface;

namespace {

template <class... Data>
void write(const std::filesystem::path& path, const Data&... data) {
  AtomicFile file(path);
  write_npy(file, data...);
  file.commit();
}

}  // namespace

TEST_CASE("npy round trip of floats and names") {
  test::TemporaryFolder folder;
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const std::vector<std::int64_t> shape{2, 3};
  write(folder / "f.npy", values, shape);
  const NpyArray array = read_npy(folder / "f.npy");
  REQUIRE(array.shape == shape);
  REQUIRE(array.to_double() == std::vector<double>{1, 2, 3, 4, 5, 6});
  const std::vector<std::string> names{"a/1.jpg", "\xC3\xA9t\xC3\xA9/\xF0\x9F\x98\x80.png", ""};
  write(folder / "n.npy", names);
  REQUIRE(read_npy(folder / "n.npy").to_strings() == names);
}

TEST_CASE("npy of doubles in memory is what the reader takes from a file") {
  test::TemporaryFolder folder;
  const std::vector<double> values{1, 0.1, 0, -1e300, 1, 0.5};
  const std::vector<std::int64_t> shape{3, 2};
  write_file_atomically(folder / "d.npy", npy_text(values, shape));
  const NpyArray array = read_npy(folder / "d.npy");
  REQUIRE(array.dtype == "<f8");
  REQUIRE(array.shape == shape);
  REQUIRE(array.to_double() == values);
  write_file_atomically(folder / "none.npy", npy_text({}, std::vector<std::int64_t>{0, 2}));
  REQUIRE(read_npy(folder / "none.npy").elements() == 0);
}

TEST_CASE("npy test vectors written by NumPy are read") {
  const NpyArray names = read_npy(test::vectors("hq_cache/filenames_toy.npy"));
  REQUIRE(names.to_strings().size() == static_cast<std::size_t>(names.elements()));
  REQUIRE(names.to_strings().front().find("imgs") != std::string::npos);
  const NpyArray picture = read_npy(test::vectors("augment_input_rgb.npy"));
  REQUIRE(picture.shape.size() == 3);
  REQUIRE(picture.as_u8().size() == static_cast<std::size_t>(picture.elements()));
  REQUIRE_THROWS_AS(picture.to_strings(), Error);
}

TEST_CASE("malformed npy files are refused") {
  test::TemporaryFolder folder;
  const auto header = [](std::string text) {
    std::string file("\x93NUMPY\x01\x00", 8);
    file += static_cast<char>(text.size() & 0xFF);
    file += static_cast<char>(text.size() >> 8);
    return file + text;
  };
  for (const std::string& content :
       {std::string("nonsense here"),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }") + "12345678",
        header("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }") + "1234",
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }") + "1234",
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999, 99999999999), }") + "1234",
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, ), }") + "1234",
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 100000000000000000), }"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 999999999999, 999999999999), }"),
        header("{'descr': '<f4', 'fortran_order': False, }") + "1234",
        header("{'descr': '<U0', 'fortran_order': False, 'shape': (999999999999, ), }"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (1"), header("{'descr': '<f4"),
        std::string("\x93NUMPY\x09\x00\x01\x00", 10)}) {
    write_file_atomically(folder / "bad.npy", content);
    REQUIRE_THROWS_AS(read_npy(folder / "bad.npy"), Error);
  }
}

TEST_CASE("names of any bytes come back from npy, and as Python's surrogateescape writes them", "[core]") {
  test::TemporaryFolder folder;
  const std::vector<std::string> names{"caf\xE9/1.jpg",    "caf\xC3\xA9/1.jpg", "\xED\xB2\x80",
                                       "\xF4\x90\x80\x80", "\xC0\x80",          "cut\xE2\x82"};
  write(folder / "n.npy", names);
  const NpyArray array = read_npy(folder / "n.npy");
  CHECK(array.to_strings() == names);
  std::uint32_t e = 0;
  std::memcpy(&e, array.data.data() + 3 * sizeof e, sizeof e);
  CHECK(e == 0xDCE9);
  const std::vector<std::byte> letters(4, std::byte{0x7F});
  const NpyArray wrong{"<U1", {1}, letters, nullptr};
  CHECK_THROWS_AS(wrong.to_strings(), Error);
}

TEST_CASE("npy of two shapes takes the last, as Python does", "[core]") {
  test::TemporaryFolder folder;
  const std::string text = "{'shape': (3,), 'descr': '|u1', 'fortran_order': False, 'shape': (2,), }";
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(text.size());
  file += '\0';
  write_file_atomically(folder / "a.npy", file + text + "ab");
  CHECK(read_npy(folder / "a.npy").shape == std::vector<std::int64_t>{2});
}

TEST_CASE("npy of every version and type that is read, in memory as well", "[core]") {
  const auto read = [](char version, const std::string& descr, const std::string& shape,
                       const std::string& data) {
    std::string text = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + shape + "), }\n";
    std::string file = "\x93NUMPY" + std::string(1, version) + '\0' + static_cast<char>(text.size()) + '\0';
    if (version > 1) file += std::string(2, '\0');
    file += text + data;
    const MappedFile memory{"memory", std::as_bytes(std::span(file)), nullptr};
    const NpyArray array = read_npy(memory);
    return descr[1] == 'U' ? std::vector<double>{static_cast<double>(array.to_strings().at(0).size())}
                           : array.to_double();
  };
  for (const char version : {'\1', '\2', '\3'}) {
    CHECK(read(version, "<f4", "1,", std::string("\0\0\xc0\x3f", 4)) == std::vector<double>{1.5});
    CHECK(read(version, "<f8", "", std::string("\0\0\0\0\0\0\xf8\x3f", 8)) == std::vector<double>{1.5});
    CHECK(read(version, "|u1", "2,1", "\xff\x01") == std::vector<double>{255, 1});
    CHECK(read(version, "<i8", "1,", "\xff\xff\xff\xff\xff\xff\xff\xff") == std::vector<double>{-1});
    CHECK(read(version, "<U2", "1,", std::string("a\0\0\0\xe9\0\0\0", 8)) == std::vector<double>{3});
  }
  CHECK_THROWS_WITH(read('\1', "|O", "1,", "12345678"), test::contains("memory: an object array (a pickle)"));
  CHECK_THROWS_WITH(read('\1', ">f4", "1,", "1234"), test::contains("element type >f4"));
  CHECK_THROWS_WITH(read('\1', "<f4", "268435456,", "1234"),
                    test::contains("memory: shape needs more bytes"));
}
