#include "mount_api.h"

#include "kernel.h"
#include "text.h"

namespace caisson {
namespace {

constexpr size_t kMaxParameter = 256;

}  // namespace

Status configure_filesystem(int context, const char* options, const char* type) {
  while (*options != '\0') {
    Text<kMaxParameter> key;
    Text<kMaxParameter> value;
    bool has_value = false;
    for (; *options != '\0' && *options != ','; ++options) {
      if (!has_value && *options == '=')
        has_value = true;
      else if (has_value)
        value.add(options, 1);
      else
        key.add(options, 1);
    }
    if (*options == ',') ++options;
    if (key.size() == 0) continue;
    if (key.truncated() || value.truncated()) return failure(-EINVAL, "fsconfig", type);
    const unsigned command = has_value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
    const long set = sys::call(__NR_fsconfig, context, command, key.c_str(),
                               has_value ? value.c_str() : nullptr, 0);
    if (set < 0) return failure(set, "fsconfig", type);
  }
  return {};
}

Result<UniqueFd> finish_filesystem(int context, uint64_t attributes, const char* type) {
  const long created = sys::call(__NR_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
  if (created < 0) return failure(created, "fsconfig", type);
  return own_fd(sys::call(__NR_fsmount, context, FSMOUNT_CLOEXEC, attributes), "fsmount", type);
}

Status label_filesystem(int context, const char* label) {
  if (label == nullptr) return {};
  return check(sys::call(__NR_fsconfig, context, FSCONFIG_SET_STRING, "context", label, 0),
               "fsconfig context", label);
}

Result<UniqueFd> make_filesystem(const char* type, const char* options, uint64_t attributes,
                                 const char* label) {
  auto context = own_fd(sys::call(__NR_fsopen, type, FSOPEN_CLOEXEC), "fsopen", type);
  if (!context.ok()) return context;
  if (options != nullptr) {
    Status configured = configure_filesystem(context.value().get(), options, type);
    if (!configured.ok()) return configured.error();
  }
  if (Status labelled = label_filesystem(context.value().get(), label); !labelled.ok())
    return labelled.error();
  return finish_filesystem(context.value().get(), attributes, type);
}

}  // namespace caisson
