// Debug builds only: what compares the two languages is no part of the package.
#ifdef CAISSON_FAULTS
#include "layouts.h"

#include <stddef.h>

#include <initializer_list>
#include <utility>

#include "../program/control.h"
#include "../program/page.h"
#include "../program/supervisor_config.h"
#include "../steps/machine.h"
#include "../supervisor/client.h"
#include "../supervisor/clients.h"
#include "listener.h"

namespace caisson {
namespace {

// The names of enumerators, as TypeScript has them. Switches, so that the compiler asks for each.

constexpr const char* name_of(Event value) {
  switch (value) {
    case Event::kInput:
      return "input";
    case Event::kFailed:
      return "failed";
    case Event::kTerminal:
      return "terminal";
    case Event::kStarted:
      return "started";
    case Event::kExited:
      return "exited";
    case Event::kGone:
      return "gone";
    case Event::kData:
      return "data";
    case Event::kEnd:
      return "end";
    case Event::kWaiting:
      return "waiting";
    case Event::kWritable:
      return "writable";
  }
  return nullptr;
}

constexpr const char* name_of(Request value) {
  switch (value) {
    case Request::kAttach:
      return "attach";
    case Request::kInput:
      return "input";
    case Request::kInputEnd:
      return "inputEnd";
    case Request::kResize:
      return "resize";
    case Request::kSignal:
      return "signal";
    case Request::kStop:
      return "stop";
    case Request::kPolicy:
      return "policy";
    case Request::kRenamed:
      return "renamed";
    case Request::kLimits:
      return "limits";
    case Request::kBegin:
      return "begin";
    case Request::kKeep:
      return "keep";
    case Request::kRegistration:
      return "registration";
    case Request::kPrograms:
      return "programs";
    case Request::kThaw:
      return "thaw";
  }
  return nullptr;
}

constexpr const char* name_of(Reply value) {
  switch (value) {
    case Reply::kAttached:
      return "attached";
    case Reply::kOutput:
      return "output";
    case Reply::kOutputEnd:
      return "outputEnd";
    case Reply::kStarted:
      return "started";
    case Reply::kFailed:
      return "failed";
    case Reply::kExited:
      return "exited";
    case Reply::kDone:
      return "done";
    case Reply::kWaiting:
      return "waiting";
  }
  return nullptr;
}

constexpr const char* name_of(Attachment value) {
  switch (value) {
    case kAttachIn:
      return "stdin";
    case kAttachOut:
      return "stdout";
    case kAttachErr:
      return "stderr";
  }
  return nullptr;
}

constexpr const char* name_of(SupervisorFlag value) {
  switch (value) {
    case kSupervisorTerminal:
      return "terminal";
    case kSupervisorOpenStdin:
      return "openStdin";
    case kSupervisorStdinOnce:
      return "stdinOnce";
    case kSupervisorAutoRemove:
      return "autoRemove";
    case kSupervisorNoLog:
      return "noLog";
    case kSupervisorGated:
      return "gated";
    case kSupervisorOwnUserNamespace:
      return "ownUserNamespace";
    case kSupervisorSharedNetwork:
      return "sharedNetwork";
    case kSupervisorBound:
      return "bound";
  }
  return nullptr;
}

constexpr const char* name_of(RestartPolicy value) {
  switch (value) {
    case RestartPolicy::kNo:
      return "no";
    case RestartPolicy::kOnFailure:
      return "on-failure";
    case RestartPolicy::kAlways:
      return "always";
    case RestartPolicy::kUnlessStopped:
      return "unless-stopped";
    case RestartPolicy::kCount:
      break;
  }
  return nullptr;
}

constexpr const char* name_of(SupervisorText value) {
  switch (value) {
    case SupervisorText::kId:
      return "id";
    case SupervisorText::kDirectory:
      return "directory";
    case SupervisorText::kNames:
      return "names";
    case SupervisorText::kName:
      return "name";
    case SupervisorText::kSockets:
      return "sockets";
    case SupervisorText::kEvents:
      return "events";
    case SupervisorText::kAttributes:
      return "attributes";
    case SupervisorText::kNetworks:
      return "networks";
    case SupervisorText::kBootId:
      return "bootId";
    case SupervisorText::kProgram:
      return "program";
    case SupervisorText::kTeardown:
      return "teardown";
    case SupervisorText::kCheck:
      return "check";
    case SupervisorText::kCount:
      break;
  }
  return nullptr;
}

constexpr const char* name_of(Phase value) {
  switch (value) {
    case Phase::kHost:
      return "host";
    case Phase::kContainer:
      return "container";
    case Phase::kTeardown:
      return "teardown";
  }
  return nullptr;
}

constexpr const char* name_of(Fault value) {
  switch (value) {
    case Fault::kNone:
      return "none";
    case Fault::kFail:
      return "fail";
    case Fault::kKillInit:
      return "kill-init";
    case Fault::kKillNode:
      return "kill-node";
    case Fault::kKillBoth:
      return "kill-both";
  }
  return nullptr;
}

constexpr const char* name_of(Staying value) {
  switch (value) {
    case kEnds:
      return "ends";
    case kDetached:
      return "detached";
    case kLeavable:
      return "leavable";
    case kOutside:
      return "outside";
  }
  return nullptr;
}

// All enumerators have numbers below this.
constexpr unsigned kNumbers = 512;

template <class Enum>
Napi::Object numbers_of(Napi::Env env) {
  auto numbers = Napi::Object::New(env);
  for (unsigned number = 0; number < kNumbers; ++number) {
    const auto value = static_cast<Enum>(number);
    if (static_cast<unsigned>(value) != number) break;  // one of bytes has no more
    if (const char* name = name_of(value); name != nullptr)
      numbers.Set(name, Napi::Number::New(env, number));
  }
  return numbers;
}

// A field: its name in TypeScript, where it is, and how large it is.
struct Field {
  const char* name;
  size_t offset;
  size_t size;
};

Napi::Object fields_of(Napi::Env env, size_t size, std::initializer_list<Field> fields) {
  auto offsets = Napi::Object::New(env), sizes = Napi::Object::New(env);
  for (const Field& field : fields) {
    offsets.Set(field.name, Napi::Number::New(env, static_cast<double>(field.offset)));
    sizes.Set(field.name, Napi::Number::New(env, static_cast<double>(field.size)));
  }
  auto structure = Napi::Object::New(env);
  structure.Set("size", Napi::Number::New(env, static_cast<double>(size)));
  structure.Set("offsets", offsets);
  structure.Set("sizes", sizes);
  return structure;
}

// offsetof takes a member's name only as it is written.
#define CAISSON_FIELD(type, member, name)              \
  Field {                                              \
    name, offsetof(type, member), sizeof(type::member) \
  }

Napi::Array instructions(Napi::Env env) {
  auto list = Napi::Array::New(env);
  uint32_t at = 0;
  for (const Instruction& rule : kInstructions) {
    auto entry = Napi::Object::New(env);
    entry.Set("name", rule.name);
    entry.Set("phases", Napi::Number::New(env, rule.phases));
    list.Set(at++, entry);
  }
  return list;
}

Napi::Object enums(Napi::Env env) {
  auto all = Napi::Object::New(env);
  all.Set("Event", numbers_of<Event>(env));
  all.Set("Request", numbers_of<Request>(env));
  all.Set("Reply", numbers_of<Reply>(env));
  all.Set("Attachment", numbers_of<Attachment>(env));
  all.Set("SupervisorFlag", numbers_of<SupervisorFlag>(env));
  all.Set("RestartPolicy", numbers_of<RestartPolicy>(env));
  all.Set("SupervisorText", numbers_of<SupervisorText>(env));
  all.Set("Phase", numbers_of<Phase>(env));
  all.Set("Fault", numbers_of<Fault>(env));
  all.Set("Staying", numbers_of<Staying>(env));
  return all;
}

Napi::Object structs(Napi::Env env) {
  auto all = Napi::Object::New(env);
  all.Set(
      "Header",
      fields_of(env, sizeof(Header),
                {CAISSON_FIELD(Header, magic, "magic"), CAISSON_FIELD(Header, version, "version"),
                 CAISSON_FIELD(Header, size, "size"), CAISSON_FIELD(Header, slots, "slots"),
                 CAISSON_FIELD(Header, steps, "steps"), CAISSON_FIELD(Header, arena, "arena"),
                 CAISSON_FIELD(Header, fault_phase, "faultPhase"),
                 CAISSON_FIELD(Header, fault_step, "faultStep"),
                 CAISSON_FIELD(Header, fault_action, "faultAction"),
                 CAISSON_FIELD(Header, reserved, "reserved")}));
  all.Set("Step",
          fields_of(env, sizeof(Step),
                    {CAISSON_FIELD(Step, op, "op"), CAISSON_FIELD(Step, reserved, "reserved"),
                     CAISSON_FIELD(Step, slot, "slot"), CAISSON_FIELD(Step, text, "text"),
                     CAISSON_FIELD(Step, reserved2, "reserved2"),
                     CAISSON_FIELD(Step, number, "number")}));
  all.Set("SupervisorHeader",
          fields_of(env, sizeof(SupervisorHeader),
                    {CAISSON_FIELD(SupervisorHeader, magic, "magic"),
                     CAISSON_FIELD(SupervisorHeader, size, "size"),
                     CAISSON_FIELD(SupervisorHeader, flags, "flags"),
                     CAISSON_FIELD(SupervisorHeader, policy, "policy"),
                     CAISSON_FIELD(SupervisorHeader, retries, "retries"),
                     CAISSON_FIELD(SupervisorHeader, stop_signal, "stopSignal"),
                     CAISSON_FIELD(SupervisorHeader, stop_timeout, "stopTimeout"),
                     CAISSON_FIELD(SupervisorHeader, id_base, "idBase"),
                     CAISSON_FIELD(SupervisorHeader, log_size, "logSize"),
                     CAISSON_FIELD(SupervisorHeader, log_files, "logFiles"),
                     CAISSON_FIELD(SupervisorHeader, attach, "attach"),
                     CAISSON_FIELD(SupervisorHeader, slots, "slots"),
                     CAISSON_FIELD(SupervisorHeader, check_interval, "checkInterval"),
                     CAISSON_FIELD(SupervisorHeader, check_timeout, "checkTimeout"),
                     CAISSON_FIELD(SupervisorHeader, check_start_period, "checkStartPeriod"),
                     CAISSON_FIELD(SupervisorHeader, check_start_interval, "checkStartInterval"),
                     CAISSON_FIELD(SupervisorHeader, check_retries, "checkRetries"),
                     CAISSON_FIELD(SupervisorHeader, check_slots, "checkSlots"),
                     CAISSON_FIELD(SupervisorHeader, text, "text"),
                     CAISSON_FIELD(SupervisorHeader, joined_pid, "joinedPid"),
                     CAISSON_FIELD(SupervisorHeader, holder_pid, "holderPid")}));
  all.Set("ErrorRecord", fields_of(env, sizeof(ErrorRecord),
                                   {CAISSON_FIELD(ErrorRecord, phase, "phase"),
                                    CAISSON_FIELD(ErrorRecord, step, "step"),
                                    CAISSON_FIELD(ErrorRecord, number, "number"),
                                    CAISSON_FIELD(ErrorRecord, reserved, "reserved"),
                                    CAISSON_FIELD(ErrorRecord, call, "call"),
                                    CAISSON_FIELD(ErrorRecord, object, "object")}));
  return all;
}

Napi::Object constants(Napi::Env env) {
  const std::pair<const char*, double> values[] = {
      {"programMagic", kProgramMagic},
      {"programVersion", kProgramVersion},
      {"maxProgramSize", kMaxProgramSize},
      {"supervisorMagic", kSupervisorMagic},
      {"maxPayload", kMaxPayload},
      {"maxClients", Clients::kMax},
      {"executed", kExecuted},
      {"beforeFirstStep", static_cast<double>(kBeforeFirstStep)},
  };
  auto all = Napi::Object::New(env);
  for (const auto& [name, value] : values)
    all.Set(name, Napi::Number::New(env, value));
  return all;
}

}  // namespace

Napi::Value layouts(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto all = Napi::Object::New(env);
  all.Set("instructions", instructions(env));
  all.Set("enums", enums(env));
  all.Set("structs", structs(env));
  all.Set("constants", constants(env));
  return all;
}

}  // namespace caisson
#endif
