// Times commands from a small process, so that what is measured is the command and not the one who
// starts it. Reads lines "COUNT SPACING_MS TIMEOUT_S<TAB>program<TAB>argument…" from stdin; prints
// one JSON line a start: start to exit in microseconds, and the exit code if it is not 0 (after
// which the rest of that line's starts is dropped).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// The exit code; 128 + signal; -1 where it could not be started.
static int run(char** arguments, posix_spawn_file_actions_t* actions, int timeout_ms) {
  pid_t pid;
  if ((errno = posix_spawnp(&pid, arguments[0], actions, NULL, arguments, environ)) != 0) return -1;
  const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  struct pollfd poll_for = {.fd = pidfd, .events = POLLIN};
  if (poll(&poll_for, 1, timeout_ms) == 0) kill(pid, SIGKILL);
  close(pidfd);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // Not /dev/null: crun gives what its standard streams are to the container's root, for good.
  posix_spawn_file_actions_adddup2(&actions, memfd_create("stdin", MFD_CLOEXEC), 0);
  posix_spawn_file_actions_adddup2(&actions, memfd_create("stdout", MFD_CLOEXEC), 1);
  // Standard error stays where this program's own goes: what a contestant complains of must be
  // seen.

  static char line[65536];
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    int count = 0;
    double spacing = 0;
    int timeout = 60;
    char* arguments[256];
    int length = 0;
    char* rest = strchr(line, '\t');
    if (rest == NULL || sscanf(line, "%d %lf %d", &count, &spacing, &timeout) != 3) return 2;
    for (rest++; rest != NULL && length < 255;)
      arguments[length++] = strsep(&rest, "\t");
    arguments[length] = NULL;
    for (int i = 0; i < count; i++) {
      if (spacing > 0) usleep((useconds_t)(spacing * 1000));
      const uint64_t begin = now();
      const int code = run(arguments, &actions, timeout * 1000);
      const double took = (double)(now() - begin) / 1e3;
      if (code == 0) {
        printf("{\"us\":%.1f}\n", took);
      } else {
        printf("{\"us\":%.1f,\"exitCode\":%d}\n", took, code);
        break;
      }
    }
    // The harness counts on it: that line is done.
    printf("{\"done\":true}\n");
    fflush(stdout);
  }
  return 0;
}
