// The uncompressed bytes of a layer, and their digest: decompressed and digested by one thread
// while another one uses them.
#pragma once

#include <pthread.h>

#include <array>

#include "decoder.h"
#include "sha256.h"

namespace caisson {

class LayerStream : public ByteSource {
 public:
  explicit LayerStream(Decoder& decoder) : decoder_(decoder) {}
  LayerStream(const LayerStream&) = delete;
  LayerStream& operator=(const LayerStream&) = delete;
  ~LayerStream() override;

  // Without it, the thread that takes bytes does everything. The new one has done what a thread
  // does first, and reads nothing before it is released.
  bool start_thread();
  void release_thread();
  Bytes take(size_t most) override;
  Trouble trouble() const override { return trouble_; }
  // At the end of the stream.
  std::array<uint8_t, 32> digest() { return digest_.finish(); }

 private:
  static constexpr size_t kChunk = 256 << 10;
  static constexpr size_t kChunks = 4;

  static void* run(void* self);
  size_t fill(uint8_t* chunk);
  void work();
  bool next_chunk();

  Decoder& decoder_;
  Sha256 digest_;
  Trouble trouble_;  // of what was taken
  size_t at_ = 0, end_ = 0;
  uint64_t taken_ = 0;  // chunks
  bool ended_ = false;

  bool threaded_ = false;
  pthread_t thread_{};
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed_ = PTHREAD_COND_INITIALIZER;
  // Of the mutex.
  uint64_t made_ = 0, free_ = 0;  // chunks ever
  bool started_ = false, stop_ = false, done_ = false;
  size_t sizes_[kChunks] = {};

  uint8_t chunks_[kChunks][kChunk];
};

}  // namespace caisson
