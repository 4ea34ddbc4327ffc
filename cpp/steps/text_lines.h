// Texts with a line for each of the things that a step does at once.
#pragma once

#include "../program/program.h"

namespace caisson {

// The line of that number, from 1; all of it where there are fewer.
inline Blob line_of(Blob text, uint32_t number) {
  uint32_t start = 0;
  for (uint32_t at = 0; at < text.size; ++at) {
    if (text.data[at] != '\n') continue;
    if (number-- == 1) return {text.data + start, at - start};
    start = at + 1;
  }
  if (number == 1) return {text.data + start, text.size - start};
  return text;
}

}  // namespace caisson
