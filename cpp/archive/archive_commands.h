// The subcommands of caisson-archive. Descriptors: 0 is the input, 3 the report, 4 the directory; 5
// is a stream to the process that writes the id maps, where `user-namespace=1`; 6 is a second
// archive, where `directories=1`; 7 is an empty network namespace, where `network=1`.
#pragma once

#include "arguments.h"

namespace caisson {

constexpr int kReportFd = 3, kDirectoryFd = 4, kChannelFd = 5, kDirectoriesFd = 6, kNetworkFd = 7;

// Unpacks a layer into the directory, which is empty. The arguments are limits (size, ratio,
// ratio-from, entries, file-size, depth, path), and of a rootless user `user-namespace`, `devices`
// and `one-id`. With `directories`, the second archive has the attributes of directories that the
// layer does not contain itself. The exit code is 0 if the report tells how it has ended.
int unpack_main(const Arguments& arguments);

// Removes everything in the directory. The kind of the report is `none` then.
int remove_main(const Arguments& arguments);

// Works with the files of a container, running or not (request.h, lib/archive/view.ts).
// Descriptors: 0 is the input, 1 the output, 2 the report, 3 the request, 4 a stream to the process
// that writes the id maps. The exit code is 0 if it was done.
int view_main(const Arguments& arguments);

}  // namespace caisson
