#include "environment.h"

#include "container.h"

namespace caisson {

bool usable(Napi::Env env) {
  const Napi::HandleScope scope(env);
  bool has = false;
  return napi_has_element(env, env.Global(), 0, &has) == napi_ok;
}

void Environment::Inbox::post(std::function<void()> task, std::function<void()> otherwise) {
  {
    const std::lock_guard lock(mutex_);
    if (wake_ != nullptr) {
      tasks_.push_back({std::move(task), std::move(otherwise)});
      uv_async_send(wake_);
      return;
    }
  }
  otherwise();
}

Environment::Environment(Napi::Env env) : env_(env), inbox_(std::make_shared<Inbox>()) {
  napi_get_uv_event_loop(env, &loop_);
  wake_.data = this;
  uv_async_init(loop_, &wake_,
                [](uv_async_t* handle) { static_cast<Environment*>(handle->data)->run_tasks(); });
  uv_unref(reinterpret_cast<uv_handle_t*>(&wake_));
  handle_opened();
  inbox_->wake_ = &wake_;
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle hook, void* data) {
        static_cast<Environment*>(data)->close(hook);
      },
      this, nullptr);
}

void Environment::run_tasks() {
  std::deque<Inbox::Task> tasks;
  {
    const std::lock_guard lock(inbox_->mutex_);
    tasks.swap(inbox_->tasks_);
  }
  const Napi::HandleScope scope(env_);
  for (auto& task : tasks)
    task.run();
}

void Environment::call(const Napi::FunctionReference& callback,
                       const std::vector<napi_value>& arguments) {
  const Napi::HandleScope scope(env_);
  napi_value result;
  const napi_status status = napi_make_callback(env_, nullptr, env_.Global(), callback.Value(),
                                                arguments.size(), arguments.data(), &result);
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

// The environment ends: so do its containers. What is still to be undone is done by the undertaker,
// or, when the whole process is ending, by the guard.
void Environment::close(napi_async_cleanup_hook_handle hook) {
  closing_ = hook;
  std::deque<Inbox::Task> undelivered;
  {
    const std::lock_guard lock(inbox_->mutex_);
    inbox_->wake_ = nullptr;
    undelivered.swap(inbox_->tasks_);
  }
  for (auto& task : undelivered)
    task.otherwise();
  const std::unordered_map<uint32_t, Container*> containers = containers_;
  for (const auto& [token, container] : containers)
    container->abandon();
  for (; engines_ > 0; --engines_)
    Launcher::instance().release([] {});
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_),
           [](uv_handle_t* handle) { static_cast<Environment*>(handle->data)->handle_closed(); });
}

}  // namespace caisson
