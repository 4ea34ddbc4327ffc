import { expect } from 'chai';
import { spawnSync } from 'node:child_process';

describe('The opcodes', () => {
  it('The list of TypeScript is that of cpp/program/instructions.def', () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      ['scripts/list-opcodes.mjs', '--check'],
      { encoding: 'utf8' },
    );
    expect({ status, stderr }).to.deep.equal({ status: 0, stderr: '' });
  });
});
