/** Which verb a container accepts in which status (lib/engine/container/transitions.ts). */
import { expect } from 'chai';
import {
  checkAllowed,
  isActiveStatus,
  refusalOf,
  type Verb,
} from '../../../../lib/engine/container/transitions.js';
import type { ContainerStatus } from '../../../../lib/engine/store/stored.js';

const ID = '0123456789abcdef'.repeat(4);

const STATUSES = [
  'created',
  'running',
  'paused',
  'restarting',
  'exited',
  'removing',
  'dead',
] as const satisfies readonly ContainerStatus[];

const GONE = 'ERR_NO_SUCH_CONTAINER';
const RUNS = 'ERR_CONTAINER_RUNNING';
const STOPPED = 'ERR_CONTAINER_NOT_RUNNING';
const PAUSED = 'ERR_CONTAINER_PAUSED';
const UNPAUSED = 'ERR_CONTAINER_NOT_PAUSED';

/** By status, in the order of STATUSES: whether there is something to do, or the code of the refusal. */
const EXPECTED: Readonly<Record<Verb, readonly (boolean | string)[]>> = {
  start: [true, false, PAUSED, false, true, GONE, true],
  startAttached: [true, RUNS, PAUSED, RUNS, true, GONE, true],
  attach: [STOPPED, true, PAUSED, true, STOPPED, GONE, STOPPED],
  exec: [STOPPED, true, PAUSED, STOPPED, STOPPED, GONE, STOPPED],
  top: [STOPPED, true, true, STOPPED, STOPPED, GONE, STOPPED],
  stats: [false, true, true, false, false, GONE, false],
  wait: [false, true, true, true, false, GONE, false],
  stop: [false, true, true, true, false, GONE, false],
  kill: [STOPPED, true, true, true, STOPPED, GONE, STOPPED],
  pause: [STOPPED, true, PAUSED, STOPPED, STOPPED, GONE, STOPPED],
  unpause: [UNPAUSED, UNPAUSED, true, UNPAUSED, UNPAUSED, GONE, UNPAUSED],
  fork: [true, RUNS, RUNS, RUNS, true, GONE, true],
  remove: [true, RUNS, RUNS, RUNS, true, GONE, true],
};

describe('The transitions of a container', () => {
  for (const [verb, answers] of Object.entries(EXPECTED) as [Verb, (typeof EXPECTED)[Verb]][]) {
    it(`The verb ${verb} has an answer in every status`, () => {
      const found = STATUSES.map((status) => {
        const refusal = refusalOf(status, verb, ID);
        if (refusal === undefined) return checkAllowed(status, verb, ID);
        expect(() => checkAllowed(status, verb, ID)).to.throw(refusal.message);
        expect(refusal.stage).to.equal('config');
        expect(refusal.path).to.equal(ID);
        return refusal.code;
      });
      expect(found).to.deep.equal(answers);
    });
  }

  it('A container is active while it runs, is paused, or waits for its restart', () => {
    expect(STATUSES.filter(isActiveStatus)).to.deep.equal(['running', 'paused', 'restarting']);
  });

  it('A refusal names the verb, the container and the remedy', () => {
    const text = (status: ContainerStatus, verb: Verb) => {
      const refusal = refusalOf(status, verb, ID);
      return [refusal?.message, refusal?.hint];
    };
    const short = '0123456789ab';
    expect(text('paused', 'attach')).to.deep.equal([
      `cannot attach to container ${short}: it is paused (unpause it first)`,
      'unpause it first',
    ]);
    expect(text('paused', 'startAttached')[0]).to.contain(`cannot start container ${short}`);
    expect(text('running', 'startAttached')).to.deep.equal([
      `cannot start it with a client: container ${short} is running`,
      undefined,
    ]);
    expect(text('running', 'remove')).to.deep.equal([
      `cannot remove it: container ${short} is running (stop it first, or use force (rm -f))`,
      'stop it first, or use force (rm -f)',
    ]);
    expect(text('exited', 'top')).to.deep.equal([`container ${short} is not running`, undefined]);
    expect(text('removing', 'top')[0]).to.equal(`No such container: ${ID}`);
  });
});
