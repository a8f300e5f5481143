// receive: the endpoints of webhooks. What an endpoint does is the first word of its path: /well
// answers 204 at once, /failing 500, /hanging never, /dripping a byte of its head a second. Ends
// once as many deliveries as are expected have come to /well, counted by the path and the
// webhook-id, or when the time is over.
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "clock.h"
#include "event_loop.h"
#include "marker.h"
#include "modes.h"
#include "report.h"
#include "request_reader.h"
#include "server_usage.h"
#include "sockets.h"

namespace {

struct Received {
  std::unordered_set<uint64_t> distinct;
  std::unordered_map<uint64_t, uint64_t> newestByChannel;
  uint64_t repeated = 0, outOfOrder = 0, others = 0, opened = 0;
  uint64_t firstNanoseconds = 0, lastNanoseconds = 0;
  LatencyHistogram latency;
};

uint64_t hashOf(std::string_view one, std::string_view other) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (std::string_view text : {one, other}) {
    for (char letter : text) hash = (hash ^ static_cast<uint8_t>(letter)) * 0x100000001b3ull;
    hash = (hash ^ 0xff) * 0x100000001b3ull;
  }
  return hash;
}

// The members are looked for, not parsed: the load generator knows what was published.
std::string_view memberOf(std::string_view body, std::string_view name) {
  size_t at = body.find(name);
  if (at == std::string_view::npos) return {};
  body.remove_prefix(at + name.size());
  return body.substr(0, body.find('"'));
}

class Endpoint final : public Ready {
 public:
  Endpoint(EventLoop& loop, int handle, Received& received, std::vector<Endpoint*>& dripping)
      : loop(loop), handle(handle), received(received), dripping(dripping) {
    loop.add(handle, EPOLLIN, this);
  }

  void onReady(uint32_t) override {
    static char bytes[256 * 1024];
    ssize_t length = read(handle, bytes, sizeof bytes);
    if (length < 0 && errno == EAGAIN) return;
    if (length <= 0) {
      loop.remove(handle);
      close(handle);
      isOpen = false;
      return;
    }
    reader.feed(bytes, static_cast<size_t>(length), [&](const Request& request) { take(request); });
  }

  void drip() {
    if (isOpen && write(handle, "x", 1) < 0) isOpen = false;
  }

 private:
  void take(const Request& request) {
    if (request.path.starts_with("/hanging")) received.others++;
    else if (request.path.starts_with("/failing")) fail();
    else if (request.path.starts_with("/dripping")) beginToDrip();
    else note(request);
  }

  void note(const Request& request) {
    uint64_t now = nowNanoseconds();
    if (received.firstNanoseconds == 0) received.firstNanoseconds = now;
    if (received.distinct.insert(hashOf(request.path, request.id)).second) {
      received.lastNanoseconds = now;
      noteOrder(request);
    } else {
      received.repeated++;
    }
    answer("HTTP/1.1 204 No Content\r\n\r\n");
  }

  void noteOrder(const Request& request) {
    std::string_view stamp = memberOf(request.body, "\"~T");
    if (stamp.empty()) return;
    uint64_t number = strtoull(std::string(stamp).c_str(), nullptr, 10);
    uint64_t nowMicro = nowMicroseconds();
    // A stream's events are numbered; those that are paced bear the microsecond at which
    // they were published.
    if (number > nowMicro / 2) received.latency.add(nowMicro - number);
    uint64_t& newest = received.newestByChannel[hashOf(request.path, memberOf(request.body, "\"channel\":\""))];
    if (number < newest) received.outOfOrder++;
    newest = number;
  }

  void fail() {
    received.others++;
    answer("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
  }

  void beginToDrip() {
    received.others++;
    answer("HTTP/1.1 200 OK\r\nX-Slow: ");
    dripping.push_back(this);
  }

  void answer(std::string_view text) {
    if (write(handle, text.data(), text.size()) < 0) isOpen = false;
  }

  EventLoop& loop;
  int handle;
  Received& received;
  std::vector<Endpoint*>& dripping;
  RequestReader reader;
  bool isOpen = true;
};

class Listener final : public Ready {
 public:
  Listener(EventLoop& loop, int port, Received& received) : loop(loop), received(received) {
    handle = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int on = 1;
    setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    // Every address of the loopback: endpoints with an address each are endpoints with
    // a connection each.
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(handle, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || listen(handle, 4096) < 0) {
      perror("load: listen");
      exit(1);
    }
    loop.add(handle, EPOLLIN, this);
  }

  void onReady(uint32_t) override {
    for (int accepted; (accepted = accept4(handle, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
      int on = 1;
      setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      received.opened++;
      endpoints.push_back(std::make_unique<Endpoint>(loop, accepted, received, dripping));
    }
  }

  void drip() {
    for (Endpoint* endpoint : dripping) endpoint->drip();
  }

 private:
  EventLoop& loop;
  Received& received;
  int handle;
  std::vector<Endpoint*> dripping;
  std::vector<std::unique_ptr<Endpoint>> endpoints;
};

}  // namespace

int runReceive(Options& options) {
  int port = options.integer("port", 0);
  uint64_t expected = static_cast<uint64_t>(options.number("expect", 0));
  double timeoutSeconds = options.number("timeout-seconds", 120);
  ServerUsage usage(options.commaSeparatedIntegers("pids"));
  options.refuseUnknown();

  EventLoop loop;
  Received received;
  Listener listener(loop, port, received);
  double cpuBefore = usage.cpuMicroseconds();
  long residentBefore = usage.residentKilobytes(), residentMax = residentBefore;
  uint64_t start = nowNanoseconds(), nextSample = start, nextDrip = start;
  while (received.distinct.size() < expected && secondsSince(start) < timeoutSeconds) {
    loop.runOnce(50'000);
    // What it used before the first delivery is no part of them.
    if (received.firstNanoseconds == 0) cpuBefore = usage.cpuMicroseconds();
    if (nowNanoseconds() > nextSample) {
      residentMax = std::max(residentMax, usage.residentKilobytes());
      nextSample = nowNanoseconds() + 100'000'000;
    }
    if (nowNanoseconds() > nextDrip) {
      listener.drip();
      nextDrip = nowNanoseconds() + 1'000'000'000;
    }
  }
  double cpu = usage.cpuMicroseconds() - cpuBefore;
  double seconds = static_cast<double>(received.lastNanoseconds - received.firstNanoseconds) / 1e9;
  uint64_t distinct = received.distinct.size();

  Report report;
  report.add("deliveries", distinct);
  report.add("missingDeliveries", expected - std::min(expected, distinct));
  report.add("repeatedDeliveries", received.repeated);
  report.add("outOfOrder", received.outOfOrder);
  report.add("toOthers", received.others);
  report.add("connections", received.opened);
  report.add("seconds", seconds);
  report.add("deliveriesPerSecond", static_cast<double>(distinct) / seconds);
  report.add("serverCpuMicrosecondsPerDelivery", cpu / static_cast<double>(std::max<uint64_t>(1, distinct)));
  report.addLatency(received.latency);
  report.add("residentGrowthKilobytes", static_cast<double>(residentMax - residentBefore));
  report.print();
  return distinct >= expected && received.outOfOrder == 0 ? 0 : 3;
}
