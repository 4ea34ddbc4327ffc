// What a client tells the resolver of a container: lib/network/names/registration.ts writes it.
//
//   u32 size of the whole message | u32 magic | u8 kind | u8 flags | u16 port | text container id
//   of kRegisterProcess: u32 pid, u64 start time
//   u8 count | of each upstream server: address, u16 port, u32 scope
//   u8 count | of each network: text id, text name, u8 count | addresses, u8 count | text names
//   with kHasPolicy: the policy (name_policy.h)
//
// Numbers are little-endian. A text is its length in a byte, and its bytes. An address is 4 or 6 in
// a byte, and 4 or 16 bytes. The first name in a network is the one that PTR records have. Only
// kRegister comes with a descriptor. kEnd and kReport end after the id; kPolicy has the policy
// there.
#pragma once

#include "name_policy.h"

namespace caisson {

constexpr uint32_t kRegistrationMagic = 0x31524e43;  // "CNR1"
constexpr size_t kMaxRegistration = 16u << 10;       // bytes
constexpr size_t kRegistrationPrefix = 4;            // the size
constexpr size_t kMaxIdSize = 64;
constexpr size_t kMaxServers = 8;
constexpr size_t kMaxNetworks = 32;

enum class RegistrationKind : uint8_t {
  kRegister = 1,  // comes with the container's pidfd; replaces what there was
  kUpdate = 2,    // of one that is registered, with the same port
  kEnd = 3,
  // As kRegister, of a process by its pid and start time (steps/start_time.h): a client in
  // JavaScript has no pidfd to send.
  kRegisterProcess = 4,
  kPolicy = 5,  // replaces the policy of one that is registered
  kReport = 6,  // asks for what was refused and opened (name_records.h)
};

// A registration of a process that is known already, and has a policy, keeps it if this one has
// none: only kPolicy removes it.
enum RegistrationFlag : uint8_t { kForwards = 1, kHasPolicy = 2 };

struct Server {
  Address address;
  uint16_t port = 0;
  uint32_t scope = 0;  // the interface's index, of a link-local address
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
  bool has_policy = false;
  NamePolicy policy;
  size_t policy_at = 0;  // where it begins, or would

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
