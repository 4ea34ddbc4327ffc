/**
 * `compileRead`: the contents of files inside a running container, as a launch program. Pure. A process of
 * caisson-init joins the container's user and mount namespaces, becomes container root and sends the files through
 * a pipe. Whatever the container makes it read, it can be killed at any time, and no
 * thread of Node waits for it.
 */
import { NAMESPACE_FLAGS } from '../oci/namespaces.js';
import type { Launchable } from './compile.js';
import { STAYING } from './compile-exec.js';
import { stringList } from './encode.js';
import type { Step } from './instructions.js';
import { O_PATH_DIRECTORY, SAME_OWNER } from './kernel-constants.js';
import type { InjectedFile } from './launch-input.js';
import { release } from './release.js';
import { type LaunchSlots, Slots } from './slots.js';

/** A running container. */
export interface InsideInput {
  /** The container's first process, as this process sees it. */
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat. */
  readonly startTime: bigint;
  /** The container has a user namespace of its own. */
  readonly ownUserNamespace: boolean;
  /** False if the container can only have its own group. */
  readonly groups: boolean;
}

export interface ReadInput extends InsideInput {
  readonly paths: readonly string[];
  /** Bytes of the largest file that is read. */
  readonly limit: number;
}

export interface WriteInput extends InsideInput {
  /** Files that are there, with absolute paths. */
  readonly files: readonly InjectedFile[];
}

export function compileRead(input: ReadInput): Launchable {
  const slots = new Slots();
  const target = slots.take();
  const [inside, outside, root] = [slots.take(), slots.take(), slots.take()];
  const host = joinsContainer(input, target);
  host.push({ op: 'pipe.make', slots: [inside, outside], numbers: [1, SAME_OWNER, SAME_OWNER] });
  release(host, [inside]);
  const container = becomesRoot(input, root);
  container.push({
    op: 'files.send',
    slots: [inside, root],
    texts: [stringList(input.paths)],
    numbers: [input.limit],
  });
  return launchable(slots, host, container, {
    stdout: outside,
    stdoutInside: inside,
    hold: [],
  });
}

/** `compileWrite`: the same to replace what is in such files. */
export function compileWrite(input: WriteInput): Launchable {
  const slots = new Slots();
  const [target, root] = [slots.take(), slots.take()];
  const host = joinsContainer(input, target);
  release(host, []);
  const container = becomesRoot(input, root);
  for (const { path, content } of input.files)
    container.push({ op: 'file.write', slots: [root], texts: [path, content], numbers: [0, 1] });
  return launchable(slots, host, container, { hold: [] });
}

function joinsContainer({ pid, startTime, ownUserNamespace }: InsideInput, target: number): Step[] {
  const namespaces = NAMESPACE_FLAGS.mount | (ownUserNamespace ? NAMESPACE_FLAGS.user : 0);
  return [
    { op: 'process.open', slots: [target], numbers: [pid, startTime] },
    { op: 'clone', slots: [undefined, target], numbers: [namespaces, STAYING.outside] },
  ];
}

function becomesRoot({ ownUserNamespace, groups }: InsideInput, root: number): Step[] {
  const container: Step[] = [{ op: 'await' }];
  if (ownUserNamespace) {
    container.push({ op: 'ids.set', numbers: [0, 0] });
    if (groups) container.push({ op: 'groups.set' });
  }
  container.push({
    op: 'file.open',
    slots: [root],
    texts: ['/'],
    numbers: [O_PATH_DIRECTORY],
  });
  return container;
}

function launchable(
  slots: Slots,
  host: Step[],
  container: Step[],
  streams: LaunchSlots,
): Launchable {
  return {
    program: { slots: slots.count, host, container, teardown: [] },
    teardown: { slots: 0, host: [], container: [], teardown: [] },
    slots: streams,
  };
}
