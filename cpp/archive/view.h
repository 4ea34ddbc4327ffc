// The files of a container, or a directory of the host, by a descriptor of the root: what is asked
// for is found below it by the kernel (RESOLVE_IN_ROOT), whatever the container's processes do with
// links meanwhile.
#pragma once

#include <string>
#include <vector>

#include "../base/result.h"
#include "../base/unique_fd.h"
#include "request.h"

namespace caisson::archive {

// A mount of the container's own layers, without what is mounted above it.
struct Part {
  std::string place;  // "/" first
  UniqueFd mount;
};

struct View {
  UniqueFd root;
  // /proc/self/fd of this process, by which an O_PATH descriptor is opened: the container's /proc
  // is another one.
  UniqueFd own_descriptors;
  // The first process of a running container; readable when it has ended.
  UniqueFd process;
  // Of a running container: what is the container's own is asked for by `open_parts`.
  std::vector<Part> parts;
  // What a container changed, the top layer first, and what was below.
  std::vector<UniqueFd> uppers;
  UniqueFd lower;
  // Owners that do not exist in the user namespace cannot be given to files.
  bool user_namespace = false;
};

// Makes or enters what the request describes, and gives up all rights but those over files.
// `channel`: where the id maps of a new user namespace are asked for.
Status open_view(Request& request, int channel, View& view);

// Of a running container, in whose mount namespace this process is: detached mounts at the paths.
Status open_running(Request& request, View& view);

// A stopped container's, in a mount namespace of this process.
Status open_layers(Request& request, int channel, View& view);

// What `diff` compares: a container's layers, and those of its image.
Status open_changes(Request& request, int channel, View& view);

}  // namespace caisson::archive
