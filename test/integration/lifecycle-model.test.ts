/** Random lives of containers, against a small model of what each command does and is refused with. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { Container } from '../../lib/engine/container/container.js';
import type { ContainerStatus } from '../../lib/engine/store/stored.js';
import { CaissonError, type ErrorCode } from '../../lib/base/errors.js';
import { DetachedContainers } from '../support/detached.js';
import { needsCgroups } from '../support/needs.js';
import { sampleSize } from '../support/sample.js';
import { Workshop } from '../support/workshop.js';

/** Without handlers, which it would not have yet at its beginning: init passes signals on, and it dies of them. */
const PROGRAM = ['sleep', '1000'];
const [HUNG_UP, KILLED, TERMINATED] = [129, 137, 143];

interface Model {
  status: ContainerStatus | 'removed';
  exitCode: number;
  name: string;
}

interface Pair {
  readonly real: Container;
  readonly model: Model;
}

type Outcome = 'ok' | ErrorCode;

interface Command {
  readonly which: number;
  readonly verb: keyof typeof VERBS;
  /** Of the names that there are. */
  readonly name: number;
}

const NAMES = ['red', 'green', 'blue', 'white'];
const active = ({ status }: Model) => status === 'running' || status === 'paused';
const whileRunning = ({ status }: Model): Outcome => {
  if (status === 'paused') return 'ERR_CONTAINER_PAUSED';
  return status === 'running' ? 'ok' : 'ERR_CONTAINER_NOT_RUNNING';
};

/** What is done, and what the model says comes of it. */
const VERBS = {
  start: {
    real: ({ real }: Pair) => real.start(),
    model: (model: Model): Outcome => {
      if (model.status === 'paused') return 'ERR_CONTAINER_PAUSED';
      if (model.status !== 'running') Object.assign(model, { status: 'running', exitCode: 0 });
      return 'ok';
    },
  },
  stop: {
    real: ({ real }: Pair) => real.stop(),
    model: (model: Model): Outcome => end(model, TERMINATED),
  },
  stopAtOnce: {
    real: ({ real }: Pair) => real.stop({ timeout: 0, signal: 'KILL' }),
    model: (model: Model): Outcome => end(model, KILLED),
  },
  restart: {
    real: ({ real }: Pair) => real.restart(),
    model: (model: Model): Outcome => {
      Object.assign(model, { status: 'running', exitCode: 0 });
      return 'ok';
    },
  },
  kill: {
    real: ({ real }: Pair) => real.kill(),
    model: (model: Model): Outcome =>
      active(model) ? end(model, KILLED) : 'ERR_CONTAINER_NOT_RUNNING',
  },
  hangUp: {
    // Frozen it would hear of it only later.
    real: async ({ real, model }: Pair) => {
      if (model.status === 'paused') return;
      await real.kill('HUP');
      await real.wait();
    },
    model: (model: Model): Outcome => {
      if (model.status === 'paused') return 'ok';
      return model.status === 'running' ? end(model, HUNG_UP) : 'ERR_CONTAINER_NOT_RUNNING';
    },
  },
  pause: {
    real: ({ real }: Pair) => real.pause(),
    model: (model: Model): Outcome => {
      if (model.status === 'paused') return 'ERR_CONTAINER_PAUSED';
      if (model.status !== 'running') return 'ERR_CONTAINER_NOT_RUNNING';
      model.status = 'paused';
      return 'ok';
    },
  },
  unpause: {
    real: ({ real }: Pair) => real.unpause(),
    model: (model: Model): Outcome => {
      if (model.status !== 'paused') return 'ERR_CONTAINER_NOT_PAUSED';
      model.status = 'running';
      return 'ok';
    },
  },
  exec: {
    real: async ({ real }: Pair) => {
      expect((await real.exec(['sh', '-c', 'exit 5'])).exitCode).to.equal(5);
    },
    model: whileRunning,
  },
  attach: {
    real: async ({ real }: Pair) => {
      const client = real.attach();
      await client.started;
      client.detach();
    },
    model: whileRunning,
  },
  remove: {
    real: ({ real }: Pair) => real.remove(),
    model: (model: Model): Outcome => {
      if (active(model)) return 'ERR_CONTAINER_RUNNING';
      model.status = 'removed';
      return 'ok';
    },
  },
  removeByForce: {
    real: ({ real }: Pair) => real.remove({ force: true }),
    model: (model: Model): Outcome => {
      model.status = 'removed';
      return 'ok';
    },
  },
  rename: {
    real: ({ real }: Pair, name: string) => real.rename(name),
    model: (model: Model, name: string, others: readonly Model[]): Outcome => {
      if ([model, ...others].some((one) => one.status !== 'removed' && one.name === name))
        return 'ERR_NAME_IN_USE';
      model.name = name;
      return 'ok';
    },
  },
} as const;

function end(model: Model, exitCode: number): Outcome {
  if (active(model)) Object.assign(model, { status: 'exited', exitCode });
  return 'ok';
}

const commands = fc.array(
  fc.record<Command>({
    which: fc.nat(2),
    verb: fc.constantFrom(...(Object.keys(VERBS) as (keyof typeof VERBS)[])),
    name: fc.nat(NAMES.length - 1),
  }),
  { minLength: 4, maxLength: 12 },
);

const cgroups = needsCgroups();

cgroups.describe('a model of the lives of containers', function () {
  this.timeout(180_000);
  let shop: Workshop;
  let detached: DetachedContainers;

  before(async () => {
    shop = await Workshop.open();
    detached = new DetachedContainers(shop.engine, shop.busybox, shop.directory);
  });

  after(async () => {
    await detached.cleanUp();
    await shop.close();
  });

  const outcomeOf = async (work: Promise<void>): Promise<Outcome> => {
    try {
      await work;
      return 'ok';
    } catch (error) {
      if (error instanceof CaissonError) return error.code;
      throw error;
    }
  };

  const compare = async ({ real, model }: Pair, at: string) => {
    if (model.status === 'removed') {
      expect(await outcomeOf(real.inspect().then(() => undefined)), at).to.equal(
        'ERR_NO_SUCH_CONTAINER',
      );
      return;
    }
    const { status, config, state } = await real.inspect();
    expect({ status, name: config.name, exitCode: state.exitCode }, at).to.deep.equal(model);
    expect((await shop.engine.get(model.name)).id, at).to.equal(real.id);
  };

  /** By another engine half of the time: what one does the other sees. */
  const live = async (count: number, sequence: readonly Command[]) => {
    const other = await shop.openAnother();
    const pairs: Pair[] = [];
    try {
      for (let i = 0; i < count; i++) {
        const name = `first-${i}`;
        const real = await detached.create(PROGRAM, { name, stopTimeout: 20 });
        pairs.push({ real, model: { status: 'created', exitCode: 0, name } });
      }
      for (const [step, { which, verb, name }] of sequence.entries()) {
        const pair = pairs[which % count]!;
        const others = pairs.filter((one) => one !== pair).map(({ model }) => model);
        const at = `${step}: ${verb} of ${which % count}`;
        const gone = pair.model.status === 'removed';
        const { real, model } = VERBS[verb];
        const before = { ...pair.model };
        const expected = gone
          ? verb === 'removeByForce'
            ? 'ok'
            : 'ERR_NO_SUCH_CONTAINER'
          : model(pair.model, NAMES[name]!, others);
        const one = gone || step % 2 === 0 ? pair.real : await other.get(pair.real.id);
        expect(await outcomeOf(real({ real: one, model: before }, NAMES[name]!)), at).to.equal(
          expected,
        );
        for (const each of pairs) await compare(each, at);
      }
      for (const { real, model } of pairs) if (!active(model)) await detached.expectQuiet(real);
    } finally {
      await detached.cleanUp();
    }
    for (const { real } of pairs) await detached.expectGone(real);
  };

  it('The model agrees with what really happens', () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), commands, live),
      // What is found is what matters: shrinking it would take long.
      { numRuns: sampleSize(40), endOnFailure: true },
    ));
});
