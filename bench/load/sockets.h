// Non-blocking TCP connections to a server on the loopback interface.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

// One source address has some 28,000 ephemeral ports; connections are spread over 127.0.0.2,
// 127.0.0.3 and so on.
constexpr int connectionsPerSourceAddress = 20'000;

inline void raiseDescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// The kernel keeps 1.6 MB for a loopback connection that is not read, since segments are of 64 kB.
// A thousand of them use up what it has for TCP (tcp_mem), and all connections wait. With segments
// as on Ethernet, and a small window, it keeps 0.4 MB.
inline void limitUnread(int handle) {
  int segmentBytes = 1460, receiveBytes = 32 * 1024;
  setsockopt(handle, IPPROTO_TCP, TCP_MAXSEG, &segmentBytes, sizeof segmentBytes);
  setsockopt(handle, SOL_SOCKET, SO_RCVBUF, &receiveBytes, sizeof receiveBytes);
}

inline int connectToLoopback(int port, int connectionNumber, bool reads = true) {
  int handle = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (handle < 0) {
    perror("load: socket");
    exit(1);
  }
  int on = 1;
  setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!reads) limitUnread(handle);
  // The port is chosen at connect, per destination, so that a bound source address does not
  // exhaust the range.
  setsockopt(handle, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + static_cast<uint32_t>(connectionNumber / connectionsPerSourceAddress));
  bind(handle, reinterpret_cast<sockaddr*>(&source), sizeof source);
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<uint16_t>(port));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(handle, reinterpret_cast<sockaddr*>(&server), sizeof server) < 0 && errno != EINPROGRESS) {
    perror("load: connect");
    exit(1);
  }
  return handle;
}

inline int pendingSocketError(int handle) {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(handle, SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}
