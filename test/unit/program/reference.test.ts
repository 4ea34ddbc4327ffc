/** The launch program's reference names what there is, and nothing else. */
import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { OPCODES } from '../../../lib/program/instructions.js';

describe('docs/launch-program.md', () => {
  it('The page has a row for each instruction', async () => {
    const text = await readFile('docs/launch-program.md', 'utf8');
    const rows = text.split('\n').filter((line) => line.startsWith('| `'));
    const named = rows.flatMap((row) => {
      const [, cell = ''] = row.split('|');
      return [...cell.matchAll(/`([a-z.]+)`/g)].map(([, name]) => name);
    });
    expect(named).to.have.members(OPCODES.slice(1));
  });
});
