/** All containers that are kept. */
import { Container, type ContainerHome } from './container.js';
import { listContainers } from './listing.js';
import type { ContainerInfo } from './stored.js';

export class Containers {
  constructor(private readonly home: ContainerHome) {}

  /** @throws ERR_NO_SUCH_CONTAINER, ERR_AMBIGUOUS_ID */
  async get(reference: string): Promise<Container> {
    return new Container(this.home, await this.home.store.find(reference));
  }

  /** Newest first. What is removed meanwhile, or cannot be read, is left out. */
  list(): Promise<ContainerInfo[]> {
    return listContainers(this.home);
  }
}
