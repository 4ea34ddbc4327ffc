/** What the verbs of volumes need. */
import type { RemoveTree, VolumeLocks, VolumeStore } from '../../volumes/volume-store.js';
import type { Store } from '../store/store.js';

export interface VolumesContext {
  /** Of the containers. */
  readonly store: Store;
  readonly volumes: VolumeStore;
  readonly locks: VolumeLocks;
  readonly removeTree: RemoveTree;
}
