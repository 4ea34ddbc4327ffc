/** What a container has changed of its image. */
import { PassThrough, type Readable } from 'node:stream';
import { copyOutput, startView } from './view-process.js';
import type { View } from './view.js';

/** What has become of a path of the image. */
export type ChangeKind = 'added' | 'changed' | 'deleted';

/** One changed file or directory of a container. */
export interface FileChange {
  /** What has become of it. */
  readonly kind: ChangeKind;
  /** From the container's root; bytes that are not UTF-8 are replaced. */
  readonly path: string;
}

const KINDS: Readonly<Record<string, ChangeKind>> = { A: 'added', C: 'changed', D: 'deleted' };

/** What the engine makes in a layer to mount there: Docker has them in a layer that is not the container's. */
const OF_ENGINE = ['/dev', '/proc', '/sys', '/etc/hosts', '/etc/hostname', '/etc/resolv.conf'];

/**
 * The changes as the layer of an image, as a tar stream, which fails with what has gone wrong.
 *
 * @param hidden what else was made to be mounted on
 */
export function startLayer(
  view: View & { readonly kind: 'changes' },
  hidden: readonly string[] = [],
): Readable {
  const stream = new PassThrough();
  const packing = startView(view, { kind: 'layer', hidden: [...OF_ENGINE, ...hidden] });
  stream.once('close', () => packing.kill());
  copyOutput(packing, stream).catch((error: unknown) => {
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  return stream;
}

/** In the order of their paths; a directory comes before what is in it. */
export async function readChanges(
  view: View & { readonly kind: 'changes' },
  signal?: AbortSignal,
): Promise<FileChange[]> {
  const { output, done } = startView(view, { kind: 'diff', hidden: OF_ENGINE }, signal);
  const chunks: Buffer[] = [];
  output.on('data', (chunk: Buffer) => chunks.push(chunk));
  await done;
  const lines = Buffer.concat(chunks).toString('utf8').split('\0');
  return lines.slice(0, -1).map((line) => {
    const kind = KINDS[line.charAt(0)] ?? 'changed';
    return { kind, path: line.slice(1) };
  });
}
