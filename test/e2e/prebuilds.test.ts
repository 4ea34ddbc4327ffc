/** The check that the package's binaries pass before they are packed (scripts/check-prebuilds.mjs) finds what is wrong with others. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { addonPath } from '../../lib/native/load.js';
import { setUpFreshDirectory } from '../support/fresh-directory.js';
import { repository } from '../support/paths.js';

describe('the check of the package’s binaries', () => {
  let directory: string;
  setUpFreshDirectory((path) => (directory = path));

  function check(...targets: string[]): string {
    const script = join(repository, 'scripts/check-prebuilds.mjs');
    const { status, stderr } = spawnSync(process.execPath, [script, directory, ...targets], {
      encoding: 'utf8',
    });
    expect(status, stderr).to.equal(1);
    return stderr;
  }

  it('Files that are missing are named, for all four targets', () => {
    const said = check();
    for (const architecture of ['x64', 'arm64'])
      for (const name of [
        'caisson.glibc.node',
        'caisson.musl.node',
        'caisson-init',
        'caisson-archive',
      ])
        expect(said).to.include(`linux-${architecture}/${name} is missing`);
  });

  it('The build of a developer’s machine is refused: it needs that machine’s libraries, and is for one architecture', () => {
    for (const architecture of ['x64', 'arm64']) {
      const place = join(directory, `linux-${architecture}`);
      mkdirSync(place);
      cpSync(addonPath(), join(place, 'caisson.musl.node'));
      for (const name of ['caisson-init', 'caisson-archive'])
        cpSync(join(dirname(addonPath()), name), join(place, name));
    }
    const said = check('x64-musl', 'arm64-musl');
    const other = process.arch === 'x64' ? 'arm64' : 'x64';
    const own = `linux-${process.arch}/caisson.musl.node`;
    expect(said).to.include(`linux-${other}/caisson.musl.node: it is not for ${other}`);
    expect(said).to.not.include(`${own}: it is not for`);
    expect(said).to.include(`${own}: it needs libc.so.6`);
    expect(said).to.include(`${own}: it needs symbols of glibc 2.`);
    expect(said).to.include(`${own}: it is not stripped`);
    expect(said).to.include(`linux-${process.arch}/caisson-archive: it is not stripped`);
  });
});
