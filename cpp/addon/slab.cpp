#include "slab.h"

#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>

namespace caisson {
namespace {

// Of a block, which has at most an eighth of what has come so far.
constexpr size_t kLeast = 4u << 10, kMost = 256u << 10;
// Of one that is a huge page, and what has come before there are such: at most a sixth of it is
// unused. To map what is kept in small pages takes longer than all else that is done with it.
constexpr size_t kHuge = 2u << 20, kHugeFrom = 6 * kHuge;
// Where the next block would be smaller than this, what comes is read into here first, because
// how much that is is not known.
thread_local char scratch[64u << 10];

void unmap(napi_env, void* data, void*) {
  munmap(data, kHuge);
}

// Memory where a huge page can be; null where there is none.
char* map_huge() {
  void* const area =
      mmap(nullptr, 2 * kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<char*>(area);
  const size_t before = -reinterpret_cast<uintptr_t>(begin) % kHuge;
  if (before > 0) munmap(begin, before);
  munmap(begin + before + kHuge, kHuge - before);
  // Small pages do as well.
  madvise(begin + before, kHuge, MADV_HUGEPAGE);
  return begin + before;
}

Napi::Buffer<char> huge_buffer(Napi::Env env) {
  char* const data = map_huge();
  if (data == nullptr) return {};
  napi_value value = nullptr;
  const napi_status made = napi_create_external_buffer(env, kHuge, data, unmap, nullptr, &value);
  if (made == napi_ok) return {env, value};
  // Otherwise the finalizer has it already.
  if (made != napi_generic_failure) unmap(env, data, nullptr);
  return {};
}

Napi::Buffer<char> small_buffer(Napi::Env env, size_t size) {
  const auto block = Napi::Buffer<char>::New(env, size);
  if (env.IsExceptionPending()) env.GetAndClearPendingException();
  return block;
}

}  // namespace

bool Slab::allocate(Napi::Env env, size_t size) {
  release();
  Napi::Buffer<char> block;
  if (size == kHuge) block = huge_buffer(env);
  if (block.IsEmpty()) block = small_buffer(env, std::min(size, kMost));
  // There is none without memory; nor, with no exception either, in a worker that is being
  // terminated.
  if (block.IsEmpty()) return false;
  block_ = Napi::Persistent(block);
  data_ = block.Data();
  size_ = block.Length();
  return true;
}

size_t Slab::next_size() const {
  return kept_ && total_ >= kHugeFrom ? kHuge : std::min(total_ / 8, kMost);
}

void Slab::release() {
  block_.Reset();
  data_ = nullptr;
  size_ = used_ = 0;
}

std::span<char> Slab::room(Napi::Env env) {
  if (used_ == size_) {
    const size_t next = next_size();
    if (next < sizeof scratch || !allocate(env, next)) return scratch;
  }
  return {data_ + used_, size_ - used_};
}

bool Slab::take(Napi::Env env, std::span<const char> bytes, Part& part) {
  if (bytes.data() == scratch) {
    if (!allocate(env, std::max({bytes.size(), next_size(), kLeast}))) return false;
    memcpy(data_, bytes.data(), bytes.size());
  }
  part = {block_.Value(), used_, used_ + bytes.size()};
  used_ = part.to;
  total_ += bytes.size();
  return true;
}

}  // namespace caisson
