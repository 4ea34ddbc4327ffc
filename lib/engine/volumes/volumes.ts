/** `Engine.volumes`. What the methods need is loaded when they are called. */
import type { CreateVolumeOptions } from './create-volume.js';
import type { PrunedVolumes } from './delete-volumes.js';
import type { VolumeInfo } from './volume-info.js';
import type { VolumesContext } from './volumes-context.js';

let make: (context: () => Promise<VolumesContext>) => Volumes;

/** @param context is loaded when it is first needed */
export function volumesOf(context: () => Promise<VolumesContext>): Volumes {
  return make(context);
}

/**
 * Data that outlives containers. A container has a volume by its name (`volumes: ['data:/var/lib/data']`), which makes one that
 * does not exist.
 */
export class Volumes {
  readonly #context: () => Promise<VolumesContext>;

  static {
    make = (context) => new Volumes(context);
  }

  private constructor(context: () => Promise<VolumesContext>) {
    this.#context = context;
  }

  /**
   * Creates a volume. One of that name that exists is returned as it is.
   *
   * @param name `[a-zA-Z0-9][a-zA-Z0-9_.-]+`. Default: 64 random hexadecimal digits; the volume is anonymous then.
   * @throws ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION, ERR_CONFLICTING_OPTIONS, ERR_DAMAGED_STATE, ERR_STORAGE
   *
   * @example
   * await engine.volumes.create('data-1', { labels: { app: 'web' } });
   * await engine.run('busybox', ['touch', '/data/file'], { volumes: ['data-1:/data'] });
   */
  async create(name?: string, options: CreateVolumeOptions = {}): Promise<VolumeInfo> {
    const { createVolume, planVolume } = await import('./create-volume.js');
    const { volumeInfo } = await import('./volume-info.js');
    const plan = planVolume(name, options);
    const context = await this.#context();
    const volume = await createVolume(context, plan);
    const { volumeUsers } = await import('../store/volumes-of.js');
    return volumeInfo(context, volume, volumeUsers(context.store).get(volume.name));
  }

  /**
   * In no order. One whose file is damaged is left out.
   *
   * @param filters Docker's `key=value`: name, label, driver, dangling
   * @throws ERR_INVALID_OPTION
   *
   * @example
   * await engine.volumes.create('data-2', { labels: { app: 'db' } });
   * for (const { name } of await engine.volumes.list(['label=app=db'])) console.log(name); // data-2
   */
  async list(filters: readonly string[] = []): Promise<VolumeInfo[]> {
    const { matchesVolume, parseVolumeFilters } = await import('./volume-filters.js');
    const { volumeInfo } = await import('./volume-info.js');
    const { volumeUsers } = await import('../store/volumes-of.js');
    const wanted = parseVolumeFilters(filters);
    const context = await this.#context();
    const users = volumeUsers(context.store);
    return context.volumes
      .all()
      .map((volume) => volumeInfo(context, volume, users.get(volume.name)))
      .filter((info) => matchesVolume(wanted, info));
  }

  /**
   * The volume of that name.
   *
   * @throws ERR_NO_SUCH_VOLUME, ERR_DAMAGED_STATE
   *
   * @example
   * await engine.volumes.create('data-3');
   * const { driver, anonymous } = await engine.volumes.inspect('data-3');
   * console.log(driver, anonymous); // local false
   */
  async inspect(name: string): Promise<VolumeInfo> {
    const { volumeInfo } = await import('./volume-info.js');
    const { volumeUsers } = await import('../store/volumes-of.js');
    const context = await this.#context();
    const volume = context.volumes.find(name);
    return volumeInfo(context, volume, volumeUsers(context.store).get(name));
  }

  /**
   * Removes a volume that no container has, with all its files.
   *
   * @throws ERR_NO_SUCH_VOLUME, ERR_VOLUME_IN_USE, ERR_STORAGE, ERR_REMOVE_FAILED
   *
   * @example
   * await engine.volumes.create('data-4');
   * await engine.volumes.remove('data-4');
   */
  async remove(name: string): Promise<void> {
    const { deleteVolume } = await import('./delete-volumes.js');
    await deleteVolume(await this.#context(), name);
  }

  /**
   * Removes anonymous volumes that no container has.
   *
   * @param filters Docker's `key=value`: label, label!, and `all=true` for volumes with names, too
   * @throws ERR_INVALID_OPTION, ERR_STORAGE, ERR_REMOVE_FAILED
   *
   * @example
   * const { name } = await engine.volumes.create();
   * console.log((await engine.volumes.prune()).removed.includes(name)); // true
   */
  async prune(filters: readonly string[] = []): Promise<PrunedVolumes> {
    const { parseVolumePruneFilters } = await import('./volume-filters.js');
    const { pruneVolumes } = await import('./delete-volumes.js');
    const wanted = parseVolumePruneFilters(filters);
    return pruneVolumes(await this.#context(), wanted);
  }
}
