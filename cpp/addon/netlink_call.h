#pragma once

#include <napi.h>

namespace caisson {

// netlink(protocol, messages, namespace, dump, settings) → a promise of what lib/native/binding.ts
// calls NetlinkOutcome. `namespace` is a descriptor of the network namespace to ask in, or -1.
// `settings` of that namespace are written first.
Napi::Value netlink_call(const Napi::CallbackInfo& info);

// netlinkNow(protocol, messages): the same of a dump in this network namespace, at once.
Napi::Value netlink_now(const Napi::CallbackInfo& info);

// netfilterMoment(question) → [generation, own, exact] of lib/network/firewall/foreign-changes.ts;
// undefined: the kernel does not answer the question of nf_tables' generation.
Napi::Value netfilter_moment(const Napi::CallbackInfo& info);

// linkIndex(name, ...addresses) → the index of an interface that is up and has these addresses, of
// 4 or 16 bytes each; 0: there is none.
Napi::Value link_index(const Napi::CallbackInfo& info);

}  // namespace caisson
