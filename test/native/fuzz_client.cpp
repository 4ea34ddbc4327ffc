// Whatever a client sends to a supervisor, and however it is cut into pieces: the frames are those
// of the whole stream, until one claims to be too large.
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../cpp/supervisor/client.h"
#include "support/fuzz.h"

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

namespace {

constexpr size_t kHead = 5;

uint32_t size_at(const std::string& stream, size_t at) {
  uint32_t size = 0;
  memcpy(&size, stream.data() + at, sizeof size);
  return size;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  int ends[2];
  require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  Client client;
  require(client.open(ends[0]));

  std::string stream;
  size_t at = 0;
  bool sound = true;
  for (Script script(data, size); script.more() && sound;) {
    const std::string piece = script.text();
    require(send(ends[1], piece.data(), piece.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
            static_cast<ssize_t>(piece.size()));
    stream += piece;
    // A receive takes what the buffer has room for: until a round finds no frame.
    for (bool found = true; sound && found;) {
      sound = client.receive();
      found = false;
      for (Frame frame{}; sound && client.next(frame); found = true) {
        require(stream.size() - at >= kHead + frame.size);
        require(frame.size == size_at(stream, at));
        require(static_cast<uint8_t>(frame.type) == static_cast<uint8_t>(stream[at + 4]));
        require(memcmp(frame.payload, stream.data() + at + kHead, frame.size) == 0);
        at += kHead + frame.size;
        client.consume();
      }
    }
    // What is left is less than a frame, or begins with one that is too large.
    const bool headed = stream.size() - at >= kHead;
    const bool large = headed && size_at(stream, at) > kMaxPayload;
    require(large || !headed || stream.size() - at < kHead + size_at(stream, at));
    require(sound || large);
    if (large) require(!client.receive());
  }
  client.close();
  close(ends[1]);
  return 0;
}
