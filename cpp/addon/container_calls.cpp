#include "container_calls.h"

#include <algorithm>
#include <array>
#include <utility>

#include "../base/kernel.h"
#include "container.h"
#include "elements.h"

namespace caisson {
namespace {

using SharedTemplate = std::shared_ptr<const LaunchTemplate>;

// Of one writev(2).
constexpr uint32_t kMostParts = 64;

// --- Arguments ---

// -1, for no slot, becomes a number that no program has.
std::optional<std::vector<uint16_t>> slot_list(const Napi::Value& value) {
  std::vector<uint16_t> slots;
  const bool all =
      each_element(value.As<Napi::Array>(), UINT32_MAX, [&slots](const auto& element, uint32_t) {
        slots.push_back(static_cast<uint16_t>(element.template As<Napi::Number>().Int32Value()));
      });
  return all ? std::optional(std::move(slots)) : std::nullopt;
}

std::optional<ProgramTemplate> program_template(const Napi::Value& program,
                                                const Napi::Value& patches) {
  const auto bytes = program.As<Napi::Uint8Array>();
  const auto numbers = patches.As<Napi::Uint32Array>();
  return ProgramTemplate::make({bytes.Data(), bytes.ByteLength()},
                               {numbers.Data(), numbers.ElementLength()});
}

// False for what is no long id.
bool read_identity(const Napi::Value& id, const Napi::Value& base, Identity& identity) {
  char text[sizeof identity.id + 2];  // one more, to see what is too long
  size_t length = 0;
  napi_get_value_string_latin1(id.Env(), id, text, sizeof text, &length);
  std::copy_n(text, identity.id.size(), identity.id.begin());
  identity.base = base.As<Napi::Number>().Uint32Value();
  return length == identity.id.size();
}

// None where there is no such argument.
std::span<const uint8_t> optional_bytes(const Napi::Value& value) {
  if (!value.IsTypedArray()) return {};
  const auto bytes = value.As<Napi::Uint8Array>();
  return {bytes.Data(), bytes.ByteLength()};
}

Napi::Value refuse(Napi::Env env, const char* why) {
  Napi::TypeError::New(env, why).ThrowAsJavaScriptException();
  return env.Undefined();
}

// The container that the first argument names; null when it is gone.
std::shared_ptr<Container> container_of(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).find(info[0].As<Napi::Number>().Uint32Value());
}

uint32_t number_of(const Napi::Value& value) {
  return value.As<Napi::Number>().Uint32Value();
}

// For what answers 0 or a negated errno.
template <class Call>
Napi::Value answer(const Napi::CallbackInfo& info, Call call) {
  const auto container = container_of(info);
  const long result = container == nullptr ? -ESRCH : call(*container);
  return Napi::Number::New(info.Env(), static_cast<double>(result));
}

// For what answers nothing.
template <class Call>
Napi::Value tell(const Napi::CallbackInfo& info, Call call) {
  if (const auto container = container_of(info)) call(*container);
  return info.Env().Undefined();
}

// --- Calls ---

// template(program, patches, teardown, patches, slots, hold) → what launch() takes, with the slots
// of stdin, stdout, stderr, the file that counts OOM kills, and the container's ends of stdout and
// stderr, -1 where there is none
Napi::Value make_template(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto program = program_template(info[0], info[1]);
  auto teardown = program_template(info[2], info[3]);
  if (!program || !teardown) return refuse(env, "template: a patch outside the program");
  auto slots = slot_list(info[4]), hold = slot_list(info[5]);
  if (!slots || !hold) return {};
  auto* const shared = new SharedTemplate(std::make_shared<LaunchTemplate>(LaunchTemplate{
      std::move(*program), std::move(*teardown), *std::move(slots), *std::move(hold)}));
  return Napi::External<SharedTemplate>::New(env, shared,
                                             [](Napi::Env, SharedTemplate* done) { delete done; });
}

// instantiate(program, patches, id, base, appended) → the bytes for that container
Napi::Value instantiate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto program = program_template(info[0], info[1]);
  Identity identity;
  if (!program || !read_identity(info[2], info[3], identity))
    return refuse(env, "instantiate: no template, or no long id");
  const ProgramBytes instantiated = program->instantiate(identity, optional_bytes(info[4]));
  return Napi::Buffer<uint8_t>::Copy(env, static_cast<const uint8_t*>(instantiated.data()),
                                     instantiated.size);
}

// launch(template, id, base or 0, watch start, callback, appended, appended to the teardown) →
// token: what the other calls take. Once the container is gone they do nothing.
Napi::Value launch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto launch = std::make_shared<Launch>();
  launch->templates = *info[0].As<Napi::External<SharedTemplate>>().Data();
  if (!read_identity(info[1], info[2], launch->identity)) return refuse(env, "launch: no long id");
  const std::span<const uint8_t> appended = optional_bytes(info[5]);
  launch->program_texts.assign(appended.begin(), appended.end());
  const std::span<const uint8_t> to_teardown = optional_bytes(info[6]);
  launch->teardown_texts.assign(to_teardown.begin(), to_teardown.end());
  const uint32_t token =
      Container::launch(Environment::of(env), std::move(launch), info[4].As<Napi::Function>(),
                        info[3].As<Napi::Boolean>().Value());
  return Napi::Number::New(env, token);
}

// kill(token, signal) → 0 or a negated errno
Napi::Value kill(const Napi::CallbackInfo& info) {
  const int signal = info[1].As<Napi::Number>().Int32Value();
  return answer(info, [signal](Container& container) { return container.kill(signal); });
}

// leave(token) → 0 or a negated errno
Napi::Value leave(const Napi::CallbackInfo& info) {
  return answer(info, [](Container& container) { return container.leave_to_exec_supervisor(); });
}

// goOn(token, the texts of its command) → 0 or a negated errno
Napi::Value go_on(const Napi::CallbackInfo& info) {
  const std::span<const uint8_t> command = optional_bytes(info[1]);
  return answer(info, [command](Container& container) { return container.go_on(command); });
}

// watchStart(token)
Napi::Value watch_start(const Napi::CallbackInfo& info) {
  return tell(info, [](Container& container) { container.watch_start(); });
}

// pause(token, stream), resume(token, stream), passOn(token, stream): 1 is stdout, 2 stderr
template <bool paused>
Napi::Value set_paused(const Napi::CallbackInfo& info) {
  return tell(info, [&](Container& it) { it.set_paused(number_of(info[1]), paused); });
}
Napi::Value pass_on(const Napi::CallbackInfo& info) {
  return tell(info, [&](Container& container) { container.pass_on(number_of(info[1])); });
}

// write(token, parts) → how many bytes stdin or the terminal has taken, or a negated errno
Napi::Value write(const Napi::CallbackInfo& info) {
  const auto container = container_of(info);
  const auto list = info[1].As<Napi::Array>();
  std::array<iovec, kMostParts> parts{};
  size_t count = 0;
  const bool all = each_element(list, kMostParts, [&](const Napi::Value& element, uint32_t i) {
    auto bytes = element.As<Napi::Uint8Array>();
    parts[i] = {bytes.Data(), bytes.ByteLength()};
    count = i + 1;
  });
  if (!all) return {};
  const long written =
      container == nullptr ? -EPIPE : container->write(std::span(parts).first(count));
  return Napi::Number::New(info.Env(), static_cast<double>(written));
}

// endInput(token): nothing more is written to stdin
Napi::Value end_input(const Napi::CallbackInfo& info) {
  return tell(info, [](Container& container) { container.end_input(); });
}

// resize(token, columns, rows) → 0 or a negated errno
Napi::Value resize(const Napi::CallbackInfo& info) {
  const auto container = container_of(info);
  const auto columns = static_cast<unsigned short>(number_of(info[1]));
  const auto rows = static_cast<unsigned short>(number_of(info[2]));
  const long result = container == nullptr ? -EIO : container->resize(columns, rows);
  return Napi::Number::New(info.Env(), static_cast<double>(result));
}

}  // namespace

void add_container_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("template", Napi::Function::New(env, make_template));
  exports.Set("instantiate", Napi::Function::New(env, instantiate));
  exports.Set("launch", Napi::Function::New(env, launch));
  exports.Set("kill", Napi::Function::New(env, kill));
  exports.Set("goOn", Napi::Function::New(env, go_on));
  exports.Set("leave", Napi::Function::New(env, leave));
  exports.Set("watchStart", Napi::Function::New(env, watch_start));
  exports.Set("pause", Napi::Function::New(env, set_paused<true>));
  exports.Set("resume", Napi::Function::New(env, set_paused<false>));
  exports.Set("passOn", Napi::Function::New(env, pass_on));
  exports.Set("write", Napi::Function::New(env, write));
  exports.Set("endInput", Napi::Function::New(env, end_input));
  exports.Set("resize", Napi::Function::New(env, resize));
}

}  // namespace caisson
