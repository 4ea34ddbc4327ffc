/** Which containers the start of the machine starts again. */
import type { ContainerInfo } from './stored.js';

/**
 * Whether it is started when the machine starts, as Docker's daemon does when it starts itself (moby, restartmanager.go). A
 * container that was stopped is started only with `always`, and one that has never run not at all.
 */
export function startsOnBoot({ config: { restart }, state }: ContainerInfo): boolean {
  if (state.startedAt === '') return false;
  switch (restart.name) {
    case 'no':
      return false;
    case 'always':
      return true;
    case 'unless-stopped':
      return !state.stopped;
    case 'on-failure': {
      const { maximumRetryCount: most } = restart;
      return !state.stopped && state.exitCode !== 0 && (most === 0 || state.restartCount < most);
    }
  }
}
