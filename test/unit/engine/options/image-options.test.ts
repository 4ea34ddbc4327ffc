import { expect } from 'chai';
import { normalizePull, withImageDefaults } from '../../../../lib/engine/options/image-options.js';
import type { ImageDefaults } from '../../../../lib/image/snapshots/image-defaults.js';
import { expectError } from '../../support/expect-error.js';

const NOTHING: ImageDefaults = { env: [], cmd: [], entrypoint: [], user: '', workdir: '' };
const TIMES = { interval: 0, timeout: 0, startPeriod: 0, startInterval: 0, retries: 0 };

describe('what an image adds to the options of a container', () => {
  it('An image that says nothing adds nothing', () => {
    const options = { labels: { a: 'b' }, expose: [80] };
    expect(withImageDefaults(options, NOTHING)).to.deep.equal({
      ...options,
      healthcheck: undefined,
    });
  });

  it('A label of the options replaces that of the image', () => {
    const labels = { a: 'image', b: 'image' };
    for (const own of [{ b: 'mine' }, ['b=mine']])
      expect(withImageDefaults({ labels: own }, { ...NOTHING, labels }).labels).to.deep.equal({
        a: 'image',
        b: 'mine',
      });
  });

  it('The ports of both are exposed, each once; none in the network of another container', () => {
    const image = { ...NOTHING, exposedPorts: ['53/udp', '80/tcp'] };
    expect(withImageDefaults({ expose: ['80/tcp', 90] }, image).expose).to.deep.equal([
      ...['53/udp', '80/tcp', 90],
    ]);
    expect(withImageDefaults({ network: 'container:x' }, image).expose).to.equal(undefined);
  });

  it('The stop signal of the options takes precedence', () => {
    const image = { ...NOTHING, stopSignal: 'SIGQUIT' };
    expect(withImageDefaults({}, image).stopSignal).to.equal('SIGQUIT');
    expect(withImageDefaults({ stopSignal: 9 }, image).stopSignal).to.equal(9);
  });

  it('Each part of a health check is the options’, else the image’s', () => {
    const healthcheck = { ...TIMES, test: { shell: 'check' }, interval: 5, retries: 2 };
    const image = { ...NOTHING, healthcheck };
    const merged = (given: Parameters<typeof withImageDefaults>[0]['healthcheck']) =>
      withImageDefaults({ healthcheck: given }, image).healthcheck;
    expect(merged(undefined)).to.deep.equal({ ...TIMES, test: 'check', interval: 5, retries: 2 });
    expect(merged({ interval: 7, timeout: 0 })).to.deep.include({ test: 'check', interval: 7 });
    expect(merged({ test: ['own'] })).to.deep.include({ test: ['own'], interval: 5 });
    expect(merged('none')).to.equal(undefined);
  });

  it('A text is run by the shell of the image', () => {
    const image = {
      ...NOTHING,
      shell: ['/bin/bash', '-c'],
      healthcheck: { ...TIMES, test: { shell: 'a b' } },
    };
    expect(withImageDefaults({}, image).healthcheck).to.deep.include({
      test: ['/bin/bash', '-c', 'a b'],
    });
  });

  it('Without a test there is no check', () => {
    const image = { ...NOTHING, healthcheck: { ...TIMES, test: undefined, interval: 5 } };
    expect(withImageDefaults({ healthcheck: { retries: 1 } }, image).healthcheck).to.equal(undefined); // prettier-ignore
    const none = { ...NOTHING, healthcheck: { ...TIMES, test: 'none' as const } };
    expect(withImageDefaults({}, none).healthcheck).to.equal(undefined);
  });

  it('When an image is pulled is one of three words', () => {
    expect(normalizePull(undefined)).to.equal('missing');
    expect(normalizePull('always')).to.equal('always');
    expectError(() => normalizePull('maybe' as 'never'), 'ERR_INVALID_OPTION', /^pull: "maybe"/);
  });
});
