// Puts a run of scripts/test-vm into the table of docs/platforms.md: node scripts/record-platform.mjs VARIANT CODE LOG
import { readFileSync, writeFileSync } from 'node:fs';

const [variant, code, log] = process.argv.slice(2);
const output = readFileSync(log, 'utf8').replaceAll(/\x1b\[[0-9;]*m/g, '');
const fact = (name) => new RegExp(`^machine: ${name}: (.*)$`, 'm').exec(output)?.[1] ?? '?';
const count = (word) => Number(new RegExp(`^  (\\d+) ${word}`, 'm').exec(output)?.[1] ?? 0);

const [passed, skipped, failed] = ['passing', 'pending', 'failing'].map(count);
let result = failed > 0 ? `${failed} of ${passed + failed} failed` : `${passed} passed`;
if (skipped > 0) result += `, ${skipped} skipped`;
if (passed + failed === 0 || (failed === 0 && code !== '0')) result = `ended with ${code}`;

const row = [
  `\`scripts/test-vm ${variant}\``,
  fact('kernel'),
  fact('system'),
  fact('node'),
  fact('cgroups'),
  fact('overlay layers'),
  result,
];
const file = new URL('../docs/platforms.md', import.meta.url);
const lines = readFileSync(file, 'utf8').split('\n');
const cells = (line) =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
const start = lines.findIndex((line) => line.startsWith('|'));
const end = lines.findIndex((line, at) => at > start && !line.startsWith('|'));
const [head, , ...rows] = lines.slice(start, end).map(cells);
const others = rows.filter(([name]) => name !== row[0]);
const all = [...others, row].sort(([a], [b]) => (a < b ? -1 : 1));
const widths = head.map((_, i) => Math.max(...[head, ...all].map((line) => line[i].length)));
const write = (line) => `| ${line.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
const table = [write(head), write(widths.map((width) => '-'.repeat(width))), ...all.map(write)];
lines.splice(start, end - start, ...table);
writeFileSync(file, lines.join('\n'));
