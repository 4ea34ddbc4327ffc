/**
 * Runs mocha in several processes at once, each of which runs its files one after the other, and prints one report of all: what
 * stands in one outermost `describe` together, and one summary at the end.
 *
 *   node dist/test/support/lanes.js spec|dot [MOCHA ARGUMENTS] LANE… [--shared FILE…]
 *
 * A LANE is `-- [MOCHA ARGUMENTS]`; or `--nice [MOCHA ARGUMENTS]`, which gets the processor time that the others leave; or
 * `--command PROGRAM ARGUMENTS`, another program, which gets what all of mocha leaves, and whose output is printed as a whole when
 * it has ended. A lane of mocha that has run its own tests takes one of the shared files after the other, each in a process of its
 * own, so that all of them end at about the same time. The MOCHA ARGUMENTS before the first lane are for each mocha. The exit code
 * is 1 if a test or a lane has failed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import DotReporter from './dot-reporter.js';
import type { LaneError, LaneEvent, LaneTest } from './lane-events.js';
import Reporter from './reporter.js';
import { giveReason } from './skip.js';

const REPORTERS: Readonly<Record<string, typeof Reporter | typeof DotReporter>> = {
  spec: Reporter,
  dot: DotReporter,
};
const MOCHA = fileURLToPath(import.meta.resolve('mocha/bin/mocha.js'));
const LANE_REPORTER = fileURLToPath(new URL('lane-reporter.js', import.meta.url));

interface Plan {
  readonly kind: '--' | '--nice' | '--command' | '--shared';
  readonly args: string[];
}

/** A stand-in for mocha's runner, from which a reporter gets the events of all lanes. */
class Lanes {
  private readonly runner = Object.assign(new EventEmitter(), {
    stats: { suites: 0, tests: 0, passes: 0, pending: 0, failures: 0, duration: 0 },
  });
  private readonly began = performance.now();
  private readonly children = new Set<ChildProcess>();

  constructor(reporter: typeof Reporter | typeof DotReporter) {
    new reporter(this.runner as unknown as Mocha.Runner, {});
    this.runner.emit('start');
    this.runner.emit('suite', { root: true, title: '' });
  }

  /** @returns when a process has ended that runs these tests. */
  async runMocha(name: string, args: readonly string[], nice: boolean): Promise<void> {
    const child = spawn(
      'nice',
      [
        ...['-n', nice ? '10' : '0', process.execPath, ...process.execArgv],
        ...[MOCHA, '--reporter', LANE_REPORTER, ...args],
      ],
      { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] },
    );
    const lane = new Lane(
      (event, test, error) => this.emit(event, test, error),
      (title) => this.fail(title),
    );
    child.on('message', (event) => lane.take(event as LaneEvent));
    this.children.add(child);
    lane.close(name, await ended(child));
    this.children.delete(child);
  }

  /** @returns when a program has ended that is no mocha. */
  async runCommand(command: readonly string[]): Promise<void> {
    // A group of its own, because it may have started programs itself.
    const child = spawn('nice', ['-n', '19', ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.children.add(child);
    const output: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => output.push(chunk));
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    this.children.delete(child);
    const name = command.join(' ');
    // What is in one suite has been printed at once, so this is between two of them.
    process.stdout.write(`\n  ${name}\n${Buffer.concat(output).toString()}\n`);
    if (code !== 0) this.fail(`${name} ended with ${signal ?? `exit code ${code}`}`);
  }

  /** Everything, or only what the terminal does not interrupt. */
  kill(commandsOnly = false): void {
    for (const child of this.children)
      if (child.channel !== undefined) {
        if (!commandsOnly) child.kill();
      } else if (child.exitCode === null && child.signalCode === null)
        process.kill(-child.pid!, 'SIGTERM');
  }

  /** Prints the summary. */
  end(): number {
    const { stats } = this.runner;
    stats.duration = Math.round(performance.now() - this.began);
    this.runner.emit('suite end', { root: true });
    this.runner.emit('end');
    return stats.failures;
  }

  /** Of what is no test. */
  private fail(title: string): void {
    const error = new Error('what it printed is above');
    error.stack = error.message;
    this.emit('fail', { title, titlePath: () => [title] }, error as LaneError);
  }

  private emit(name: string, subject?: object, error?: LaneError): void {
    const { stats } = this.runner;
    if (name === 'pass') stats.passes++;
    if (name === 'pending') stats.pending++;
    if (name === 'fail') stats.failures++;
    this.runner.emit(name, subject, error);
  }
}

async function ended(child: ChildProcess): Promise<string> {
  const disconnected = once(child, 'disconnect');
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  // What was sent has been received; a process that a test has left might keep the connection open for good.
  await Promise.race([disconnected, setTimeout(10_000, undefined, { ref: false })]);
  return signal ?? `exit code ${code}`;
}

/** The events of one process. Those within an outermost suite are kept until it has ended. */
class Lane {
  private readonly tests = new Map<string, object>();
  private waiting: (() => void)[] = [];
  private depth = 0;
  private over = false;
  private failed = false;

  constructor(
    private readonly emit: (name: string, subject?: object, error?: LaneError) => void,
    private readonly fail: (title: string) => void,
  ) {}

  take(event: LaneEvent): void {
    switch (event.kind) {
      case 'suite':
        this.depth++;
        this.pass(() => this.emit('suite', { title: event.title }));
        break;
      case 'suite end':
        this.depth--;
        this.pass(() => this.emit('suite end', {}));
        break;
      case 'pending': {
        const test = this.testOf(event.test);
        giveReason(test, event.reason);
        this.pass(() => this.emit('pending', test));
        break;
      }
      case 'pass':
        this.pass(() => this.emit('pass', this.testOf(event.test)));
        break;
      case 'fail':
        this.failed = true;
        this.pass(() => this.emit('fail', this.testOf(event.test), toError(event.error)));
        break;
      case 'end':
        this.over = true;
        break;
    }
  }

  /** What is kept is told; a process that has not come to its end, or says that it failed without a failed test, is a failure. */
  close(name: string, outcome: string): void {
    this.release();
    const sound = this.over && (outcome === 'exit code 0' || this.failed);
    if (sound) return;
    while (this.depth-- > 0) this.emit('suite end', {});
    this.fail(`${name} ended with ${outcome}${this.over ? '' : ' before the end of its tests'}`);
  }

  private pass(tell: () => void): void {
    this.waiting.push(tell);
    if (this.depth === 0) this.release();
  }

  private release(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const tell of waiting) tell();
  }

  /** The same object each time: a test can fail twice, and a reporter puts its errors together. */
  private testOf({ id, title, titlePath, duration, slow }: LaneTest): object {
    const test = this.tests.get(id) ?? {
      title,
      duration,
      titlePath: () => titlePath,
      slow: () => slow,
    };
    this.tests.set(id, test);
    return test;
  }
}

/** Reporters distinguish errors from what else can be thrown. */
function toError({ cause, ...fields }: LaneError): LaneError & Error {
  return Object.assign(new Error(fields.message), fields, cause && { cause: toError(cause) });
}

const [reporterName = '', ...args] = process.argv.slice(2);
const common: string[] = [];
const plans: Plan[] = [];
for (const arg of args)
  if (arg === '--' || arg === '--nice' || arg === '--command' || arg === '--shared')
    plans.push({ kind: arg, args: [] });
  else (plans.at(-1)?.args ?? common).push(arg);
const mochas = plans.filter(({ kind }) => kind === '--' || kind === '--nice');
const shared = plans.filter(({ kind }) => kind === '--shared').flatMap((plan) => plan.args);
const reporter = REPORTERS[reporterName];
if (reporter === undefined || mochas.length === 0)
  throw new Error(
    'usage: lanes.js spec|dot [MOCHA ARGUMENTS] {--|--nice [MOCHA ARGUMENTS] | --command PROGRAM ARGUMENTS} … [--shared FILE…]',
  );
const lanes = new Lanes(reporter);
// Mocha gets it from the terminal too, and ends with its summary.
process.on('SIGINT', () => {
  shared.length = 0;
  lanes.kill(true);
});
process.on('SIGTERM', () => {
  lanes.kill();
  process.exit(128 + 15);
});
await Promise.all(
  plans.map(async (plan) => {
    if (plan.kind === '--shared') return;
    if (plan.kind === '--command') return lanes.runCommand(plan.args);
    const nice = plan.kind === '--nice';
    const name = `mocha ${mochas.indexOf(plan) + 1} of ${mochas.length}`;
    if (plan.args.length > 0) await lanes.runMocha(name, [...common, ...plan.args], nice);
    for (let file = shared.shift(); file !== undefined; file = shared.shift())
      await lanes.runMocha(`mocha of ${file}`, [...common, file], nice);
  }),
);
process.exitCode = lanes.end() > 0 ? 1 : 0;
