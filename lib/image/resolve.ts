/** From what the user names as an image to a root and its defaults. */
import { DEFAULT_PATH } from '../base/default-path.js';
import { CaissonError } from '../base/errors.js';
import type { RootPlan } from '../program/launch-input.js';
import { hostImage, knownHostImage, withBoundUsr } from './host.js';
import type { HostBind } from './host-skeleton.js';
import { isRootfs, knownRootfs, planRootfs, type RootfsImage } from './rootfs.js';

/** What an image says about its processes (OCI image spec, config.md), where the user says nothing. */
export interface ImageDefaults {
  /** `NAME=value`. */
  readonly env: readonly string[];
  readonly cmd: readonly string[];
  readonly entrypoint: readonly string[];
  /** `user[:group]`; empty is root. */
  readonly user: string;
  readonly workdir: string;
  /** Paths at which containers have volumes (VOLUME in a Dockerfile). */
  readonly volumes?: readonly string[] | undefined;
}

export interface ResolvedImage {
  readonly root: RootPlan;
  /** Directories of the host to bind read-only, before the user's mounts. */
  readonly binds: readonly HostBind[];
  readonly defaults: ImageDefaults;
  /** For `ps`: `host`, or the root directory's path. */
  readonly name: string;
}

const defaults: ImageDefaults = {
  env: [`PATH=${DEFAULT_PATH}`],
  cmd: [],
  entrypoint: [],
  user: '',
  workdir: '/',
};

const hostDefaults: ImageDefaults = { ...defaults, cmd: ['/bin/sh'] };

/** What was found a moment ago, without another look; undefined when there has to be one. */
export function knownImage(image: string | RootfsImage, dataRoot: string): RootPlan | undefined {
  if (typeof image !== 'string') return knownRootfs(image);
  return image === 'host' ? knownHostImage(dataRoot)?.root : undefined;
}

/**
 * @param dataRoot caisson's data directory, where the host image's skeleton is kept.
 * @param rootless for who starts it without privileges.
 * @throws ERR_NO_SUCH_IMAGE, ERR_INVALID_ROOTFS, ERR_INVALID_OPTION for what can be neither
 */
export async function resolveImage(
  image: string | RootfsImage,
  dataRoot: string,
  rootless = false,
): Promise<ResolvedImage> {
  if (typeof image !== 'string') {
    if (!isRootfs(image)) {
      throw new CaissonError('ERR_INVALID_OPTION', 'image: neither a name nor made by rootfs()', {
        stage: 'image',
        path: 'image',
      });
    }
    return { root: await planRootfs(image), binds: [], defaults, name: image.path };
  }
  if (image === 'host') {
    const known = await hostImage(dataRoot);
    const { root, binds } = rootless ? withBoundUsr(known) : known;
    return { root, binds, defaults: hostDefaults, name: 'host' };
  }
  throw new CaissonError('ERR_NO_SUCH_IMAGE', `No such image: ${image}`, {
    stage: 'image',
    path: image,
    hint: "images from registries are not implemented yet; use 'host', or rootfs() (--rootfs DIR)",
  });
}
