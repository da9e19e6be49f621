/*
 * For LD_PRELOAD: notes what a process has synced, so that a test can cut its files down to that, as a power cut would.
 *
 * After each successful fsync or fdatasync of a regular file one line is appended to the file that HEARSAY_SYNC_LOG names:
 *
 *   <inode> <time of birth in ns> <size in bytes>
 *
 * By inode and not by path, since a file is often synced first and then renamed into its place; with the time of birth, since
 * inodes are used again. The size is that from before the call: what is written during it may be on the disk or not.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef int (*sync_call)(int);

static int is_file(int fd, struct statx *file) {
  unsigned mask = STATX_TYPE | STATX_SIZE | STATX_INO | STATX_BTIME;
  return statx(fd, "", AT_EMPTY_PATH, mask, file) == 0 && S_ISREG(file->stx_mode);
}

static void note(const struct statx *file) {
  const char *path = getenv("HEARSAY_SYNC_LOG");
  if (path == NULL) return;
  int log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (log < 0) return;
  char line[128];
  long long born = (long long)file->stx_btime.tv_sec * 1000000000LL + file->stx_btime.tv_nsec;
  int length = snprintf(line, sizeof line, "%llu %lld %llu\n", (unsigned long long)file->stx_ino, born,
                        (unsigned long long)file->stx_size);
  if (write(log, line, (size_t)length) != length) abort();
  close(log);
}

static int synced(const char *name, int fd) {
  struct statx file;
  int counts = is_file(fd, &file);
  int result = ((sync_call)dlsym(RTLD_NEXT, name))(fd);
  if (result == 0 && counts) note(&file);
  return result;
}

int fsync(int fd) { return synced("fsync", fd); }

int fdatasync(int fd) { return synced("fdatasync", fd); }
