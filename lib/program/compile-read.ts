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
import { release } from './release.js';
import { Slots } from './slots.js';

export interface ReadInput {
  /** The container's first process, as this process sees it. */
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat. */
  readonly startTime: bigint;
  /** The container has a user namespace of its own. */
  readonly ownUserNamespace: boolean;
  /** False if the container can only have its own group. */
  readonly groups: boolean;
  readonly paths: readonly string[];
  /** Bytes of the largest file that is read. */
  readonly limit: number;
}

export function compileRead(input: ReadInput): Launchable {
  const slots = new Slots();
  const [target, inside, outside, root] = [slots.take(), slots.take(), slots.take(), slots.take()];
  const namespaces = NAMESPACE_FLAGS.mount | (input.ownUserNamespace ? NAMESPACE_FLAGS.user : 0);
  const host: Step[] = [
    { op: 'process.open', slots: [target], numbers: [input.pid, input.startTime] },
    { op: 'clone', slots: [undefined, target], numbers: [namespaces, STAYING.outside] },
    { op: 'pipe.make', slots: [inside, outside], numbers: [1, SAME_OWNER, SAME_OWNER] },
  ];
  release(host, [inside]);
  const container: Step[] = [{ op: 'await' }];
  if (input.ownUserNamespace) {
    container.push({ op: 'ids.set', numbers: [0, 0] });
    if (input.groups) container.push({ op: 'groups.set' });
  }
  container.push(
    { op: 'file.open', slots: [root], texts: ['/'], numbers: [O_PATH_DIRECTORY] },
    {
      op: 'files.send',
      slots: [inside, root],
      texts: [stringList(input.paths)],
      numbers: [input.limit],
    },
  );
  return {
    program: { slots: slots.count, host, container, teardown: [] },
    teardown: { slots: 0, host: [], container: [], teardown: [] },
    slots: { stdout: outside, stdoutInside: inside, hold: [] },
  };
}
