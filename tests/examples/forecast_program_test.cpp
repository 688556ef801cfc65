// SPDX-License-Identifier: MIT
/// \file
/// The program `forecast` from outside: exit codes, messages and files.

#include "support/catch.hpp"
#include "support/program.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <unistd.h>

namespace {

namespace fs = std::filesystem;
using sluice::testing::Answer;

/// A folder of its own that goes away again.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("sluice-forecast-" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return (path / name).string();
  }
};

Answer run(const std::string& arguments) {
  return sluice::testing::run_program(FORECAST_PROGRAM, arguments);
}

void check_refused(const std::string& arguments, const std::string& message) {
  CAPTURE(arguments);
  sluice::testing::check_refused("forecast", run(arguments), message);
}

std::string ramp(int rows) {
  std::string text = "a,b\n";
  for (int i = 0; i < rows; ++i)
    text += std::to_string(i % 17) + "," + std::to_string(i * i % 31) + "\n";
  return text;
}

}  // namespace

TEST_CASE("a person can ask for help", "[examples][program]") {
  const Answer answer = run("--help");
  CHECK(answer.code == 0);
  for (const char* word : {"--horizon", "--lookback", "--seed", "Example:", "Exit codes"})
    CHECK(answer.text.find(word) != std::string::npos);
}

TEST_CASE("what cannot be used is refused with exit code 2", "[examples][program]") {
  const Folder folder;
  check_refused((folder.path / "none.csv").string(), "there is no such file");
  check_refused(folder.path.string(), "is a folder");
  check_refused(folder.file("empty.csv", ""), "is empty");
  check_refused(folder.file("ragged.csv", "a,b\n1,2\n3\n"),
                "ragged.csv:3: expected 2 fields as in line 1, found 1");
  check_refused(folder.file("word.csv", "a,b\n1,2\n3,calm\n"),
                "word.csv:3: column 'b': 'calm' is not a number");
  check_refused(folder.file("words.csv", "a\nx\ny\n"), "no column has numbers");
  check_refused(folder.file("short.csv", ramp(120)), "has 120 rows; --lookback 168");
  check_refused(folder.file("utf16.csv",
                            "\xFF\xFE"
                            "a"),
                "is UTF-16");
  check_refused(folder.file("gap.csv", "a\n1\n\"\"\n\"\"\n4\n") + " --max-gap 1",
                "gap.csv:3: column 'a': 2 rows without a value");
  check_refused("--horizon 0", "--horizon");
  check_refused("--horizon day", "--help shows all options");
  check_refused("--colour", "--colour");
  check_refused("--width 30 --heads 4", "--width 30 must be a multiple of twice --heads 4");
  check_refused("--separator ab", "is not one character");
  check_refused("--columns humidity", "there is no column 'humidity'");
}

TEST_CASE("a short training writes every file, and threads change no bit of them",
          "[examples][program]") {
  const Folder folder;
  const auto text = [&](const std::string& name) {
    std::ifstream in(folder.path / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const auto out = [&](const char* name) { return "'" + (folder.path / name).string() + "'"; };
  const Answer one = run("--epochs 2 --no-plot --threads 1 --out " + out("one"));
  CAPTURE(one.text);
  REQUIRE(one.code == 0);
  CHECK(one.text.find("gated linear attention") != std::string::npos);
  CHECK(one.text.find("us a step") != std::string::npos);
  const Answer two = run("--epochs 2 --no-plot --threads 2 --out " + out("two"));
  REQUIRE(two.code == 0);
  CHECK(text("one/forecast.csv").size() > 1000);
  CHECK(text("one/forecast.csv") == text("two/forecast.csv"));
  CHECK(text("one/model.safetensors") == text("two/model.safetensors"));

  const Answer loaded =
      run("--no-plot --out " + out("three") + " --load " + out("one/model.safetensors"));
  REQUIRE(loaded.code == 0);
  CHECK(text("one/forecast.csv") == text("three/forecast.csv"));

  std::ofstream(folder.path / "cut.safetensors", std::ios::binary)
      << text("one/model.safetensors").substr(0, 5000);
  check_refused("--no-plot --out " + out("four") + " --load " + out("cut.safetensors"),
                "cut.safetensors");
  check_refused("--no-plot -H 12 --out " + out("four") + " --load " + out("one/model.safetensors"),
                "pass --horizon 24");
}

TEST_CASE("every mixer trains, streams and comes back, and all are compared",
          "[examples][program]") {
  const Folder folder;
  const auto path = [&](const char* name) { return "'" + (folder.path / name).string() + "'"; };
  const std::string small = "--width 8 --layers 1 --epochs 1 --no-plot -L 48 --threads 1 ";
  const Answer all = run(small + "--model all --out " + path("all"));
  CAPTURE(all.text);
  REQUIRE(all.code == 0);
  for (const char* word : {"gated linear attention", "Mamba", "Mamba-2", "retention",
                           "linear attention", "step us", "best on the validation rows"})
    CHECK(all.text.find(word) != std::string::npos);
  for (const std::string key : {"gla", "mamba", "mamba2", "retention", "linear"}) {
    const std::string file = "all/model-" + key + ".safetensors";
    CHECK(fs::exists(folder.path / file));
    const Answer one =
        run("--no-plot -L 48 --out " + path("one") + " --load " + path(file.c_str()));
    CAPTURE(key, one.text);
    CHECK(one.code == 0);
  }
  check_refused("-L 48 --model mamba --load " + path("all/model-gla.safetensors"),
                "holds the model gla, not mamba (leave --model out)");
  check_refused("--model transformer", "--model");
}
