// The opcodes of lib/program/instructions.ts, from cpp/program/instructions.def. `scripts/build-ts` runs it.
//   node scripts/list-opcodes.mjs           writes the list, if it is not the same
//   node scripts/list-opcodes.mjs --check   fails if it is not the same
import { readFileSync, writeFileSync } from 'node:fs';

const rows = new URL('../cpp/program/instructions.def', import.meta.url);
const target = new URL('../lib/program/instructions.ts', import.meta.url);

const names = [
  ...readFileSync(rows, 'utf8').matchAll(/^(?:INSTRUCTION|NO_FUNCTION)\([^"\n]*"([a-z.]+)"/gm),
].map(([, name]) => name);
const before = readFileSync(target, 'utf8');
const list = ['none', ...names].map((name) => `  '${name}',\n`).join('');
const after = before.replace(/(export const OPCODES = \[\n)[^\]]*(\] as const;)/, `$1${list}$2`);
if (after !== before) {
  if (process.argv.includes('--check')) {
    process.stderr.write('lib/program/instructions.ts lists other opcodes: run scripts/build-ts\n');
    process.exit(1);
  }
  writeFileSync(target, after);
}
