/** Pausing a container, and resuming it. */
import { freezerState, setFrozen } from '../../cgroup/freezer.js';
import { recordEvent } from '../store/container-events.js';
import { withLock } from '../../host/locks.js';
import type { ContainerContext } from './container-context.js';
import { directoriesOf, statusOf, storedContainer } from './inspect-container.js';
import { checkAllowed, refusalOf } from './transitions.js';

export function pauseContainer(context: ContainerContext, id: string): Promise<void> {
  return freeze(context, id, 'pause');
}

export function unpauseContainer(context: ContainerContext, id: string): Promise<void> {
  return freeze(context, id, 'unpause');
}

function freeze(context: ContainerContext, id: string, verb: 'pause' | 'unpause'): Promise<void> {
  const { store } = context;
  return withLock(store.paths.runRoot, id, async () => {
    const { config, ...found } = storedContainer(store, id);
    checkAllowed(await statusOf(context, config, found), verb, id);
    try {
      await setFrozen(await directoriesOf(context, config), verb === 'pause');
    } catch (error) {
      // It has ended meanwhile, or is about to be run again.
      const directories = await directoriesOf(context, config);
      const ended = directories.length > 0 && (await freezerState(directories)) === undefined;
      throw (ended ? refusalOf('exited', verb, id) : undefined) ?? error;
    }
    recordEvent(store, config, verb);
  });
}
