// Whatever the processes inside make of the page that they share with the engine: an ending is one
// that a process can have, and an error's texts end.
#include <string.h>

#include <algorithm>
#include <memory>

#include "../../cpp/program/page.h"
#include "support/fuzz.h"

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto page = std::make_unique<Page>();
  const size_t first = std::min(size, size_t{8});
  memset(page.get(), 0xff, sizeof page->outcome);
  memcpy(&page->outcome, data, first);
  memset(&page->error, size > 8 ? data[8] : 0, sizeof page->error);
  if (size > 9) memcpy(&page->error, data + 9, std::min(size - 9, sizeof page->error));

  Ending ending{};
  if (read_outcome(page.get(), ending)) {
    require(ending.signal >= 0 && ending.signal <= 64);
    require(ending.signal == 0 ? ending.code >= 0 && ending.code <= 255 : ending.code == -1);
  }
  const ErrorRecord error = read_error(page.get());
  require(memchr(error.call, 0, sizeof error.call) != nullptr);
  require(memchr(error.object, 0, sizeof error.object) != nullptr);
  return 0;
}
