/** A program of the package that works for this process, started without a copy of it (cpp/addon/helper_process.h). */
import { Socket } from 'node:net';
import { errnoName } from '../base/errno.js';
import { CaissonError } from '../base/errors.js';
import type { NativeProcess, ProcessEnd } from './binding.js';
import { loadNative } from './load.js';

/**
 * What the program has as one of its descriptors: one of this process; a socket to this process, which writes to it
 * (`in`), reads from it (`out`), or does both; or nothing, which is /dev/null for the first three.
 */
export type HelperFile = number | 'in' | 'out' | 'both' | undefined;

const NOTHING = -1;
const SOCKET = -2;

export class HelperProcess {
  /** This process's end of each socket. */
  readonly streams: readonly (Socket | undefined)[];
  readonly #process: NativeProcess;

  /** @throws ERR_NATIVE_LOAD */
  constructor(program: string, args: readonly string[], files: readonly HelperFile[]) {
    const numbers = files.map((file) => (typeof file === 'number' ? file : file === undefined ? NOTHING : SOCKET)); // prettier-ignore
    const started = loadNative().startProcess(program, args, numbers);
    if ('errno' in started) {
      const { call } = started;
      const errno = errnoName(started.errno);
      throw new CaissonError('ERR_NATIVE_LOAD', `${program} cannot be run: ${call}: ${errno}`, {
        stage: 'config',
        syscall: call,
        errno,
        path: program,
      });
    }
    this.#process = started.process;
    this.streams = files.map((file, index) => {
      const fd = started.ends[index] ?? NOTHING;
      if (fd < 0) return undefined;
      return new Socket({ fd, readable: file !== 'in', writable: file !== 'out' });
    });
  }

  /** Its sockets end then. */
  kill(): void {
    loadNative().killProcess(this.#process);
  }

  /**
   * To be called once, when a socket has ended that the program has until it ends: what still runs then is killed.
   * No process is left when this resolves.
   */
  end(): Promise<ProcessEnd> {
    return loadNative().endProcess(this.#process);
  }
}
