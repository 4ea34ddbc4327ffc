/** What this machine is, what it can do for this user, and which containers it has. */
import type { Paths } from '../base/roots.js';
import type { MachineInfo } from './machine-info.js';

/**
 * Works where `Engine.open` refuses, too: then it says why. Nothing is made or changed.
 *
 * @param paths as for `Engine.open`.
 *
 * @example
 * import { machineInfo } from 'caisson';
 *
 * const { abilities } = await machineInfo();
 * for (const { name, available, remedy } of abilities) console.log(name, available ? 'yes' : remedy);
 */
export async function machineInfo(paths: Partial<Paths> = {}): Promise<MachineInfo> {
  // Loaded only now: most programs never ask.
  const { describeMachine } = await import('./describe-machine.js');
  return describeMachine(paths);
}
