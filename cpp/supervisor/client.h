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
  kRegistration = 12,
  kPrograms = 13,
  kThaw = 14,
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

  // Reads what has arrived. False when the peer breaks the protocol.
  bool receive();
  // The peer has closed the connection: nothing will come after what it has sent.
  bool left() const { return left_; }
  // The next complete frame; it stays until `consume`.
  bool next(Frame& frame) const;
  void consume();

  // Bytes that the socket does not take at once wait here. A client for which too many wait is
  // closed.
  void send(Reply type, const void* first, size_t first_size, const void* second = nullptr,
            size_t second_size = 0);
  bool waiting() const { return out_size_ > out_done_; }
  // Sends the bytes that wait, as far as the socket takes them.
  void resume();
  // Tells the peer that nothing more will be sent. It can still write.
  void end_sending();
  // Reads what has arrived, and drops it. False when the peer has gone.
  bool drain();

  uint8_t attached = 0;     // bits of Attachment
  bool asked = false;       // it has sent a request, and does not only wait for the end
  bool thaws = false;       // the container is thawed when it leaves
  uint32_t input_done = 0;  // bytes of the first frame that were written to stdin

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
