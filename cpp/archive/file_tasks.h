// Single operations on the files of a view. Paths begin at its root, links are followed inside it,
// and nothing that is no regular file or directory is opened.
#pragma once

#include "frame.h"
#include "view.h"

namespace caisson::archive {

// How a file is opened.
constexpr uint32_t kOpenWrite = 1, kOpenCreate = 2, kOpenTruncate = 4, kOpenExclusive = 8,
                   kOpenAppend = 16;

Status stat_path(View& view, const std::string& path, bool follow, FrameWriter& answer);
// Names with what they are, until the answer is full; `from` is the number of those that were told
// before. The answer begins with the number of names.
Status list_directory(View& view, const std::string& path, uint32_t from, FrameWriter& answer);
Result<UniqueFd> open_file(View& view, const std::string& path, uint32_t flags, uint32_t mode);
// With its missing parents if `recursive` is set; then one that is there is no error.
Status make_directory(View& view, const std::string& path, uint32_t mode, bool recursive);
// A directory only with all that is in it if `recursive` is set. A link is removed itself.
Status remove_path(View& view, const std::string& path, bool recursive);
Status rename_path(View& view, const std::string& from, const std::string& to);
Status change_mode(View& view, const std::string& path, uint32_t mode);
Status change_owner(View& view, const std::string& path, uint32_t uid, uint32_t gid);
Status make_symlink(View& view, const std::string& target, const std::string& path);

}  // namespace caisson::archive
