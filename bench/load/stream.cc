// stream: one POST whose body is NDJSON, written as fast as the server takes it, while the answer,
// a line for each item, is read at the same time. An answer line that holds `"id"` is an accepted
// event; any other is a refusal.
#include <poll.h>

#include <fstream>

#include "clock.h"
#include "http_response.h"
#include "marker.h"
#include "modes.h"
#include "report.h"
#include "server_usage.h"
#include "sockets.h"

namespace {

constexpr size_t chunkBytes = 64 * 1024;

class LineSource {
 public:
  LineSource(std::string lineFormat, int channels, int eventBytes, uint64_t lines)
      : format(std::move(lineFormat)), channels(channels), eventBytes(eventBytes), linesTotal(lines) {}

  // The next piece of the request's body in chunked coding; empty once everything,
  // the end included, was given.
  std::string nextChunk() {
    if (ended) return "";
    std::string lines;
    while (made < linesTotal && lines.size() < chunkBytes) {
      std::string line = withChannel(format, static_cast<int>(made % static_cast<uint64_t>(channels)));
      line.replace(line.find("{e}"), 3, markedJson(made, static_cast<size_t>(eventBytes)));
      lines += line + "\n";
      made++;
    }
    ended = lines.empty();
    if (ended) return "0\r\n\r\n";
    char size[32];
    snprintf(size, sizeof size, "%zx\r\n", lines.size());
    return size + lines + "\r\n";
  }

 private:
  std::string format;
  int channels, eventBytes;
  uint64_t linesTotal, made = 0;
  bool ended = false;
};

class AnswerLines {
 public:
  AnswerLines(std::ofstream* samples, uint64_t sampleEvery) : samples(samples), sampleEvery(sampleEvery) {}

  void feed(const char* bytes, size_t length) {
    for (size_t index = 0; index < length; index++) {
      if (bytes[index] != '\n') line.push_back(bytes[index]);
      else onLine();
    }
  }

  uint64_t accepted = 0, refused = 0;

 private:
  void onLine() {
    if (line.empty()) return;
    if (line.find("\"id\"") != std::string::npos) {
      if (samples != nullptr && accepted % sampleEvery == 0) *samples << line << "\n";
      accepted++;
    } else if (refused++ == 0) {
      fprintf(stderr, "load: a line was refused: %.300s\n", line.c_str());
    }
    line.clear();
  }

  std::ofstream* samples;
  uint64_t sampleEvery;
  std::string line;
};

}  // namespace

int runStream(Options& options) {
  uint64_t lines = static_cast<uint64_t>(options.number("lines", 300'000));
  LineSource source(options.text("line", "{\"channel\":\"stream.{c}\",\"data\":{e}}"), options.integer("channels", 1),
                    options.integer("event-bytes", 128), lines);
  int port = options.integer("port", 0);
  std::string path = options.text("path", "/v1/events");
  std::string sampleFile = options.text("sample-file", "");
  uint64_t sampleEvery = static_cast<uint64_t>(options.number("sample-every", 1000));
  double timeoutSeconds = options.number("timeout-seconds", 300);
  ServerUsage usage(options.commaSeparatedIntegers("pids"));
  options.refuseUnknown();

  std::ofstream samples;
  if (!sampleFile.empty()) samples.open(sampleFile);
  AnswerLines answers(sampleFile.empty() ? nullptr : &samples, sampleEvery);
  HttpResponse response;
  int handle = connectToLoopback(port, 0);
  std::string outgoing = "POST " + path +
                         " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
                         "Accept: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
  size_t outgoingOffset = 0;
  static char bytes[256 * 1024];
  double cpuBefore = usage.cpuMicroseconds();
  long residentBefore = usage.residentKilobytes(), residentMax = residentBefore;
  uint64_t start = nowNanoseconds(), nextSample = start;
  while (!response.complete() && secondsSince(start) < timeoutSeconds) {
    pollfd ready{handle, static_cast<short>(POLLIN | (outgoing.empty() ? 0 : POLLOUT)), 0};
    poll(&ready, 1, 100);
    if (ready.revents & POLLOUT) {
      ssize_t written = write(handle, outgoing.data() + outgoingOffset, outgoing.size() - outgoingOffset);
      if (written > 0) outgoingOffset += static_cast<size_t>(written);
      if (outgoingOffset == outgoing.size()) {
        outgoing = source.nextChunk();
        outgoingOffset = 0;
      }
    }
    if (ready.revents & (POLLIN | POLLHUP | POLLERR)) {
      ssize_t length = read(handle, bytes, sizeof bytes);
      if (length == 0 || (length < 0 && errno != EAGAIN)) break;
      if (length > 0) {
        response.feed(bytes, static_cast<size_t>(length), [&](const char* body, size_t size) { answers.feed(body, size); });
      }
    }
    if (nowNanoseconds() > nextSample) {
      residentMax = std::max(residentMax, usage.residentKilobytes());
      nextSample = nowNanoseconds() + 100'000'000;
    }
  }
  double seconds = secondsSince(start);

  Report report;
  report.add("events", lines);
  report.add("acceptedEvents", answers.accepted);
  report.add("refusedEvents", answers.refused);
  report.add("unansweredEvents", lines - std::min(lines, answers.accepted + answers.refused));
  report.add("status", response.status());
  report.add("seconds", seconds);
  report.add("eventsPerSecond", static_cast<double>(answers.accepted) / seconds);
  report.add("serverCpuMicrosecondsPerEvent", (usage.cpuMicroseconds() - cpuBefore) / static_cast<double>(std::max<uint64_t>(1, answers.accepted)));
  report.add("residentGrowthKilobytes", static_cast<double>(residentMax - residentBefore));
  report.print();
  return answers.accepted == lines ? 0 : 3;
}
