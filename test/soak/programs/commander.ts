/** Gives commands at random, and tells what came of them. */
import type { Container } from '../../../lib/engine/container/container.js';
import { contextOf, Engine } from '../../../lib/engine/engine.js';
import { CaissonError, type ErrorCode } from '../../../lib/base/errors.js';
import { rootfs } from '../../../lib/image/rootfs.js';
import { describeContainer } from '../support/describe.js';
import { tell } from '../../support/process-harness.js';
import type { CommanderReport, CommanderTask, Unexpected } from './task.js';

const { dataRoot, runRoot, busybox, seed, count, names } = JSON.parse(
  process.argv[2]!,
) as CommanderTask;

/** Milliseconds after which a command is taken to hang. */
const PATIENCE = 30_000;

/** mulberry32: the same commands for the same seed, though not in the same company. */
let state = seed;
function random(below: number): number {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % below;
}
function one<T>(of: readonly T[]): T {
  return of[random(of.length)]!;
}

/** Some end by themselves, some when they are asked, some only when they are killed. */
const PROGRAMS = [
  ['sleep', '1000'],
  ['sh', '-c', 'trap "exit 3" TERM; while :; do echo tick; sleep 0.1; done'],
  ['sh', '-c', 'sleep 0.3; exit 1'],
  ['true'],
];

const engine = await Engine.open({ dataRoot, runRoot });
let subject: Container | undefined;
const named = async (): Promise<Container> => (subject = await engine.get(one(names)));

/** Weights; what others may have done meanwhile; and the command itself. */
type Command = readonly [number, readonly ErrorCode[], () => Promise<unknown>];
const GONE = 'ERR_NO_SUCH_CONTAINER';
const NOT_RUNNING = 'ERR_CONTAINER_NOT_RUNNING';
const PAUSED = 'ERR_CONTAINER_PAUSED';
const COMMANDS: Readonly<Record<string, Command>> = {
  create: [
    20,
    ['ERR_NAME_IN_USE'],
    () =>
      engine.create(rootfs(busybox), one(PROGRAMS), {
        name: one(names),
        init: random(2) === 0,
        ...one([{}, {}, { restart: 'always' }, { restart: 'on-failure:2' }, { autoRemove: true }]),
      }),
  ],
  start: [20, [GONE, PAUSED], async () => (await named()).start()],
  stop: [8, [GONE], async () => (await named()).stop({ timeout: random(2) })],
  kill: [
    8,
    [GONE, NOT_RUNNING],
    async () => (await named()).kill(one(['SIGKILL', 'SIGTERM', 'SIGUSR1'])),
  ],
  restart: [6, [GONE, PAUSED], async () => (await named()).restart({ timeout: 0 })],
  pause: [8, [GONE, NOT_RUNNING, PAUSED], async () => (await named()).pause()],
  unpause: [8, [GONE, 'ERR_CONTAINER_NOT_PAUSED'], async () => (await named()).unpause()],
  rename: [6, [GONE, 'ERR_NAME_IN_USE'], async () => (await named()).rename(one(names))],
  exec: [
    10,
    [GONE, NOT_RUNNING, PAUSED],
    async () => {
      const container = await named();
      // What has been paused with its container neither goes on nor, with v1's freezer, can be killed.
      const release = setTimeout(() => void container.unpause().catch(() => undefined), 3000);
      await container.exec(['echo', 'hello']).finally(() => clearTimeout(release));
    },
  ],
  inspect: [6, [GONE], async () => (await named()).inspect()],
  list: [4, [], () => engine.list()],
  remove: [
    8,
    [GONE, 'ERR_CONTAINER_RUNNING'],
    async () => (await named()).remove({ force: random(4) !== 0 }),
  ],
};
/** It was killed before its program was there. */
function isKilledStart({ code, message }: CaissonError): boolean {
  return code === 'ERR_START_FAILED' && /was killed by signal (9|15) at this step/.test(message);
}

const drawn = Object.entries(COMMANDS).flatMap(([name, [weight]]) =>
  Array.from({ length: weight }, () => name),
);

const outcomes: Record<string, number> = {};
const unexpected: Unexpected[] = [];
let slowest = { command: '', took: 0 };
for (let number = 0; number < count; number++) {
  const command = one(drawn);
  const [, expected, run] = COMMANDS[command]!;
  const began = performance.now();
  let outcome = command;
  subject = undefined;
  try {
    let timer: NodeJS.Timeout | undefined;
    const hanging = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const about =
          subject === undefined ? '' : describeContainer(contextOf(engine).store, subject.id);
        reject(new Error(`hangs for ${PATIENCE} ms: ${about}`));
      }, PATIENCE);
    });
    await Promise.race([run(), hanging]).finally(() => clearTimeout(timer));
  } catch (error) {
    const known =
      error instanceof CaissonError && (expected.includes(error.code) || isKilledStart(error));
    if (error instanceof CaissonError) outcome += ` ${error.code}`;
    if (!known) {
      const { stack = String(error), cause } = error as Error;
      unexpected.push({
        command,
        what: `${stack}${cause instanceof Error ? `\n${cause.stack}` : ''}`,
      });
      outcome += ' unexpected';
    }
  }
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  const took = performance.now() - began;
  if (took > slowest.took) slowest = { command, took };
}
const report: CommanderReport = { outcomes, unexpected, slowest };
tell(report);
// What hangs must not hold this up.
const late = setTimeout(() => process.exit(1), PATIENCE);
await engine.close();
clearTimeout(late);
tell('closed');
