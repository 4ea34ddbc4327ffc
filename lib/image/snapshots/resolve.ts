/** From what the user names as an image to a root and its defaults. */
import { DEFAULT_PATH } from '../../base/default-path.js';
import { CaissonError } from '../../base/errors.js';
import type { FrozenLayers, RootPlan } from '../../program/launch-input.js';
import { hostImage, knownHostImage, withBoundUsr } from '../host.js';
import type { HostBind } from '../host-skeleton.js';
import { isRootfs, knownRootfs, planRootfs, type RootfsImage } from '../rootfs.js';
import type { ImageDefaults } from './image-defaults.js';
import { noSuchImage } from './no-such-image.js';
import type * as StoredImages from './stored-image.js';

export interface ResolvedImage {
  readonly root: RootPlan;
  /** Directories of the host to bind read-only, before the user's mounts. */
  readonly binds: readonly HostBind[];
  readonly defaults: ImageDefaults;
  /** For `ps`: as it was given, or the root directory's path. */
  readonly name: string;
  /** Of an image of the store: the digest of its manifest for the platform. */
  readonly manifest?: string | undefined;
  /** The digest of its configuration. */
  readonly id?: string | undefined;
}

/** The image that a container was made from, also when its name has become another image's. */
export interface PinnedImage {
  readonly kind: 'image';
  readonly name: string;
  /** Digest. */
  readonly manifest: string;
}

export type PlainImage = string | RootfsImage | PinnedImage;

/** An image below what containers had written before they were forked. */
export interface FrozenImage {
  readonly kind: 'frozen';
  readonly image: PlainImage;
  readonly frozen: FrozenLayers;
}

/** What a container can be made from. */
export type ImageChoice = PlainImage | FrozenImage;

/** Of an image that says nothing. */
export const NO_DEFAULTS: ImageDefaults = {
  env: [`PATH=${DEFAULT_PATH}`],
  cmd: [],
  entrypoint: [],
  user: '',
  workdir: '/',
};

const hostDefaults: ImageDefaults = { ...NO_DEFAULTS, cmd: ['/bin/sh'] };

export interface ResolveOptions {
  /** For who starts it without privileges. */
  readonly rootless?: boolean | undefined;
  /** Of an image of the store: `linux/arm64`. Default: this machine's, if the image has it. */
  readonly platform?: string | undefined;
}

/** Loaded with the first image of the store; from then on they are there without a wait. */
let stored: typeof StoredImages | undefined;

async function storedImages(): Promise<typeof StoredImages> {
  return (stored ??= await import('./stored-image.js'));
}

/** What was found a moment ago, without another look but one at the index of the store; undefined when there has to be one. */
export function knownImage(
  image: string | RootfsImage,
  dataRoot: string,
  platform?: string,
): RootPlan | undefined {
  if (typeof image !== 'string') return knownRootfs(image);
  if (image === 'host') return knownHostImage(dataRoot)?.root;
  return stored?.knownStored(image, dataRoot, platform)?.root;
}

/**
 * @param dataRoot caisson's data directory, where the host image's skeleton and the store of images are.
 * @throws ERR_NO_SUCH_IMAGE, ERR_INVALID_ROOTFS, ERR_INVALID_IMAGE; ERR_INVALID_OPTION, ERR_INVALID_REFERENCE for what can be
 *   no image
 */
export async function resolveImage(
  image: ImageChoice,
  dataRoot: string,
  { rootless = false, platform }: ResolveOptions = {},
): Promise<ResolvedImage> {
  if (isOf(image, 'frozen')) return withFrozen(await resolveImage(image.image, dataRoot, { rootless, platform }), image); // prettier-ignore
  if (isOf(image, 'image')) return resolvePinned(image, dataRoot);
  if (typeof image !== 'string') {
    if (!isRootfs(image)) {
      throw new CaissonError('ERR_INVALID_OPTION', 'image: neither a name nor made by rootfs()', {
        stage: 'image',
        path: 'image',
      });
    }
    return { root: await planRootfs(image), binds: [], defaults: NO_DEFAULTS, name: image.path };
  }
  if (image === 'host') {
    const known = await hostImage(dataRoot);
    const { root, binds } = rootless ? withBoundUsr(known) : known;
    return { root, binds, defaults: hostDefaults, name: 'host' };
  }
  const found = await findStored(image, dataRoot, platform);
  if (found === undefined) throw noSuchImage(image, platform);
  return { ...found, binds: [], name: image };
}

/** Of the store; undefined: there is no such image. @throws as `resolveImage` */
export async function findStored(
  name: string,
  dataRoot: string,
  platform: string | undefined,
): Promise<StoredImages.ImageContent | undefined> {
  const { storedImage } = await storedImages();
  if (platform === undefined || platform === '') return storedImage(name, dataRoot);
  const { parsePlatform } = await import('../platform.js');
  return storedImage(name, dataRoot, { text: platform, parsed: parsePlatform(platform) });
}

async function resolvePinned(
  { manifest, name }: PinnedImage,
  dataRoot: string,
): Promise<ResolvedImage> {
  const { contentOf } = await storedImages();
  return { ...(await contentOf(dataRoot, manifest, name)), binds: [], name };
}

/** A root directory that is used in place has no layers. */
function withFrozen(image: ResolvedImage, { frozen }: FrozenImage): ResolvedImage {
  return image.root.kind === 'direct' ? image : { ...image, root: { ...image.root, frozen } };
}

function isOf<K extends 'image' | 'frozen'>(
  image: ImageChoice,
  kind: K,
): image is Extract<ImageChoice, { readonly kind: K }> {
  return (image as { readonly kind?: unknown } | null)?.kind === kind;
}
