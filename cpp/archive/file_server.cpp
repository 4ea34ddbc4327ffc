#include "file_server.h"

#include <poll.h>

#include <map>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "file_tasks.h"
#include "file_watch.h"

namespace caisson::archive {
namespace {

constexpr size_t kMostOpen = 64;
constexpr uint32_t kLargestRead = 1 << 20;

// The numbers of lib/archive/file-protocol.ts.
enum class Task : uint8_t {
  kStat = 1,
  kList,
  kOpen,
  kRead,
  kWrite,
  kClose,
  kMakeDirectory,
  kRemove,
  kRename,
  kChangeMode,
  kChangeOwner,
  kMakeLink,
  kWatch,
  kUnwatch,
};

class Server {
 public:
  Server(View& view, int input, int output)
      : view_(view), input_(input), output_(output), watches_(view) {}

  Status run();

 private:
  Status take_input();
  Status handle(std::string_view frame);
  Status run_task(Task task, uint32_t id, FrameReader& request, FrameWriter& answer);
  Status open(FrameReader& request, FrameWriter& answer);
  Status read(FrameReader& request, FrameWriter& answer);
  Status write(FrameReader& request);
  Status tell_events();
  Status send(FrameWriter& answer);

  View& view_;
  int input_, output_;
  Watches watches_;
  std::map<uint32_t, UniqueFd> open_;
  uint32_t next_handle_ = 1;
  std::string received_;
  bool ended_ = false;
};

Status Server::send(FrameWriter& answer) {
  std::string_view bytes = answer.finish();
  while (!bytes.empty()) {
    const long written = sys::call(__NR_write, output_, bytes.data(), bytes.size());
    if (written == -EINTR) continue;
    if (written < 0) return failure(written, "write", "output");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Status Server::open(FrameReader& request, FrameWriter& answer) {
  const std::string path = request.text();
  const auto flags = request.number<uint32_t>();
  const auto mode = request.number<uint32_t>();
  if (!request.valid()) return Error{EINVAL, "request"};
  if (open_.size() >= kMostOpen) return Error{EMFILE, "openat"};
  auto file = open_file(view_, path, flags, mode);
  if (!file.ok()) return file.error();
  answer.number(next_handle_);
  open_[next_handle_++] = file.take();
  return {};
}

Status Server::read(FrameReader& request, FrameWriter& answer) {
  const auto file = open_.find(request.number<uint32_t>());
  const auto size = request.number<uint32_t>();
  if (!request.valid() || file == open_.end() || size > kLargestRead) return Error{EBADF, "read"};
  std::string bytes(size, '\0');
  long got;
  do
    got = sys::call(__NR_read, file->second.get(), bytes.data(), bytes.size());
  while (got == -EINTR);
  if (got < 0) return failure(got, "read");
  answer.text(std::string_view(bytes).substr(0, static_cast<size_t>(got)));
  return {};
}

Status Server::write(FrameReader& request) {
  const auto file = open_.find(request.number<uint32_t>());
  std::string_view bytes = request.bytes();
  if (!request.valid() || file == open_.end()) return Error{EBADF, "write"};
  while (!bytes.empty()) {
    const long written = sys::call(__NR_write, file->second.get(), bytes.data(), bytes.size());
    if (written == -EINTR) continue;
    if (written < 0) return failure(written, "write");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Status Server::run_task(Task task, uint32_t id, FrameReader& request, FrameWriter& answer) {
  switch (task) {
    case Task::kOpen:
      return open(request, answer);
    case Task::kRead:
      return read(request, answer);
    case Task::kWrite:
      return write(request);
    case Task::kClose:
      return open_.erase(request.number<uint32_t>()) == 1 ? Status()
                                                          : Status(Error{EBADF, "close"});
    case Task::kUnwatch:
      watches_.remove(request.number<uint32_t>());
      return {};
    default:
      break;
  }
  const std::string path = request.text();
  const std::string other =
      task == Task::kRename || task == Task::kMakeLink ? request.text() : std::string();
  const bool two_numbers = task == Task::kMakeDirectory || task == Task::kChangeOwner;
  const bool no_number = task == Task::kRename || task == Task::kMakeLink;
  const auto first = no_number ? 0 : request.number<uint32_t>();
  const auto second = two_numbers ? request.number<uint32_t>() : 0;
  if (!request.valid()) return Error{EINVAL, "request"};
  switch (task) {
    case Task::kStat:
      return stat_path(view_, path, first != 0, answer);
    case Task::kList:
      return list_directory(view_, path, first, answer);
    case Task::kMakeDirectory:
      return make_directory(view_, path, first, second != 0);
    case Task::kRemove:
      return remove_path(view_, path, first != 0);
    case Task::kRename:
      return rename_path(view_, path, other);
    case Task::kChangeMode:
      return change_mode(view_, path, first);
    case Task::kChangeOwner:
      return change_owner(view_, path, first, second);
    case Task::kMakeLink:
      return make_symlink(view_, other, path);
    case Task::kWatch:
      return watches_.add(id, path, first != 0);
    default:
      return Error{ENOSYS, "request"};
  }
}

Status Server::handle(std::string_view frame) {
  FrameReader request(frame);
  const auto id = request.number<uint32_t>();
  const auto task = static_cast<Task>(request.number<uint8_t>());
  FrameWriter answer(id);
  const Status done = run_task(task, id, request, answer);
  if (done.ok()) return send(answer);
  FrameWriter refusal(id, done.error().number);
  refusal.text(done.error().call != nullptr ? done.error().call : "");
  return send(refusal);
}

Status Server::take_input() {
  char part[64 << 10];
  const long got = sys::call(__NR_read, input_, part, sizeof part);
  if (got == -EINTR || got == -EAGAIN) return {};
  if (got < 0) return failure(got, "read", "input");
  if (got == 0) {
    ended_ = true;
    return {};
  }
  received_.append(part, static_cast<size_t>(got));
  size_t at = 0;
  for (;;) {
    uint32_t length = 0;
    if (received_.size() - at < sizeof length) break;
    memcpy(&length, received_.data() + at, sizeof length);
    if (length > kLargestFrame) return Error{EMSGSIZE, "read", "input"};
    if (received_.size() - at - sizeof length < length) break;
    const std::string_view frame(received_.data() + at + sizeof length, length);
    if (Status handled = handle(frame); !handled.ok()) return handled;
    at += sizeof length + length;
  }
  received_.erase(0, at);
  return {};
}

Status Server::tell_events() {
  std::vector<WatchEvent> events;
  if (Status read = watches_.read(events); !read.ok()) return read;
  for (const WatchEvent& event : events) {
    // An event is no answer: its errno is -1.
    FrameWriter message(event.id, -1);
    message.number(static_cast<uint8_t>(event.kind));
    message.text(event.path);
    if (Status sent = send(message); !sent.ok()) return sent;
  }
  return {};
}

Status Server::run() {
  while (!ended_) {
    // A container that has ended is not held: this process has its mounts.
    pollfd polled[] = {
        {input_, POLLIN, 0}, {view_.process.get(), POLLIN, 0}, {watches_.fd(), POLLIN, 0}};
    const long ready = sys::call(__NR_ppoll, polled, 3, nullptr, nullptr, 0);
    if (ready == -EINTR) continue;
    if (ready < 0) return failure(ready, "ppoll");
    if (polled[1].revents != 0) return Error{ESRCH, "pidfd_open"};
    if (polled[2].revents != 0)
      if (Status told = tell_events(); !told.ok()) return told;
    if (polled[0].revents != 0)
      if (Status taken = take_input(); !taken.ok()) return taken;
  }
  return {};
}

}  // namespace

Status serve_files(View& view, int input, int output) {
  return Server(view, input, output).run();
}

}  // namespace caisson::archive
