/** All containers that are kept. */
import { CaissonError } from '../../base/errors.js';
import { Container, type ContainerContext, isActive } from './container.js';
import { sizeOnDisk } from '../start/layer-size.js';
import { listContainers } from './listing.js';
import type { ContainerInfo } from '../store/stored.js';

export interface Pruned {
  /** Long ids. */
  readonly removed: readonly string[];
  /** Bytes. */
  readonly freed: number;
}

export class Containers {
  constructor(private readonly context: ContainerContext) {}

  /** @throws ERR_NO_SUCH_CONTAINER, ERR_AMBIGUOUS_ID */
  async get(reference: string): Promise<Container> {
    return new Container(this.context, await this.context.store.find(reference));
  }

  /** Newest first. What is removed meanwhile, or cannot be read, is left out. */
  list(): Promise<ContainerInfo[]> {
    return listContainers(this.context);
  }

  /** Removes all that do not run, and are chosen. What somebody starts or removes meanwhile is left alone. */
  async prune(chosen: (info: ContainerInfo) => boolean = () => true): Promise<Pruned> {
    const removed: string[] = [];
    let freed = 0;
    for (const info of await this.list()) {
      const { id } = info.config;
      if (isActive(info.state) || !chosen(info)) continue;
      const size = await sizeOnDisk(this.context.store.directory(id));
      try {
        await new Container(this.context, id).remove();
      } catch (error) {
        if (!(error instanceof CaissonError)) throw error;
        if (error.code !== 'ERR_NO_SUCH_CONTAINER' && error.code !== 'ERR_CONTAINER_RUNNING')
          throw error;
        continue;
      }
      removed.push(id);
      freed += size;
    }
    return { removed, freed };
  }
}
