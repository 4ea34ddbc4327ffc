// The elements of arrays. In a worker that is being terminated they cannot be read: node-addon-api
// then gives an empty value, and ends the process when that is asked for anything.
#pragma once

#include <napi.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace caisson {

// Calls `use` with each element, of the first `most`. False if one cannot be read; then the caller
// returns an empty value, as no code of the worker runs any more.
template <class Use>
bool each_element(const Napi::Array& list, uint32_t most, Use use) {
  for (uint32_t i = 0; i < std::min(list.Length(), most); ++i) {
    const Napi::Value element = list.Get(i);
    if (element.IsEmpty()) return false;
    use(element, i);
  }
  return true;
}

inline std::optional<std::vector<std::string>> strings_of(const Napi::Value& list) {
  std::vector<std::string> strings;
  const bool all = each_element(list.As<Napi::Array>(), UINT32_MAX,
                                [&strings](const Napi::Value& element, uint32_t) {
                                  strings.push_back(element.As<Napi::String>().Utf8Value());
                                });
  return all ? std::optional(std::move(strings)) : std::nullopt;
}

}  // namespace caisson
