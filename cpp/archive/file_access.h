// Files below a directory's descriptor. What is there may be replaced at any moment by a process of
// the container: a file is looked at by an O_PATH descriptor, and what is done then is done to that
// descriptor.
#pragma once

#include <linux/stat.h>

#include <string>
#include <string_view>
#include <vector>

#include "../base/result.h"
#include "../base/unique_fd.h"
#include "../tar/pax.h"

namespace caisson::archive {

// A name in a directory, or `.`; the directory is found first, with all its links.
struct Place {
  UniqueFd directory;
  std::string name;
};

// `path` without slashes at its end. Its last component is a link that is not followed.
Result<Place> find_place(int root, std::string_view path);

// One component, which is no link. Never a magic link, never `..`.
Result<UniqueFd> open_entry(int directory, const char* name, uint64_t flags);

// Opens what an O_PATH descriptor of a regular file or a directory is of.
Result<UniqueFd> reopen(int own_descriptors, int fd, uint64_t flags);

Status look(int fd, struct statx& info);

// Names in an open directory, sorted by their bytes.
Result<std::vector<std::string>> list_names(int directory);

std::string read_link(int fd);

// Of a regular file or a directory that is open for reading. Attributes of overlayfs and labels of
// the host are left out.
Result<std::vector<tar::Attribute>> read_attributes(int fd);

bool is_portable_attribute(std::string_view name);

}  // namespace caisson::archive
