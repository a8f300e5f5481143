// `--name value` pairs. A name that nobody asked for is an error:
// a typing mistake must not change what is measured.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

class Options {
 public:
  Options(int count, char** words) {
    for (int index = 0; index < count; index += 2) {
      std::string name = words[index];
      if (name.rfind("--", 0) != 0 || index + 1 >= count) fail("expected --name value, got " + name);
      values[name.substr(2)].push_back(words[index + 1]);
    }
  }

  std::string text(const std::string& name, const std::string& fallback) {
    known.insert(name);
    auto found = values.find(name);
    return found == values.end() ? fallback : found->second.back();
  }

  double number(const std::string& name, double fallback) {
    std::string word = text(name, "");
    return word.empty() ? fallback : std::stod(word);
  }

  int integer(const std::string& name, int fallback) { return static_cast<int>(number(name, fallback)); }

  // Repeatable: `--header A --header B`.
  std::vector<std::string> list(const std::string& name) {
    known.insert(name);
    auto found = values.find(name);
    return found == values.end() ? std::vector<std::string>{} : found->second;
  }

  std::vector<int> commaSeparatedIntegers(const std::string& name) {
    std::vector<int> numbers;
    std::stringstream words(text(name, ""));
    for (std::string word; std::getline(words, word, ',');) {
      if (!word.empty()) numbers.push_back(std::stoi(word));
    }
    return numbers;
  }

  void refuseUnknown() const {
    for (auto& [name, ignored] : values) {
      if (!known.contains(name)) fail("unknown option --" + name);
    }
  }

  [[noreturn]] static void fail(const std::string& reason) {
    fprintf(stderr, "load: %s\n", reason.c_str());
    exit(2);
  }

 private:
  std::map<std::string, std::vector<std::string>> values;
  std::set<std::string> known;
};

// `{c}` in a path or a body stands for the channel's number.
inline std::string withChannel(std::string text, int channel) {
  std::string number = std::to_string(channel);
  for (size_t at = text.find("{c}"); at != std::string::npos; at = text.find("{c}", at + number.size())) {
    text.replace(at, 3, number);
  }
  return text;
}
