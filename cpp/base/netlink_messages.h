// Questions of rtnetlink(7) in native code, and the messages and attributes of what the kernel
// answers. Nothing is taken to be aligned.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

namespace caisson {

// Asks for all objects that the body does not exclude.
template <class Body>
struct NetlinkQuestion {
  nlmsghdr header{};
  Body body{};

  explicit NetlinkQuestion(uint16_t type) {
    header.nlmsg_len = sizeof *this;
    header.nlmsg_type = type;
    header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  }
};

// Calls `visit` with the header and the body of each message, while it returns true.
template <class Visit>
void each_message(const char* bytes, size_t size, Visit visit) {
  for (size_t at = 0; at + sizeof(nlmsghdr) <= size;) {
    nlmsghdr header;
    __builtin_memcpy(&header, bytes + at, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > size - at) return;
    if (!visit(header, bytes + at + sizeof header, header.nlmsg_len - sizeof header)) return;
    at += NLMSG_ALIGN(header.nlmsg_len);
  }
}

// The body of a message of rtnetlink; false if it is shorter.
template <class Body>
bool read_body(const char* bytes, size_t size, Body& body) {
  if (size < sizeof body) return false;
  __builtin_memcpy(&body, bytes, sizeof body);
  return true;
}

// The attribute of this type behind such a body, if it has this size; otherwise null.
template <class Body>
const char* find_attribute(const char* bytes, size_t size, uint16_t type, size_t length) {
  for (size_t at = NLMSG_ALIGN(sizeof(Body)); at + sizeof(rtattr) <= size;) {
    rtattr attribute;
    __builtin_memcpy(&attribute, bytes + at, sizeof attribute);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > size - at) return nullptr;
    if (attribute.rta_type == type && attribute.rta_len == sizeof attribute + length)
      return bytes + at + sizeof attribute;
    at += RTA_ALIGN(attribute.rta_len);
  }
  return nullptr;
}

}  // namespace caisson
