/** Which containers the start of the machine starts again. */
import type { ContainerInfo } from './stored.js';

/**
 * Whether the machine's start is to start it, as Docker's daemon would do at its own (moby, restartmanager.go). What
 * somebody has stopped is started again only by `always`; what has never run, by nothing.
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
