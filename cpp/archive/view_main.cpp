// One task in a view: from the words of a request on descriptor 3 to a result on descriptors 1
// and 2.
#include <linux/prctl.h>
#include <string.h>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "archive_commands.h"
#include "confine_view.h"
#include "diff.h"
#include "extract.h"
#include "file_server.h"
#include "pack.h"
#include "request.h"
#include "stat_file.h"
#include "view.h"

namespace caisson::archive {
namespace {

constexpr int kRequest = 3, kChannel = 4;
constexpr int kInput = 0, kOutput = 1, kReport = 2;

// A line: an errno, the call or the refusal, and the path, in which control characters and bytes
// that are not ASCII are `%XX`.
void report(int number, const char* call, std::string_view path) {
  constexpr size_t kLongest = 4096;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string line = std::to_string(number) + ' ' + (call != nullptr ? call : "-") + ' ';
  for (const char letter : path) {
    const auto byte = static_cast<uint8_t>(letter);
    if (line.size() > kLongest) break;
    if (byte > ' ' && byte < 0x7f && byte != '%') {
      line += letter;
    } else {
      line += '%';
      line += kDigits[byte >> 4];
      line += kDigits[byte & 15];
    }
  }
  line += '\n';
  sys::call(__NR_write, kReport, line.data(), line.size());
}

int finish(const Status& status, std::string_view path) {
  if (status.ok()) {
    report(0, "done", path);
    return 0;
  }
  const Error error = status.error();
  report(error.number, error.call, error.object != nullptr ? error.object : path);
  return 1;
}

Status open_host(Request& request, View& view) {
  const char* const path = request.word();
  const long opened = sys::call(__NR_openat, AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return failure(opened, "openat", path);
  view.root.reset(static_cast<int>(opened));
  return {};
}

Status open_any(Request& request, View& view) {
  const std::string_view kind = request.text();
  if (kind == "running") return open_running(request, view);
  if (kind == "layers") return open_layers(request, kChannel, view);
  if (kind == "changes") return open_changes(request, kChannel, view);
  if (kind == "host") return open_host(request, view);
  return Error{EINVAL, "request"};
}

int run(Request& request, View& view) {
  const std::string_view task = request.text();
  if (task == "diff" || task == "layer") {
    std::set<std::string> hidden;
    for (uint64_t count = request.number(); count > 0 && request.valid(); --count)
      hidden.emplace(request.text());
    if (!request.valid()) return finish(Error{EINVAL, "request"}, "");
    return finish(task == "diff" ? diff(view, hidden, kOutput) : pack_layer(view, hidden, kOutput),
                  "/");
  }
  if (task == "export") return finish(pack_parts(view, kOutput), "/");
  if (task == "pack") {
    const char* const path = request.word();
    const std::string name(request.text());
    const bool follow = request.flag();
    if (!request.valid()) return finish(Error{EINVAL, "request"}, "");
    return finish(pack(view, path, name, follow, kOutput), path);
  }
  if (task == "extract") {
    const char* const path = request.word();
    ExtractOptions options;
    const std::string_view owners = request.text();
    options.owners = owners == "archive"  ? Owners::kOfArchive
                     : owners == "mapped" ? Owners::kWhereMapped
                                          : Owners::kOfProcess;
    if (!request.valid()) return finish(Error{EINVAL, "request"}, "");
    ExtractResult result;
    extract(view, path, options, kInput, result);
    if (!result.trouble.ok()) {
      const int number = result.trouble.number != 0 ? result.trouble.number : EBADMSG;
      report(number, refusal_name(result.trouble.refusal), result.path);
      return 1;
    }
    if (!result.status.ok()) return finish(result.status, result.path);
    report(0, "done", std::to_string(result.entries) + ":" + std::to_string(result.bytes));
    return 0;
  }
  if (task == "stat") {
    const char* const path = request.word();
    const bool follow = request.flag();
    if (!request.valid()) return finish(Error{EINVAL, "request"}, "");
    return finish(stat_file(view, path, follow, kOutput), path);
  }
  if (task == "serve") return finish(serve_files(view, kInput, kOutput), "");
  return finish(Error{EINVAL, "request"}, "");
}

int run_view() {
  // The directory of the caller is none of its business.
  if (const long moved = sys::call(__NR_chdir, "/"); moved < 0)
    return finish(failure(moved, "chdir", "/"), "");
  Request request;
  if (Status read = request.read(kRequest); !read.ok()) return finish(read, "");
  sys::close(kRequest);
  View view;
  // Before the container's own /proc takes the place of this one.
  const long own =
      sys::call(__NR_openat, AT_FDCWD, "/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return finish(failure(own, "openat", "/proc/self/fd"), "");
  view.own_descriptors.reset(static_cast<int>(own));
  if (Status opened = open_any(request, view); !opened.ok()) return finish(opened, "");
  sys::call(__NR_umask, 0);
  if (Status confined = confine_view(view.lower.valid()); !confined.ok())
    return finish(confined, "");
  return run(request, view);
}

}  // namespace
}  // namespace caisson::archive

namespace caisson {

int view_main(const Arguments& /*arguments*/) {
  return archive::run_view();
}

}  // namespace caisson
