import { expect } from 'chai';
import type { Program } from '../../lib/program/instructions.js';
import { makeTimeline } from '../../lib/program/timeline.js';

describe('makeTimeline', () => {
  it('has each step begin where the one before it ended', () => {
    const program: Program = {
      slots: 0,
      host: [{ op: 'clone' }, { op: 'release' }],
      container: [{ op: 'await' }],
      teardown: [],
    };
    const { steps, total } = makeTimeline(program, Float64Array.of(1000, 4000, 5000, 2000, 7000));
    expect(steps.map(({ start, duration }) => [start, duration])).to.deep.equal([
      [0, 3],
      [3, 1],
      [1, 5],
    ]);
    expect(total).to.equal(6);
  });

  it('has the program go on at the fork, while the init does its own steps', () => {
    const program: Program = {
      slots: 0,
      host: [{ op: 'clone' }],
      container: [
        { op: 'init', numbers: [1] },
        { op: 'link.up', texts: ['lo'] },
        { op: 'nnp.set' },
        { op: 'exec' },
      ],
      teardown: [],
    };
    const stamps = Float64Array.of(0, 1000, 0, 2000, 50_000, 6000, 9000);
    const { steps, total } = makeTimeline(program, stamps);
    expect(steps.slice(1).map(({ op, start, duration }) => [op, start, duration])).to.deep.equal([
      ['init', 0, 2],
      ['link.up', 2, 48],
      ['nnp.set', 2, 4],
      ['exec', 6, 3],
    ]);
    expect(total).to.equal(50);
  });
});
