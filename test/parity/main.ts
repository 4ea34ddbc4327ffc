/**
 * Runs every case with both engines: `main.js HOME DOCKER SOCKET ROOTFS NAMESPACE [PATTERN]`, for scripts/docker-parity. Writes HOME/report.md
 * and HOME/outcomes.txt; exits 1 when something came out that no case speaks of.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SECTIONS } from './cases/sections.js';
import { EngineUnderTest } from './engine-under-test.js';
import { normalize } from './normalize.js';
import type { ParityCase, Section, StepOutcome } from './parity-case.js';
import { report } from './report.js';
import { judge, type Row } from './verdict.js';

const [home = '', client = '', socket = '', rootfs = '', namespace = '', pattern = ''] =
  process.argv.slice(2);
/** More, and what waits for a second waits for others instead. */
const AT_ONCE = 4;
/** Milliseconds; what has not been started by then is left out, and said to be. */
const LIMIT = 28 * 60_000;

const docker = new EngineUnderTest(
  'docker',
  [client, '-H', `unix://${socket}`],
  { image: 'busybox-system', bare: 'bare-system' },
  join(home, 'docker'),
);
const caisson = new EngineUnderTest(
  'caisson',
  [
    fileURLToPath(new URL('../../../bin/caisson', import.meta.url)),
    ...['--data-root', join(home, 'caisson/data'), '--run-root', join(home, 'caisson/run')],
  ],
  { image: `--rootfs ${rootfs}`, bare: `--rootfs ${rootfs}` },
  join(home, 'caisson'),
  namespace,
);

execFileSync(caisson.command[0] ?? '', [
  ...caisson.command.slice(1),
  ...['load', '-i', join(home, 'images.tar')],
]);

interface Job {
  readonly section: Section;
  readonly parityCase: ParityCase;
  readonly id: string;
}

const jobs: Job[] = SECTIONS.flatMap((section) =>
  section.cases.map((parityCase) => ({ section, parityCase })),
)
  .map((job, index) => ({ ...job, id: `case${String(index + 1).padStart(3, '0')}` }))
  .filter(({ section, parityCase: { name } }) => `${section.title}: ${name}`.includes(pattern));

const raw: string[] = [];
/** What dash and Python say of a line or a script that is wrong, and the prelude of a wait that was in vain. */
const BROKEN = /^(?:Traceback |sh: \d+: |\S+ is not [a-z]+$|\S+ has not (?:said |answered$))/m;

async function attempt({ section, parityCase, id }: Job): Promise<Row> {
  const outcomes = await Promise.all(
    [docker, caisson].map(async (engine) => {
      const outcome = await engine.runCase(parityCase, id);
      return {
        outcome,
        normal: outcome.map((step) => normalize(step, engine, id, parityCase.messages === true)),
      };
    }),
  );
  const [theirs, ours] = outcomes;
  if (theirs === undefined || ours === undefined) throw new Error('two engines answer twice');
  const judged = judge(section, parityCase, id, theirs.normal, ours.normal);
  // Two shells that fail alike are not two engines that are the same.
  const broken = [...theirs.outcome, ...ours.outcome].find(({ stderr }) => BROKEN.test(stderr));
  const row =
    broken === undefined
      ? judged
      : { ...judged, surprise: `the case itself is wrong: ${broken.stderr.slice(-200)}` };
  raw.push(transcript(row, theirs.outcome, ours.outcome));
  return row;
}

function transcript(
  row: Row,
  theirs: readonly StepOutcome[],
  ours: readonly StepOutcome[],
): string {
  const said = (outcome: StepOutcome | undefined) =>
    outcome === undefined
      ? '(nothing)'
      : `[${outcome.code}] ${JSON.stringify(outcome.stdout.slice(0, 1500))} ${JSON.stringify(outcome.stderr.slice(0, 600))}`;
  return [
    `${row.id} ${row.parityCase.name}: ${row.verdict}${row.surprise === undefined ? '' : ` (!) ${row.surprise}`}`,
    ...row.parityCase.steps.flatMap((step, index) => [
      `  $ ${step}`,
      `    docker  ${said(theirs[index])}`,
      `    caisson ${said(ours[index])}`,
    ]),
    '',
  ].join('\n');
}

process.once('SIGTERM', () => {
  for (const engine of [docker, caisson]) engine.abandon();
  process.exit(143);
});

const rows = new Map<Job, Row>();
/** On a machine that is busy a case may come out otherwise: what surprises is asked again, alone. */
async function work(queue: Job[]): Promise<void> {
  for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
    if (performance.now() > LIMIT) return;
    rows.set(job, await attempt(job));
    process.stderr.write('.');
  }
}
const together = jobs.filter(({ parityCase }) => parityCase.alone !== true);
await Promise.all(Array.from({ length: AT_ONCE }, () => work(together)));
await work(jobs.filter(({ parityCase }) => parityCase.alone === true));
await work(jobs.filter((job) => rows.get(job)?.surprise !== undefined));
process.stderr.write('\n');

const ordered = jobs.flatMap((job) => rows.get(job) ?? []);
const version = (command: string, args: readonly string[]) =>
  execFileSync(command, args, { encoding: 'utf8' }).trim();
const versions = {
  caisson: version(caisson.command[0] ?? '', ['--version']).replace('version ', ''),
  docker: version(client, [
    '-H',
    `unix://${socket}`,
    'version',
    '--format',
    'Docker {{.Server.Version}} with the client {{.Client.Version}}',
  ]),
  machine: `Linux ${release().split('-')[0]}, ${cpus().length} CPUs, ${
    readFileSync('/proc/self/mounts', 'utf8').includes(' cgroup rw') ? 'cgroups v1' : 'cgroup v2'
  }`,
};
mkdirSync(home, { recursive: true });
writeFileSync(join(home, 'report.md'), report(ordered, versions));
writeFileSync(join(home, 'outcomes.txt'), raw.join('\n'), 'utf8');
const surprises = ordered.filter(({ surprise }) => surprise !== undefined);
const left = jobs.length - ordered.length;
if (left > 0) console.error(`${left} cases were left out: there was no time for them`);
for (const { id, parityCase, surprise } of surprises)
  console.error(`${id} ${parityCase.name}: ${surprise ?? ''}`);
for (const verdict of ['same', 'better', 'differs', 'missing'] as const)
  console.log(`${verdict} ${ordered.filter((row) => row.verdict === verdict).length}`);
process.exit(surprises.length === 0 && left === 0 ? 0 : 1);
