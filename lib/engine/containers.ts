/** All containers that are kept. */
import { CaissonError } from '../errors.js';
import { Container, type ContainerHome } from './container.js';
import type { ContainerInfo } from './stored.js';

export class Containers {
  constructor(private readonly home: ContainerHome) {}

  /** @throws ERR_NO_SUCH_CONTAINER, ERR_AMBIGUOUS_ID */
  async get(reference: string): Promise<Container> {
    return new Container(this.home, await this.home.store.find(reference));
  }

  /** Newest first. What is removed meanwhile, or cannot be read, is left out. */
  async list(): Promise<ContainerInfo[]> {
    const infos: ContainerInfo[] = [];
    for (const id of this.home.store.ids()) {
      try {
        infos.push(await new Container(this.home, id).inspect());
      } catch (error) {
        if (!(error instanceof CaissonError)) throw error;
        if (error.code !== 'ERR_NO_SUCH_CONTAINER' && error.code !== 'ERR_DAMAGED_STATE')
          throw error;
      }
    }
    return infos.sort((a, b) => (a.config.created < b.config.created ? 1 : -1));
  }
}
