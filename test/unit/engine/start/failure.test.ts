import { expect } from 'chai';
import { failureOf } from '../../../../lib/engine/start/failure.js';
import type { Program, Step } from '../../../../lib/program/instructions.js';

describe('failureOf: the init that cannot take over the label of its program', () => {
  const hintFor = (label: Step) => {
    const container: Step[] = [{ op: 'init', numbers: [1] }, label, { op: 'exec' }];
    const program: Program = { slots: 0, host: [{ op: 'clone' }], container, teardown: [] };
    const error = { phase: 1, step: 0, errno: 13, call: 'write', object: 'a label' };
    return failureOf(error, program, ['true']).hint;
  };

  it('A9: the hint names what SELinux lacks for a program with an SELinux label', () => {
    const label = { op: 'label.set', texts: ['system_u:system_r:t:s0'], numbers: [1] } as const;
    expect(hintFor(label)).to.match(/dyntransition.*init: false/);
  });

  it('A9: the hint speaks of AppArmor for a program with a profile, also where the init has a memory of its own', () => {
    const hint = hintFor({ op: 'label.set', texts: ['a-profile'], numbers: [0] });
    expect(hint)
      .to.match(/AppArmor/)
      .and.not.match(/dyntransition/);
  });
});
