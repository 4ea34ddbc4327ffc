// The programs of a container's runs. A change of a container that runs, such as a network that it
// is connected to, replaces those of the runs to come and the teardown: what is to be torn down is
// what there is then.
#pragma once

#include <stddef.h>

#include "../base/result.h"
#include "../program/supervisor_config.h"

namespace caisson {

class Programs {
 public:
  explicit Programs(const SupervisorConfig& first) : first_(first) {}

  // Of the present run, or of the last one.
  const SupervisorConfig& present() const { return present_.used() ? present_.config : first_; }
  const Program& teardown() const { return next().teardown(); }
  // Of the next run.
  const Program& coming() const { return next().program(); }
  // Of the runs to come. What the present run has changed to.
  const SupervisorConfig& next() const { return next_.used() ? next_.config : present(); }

  // Reads what replaces them from kNextProgramsFile in this directory: a whole configuration, of
  // which nothing but the programs and their slots counts. When it fails, nothing has changed.
  Status replace(int directory);
  // A run begins: whether its program is another than that of the last one.
  bool advance();

 private:
  struct Block {
    bool used() const { return memory != nullptr; }
    void free();

    void* memory = nullptr;
    size_t size = 0;
    SupervisorConfig config;
  };

  const SupervisorConfig& first_;
  Block present_;  // unused: `first_`
  Block next_;     // unused: the same as `present_`
};

}  // namespace caisson
