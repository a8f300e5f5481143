#include "publishers.h"

#include <poll.h>

#include <cstring>

#include "clock.h"
#include "sockets.h"

PublisherSettings::PublisherSettings(Options& options)
    : port(options.integer("publish-port", options.integer("port", 0))),
      connections(options.integer("publishers", 64)),
      path(options.text("publish-path", "/")),
      headers(options.list("publish-header")),
      body(options.text("publish-body", "{e}")) {}

PublisherPool::PublisherPool(EventLoop& loop, const PublisherSettings& settings) : settings(settings), loop(loop) {
  for (int number = 0; number < settings.connections; number++) {
    connections.push_back(std::make_unique<Connection>(*this, number));
    idle.push_back(connections.back().get());
  }
}

void PublisherPool::publish(const std::string& eventJson, int channel) {
  std::string body = withChannel(settings.body, channel);
  size_t place = body.find("{e}");
  if (place != std::string::npos) body.replace(place, 3, eventJson);
  std::string request = "POST " + withChannel(settings.path, channel) + " HTTP/1.1\r\nHost: localhost\r\n";
  for (auto& header : settings.headers) request += header + "\r\n";
  request += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  Connection* connection = idle.front();
  idle.pop_front();
  connection->publish(request);
}

PublisherPool::Connection::Connection(PublisherPool& pool, int number) : pool(pool), number(number) { open(); }

void PublisherPool::Connection::open() {
  handle = connectToLoopback(pool.settings.port, number);
  pollfd writable{handle, POLLOUT, 0};
  poll(&writable, 1, 5000);
  if (int error = pendingSocketError(handle)) {
    fprintf(stderr, "load: publisher's connect: %s\n", strerror(error));
    exit(1);
  }
  pool.loop.add(handle, EPOLLIN, this);
}

void PublisherPool::Connection::reopen() {
  close(handle);
  response.reset();
  pool.reconnects++;
  open();
}

void PublisherPool::Connection::publish(const std::string& request) {
  inFlight = true;
  sentAtMicroseconds = nowMicroseconds();
  // A request is far smaller than an empty socket's buffer,
  // and the one before it has been answered.
  if (write(handle, request.data(), request.size()) == static_cast<ssize_t>(request.size())) return;
  perror("load: publisher's write");
  exit(1);
}

void PublisherPool::Connection::onReady(uint32_t) {
  char bytes[16 * 1024];
  ssize_t length = read(handle, bytes, sizeof bytes);
  if (length < 0 && errno == EAGAIN) return;
  // Before it closes an idle connection a server may say so, with a 408 that answers no request.
  if (!inFlight) return reopen();
  if (length > 0) response.feed(bytes, static_cast<size_t>(length));
  bool isClosed = length <= 0;
  if (!isClosed && !response.complete()) return;
  if (!isClosed && response.status() >= 200 && response.status() < 300) pool.accepted++;
  else if (pool.refused++ == 0) fprintf(stderr, "load: publish was refused: %.*s\n", isClosed ? 6 : static_cast<int>(length), isClosed ? "closed" : bytes);
  pool.acknowledged.add(nowMicroseconds() - sentAtMicroseconds);
  inFlight = false;
  if (isClosed) reopen();
  response.reset();
  pool.idle.push_back(this);
}
