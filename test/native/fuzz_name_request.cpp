// Whatever bytes the process that parses sends to the one that has rights: they are refused, or are
// those that encode() writes.
#include <string.h>

#include <memory>

#include "../../cpp/resolver/name_request.h"
#include "support/fuzz.h"

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of exactly this size: what is read past it is noticed.
  const auto copy = std::make_unique<uint8_t[]>(size);
  if (size > 0) memcpy(copy.get(), data, size);
  NameRequest request;
  if (!NameRequest::decode(copy.get(), size, request)) return 0;
  require(request.name.size <= kMaxNameSize && request.count <= kMaxOpenedAtOnce);
  uint8_t again[kMaxNameRequest];
  require(request.encode(again) == size && memcmp(again, copy.get(), size) == 0);
  return 0;
}
