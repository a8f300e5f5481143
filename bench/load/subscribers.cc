#include "subscribers.h"

#include <algorithm>
#include <fstream>

#include "clock.h"
#include "sockets.h"

namespace {

constexpr size_t readBufferBytes = 256 * 1024;
char readBuffer[readBufferBytes];

// RFC 6455, 5.3: a client masks; a mask of zeros is valid and leaves the bytes as they are.
std::string maskedTextFrame(const std::string& text) {
  std::string frame(1, static_cast<char>(0x81));
  if (text.size() < 126) {
    frame.push_back(static_cast<char>(0x80 | text.size()));
  } else {
    frame.push_back(static_cast<char>(0x80 | 126));
    frame.push_back(static_cast<char>(text.size() >> 8));
    frame.push_back(static_cast<char>(text.size() & 255));
  }
  return frame + std::string(4, '\0') + text;
}

std::vector<std::string> linesOf(const std::string& file) {
  std::vector<std::string> lines;
  std::ifstream stream(file);
  for (std::string line; !file.empty() && std::getline(stream, line);) lines.push_back(line);
  return lines;
}

void writeOrFail(int handle, const std::string& bytes) {
  if (write(handle, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())) return;
  perror("load: subscriber's write");
  exit(1);
}

}  // namespace

SubscriberSettings::SubscriberSettings(Options& options)
    : webSocket(options.text("transport", "sse") == "websocket"),
      port(options.integer("port", 0)),
      path(options.text("subscribe-path", "/")),
      headers(options.list("subscribe-header")),
      texts(linesOf(options.text("subscriber-texts", ""))),
      firstFrames(options.list("first-frame")),
      channels(options.integer("channels", 1)),
      handshakesMax(options.integer("handshakes-max", 256)),
      readIntervalSeconds(options.number("read-interval-seconds", 0)) {}

Subscriber::Subscriber(SubscriberPool& pool, int number, bool reads)
    : channel(number % pool.settings.channels), pool(pool), number(number), reads(reads) {}

void Subscriber::connect() {
  connectedAtMicroseconds = nowMicroseconds();
  handle = connectToLoopback(pool.settings.port, number, reads);
  pool.loop.add(handle, EPOLLOUT, this);
}

void Subscriber::onReady(uint32_t) {
  if (state == State::connecting) sendRequest();
  else readAvailable();
}

void Subscriber::readIfOpen() {
  if (state == State::open) readAvailable();
}

void Subscriber::sendRequest() {
  if (int error = pendingSocketError(handle)) {
    fprintf(stderr, "load: connect: %s\n", strerror(error));
    exit(1);
  }
  std::string request = "GET " + own(withChannel(pool.settings.path, channel)) + " HTTP/1.1\r\nHost: localhost\r\n";
  request += pool.settings.webSocket
                 ? "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 : "Accept: text/event-stream\r\n";
  for (auto& header : pool.settings.headers) request += own(header) + "\r\n";
  writeOrFail(handle, request + "\r\n");
  state = State::handshake;
  pool.loop.modify(handle, EPOLLIN, this);
}

std::string Subscriber::own(std::string text) const {
  auto& texts = pool.settings.texts;
  size_t at = texts.empty() ? std::string::npos : text.find("{t}");
  if (at != std::string::npos) text.replace(at, 3, texts[static_cast<size_t>(number) % texts.size()]);
  return text;
}

void Subscriber::readAvailable() {
  for (;;) {
    ssize_t length = read(handle, readBuffer, readBufferBytes);
    if (length < 0 && errno == EAGAIN) return;
    if (length <= 0) return close();
    if (state == State::handshake) onHandshakeBytes(readBuffer, static_cast<size_t>(length));
    else onEventBytes(readBuffer, static_cast<size_t>(length));
    if (length < static_cast<ssize_t>(readBufferBytes) || state == State::stalled) return;
  }
}

void Subscriber::onHandshakeBytes(const char* bytes, size_t length) {
  handshake.append(bytes, length);
  size_t end = handshake.find("\r\n\r\n");
  if (end == std::string::npos) return;
  if (handshake.compare(9, 3, pool.settings.webSocket ? "101" : "200") != 0) {
    fprintf(stderr, "load: subscribe was refused: %.300s\n", handshake.c_str());
    exit(1);
  }
  pool.openTotal++;
  pool.handshakesInFlight--;
  for (auto& frame : pool.settings.firstFrames) writeOrFail(handle, maskedTextFrame(withChannel(frame, channel)));
  std::string rest = handshake.substr(end + 4);
  std::string().swap(handshake);
  state = reads ? State::open : State::stalled;
  if (!reads || pool.settings.readIntervalSeconds > 0) pool.loop.remove(handle);
  if (!reads) return;
  if (!rest.empty()) onEventBytes(rest.data(), rest.size());
}

void Subscriber::onEventBytes(const char* bytes, size_t length) {
  pool.bytes += length;
  uint64_t now = nowMicroseconds();
  scanner.feed(bytes, length, [&](uint64_t stamp) {
    pool.delivered++;
    pool.latency.add(now > stamp ? now - stamp : 0);
    if (++received == pool.awaitedEach) {
      pool.caughtUpTotal++;
      pool.catchUp.add(now - connectedAtMicroseconds);
    }
  });
}

void Subscriber::close() {
  if (state == State::handshake) {
    fprintf(stderr, "load: closed in the handshake: %.300s\n", handshake.c_str());
    exit(1);
  }
  state = State::closed;
  pool.closedTotal++;
  ::close(handle);
}

void SubscriberPool::prepare(int count, bool reads) {
  for (int added = 0; added < count; added++) {
    subscribers.push_back(std::make_unique<Subscriber>(*this, static_cast<int>(subscribers.size()), reads));
    isReader.push_back(reads);
  }
  if (reads) readersTotal += count;
}

bool SubscriberPool::keepOpening() {
  while (nextToConnect < subscribers.size() && handshakesInFlight < settings.handshakesMax) {
    subscribers[nextToConnect++]->connect();
    handshakesInFlight++;
  }
  return nextToConnect < subscribers.size() || handshakesInFlight > 0;
}

void SubscriberPool::open(int count, bool reads, double timeoutSeconds) {
  prepare(count, reads);
  uint64_t start = nowNanoseconds();
  while (keepOpening()) {
    // Without waiting: a server that answers one at a time would have to wake us for each, which
    // another machine's would not.
    loop.runOnce(0);
    if (secondsSince(start) < timeoutSeconds) continue;
    fprintf(stderr, "load: %d of %zu subscribers open after %.0f s\n", openTotal, subscribers.size(), timeoutSeconds);
    exit(1);
  }
}

void SubscriberPool::readDue(bool isEnd) {
  if (settings.readIntervalSeconds == 0 || subscribers.empty()) return;
  double intervals = isEnd ? 1 : std::min(1.0, secondsSince(lastReadNanoseconds) / settings.readIntervalSeconds);
  size_t due = static_cast<size_t>(intervals * static_cast<double>(subscribers.size()));
  if (due == 0) return;
  lastReadNanoseconds = nowNanoseconds();
  for (; due > 0; due--) {
    nextToRead = (nextToRead + 1) % subscribers.size();
    subscribers[nextToRead]->readIfOpen();
  }
}

void SubscriberPool::resetCounts() {
  delivered = bytes = missing = surplus = 0;
  latency.clear();
  for (auto& subscriber : subscribers) subscriber->received = 0;
}

void SubscriberPool::countLosses(const std::vector<uint32_t>& publishedByChannel) {
  missing = surplus = 0;
  for (size_t index = 0; index < subscribers.size(); index++) {
    if (!isReader[index]) continue;
    uint32_t owed = publishedByChannel[static_cast<size_t>(subscribers[index]->channel)];
    uint32_t received = subscribers[index]->received;
    if (received < owed) missing += owed - received;
    else surplus += received - owed;
  }
}
