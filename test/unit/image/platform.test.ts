/** Platforms: `--platform`, and the choice from an index. */
import { expect } from 'chai';
import {
  formatPlatform,
  hostPlatform,
  parsePlatform,
  selectPlatform,
} from '../../../lib/image/platform.js';

describe('platforms of images', () => {
  const texts: readonly (readonly [written: string, normal: string])[] = [
    ['linux/amd64', 'linux/amd64'],
    ['linux/x86_64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['linux/arm64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/8', 'linux/arm64'],
    ['linux/aarch64', 'linux/arm64'],
    ['linux/arm/v7', 'linux/arm'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['linux/armhf', 'linux/arm'],
    ['linux/armel', 'linux/arm/v6'],
    ['LINUX/ARM64', 'linux/arm64'],
    ['i386', 'linux/386'],
    ['riscv64', 'linux/riscv64'],
    ['windows/amd64', 'windows/amd64'],
  ];
  for (const [written, normal] of texts)
    it(`The platform ${written} is ${normal}`, () => {
      expect(formatPlatform(parsePlatform(written))).to.equal(normal);
      expect(parsePlatform(normal)).to.deep.equal(parsePlatform(written));
    });

  it('An operating system alone has the architecture of this machine', () => {
    expect(parsePlatform('linux')).to.deep.equal(hostPlatform());
  });

  it('The names of Node.js for architectures become those of images', () => {
    const names = ['x64', 'arm64', 'ia32', 'ppc64', 's390x', 'riscv64'].map((arch) =>
      formatPlatform(hostPlatform(arch)),
    );
    expect(names.join(' ')).to.equal(
      'linux/amd64 linux/arm64 linux/386 linux/ppc64le linux/s390x linux/riscv64',
    );
  });

  for (const text of [
    '',
    '/',
    'linux/',
    'linux//v7',
    'a/b/c/d',
    'linux/am d64',
    '../etc',
    'linux/a\0',
  ])
    it(`The text ${JSON.stringify(text)} is no platform`, () => {
      expect(() => parsePlatform(text))
        .to.throw()
        .with.property('code', 'ERR_INVALID_OPTION');
    });

  const index = [
    'linux/386',
    'linux/arm/v6',
    'linux/arm/v7',
    'linux/amd64/v3',
    'linux/amd64',
    'linux/arm64/v8',
    'windows/amd64',
    'unknown/unknown',
  ].map((text) => ({ text, platform: parsePlatform(text) }));
  const choices: readonly (readonly [
    wanted: string,
    compatible: boolean,
    found: string | undefined,
    without?: string,
  ])[] = [
    ['linux/amd64', true, 'linux/amd64'],
    ['linux/amd64/v3', true, 'linux/amd64/v3'],
    ['linux/amd64/v4', true, 'linux/amd64/v3'],
    ['linux/amd64/v2', true, 'linux/amd64'],
    ['linux/amd64/v2', false, undefined],
    ['linux/amd64', true, 'linux/386', 'amd64'],
    ['linux/amd64', false, undefined, 'amd64'],
    ['linux/arm64', true, 'linux/arm64/v8'],
    ['linux/arm64', true, 'linux/arm/v7', 'arm64'],
    ['linux/arm', true, 'linux/arm/v7'],
    ['linux/arm/v5', true, undefined],
    ['linux/arm/v6', true, 'linux/arm/v6'],
    ['linux/arm/v8', true, 'linux/arm/v7'],
    ['linux/s390x', true, undefined],
    ['freebsd/amd64', true, undefined],
  ];
  for (const [wanted, compatible, found, without] of choices)
    it(`Of an index${without === undefined ? '' : ` without ${without}`}, ${wanted} gets ${found ?? 'nothing'}, ${compatible ? 'compatible' : 'exact'}`, () => {
      const entries = index.filter(({ text }) => without === undefined || !text.includes(without));
      expect(selectPlatform(entries, parsePlatform(wanted), compatible)?.text).to.equal(found);
    });
});
