/** The images that other tests use are what their names say, and are read by other tools. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { imageLayout, needsSkopeo, type TestImage } from '../support/images.js';
import { repository } from '../support/paths.js';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

describe('Images of scripts/make-images', () => {
  for (const [name, layers] of [
    ['busybox', 1],
    ['forty', 40],
    ['odd', 4],
  ] as const) {
    it(`The image ${name} has the sizes and digests that it states, and the same bytes each time`, () => {
      const layout = imageLayout(name);
      const read = readImage(layout);
      expect(read.layers).to.have.length(layers);
      expect(read.diffIds).to.deep.equal(read.layers.map((layer) => digest(unpacked(layer))));

      const directory = mkdtempSync(join(tmpdir(), 'caisson-test-'));
      try {
        const again = join(directory, name);
        execFileSync('node', [join(repository, 'scripts/images/main.mjs'), name, again]);
        expect(readFileSync(join(again, 'index.json'), 'utf8')).to.equal(
          readFileSync(join(layout, 'index.json'), 'utf8'),
        );
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  }

  it('GNU tar reads all layers to their end without a complaint', () => {
    for (const name of ['busybox', 'forty', 'odd'] satisfies TestImage[]) {
      for (const layer of readImage(imageLayout(name)).layers) {
        const { status, stderr } = spawnSync('tar', ['--list', '--verbose', '--file=-'], {
          input: unpacked(layer),
          encoding: 'utf8',
        });
        expect({ status, stderr }).to.deep.equal({ status: 0, stderr: '' });
      }
    }
  });

  needsSkopeo().it('The tool skopeo reads every field of the configuration', () => {
    const output = execFileSync('skopeo', [
      'inspect',
      '--config',
      `oci:${imageLayout('odd')}:latest`,
    ]);
    const { config } = JSON.parse(output.toString()) as { config: Record<string, unknown> };
    expect(config).to.deep.include({ User: 'user:audio', StopSignal: 'SIGUSR1' });
    expect(config).to.include.keys('Entrypoint', 'Volumes', 'ExposedPorts', 'Labels');
  });
});

interface Layer {
  readonly mediaType: string;
  readonly blob: Buffer;
}

/** Reads an image, and checks each digest and size on the way. */
function readImage(layout: string): { readonly layers: Layer[]; readonly diffIds: string[] } {
  const blob = (descriptor: Descriptor): Buffer => {
    const bytes = readFileSync(join(layout, 'blobs', descriptor.digest.replace(':', '/')));
    expect({ size: bytes.length, digest: digest(bytes) }).to.deep.equal({
      size: descriptor.size,
      digest: descriptor.digest,
    });
    return bytes;
  };
  const parse = <T>(bytes: Buffer): T => JSON.parse(bytes.toString()) as T;
  const index = parse<{ manifests: [Descriptor] }>(readFileSync(join(layout, 'index.json')));
  const manifest = parse<{ config: Descriptor; layers: Descriptor[] }>(blob(index.manifests[0]));
  const config = parse<{ rootfs: { diff_ids: string[] } }>(blob(manifest.config));
  return {
    layers: manifest.layers.map((layer) => ({ mediaType: layer.mediaType, blob: blob(layer) })),
    diffIds: config.rootfs.diff_ids,
  };
}

function unpacked({ mediaType, blob }: Layer): Buffer {
  if (mediaType.endsWith('+gzip')) return gunzipSync(blob);
  if (mediaType.endsWith('+zstd')) return execFileSync('zstd', ['-dcq'], { input: blob });
  return blob;
}

function digest(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
