// A part of a view as a tar archive.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "view.h"

namespace caisson::archive {

// What is at `path`, a directory with all that is in it, as entries that begin with `name`. The
// last component of the path is followed where it is a link if `follow` is set.
Status pack(View& view, const char* path, std::string_view name, bool follow, int output);

// What the container has changed, as the layer of an image (OCI image spec, layer.md): whiteouts
// for what was removed. `hidden` as for `compare`.
Status pack_layer(View& view, const std::set<std::string>& hidden, int output);

// Everything that is the container's own: without volumes and without what the engine mounts.
Status pack_parts(View& view, int output);

}  // namespace caisson::archive
