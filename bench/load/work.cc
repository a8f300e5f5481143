// work: workers that pull from a subscription, each on a connection of its own: a pull of up to so
// many events, then one request that acknowledges each of their leases, and so on. An event is
// known by the number that `stream` gave it: one that comes again although its lease has not ended,
// or after it was acknowledged, counts as leased twice.
#include <poll.h>

#include <memory>
#include <unordered_set>
#include <vector>

#include "clock.h"
#include "event_loop.h"
#include "http_response.h"
#include "marker.h"
#include "modes.h"
#include "report.h"
#include "server_usage.h"
#include "sockets.h"

namespace {

struct Work {
  std::unordered_set<uint64_t> leased;
  uint64_t acknowledged = 0, leasedTwice = 0, notHeld = 0, requests = 0, refused = 0;
  LatencyHistogram pulls;
};

class Worker final : public Ready {
 public:
  Worker(EventLoop& loop, int port, int number, const std::string& path, int countMax, Work& work)
      : handle(connectToLoopback(port, number)), path(path), countMax(countMax), work(work) {
    pollfd writable{handle, POLLOUT, 0};
    poll(&writable, 1, 5000);
    loop.add(handle, EPOLLIN, this);
  }

  void pull() {
    leases.clear();
    send("/pull", "{\"count\":" + std::to_string(countMax) + ",\"waitSeconds\":1}");
  }

  void onReady(uint32_t) override {
    static char bytes[512 * 1024];
    ssize_t length = read(handle, bytes, sizeof bytes);
    if (length < 0 && errno == EAGAIN) return;
    if (length <= 0) Options::fail("the server closed a worker's connection");
    response.feed(bytes, static_cast<size_t>(length), [&](const char* piece, size_t size) { body.append(piece, size); });
    if (!response.complete()) return;
    if (response.status() != 200 && work.refused++ == 0) fprintf(stderr, "load: a worker was refused: %.300s\n", body.c_str());
    if (leases.empty()) onPulled();
    else onAcknowledged();
  }

 private:
  void onPulled() {
    work.pulls.add(nowMicroseconds() - sentAtMicroseconds);
    for (size_t at = body.find(leaseMember); at != std::string::npos; at = body.find(leaseMember, at)) {
      at += leaseMember.size();
      leases.push_back(body.substr(at, body.find('"', at) - at));
      size_t mark = body.find("~T", at);
      if (mark == std::string::npos) continue;
      if (!work.leased.insert(strtoull(body.c_str() + mark + 2, nullptr, 10)).second) work.leasedTwice++;
    }
    if (leases.empty()) return pull();
    std::string names;
    for (auto& lease : leases) names += (names.empty() ? "\"" : ",\"") + lease + "\"";
    send("/ack", "{\"leases\":[" + names + "]}");
  }

  void onAcknowledged() {
    size_t at = body.find("\"count\":");
    uint64_t count = at == std::string::npos ? 0 : strtoull(body.c_str() + at + 8, nullptr, 10);
    work.acknowledged += count;
    work.notHeld += leases.size() - std::min<uint64_t>(count, leases.size());
    pull();
  }

  void send(const std::string& action, const std::string& text) {
    std::string request = "POST " + path + action +
                          " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
                          std::to_string(text.size()) + "\r\n\r\n" + text;
    response.reset();
    body.clear();
    work.requests++;
    sentAtMicroseconds = nowMicroseconds();
    if (write(handle, request.data(), request.size()) == static_cast<ssize_t>(request.size())) return;
    perror("load: worker's write");
    exit(1);
  }

  inline static const std::string leaseMember = "\"lease\":\"";
  int handle;
  std::string path;
  int countMax;
  Work& work;
  HttpResponse response;
  std::string body;
  std::vector<std::string> leases;
  uint64_t sentAtMicroseconds = 0;
};

}  // namespace

int runWork(Options& options) {
  int port = options.integer("port", 0);
  std::string path = options.text("path", "");
  int workers = options.integer("workers", 8);
  int countMax = options.integer("concurrency", 32);
  uint64_t expected = static_cast<uint64_t>(options.number("expect", 0));
  double timeoutSeconds = options.number("timeout-seconds", 120);
  ServerUsage usage(options.commaSeparatedIntegers("pids"));
  options.refuseUnknown();

  EventLoop loop;
  Work work;
  std::vector<std::unique_ptr<Worker>> pool;
  for (int number = 0; number < workers; number++) pool.push_back(std::make_unique<Worker>(loop, port, number, path, countMax, work));
  double cpuBefore = usage.cpuMicroseconds();
  long residentBefore = usage.residentKilobytes();
  uint64_t start = nowNanoseconds();
  for (auto& worker : pool) worker->pull();
  while (work.acknowledged < expected && secondsSince(start) < timeoutSeconds) loop.runOnce(50'000);
  double seconds = secondsSince(start), cpu = usage.cpuMicroseconds() - cpuBefore;

  Report report;
  report.add("events", work.acknowledged);
  report.add("missingEvents", expected - std::min(expected, work.acknowledged));
  report.add("leasedTwice", work.leasedTwice);
  report.add("notHeld", work.notHeld);
  report.add("refused", work.refused);
  report.add("requests", work.requests);
  report.add("seconds", seconds);
  report.add("eventsPerSecond", static_cast<double>(work.acknowledged) / seconds);
  report.add("serverCpuMicrosecondsPerEvent", cpu / static_cast<double>(std::max<uint64_t>(1, work.acknowledged)));
  report.addLatency(work.pulls);
  report.add("residentGrowthKilobytes", static_cast<double>(usage.residentKilobytes() - residentBefore));
  report.print();
  return work.acknowledged >= expected && work.leasedTwice + work.notHeld + work.refused == 0 ? 0 : 3;
}
