/** `Engine.volumes`, with what it takes from higher floors. */
import { type Volumes, volumesOf } from './volumes/volumes.js';
import type { VolumesContext } from './volumes/volumes-context.js';
import type { Store } from './store/store.js';

/** @param locks of the engine's runs; without an engine this process has none */
export function volumesIn(store: Store, locks?: VolumesContext['locks']): Volumes {
  return volumesOf(async () => {
    const { volumesContext } = await import('./container/volumes-context-of.js');
    return volumesContext(store, locks);
  });
}
