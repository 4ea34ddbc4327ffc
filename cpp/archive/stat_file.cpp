#include "stat_file.h"

#include <sys/stat.h>

#include <string_view>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../steps/resolve.h"
#include "buffered_output.h"
#include "file_access.h"

namespace caisson::archive {
namespace {

// Where a descriptor is, from the root of this process, which is that of the container.
std::string path_of(View& view, int fd) {
  const std::string number = std::to_string(fd);
  char path[4096];
  const long size =
      sys::call(__NR_readlinkat, view.own_descriptors.get(), number.c_str(), path, sizeof path);
  return size < 0 ? std::string() : std::string(path, static_cast<size_t>(size));
}

}  // namespace

Status stat_file(View& view, const char* path, bool follow, int output) {
  UniqueFd file;
  if (follow || std::string_view(path).ends_with('/')) {
    auto opened = open_below(view.root.get(), path, O_PATH);
    if (!opened.ok()) return opened.error();
    file = opened.take();
  } else {
    auto place = find_place(view.root.get(), path);
    if (!place.ok()) return place.error();
    auto opened = open_entry(place.value().directory.get(), place.value().name.c_str(), O_PATH);
    if (!opened.ok()) return opened.error();
    file = opened.take();
  }
  struct statx info {};
  if (Status looked = look(file.get(), info); !looked.ok()) return looked;
  std::string link, target;
  if ((info.stx_mode & S_IFMT) == S_IFLNK) {
    link = read_link(file.get());
    if (auto end = open_below(view.root.get(), path, O_PATH); end.ok())
      target = path_of(view, end.value().get());
  }
  Output words(output);
  const int64_t numbers[] = {info.stx_mode,         info.stx_uid,
                             info.stx_gid,          static_cast<int64_t>(info.stx_size),
                             info.stx_mtime.tv_sec, info.stx_mtime.tv_nsec};
  for (const int64_t number : numbers)
    if (Status written = words.write(std::to_string(number) + '\0'); !written.ok()) return written;
  for (const std::string& text : {link, target})
    if (Status written = words.write(text + '\0'); !written.ok()) return written;
  return words.flush();
}

}  // namespace caisson::archive
