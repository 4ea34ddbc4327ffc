/** The images of scripts/make-images, made when the first test asks for one. */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { isRoot, type Needs } from './needs.js';
import { repository } from './paths.js';
import { skipping } from './skip.js';

/** `debian` and `big` need root and take up to two minutes the first time; the others take a second or two. */
export type TestImage = 'busybox' | 'debian' | 'big' | 'forty' | 'odd';

/** The directory of the image's OCI layout. Its tag there is `latest`. Tests must not change it. */
export function imageLayout(name: TestImage): string {
  return makeImages(name);
}

/**
 * Pushes an image to a registry without TLS, with the bytes of its layout.
 * @param registry `127.0.0.1:5000`
 * @returns the image's name: `127.0.0.1:5000/busybox:latest`
 */
export async function pushImage(name: TestImage, registry: string): Promise<string> {
  // Not synchronously: this process has to read what a registry that it has started writes.
  await promisify(execFile)(makeImagesScript, ['--push', registry, name]);
  return `${registry}/${name}:latest`;
}

/** `it` and `describe` for tests of an image that takes minutes and root to make. */
export function needsImage(name: 'debian' | 'big'): Needs {
  const made = existsSync(join(repository, '.cache/images', name, 'index.json'));
  if (isRoot || made) return { it, describe };
  return skipping(`needs root: the image ${name} is made by debootstrap`);
}

/** `it` and `describe` for tests that compare with skopeo, or push with it. */
export function needsSkopeo(): Needs {
  const missing = spawnSync('skopeo', ['--version']).error !== undefined;
  return missing ? skipping('skopeo is not installed') : { it, describe };
}

const makeImagesScript = join(repository, 'scripts/make-images');

function makeImages(...argv: readonly string[]): string {
  const output = execFileSync(makeImagesScript, argv, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return output.trim();
}

/** The layers of the image with odd files, unpacked to archives; the last one only deletes. */
export function oddLayers(): Buffer[] {
  const layout = imageLayout('odd');
  const parse = (path: string) => JSON.parse(execFileSync('cat', [path]).toString()) as never;
  const blob = (digest: string) => join(layout, 'blobs', digest.replace(':', '/'));
  const index = parse(join(layout, 'index.json')) as { manifests: { digest: string }[] };
  const manifest = parse(blob(index.manifests[0]!.digest)) as {
    layers: { digest: string; mediaType: string }[];
  };
  return manifest.layers.slice(0, 3).map(({ digest, mediaType }) => {
    const bytes = execFileSync('cat', [blob(digest)], { maxBuffer: 2 ** 28 });
    if (mediaType.endsWith('+gzip')) return gunzipSync(bytes);
    if (mediaType.endsWith('+zstd')) return execFileSync('zstd', ['-dcq'], { input: bytes });
    return bytes;
  });
}
