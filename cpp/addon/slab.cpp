#include "slab.h"

#include <string.h>

#include <algorithm>

namespace caisson {
namespace {

// Of a block, which has at most an eighth of what has come so far.
constexpr size_t kLeast = 4u << 10, kMost = 256u << 10;
// Where the next block would be smaller than this, what comes is read into here first, because
// nobody knows how much that is.
thread_local char scratch[64u << 10];

}  // namespace

bool Slab::allocate(Napi::Env env, size_t size) {
  release();
  const auto block = Napi::Buffer<char>::New(env, size);
  if (env.IsExceptionPending()) env.GetAndClearPendingException();
  // There is none without memory; nor, with no exception either, in a worker that is being
  // terminated.
  if (block.IsEmpty()) return false;
  block_ = Napi::Persistent(block);
  data_ = block.Data();
  size_ = size;
  return true;
}

void Slab::release() {
  block_.Reset();
  data_ = nullptr;
  size_ = used_ = 0;
}

std::span<char> Slab::room(Napi::Env env) {
  if (used_ == size_) {
    const size_t next = std::min(total_ / 8, kMost);
    if (next < sizeof scratch || !allocate(env, next)) return scratch;
  }
  return {data_ + used_, size_ - used_};
}

bool Slab::take(Napi::Env env, std::span<const char> bytes, Part& part) {
  if (bytes.data() == scratch) {
    if (!allocate(env, std::max({bytes.size(), total_ / 8, kLeast}))) return false;
    memcpy(data_, bytes.data(), bytes.size());
  }
  part = {block_.Value(), used_, used_ + bytes.size()};
  used_ = part.to;
  total_ += bytes.size();
  return true;
}

}  // namespace caisson
