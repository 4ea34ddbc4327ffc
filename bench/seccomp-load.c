// How long the kernel takes to load each filter, and what a system call costs under it.
//
//   cc -O2 -o seccomp-load seccomp-load.c && ./seccomp-load FILTER.bpf...
//
// A file is an array of struct sock_filter. Each load is in a fresh child; the files take turns.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 1000, CALLS = 20000, MAX_FILES = 16 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int ascending(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static double median(double* values, int count) {
  qsort(values, (size_t)count, sizeof *values, ascending);
  return values[count / 2];
}

int main(int argc, char** argv) {
  static struct sock_filter programs[MAX_FILES][4096];
  static double loads[MAX_FILES][ROUNDS], plain[MAX_FILES][ROUNDS], judged[MAX_FILES][ROUNDS];
  struct sock_fprog filters[MAX_FILES];
  const int files = argc - 1;
  if (files < 1 || files > MAX_FILES) return 2;
  for (int i = 0; i < files; i++) {
    const int fd = open(argv[i + 1], O_RDONLY);
    const ssize_t size = read(fd, programs[i], sizeof programs[i]);
    if (size <= 0) return perror(argv[i + 1]), 1;
    close(fd);
    filters[i] = (struct sock_fprog){(unsigned short)(size / 8), programs[i]};
  }
  double* shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return perror("mmap"), 1;
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < files; i++) {
      const pid_t child = fork();
      if (child == 0) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        double from = now();
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filters[i]) != 0) _exit(1);
        shared[0] = now() - from;
        if (round % 20 == 0) {
          from = now();
          for (int n = 0; n < CALLS; n++)
            syscall(SYS_getppid);
          shared[1] = (now() - from) / CALLS * 1e3;
          from = now();
          // Decided by its argument, hence always by the program.
          for (int n = 0; n < CALLS; n++)
            syscall(SYS_personality, 0xffffffff);
          shared[2] = (now() - from) / CALLS * 1e3;
        }
        _exit(0);
      }
      int status = 0;
      waitpid(child, &status, 0);
      if (status != 0) return fprintf(stderr, "%s: not loaded\n", argv[i + 1]), 1;
      loads[i][round] = shared[0];
      if (round % 20 == 0) {
        plain[i][round / 20] = shared[1];
        judged[i][round / 20] = shared[2];
      }
    }
  }
  printf("%-32s %12s %9s %12s %16s\n", "filter", "instructions", "load µs", "getppid ns",
         "personality ns");
  for (int i = 0; i < files; i++) {
    printf("%-32s %12u %9.1f %12.1f %16.1f\n", argv[i + 1], filters[i].len,
           median(loads[i], ROUNDS), median(plain[i], ROUNDS / 20), median(judged[i], ROUNDS / 20));
  }
  return 0;
}
