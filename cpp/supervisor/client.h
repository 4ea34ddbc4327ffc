// One connection to a supervisor: frames in both directions (docs/lifecycle.md).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../base/unique_fd.h"

namespace caisson {

// To the supervisor.
enum class Request : uint8_t {
  kAttach = 1,
  kInput = 2,
  kInputEnd = 3,
  kResize = 4,
  kSignal = 5,
  kStop = 6,
  kPolicy = 7,
  kRenamed = 8,
  kLimits = 9,
  kBegin = 10,
  kKeep = 11,
};

// From the supervisor.
enum class Reply : uint8_t {
  kAttached = 1,
  kOutput = 2,
  kOutputEnd = 3,
  kStarted = 4,
  kFailed = 5,
  kExited = 6,
  kDone = 7,
  kWaiting = 8,
};

enum Attachment : uint8_t { kAttachIn = 1, kAttachOut = 2, kAttachErr = 4 };

constexpr size_t kMaxPayload = 64u << 10;

struct Frame {
  Request type;
  const unsigned char* payload;
  uint32_t size;
};

class Client {
 public:
  // False when there is no memory for it; the descriptor is closed then.
  bool open(int fd);
  void close();
  bool connected() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }

  // Reads what is there. False when the other end speaks nonsense.
  bool receive();
  // The other end has gone: what it has sent before is all that will come.
  bool left() const { return left_; }
  // The next whole frame; it stays until `consume`.
  bool next(Frame& frame) const;
  void consume();

  // What the socket does not take at once waits here; who lets too much of it wait is let go.
  void send(Reply type, const void* first, size_t first_size, const void* second = nullptr,
            size_t second_size = 0);
  bool waiting() const { return out_size_ > out_done_; }
  // Sends what waits, as far as the socket takes it.
  void resume();
  // Nothing more will be sent: the other end learns of that, and can still write.
  void end_sending();
  // Reads what is there, for nothing. False when the other end has gone.
  bool drain();

  uint8_t attached = 0;     // bits of Attachment
  bool asked = false;       // it has asked for something, and does not only wait for the end
  uint32_t input_done = 0;  // bytes of the frame at the head that have gone to stdin

 private:
  static constexpr size_t kHead = 5;
  static constexpr size_t kBuffer = kMaxPayload + kHead;
  static constexpr size_t kWaiting = kMaxPayload + (32u << 10);

  UniqueFd fd_;
  unsigned char* memory_ = nullptr;  // kBuffer in, kWaiting out
  size_t in_size_ = 0, in_done_ = 0;
  size_t out_size_ = 0, out_done_ = 0;
  bool left_ = false, deaf_ = false;
};

}  // namespace caisson
