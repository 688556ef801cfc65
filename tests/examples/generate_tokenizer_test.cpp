// SPDX-License-Identifier: MIT
/// \file
/// The tokenizer of `generate`, on files made here whose tokens follow by hand.

#include "support/catch.hpp"

#include "generate/tokenizer_file.hpp"

#include <sluice/core/random.hpp>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <unistd.h>

using namespace generate;
using nlohmann::json;

namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int64_t>;
using Pieces = std::vector<std::string>;

/// How GPT-2 spells a byte, written down anew.
std::string spell(unsigned byte) {
  const auto printable = [](unsigned b) {
    return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
  };
  if (printable(byte)) return to_utf8(byte);
  unsigned before = 0;
  for (unsigned b = 0; b < byte; ++b) before += printable(b) ? 0u : 1u;
  return to_utf8(256 + before);
}

/// Every byte has itself as id; then come the tokens of these merges: 256 "he", and so on.
const char* const merges[] = {"h e",     "l l", "he ll", "hell o", "Ġ w",
                              "Ġ hello", "o r", "Ġw or", "Ġ Ġ",    "Ã ©"};

json gpt2() {
  json vocab;
  for (unsigned b = 0; b < 256; ++b) vocab[spell(b)] = b;
  json list = json::array();
  int id = 256;
  for (const std::string merge : merges) {
    const auto space = merge.find(' ');
    vocab[merge.substr(0, space) + merge.substr(space + 1)] = id++;
    list.push_back(merge);
  }
  return {{"version", "1.0"},
          {"normalizer", nullptr},
          {"added_tokens",
           {{{"id", 300}, {"content", "<end>"}, {"special", true}, {"normalized", false}}}},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"post_processor", {{"type", "ByteLevel"}, {"trim_offsets", false}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", ""},
            {"end_of_word_suffix", ""},
            {"fuse_unk", false},
            {"vocab", vocab},
            {"merges", list}}}};
}

/// A file of its own that goes away again.
struct File {
  fs::path path = fs::temp_directory_path() / ("tokenizer-" + std::to_string(::getpid()) + ".json");
  explicit File(const std::string& text) { std::ofstream(path, std::ios::binary) << text; }
  ~File() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
};

Tokenizer open(const json& file) { return read_tokenizer(File(file.dump()).path); }

std::string decode(const Tokenizer& tokenizer, const Ids& ids) {
  std::string text;
  for (const auto id : ids) text += tokenizer.bytes(id);
  return text;
}

Pieces pieces(const PreTokenizer& pre_tokenizer, const std::string& text) {
  Pieces found;
  pre_tokenizer(text, [&](std::string_view piece) { found.emplace_back(piece); });
  return found;
}

std::string message_of(const std::string& text) {
  try {
    read_tokenizer(File(text).path);
  } catch (const InputError& e) {
    return e.what();
  }
  return "accepted";
}

void check_refused(const json& file, const std::string& message) {
  const std::string got = message_of(file.dump());
  CAPTURE(got, message);
  CHECK(got.find(".json: ") != std::string::npos);
  CHECK(got.find(message) != std::string::npos);
}

/// Refuses the file with the value in the place of what is there.
void check_refused(const std::string& pointer, const json& value, const std::string& message) {
  json file = gpt2();
  file[json::json_pointer(pointer)] = value;
  CAPTURE(pointer);
  check_refused(file, message);
}

void check_missing(const std::string& parent, const std::string& key, const std::string& message) {
  json file = gpt2();
  file.at(json::json_pointer(parent)).erase(key);
  check_refused(file, message);
}

json split(const std::string& regex, const std::string& behavior) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", regex}}},
          {"behavior", behavior},
          {"invert", false}};
}

json bytes_only(bool prefix_space = false) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", prefix_space}, {"use_regex", false}};
}

json sequence(const std::string& key, const json& parts) {
  return {{"type", "Sequence"}, {key, parts}};
}

json special(const std::string& content, int id, bool normalized = false) {
  return {{"id", id}, {"content", content}, {"special", !normalized}, {"normalized", normalized}};
}

std::string random_text(sluice::Rng& rng) {
  std::string text;
  for (auto n = rng.below(40); n > 0; --n) {
    // Of every length in bytes; common characters as well as any.
    const std::uint64_t bound[] = {0x80, 0x80, 0x800, 0x10000, 0x110000};
    const auto c = char32_t(rng.below(bound[rng.below(5)]));
    if (c < 0xD800 || c > 0xDFFF) text += to_utf8(c);
  }
  return text;
}

}  // namespace

TEST_CASE("pairs are merged in the order in which they were learnt", "[examples][tokenizer]") {
  const Tokenizer t = open(gpt2());
  CHECK(t.encode("").empty());
  CHECK(t.encode("hello") == Ids{259});
  // Of three l the first two merge, and "he" takes them.
  CHECK(t.encode("helll") == Ids{258, 'l'});
  CHECK(t.encode("lll") == Ids{257, 'l'});
  CHECK(t.encode("llll") == Ids{257, 257});
  // " w" is older than "o r": "Ġw" + "or" + "l" + "d", and the first two merge.
  CHECK(t.encode("hello world") == Ids{259, 263, 'l', 'd'});
  // " hello" starts with a space of its own piece; of two spaces the first stays behind.
  CHECK(t.encode(" hello") == Ids{261});
  CHECK(t.encode("  hello") == Ids{' ', 261});
  CHECK(t.encode("hello    ") == Ids{259, 264, 264});
  CHECK(t.encode("x    y") == Ids{'x', 264, ' ', ' ', 'y'});
  CHECK(t.encode("caf\xC3\xA9") == Ids{'c', 'a', 'f', 265});
  CHECK(t.encode("\xC3\xA8") == Ids{0xC3, 0xA8});
}

TEST_CASE("merges come as texts or as pairs", "[examples][tokenizer]") {
  json file = gpt2();
  json& list = file["model"]["merges"];
  for (auto& merge : list) {
    const auto text = merge.get<std::string>();
    merge = {text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)};
  }
  CHECK(open(file).encode("hello world") == Ids{259, 263, 'l', 'd'});
  file = gpt2();
  file["model"]["merges"].insert(file["model"]["merges"].begin(), "#version: 0.2");
  file["model"].erase("type");  // as the oldest files
  CHECK(open(file).encode("hello world") == Ids{259, 263, 'l', 'd'});
}

TEST_CASE("a piece that is a token stays whole where the file says so", "[examples][tokenizer]") {
  json file = gpt2();
  file["model"]["vocab"]["world"] = 280;
  CHECK(open(file).encode("world") == Ids{'w', 262, 'l', 'd'});
  file["model"]["ignore_merges"] = true;
  const Tokenizer t = open(file);
  CHECK(t.encode("world") == Ids{280});
  CHECK(t.encode(" world") == Ids{263, 'l', 'd'});
}

TEST_CASE("bytes without a token", "[examples][tokenizer]") {
  json file = gpt2();
  file["model"]["vocab"].erase("x");
  CHECK_THROWS_WITH(open(file).encode("axa"),
                    "the vocabulary has no token for the byte 0x78 of the text");
  file["model"]["unk_token"] = "?";
  CHECK(open(file).encode("axxa") == Ids{'a', '?', '?', 'a'});
  file["model"]["fuse_unk"] = true;
  CHECK(open(file).encode("axxaxa") == Ids{'a', '?', 'a', '?', 'a'});
  file["model"]["unk_token"] = "nothing";
  check_refused(file, "key \"model.vocab.nothing\" is missing");
}

TEST_CASE("a long word is no trouble", "[examples][tokenizer]") {
  const Tokenizer t = open(gpt2());
  std::string word;
  for (int i = 0; i < 200000; ++i) word += "hello";
  CHECK(t.encode(word) == Ids(200000, 259));
  const std::string same(1000001, 'l');
  const Ids ids = t.encode(same);
  CHECK(ids.size() == 500001);
  CHECK(ids.back() == 'l');
}

TEST_CASE("words are cut as by GPT-2", "[examples][tokenizer]") {
  const PreTokenizer cut({}, false, true);
  CHECK(pieces(cut, "").empty());
  CHECK(pieces(cut, "I'm sure we'll, they've") ==
        Pieces{"I", "'m", " sure", " we", "'ll", ",", " they", "'ve"});
  CHECK(pieces(cut, "it's HE'S 'tis") == Pieces{"it", "'s", " HE", "'", "S", " '", "tis"});
  CHECK(pieces(cut, "a  b   c ") == Pieces{"a", " ", " b", "  ", " c", " "});
  CHECK(pieces(cut, "a\n\n b\t\tc") == Pieces{"a", "\n\n", " b", "\t", "\t", "c"});
  CHECK(pieces(cut, "x  ") == Pieces{"x", "  "});
  CHECK(pieces(cut, "abc123 45.6") == Pieces{"abc", "123", " 45", ".", "6"});
  CHECK(pieces(cut, " na\u00EFve \u00C9t\u00E9") == Pieces{" na\u00EFve", " \u00C9t\u00E9"});
  CHECK(pieces(cut, "\u65E5\u672C\u8A9E\u3002\u4E2D") ==
        Pieces{"\u65E5\u672C\u8A9E", "\u3002", "\u4E2D"});
  CHECK(pieces(cut, "\u00BD\u2167 \u0663") == Pieces{"\u00BD\u2167", " \u0663"});  // numbers all
  CHECK(pieces(cut, "a\u00A0\u3000b") == Pieces{"a", "\u00A0", "\u3000", "b"});    // spaces both
  CHECK(pieces(cut, "ok \U0001F600!") == Pieces{"ok", " \U0001F600!"});
  // An accent on its own is no letter.
  CHECK(pieces(cut, "e\u0301a") == Pieces{"e", "\u0301", "a"});

  const PreTokenizer prefixed({}, true, true);
  CHECK(pieces(prefixed, "a b") == Pieces{" a", " b"});
  CHECK(pieces(prefixed, " a b") == Pieces{" a", " b"});
  CHECK(pieces(prefixed, "\na") == Pieces{" ", "\n", "a"});
}

TEST_CASE("splits come before the bytes, one after the other", "[examples][tokenizer]") {
  const auto cut = [](const json& steps, const std::string& text) {
    return pieces(read_pre_tokenizer(JsonPlace(sequence("pretokenizers", steps), "")), text);
  };
  const json digits = split("\\p{N}{1,3}", "Isolated"), commas = split(",", "Removed");
  CHECK(cut({digits, bytes_only()}, "ab12345c") == Pieces{"ab", "123", "45", "c"});
  CHECK(cut({commas, bytes_only()}, ",a,,b,") == Pieces{"a", "b"});
  CHECK(cut({commas, digits, bytes_only()}, "1234,5x") == Pieces{"123", "4", "5", "x"});
  CHECK(cut({digits, bytes_only(true)}, "a1 b") == Pieces{" a", " 1", " b"});
  CHECK(cut({sequence("pretokenizers", json::array({commas})), bytes_only()}, "a,b c") ==
        Pieces{"a", "b c"});
  // A match of nothing is a cut of its own.
  CHECK(cut({split("x*", "Isolated"), bytes_only()}, "axxb\u00E9") ==
        Pieces{"a", "xx", "b", "\u00E9"});

  const std::string llama3 =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
      "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  CHECK(cut({split(llama3, "Isolated"), bytes_only()}, "HE'S (ok)\n\n  12345  x \n") ==
        Pieces{"HE", "'S", " (", "ok", ")\n\n", " ", " ", "123", "45", " ", " x", " \n"});
}

TEST_CASE("added tokens are found first, the longest of them", "[examples][tokenizer]") {
  json file = gpt2();
  file["added_tokens"] = {special("<end>", 300), special("<en", 301), special("<end><end>", 302),
                          special("", 303)};
  const Tokenizer t = open(file);
  CHECK(t.encode("<end>") == Ids{300});
  CHECK(t.encode("hello<end>hello<en hello") == Ids{259, 300, 259, 301, 261});
  CHECK(t.encode("<end><end><end>") == Ids{302, 300});
  CHECK(t.encode("<e<end>") == Ids{'<', 'e', 300});
  CHECK(decode(t, {300, 302}) == "<end><end><end>");
  // Around a token every part begins anew.
  file["pre_tokenizer"]["add_prefix_space"] = true;
  CHECK(open(file).encode("hello<end>hello") == Ids{261, 300, 261});
}

TEST_CASE("text is composed before tokens are sought in it", "[examples][tokenizer]") {
  json file = gpt2();
  CHECK(open(file).encode("e\u0301") == Ids{'e', 0xCC, 0x81});
  file["normalizer"] = {{"type", "NFC"}};
  CHECK(open(file).encode("e\u0301") == Ids{265});
  file["normalizer"] = sequence("normalizers", json::array({file["normalizer"]}));
  // One added token as the text has it, one as normalisation leaves it.
  file["added_tokens"] = {special("a\u0301", 310), special("o\u0301", 311, true)};
  const Tokenizer t = open(file);
  CHECK(t.encode("e\u0301a\u0301\u00E1") == Ids{265, 310, 0xC3, 0xA1});
  CHECK(t.encode("o\u0301\u00F3") == Ids{311, 311});
  CHECK(t.bytes(311) == "o\u0301");
}

TEST_CASE("templates put ids around a text", "[examples][tokenizer]") {
  const json a = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const json b = {{"SpecialToken", {{"id", "begin"}, {"type_id", 0}}}};
  const json e = {{"SpecialToken", {{"id", "end"}, {"type_id", 0}}}};
  json step = {{"type", "TemplateProcessing"},
               {"single", {b, a, e}},
               {"pair", json::array()},
               {"special_tokens",
                {{"begin", {{"id", "begin"}, {"ids", {290}}, {"tokens", {"begin"}}}},
                 {"end", {{"id", "end"}, {"ids", {291, 292}}, {"tokens", {"x", "y"}}}}}}};
  json file = gpt2();
  file["post_processor"] = step;
  CHECK(open(file).encode("hello") == Ids{290, 259, 291, 292});
  CHECK(open(file).encode("") == Ids{290, 291, 292});
  file["post_processor"] = sequence("processors", {{{"type", "ByteLevel"}}, step});
  CHECK(open(file).encode("hello") == Ids{290, 259, 291, 292});
  file["post_processor"] = nullptr;
  CHECK(open(file).encode("hello") == Ids{259});

  const auto refused = [&](const json& single, const std::string& message) {
    step["single"] = single;
    file["post_processor"] = step;
    check_refused(file, message);
  };
  refused({a, a}, "key \"post_processor.single[1]\" is");
  refused(json::array({{{"Sequence", {{"id", "B"}}}}}), "which is not supported");
  refused(json::array({b}), "key \"post_processor.single\" is");
  refused({a, {{"SpecialToken", {{"id", "middle"}}}}},
          "key \"post_processor.special_tokens.middle\" is missing");
  refused({a, 7}, "key \"post_processor.single[1]\" must be an object, got \"7\"");
}

TEST_CASE("decoding what was encoded gives the text again", "[examples][tokenizer]") {
  json file = gpt2();
  const Tokenizer words = open(file);
  file["pre_tokenizer"] = bytes_only();
  const Tokenizer whole = open(file);
  sluice::Rng rng(1);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = random_text(rng);
    CAPTURE(i, text);
    REQUIRE(decode(words, words.encode(text)) == text);
    REQUIRE(decode(whole, whole.encode(text)) == text);
  }
  CHECK(words.bytes(9999).empty());
}

TEST_CASE("a token that spells no bytes stands for its own text", "[examples][tokenizer]") {
  json file = gpt2();
  file["model"]["vocab"]["a b"] = 281;  // a plain space is in no byte's spelling
  file["model"]["vocab"]["\u65E5"] = 282;
  const Tokenizer t = open(file);
  CHECK(t.bytes(281) == "a b");
  CHECK(t.bytes(282) == "\u65E5");
  CHECK(t.bytes(' ') == " ");
  CHECK(t.bytes(265) == "\u00E9");
}

TEST_CASE("characters are whole before they are shown", "[examples][tokenizer]") {
  CharacterStream s;
  CHECK(s.push("a\xF0\x9F") == "a");
  CHECK(s.push("\x98") == "");
  CHECK(s.push("\x80!") == "\U0001F600!");
  CHECK(s.finish() == "");
  CHECK(s.push("\xC3") == "");
  CHECK(s.push("x") == "\uFFFDx");
  CHECK(s.push("\x80\xFF") == "\uFFFD\uFFFD");
  CHECK(s.push("\xE2\x82") == "");
  CHECK(s.finish() == "\uFFFD");
  CHECK(s.finish() == "");
  for (const char* wrong :
       {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF"})
    CHECK(invalid_utf8(std::string("a") + wrong) == 1);
  CHECK(invalid_utf8("a\u00E9\u65E5\U0001F600") == std::string::npos);
  CHECK_THROWS_WITH(open(gpt2()).encode("a\xE9"),
                    "the text is not UTF-8: byte 1 belongs to no character");
}

TEST_CASE("the tokenizer of a damaged file is refused by file and key", "[examples][tokenizer]") {
  CHECK(message_of(gpt2().dump()) == "accepted");
  CHECK(message_of("").find("not JSON") != std::string::npos);
  CHECK(message_of("[]").find("must hold a JSON object") != std::string::npos);
  CHECK(message_of("{\"model\": \"\xFF\"}").find("not JSON") != std::string::npos);
  for (const char* key : {"pre_tokenizer", "decoder", "model"})
    check_missing("", key, "key \"" + std::string(key) + "\" is missing");
  check_missing("/model", "vocab", "key \"model.vocab\" is missing");
  check_missing("/model", "merges", "key \"model.merges\" is missing");
  check_missing("/pre_tokenizer", "type", "key \"pre_tokenizer.type\" is missing");
  check_missing("/added_tokens/0", "id", "key \"added_tokens[0].id\" is missing");
  check_missing("/added_tokens/0", "content", "key \"added_tokens[0].content\" is missing");
  check_refused("/model", 7, "key \"model\" must be an object, got \"7\"");
  check_refused("/model/type", 7, "key \"model.type\" must be a text, got \"7\"");
  check_refused("/model/vocab", json::array(), "key \"model.vocab\" must be an object");
  for (const json& id : {json(-1), json(1.5), json("1"), json(4294967296), json(nullptr)})
    check_refused("/model/vocab/he", id, "key \"model.vocab.he\" must be the number of a token");
  check_refused("/model/merges", "h e", "key \"model.merges\" must be a list");
  for (const json& merge : {json("he"), json("h e l")})
    check_refused("/model/merges/3", merge,
                  "key \"model.merges[3]\" must be two tokens with a space between");
  check_refused("/model/merges/3", json::array({"h"}),
                "key \"model.merges[3]\" must be a pair of tokens");
  check_refused("/model/merges/3", json::array({"h", 1}),
                "key \"model.merges[3][1]\" must be a text");
  check_refused("/model/merges/3", 1, "key \"model.merges[3]\" must be a text");
  check_refused("/model/merges/3", "h yy",
                "key \"model.merges[3]\" needs the token \"yy\", which the vocabulary lacks");
  check_refused("/model/merges/3", "e h", "needs the token \"eh\"");
  check_refused("/model/ignore_merges", 1, "key \"model.ignore_merges\" must be true or false");
  check_refused("/added_tokens", 1, "key \"added_tokens\" must be a list");
  check_refused("/added_tokens/0/id", -5, "key \"added_tokens[0].id\" must be the number");
}

TEST_CASE("what byte pairs of bytes cannot do is refused by its name", "[examples][tokenizer]") {
  check_refused("/model/type", "Unigram", "key \"model.type\" is \"Unigram\", which is not supp");
  check_refused("/model/byte_fallback", true, "key \"model.byte_fallback\" is \"true\"");
  check_refused("/model/dropout", 0.1, "key \"model.dropout\" is \"0.1\"");
  check_refused("/model/end_of_word_suffix", "</w>", "\"model.end_of_word_suffix\" is \"</w>\"");
  check_refused("/model/continuing_subword_prefix", "##", "subword_prefix\" is \"##\"");
  check_refused("/normalizer", {{"type", "Lowercase"}}, "key \"normalizer.type\" is \"Lowercase\"");
  check_refused("/pre_tokenizer", {{"type", "Metaspace"}},
                "\"pre_tokenizer.type\" is \"Metaspace\"");
  check_refused("/pre_tokenizer", sequence("pretokenizers", json::array()), "has no ByteLevel");
  check_refused("/pre_tokenizer", sequence("pretokenizers", {bytes_only(), split("a", "Removed")}),
                "key \"pre_tokenizer.pretokenizers[1]\" comes after ByteLevel");
  check_refused("/pre_tokenizer", split("a", "MergedWithNext"),
                "key \"pre_tokenizer.behavior\" is \"MergedWithNext\"");
  json inverted = split("a", "Isolated");
  inverted["invert"] = true;
  check_refused("/pre_tokenizer", inverted, "key \"pre_tokenizer.invert\" is \"true\"");
  json text = split("a", "Isolated");
  text["pattern"] = {{"String", "a"}};
  check_refused("/pre_tokenizer", text, "key \"pre_tokenizer.pattern\" is");
  check_refused("/pre_tokenizer", split("(a", "Isolated"),
                "key \"pre_tokenizer.pattern.Regex\" is not a regular expression: missing closing "
                "parenthesis at offset 2");
  check_refused("/decoder", {{"type", "WordPiece"}}, "key \"decoder.type\" is \"WordPiece\"");
  check_refused("/post_processor", {{"type", "BertProcessing"}},
                "key \"post_processor.type\" is \"BertProcessing\"");
  for (const std::string key : {"lstrip", "rstrip", "single_word"})
    check_refused("/added_tokens/0/" + key, true,
                  "key \"added_tokens[0]." + key + "\" is \"true\"");
}

TEST_CASE("an expression that never comes to an end is given up", "[examples][tokenizer]") {
  json file = gpt2();
  file["pre_tokenizer"] = sequence("pretokenizers", {split("(a+)+$", "Isolated"), bytes_only()});
  CHECK_THROWS_AS(open(file).encode(std::string(100, 'a') + "b"), InputError);
}
