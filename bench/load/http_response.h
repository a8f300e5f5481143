// Reads HTTP/1.1 responses from pieces of bytes: feed until complete,
// then reset for the next on the same connection.
#pragma once
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>

class HttpResponse {
 public:
  // Returns how many bytes were used; bytes after the end of a response are left to the caller.
  // onBody is given the body's bytes without the framing of chunks.
  template <typename OnBody>
  size_t feed(const char* bytes, size_t length, OnBody onBody) {
    size_t used = 0;
    while (used < length && part != Part::done) {
      if (part == Part::body) {
        size_t take = std::min(remaining, length - used);
        onBody(bytes + used, take);
        used += take;
        remaining -= take;
        if (remaining == 0) part = chunked ? Part::chunkEnd : Part::done;
        continue;
      }
      line.push_back(bytes[used++]);
      if (line.back() == '\n') onLine();
    }
    return used;
  }

  size_t feed(const char* bytes, size_t length) {
    return feed(bytes, length, [](const char*, size_t) {});
  }

  bool complete() const { return part == Part::done; }
  int status() const { return statusCode; }
  const std::string& etag() const { return entityTag; }

  // Field by field, so that the line keeps its memory: this runs once for each request of a load.
  void reset() {
    part = Part::head;
    statusCode = 0;
    chunked = false;
    remaining = 0;
    line.clear();
    entityTag.clear();
  }

 private:
  enum class Part { head, body, chunkSize, chunkEnd, trailer, done };

  void onLine() {
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    if (part == Part::head) onHeadLine();
    else if (part == Part::chunkSize) onChunkSize();
    else if (part == Part::chunkEnd) part = Part::chunkSize;
    else if (part == Part::trailer && line.empty()) part = Part::done;
    line.clear();
  }

  void onHeadLine() {
    if (statusCode == 0) {
      statusCode = line.size() > 11 ? atoi(line.c_str() + 9) : -1;
      return;
    }
    if (line.empty()) {
      bool empty = statusCode == 204 || statusCode == 304 || (!chunked && remaining == 0);
      part = empty ? Part::done : chunked ? Part::chunkSize : Part::body;
      return;
    }
    size_t colon = line.find(':');
    if (colon == std::string::npos) return;
    std::string name = line.substr(0, colon);
    for (char& letter : name) letter = static_cast<char>(tolower(letter));
    size_t start = line.find_first_not_of(' ', colon + 1);
    std::string value = start == std::string::npos ? "" : line.substr(start);
    if (name == "content-length") remaining = strtoull(value.c_str(), nullptr, 10);
    if (name == "transfer-encoding") chunked = value.find("chunked") != std::string::npos;
    if (name == "etag") entityTag = value;
  }

  void onChunkSize() {
    remaining = strtoull(line.c_str(), nullptr, 16);
    part = remaining == 0 ? Part::trailer : Part::body;
  }

  Part part = Part::head;
  int statusCode = 0;
  bool chunked = false;
  size_t remaining = 0;
  std::string line;
  std::string entityTag;
};
