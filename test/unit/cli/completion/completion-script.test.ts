import { expect } from 'chai';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completionScript } from '../../../../lib/cli/completion/completion-script.js';
import { describeCommands } from '../../../../lib/cli/registry.js';
import { skip } from '../../../support/skip.js';

const COMMANDS = await describeCommands();

/** Stands for caisson, which has no containers with known names to complete: tells what it was asked for. */
const ANSWERS = `#!/bin/sh
case "$*" in
  "ps -a --format {{.Names}}") printf 'web\\ndb\\nold\\n' ;;
  "ps --format {{.Names}}") printf 'web\\ndb\\n' ;;
  "--data-root /d ps --format {{.Names}}") printf 'elsewhere\\n' ;;
  "ps --filter status=paused --format {{.Names}}") printf 'frozen\\n' ;;
  "ps -a --filter status=created --filter status=exited --format {{.Names}}") printf 'old\\n' ;;
  "network ls --format {{.Name}}") printf 'bridge\\nfront\\n' ;;
  images\\ --format*) printf 'debian:12\\ndebian:latest\\n\\nlocalhost:5000/a/b:1\\n' ;;
  "--data-root /d images"*) printf 'other:1\\n' ;;
  *) echo "wrong" ;;
esac
`;

let dir: string;

before(() => {
  dir = mkdtempSync(join(tmpdir(), 'caisson-completion-'));
  mkdirSync(join(dir, 'bin'));
  writeFileSync(join(dir, 'bin', 'caisson'), ANSWERS);
  chmodSync(join(dir, 'bin', 'caisson'), 0o755);
  mkdirSync(join(dir, 'here', 'sub dir'), { recursive: true });
  writeFileSync(join(dir, 'here', 'file.env'), '');
  for (const shell of ['bash', 'zsh', 'fish'] as const)
    writeFileSync(join(dir, shell), completionScript(shell, COMMANDS));
});
after(() => rmSync(dir, { recursive: true }));

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${join(dir, 'bin')}:${process.env['PATH']}`, HOME: dir };
}

function has(shell: string): boolean {
  return spawnSync(shell, ['-c', 'true']).status === 0;
}

/** For each line, the words that bash offers; the last word of a line is what is being typed. One bash answers all of them. */
function offers(lines: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const script = `source "$0" || exit 1
    while read -r -d '' count; do
      COMP_WORDS=(caisson) COMP_CWORD=$count COMP_LINE=caisson space=' '
      for ((; count > 0; count--)); do
        IFS= read -r -d '' word || exit 1
        # Bash makes words of their own of these, wherever they stand.
        [[ $word == [:=] ]] && space=''
        COMP_LINE+=$space$word
        space=' '
        [[ $word == [:=] ]] && space=''
        COMP_WORDS+=("$word")
      done
      (
        _caisson caisson "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}" || exit 1
        printf '%s\\n' "\${COMPREPLY[@]}"
      ) </dev/null || exit 1
      printf '\\0'
    done`;
  const output = execFileSync('bash', ['-uc', script, join(dir, 'bash')], {
    input: lines.map((words) => [words.length, ...words, ''].join('\0')).join(''),
    encoding: 'utf8',
    cwd: join(dir, 'here'),
    env: environment(),
  });
  const answers = output.split('\0').slice(0, -1);
  expect(answers.length, 'answers').to.equal(lines.length);
  return answers.map((answer) => answer.split('\n').filter((line) => line !== ''));
}

describe('completion for bash', () => {
  it('The script is valid for bash', () => {
    execFileSync('bash', ['-n', join(dir, 'bash')]);
  });

  const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
    [['ru'], ['run']],
    [['re'], ['restart', 'rename']],
    [['--data-root', '/d', 'pau'], ['pause']],
    [['--v'], ['--version']],
    [['explain', ''], ['run']],
    [['explain', 'run', '--mem'], ['--memory', '--memory-reservation', '--memory-swap', '--memory-swappiness']], // prettier-ignore
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['completion', 'bash', ''], []],
    [
      ['container', 'l'],
      ['logs', 'ls', 'list'],
    ],
    [['container', 'list', '--fo'], ['--format']],
    [
      ['network', 'r'],
      ['rm', 'remove', 'reload'],
    ],
    [['network', 'list', '--no'], ['--no-trunc']],
    [
      ['container', 'prune', '--f'],
      ['--filter', '--force'],
    ],
    [
      ['run', '--det'],
      ['--detach', '--detach-keys'],
    ],
    [['create', '--det'], []],
    [
      ['run', '--restart', ''],
      ['no', 'on-failure', 'always', 'unless-stopped'],
    ],
    [['run', '--restart', 'al'], ['always']],
    [['run', '--restart', '=', 'un'], ['unless-stopped']],
    [
      ['run', '--restart', '='],
      ['no', 'on-failure', 'always', 'unless-stopped'],
    ],
    [['run', '-it', '--network', 'h'], ['host']],
    [
      ['run', '-ita', 'std'],
      ['stdin', 'stdout', 'stderr'],
    ],
    [['run', '--log-opt', 'max-s'], ['max-size=']],
    [['run', '-m', ''], []],
    [['run', '-m64m', 'h'], ['host']],
    [['run', '-m', '=', '64m', 'h'], ['host']],
    [
      ['run', '--rm', ''],
      ['host', 'debian:12', 'debian:latest', 'localhost:5000/a/b:1'],
    ],
    [
      ['create', 'deb'],
      ['debian:12', 'debian:latest'],
    ],
    [
      ['run', 'debian', ':'],
      ['12', 'latest'],
    ],
    [['run', '--rm', 'debian', ':', 'l'], ['latest']],
    [['rmi', 'localhost', ':', '5000/a/b', ':', ''], ['1']],
    [['run', '-v', 'a', ':', '/b', 'debian', ':', '1'], ['12']],
    [['run', 'debian', ':', '12', 'fi'], ['file.env']],
    [['--data-root', '/d', 'rmi', ''], ['other:1']],
    [['rmi', 'h'], []],
    [
      ['rmi', 'debian', ':', '12', 'deb'],
      ['debian:12', 'debian:latest'],
    ],
    [['tag', 'l'], ['localhost:5000/a/b:1']],
    [['tag', 'debian', ':', '12', 'd'], []],
    [['push', 'lo'], ['localhost:5000/a/b:1']],
    [['image', 'inspect', 'lo'], ['localhost:5000/a/b:1']],
    [['history', 'debian', ':', '1'], ['12']],
    [['save', '-o', 'file.env', 'lo'], ['localhost:5000/a/b:1']],
    [['run', '--', '--r'], []],
    [
      ['run', '--env-file', ''],
      ['file.env', 'sub dir'],
    ],
    [['--data-root', ''], ['sub dir']],
    [['run', 'host', 'fi'], ['file.env']],
    [['run', 'host', '--r'], []],
    [
      ['stop', ''],
      ['web', 'db'],
    ],
    [['stop', '-t', '3', 'we'], ['web']],
    [
      ['stop', 'web', ''],
      ['web', 'db'],
    ],
    [['stop', 'web', '--s'], ['--signal']],
    [['stop', '-s', 'T'], ['TERM']],
    [['--data-root', '/d', 'kill', ''], ['elsewhere']],
    [['--data-root', '=', '/d', 'kill', ''], ['elsewhere']],
    [['start', ''], ['old']],
    [['rm', '-f', 'o'], ['old']],
    [['unpause', ''], ['frozen']],
    [
      ['logs', ''],
      ['web', 'db', 'old'],
    ],
    [['logs', 'web', ''], []],
    [['container', 'inspect', 'd'], ['db']],
    [['inspect', '-f', 'j'], ['json']],
    [['exec', '-it', 'w'], ['web']],
    [['exec', 'web', 'file'], ['file.env']],
    [['rename', 'w'], ['web']],
    [['rename', 'web', 'w'], []],
    [['network', 'rm', 'fr'], ['front']],
    [['ps', ''], []],
    [
      ['ps', '--format', ''],
      ['table', 'json'],
    ],
    [['nope', ''], []],
  ];
  let answers: ReturnType<typeof offers>;
  before(() => (answers = offers(cases.map(([words]) => words))));
  for (const [index, [words, expected]] of cases.entries()) {
    it(`The words after "caisson ${words.join(' ')}" are completed: ${expected.join(' ')}`, () => {
      expect([...answers[index]!].sort()).to.deep.equal([...expected].sort());
    });
  }

  it('The script offers every command and every flag', () => {
    const [first, ...ofCommands] = offers([
      [''],
      ...COMMANDS.map(({ spec }) => [...spec.name.split(' '), '--']),
    ]);
    const commands = COMMANDS.map(({ spec }) => spec.name.split(' ')[0]!);
    expect([...first!].sort()).to.deep.equal([...new Set([...commands, 'container'])].sort());
    for (const [index, { spec }] of COMMANDS.entries()) {
      const flags = spec.flags.map(({ long }) => `--${long}`);
      expect([...ofCommands[index]!].sort(), spec.name).to.deep.equal(flags.sort());
    }
  });
});

describe('completion for zsh', () => {
  it('The script is valid for zsh', function () {
    if (!has('zsh')) skip(this, 'zsh is not installed');
    execFileSync('zsh', ['-n', join(dir, 'zsh')]);
  });

  it('The script describes everything, and closes its quotes', () => {
    const script = completionScript('zsh', COMMANDS);
    expect(script).to.match(/^#compdef caisson\n/);
    expect(script).to.include(`'--memory-swap:Memory and swap together; -1: no limit'`);
    expect(script).to.include(`'inspect:Show all details of containers, as JSON'`);
  });
});

describe('completion for fish', () => {
  function fish(line: string): readonly string[] {
    return execFileSync('fish', ['-c', `source ${join(dir, 'fish')}; complete -C $argv[1]`, line], {
      encoding: 'utf8',
      cwd: join(dir, 'here'),
      env: environment(),
    })
      .split('\n')
      .filter((text) => text !== '')
      .map((text) => text.split('\t')[0]!);
  }

  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['caisson ru', ['run']],
    ['caisson explain ', ['run']],
    ['caisson container l', ['list', 'logs', 'ls']],
    ['caisson run --restart un', ['unless-stopped']],
    ['caisson run --restart=un', ['--restart=unless-stopped']],
    ['caisson stop ', ['db', 'web']],
    ['caisson stop -t 3 w', ['web']],
    ['caisson start ', ['old']],
    ['caisson logs web ', []],
    ['caisson network inspect fr', ['front']],
    ['caisson ps --fo', ['--format']],
    ['caisson create --detach-', []],
    ['caisson exec -it w', ['web']],
    ['caisson run debian:', ['debian:12', 'debian:latest']],
    ['caisson rmi l', ['localhost:5000/a/b:1']],
  ];
  for (const [line, expected] of cases) {
    it(line, function () {
      if (!has('fish')) skip(this, 'fish is not installed');
      expect([...fish(line)].sort()).to.deep.equal(expected);
    });
  }
});
