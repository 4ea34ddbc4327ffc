/** A helper process that is asked by a line and answers by JSON lines, the last of them `{"done":true}`. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

export class LineProcess implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  readonly #name: string;
  #complaints = '';

  constructor(command: string, args: readonly string[]) {
    this.#name = command.replace(/^.*\//, '');
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdin.on('error', () => undefined);
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints = (this.#complaints + text).slice(-2000);
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.#name} does not start`);
    return this.#child.pid;
  }

  /** Sends a line and collects the answers to it. */
  async ask<T extends object>(line: string): Promise<T[]> {
    this.#complaints = '';
    this.#child.stdin.write(`${line}\n`);
    const answers: T[] = [];
    for (;;) {
      const next = await this.#lines.next();
      if (next.done === true) throw new Error(`${this.#name} ended: ${this.complaints}`);
      const answer = JSON.parse(next.value) as T | { done: true };
      if ('done' in answer) return answers;
      answers.push(answer);
    }
  }

  /** What it wrote to its standard error since it was asked. */
  get complaints(): string {
    return this.#complaints.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.stdin.end();
    await exit;
  }
}
