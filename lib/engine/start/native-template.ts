/** A program and its teardown, handed to the machine once for all starts that use them. */
import type { Binding, NativeTemplate } from '../../native/binding.js';
import type { LaunchSlots } from '../../program/slots.js';
import type { Template } from '../../program/template.js';

/** What each start is made from. */
export function makeTemplate(
  binding: Binding,
  program: Template,
  teardown: Template,
  slots: LaunchSlots,
): NativeTemplate {
  const { stdin = -1, stdout = -1, stderr = -1, oom = -1 } = slots;
  const { stdoutInside = -1, stderrInside = -1, notices = -1 } = slots;
  return binding.template(
    program.bytes,
    program.patches,
    teardown.bytes,
    teardown.patches,
    [stdin, stdout, stderr, oom, stdoutInside, stderrInside, notices],
    slots.hold,
  );
}
