#include "layer_stream.h"

namespace caisson {

LayerStream::~LayerStream() {
  if (!threaded_) return;
  pthread_mutex_lock(&mutex_);
  stop_ = true;
  pthread_cond_broadcast(&changed_);
  pthread_mutex_unlock(&mutex_);
  pthread_join(thread_, nullptr);
}

bool LayerStream::start_thread() {
  threaded_ = pthread_create(&thread_, nullptr, run, this) == 0;
  if (!threaded_) return false;
  pthread_mutex_lock(&mutex_);
  while (!started_)
    pthread_cond_wait(&changed_, &mutex_);
  pthread_mutex_unlock(&mutex_);
  return true;
}

void LayerStream::release_thread() {
  pthread_mutex_lock(&mutex_);
  free_ = kChunks;
  pthread_cond_broadcast(&changed_);
  pthread_mutex_unlock(&mutex_);
}

void* LayerStream::run(void* self) {
  static_cast<LayerStream*>(self)->work();
  return nullptr;
}

size_t LayerStream::fill(uint8_t* chunk) {
  const size_t size = decoder_.read(chunk, kChunk);
  digest_.update({chunk, size});
  return size;
}

void LayerStream::work() {
  pthread_mutex_lock(&mutex_);
  started_ = true;
  pthread_cond_broadcast(&changed_);
  pthread_mutex_unlock(&mutex_);
  for (uint64_t n = 0;; ++n) {
    pthread_mutex_lock(&mutex_);
    while (!stop_ && n >= free_)
      pthread_cond_wait(&changed_, &mutex_);
    const bool stop = stop_;
    pthread_mutex_unlock(&mutex_);
    if (stop) return;
    const size_t size = fill(chunks_[n % kChunks]);
    pthread_mutex_lock(&mutex_);
    sizes_[n % kChunks] = size;
    made_ = n + 1;
    done_ = size < kChunk;
    pthread_cond_broadcast(&changed_);
    pthread_mutex_unlock(&mutex_);
    if (size < kChunk) return;
  }
}

// False at the end, and after a trouble.
bool LayerStream::next_chunk() {
  if (ended_) return false;
  at_ = 0;
  if (!threaded_) {
    end_ = fill(chunks_[0]);
    ended_ = end_ < kChunk;
  } else {
    pthread_mutex_lock(&mutex_);
    if (taken_ > 0) free_ = taken_ + kChunks;
    pthread_cond_broadcast(&changed_);
    while (made_ == taken_)
      pthread_cond_wait(&changed_, &mutex_);
    end_ = sizes_[taken_ % kChunks];
    ended_ = done_ && made_ == taken_ + 1;
    pthread_mutex_unlock(&mutex_);
  }
  ++taken_;
  // The decoder's thread has ended: what has stopped it can be read.
  if (ended_) trouble_ = decoder_.trouble();
  return end_ > 0;
}

Bytes LayerStream::take(size_t most) {
  if (at_ == end_ && !next_chunk()) return {};
  const size_t size = end_ - at_ < most ? end_ - at_ : most;
  const Bytes bytes(chunks_[threaded_ ? (taken_ - 1) % kChunks : 0] + at_, size);
  at_ += size;
  return bytes;
}

}  // namespace caisson
