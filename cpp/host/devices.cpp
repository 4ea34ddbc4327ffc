// cgroup.devices: which devices a cgroup of v2 may use.
#include <linux/bpf.h>

#include "../base/mount_api.h"
#include "host_machine.h"

namespace caisson::steps {
namespace {

bool same(const unsigned char* a, const char* b, uint32_t size) {
  return __builtin_memcmp(a, b, size) == 0;
}

Result<UniqueFd> load(Blob program) {
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.expected_attach_type = BPF_CGROUP_DEVICE;
  attributes.insns = reinterpret_cast<uint64_t>(program.data);
  attributes.insn_cnt = program.size / static_cast<uint32_t>(sizeof(bpf_insn));
  attributes.license = reinterpret_cast<uint64_t>("Apache-2.0");
  return own_fd(sys::call(__NR_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes), "bpf PROG_LOAD",
                "the device filter");
}

}  // namespace

// slot 0: the cgroup's directory; text: the program's instructions.
Status cgroup_devices(Machine& machine, const Step& step) {
  const Blob program = machine.blob(step, 0);
  Workplace& place = host(machine).workplace;
  if (!place.device_filter.valid() || place.device_filter_size != program.size ||
      !same(place.device_filter_bytes, program.data, program.size)) {
    auto loaded = load(program);
    if (!loaded.ok()) return loaded.error();
    place.device_filter = loaded.take();
    // One that is too long to be compared is loaded each time.
    const bool kept = program.size <= sizeof place.device_filter_bytes;
    place.device_filter_size = kept ? program.size : 0;
    if (kept) __builtin_memcpy(place.device_filter_bytes, program.data, program.size);
  }
  bpf_attr attributes{};
  attributes.target_fd = static_cast<uint32_t>(machine.slot(step, 0));
  attributes.attach_bpf_fd = static_cast<uint32_t>(place.device_filter.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  // Beside what the ancestors demand, and open to what the container's own descendants add.
  attributes.attach_flags = BPF_F_ALLOW_MULTI;
  return check(sys::call(__NR_bpf, BPF_PROG_ATTACH, &attributes, sizeof attributes),
               "bpf PROG_ATTACH", "the device filter");
}

}  // namespace caisson::steps
