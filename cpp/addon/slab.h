// Memory for the output of one container's stream, of which JavaScript gets views: read into where
// it stays, without a copy, and side by side, so that what is kept of it takes the memory of its
// bytes, in however small parts they came.
#pragma once

#include <napi.h>

#include <span>

namespace caisson {

class Slab {
 public:
  // Where the next bytes are to be put. Never empty.
  std::span<char> room(Napi::Env env);

  // A block of memory, and where in it the bytes lie that were put at room()'s beginning.
  struct Part {
    napi_value block;
    size_t from, to;
  };
  // False when there is no memory: they are lost.
  bool take(Napi::Env env, std::span<const char> bytes, Part& part);

  // JavaScript soon gives up what comes from now on: the same memory can serve again and again.
  void pass_on() { kept_ = false; }

  // Nothing more comes. Not left to the destructor, which may run when the environment is closing.
  void release();

  // The environment is closing.
  void abandon() { block_.SuppressDestruct(); }

 private:
  bool allocate(Napi::Env env, size_t size);
  size_t next_size() const;

  Napi::Reference<Napi::Buffer<char>> block_;
  char* data_ = nullptr;
  size_t size_ = 0, used_ = 0, total_ = 0;
  bool kept_ = true;
};

}  // namespace caisson
