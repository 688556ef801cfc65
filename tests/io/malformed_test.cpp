// SPDX-License-Identifier: MIT
#include "io/files.hpp"

#include <sluice/io/safetensors_reader.hpp>

#include <string>

using namespace sluice;
using testing::contains;
using testing::eight_bytes;
using testing::error_of;
using testing::safetensors_bytes;

namespace {

struct Bad {
  std::string what, bytes, told;  // `told` must be part of the message
};

std::string tensor(const std::string& body, const std::string& name = "a") {
  return "\"" + name + "\":{" + body + "}";
}
std::string f32(const std::string& shape, const std::string& offsets) {
  return R"("dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets;
}
std::string one(const std::string& body) { return "{" + tensor(body) + "}"; }

std::vector<Bad> malformed() {
  const auto whole = [](const std::string& what, const std::string& header, std::size_t data,
                        const std::string& told) {
    return Bad{what, safetensors_bytes(header, data), told};
  };
  const std::string good = f32("[2]", "[0,8]");
  std::string nested(100000, '['), objects;
  for (int i = 0; i < 50000; ++i) objects += "{\"a\":";
  std::string axes = "[1";
  for (int i = 0; i < 40; ++i) axes += ",1";
  return {
      {"empty file", "", "too short"},
      {"seven bytes", "1234567", "too short"},
      {"header longer than the file", eight_bytes(100) + "{}", "should have 100 bytes"},
      {"huge header length", eight_bytes(~std::uint64_t{0}) + "{}", "should have"},
      {"header length with the sign bit", eight_bytes(std::uint64_t{1} << 63) + "{}", "should"},
      {"empty header", eight_bytes(0), "does not begin with {"},
      {"header of spaces", safetensors_bytes("        "), "does not begin with {"},
      whole("header is an array", "[]", 0, "does not begin with {"),
      whole("header is a number", "3", 0, "does not begin with {"),
      whole("header with a byte order mark", "\xef\xbb\xbf{}", 0, "does not begin with {"),
      whole("unclosed header", "{", 0, "not JSON"),
      whole("text behind the header", "{}x", 0, "not JSON"),
      whole("zero bytes behind the header", std::string("{}\0\0", 4), 0, "not JSON"),
      whole("invalid UTF-8 name", "{" + tensor(good, "\xff\xfe") + "}", 8, "not JSON"),
      whole("overlong UTF-8", "{" + tensor(good, "\xc0\x80") + "}", 8, "not JSON"),
      whole("lone surrogate", "{" + tensor(good, "\\ud800") + "}", 8, "not JSON"),
      whole("raw control character", "{" + tensor(good, "\n") + "}", 8, "not JSON"),
      whole("deep arrays", "{\"a\":" + nested, 0, "\"a\" must not"),
      whole("deep objects", objects, 0, "unknown key \"a\""),
      whole("deep arrays in a shape", one(f32(nested, "[0,8]")), 8, "an array"),
      whole("tensor is null", R"({"a":null})", 0, "\"a\" must not be or hold null"),
      whole("tensor is a string", R"({"a":"b"})", 0, "\"a\""),
      whole("tensor is a boolean", R"({"a":true})", 0, "\"a\""),
      whole("tensor is a number", R"({"a":1})", 0, "\"a\""),
      whole("no dtype", one(R"("shape":[2],"data_offsets":[0,8])"), 8, "\"a\" lacks dtype"),
      whole("no shape", one(R"("dtype":"F32","data_offsets":[0,8])"), 8, "\"a\" lacks shape"),
      whole("no offsets", one(R"("dtype":"F32","shape":[2])"), 8, "lacks two data_offsets"),
      whole("one offset", one(f32("[2]", "[8]")), 8, "lacks two data_offsets"),
      whole("three offsets", one(f32("[2]", "[0,8,8]")), 8, "more than two data_offsets"),
      whole("unknown key", one(good + R"(,"extra":1)"), 8, "unknown key \"extra\""),
      whole("dtype twice", one(good + R"(,"dtype":"F32")"), 8, "has dtype twice"),
      whole("shape twice", one(good + R"(,"shape":[2])"), 8, "has shape twice"),
      whole("offsets twice", one(good + R"(,"data_offsets":[0,8])"), 8, "has data_offsets twice"),
      whole("unknown dtype", one(R"("dtype":"F8","shape":[2],"data_offsets":[0,8])"), 8, "F8"),
      whole("dtype in small letters", one(R"("dtype":"f32","shape":[2],"data_offsets":[0,8])"), 8,
            "dtype \"f32\""),
      whole("dtype is a number", one(R"("dtype":4,"shape":[2],"data_offsets":[0,8])"), 8, "\"a\""),
      whole("shape is a number", one(f32("2", "[0,8]")), 8, "\"a\" must not"),
      whole("shape holds a string", one(f32("[\"2\"]", "[0,8]")), 8, "a string"),
      whole("shape holds null", one(f32("[null]", "[0,8]")), 8, "null"),
      whole("negative size", one(f32("[-2]", "[0,8]")), 8, "negative"),
      whole("fractional size", one(f32("[2.0]", "[0,8]")), 8, "no integer"),
      whole("size with exponent", one(f32("[2e0]", "[0,8]")), 8, "no integer"),
      whole("size above 2^63", one(f32("[9223372036854775808]", "[0,8]")), 8, "huge"),
      whole("size above 2^64", one(f32("[99999999999999999999]", "[0,8]")), 8, "huge"),
      whole("size above every double", one(f32("[1" + std::string(400, '0') + "]", "[0,8]")), 8,
            "JSON"),
      whole("product overflows to 8", one(f32("[4611686018427387906,1]", "[0,8]")), 8, "overflows"),
      whole("product overflows to 0", one(f32("[4294967296,4294967296]", "[0,0]")), 0, "overflows"),
      whole("product overflows beside a zero", one(f32("[0,4294967296,4294967296]", "[0,0]")), 0,
            "overflows"),
      whole("too many axes", one(f32(axes + "]", "[0,4]")), 4, "too many axes"),
      whole("negative offset", one(f32("[2]", "[-8,0]")), 8, "negative"),
      whole("fractional offset", one(f32("[2]", "[0,8.0]")), 8, "no integer"),
      whole("offset above 2^64", one(f32("[2]", "[0,99999999999999999999]")), 8, "huge"),
      whole("ends before it begins", one(f32("[2]", "[8,0]")), 8, "ends before it begins"),
      whole("beyond the file", one(f32("[4]", "[0,16]")), 8, "ends at byte 16 of 8"),
      whole("too few bytes for its shape", one(f32("[3]", "[0,8]")), 8, "need 12"),
      whole("too many bytes for its shape", one(f32("[1]", "[0,8]")), 8, "need 4"),
      whole("scalar of 8 bytes", one(f32("[]", "[0,8]")), 8, "need 4"),
      whole("overlap", "{" + tensor(good) + "," + tensor(f32("[2]", "[4,12]"), "b") + "}", 12,
            "\"b\" overlaps"),
      whole("the same bytes twice", "{" + tensor(good) + "," + tensor(good, "b") + "}", 8,
            "overlaps"),
      whole("gap between tensors",
            "{" + tensor(good) + "," + tensor(f32("[1]", "[12,16]"), "b") + "}", 16,
            "\"b\" leaves a gap"),
      whole("gap before the first", one(f32("[2]", "[4,12]")), 12, "leaves a gap"),
      whole("bytes behind the last", one(good), 9, "1 bytes behind the last tensor"),
      whole("data without tensors", "{}", 4, "4 bytes behind"),
      whole("duplicate name", "{" + tensor(good) + "," + tensor(f32("[2]", "[8,16]")) + "}", 16,
            "\"a\" appears twice"),
      whole("duplicate name by escape",
            "{" + tensor(good) + "," + tensor(f32("[2]", "[8,16]"), "\\u0061") + "}", 16,
            "\"a\" appears twice"),
      whole("metadata twice", R"({"__metadata__":{},"__metadata__":{}})", 0, "appears twice"),
      whole("metadata key twice", R"({"__metadata__":{"k":"1","k":"2"}})", 0, "\"k\" twice"),
      whole("metadata holds a number", R"({"__metadata__":{"k":1}})", 0, "__metadata__"),
      whole("metadata holds an object", R"({"__metadata__":{"k":{}}})", 0, "__metadata__"),
      whole("metadata is an array", R"({"__metadata__":[]})", 0, "__metadata__"),
      whole("metadata is null", R"({"__metadata__":null})", 0, "__metadata__"),
  };
}

void open(const std::string& bytes) { SafetensorsFile(bytes.data(), bytes.size(), "bad.file"); }

}  // namespace

TEST_CASE("malformed files are errors that name file and tensor", "[io]") {
  const auto files = malformed();
  CHECK(files.size() >= 30);
  for (const Bad& bad : files) {
    INFO(bad.what);
    const std::string message = error_of([&] { open(bad.bytes); });
    INFO(message);
    CHECK(message.starts_with("bad.file: "));
    CHECK(contains(message, bad.told));
    CHECK(message.size() < 600);
  }
}

TEST_CASE("a file cut off anywhere is an error", "[io]") {
  const std::string whole = safetensors_bytes(
      R"({"__metadata__":{"k":"v"},"a":{"dtype":"F64","shape":[1,2],"data_offsets":[0,16]},)"
      R"("b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]}})",
      22);
  CHECK_NOTHROW(open(whole));
  for (std::size_t n = 0; n < whole.size(); ++n) {
    INFO(n);
    CHECK_FALSE(error_of([&] { open(whole.substr(0, n)); }).empty());
  }
}

TEST_CASE("one changed byte is read or refused", "[io]") {
  const std::string whole =
      safetensors_bytes(R"({"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", 8);
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (int c = 0; c < 256; ++c) {
      std::string changed = whole;
      changed[i] = static_cast<char>(c);
      try {
        open(changed);
      } catch (const CheckpointError&) {}
    }
  SUCCEED();
}

TEST_CASE("what is no regular file is an error", "[io]") {
  const testing::Folder folder;
  CHECK(contains(error_of([&] { SafetensorsFile f(folder / "none"); }), "no such file"));
  CHECK(contains(error_of([&] { SafetensorsFile f(folder.path()); }), "not a regular file"));
  testing::write_file(folder / "cut.safetensors", eight_bytes(9) + "{}");
  const auto path = folder / "cut.safetensors";
  CHECK(error_of([&] { SafetensorsFile f(path); }).starts_with(path.string() + ": "));
}
