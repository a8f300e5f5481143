// Reads HTTP/1.1 requests from pieces of bytes, one behind the other on a connection; as much of
// HTTP as a webhook needs.
#pragma once
#include <strings.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

struct Request {
  std::string_view path, id, body;
};

class RequestReader {
 public:
  // onRequest is given each request that is whole; what it is given is gone after it.
  template <typename OnRequest>
  void feed(const char* bytes, size_t length, OnRequest onRequest) {
    held.append(bytes, length);
    size_t used = 0;
    for (;;) {
      size_t headEnd = held.find("\r\n\r\n", used);
      if (headEnd == std::string::npos) break;
      std::string_view head(held.data() + used, headEnd - used);
      size_t bodyStart = headEnd + 4;
      size_t bodyLength = static_cast<size_t>(atoll(std::string(headerOf(head, "content-length")).c_str()));
      if (held.size() - bodyStart < bodyLength) break;
      size_t pathStart = head.find(' ') + 1;
      onRequest(Request{head.substr(pathStart, head.find(' ', pathStart) - pathStart), headerOf(head, "webhook-id"),
                        std::string_view(held.data() + bodyStart, bodyLength)});
      used = bodyStart + bodyLength;
    }
    held.erase(0, used);
  }

 private:
  static std::string_view headerOf(std::string_view head, const char* name) {
    size_t nameLength = strlen(name);
    for (size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at + 2)) {
      const char* line = head.data() + at + 2;
      size_t left = head.size() - at - 2;
      if (left <= nameLength || line[nameLength] != ':' || strncasecmp(line, name, nameLength) != 0) continue;
      std::string_view value(line + nameLength + 1, left - nameLength - 1);
      value = value.substr(0, value.find("\r\n"));
      while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
      return value;
    }
    return {};
  }

  std::string held;
};
