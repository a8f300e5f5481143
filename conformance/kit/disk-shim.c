/*
 * Stands between a process and the files below one folder (LD_PRELOAD).
 * What it does is ordered by files in a control folder:
 *
 *   full        while it exists, writes that add to a file fail with ENOSPC (not to -shm, which
 *               SQLite maps)
 *   hold        while it exists, fsync and fdatasync of files whose name begins with its
 *               content wait
 *   held        made by the shim when a sync waits
 *   kill-at     a number: the process is killed before the operation of that number
 *   journal     if it exists, each operation is appended to it, in order, with its data
 *
 * DISK_SHIM_ROOT and DISK_SHIM_CONTROL name both folders.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static char root[4096];
static size_t root_length;
static char control[1024];
static int journal = -1;
static long kill_at = -1;
static long operations;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

/* Never through our own functions. */
static int raw_open(const char *path, int flags) { return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600); }
static ssize_t raw_write(int fd, const void *data, size_t size) { return syscall(SYS_write, fd, data, size); }

static void control_path(char *out, const char *name) { snprintf(out, 4096, "%s/%s", control, name); }

static int ordered(const char *name, char *content, size_t size) {
  char path[4096];
  control_path(path, name);
  int fd = raw_open(path, O_RDONLY);
  if (fd < 0) return 0;
  if (content != NULL) {
    ssize_t length = syscall(SYS_read, fd, content, size - 1);
    content[length < 0 ? 0 : length] = 0;
  }
  syscall(SYS_close, fd);
  return 1;
}

__attribute__((constructor)) static void begin(void) {
  const char *folder = getenv("DISK_SHIM_ROOT");
  const char *orders = getenv("DISK_SHIM_CONTROL");
  if (folder == NULL || orders == NULL) return;
  snprintf(root, sizeof root, "%.4000s", folder);
  root_length = strlen(root);
  snprintf(control, sizeof control, "%.1000s", orders);
  char path[4096], text[32];
  control_path(path, "journal");
  journal = raw_open(path, O_WRONLY | O_APPEND);
  if (ordered("kill-at", text, sizeof text)) kill_at = atol(text);
}

/* The path below the root; NULL for anything else, and for what SQLite keeps in shared memory. */
static const char *below(const char *path) {
  if (root_length == 0 || strncmp(path, root, root_length) != 0) return NULL;
  if (path[root_length] == 0) return ".";
  if (path[root_length] != '/') return NULL;
  size_t length = strlen(path);
  if (length > 4 && strcmp(path + length - 4, "-shm") == 0) return NULL;
  return path + root_length + 1;
}

static const char *name_of(int fd, char *out) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, out, 4095);
  if (length < 0) return NULL;
  out[length] = 0;
  return below(out);
}

static void record(char kind, const char *name, const char *other, int64_t offset, const void *data, size_t size) {
  if (journal < 0) return;
  char head[9000];
  int length = snprintf(head, sizeof head, "%c %s %s %lld %zu\n", kind, name, other, (long long)offset, size);
  raw_write(journal, head, (size_t)length);
  if (size > 0) raw_write(journal, data, size);
}

/* One operation: counted, and maybe the last. */
static void lock_operation(void) {
  pthread_mutex_lock(&order);
  operations++;
  if (kill_at > 0 && operations == kill_at) syscall(SYS_kill, getpid(), SIGKILL);
}
static void unlock_operation(void) { pthread_mutex_unlock(&order); }

static int is_full(void) { return ordered("full", NULL, 0); }

static ssize_t written_at(int fd, const void *data, size_t size, int64_t offset, const char *name) {
  lock_operation();
  ssize_t written;
  if (offset < 0) {
    struct stat found;
    int flags = fcntl(fd, F_GETFL);
    fstat(fd, &found);
    offset = (flags & O_APPEND) ? found.st_size : (int64_t)lseek(fd, 0, SEEK_CUR);
    if (is_full()) { unlock_operation(); errno = ENOSPC; return -1; }
    written = raw_write(fd, data, size);
  } else {
    struct stat found;
    fstat(fd, &found);
    if (offset + (int64_t)size > found.st_size && is_full()) { unlock_operation(); errno = ENOSPC; return -1; }
    written = syscall(SYS_pwrite64, fd, data, size, offset);
  }
  if (written > 0) record('W', name, "-", offset, data, (size_t)written);
  unlock_operation();
  return written;
}

ssize_t write(int fd, const void *data, size_t size) {
  char path[4096];
  const char *name = fd > 2 ? name_of(fd, path) : NULL;
  return name == NULL ? raw_write(fd, data, size) : written_at(fd, data, size, -1, name);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
  char path[4096];
  const char *name = name_of(fd, path);
  return name == NULL ? syscall(SYS_pwrite64, fd, data, size, offset) : written_at(fd, data, size, offset, name);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }

int ftruncate64(int fd, off64_t size) {
  char path[4096];
  const char *name = name_of(fd, path);
  if (name == NULL) return (int)syscall(SYS_ftruncate, fd, size);
  lock_operation();
  int result = (int)syscall(SYS_ftruncate, fd, size);
  if (result == 0) record('T', name, "-", size, NULL, 0);
  unlock_operation();
  return result;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int synced(int fd, long number) {
  char path[4096];
  const char *name = name_of(fd, path);
  if (name == NULL) return (int)syscall(number, fd);
  char prefix[256];
  while (ordered("hold", prefix, sizeof prefix) && strncmp(name, prefix, strlen(prefix)) == 0) {
    char held[4096];
    control_path(held, "held");
    int mark = raw_open(held, O_WRONLY | O_CREAT);
    if (mark >= 0) syscall(SYS_close, mark);
    struct timespec moment = {0, 5000000};
    nanosleep(&moment, NULL);
  }
  lock_operation();
  int result = (int)syscall(number, fd);
  if (result == 0) record('S', name, "-", 0, NULL, 0);
  unlock_operation();
  return result;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

static int opened(const char *path, int flags, mode_t mode) {
  const char *name = below(path);
  if (name == NULL || (flags & (O_CREAT | O_TRUNC)) == 0) return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  lock_operation();
  struct stat found;
  int was_there = stat(path, &found) == 0;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  if (fd >= 0 && !was_there) record('C', name, "-", 0, NULL, 0);
  else if (fd >= 0 && (flags & O_TRUNC) != 0) record('T', name, "-", 0, NULL, 0);
  unlock_operation();
  return fd;
}
int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return opened(path, flags, mode);
}
int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return opened(path, flags, mode);
}

int unlink(const char *path) {
  const char *name = below(path);
  if (name == NULL) return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  lock_operation();
  int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  if (result == 0) record('U', name, "-", 0, NULL, 0);
  unlock_operation();
  return result;
}

int rename(const char *from, const char *to) {
  const char *name = below(from);
  const char *other = below(to);
  if (name == NULL || other == NULL) return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  lock_operation();
  int result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  if (result == 0) record('R', name, other, 0, NULL, 0);
  unlock_operation();
  return result;
}
