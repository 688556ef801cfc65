// SPDX-License-Identifier: MIT
#include "io/files.hpp"

#include <sluice/core/error.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/io/pretrained.hpp>

#include <array>
#include <limits>
#include <optional>
#include <string>

using namespace sluice;
using testing::contains;
using testing::error_of;
using testing::Folder;
using testing::write_file;

namespace {

struct Toy {
  static constexpr std::string_view architecture = "ToyForCausalLM";
  struct Config {
    Index width = 0;
    double eps = 0.5;
    bool tied = false;
    std::string activation = "swish";
    std::optional<Index> heads;
    std::array<double, 2> limits{0, 1};
    static constexpr auto required() { return std::tuple{field("hidden_size", &Config::width)}; }
    static constexpr auto options() {
      return std::tuple{field("eps", &Config::eps), field("tied", &Config::tied),
                        field("hidden_act", &Config::activation), field("heads", &Config::heads),
                        field("limits", &Config::limits)};
    }
  };

  Config config;
  Tensor<float, 1> weight;

  explicit Toy(const Config& c) : config(c), weight(c.width) {
    require(!c.tied, "Toy", "tied", "false", "true");
    weight.setZero();
  }
  static constexpr auto fields() { return std::tuple{field("toy.weight", &Toy::weight)}; }
};

/// As Toy, for a constructor that also wants random numbers.
struct Random : Toy {
  Random(const Config& c, Rng&) : Toy(c) {}
};

void write_weights(const Folder& folder, Index n) {
  Toy::Config config;
  config.width = n;
  Toy toy(config);
  toy.weight.setConstant(7);
  save_safetensors(folder / "model.safetensors", toy);
}

}  // namespace

TEST_CASE("a checkpoint folder becomes a model", "[io]") {
  const Folder folder;
  write_weights(folder, 3);
  write_file(folder / "config.json",
             R"({"architectures":["ToyForCausalLM"],"hidden_size":3,"eps":1,"heads":null,)"
             R"("hidden_act":"gelu","unknown":{"nested":[1]}})");
  const auto toy = load_pretrained<Toy>(folder.path());
  CHECK(toy.config.width == 3);
  CHECK(toy.config.eps == 1.0);
  CHECK_FALSE(toy.config.tied);
  CHECK(toy.config.activation == "gelu");
  CHECK_FALSE(toy.config.heads);
  CHECK(toy.weight(2) == 7.f);
  CHECK(load_pretrained<Random>(folder.path()).weight(0) == 7.f);
  write_file(folder / "config.json",
             R"({"architectures":["ToyForCausalLM"],"hidden_size":3,"heads":"auto",)"
             R"("hidden_act":"auto"})");
  const auto automatic = load_pretrained<Toy>(folder.path());
  CHECK_FALSE(automatic.config.heads);
  CHECK(automatic.config.activation == "auto");
}

TEST_CASE("infinite numbers are read as published files write them", "[io]") {
  const Folder folder;
  write_weights(folder, 3);
  const std::string head = R"({"architectures":["ToyForCausalLM"],"hidden_size":3,)";
  const auto limits = [&](const std::string& list) {
    write_file(folder / "config.json",
               head + R"("hidden_act":"\"Infinity\" NaN\\","limits":)" + list + "}");
    const auto toy = load_pretrained<Toy>(folder.path());
    CHECK(toy.config.activation == "\"Infinity\" NaN\\");
    return toy.config.limits;
  };
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(limits("[0.5, 2]") == std::array<double, 2>{0.5, 2});
  CHECK(limits("[0.0,Infinity]") == std::array<double, 2>{0, infinity});
  CHECK(limits("[-Infinity, 3]") == std::array<double, 2>{-infinity, 3});
  CHECK(limits(R"([0, {"__float__": "Infinity"}])") == std::array<double, 2>{0, infinity});
  CHECK(limits("null") == std::array<double, 2>{0, 1});
  const auto refused = [&](const std::string& list) {
    return contains(error_of([&] { limits(list); }),
                    "key \"limits\" must be a list of 2, each a number, got");
  };
  CHECK(refused("[1]"));
  CHECK(refused("[1, 2, 3]"));
  CHECK(refused("[1, true]"));
  CHECK(refused("[1, NaN]"));
  CHECK(refused(R"([1, {"float": "Infinity"}])"));
  CHECK(refused(R"([1, {"__float__": "Infinity", "more": 1}])"));
  CHECK(refused(R"([1, ["__float__"]])"));
  CHECK(refused("Infinity"));
  CHECK(contains(error_of([&] { limits("[0, Inf]"); }), "not JSON"));
}

TEST_CASE("integers of a configuration have 32 bits", "[io]") {
  const Folder folder;
  const auto heads = [&](const std::string& number) {
    write_file(folder / "config.json", R"({"hidden_size":3,"heads":)" + number + "}");
    return *load_config<Toy::Config>(folder / "config.json").heads;
  };
  CHECK(heads("0") == 0);
  CHECK(heads("2147483647") == 2147483647);
  CHECK(heads("-2147483648") == -2147483648);
  for (const char* number : {"2147483648", "-2147483649", "18446744073709551615", "1e3"})
    CHECK(contains(error_of([&] { heads(number); }), "an integer of at most 32 bits"));
}

TEST_CASE("JSON files are bounded in size and depth", "[io]") {
  const Folder folder;
  const auto path = folder / "a.json";
  const auto nested = [&](int lists) {
    const auto n = static_cast<std::size_t>(lists);
    write_file(path, R"({"a":)" + std::string(n, '[') + std::string(n, ']') + "}");
    return sluice::detail::read_json_object(path);
  };
  CHECK(nested(64).contains("a"));
  CHECK(contains(error_of([&] { nested(65); }), "nested too deeply"));

  write_file(path, R"({"a": "text"})");
  CHECK(sluice::detail::read_json_object(path, 13)["a"] == "text");
  CHECK(contains(error_of([&] { sluice::detail::read_json_object(path, 12); }), "larger than"));
  write_file(path, "{}" + std::string(3 << 20, ' '));
  CHECK(contains(error_of([&] { sluice::detail::read_json_object(path, 2 << 20); }),
                 "larger than 2 MiB"));
  CHECK(contains(error_of([&] { sluice::detail::read_json_object(folder.path()); }),
                 "not a regular file"));
}

TEST_CASE("Python's numbers are replaced outside of texts", "[io]") {
  const auto replaced = [](const char* text) { return sluice::detail::with_python_numbers(text); };
  const std::string none = R"(["Infinity", "a\"NaN", "\\", 1])";
  CHECK(sluice::detail::with_python_numbers(none) == none);
  CHECK(replaced("[NaN,-Infinity,Infinity]") ==
        R"([{"__float__": "NaN"},{"__float__": "-Infinity"},{"__float__": "Infinity"}])");
  CHECK(replaced(R"("\\"NaN)") == R"("\\"{"__float__": "NaN"})");
  CHECK(replaced("\"\\") == "\"\\");  // cut off behind a backslash
  CHECK(replaced("") == "");
}

TEST_CASE("a folder that cannot be read is an error that names file and key", "[io]") {
  const Folder folder;
  const std::string file = (folder / "config.json").string() + ": ";
  const auto load = [&] { load_pretrained<Toy>(folder.path()); };
  CHECK(error_of(load) == file + "no such file");
  const auto message = [&](const std::string& json) {
    write_file(folder / "config.json", json);
    const auto text = error_of(load);
    INFO(text);
    REQUIRE(text.starts_with(file));
    return text.substr(file.size());
  };
  const std::string head = R"({"architectures":["ToyForCausalLM"],)";
  write_weights(folder, 3);
  CHECK(contains(message(""), "not JSON"));
  CHECK(contains(message("{"), "not JSON"));
  CHECK(contains(message("[1]"), "must hold a JSON object"));
  CHECK(contains(message(std::string(100000, '[')), "nested too deeply"));
  CHECK(message("{}") == "key \"architectures\" is missing");
  CHECK(contains(message(R"({"architectures":"Toy"})"), "must be a list"));
  CHECK(message(R"({"architectures":["Other"]})") ==
        "key \"architectures\" must be \"ToyForCausalLM\", got \"Other\"");
  CHECK(message(head + R"("eps":1})") == "key \"hidden_size\" is missing");
  CHECK(message(head + R"("hidden_size":null})") == "key \"hidden_size\" is missing");
  CHECK(contains(message(head + R"("hidden_size":"3"})"),
                 "key \"hidden_size\" must be an integer of at most 32 bits"));
  CHECK(contains(message(head + R"("hidden_size":3.5})"), "got \"3.5\""));
  CHECK(contains(message(head + R"("hidden_size":99999999999})"), "\"hidden_size\" must be"));
  CHECK(contains(message(head + R"("hidden_size":99999999999999999999})"), "must be an integer"));
  CHECK(contains(message(head + R"("hidden_size":3,"tied":1})"), "\"tied\" must be true or false"));
  CHECK(contains(message(head + R"("hidden_size":3,"eps":"x"})"), "\"eps\" must be a number"));
  CHECK(contains(message(head + R"("hidden_size":3,"hidden_act":4})"), "must be a text"));
  CHECK(
      contains(message(head + R"("hidden_size":3,"heads":"x"})"), "\"heads\" must be an integer"));
  CHECK(message(head + R"("hidden_size":3,"tied":true})") == "Toy: tied must be false, got true");
  write_file(folder / "config.json", head + R"("hidden_size":4})");
  const std::string weights = (folder / "model.safetensors").string();
  CHECK(error_of(load) == weights + ": tensor \"toy.weight\" must be [4], got [3]");
  std::filesystem::remove(weights);
  CHECK(error_of(load) == weights + ": no such file");
}
