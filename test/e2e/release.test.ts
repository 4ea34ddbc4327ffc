/** scripts/release in a repository of the test's own, up to its builds. */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { repository } from '../support/paths.js';

const CHANGELOG = `# Changelog

## Unreleased

Of the state of the tree.

### Added

- Something.

### Fixed

- Something else.

## 0.1.0 - 2026-01-02

### Added

- The first thing.
`;

describe('scripts/release', () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'caisson-test-'));
    mkdirSync(join(directory, 'scripts'));
    for (const name of ['release', 'changelog.mjs'])
      copyFileSync(join(repository, 'scripts', name), join(directory, 'scripts', name));
    // The first of its builds: it keeps what the tree has then, and fails.
    const setup = '#!/bin/sh\ncp CHANGELOG.md package.json .git/\necho "builds begin"\nexit 7\n';
    writeFileSync(join(directory, 'scripts/setup'), setup, { mode: 0o755 });
    writeFileSync(join(directory, 'CHANGELOG.md'), CHANGELOG);
    for (const name of ['package.json', 'package-lock.json'])
      writeFileSync(
        join(directory, name),
        '{\n  "name": "caisson",\n  "version": "0.1.0",\n  "lockfileVersion": 3\n}\n',
      );
    git('init', '--quiet');
    commit();
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  function git(...args: readonly string[]): string {
    const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@example.org'];
    return execFileSync('git', [...identity, ...args], { cwd: directory, encoding: 'utf8' });
  }

  function commit(): void {
    git('add', '--all');
    git('commit', '--quiet', '--message', 'All');
  }

  function release(...args: readonly string[]) {
    const { status, stdout, stderr } = spawnSync('scripts/release', args, {
      cwd: directory,
      encoding: 'utf8',
      env: {
        ...process.env,
        GIT_AUTHOR_NAME: 'Test',
        GIT_AUTHOR_EMAIL: 'test@example.org',
        GIT_COMMITTER_NAME: 'Test',
        GIT_COMMITTER_EMAIL: 'test@example.org',
        // A dry run of `npm publish` asks for the version: no registry answers here.
        npm_config_registry: 'http://127.0.0.1:9',
        npm_config_fetch_retries: '0',
      },
    });
    return { status, output: stdout + stderr };
  }

  function expectRefused(why: string, ...args: readonly string[]): void {
    const before = git('status', '--porcelain');
    const { status, output } = release(...args);
    expect(output).to.include(`release: ${why}`).and.not.include('builds begin');
    expect(status).to.equal(1);
    expect(git('status', '--porcelain')).to.equal(before);
    expect(git('tag')).to.be.oneOf(['', 'v0.2.0\n']);
  }

  it('A tree with changes, or with a file that is not tracked, is refused', () => {
    writeFileSync(join(directory, 'new.txt'), '');
    expectRefused('the tree has changes', '--dry-run', '0.2.0');
    rmSync(join(directory, 'new.txt'));
    writeFileSync(join(directory, 'CHANGELOG.md'), `${CHANGELOG}\n`);
    expectRefused('the tree has changes', '--dry-run', '0.2.0');
  });

  it('A version is refused that the changelog has, that is tagged, or that is none', () => {
    // By default that of package.json.
    expectRefused('CHANGELOG.md has 0.1.0 already', '--dry-run');
    expectRefused('0.2 is no version', '--dry-run', '0.2');
    git('tag', 'v0.2.0');
    expectRefused('there is a tag v0.2.0 already', '--dry-run', '0.2.0');
  });

  it('A changelog without anything new is refused', () => {
    const without = CHANGELOG.replace(/### Added[^]*else\.\n\n/, '');
    writeFileSync(join(directory, 'CHANGELOG.md'), without);
    commit();
    expectRefused('CHANGELOG.md has nothing under "## Unreleased"', '--dry-run', '0.2.0');
  });

  it('A release without its tests is refused, unless it is a dry run', () => {
    expectRefused('--skip-tests is for --dry-run', '--skip-tests', '0.2.0');
  });

  it('The version and its entry are there when the builds begin, and gone after a failure', () => {
    const { status, output } = release('--dry-run', '0.2.0');
    expect(output).to.include('builds begin');
    expect(status).to.equal(7);
    const [, today = ''] = /^## 0\.2\.0 - (.*)$/m.exec(builtWith('CHANGELOG.md')) ?? [];
    expect(today).to.match(/^\d{4}-\d\d-\d\d$/);
    expect(builtWith('CHANGELOG.md')).to.equal(
      CHANGELOG.replace('Of the state of the tree.', `## 0.2.0 - ${today}`),
    );
    expect(builtWith('package.json')).to.include('"version": "0.2.0"');
    expect(git('status', '--porcelain')).to.equal('');
    expect(readFileSync(join(directory, 'CHANGELOG.md'), 'utf8')).to.equal(CHANGELOG);
  });

  it('A release is committed and tagged after all builds and tests, and a dry run is not', () => {
    const steps = ['setup', 'build-ts', 'prebuild', 'test', 'test-package'];
    for (const step of steps) {
      const script = '#!/bin/sh\necho "step $(basename "$0") $*"\n';
      writeFileSync(join(directory, 'scripts', step), script, { mode: 0o755 });
    }
    writeFileSync(join(directory, '.gitignore'), '.cache/\n');
    commit();
    const done = [
      'setup --dev',
      'build-ts ',
      'prebuild ',
      'test ',
      'test-package --pack .cache/release/caisson-0.2.0.tgz 20.19.0 20 22 24 26',
    ];
    for (const args of [['--dry-run'], []]) {
      const before = git('log', '--format=%s');
      const { status, output } = release(...args, '0.2.0');
      expect(status, output).to.equal(0);
      const seen = [...output.matchAll(/^step (.*)$/gm)].map(([, step]) => step);
      expect(seen).to.deep.equal(done);
      expect(output).to.match(/^npm notice .* package\.json$/m);
      expect(git('status', '--porcelain')).to.equal('');
      const isDry = args.length > 0;
      expect(git('log', '--format=%s')).to.equal(isDry ? before : `Release 0.2.0\n${before}`);
      expect(git('tag', '--points-at', 'HEAD')).to.equal(isDry ? '' : 'v0.2.0\n');
      expect(git('show', 'HEAD:package.json').includes('"version": "0.2.0"')).to.equal(!isDry);
    }
  });

  function builtWith(name: string): string {
    return readFileSync(join(directory, '.git', name), 'utf8');
  }
});
