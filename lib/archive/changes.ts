/** What a container has changed of its image. */
import { startView } from './view-process.js';
import type { View } from './view.js';

export type ChangeKind = 'added' | 'changed' | 'deleted';

/** One changed file or directory of a container. */
export interface FileChange {
  readonly kind: ChangeKind;
  /** From the container's root; bytes that are not UTF-8 are replaced. */
  readonly path: string;
}

const KINDS: Readonly<Record<string, ChangeKind>> = { A: 'added', C: 'changed', D: 'deleted' };

/** What the engine makes in a layer to mount there: Docker has them in a layer that is not the container's. */
const OF_ENGINE = ['/dev', '/proc', '/sys', '/etc/hosts', '/etc/hostname', '/etc/resolv.conf'];

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
