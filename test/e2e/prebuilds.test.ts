/** The check that the package's binaries pass before they are packed (scripts/check-prebuilds.mjs) finds what is wrong with others. */
import { expect } from 'chai';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
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

  it('An addon is refused that needs a newer glibc than 2.28, or what neither it nor Node has', () => {
    const target = `${process.arch}-glibc`;
    const place = join(directory, `linux-${process.arch}`);
    const name = `linux-${process.arch}/caisson.glibc.node`;
    mkdirSync(place);
    // close_range(2) has a function since glibc 2.34; the other one is of C++, and nowhere.
    const source = join(directory, 'addon.cpp');
    writeFileSync(
      source,
      `#include <unistd.h>
      namespace caisson { void missing(); }
      extern "C" void napi_get_undefined();
      extern "C" void napi_register_module_v1() { close_range(3, ~0u, 0); napi_get_undefined(); caisson::missing(); }`,
    );
    execFileSync('g++', ['-shared', '-fPIC', '-o', join(place, 'caisson.glibc.node'), source]);
    const said = check(target);
    expect(said).to.include(`${name}: it needs symbols of glibc 2.34`);
    expect(said).to.include(`${name}: nothing has its symbol _ZN7caisson7missingEv`);
    expect(said).to.not.include('nothing has its symbol napi_get_undefined');
    expect(said).to.not.include('nothing has its symbol close_range');
  });
});
