/** A shell in a running container, so that a test can look at the same thing from inside and from outside. */
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { Engine } from '../../lib/engine/engine.js';
import type { Execution } from '../../lib/engine/start/execution.js';
import type { RunResult } from '../../lib/engine/start/run-result.js';
import type { RunOptions } from '../../lib/engine/options/options.js';
import type { RootfsImage } from '../../lib/image/rootfs.js';
import { pidOutside } from './outside.js';

export interface Answer {
  readonly code: number;
  /** Both streams, without the last line ends. */
  readonly output: string;
}

export class Session implements AsyncDisposable {
  private text = '';
  private ended = false;
  private wake: (() => void) | undefined;

  private constructor(readonly execution: Execution) {
    const { stdout } = execution;
    stdout!.setEncoding('utf8');
    stdout!.on('data', (chunk: string) => {
      this.text += chunk;
      this.wake?.();
    });
    stdout!.on('end', () => {
      this.ended = true;
      this.wake?.();
    });
  }

  static async open(
    engine: Engine,
    image: string | RootfsImage,
    options: RunOptions,
  ): Promise<Session> {
    const execution = engine.run(image, ['sh'], { stdin: 'pipe', ...options });
    const session = new Session(execution);
    await execution.started;
    return session;
  }

  get id(): string {
    return this.execution.id;
  }

  /** The host's pid of a process of the container. */
  pid(inside = 1): Promise<number> {
    return pidOutside(this.id, inside);
  }

  /** What a command does, whether it succeeds or not. */
  async try(command: string): Promise<Answer> {
    const marker = `=${randomBytes(8).toString('hex')}`;
    this.text = '';
    this.execution.stdin!.write(
      `{ ${command}\n} </dev/null 2>&1; printf '\\n%s %d\\n' ${marker} $?\n`,
    );
    const pattern = new RegExp(`\\n${marker} (\\d+)\\n`);
    for (;;) {
      const match = pattern.exec(this.text);
      if (match !== null) {
        return { code: Number(match[1]), output: this.text.slice(0, match.index).trimEnd() };
      }
      if (this.ended) throw new Error(`the shell ended at: ${command}\n${this.text}`);
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  /** The output of a command that has to succeed. */
  async sh(command: string): Promise<string> {
    const { code, output } = await this.try(command);
    expect(code, `${command}\n${output}`).to.equal(0);
    return output;
  }

  /** Lets the shell come to its end. */
  async close(): Promise<RunResult> {
    this.execution.stdin!.end();
    return this.execution;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.execution[Symbol.asyncDispose]();
  }
}
