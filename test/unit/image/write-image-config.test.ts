import { expect } from 'chai';
import { type ImageConfig, parseImageConfig } from '../../../lib/image/image-config.js';
import { writeImageConfig } from '../../../lib/image/write-image-config.js';

const parse = (value: unknown): ImageConfig =>
  parseImageConfig(Buffer.from(JSON.stringify(value)), 'image');
const written = (config: ImageConfig) =>
  JSON.parse(writeImageConfig(config, []).toString()) as Record<string, unknown>;

describe('The configuration of an image, written', () => {
  it('Is the one that was parsed', () => {
    const config = parse({
      os: 'linux',
      architecture: 'arm',
      variant: 'v7',
      created: '2024-05-06T07:08:09Z',
      author: 'somebody',
      config: {
        Env: ['A=1'],
        Entrypoint: ['/e'],
        Cmd: ['c'],
        User: 'u',
        WorkingDir: '/w',
        Volumes: { '/v': {} },
        ExposedPorts: { '80/tcp': {} },
        StopSignal: 'SIGINT',
        Healthcheck: {
          Test: ['CMD', 'x'],
          Interval: 5e9,
          Timeout: 1e9,
          StartPeriod: 2e9,
          Retries: 3,
        },
        Shell: ['/bin/bash', '-c'],
        Labels: { l: 'm' },
        OnBuild: ['RUN x'],
      },
      rootfs: { type: 'layers', diff_ids: [`sha256:${'a'.repeat(64)}`] },
    });
    expect(parse(written(config))).to.deep.equal(config);
  });

  it('Has all three kinds of health checks', () => {
    for (const Test of [['NONE'], ['CMD-SHELL', 'x y'], ['CMD', 'x', 'y']]) {
      const config = parse({ config: { Healthcheck: { Test } } });
      expect(written(config)['config']).to.deep.equal({ Healthcheck: { Test } });
    }
  });

  it('Has no fields that are empty', () => {
    expect(written(parse({ os: 'linux', architecture: 'amd64' }))).to.deep.equal({
      os: 'linux',
      architecture: 'amd64',
      config: {},
      rootfs: { type: 'layers', diff_ids: [] },
      history: [],
    });
  });

  it('Has the history, with what has no layer', () => {
    const config = parse({});
    const history = [
      { createdBy: 'RUN a', created: '2024-01-01T00:00:00Z', emptyLayer: false },
      { createdBy: 'ENV b', emptyLayer: true, comment: 'c' },
    ];
    const value = JSON.parse(writeImageConfig(config, history).toString()) as { history: unknown };
    expect(value.history).to.deep.equal([
      { created: '2024-01-01T00:00:00Z', created_by: 'RUN a' },
      { created_by: 'ENV b', comment: 'c', empty_layer: true },
    ]);
  });
});
