/** Images whose layers a test makes as directories, in the form that overlay takes: as the store has them when they are unpacked. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'; // prettier-ignore
import { dirname, join } from 'node:path';

/** Fills the directory of a layer. */
export type LayerMaker = (directory: string) => void;

export interface LayeredImage {
  /** In full: `docker.io/library/test:latest`. */
  readonly name: string;
  /** Digest. */
  readonly manifest: string;
  /** Digest of the configuration. */
  readonly id: string;
  /** The lowest one first. */
  readonly diffIds: readonly string[];
}

export interface ImageParts {
  /** The lowest one first. One that is there twice is one layer with two places. */
  readonly layers: readonly LayerMaker[];
  /** `config` of the configuration: Env, Cmd … */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Other fields of the configuration. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Media types of Docker's schema 2 in place of OCI's. */
  readonly docker?: boolean;
}

let serial = 0;

/** Writes an image, and gives it the name: another image with that name loses it. */
export function writeImage(dataRoot: string, name: string, parts: ImageParts): LayeredImage {
  const images = join(dataRoot, 'images');
  const { layers, config = {}, fields = {}, docker = false } = parts;
  const ids = new Map<LayerMaker, string>();
  const diffIds = layers.map((make) => {
    const id = ids.get(make) ?? unpacked(images, make);
    ids.set(make, id);
    return id;
  });
  const type = docker
    ? 'application/vnd.docker.distribution.manifest.v2+json'
    : 'application/vnd.oci.image.manifest.v1+json';
  const blob = (mediaType: string, content: string | object) => {
    const bytes = Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));
    const digest = digestOf(bytes);
    const path = join(images, 'blobs', digest.replace(':', '/'));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const configuration = blob(
    docker
      ? 'application/vnd.docker.container.image.v1+json'
      : 'application/vnd.oci.image.config.v1+json',
    {
      os: 'linux',
      architecture: { x64: 'amd64' }[process.arch as string] ?? process.arch,
      ...fields,
      config,
      rootfs: { type: 'layers', diff_ids: diffIds },
    },
  );
  const manifest = blob(type, {
    schemaVersion: 2,
    mediaType: type,
    config: configuration,
    layers: diffIds.map((id) =>
      blob(
        docker
          ? 'application/vnd.docker.image.rootfs.diff.tar.gzip'
          : 'application/vnd.oci.image.layer.v1.tar',
        id, // no archive: what is unpacked is all that a start needs
      ),
    ),
  });
  addToIndex(images, name, manifest);
  return { name, manifest: manifest.digest, id: configuration.digest, diffIds };
}

function unpacked(images: string, make: LayerMaker): string {
  const id = digestOf(Buffer.from(`layer ${process.pid} ${serial++}`));
  const root = join(images, 'layers', id.replace(':', '-'), 'root');
  mkdirSync(root, { recursive: true });
  chmodSync(root, 0o755);
  make(root);
  return id;
}

function addToIndex(images: string, name: string, manifest: object): void {
  const path = join(images, 'index.json');
  interface Entry {
    readonly annotations?: Readonly<Record<string, string>>;
  }
  const { manifests } = existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as { manifests: Entry[] })
    : { manifests: [] };
  const key = 'org.opencontainers.image.ref.name';
  const others = manifests.map((entry) =>
    entry.annotations?.[key] === name ? { ...entry, annotations: {} } : entry,
  );
  const entry = { ...manifest, annotations: { [key]: name } };
  writeFileSync(join(images, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const next = `${path}.new`;
  writeFileSync(next, JSON.stringify({ schemaVersion: 2, manifests: [...others, entry] }));
  renameSync(next, path);
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Of a directory with a whole system. */
export function copyOf(directory: string): LayerMaker {
  return (root) => {
    rmSync(root, { recursive: true });
    cpSync(directory, root, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    chmodSync(root, 0o755);
  };
}

/** Files by path: what is in them; null is a whiteout, and `opaque` a directory that hides what is below it. */
export function layer(
  files: Readonly<Record<string, string | null>>,
  opaque: readonly string[] = [],
  attribute = 'trusted.overlay.opaque',
): LayerMaker {
  return (root) => {
    for (const directory of opaque) {
      mkdirSync(join(root, directory), { recursive: true });
      execFileSync('python3', ['-c', SET_ATTRIBUTE, join(root, directory), attribute]);
    }
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      if (content === null) execFileSync('mknod', [join(root, path), 'c', '0', '0']);
      else writeFileSync(join(root, path), content);
    }
  };
}

const SET_ATTRIBUTE = 'import os, sys; os.setxattr(sys.argv[1], sys.argv[2], b"y")';
