import { expect } from 'chai';
import fc from 'fast-check';
import { parseImageConfig } from '../../../lib/image/image-config.js';
import { CaissonError } from '../../../lib/base/errors.js';
import { sampleSize } from '../../support/sample.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;

function parse(value: unknown) {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return parseImageConfig(Buffer.from(text), 'test');
}

function refuses(call: () => unknown, text: RegExp): void {
  expect(call).to.throw(CaissonError, text).with.property('code', 'ERR_INVALID_IMAGE');
}

const parseConfig = (config: unknown) => parse({ os: 'linux', architecture: 'amd64', config });

describe('the configuration of an image', () => {
  it('A whole configuration is read', () => {
    const config = parse({
      os: 'linux',
      architecture: 'arm',
      variant: 'v7',
      created: '2024-01-02T03:04:05Z',
      author: 'me',
      config: {
        Env: ['A=1', 'B'],
        Entrypoint: ['/run'],
        Cmd: ['x'],
        User: 'web:web',
        WorkingDir: '/srv//app/',
        Volumes: { '/data/': {}, '/cache': {} },
        ExposedPorts: { '80': {}, '53/UDP': {}, '8000-8010/tcp': {} },
        StopSignal: 'SIGQUIT',
        Shell: ['/bin/bash', '-c'],
        Labels: { a: 'b', empty: null },
        OnBuild: ['RUN x'],
        Healthcheck: {
          Test: ['CMD', 'check', '-v'],
          Interval: 1_500_000_000,
          Timeout: 10,
          Retries: 3,
        },
      },
      rootfs: { type: 'layers', diff_ids: [DIGEST] },
      history: [{ comment: 'first' }, { comment: 'last' }],
    });
    expect(config).to.deep.equal({
      os: 'linux',
      architecture: 'arm',
      variant: 'v7',
      created: '2024-01-02T03:04:05Z',
      author: 'me',
      comment: 'last',
      env: ['A=1', 'B'],
      entrypoint: ['/run'],
      cmd: ['x'],
      user: 'web:web',
      workdir: '/srv/app',
      volumes: ['/cache', '/data'],
      exposedPorts: ['53/udp', '80/tcp', '8000-8010/tcp'],
      stopSignal: 'SIGQUIT',
      shell: ['/bin/bash', '-c'],
      labels: { a: 'b', empty: '' },
      onBuild: ['RUN x'],
      healthcheck: {
        test: { command: ['check', '-v'] },
        interval: 1500,
        timeout: 1, // less than a millisecond is not none
        startPeriod: 0,
        startInterval: 0,
        retries: 3,
      },
      diffIds: [DIGEST],
    });
  });

  it('What is missing, or null as Go writes it, is empty', () => {
    const none = { Env: null, Cmd: null, Entrypoint: null, Volumes: null, Labels: null, Healthcheck: null }; // prettier-ignore
    expect(parse({ config: none, rootfs: null })).to.deep.equal(parse({}));
    expect(parse({})).to.deep.include({ env: [], cmd: [], diffIds: [], workdir: '', user: '' });
    expect(parse({}).healthcheck).to.equal(undefined);
  });

  it('A field that an object has of its class is none', () => {
    expect(parseConfig(JSON.parse('{"__proto__":{"Cmd":["x"]}}')).cmd).to.deep.equal([]);
    expect(parse('{"config":{"Labels":{"constructor":"x"}}}').labels).to.deep.equal({
      constructor: 'x',
    });
  });

  it('A relative working directory is below the root, and none leads out of it', () => {
    expect(parseConfig({ WorkingDir: 'app' }).workdir).to.equal('/app');
    expect(parseConfig({ WorkingDir: '/a/../../../etc' }).workdir).to.equal('/etc');
    expect(parseConfig({ Volumes: { '/a/../b': {} } }).volumes).to.deep.equal(['/b']);
  });

  it('A health check is a command, a text for a shell, or none', () => {
    const testOf = (Test: unknown) => parseConfig({ Healthcheck: { Test } }).healthcheck?.test;
    expect(testOf(['NONE'])).to.equal('none');
    expect(testOf(['CMD-SHELL', 'a b'])).to.deep.equal({ shell: 'a b' });
    expect(testOf([])).to.equal(undefined);
  });

  const wrong: readonly (readonly [unknown, RegExp])[] = [
    ['{', /is not a JSON object/],
    ['[]', /is not a JSON object/],
    [{ config: [] }, /config \[\], which is not an object/],
    [{ os: 1 }, /os 1, which is not a text/],
    [{ config: { Env: 'A=1' } }, /Env "A=1", which is not a list/],
    [{ config: { Cmd: ['a', 1] } }, /Cmd 1, which is not a text/],
    [{ config: { Cmd: ['a\0b'] } }, /NUL/],
    [{ config: { Cmd: ['x'.repeat(200_000)] } }, /a text of 200000 characters in Cmd/],
    [{ config: { Env: Array.from({ length: 10_001 }, () => 'A=1') } }, /10001 entries in Env/],
    [{ config: { Volumes: { data: {} } } }, /volume at "data"/],
    [{ config: { Volumes: { '/': {} } } }, /volume at "\/"/],
    [{ config: { ExposedPorts: { '0/tcp': {} } } }, /port "0\/tcp"/],
    [{ config: { ExposedPorts: { '90-80': {} } } }, /port "90-80"/],
    [{ config: { ExposedPorts: { '80/icmp': {} } } }, /port "80\/icmp"/],
    [{ config: { Healthcheck: { Test: ['CMD'] } } }, /health check \["CMD"\]/],
    [{ config: { Healthcheck: { Test: ['sh'] } } }, /health check \["sh"\]/],
    [{ config: { Healthcheck: { Interval: -1 } } }, /Interval -1, which is negative/],
    [{ config: { Healthcheck: { Retries: 1.5 } } }, /Retries 1.5/],
    [{ rootfs: { diff_ids: ['sha256:../../etc'] } }, /which is not a digest/],
    [{ rootfs: { diff_ids: [`sha512:${'a'.repeat(128)}`] } }, /which is not a digest/],
    [{ rootfs: { diff_ids: Array.from({ length: 501 }, () => DIGEST) } }, /501 layers, more than the 500/], // prettier-ignore
  ];
  for (const [value, text] of wrong)
    it(`It is refused: ${JSON.stringify(value).slice(0, 70)}`, () => {
      refuses(() => parse(value), text);
    });

  it('Bytes that are no text, or too many, are refused', () => {
    refuses(() => parseImageConfig(Uint8Array.of(0xff), 'x'), /UTF-8/);
    const large = Buffer.alloc((8 << 20) + 1, ' ');
    refuses(() => parseImageConfig(large, 'x'), /more than/);
  });

  it('Any JSON is read or refused, and what was read is what its callers expect', () => {
    const key = fc.constantFrom('Env', 'Entrypoint', 'Cmd', 'User', 'WorkingDir', 'Volumes', 'ExposedPorts', 'StopSignal', 'Healthcheck', 'Shell', 'Labels', 'OnBuild', '__proto__'); // prettier-ignore
    const text = fc.oneof(fc.string(), fc.constantFrom('A=1', '=', 'a\0b', '80/tcp', '70000', '9-1/udp', '/x/../..', '../y', 'NONE', 'CMD', '1e999')); // prettier-ignore
    const value = fc.oneof(
      { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
      text,
      fc.array(text),
      fc.dictionary(text, fc.constantFrom({}, null, 1, 'x')),
      fc.record({ Test: fc.array(text), Interval: fc.oneof(fc.double(), fc.bigInt().map(Number)), Retries: fc.double() }), // prettier-ignore
    );
    const content = fc.record(
      {
        os: value,
        architecture: value,
        created: value,
        config: fc.oneof(fc.dictionary(key, value), value),
        rootfs: fc.oneof(value, fc.record({ diff_ids: fc.array(fc.constantFrom(DIGEST, 'sha256:x', 7)) })), // prettier-ignore
        history: value,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(content, (fields) => {
        try {
          const config = parse(fields);
          for (const path of config.volumes) expect(path).to.match(/^\/(?!.*\/\.\.?(?:\/|$))/);
          for (const id of config.diffIds) expect(id).to.equal(DIGEST);
          for (const list of [
            config.env,
            config.entrypoint,
            config.cmd,
            config.shell,
            config.onBuild,
          ])
            // prettier-ignore
            for (const each of list) expect(each).to.be.a('string').and.not.include('\0');
          for (const port of config.exposedPorts)
            expect(port).to.match(/^\d{1,5}(?:-\d{1,5})?\/(?:tcp|udp|sctp)$/);
          for (const each of Object.values(config.labels)) expect(each).to.be.a('string');
          const { interval = 0, timeout = 0, retries = 0 } = config.healthcheck ?? {};
          for (const number of [interval, timeout, retries])
            expect(Number.isFinite(number) && number >= 0).to.equal(true);
        } catch (error) {
          expect(error).to.have.property('code', 'ERR_INVALID_IMAGE');
        }
      }),
      { numRuns: sampleSize(3000) },
    );
  });
});
