// Serves requests about the files of a view, one after the other, until the input ends or the
// container does.
#pragma once

#include "view.h"

namespace caisson::archive {

Status serve_files(View& view, int input, int output);

}  // namespace caisson::archive
