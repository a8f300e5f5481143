// resume: one client after another connects at a cursor of its own; time from connect to the first
// missed event. The file holds one path a line; the run takes them in the order of the file.
#include <poll.h>

#include <fstream>

#include "clock.h"
#include "histogram.h"
#include "marker.h"
#include "modes.h"
#include "report.h"
#include "sockets.h"

namespace {

// Microseconds to the first event, or 0 when none came.
uint64_t timeToFirstEvent(int port, int number, const std::string& path, int timeoutMilliseconds) {
  uint64_t start = nowMicroseconds();
  int handle = connectToLoopback(port, number);
  std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
  pollfd ready{handle, POLLOUT, 0};
  poll(&ready, 1, timeoutMilliseconds);
  if (write(handle, request.data(), request.size()) < 0) perror("load: write");
  ready.events = POLLIN;
  MarkerScanner scanner;
  uint64_t firstAt = 0;
  char bytes[64 * 1024];
  while (firstAt == 0 && poll(&ready, 1, timeoutMilliseconds) > 0) {
    ssize_t length = read(handle, bytes, sizeof bytes);
    if (length <= 0) break;
    scanner.feed(bytes, static_cast<size_t>(length), [&](uint64_t) { if (firstAt == 0) firstAt = nowMicroseconds(); });
  }
  close(handle);
  return firstAt == 0 ? 0 : firstAt - start;
}

}  // namespace

int runResume(Options& options) {
  int port = options.integer("port", 0);
  std::ifstream paths(options.text("paths-file", ""));
  int timeoutMilliseconds = options.integer("timeout-milliseconds", 5000);
  options.refuseUnknown();

  LatencyHistogram latency;
  uint64_t silent = 0;
  int number = 0;
  for (std::string path; std::getline(paths, path); number++) {
    uint64_t microseconds = timeToFirstEvent(port, number, path, timeoutMilliseconds);
    if (microseconds == 0) silent++;
    else latency.add(microseconds);
  }
  Report report;
  report.add("resumes", number);
  report.add("resumesWithoutEvent", silent);
  report.addLatency(latency);
  report.print();
  return silent == 0 && number > 0 ? 0 : 3;
}
