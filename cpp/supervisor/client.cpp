#include "client.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include "../base/kernel.h"

namespace caisson {
namespace {

uint32_t load32(const unsigned char* at) {
  uint32_t value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

bool Client::open(int fd) {
  fd_.reset(fd);
  const long memory = sys::call(__NR_mmap, nullptr, kBuffer + kWaiting, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory < 0 && memory > -4096) {
    fd_.reset();
    return false;
  }
  memory_ = reinterpret_cast<unsigned char*>(memory);
  attached = 0;
  asked = thaws = false;
  input_done = 0;
  in_size_ = in_done_ = out_size_ = out_done_ = 0;
  left_ = deaf_ = false;
  return true;
}

void Client::close() {
  if (!fd_.valid()) return;
  fd_.reset();
  sys::call(__NR_munmap, memory_, kBuffer + kWaiting);
  memory_ = nullptr;
  attached = 0;
  in_size_ = in_done_ = out_size_ = out_done_ = 0;
}

bool Client::receive() {
  // Moves the rest once for all consumed frames: a client may send thousands of small ones at once.
  if (in_done_ > 0) {
    for (size_t i = in_done_; i < in_size_; ++i)
      memory_[i - in_done_] = memory_[i];
    in_size_ -= in_done_;
    in_done_ = 0;
  }
  while (in_size_ < kBuffer) {
    const long size = sys::call(__NR_recvfrom, fd_.get(), memory_ + in_size_, kBuffer - in_size_,
                                MSG_DONTWAIT, nullptr, nullptr);
    if (size == -EINTR) continue;
    if (size == -EAGAIN) break;
    if (size <= 0) {
      left_ = true;
      break;
    }
    in_size_ += static_cast<size_t>(size);
  }
  return in_size_ < kHead || load32(memory_) <= kMaxPayload;
}

bool Client::next(Frame& frame) const {
  const unsigned char* head = memory_ + in_done_;
  const size_t there = in_size_ - in_done_;
  if (there < kHead) return false;
  const uint32_t size = load32(head);
  if (size > kMaxPayload || there < kHead + size) return false;
  frame = {static_cast<Request>(head[4]), head + kHead, size};
  return true;
}

void Client::consume() {
  in_done_ += kHead + load32(memory_ + in_done_);
  input_done = 0;
}

void Client::send(Reply type, const void* first, size_t first_size, const void* second,
                  size_t second_size) {
  if (!fd_.valid() || deaf_) return;
  unsigned char head[kHead];
  const auto payload = static_cast<uint32_t>(first_size + second_size);
  __builtin_memcpy(head, &payload, sizeof payload);
  head[4] = static_cast<unsigned char>(type);
  iovec parts[] = {{head, kHead},
                   {const_cast<void*>(first), first_size},
                   {const_cast<void*>(second), second_size}};
  size_t sent = 0;
  if (!waiting()) {
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 3;
    long result = 0;
    do
      result = sys::call(__NR_sendmsg, fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (result == -EINTR);
    if (result < 0 && result != -EAGAIN) {
      deaf_ = true;  // requests that it sent before it closed are still served
      return;
    }
    if (result > 0) sent = static_cast<size_t>(result);
    out_size_ = out_done_ = 0;
  }
  unsigned char* out = memory_ + kBuffer;
  for (const iovec& part : parts) {
    const size_t skip = sent < part.iov_len ? sent : part.iov_len;
    sent -= skip;
    const size_t rest = part.iov_len - skip;
    if (rest > kWaiting - out_size_) {
      close();
      return;
    }
    if (rest > 0)
      __builtin_memcpy(out + out_size_, static_cast<const unsigned char*>(part.iov_base) + skip,
                       rest);
    out_size_ += rest;
  }
}

void Client::resume() {
  while (fd_.valid() && waiting()) {
    const long sent = sys::call(__NR_sendto, fd_.get(), memory_ + kBuffer + out_done_,
                                out_size_ - out_done_, MSG_NOSIGNAL | MSG_DONTWAIT, nullptr, 0);
    if (sent == -EINTR) continue;
    if (sent == -EAGAIN) return;
    if (sent <= 0) {
      deaf_ = true;
      out_size_ = out_done_ = 0;
      return;
    }
    out_done_ += static_cast<size_t>(sent);
  }
}

void Client::end_sending() {
  sys::call(__NR_shutdown, fd_.get(), SHUT_WR);
}

bool Client::drain() {
  const long got =
      sys::call(__NR_recvfrom, fd_.get(), memory_, kBuffer, MSG_DONTWAIT, nullptr, nullptr);
  return got > 0 || got == -EAGAIN || got == -EINTR;
}

}  // namespace caisson
