/*
 * Faults on the files of one directory, for the processes that load this (LD_PRELOAD).
 *
 * Every call that changes a file of the directory is counted, or, where `reads` are meant, every call that reads one; a shared-memory file of SQLite (-shm) is not, because nothing of
 * it has to outlive a process. A process does nothing of this before it calls fault_arm(). What is armed passes to the
 * processes that it forks: all of them count together, unless only the first is meant.
 *
 *   - The calls numbered first..last (from 1) meet the fault: 'e' fails with an error number and does nothing, 'k' kills before
 *     the call, 't' kills in the midst of it (half of what should be written is written; any other call is done whole).
 *   - While a `gate` file is named, faults happen only as long as that file exists.
 *   - While a `clock` file is there, its text, in whole seconds, is added to the time of day.
 *   - Into a `trace` every call goes that was counted, with the time and all that it wrote: enough to tell what of a file had
 *     reached the disk at any moment.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MOST_NAME 4096
#define NS_PER_S 1000000000LL

static struct {
  char directory[MOST_NAME]; /* without links, without a slash at the end; empty: not armed */
  char files[MOST_NAME];     /* beginnings of the names that are meant, each followed by a comma */
  char gate[MOST_NAME];
  char clock[MOST_NAME];
  int trace;                 /* a descriptor, or -1 */
  int everyone;              /* 0: the first process only */
  int reads;                 /* 0: calls that change a file; else: calls that read one */
  char action;               /* 'e', 'k', 't', or '-' to count only */
  int error;
  long first, last;
  pid_t first_process;
  long *count; /* shared by all processes */
} plan = {.trace = -1};

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER; /* so that the trace has the order of the calls */

static void lock(void) { pthread_mutex_lock(&one_at_a_time); }
static void unlock(void) { pthread_mutex_unlock(&one_at_a_time); }

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found == NULL) abort();
  return found;
}

static void copy(char *to, const char *from) { snprintf(to, MOST_NAME, "%s", from == NULL ? "" : from); }

/* From here on calls are counted. Returns 0, or -1 if the directory or the trace cannot be opened. */
int fault_arm(const char *directory, const char *files, int everyone, int reads, const char *trace, char action, int error,
              long first, long last, const char *gate, const char *clock) {
  static int forks_are_guarded = 0;
  char *resolved = realpath(directory, NULL);
  if (resolved == NULL) return -1;
  copy(plan.files, files);
  copy(plan.gate, gate);
  copy(plan.clock, clock);
  plan.everyone = everyone;
  plan.reads = reads;
  plan.action = action;
  plan.error = error;
  plan.first = first;
  plan.last = last;
  plan.first_process = getpid();
  plan.count = mmap(NULL, sizeof *plan.count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (trace != NULL && *trace != '\0') {
    plan.trace = REAL(open)(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (plan.trace < 0) return -1;
  }
  if (!forks_are_guarded++) pthread_atfork(lock, unlock, unlock);
  copy(plan.directory, resolved);
  free(resolved);
  return 0;
}

/* The name inside the directory ("." for the directory itself) if calls on `path` count, or NULL. */
static const char *name_of(const char *path) {
  size_t length = strlen(plan.directory);
  if (length == 0 || strncmp(path, plan.directory, length) != 0) return NULL;
  if (!plan.everyone && getpid() != plan.first_process) return NULL;
  if (path[length] != '\0' && path[length] != '/') return NULL;
  const char *name = path[length] == '/' ? path + length + 1 : ".";
  size_t name_length = strlen(name);
  if (name_length >= 4 && strcmp(name + name_length - 4, "-shm") == 0) return NULL;
  for (const char *wanted = plan.files; *wanted != '\0';) {
    size_t wanted_length = strcspn(wanted, ",");
    if (strncmp(name, wanted, wanted_length) == 0) return name;
    wanted += wanted_length + (wanted[wanted_length] == ',');
  }
  return NULL;
}

static const char *name_of_descriptor(int descriptor, char *path) {
  char link[64];
  if (plan.directory[0] == '\0') return NULL;
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, MOST_NAME - 1);
  if (length < 0) return NULL;
  path[length] = '\0';
  return name_of(path);
}

static void record(long number, char operation, char fate, const char *name, off_t offset, const void *data, size_t size) {
  char head[MOST_NAME + 128];
  struct timespec now;
  if (plan.trace < 0) return;
  clock_gettime(CLOCK_MONOTONIC, &now);
  int length = snprintf(head, sizeof head, "%ld %lld %c%c %lld %zu %s\n", number, now.tv_sec * NS_PER_S + now.tv_nsec,
                        operation, fate, (long long)offset, size, name);
  char *whole = malloc(length + size);
  memcpy(whole, head, length);
  if (size > 0) memcpy(whole + length, data, size);
  if (REAL(write)(plan.trace, whole, length + size) != (ssize_t)(length + size)) abort();
  free(whole);
}

static void die(void) {
  kill(plan.everyone ? 0 : plan.first_process, SIGKILL); /* 0: the whole process group */
  for (;;) pause();
}

/*
 * Count a call, under the lock. Returns what becomes of it: '.' it is made, 'e' it fails (errno is set), 't' it is made in part
 * and then the process dies.
 */
static char meet(char operation, const char *name, off_t offset, const void *data, size_t size) {
  if ((operation == 'g') != (plan.reads != 0)) return '.';
  long number = __atomic_add_fetch(plan.count, 1, __ATOMIC_SEQ_CST);
  int hit = plan.action != '-' && number >= plan.first && number <= plan.last;
  if (hit && plan.gate[0] != '\0' && access(plan.gate, F_OK) != 0) hit = 0;
  char fate = hit ? plan.action : '.';
  if (fate == 't' && operation == 'w') size /= 2;
  if (fate != 'k') record(number, operation, fate, name, offset, data, size);
  if (fate == 'k') die();
  if (fate == 'e') errno = plan.error;
  return fate;
}

/* `descriptor`, `operation`, `offset`, `data`, `size`: the call; `whole` makes it and `part` makes half of it. */
#define ON_DESCRIPTOR(operation, offset, data, size, whole, part) \
  do { \
    char path[MOST_NAME]; \
    const char *name = name_of_descriptor(descriptor, path); \
    if (name == NULL) return whole; \
    lock(); \
    char fate = meet(operation, name, offset, data, size); \
    if (fate == 't') { \
      if (part < 0) abort(); \
      die(); \
    } \
    __typeof__(whole) result = fate == 'e' ? -1 : whole; \
    unlock(); \
    return result; \
  } while (0)

#define ON_PATH(operation, path, data, size, whole) \
  do { \
    const char *name = plan.directory[0] == '\0' ? NULL : name_of(path); \
    if (name == NULL) return whole; \
    lock(); \
    char fate = meet(operation, name, 0, data, size); \
    __typeof__(whole) result = fate == 'e' ? -1 : whole; \
    if (fate == 't') die(); \
    unlock(); \
    return result; \
  } while (0)

static off_t position(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  return lseek(descriptor, 0, flags >= 0 && (flags & O_APPEND) ? SEEK_END : SEEK_CUR);
}

ssize_t write(int descriptor, const void *data, size_t size) {
  ON_DESCRIPTOR('w', position(descriptor), data, size, REAL(write)(descriptor, data, size),
                REAL(write)(descriptor, data, size / 2));
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) {
  ON_DESCRIPTOR('w', offset, data, size, REAL(pwrite)(descriptor, data, size, offset),
                REAL(pwrite)(descriptor, data, size / 2, offset));
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
  ON_DESCRIPTOR('w', offset, data, size, REAL(pwrite64)(descriptor, data, size, offset),
                REAL(pwrite64)(descriptor, data, size / 2, offset));
}

/* Nearly all reads are of other things: these are let through before anything is looked up. */
#define READ(whole, part) \
  do { \
    if (!plan.reads) return whole; \
    ON_DESCRIPTOR('g', 0, NULL, 0, whole, part); \
  } while (0)

ssize_t read(int descriptor, void *data, size_t size) {
  READ(REAL(read)(descriptor, data, size), REAL(read)(descriptor, data, size / 2));
}

ssize_t pread(int descriptor, void *data, size_t size, off_t offset) {
  READ(REAL(pread)(descriptor, data, size, offset), REAL(pread)(descriptor, data, size / 2, offset));
}

ssize_t pread64(int descriptor, void *data, size_t size, off64_t offset) {
  READ(REAL(pread64)(descriptor, data, size, offset), REAL(pread64)(descriptor, data, size / 2, offset));
}

int fsync(int descriptor) { ON_DESCRIPTOR('s', 0, NULL, 0, REAL(fsync)(descriptor), REAL(fsync)(descriptor)); }

int fdatasync(int descriptor) { ON_DESCRIPTOR('s', 0, NULL, 0, REAL(fdatasync)(descriptor), REAL(fdatasync)(descriptor)); }

int ftruncate(int descriptor, off_t length) {
  ON_DESCRIPTOR('t', length, NULL, 0, REAL(ftruncate)(descriptor, length), REAL(ftruncate)(descriptor, length));
}

int ftruncate64(int descriptor, off64_t length) {
  ON_DESCRIPTOR('t', length, NULL, 0, REAL(ftruncate64)(descriptor, length), REAL(ftruncate64)(descriptor, length));
}

int unlink(const char *path) { ON_PATH('u', path, NULL, 0, REAL(unlink)(path)); }

int rename(const char *from, const char *to) { ON_PATH('r', from, to, strlen(to), REAL(rename)(from, to)); }

/* Opening counts only where it may make a file. */
#define OPEN(function) \
  int function(const char *path, int flags, ...) { \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
      va_list rest; \
      va_start(rest, flags); \
      mode = va_arg(rest, mode_t); \
      va_end(rest); \
    } \
    if (!(flags & O_CREAT)) return REAL(function)(path, flags, mode); \
    ON_PATH('c', path, NULL, 0, REAL(function)(path, flags, mode)); \
  }

OPEN(open)
OPEN(open64)

int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = REAL(clock_gettime)(clock, now);
  if (clock != CLOCK_REALTIME || plan.clock[0] == '\0') return result;
  int descriptor = REAL(open)(plan.clock, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return result;
  char text[32] = "";
  if (REAL(read)(descriptor, text, sizeof text - 1) > 0) now->tv_sec += atol(text);
  close(descriptor);
  return result;
}
