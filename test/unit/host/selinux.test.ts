import { expect } from 'chai';
import { CaissonError } from '../../../lib/base/errors.js';
import {
  composeLabels,
  labelsFor,
  parseContexts,
  type Selinux,
} from '../../../lib/host/selinux.js';

const contexts = {
  process: 'system_u:system_r:container_t:s0',
  file: 'system_u:object_r:container_file_t:s0',
};
const ID = '0f1e2d3c4b5a'.padEnd(64, '0');

function machine(facts: Partial<Selinux> = {}): Selinux {
  return { contexts, isKnown: () => true, ...facts };
}

function compose(parts: readonly string[], selinux: Selinux | undefined = machine()) {
  const labels = composeLabels(parts, selinux);
  return labels && labelsFor(labels, ID);
}

function refused(parts: readonly string[], selinux: Selinux | undefined): CaissonError {
  try {
    composeLabels(parts, selinux);
  } catch (error) {
    expect(error).to.be.instanceOf(CaissonError);
    return error as CaissonError;
  }
  throw new Error('nothing was refused');
}

describe('SELinux labels', () => {
  it('A9: the parts that are named replace those of the policy, and the last of each counts', () => {
    expect(compose(['user:u', 'role:r', 'type:no_t', 'type:t', 'level:s0:c1,c2'])).to.deep.equal({
      process: 'u:r:t:s0:c1,c2',
      mount: 'u:object_r:container_file_t:s0:c1,c2',
    });
    expect(compose(['filetype:f', 'level:s0-s0:c0.c9'])).to.deep.equal({
      process: 'system_u:system_r:container_t:s0-s0:c0.c9',
      mount: 'system_u:object_r:f:s0-s0:c0.c9',
    });
    expect(compose([])).to.equal(undefined);
  });

  it('A9: without a level a container has two categories, which are always those of its id', () => {
    const first = compose(['type:t']);
    expect(first).to.deep.equal(compose(['type:t']));
    const [, , , ...level] = first?.process.split(':') ?? [];
    expect(level.join(':')).to.match(/^s0:c\d+,c\d+$/);
    expect(first?.mount).to.equal(`system_u:object_r:container_file_t:${level.join(':')}`);
    const labels = composeLabels(['type:t'], machine());
    for (const head of ['000000000000', 'ffffffffffff', '0003ff000000', '0003ff0003fe']) {
      const { process } = labelsFor(labels!, head.padEnd(64, '0'));
      const [, low, high] = /:s0:c(\d+),c(\d+)$/.exec(process)?.map(Number) ?? [];
      expect(low, process).to.be.lessThan(high!);
      expect(high, process).to.be.lessThan(1024);
    }
  });

  it('A9: a policy without levels gets none', () => {
    const plain = { process: 'system_u:system_r:container_t', file: 'system_u:object_r:file_t' };
    expect(compose(['type:t'], machine({ contexts: plain }))).to.deep.equal({
      process: 'system_u:system_r:t',
      mount: 'system_u:object_r:file_t',
    });
  });

  it('A9: without labels of the policy for containers all must be named', () => {
    const none = machine({ contexts: undefined });
    const error = refused(['level:s0', 'role:r'], none);
    expect(error.code).to.equal('ERR_INVALID_OPTION');
    expect(error.message).to.match(/user, type, filetype must be named/);
    expect(error.hint).to.match(/lxc_contexts/);
    expect(compose(['user:u', 'role:r', 'type:t', 'filetype:f', 'level:s0'], none)).to.deep.equal({
      process: 'u:r:t:s0',
      mount: 'u:object_r:f:s0',
    });
  });

  it('A9: labels that the policy does not know, no mount can have, or no kernel has are an error', () => {
    const asked: string[] = [];
    const isKnown = (label: string) => asked.push(label) < 2;
    expect(refused(['type:t'], machine({ isKnown })).message).to.match(
      /no label .*:file_t:s0|no label .*container_file_t/,
    );
    expect(asked).to.have.length(2);
    expect(refused([`type:${'t'.repeat(250)}`], machine()).message).to.match(/more than 243 bytes/);
    expect(refused(['type:t'], undefined).code).to.equal('ERR_KERNEL_FEATURE_MISSING');
  });

  it('The contexts are read as lxc_contexts(5) allows', () => {
    expect(
      parseContexts('# a policy\nprocess = "a:b:c:s0"\n\ncontent = "x"\n  file="d:e:f:s0"\r\n'),
    ).to.deep.equal({ process: 'a:b:c:s0', file: 'd:e:f:s0' });
    expect(parseContexts('process = "a:b:c:s0"\n')).to.equal(undefined);
    expect(parseContexts('')).to.equal(undefined);
  });
});
