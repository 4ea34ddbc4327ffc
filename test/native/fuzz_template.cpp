// Whatever template, patches and texts come: what is made of them has the right size, and the
// decoder refuses it or finds the texts where the patches have put them.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <memory>
#include <vector>

#include "../../cpp/launcher/template.h"
#include "../../cpp/program/program.h"
#include "support/fuzz.h"

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

namespace {

constexpr uint32_t kText = 4;  // lib/program/template.ts

// Copies of exactly their sizes: what is read past them is noticed.
std::vector<uint8_t> bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

// A number of a patch: mostly small, and any.
uint32_t number(Script& script) {
  const uint8_t first = script.byte();
  if (first < 0xf0) return first;
  uint32_t rest = script.byte();
  for (int i = 1; i < 4; ++i)
    rest = rest << 8 | script.byte();
  return rest;
}

void require_texts(const ProgramBytes& made, const std::vector<uint32_t>& places, size_t first) {
  const auto* const bytes = static_cast<const uint8_t*>(made.data());
  Header header;
  memcpy(&header, bytes, sizeof header);
  size_t at = first;
  for (const uint32_t place : places) {
    uint32_t offset = 0, length = 0;
    memcpy(&offset, bytes + place, sizeof offset);
    require(header.arena + offset == at);
    memcpy(&length, bytes + at, sizeof length);
    at += (sizeof length + length + 1 + 3) & ~size_t{3};
  }
  require(at == made.size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Script script(data, size);
  std::vector<uint32_t> patches;
  std::vector<uint32_t> places;
  // Text patches that lie apart, and not in the header: only these are all still there at the end.
  bool apart = true;
  for (int count = script.byte() % 8; count > 0; --count) {
    const uint32_t kind = script.byte() % 6;
    const uint32_t at = number(script);
    uint32_t above = number(script);
    if (kind == kText) {
      // In order, as others are refused; the test of TypeScript has those.
      above = static_cast<uint32_t>(places.size());
      for (const uint32_t other : places)
        apart = apart && (at >= other + 4 || other >= at + 4);
      apart = apart && at >= sizeof(Header);
      places.push_back(at);
    }
    patches.insert(patches.end(), {kind, at, above});
  }
  const std::vector<uint8_t> program = bytes_of(script.text());
  const std::vector<uint8_t> appended = bytes_of(script.text());
  const auto made = ProgramTemplate::make(program, patches);
  if (!made) return 0;

  Identity identity;
  memset(identity.id.data(), 'a', identity.id.size());
  identity.base = script.byte() < 128 ? 0 : 1'000'000;
  const ProgramBytes whole = made->instantiate(identity, appended);
  const size_t texts = appended.size() < 4 ? appended.size() : appended.size() - 4;
  require(whole.size == program.size() + texts);

  Program decoded;
  const char* reason = nullptr;
  const bool accepted = Program::decode(whole.data(), whole.size, decoded, reason);
  require(accepted == (reason == nullptr));
  if (accepted && apart && (texts > 0 || !places.empty()))
    require_texts(whole, places, program.size());
  return 0;
}
