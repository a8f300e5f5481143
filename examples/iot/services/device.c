// Devices with nothing but sockets. `device 498` starts d1 to d498, each as a process of its own:
// it waits for commands by long poll, and sends what it has measured in batches of lines.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// A device that was off for days has many commands: it takes as many at once as its buffers hold.
enum { ANSWER_MAX = 16384, COMMANDS_MAX = 20, WAIT_SECONDS = 25, BATCH = 5 };

static char name[16], token[1024], cursor[128] = "earliest", answer[ANSWER_MAX + 1];
static struct sockaddr_in hub;
static int connection = -1;

// The address in a variable such as http://127.0.0.1:7400.
static struct sockaddr_in address_of(const char *variable) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  char host[64];
  int port = 80;
  const char *url = getenv(variable);
  if (url == NULL || sscanf(url, "http://%63[^:/]:%d", host, &port) < 1) exit(2);
  address.sin_port = htons((unsigned short)port);
  inet_pton(AF_INET, host, &address.sin_addr);
  return address;
}

static void hang_up(void) {
  if (connection >= 0) close(connection);
  connection = -1;
}

// Reads one answer into `answer`; returns its status, or 0 when the connection broke.
static int read_answer(void) {
  size_t filled = 0;
  for (;;) {
    ssize_t got = filled < ANSWER_MAX ? recv(connection, answer + filled, ANSWER_MAX - filled, 0) : 0;
    if (got <= 0) return hang_up(), 0;
    filled += (size_t)got;
    answer[filled] = 0;
    char *body = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "content-length:");
    if (body == NULL || length == NULL) continue;
    if (filled < (size_t)(body + 4 - answer) + strtoul(length + 15, NULL, 10)) continue;
    // A server may end the connection with its answer: nginx does after 1,000 requests.
    if (strcasestr(answer, "\r\nconnection: close") != NULL) hang_up();
    return atoi(answer + 9);
  }
}

// Sends a request on the one connection of the device, which stays open; returns the status.
static int request(struct sockaddr_in to, const char *head, const char *body) {
  char text[8192];
  int bytes = snprintf(text, sizeof text,
      "%s HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
      head, token, strlen(body), body);
  if (connection < 0) {
    struct timeval timeout = {.tv_sec = WAIT_SECONDS + 10};
    connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    if (connect(connection, (struct sockaddr *)&to, sizeof to) != 0) return hang_up(), 0;
  }
  if (send(connection, text, (size_t)bytes, MSG_NOSIGNAL) != bytes) return hang_up(), 0;
  return read_answer();
}

// The device remembers its cursor over a loss of power, also one in the middle of this.
static void remember(int write) {
  char path[256], next[264];
  snprintf(path, sizeof path, "%s/%s.cursor", getenv("DATA_FOLDER"), name);
  snprintf(next, sizeof next, "%s.new", path);
  FILE *file = fopen(write ? next : path, write ? "w" : "r");
  if (file == NULL) return;
  if (write) fputs(cursor, file);
  else if (fscanf(file, "%127s", cursor) != 1) strcpy(cursor, "earliest");
  fclose(file);
  if (write) rename(next, path);
}

// Appends an event to a JSON array. An event that is sent again has the same key,
// so the hub stores it once.
static void add_event(char *events, size_t max, const char *kind, long key, const char *data) {
  size_t at = strlen(events);
  if (at > 0) at--;
  snprintf(events + at, max - at, "%c{\"channel\":\"devices.%s.%s\",\"type\":\"%s\",\"idempotencyKey\":\"%s-%s-%ld\",\"data\":%s}]",
      at > 0 ? ',' : '[', name, kind, kind, name, kind, key, data);
}

// Whether the hub has stored all events of an array. It answers 200, with a result for each.
static int publish(const char *events) { return request(hub, "POST /v1/events", events) == 200 && strstr(answer, "\"error\"") == NULL; }

// One event with some readings: what could not be sent yet is sent together.
static void measure(char *events, size_t max) {
  char data[512] = "{\"readings\":[";
  for (int count = 0; count < BATCH; count++) {
    size_t at = strlen(data);
    snprintf(data + at, sizeof data - at, "%s{\"celsius\":%.1f,\"at\":%ld}", count > 0 ? "," : "", 15 + (rand() % 200) / 10.0, (long)time(NULL) - BATCH + count);
  }
  strcat(data, "]}");
  add_event(events, max, "readings", (long)time(NULL), data);
}

// Does each command of the answer, says so, and moves the cursor.
// If that fails, the hub sends them again.
static int do_commands(void) {
  char events[4096] = "", data[160], next[128] = "";
  for (char *at = answer; (at = strstr(at, "\"number\":")) != NULL; at++) {
    long number = strtol(at + 9, NULL, 10);
    snprintf(data, sizeof data, "{\"number\":%ld}", number);
    add_event(events, sizeof events, "acks", number, data);
  }
  char *end = strstr(answer, "\"cursor\":\"");
  if (end != NULL) sscanf(end + 10, "%127[^\"]", next);
  if (events[0] != 0 && !publish(events)) return 0;
  if (next[0] == 0 || strcmp(next, cursor) == 0) return 1;
  strcpy(cursor, next);
  remember(1);
  return 1;
}

static void get_token(void) {
  char head[64];
  snprintf(head, sizeof head, "GET /api/token/%s", name);
  hang_up();
  while (request(address_of("REGISTRY_URL"), head, "") != 200) sleep(1);
  snprintf(token, sizeof token, "%s", strstr(answer, "\r\n\r\n") + 4);
  hang_up();
}

static void run(void) {
  char head[256], readings[2048] = "";
  srand((unsigned)atoi(name + 1));
  remember(0);
  get_token();
  hub = address_of("SITE_URL");
  for (int pause = 1;;) {
    // What could not be sent stays for the next attempt.
    if (readings[0] == 0) measure(readings, sizeof readings);
    int status = request(hub, "POST /v1/events", readings);
    if (status == 200) {
      readings[0] = 0;
      snprintf(head, sizeof head, "GET /v1/events?channel=devices.%s.commands&after=%s&wait=%d&limit=%d", name, cursor, WAIT_SECONDS, COMMANDS_MAX);
      status = request(hub, head, "");
      if (status == 200 && do_commands()) {
        pause = 1;
        continue;
      }
    }
    if (status == 401) get_token(); // the one before has expired
    // Not all at once: 500 devices come back after a power cut.
    usleep((useconds_t)(rand() % 1000) * 1000 * (useconds_t)pause);
    pause = pause < 30 ? pause * 2 : 30;
  }
}

int main(int count, char **arguments) {
  int devices = count > 1 ? atoi(arguments[1]) : 1;
  signal(SIGPIPE, SIG_IGN);
  for (int number = 1; number <= devices; number++) {
    if (fork() != 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(name, sizeof name, "d%d", number);
    run();
  }
  while (wait(NULL) > 0) {}
  return 0;
}
