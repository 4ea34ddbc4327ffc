/** Images of the store as roots and defaults of containers: looked up once, as long as the index does not change. */
import { statSync } from 'node:fs';
import type { RootPlan } from '../../program/launch-input.js';
import { invalidImage } from '../content/content-errors.js';
import type { Platform } from '../platform.js';
import { findImage } from './find-image.js';
import { defaultsOf, type ImageDefaults } from './image-defaults.js';
import { planLayers } from './layer-plan.js';
import { layoutOf } from './layout-of.js';
import { readConfig, readManifest } from './stored-files.js';

/** What does not change as long as the image exists. */
export interface ImageContent {
  /** Digest of the manifest. */
  readonly manifest: string;
  /** Digest of the configuration. */
  readonly id: string;
  readonly root: RootPlan;
  readonly defaults: ImageDefaults;
}

interface Look {
  /** Of the index that was read. */
  readonly version: string;
  /** By name and platform. */
  readonly images: Map<string, ImageContent>;
}

/** By data root. */
const looks = new Map<string, Look>();
/** By data root and manifest, so that two names of an image, and its containers, have the same plan and share their templates. */
const contents = new Map<string, ImageContent>();

const MOST_REMEMBERED = 256;
/** While other processes change the index. */
const MOST_ATTEMPTS = 10;

/**
 * What a name means, if it was looked up since the index was last changed: one stat(2).
 *
 * @param platform as it was given
 */
export function knownStored(
  name: string,
  dataRoot: string,
  platform?: string,
): ImageContent | undefined {
  const look = looks.get(dataRoot);
  const known = look?.images.get(keyOf(name, platform));
  if (known === undefined) return undefined;
  return look?.version === versionOf(layoutOf(dataRoot).index) ? known : undefined;
}

/**
 * @param platform undefined: this machine's, if the image has it
 * @returns undefined: there is no such image
 * @throws ERR_INVALID_REFERENCE, ERR_AMBIGUOUS_ID, ERR_INVALID_IMAGE, ERR_INVALID_MANIFEST, ERR_DAMAGED_STATE
 */
export async function storedImage(
  name: string,
  dataRoot: string,
  platform?: { readonly text: string; readonly parsed: Platform },
): Promise<ImageContent | undefined> {
  const known = knownStored(name, dataRoot, platform?.text);
  if (known !== undefined) return known;
  const { index } = layoutOf(dataRoot);
  for (let attempt = 1; ; attempt++) {
    // Before the look: a change meanwhile is seen the next time.
    const version = versionOf(index);
    try {
      return await lookUp(name, dataRoot, platform, version);
    } catch (error) {
      // What is missing may have been removed together with the name, which then is no image's, or another one's.
      if (attempt === MOST_ATTEMPTS || versionOf(index) === version) throw error;
    }
  }
}

async function lookUp(
  name: string,
  dataRoot: string,
  platform: { readonly text: string; readonly parsed: Platform } | undefined,
  version: string,
): Promise<ImageContent | undefined> {
  const found = await findImage(layoutOf(dataRoot), name, platform?.parsed);
  if (found === undefined) return undefined;
  const content = await contentOf(dataRoot, found.manifest, name);
  let look = looks.get(dataRoot);
  if (look?.version !== version) looks.set(dataRoot, (look = { version, images: new Map() }));
  if (look.images.size >= MOST_REMEMBERED) look.images.clear();
  look.images.set(keyOf(name, platform?.text), content);
  return content;
}

/**
 * The image with that manifest, whatever its names are now.
 *
 * @throws ERR_INVALID_IMAGE, ERR_INVALID_MANIFEST
 */
export async function contentOf(
  dataRoot: string,
  digest: string,
  name: string,
): Promise<ImageContent> {
  const key = `${dataRoot}\0${digest}`;
  const known = contents.get(key);
  if (known !== undefined) return known;
  const paths = layoutOf(dataRoot);
  const manifest = await readManifest(paths, digest, undefined, name);
  if (manifest.kind !== 'manifest') throw invalidImage(name, 'is an index, not an image');
  const config = await readConfig(paths, manifest.config.digest, name);
  if (config.diffIds.length !== manifest.layers.length)
    throw invalidImage(
      name,
      `has ${manifest.layers.length} layers in its manifest and ${config.diffIds.length} in its configuration`,
    );
  const content = {
    manifest: digest,
    id: manifest.config.digest,
    root: await planLayers(paths, config.diffIds, name),
    defaults: defaultsOf(config),
  };
  if (contents.size >= MOST_REMEMBERED) contents.clear();
  contents.set(key, content);
  return content;
}

function keyOf(name: string, platform: string | undefined): string {
  return platform === undefined ? name : `${name}\0${platform}`;
}

/** The index is replaced as a whole (rename(2)): another index is another file. */
function versionOf(index: string): string {
  const stats = statSync(index, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? '' : `${stats.dev}:${stats.ino} ${stats.size} ${stats.mtimeNs}`;
}
