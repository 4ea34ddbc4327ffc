import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { Modules } from '../../../lib/loading/load-modules.js';

describe('packed modules', () => {
  const directory = mkdtempSync(join(tmpdir(), 'caisson-test-'));
  const place = {
    pathOf: (pack: string) => join(directory, `${pack}.pack`),
    filename: join(directory, 'main.cjs'),
    require: createRequire(import.meta.url),
  };
  const packs = { first: ' base/one base/two base/broken ', second: ' cli/three ' };

  before(() => {
    writeFileSync(
      join(directory, 'first.pack'),
      `({
        "base/one"(exports, load, require, url) {
          let two;
          exports.url = url;
          exports.two = () => (two ??= load("base/two")).two;
          exports.three = () => load("cli/three").three;
          exports.separator = () => require("node:path").sep;
        },
        "base/two"(exports) { exports.two = {}; },
        "base/broken"() { throw new Error("at the first use"); },
      })`,
    );
    writeFileSync(
      join(directory, 'second.pack'),
      '({ "cli/three"(exports) { exports.three = 3; } })',
    );
  });

  after(() => rmSync(directory, { recursive: true }));

  interface One {
    readonly url: string;
    two(): object;
    three(): number;
    separator(): string;
  }

  function read() {
    const files: string[] = [];
    const modules = new Modules(packs, place, (pack, module, source, filename) => {
      files.push(`${pack} for ${module}`);
      return new Script(source, { filename });
    });
    return { files, modules };
  }

  it('A module is evaluated once, and what it imports only when that is used', () => {
    const { files, modules } = read();
    const one = modules.load('base/one') as One;
    expect(one.two()).to.equal(one.two());
    expect(modules.load('base/one')).to.equal(one);
    expect(one.separator()).to.equal('/');
    expect(one.url).to.equal(`file://${directory}/main.cjs`);
    expect(files).to.deep.equal(['first for base/one']);
    expect(one.three()).to.equal(3);
    expect(files).to.deep.equal(['first for base/one', 'second for cli/three']);
  });

  it('A module whose evaluation has failed is evaluated again', () => {
    const { modules } = read();
    expect(() => modules.load('base/broken')).to.throw('at the first use');
    expect(() => modules.load('base/broken')).to.throw('at the first use');
  });

  it('A module that there is not is an error', () => {
    const { modules } = read();
    expect(() => modules.load('base/four')).to.throw('there is no module base/four');
  });

  it('A file that a bundler has left behind is an error with the remedy', () => {
    const modules = new Modules({ third: ' base/five ' }, place);
    expect(() => modules.load('base/five'))
      .to.throw(/third\.pack cannot be loaded: a bundler .*--external:caisson/)
      .that.includes({ name: 'CaissonError', code: 'ERR_NATIVE_LOAD' });
  });
});
