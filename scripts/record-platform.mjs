// Writes the results of a run of scripts/test-vm into the tables of docs/platforms.md, and its totals into README.md:
//   node scripts/record-platform.mjs RUN LOG
// Test files that the run did not include keep the results of an earlier run of the same kind.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const [run, log] = process.argv.slice(2);
const output = readFileSync(log, 'utf8').replaceAll(/\x1b\[[0-9;]*m/g, '');
if (!/^tally: /m.test(output)) throw new Error(`${log}: contains no results of a test file`);
const fact = (name) => new RegExp(`^machine: ${name}: (.*)$`, 'm').exec(output)?.[1] ?? '?';

const cells = (line) =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());

/** The table whose first heading this is: its position among the lines, and its rows. */
function tableIn(lines, heading) {
  const start = lines.findIndex((line) => cells(line)[0] === heading);
  const after = lines.findIndex((line, at) => at > start && !line.startsWith('|'));
  const end = after === -1 ? lines.length : after;
  const [head, , ...rows] = lines.slice(start, end).map(cells);
  return { start, end, head, rows };
}

function put(lines, { start, end }, head, rows) {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(3, ...all.map((line) => (line[i] ?? '').length)));
  const write = (line) =>
    `| ${head.map((_, i) => (line[i] ?? '').padEnd(widths[i])).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  lines.splice(start, end - start, write(head), rule, ...rows.map(write));
}

/** `33`, `31, 2 skipped`, `**1 of 33 failed**`, `33 (24 of 120 cases)`. */
function cellOf({ passed, skipped, failed, taken = 0, of = 0 }) {
  const ran = failed > 0 ? `**${failed} of ${passed + failed} failed**` : String(passed);
  return `${ran}${skipped > 0 ? `, ${skipped} skipped` : ''}${taken < of ? ` (${taken} of ${of} cases)` : ''}`;
}

function countsOf(cell = '') {
  const failed = Number(/(\d+) of \d+ failed/.exec(cell)?.[1] ?? 0);
  const ran = Number(/of (\d+) failed/.exec(cell)?.[1] ?? /^\d+/.exec(cell)?.[0] ?? 0);
  return { passed: ran - failed, failed, skipped: Number(/(\d+) skipped/.exec(cell)?.[1] ?? 0) };
}

const at = new URL('../docs/platforms.md', import.meta.url);
const lines = readFileSync(at, 'utf8').split('\n');

// By file: a row for each existing file, a column for each run.
const byFile = tableIn(lines, 'Tests');
const runs = [...new Set([...byFile.head.slice(1), run])].sort();
const files = readdirSync(new URL('../test/integration', import.meta.url), { recursive: true })
  .filter((name) => name.endsWith('.test.ts'))
  .sort()
  .map((name) => name.slice(0, -'.test.ts'.length));
const table = new Map(files.map((file) => [file, new Map()]));
for (const [file, ...values] of byFile.rows)
  values.forEach((value, i) => table.get(file)?.set(byFile.head[i + 1], value));
for (const [, file, ...counts] of output.matchAll(
  /^tally: (\S+) (\d+) (\d+) (\d+) (\d+)\/(\d+)$/gm,
)) {
  const [passed, skipped, failed, taken, of] = counts.map(Number);
  table.get(file)?.set(run, cellOf({ passed, skipped, failed, taken, of }));
}
put(
  lines,
  byFile,
  ['Tests', ...runs],
  files.map((file) => [file, ...runs.map((name) => table.get(file).get(name) ?? '')]),
);

/** The totals of a run: `['353', '28', '9 files']`. */
function totalsOf(name) {
  const sum = { passed: 0, skipped: 0, failed: 0 };
  let missing = 0;
  for (const values of table.values()) {
    const cell = values.get(name) ?? '';
    if (cell === '') missing++;
    for (const [key, count] of Object.entries(countsOf(cell))) sum[key] += count;
  }
  const { passed, skipped, failed } = sum;
  return [
    cellOf({ passed, failed, skipped: 0 }),
    skipped > 0 ? String(skipped) : '',
    missing > 0 ? `${missing} ${missing === 1 ? 'file' : 'files'}` : '',
  ];
}

// By run: the machine as the run itself has described it, and the sums of the table above.
const byRun = tableIn(lines, 'Run');
const facts = ['kernel', 'system', 'user', 'node', 'cgroups', 'overlay layers'];
const described = new Map(
  byRun.rows.map(([name, ...said]) => [
    name.replaceAll(/^`scripts\/test-vm |`$/g, ''),
    said.slice(0, facts.length),
  ]),
);
described.set(run, facts.map(fact));
const rows = runs.map((name) => [
  `\`scripts/test-vm ${name}\``,
  ...described.get(name),
  ...totalsOf(name),
]);
const sums = ['Passed', 'Skipped', 'Not run'];
put(lines, byRun, [...byRun.head.slice(0, 1 + facts.length), ...sums], rows);
writeFileSync(at, lines.join('\n'));

const readme = new URL('../README.md', import.meta.url);
const text = readFileSync(readme, 'utf8').split('\n');
put(
  text,
  tableIn(text, 'Kernel'),
  ['Kernel', 'System', 'cgroups', 'User', ...sums],
  rows.map(([, kernel, system, user, , cgroups, , ...counts]) => [
    kernel,
    system,
    cgroups,
    user,
    ...counts,
  ]),
);
writeFileSync(readme, text.join('\n'));
