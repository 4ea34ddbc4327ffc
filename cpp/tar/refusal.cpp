#include "refusal.h"

namespace caisson {

const char* refusal_name(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return "none";
    case Refusal::kTruncated:
      return "truncated";
    case Refusal::kInvalidHeader:
      return "invalid-header";
    case Refusal::kInvalidCompressed:
      return "invalid-compressed";
    case Refusal::kUnsupported:
      return "unsupported";
    case Refusal::kTooLarge:
      return "too-large";
    case Refusal::kRatio:
      return "ratio";
    case Refusal::kTooManyEntries:
      return "too-many-entries";
    case Refusal::kPathTooLong:
      return "path-too-long";
    case Refusal::kUnsafePath:
      return "unsafe-path";
    case Refusal::kUnsafeLink:
      return "unsafe-link";
    case Refusal::kInvalidWhiteout:
      return "invalid-whiteout";
    case Refusal::kUnmappedId:
      return "unmapped-id";
    case Refusal::kSystem:
      return "system";
  }
  return "unknown";
}

}  // namespace caisson
