// What a client tells the resolver of a container: lib/network/names/registration.ts writes it.
//
//   u32 size of the whole message | u32 magic | u8 kind | u8 flags | u16 port | text container id
//   of kRegisterProcess: u32 pid, u64 start time
//   u8 count | of each upstream server: address, u16 port, u32 scope
//   u8 count | of each network: text id, text name, u8 count | addresses, u8 count | text names
//
// Numbers are little-endian. A text is its length in a byte, and its bytes. An address is 4 or 6 in
// a byte, and 4 or 16 bytes. The first name in a network is the one that PTR records have. Only
// kRegister comes with a descriptor. kEnd ends after the id.
#pragma once

#include "address.h"

namespace caisson {

constexpr uint32_t kRegistrationMagic = 0x31524e43;  // "CNR1"
constexpr size_t kMaxRegistration = 16u << 10;       // bytes
constexpr size_t kRegistrationPrefix = 4;            // the size
constexpr size_t kMaxIdSize = 64;
constexpr size_t kMaxNameSize = 253;  // of a name in DNS, as text
constexpr size_t kMaxServers = 8;
constexpr size_t kMaxNetworks = 32;

enum class RegistrationKind : uint8_t {
  kRegister = 1,  // comes with the container's pidfd; replaces what there was
  kUpdate = 2,    // of one that is registered, with the same port
  kEnd = 3,
  // As kRegister, of a process by its pid and start time (steps/start_time.h): a client in
  // JavaScript has no pidfd to send.
  kRegisterProcess = 4,
};

enum RegistrationFlag : uint8_t { kForwards = 1 };

struct Server {
  Address address;
  uint16_t port = 0;
  uint32_t scope = 0;  // the interface's index, of a link-local address
};

// A walk over bytes. After a wrong one everything is empty, and `ok` says so.
class RegistrationReader {
 public:
  RegistrationReader() = default;
  RegistrationReader(const uint8_t* bytes, size_t size) : at_(bytes), end_(bytes + size) {}

  uint8_t byte();
  uint64_t number(size_t bytes);
  View text();
  Address address();

  bool ok() const { return !failed_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }

 private:
  const uint8_t* take(size_t size);

  const uint8_t* at_ = nullptr;
  const uint8_t* end_ = nullptr;
  bool failed_ = false;
};

// One network of a container. The visitors return false to end the walk.
struct MemberNetwork {
  View id, name;
  RegistrationReader members;

  template <class Visit>
  void each_address(Visit visit) const {
    RegistrationReader at = members;
    for (int left = at.byte(); left > 0; --left)
      if (!visit(at.address())) return;
  }
  template <class Visit>
  void each_name(Visit visit) const {
    RegistrationReader at = members;
    for (int left = at.byte(); left > 0; --left)
      at.address();
    for (int left = at.byte(); left > 0; --left)
      if (!visit(at.text())) return;
  }
};

// A decoded message; it refers to the bytes. One of zeros has nothing, so that a table of them
// needs no memory before it is used.
class Registration {
 public:
  // False if anything is wrong with it; `size` is that of the whole message.
  static bool decode(const uint8_t* bytes, size_t size, Registration& registration);
  // The size that the message with this prefix will have; 0 if it is too large or too small.
  static size_t size_of(const uint8_t* prefix);

  RegistrationKind kind{};
  bool forwards = false;
  uint16_t port = 0;  // on which the resolver listens
  uint32_t pid = 0;   // of kRegisterProcess
  uint64_t start_time = 0;
  View id;
  Server servers[kMaxServers];
  size_t server_count = 0;

  template <class Visit>
  void each_network(Visit visit) const {
    RegistrationReader at = networks_;
    for (size_t left = network_count_; left > 0; --left) {
      const MemberNetwork network = read_network(at);
      if (!visit(network)) return;
    }
  }

 private:
  // Reads one, and moves `at` behind it.
  static MemberNetwork read_network(RegistrationReader& at);

  size_t network_count_ = 0;
  RegistrationReader networks_;
};

}  // namespace caisson
