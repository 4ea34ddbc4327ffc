import { expect } from 'chai';
import type { Program } from '../../../lib/program/instructions.js';
import { makeTimeline } from '../../../lib/program/timeline.js';

describe('makeTimeline', () => {
  it('Each step begins where the one before it ended', () => {
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
});
