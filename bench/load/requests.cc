// requests: keep-alive connections that each repeat one request for a time,
// closed loop or at a fixed rate.
#include <poll.h>

#include <memory>

#include "clock.h"
#include "http_response.h"
#include "event_loop.h"
#include "marker.h"
#include "modes.h"
#include "report.h"
#include "server_usage.h"
#include "sockets.h"

namespace {

struct Counts {
  uint64_t expected = 0;
  uint64_t unexpected = 0;
  int lastUnexpectedStatus = 0;
  LatencyHistogram latency;
};

class Repeater final : public Ready {
 public:
  Repeater(EventLoop& loop, int port, int number, const std::string& request, int expectedStatus, bool paced, Counts& counts)
      : handle(connectToLoopback(port, number)), request(request), expectedStatus(expectedStatus), paced(paced), counts(counts) {
    pollfd writable{handle, POLLOUT, 0};
    poll(&writable, 1, 5000);
    loop.add(handle, EPOLLIN, this);
  }

  void send() {
    sentAtMicroseconds = nowMicroseconds();
    if (write(handle, request.data(), request.size()) == static_cast<ssize_t>(request.size())) return;
    perror("load: write");
    exit(1);
  }

  void onReady(uint32_t) override {
    char bytes[64 * 1024];
    ssize_t length = read(handle, bytes, sizeof bytes);
    if (length < 0 && errno == EAGAIN) return;
    if (length <= 0) Options::fail("the server closed a connection");
    response.feed(bytes, static_cast<size_t>(length));
    if (!response.complete()) return;
    counts.latency.add(nowMicroseconds() - sentAtMicroseconds);
    if (response.status() == expectedStatus) counts.expected++;
    else {
      counts.unexpected++;
      counts.lastUnexpectedStatus = response.status();
    }
    response.reset();
    if (!paced) send();
  }

 private:
  int handle;
  const std::string& request;
  int expectedStatus;
  bool paced;
  Counts& counts;
  uint64_t sentAtMicroseconds = 0;
  HttpResponse response;
};

std::string requestFrom(Options& options) {
  std::string body = options.text("body", "");
  int bodyBytes = options.integer("event-bytes", 0);
  if (bodyBytes > 0) body = markedJson(0, static_cast<size_t>(bodyBytes));
  std::string request = options.text("method", "GET") + " " + options.text("path", "/") + " HTTP/1.1\r\nHost: localhost\r\n";
  for (auto& header : options.list("header")) request += header + "\r\n";
  if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return request + "\r\n" + body;
}

}  // namespace

int runRequests(Options& options) {
  std::string request = requestFrom(options);
  int port = options.integer("port", 0);
  int connections = options.integer("connections", 64);
  int expectedStatus = options.integer("expect-status", 200);
  double seconds = options.number("seconds", 5);
  double warmUpSeconds = options.number("warm-up-seconds", 1);
  double requestsPerSecond = options.number("rate", 0);
  double warmUpRequestsPerSecond = options.number("warm-up-rate", requestsPerSecond);
  ServerUsage usage(options.commaSeparatedIntegers("pids"));
  options.refuseUnknown();

  EventLoop loop;
  Counts counts;
  std::vector<std::unique_ptr<Repeater>> repeaters;
  for (int number = 0; number < connections; number++) {
    repeaters.push_back(std::make_unique<Repeater>(loop, port, number, request, expectedStatus, requestsPerSecond > 0, counts));
    if (requestsPerSecond <= 0) repeaters.back()->send();
  }
  size_t sent = 0;
  auto runFor = [&](double duration, double requestsPerSecond) {
    uint64_t start = nowNanoseconds();
    for (size_t number = 0; secondsSince(start) < duration;) {
      if (requestsPerSecond <= 0) {
        loop.runOnce(50'000);
        continue;
      }
      double dueSeconds = static_cast<double>(number) / requestsPerSecond, now = secondsSince(start);
      if (now >= dueSeconds) {
        repeaters[sent++ % repeaters.size()]->send();
        number++;
      } else {
        loop.runOnce(static_cast<uint64_t>((dueSeconds - now) * 1e6));
      }
    }
    return secondsSince(start);
  };
  runFor(warmUpSeconds, warmUpRequestsPerSecond);
  counts = Counts();
  double cpuBefore = usage.cpuMicroseconds();
  double elapsed = runFor(seconds, requestsPerSecond);
  double cpu = usage.cpuMicroseconds() - cpuBefore;

  Report report;
  report.add("connections", connections);
  report.add("requests", counts.expected);
  report.add("unexpectedAnswers", counts.unexpected);
  report.add("lastUnexpectedStatus", counts.lastUnexpectedStatus);
  report.add("seconds", elapsed);
  report.add("requestsPerSecond", static_cast<double>(counts.expected) / elapsed);
  report.add("serverCpuMicrosecondsPerRequest", cpu / static_cast<double>(std::max<uint64_t>(1, counts.expected)));
  report.add("serverCpuPercent", cpu / elapsed / 1e4);
  report.addLatency(counts.latency);
  report.print();
  return counts.unexpected == 0 && counts.expected > 0 ? 0 : 3;
}
