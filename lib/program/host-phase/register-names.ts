/** The container at the resolver, which answers in its network namespace (cpp/resolver). */
import type { Step } from '../instructions.js';
import type { LaunchInput } from '../launch-input.js';
import type { Slots } from '../slots.js';

/**
 * Once there is the network namespace. The resolver works while this phase goes on.
 *
 * @returns the slot of the connection, for `awaitRegistration` and for what is told later (cpp/base/refusal_notice.h)
 */
export function registerNames(
  steps: Step[],
  { resolver }: LaunchInput,
  slots: Slots,
): number | undefined {
  if (resolver === undefined) return undefined;
  const connection = slots.take();
  const { directory, registration } = resolver;
  steps.push({ op: 'resolver.register', slots: [connection], texts: [directory, registration] });
  return connection;
}

/** Before the program can begin. A resolver that has ended meanwhile is told again. */
export function awaitRegistration(
  steps: Step[],
  { resolver }: LaunchInput,
  connection: number | undefined,
): void {
  if (resolver === undefined || connection === undefined) return;
  const { directory, registration } = resolver;
  steps.push({ op: 'resolver.await', slots: [connection], texts: [directory, registration] });
}
