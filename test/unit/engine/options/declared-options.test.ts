/** An option that is declared, and that the check of the options does not read, would be ignored without a word. */
import { expect } from 'chai';
import { normalize } from '../../../../lib/engine/options/config.js';
import { EXEC_OPTION_NAMES, normalizeExec } from '../../../../lib/engine/options/exec-options.js';
import { RUN_OPTION_NAMES } from '../../../../lib/engine/options/options.js';

/** Declared options that are read elsewhere, and where. */
const READ_ELSEWHERE = {
  cgroupParent: 'cgroupLocation() in lib/cgroup/parent.ts',
};

/** The names of the options that are read while `work` checks options of which none is given. */
function read(work: (options: object) => void): string[] {
  const names = new Set<string>();
  work(
    new Proxy(
      {},
      {
        get: (_, name) => {
          if (typeof name === 'string') names.add(name);
          return undefined;
        },
      },
    ),
  );
  return [...names];
}

describe('declared options', () => {
  it('Every option of run is read by normalize, or listed with the function that reads it', () => {
    const image = { env: [], cmd: [], entrypoint: [], user: '', workdir: '/' };
    const names = read((options) =>
      normalize(['true'], options, image, { cpus: '0', mems: '0', selinux: null }),
    );
    expect([...names, ...Object.keys(READ_ELSEWHERE)]).to.have.members(
      Object.keys(RUN_OPTION_NAMES),
    );
  });

  it('Every option of exec is read by normalizeExec', () => {
    const names = read((options) => normalizeExec(['true'], options, 'auto'));
    expect(names).to.have.members(Object.keys(EXEC_OPTION_NAMES));
  });
});
