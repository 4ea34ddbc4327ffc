// Compiles a seccomp profile with libseccomp, for the unit tests to hold caisson's own compiler
// against.
//
//   cc -o seccomp_reference seccomp_reference.c -lseccomp
//
// Standard input, a line each: `default ACTION`, then `arch NAME`, then
// `rule ACTION NAME [ARGUMENT OPERATOR VALUE VALUE2]...`; standard output: an array of struct
// sock_filter; standard error: the names that libseccomp does not know.
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fail(const char* what, int error) {
  fprintf(stderr, "seccomp_reference: %s: %s\n", what, strerror(error));
  return 1;
}

int main(void) {
  scmp_filter_ctx context = NULL;
  uint32_t default_action = 0;
  char line[4096];
  while (fgets(line, sizeof line, stdin)) {
    char name[64];
    uint32_t action;
    int used;
    if (sscanf(line, "default %" SCNu32, &action) == 1) {
      default_action = action;
      context = seccomp_init(action);
      if (!context) return fail("seccomp_init", EINVAL);
      seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    } else if (sscanf(line, "arch %63s", name) == 1) {
      const int result = seccomp_arch_add(context, seccomp_arch_resolve_name(name));
      if (result < 0 && result != -EEXIST) return fail(name, -result);
    } else if (sscanf(line, "rule %" SCNu32 " %63s%n", &action, name, &used) == 2) {
      struct scmp_arg_cmp args[6];
      unsigned count = 0;
      unsigned argument, op;
      uint64_t value, value_two;
      int more;
      const char* rest = line + used;
      while (count < 6 && sscanf(rest, "%u %u %" SCNu64 " %" SCNu64 "%n", &argument, &op, &value,
                                 &value_two, &more) == 4) {
        args[count++] = (struct scmp_arg_cmp){argument, (enum scmp_compare)op, value, value_two};
        rest += more;
      }
      const int number = seccomp_syscall_resolve_name(name);
      // What container runtimes leave out, too.
      if (number == __NR_SCMP_ERROR) fprintf(stderr, "%s\n", name);
      if (number == __NR_SCMP_ERROR || action == default_action) continue;
      const int result = seccomp_rule_add_array(context, action, number, count, args);
      if (result < 0 && result != -EEXIST) return fail(name, -result);
    } else {
      return fail(line, EINVAL);
    }
  }
  if (!context) return fail("no default", EINVAL);
  const int result = seccomp_export_bpf(context, STDOUT_FILENO);
  if (result < 0) return fail("seccomp_export_bpf", -result);
  seccomp_release(context);
  return 0;
}
