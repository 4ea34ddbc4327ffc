/** One container that is started for a job that is to come. */
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as sleep } from 'node:timers/promises';
import { LineSearch } from '../../base/line-search.js';
import { CaissonError } from '../../base/errors.js';
import { listens } from '../../host/listening-port.js';
import type { ExecutionController } from '../start/execution-controller.js';
import type { Claim, Waiting } from '../start/waiting.js';
import type { JobOptions, Readiness } from './pool-options.js';

/** Starts a container of the pool for a job, or for one that is to come. */
export type StartContainer = (job: JobOptions, waiting?: Waiting) => ExecutionController;

/** Milliseconds between two looks at a port. */
const LOOK = 5;
/** Milliseconds in which the rest of a line comes that has what is looked for, if it is no prompt. */
const LINE_END = 10;
/** Characters of output that an error may show. */
const SAID = 300;
/** Bytes that it may write before a job comes, as much as a run by default: each takes time of this process. */
const MOST_WRITTEN = 100 << 20;

export class Standby {
  readonly run: ExecutionController;
  /** Resolves when it waits; rejects with why it does not. */
  readonly ready: Promise<void>;
  /** Resolves when nothing is left of it. */
  readonly gone: Promise<void>;
  /** Of one that is parked. */
  claim: Claim | undefined;
  /** The end of what it has written. */
  private said = '';
  private written = 0;

  /** @param parks it is to wait before it executes its program */
  constructor(start: StartContainer, job: JobOptions, readiness: Readiness, parks: boolean) {
    let gone!: () => void;
    this.gone = new Promise((resolve) => (gone = resolve));
    let waits!: () => void;
    const reached = new Promise<void>((resolve) => (waits = resolve));
    const parked = (claim: Claim): void => {
      this.claim = claim;
      waits();
    };
    this.run = start(job, { parked: parks ? parked : undefined, gone });
    if (!parks) this.follow(readiness.condition, waits);
    this.ready = this.await(reached, readiness);
    this.ready.catch(() => undefined);
    this.run.result.catch(() => undefined);
  }

  /** Ends it. */
  end(): void {
    this.run.kill();
  }

  private follow(condition: Readiness['condition'], waits: () => void): void {
    const { run } = this;
    const { log, port } = condition ?? {};
    for (const output of [run.stdout, run.stderr]) {
      const decoder = new StringDecoder();
      let search = log === undefined ? undefined : new LineSearch(log);
      output?.divert((bytes) => {
        this.written += bytes.length;
        if (this.written > MOST_WRITTEN) this.end();
        const text = decoder.write(bytes);
        this.said = (this.said + text).slice(-SAID);
        if (search === undefined) {
          if (log !== undefined && text.includes('\n')) waits();
          return;
        }
        const found = find(search, text);
        if (found === undefined) return;
        search = undefined;
        if (found === 'line') waits();
        else setTimeout(waits, LINE_END);
      });
    }
    if (port !== undefined) void this.untilListens(port).then(waits, () => undefined);
  }

  private async untilListens(port: number): Promise<void> {
    await this.run.started;
    let ended = false;
    const over = () => (ended = true);
    this.run.result.then(over, over);
    for (; !ended; await sleep(LOOK)) if (await listens(this.run.pid ?? 0, port)) return;
    throw new Error('it has ended');
  }

  private async await(reached: Promise<void>, { timeout, condition }: Readiness): Promise<void> {
    const { run } = this;
    const ended = run.result.then(({ exitCode }) => {
      const last = this.said.trimEnd().split('\n').at(-1) ?? '';
      const what =
        this.written > MOST_WRITTEN ? `wrote ${this.written} bytes` : `ended with ${exitCode}`;
      throw new CaissonError(
        'ERR_START_FAILED',
        `a container of the pool ${what} before it was ready${last === '' ? '' : `: ${last}`}`,
        { stage: 'container', path: run.id },
      );
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const what = condition === undefined ? 'parked' : 'ready';
        reject(
          new CaissonError('ERR_TIMEOUT', `a container of the pool was not ${what} within ${timeout} ms`, { stage: 'container', path: run.id }), // prettier-ignore
        );
        run.kill();
      }, timeout);
    });
    try {
      await Promise.race([reached, ended, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function find(search: LineSearch, text: string): 'line' | 'part' | undefined {
  for (let at = 0; at < text.length;) {
    const end = text.indexOf('\n', at) + 1;
    if (end === 0) return search.finds(text.slice(at), true) ? 'part' : undefined;
    if (search.finds(text.slice(at, end), false)) return 'line';
    at = end;
  }
  return undefined;
}
