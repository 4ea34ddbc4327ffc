/**
 * Small files of a running container. Their names lead wherever the container wants, so that they are read from inside, by
 * a process that can be killed (program/compile-read.ts).
 */
import { constants } from 'node:os';
import { CaissonError } from '../../base/errors.js';
import { type ContainerEvent, containerListener } from '../../native/events.js';
import { compileRead } from '../../program/compile-read.js';
import { Template } from '../../program/template.js';
import { newId } from '../../base/ids.js';
import type { StartContext } from './context.js';
import { endedEarly, failureOf } from './failure.js';
import { makeTemplate } from './native-template.js';

/** A running container, as `exec` knows it, and what to read of it. */
export interface FilesToRead {
  readonly pid: number;
  readonly startTime: string;
  /** It has a user namespace of its own. */
  readonly ownUserNamespace: boolean;
  /** False where the container can have no groups but its own. */
  readonly groups: boolean;
  /** Absolute paths in the container. */
  readonly paths: readonly string[];
  /** Bytes of the largest file that is read. */
  readonly limit: number;
}

/** For each path the text, or the errno that says why there is none. */
export type FileContents = readonly (string | number)[];

/** Reading them. */
export interface Reading {
  /** @throws ERR_TIMEOUT where a file of the container does not answer, and why they could not be read at all */
  readonly contents: Promise<FileContents>;
  /** Makes it fail with the error. */
  end(error: Error): void;
}

/** How long it may take, in milliseconds. */
const PATIENCE = 10_000;

/** As the container's root, in its mount namespace, as they are now. */
export function readFiles(
  { binding, encoder }: Pick<StartContext, 'binding' | 'encoder'>,
  files: FilesToRead,
): Reading {
  const { paths, limit } = files;
  const { program, teardown, slots } = compileRead({
    pid: files.pid,
    startTime: BigInt(files.startTime),
    ownUserNamespace: files.ownUserNamespace,
    groups: files.groups,
    paths,
    limit,
  });
  const template = makeTemplate(
    binding,
    new Template(program, encoder),
    new Template(teardown, encoder),
    slots,
  );
  const largest = paths.length * (SIZE_BYTES + limit);
  const chunks: Buffer[] = [];
  let resolve!: (contents: FileContents) => void;
  let reject!: (error: unknown) => void;
  const contents = new Promise<FileContents>((...both) => ([resolve, reject] = both));
  let received = 0;
  let succeeded = false;
  let drained = false;
  const settle = () => {
    clearTimeout(timer);
    resolve(parseFiles(Buffer.concat(chunks), paths.length, limit));
  };
  const listener = (event: ContainerEvent) => {
    switch (event.type) {
      case 'data':
        chunks.push(event.bytes);
        received += event.bytes.length;
        if (received > largest) end(tooLarge(paths));
        break;
      case 'end':
        drained = true;
        if (succeeded) settle();
        break;
      case 'failed':
        fail(failureOf(event.error, program, []));
        break;
      case 'exited':
        if (event.code === 0 && event.executed) {
          succeeded = true;
          if (drained || event.ended.includes(1)) settle();
        } else {
          fail(endedEarly(program, event.timestamps(), event));
        }
        break;
      case 'input':
      case 'waiting':
      case 'terminal':
      case 'started':
      case 'writable':
      case 'gone':
        break;
    }
  };
  const container = binding.launch(template, newId(), 0, false, containerListener(listener));
  const fail = (error: Error) => {
    clearTimeout(timer);
    reject(error);
  };
  // It need not have ended then: a filesystem of the container's may hold it.
  const end = (error: Error) => {
    binding.kill(container, constants.signals.SIGKILL);
    fail(error);
  };
  const timer = setTimeout(() => {
    const message = `${paths.join(' and ')} of the container did not answer within ${PATIENCE} ms`;
    end(new CaissonError('ERR_TIMEOUT', message, { stage: 'config', path: paths[0] }));
  }, PATIENCE);
  return { contents, end };
}

function tooLarge(paths: readonly string[]): CaissonError {
  return new CaissonError(
    'ERR_START_FAILED',
    `${paths.join(' and ')} of the container are too large`,
    { stage: 'config', path: paths[0] },
  );
}

const SIZE_BYTES = 4;

/**
 * What `files.send` has sent: for each file its size or a negated errno, in 32 bits, and its bytes. The sender is among the
 * container's processes, which may have cut it short.
 */
export function parseFiles(bytes: Buffer, count: number, limit: number): FileContents {
  let at = 0;
  return Array.from({ length: count }, () => {
    if (bytes.length < at + SIZE_BYTES) return constants.errno.EIO;
    const size = bytes.readInt32LE(at);
    at += SIZE_BYTES;
    if (size < 0) return -size;
    if (size > limit || bytes.length < at + size) return constants.errno.EIO;
    at += size;
    return bytes.toString('utf8', at - size, at);
  });
}
