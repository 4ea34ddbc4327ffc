#include "environment.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "../base/kernel.h"
#include "container.h"

namespace caisson {

namespace {

constexpr uint64_t kPatience = 10;  // milliseconds
constexpr size_t kNumbersAtOnce = 2048;

int add_to(int epoll, uint32_t token, Source source, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = uint64_t{token} << 32 | static_cast<uint32_t>(source);
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

}  // namespace

// The least of the calls that fail when JavaScript cannot be called.
bool usable(Napi::Env env) {
  const Napi::HandleScope scope(env);
  const napi_value any = env.Undefined();
  bool equal = false;
  return napi_strict_equals(env, any, any, &equal) == napi_ok;
}

void Environment::Inbox::post(std::function<void()> task, std::function<void()> otherwise,
                              Wake wake) {
  {
    const std::lock_guard lock(mutex_);
    if (wake_ != nullptr) {
      tasks_.push_back({std::move(task), std::move(otherwise)});
      if (wake == Wake::kNow || !patient_) uv_async_send(wake_);
      return;
    }
  }
  otherwise();
}

void Environment::Inbox::post_locked(std::function<void()> task) {
  tasks_.push_back({std::move(task), [] {}});
  uv_async_send(wake_);
}

int Environment::Inbox::watch_locked(uint32_t token, Source source, int fd) const {
  return add_to(epoll_, token, source, fd, EPOLLIN);
}

Environment::Environment(Napi::Env env) : env_(env), inbox_(std::make_shared<Inbox>()) {
  napi_get_uv_event_loop(env, &loop_);
  wake_.data = this;
  uv_async_init(loop_, &wake_,
                [](uv_async_t* handle) { static_cast<Environment*>(handle->data)->run_tasks(); });
  uv_unref(reinterpret_cast<uv_handle_t*>(&wake_));
  patience_.data = this;
  uv_timer_init(loop_, &patience_);
  uv_unref(reinterpret_cast<uv_handle_t*>(&patience_));
  handles_ += 2;
  inbox_->wake_ = &wake_;
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle hook, void* data) {
        static_cast<Environment*>(data)->close(hook);
      },
      this, nullptr);
}

void Environment::run_tasks() {
  std::vector<Inbox::Task> tasks;
  {
    const std::lock_guard lock(inbox_->mutex_);
    if (inbox_->tasks_.empty()) return;
    tasks.swap(inbox_->tasks_);
  }
  usable_.reset();
  const Napi::HandleScope scope(env_);
  for (auto& task : tasks)
    task.run();
}

void Environment::expect() {
  ++expected_;
  {
    const std::lock_guard lock(inbox_->mutex_);
    inbox_->patient_ = true;
  }
  uv_timer_start(
      &patience_,
      [](uv_timer_t* timer) { static_cast<Environment*>(timer->data)->lose_patience(); }, kPatience,
      0);
}

void Environment::expected_came() {
  if (--expected_ == 0) uv_timer_stop(&patience_);
}

void Environment::lose_patience() {
  {
    const std::lock_guard lock(inbox_->mutex_);
    inbox_->patient_ = false;
  }
  run_tasks();
}

void Environment::hurry() {
  const std::lock_guard lock(inbox_->mutex_);
  inbox_->patient_ = false;
  if (!inbox_->tasks_.empty()) uv_async_send(&wake_);
}

Environment::Numbers Environment::numbers(size_t count) {
  if (numbers_.IsEmpty() || count > numbers_end_ - numbers_at_) {
    numbers_end_ = std::max(count, kNumbersAtOnce);
    auto array = Napi::Float64Array::New(env_, numbers_end_);
    // A worker may be terminated at any moment, also since `usable` was asked.
    if (array.IsEmpty()) {
      numbers_.Reset();
      return {};
    }
    numbers_ = Napi::Persistent(array);
    numbers_.SuppressDestruct();
    numbers_data_ = array.Data();
    numbers_at_ = 0;
  }
  const size_t first = std::exchange(numbers_at_, numbers_at_ + count);
  return {numbers_.Value(), Napi::Number::New(env_, static_cast<double>(first)),
          numbers_data_ + first};
}

int Environment::open_poller() {
  if (epoll_.valid()) return 0;
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return -errno;
  if (const int error = uv_poll_init(loop_, &poller_, epoll_.get()); error != 0) {
    epoll_.reset();
    return error;
  }
  ++handles_;
  poller_.data = this;
  // What keeps the loop alive is that there are containers.
  uv_unref(reinterpret_cast<uv_handle_t*>(&poller_));
  {
    const std::lock_guard lock(inbox_->mutex_);
    inbox_->epoll_ = epoll_.get();
  }
  return uv_poll_start(&poller_, UV_READABLE, [](uv_poll_t* poll, int, int) {
    static_cast<Environment*>(poll->data)->run_ready();
  });
}

int Environment::watch(uint32_t token, Source source, int fd, uint32_t events) {
  return add_to(epoll_.get(), token, source, fd, events);
}

void Environment::unwatch(int fd) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

// The rest, if there is more, has its turn when the loop comes round.
void Environment::run_ready() {
  epoll_event events[64];
  const int count = epoll_wait(epoll_.get(), events, 64, 0);
  usable_.reset();
  const Napi::HandleScope scope(env_);
  for (int i = 0; i < count; ++i) {
    const uint64_t data = events[i].data.u64;
    if (const auto container = find(static_cast<uint32_t>(data >> 32)))
      container->ready(static_cast<Source>(static_cast<uint32_t>(data)));
  }
  // Last, because callers wait for what is above.
  run_tasks();
}

void Environment::call(const Napi::FunctionReference& callback,
                       std::span<const napi_value> arguments) {
  const Napi::HandleScope scope(env_);
  napi_value result;
  const napi_status status = napi_make_callback(env_, nullptr, env_.Global(), callback.Value(),
                                                arguments.size(), arguments.data(), &result);
  if (status != napi_ok) usable_.reset();
  if (status != napi_pending_exception) return;
  napi_value thrown;
  if (napi_get_and_clear_last_exception(env_, &thrown) == napi_ok)
    napi_fatal_exception(env_, thrown);
}

void Environment::begin_work() {
  if (work_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(&wake_));
}

void Environment::end_work() {
  if (--work_ == 0) uv_unref(reinterpret_cast<uv_handle_t*>(&wake_));
}

void Environment::handle_closed() {
  if (--handles_ > 0 || closing_ == nullptr) return;
  // From here on the addon's instance data may go.
  napi_remove_async_cleanup_hook(closing_);
}

// The environment ends: so do its containers. What is still to be torn down is done by the teardown
// thread, or, when the whole process is ending, by the cleanup helper.
void Environment::close(napi_async_cleanup_hook_handle hook) {
  closing_ = hook;
  std::vector<Inbox::Task> undelivered;
  {
    const std::lock_guard lock(inbox_->mutex_);
    inbox_->wake_ = nullptr;
    undelivered.swap(inbox_->tasks_);
  }
  for (auto& task : undelivered)
    task.otherwise();
  const auto containers = containers_;
  for (const auto& [token, container] : containers)
    container->abandon();
  for (; engines_ > 0; --engines_)
    Launcher::instance().release([] {});
  const auto closed = [](uv_handle_t* handle) {
    static_cast<Environment*>(handle->data)->handle_closed();
  };
  if (epoll_.valid()) uv_close(reinterpret_cast<uv_handle_t*>(&poller_), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&patience_), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_), closed);
}

}  // namespace caisson
