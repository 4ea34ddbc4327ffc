/** Debian's docker-registry on a port of the loopback interface, with a configuration and files of its own. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Descriptor } from '../../lib/image/manifest.js';
import { MEDIA_TYPES } from '../../lib/image/manifest.js';
import { parseReference, type Reference } from '../../lib/image/reference.js';
import { RegistryClient, type RegistryOptions } from '../../lib/image/registry/registry-client.js';
import type { BlobSink, BlobSource } from '../../lib/image/registry/transfer.js';

export interface RegistrySettings {
  /** Passwords by user name: Basic authentication. */
  readonly users?: Readonly<Record<string, string>>;
  /** PEM files, for TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly clientCa?: string };
  /** Sections of its configuration, as YAML. */
  readonly config?: string;
  /** What runs it in another network namespace: `NetworkNamespace.within`. */
  readonly within?: readonly string[];
}

export class TestRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly directory: string;
  readonly #process: ChildProcess;

  private constructor(host: string, directory: string, child: ChildProcess) {
    this.host = host;
    this.directory = directory;
    this.#process = child;
    // Where a hook fails before it stops the registry, the tests still come to their end.
    this.#hold(false);
    process.once('exit', this.#end);
  }

  static async start(settings: RegistrySettings = {}): Promise<TestRegistry> {
    const directory = mkdtempSync(join(tmpdir(), 'caisson-registry-'));
    const config = join(directory, 'config.yml');
    writeFileSync(config, configuration(directory, settings));
    const [program = '', ...args] = [...(settings.within ?? []), 'docker-registry', 'serve', config]; // prettier-ignore
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const lines: string[] = [];
    const address = await new Promise<string>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`docker-registry: ${lines.join('\n')}`)));
      createInterface(child.stderr).on('line', (line) => {
        if (lines.length < 50) lines.push(line);
        const [, found] = /listening on (127\.0\.0\.1:\d+)/.exec(line) ?? [];
        if (found !== undefined) resolve(found);
      });
    }).catch((error: unknown) => {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    });
    return new TestRegistry(address, directory, child);
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('docker-registry does not run');
    return this.#process.pid;
  }

  async stop(): Promise<void> {
    process.off('exit', this.#end);
    this.#hold(true);
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  readonly #end = (): void => {
    this.#process.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  };

  #hold(held: boolean): void {
    for (const each of [this.#process, this.#process.stderr as Socket]) {
      if (held) each.ref();
      else each.unref();
    }
  }

  reference(name: string): Reference {
    return parseReference(`${this.host}/${name}`);
  }

  /** Without credentials and configuration of this machine, unless the options have them. */
  async open(name: string, options: RegistryOptions = {}): Promise<RegistryClient> {
    return RegistryClient.open(this.reference(name), { ...QUIET, ...options });
  }
}

/** Nothing of this machine, and no long waits. */
export const QUIET: RegistryOptions = {
  env: { PATH: process.env['PATH'] },
  credentials: null,
  certificateDirectories: [],
  configuration: { rules: [], dockerMirrors: [], insecure: [] },
  retries: { attempts: 3, delay: 5, longest: 20 },
  stallTimeout: 5000,
};

function configuration(directory: string, { users, tls, config = '' }: RegistrySettings): string {
  const htpasswd = join(directory, 'htpasswd');
  if (users !== undefined)
    writeFileSync(
      htpasswd,
      Object.entries(users)
        .map(([name, word]) =>
          execFileSync('htpasswd', ['-nbB', '-C', '4', name, word], { encoding: 'utf8' }).trim(),
        ) // prettier-ignore
        .join('\n'),
    );
  return `version: 0.1
log: { level: info, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: ${join(directory, 'data')} }
  delete: { enabled: true }
http:
  addr: 127.0.0.1:0
${
  tls === undefined
    ? ''
    : `  tls:
    certificate: ${tls.certificate}
    key: ${tls.key}
${tls.clientCa === undefined ? '' : `    clientcas: [${tls.clientCa}]\n`}`
}${users === undefined ? '' : `auth: { htpasswd: { realm: test, path: ${htpasswd} } }\n`}${config}`;
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export function descriptorOf(
  bytes: Uint8Array,
  mediaType: string = MEDIA_TYPES.layerGzip,
): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** An ingest file in memory. */
export class MemorySink implements BlobSink {
  chunks: Buffer[] = [];
  resets = 0;

  constructor(bytes?: Uint8Array) {
    if (bytes !== undefined) this.chunks.push(Buffer.from(bytes));
  }

  get offset(): number {
    return this.chunks.reduce((sum, { length }) => sum + length, 0);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  async *read(): AsyncGenerator<Uint8Array> {
    yield* [...this.chunks];
  }

  write(bytes: Uint8Array): void {
    this.chunks.push(Buffer.from(bytes));
  }

  reset(): void {
    this.chunks = [];
    this.resets++;
  }
}

/** In pieces of an odd size. */
export function sourceOf(bytes: Uint8Array, step = 65_521): BlobSource {
  return {
    async *read(offset) {
      for (let at = offset; at < bytes.length; at += step) yield bytes.subarray(at, Math.min(at + step, bytes.length)); // prettier-ignore
    },
  };
}

export interface TestImage {
  readonly manifest: Buffer;
  readonly descriptor: Descriptor;
  readonly config: Buffer;
  readonly layers: readonly Buffer[];
}

/** An image with these layers, which need not be archives. */
export function makeImage(
  layers: readonly Buffer[],
  { architecture = 'amd64', docker = false } = {},
): TestImage {
  const config = Buffer.from(
    JSON.stringify({ architecture, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: layers.map(digestOf) } }), // prettier-ignore
  );
  const mediaType = docker ? MEDIA_TYPES.dockerManifest : MEDIA_TYPES.manifest;
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: descriptorOf(config, docker ? MEDIA_TYPES.dockerConfig : MEDIA_TYPES.config),
      layers: layers.map((each) => descriptorOf(each, docker ? MEDIA_TYPES.dockerLayerGzip : MEDIA_TYPES.layerGzip)), // prettier-ignore
    }),
  );
  return { manifest, descriptor: descriptorOf(manifest, mediaType), config, layers };
}

/** @param target a tag; default: that of the client's reference */
export async function pushImage(
  client: RegistryClient,
  image: TestImage,
  target?: string,
): Promise<void> {
  for (const blob of [image.config, ...image.layers])
    await client.pushBlob(descriptorOf(blob), sourceOf(blob));
  await client.pushManifest(image.manifest, image.descriptor.mediaType, target);
}
