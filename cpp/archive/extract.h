// A tar archive into a directory of a view.
#pragma once

#include "../tar/refusal.h"
#include "view.h"

namespace caisson::archive {

enum class Owners {
  kOfProcess,  // files have the owner that this process makes files with
  kOfArchive,
  kWhereMapped  // … of the archive, where that is one of the user namespace's ids
};

struct ExtractOptions {
  Owners owners = Owners::kOfProcess;
};

struct ExtractResult {
  Status status;
  Trouble trouble;   // of the archive
  std::string path;  // the entry at which it has failed
  uint64_t entries = 0, bytes = 0;
};

// `directory` is followed to its end. Paths of entries are below it, with the links that are there,
// and never leave the view.
void extract(View& view, const char* directory, const ExtractOptions& options, int input,
             ExtractResult& result);

}  // namespace caisson::archive
