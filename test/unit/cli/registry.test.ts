import { expect } from 'chai';
import { parseCommandLine } from '../../../lib/cli/args/command-line.js';
import type { CommandSpec } from '../../../lib/cli/args/command-spec.js';
import { EXEC } from '../../../lib/cli/flags/exec-flags.js';
import { KILL } from '../../../lib/cli/flags/kill-flags.js';
import { LOGS } from '../../../lib/cli/flags/logs-flags.js';
import { CONTAINER_PRUNE } from '../../../lib/cli/flags/prune-flags.js';
import { PS } from '../../../lib/cli/flags/ps-flags.js';
import { RENAME } from '../../../lib/cli/flags/rename-flags.js';
import { RM } from '../../../lib/cli/flags/rm-flags.js';
import { START } from '../../../lib/cli/flags/start-flags.js';
import { STOP } from '../../../lib/cli/flags/stop-flags.js';
import { TOP } from '../../../lib/cli/flags/top-flags.js';
import { UPDATE } from '../../../lib/cli/flags/update-flags.js';
import { helpText, usageText } from '../../../lib/cli/help.js';
import { GROUPS, namesOf } from '../../../lib/cli/command.js';
import { HelpRequest } from '../../../lib/cli/args/help-request.js';
import { COMMANDS, describeCommands, findCommand } from '../../../lib/cli/registry.js';
import { UsageError } from '../../../lib/cli/args/usage-error.js';
import type { ErrorCode } from '../../../lib/base/errors.js';
import { expectError } from '../support/expect-error.js';

const DESCRIBED = await describeCommands();

/** Flags of Docker 28, as `docker COMMAND --help` lists them. */
const DOCKER: Readonly<Record<string, string>> = {
  start: '-a,--attach --checkpoint= --checkpoint-dir= --detach-keys= -i,--interactive',
  stop: '-s,--signal= -t,--timeout=',
  restart: '-s,--signal= -t,--timeout=',
  kill: '-s,--signal=',
  pause: '',
  unpause: '',
  attach: '--detach-keys= --no-stdin --sig-proxy',
  exec: '-d,--detach --detach-keys= -e,--env= --env-file= -i,--interactive --privileged -t,--tty -u,--user= -w,--workdir=',
  logs: '--details -f,--follow --since= -n,--tail= -t,--timestamps --until=',
  rm: '-f,--force -l,--link -v,--volumes',
  ps: '-a,--all -f,--filter= --format= -n,--last= -l,--latest --no-trunc -q,--quiet -s,--size',
  inspect: '-f,--format= -s,--size --type=',
  'container inspect': '-f,--format= -s,--size',
  wait: '',
  top: '',
  port: '',
  cp: '-a,--archive -L,--follow-link -q,--quiet',
  diff: '',
  export: '-o,--output=',
  stats: '-a,--all --format= --no-stream --no-trunc',
  events: '-f,--filter= --format= --since= --until=',
  info: '-f,--format=',
  login: '-p,--password= --password-stdin -u,--username=',
  logout: '',
  rename: '',
  update:
    '--blkio-weight= --cpu-period= --cpu-quota= --cpu-rt-period= --cpu-rt-runtime= -c,--cpu-shares= --cpus= ' +
    '--cpuset-cpus= --cpuset-mems= -m,--memory= --memory-reservation= --memory-swap= --pids-limit= --restart=',
  'container prune': '--filter= -f,--force',
  'system df': '--format= -v,--verbose',
  'system prune': '-a,--all --filter= -f,--force --volumes',
  'network create':
    '--attachable --aux-address= --config-from= --config-only -d,--driver= --gateway= --ingress --internal --ip-range= ' +
    '--ipam-driver= --ipam-opt= --ipv4 --ipv6 --label= -o,--opt= --scope= --subnet=',
  'network ls': '-f,--filter= --format= --no-trunc -q,--quiet',
  'network inspect': '-f,--format= -v,--verbose',
  'network connect': '--alias= --driver-opt= --gw-priority= --ip= --ip6= --link= --link-local-ip=',
  'network disconnect': '-f,--force',
  'network rm': '-f,--force',
  'network prune': '--filter= -f,--force',
  'volume create':
    '--availability= -d,--driver= --group= --label= --limit-bytes= -o,--opt= --required-bytes= --scope= --secret= --sharing= ' +
    '--topology-preferred= --topology-required= --type=',
  'volume ls': '--cluster -f,--filter= --format= -q,--quiet',
  'volume inspect': '-f,--format=',
  'volume rm': '-f,--force',
  'volume prune': '-a,--all --filter= -f,--force',
  build:
    '--add-host= --allow= --annotation= --attest= --build-arg= --build-context= --builder= --cache-from= --cache-to= --call= ' +
    '--cgroup-parent= --check -D,--debug -f,--file= --iidfile= --label= --load --metadata-file= --network= --no-cache ' +
    '--no-cache-filter= -o,--output= --platform= --progress= --provenance= --pull --push -q,--quiet --sbom= --secret= ' +
    '--shm-size= --ssh= -t,--tag= --target= --ulimit=',
  'builder prune': '-a,--all --filter= -f,--force --keep-storage=',
  pull: '-a,--all-tags --disable-content-trust --platform= -q,--quiet',
  push: '-a,--all-tags --disable-content-trust --platform= -q,--quiet',
  images: '-a,--all --digests -f,--filter= --format= --no-trunc -q,--quiet --tree',
  'image inspect': '-f,--format= --platform=',
  rmi: '-f,--force --no-prune --platform=',
  'image prune': '-a,--all --filter= -f,--force',
  tag: '',
  history: '--format= -H,--human --no-trunc --platform= -q,--quiet',
  save: '-o,--output= --platform=',
  load: '-i,--input= --platform= -q,--quiet',
  import: '-c,--change= -m,--message= --platform=',
};

/** What podman has beside them. */
const PODMAN: Readonly<Record<string, string | undefined>> = { start: '--all -f,--filter=' };

describe("commands: Docker's flags", () => {
  for (const [name, text] of Object.entries(DOCKER)) {
    it(`The command ${name} has Docker’s flags, and none of its own`, () => {
      const spec = DESCRIBED.find((entry) => entry.spec.name === name)!.spec;
      const own = [
        ...spec.flags.map(({ long, short, value }) => ({
          long,
          short,
          value: value !== undefined,
        })),
        ...(spec.unsupported ?? []),
      ]
        .filter(({ long }) => long !== 'help' && long !== 'kernel-memory')
        .map(
          ({ long, short, value }) =>
            `${short === undefined ? '' : `-${short},`}--${long}${value ? '=' : ''}`,
        );
      const expected = `${text} ${PODMAN[name] ?? ''}`.split(' ').filter(Boolean);
      expect(own.sort()).to.deep.equal(expected.sort());
    });
  }

  it('Flags are not declared twice', () => {
    for (const { spec } of DESCRIBED) {
      const names = spec.flags.flatMap(({ long, aliases }) => [long, ...(aliases ?? [])]);
      const letters = [...spec.flags, ...(spec.unsupported ?? [])].flatMap(
        ({ short }) => short ?? [],
      );
      expect(new Set(names).size, spec.name).to.equal(names.length);
      expect(new Set(letters).size, spec.name).to.equal(letters.length);
    }
  });
});

describe('command lines', () => {
  it('Command lines take flags among arguments', () => {
    const line = parseCommandLine(STOP, ['a', '-t', '3', 'b', '--', '-c']);
    expect(line.args).to.deep.equal(['a', 'b', '-c']);
    expect(line.integer('timeout')).to.equal(3);
    expect(parseCommandLine(STOP, ['--time=-1', 'a']).integer('timeout')).to.equal(-1);
    expect(parseCommandLine(RM, ['x', '-fv']).has('force')).to.equal(true);
  });

  it('Command lines leave the arguments of the program alone', () => {
    expect(parseCommandLine(EXEC, ['-it', 'box', 'ls', '-l', '--help']).args).to.deep.equal([
      'box',
      'ls',
      '-l',
      '--help',
    ]);
    expect(parseCommandLine(TOP, ['box', '-o', 'pid']).args).to.deep.equal(['box', '-o', 'pid']);
  });

  it('Command lines have values', () => {
    const line = parseCommandLine(PS, ['-aqf', 'a=1', '--filter', 'b=2', '--format=x', '--format', 'y', '--no-trunc=false']); // prettier-ignore
    expect(line.values('filter')).to.deep.equal(['a=1', 'b=2']);
    expect(line.value('format')).to.equal('y');
    expect(line.has('all')).to.equal(true);
    expect(line.has('no-trunc', true)).to.equal(false);
    expect(line.has('size', true)).to.equal(true);
    expect(line.has('size')).to.equal(false);
    expect(line.value('last')).to.equal(undefined);
    expect(line.integer('last')).to.equal(undefined);
  });

  it('Command lines can ask for help, whatever else is wrong', () => {
    for (const [spec, words] of [
      [RENAME, ['--help']],
      [KILL, ['--help', '-s', 'x']],
    ] as const)
      expect(() => parseCommandLine(spec, words))
        .to.throw(HelpRequest)
        .with.property('command', spec.name);
  });

  const wrong: readonly (readonly [CommandSpec, readonly string[], 1 | 125, ErrorCode, RegExp])[] =
    [
      [STOP, [], 1, 'ERR_INVALID_OPTION', /^"caisson stop" requires at least 1 argument$/],
      [EXEC, ['box'], 1, 'ERR_INVALID_OPTION', /^"caisson exec" requires at least 2 arguments$/],
      [RENAME, ['a'], 1, 'ERR_INVALID_OPTION', /^"caisson rename" requires exactly 2 arguments$/],
      [LOGS, ['a', 'b'], 1, 'ERR_INVALID_OPTION', /^"caisson logs" requires exactly 1 argument$/],
      [PS, ['a'], 1, 'ERR_INVALID_OPTION', /^"caisson ps" accepts no arguments$/],
      [CONTAINER_PRUNE, ['a'], 1, 'ERR_INVALID_OPTION', /^"caisson container prune" accepts no/],
      [PS, ['--nope'], 125, 'ERR_INVALID_OPTION', /^unknown flag: --nope$/],
      [
        START,
        ['--checkpoint', 'x', 'a'],
        125,
        'ERR_UNSUPPORTED_OPTION',
        /--checkpoint is not supp/,
      ],
      [RM, ['-l', 'a'], 125, 'ERR_UNSUPPORTED_OPTION', /-l, --link is not supported/],
      [UPDATE, ['--kernel-memory', '1', 'a'], 125, 'ERR_UNSUPPORTED_OPTION', /--kernel-memory/],
    ];
  for (const [spec, words, code, kind, text] of wrong) {
    it(`The command line is refused: ${spec.name} ${words.join(' ')}`, () => {
      const error = expectError(() => parseCommandLine(spec, words), kind, text) as UsageError;
      expect(error).to.be.instanceOf(UsageError);
      expect(error).to.deep.include({ status: code, command: spec.name });
    });
  }

  it('A command line can have a number of lines', () => {
    const lines = (text: string): number | undefined =>
      parseCommandLine(LOGS, ['-n', text, 'a']).lines('tail');
    expect(lines('20')).to.equal(20);
    expect(lines('0')).to.equal(0);
    expect(lines('all')).to.equal(undefined);
    expect(lines('-1')).to.equal(undefined);
    expect(parseCommandLine(LOGS, ['a']).lines('tail')).to.equal(undefined);
    for (const text of ['abc', '', '1.5', 'ALL'])
      expectError(
        () => lines(text),
        'ERR_INVALID_OPTION',
        /for "-n, --tail" flag: neither a number of lines nor "all"/,
      );
  });

  it('A number that is not whole is refused', () => {
    for (const text of ['x', '', '1.5', '1e3', '0x1']) {
      expectError(
        () => parseCommandLine(PS, ['-n', text]),
        'ERR_INVALID_OPTION',
        /for "-n, --last" flag: not a whole number/,
      );
    }
  });
});

describe('commands: help', () => {
  for (const { spec, aliases = [], inContainerGroup } of DESCRIBED) {
    const { name, usage, description, flags } = spec;
    // Aliases belong to the group, where help shows them.
    const names = inContainerGroup === true ? name : [name, ...aliases].join('|');
    it(`The help of ${name} has examples and every flag`, async () => {
      const text = await helpText(name);
      expect(text.startsWith(`Usage: caisson ${names} ${usage}\n\n`), text.slice(0, 80)).to.equal(
        true,
      );
      expect(text.replace(/\s+/g, ' ')).to.include(description);
      expect(text).to.match(/\nExamples:\n {2}\S/);
      for (const { long, short } of flags)
        expect(text).to.include(short === undefined ? `  --${long}` : `  -${short}, --${long}`);
      expect(await usageText(name)).to.equal(
        `\nUsage:  caisson ${name} ${usage}\n\nRun 'caisson ${name} --help' for more information\n`,
      );
    });
  }

  it('The help shows every command, and no other', async () => {
    const shown = /\nCommands:\n((?: {2}.*\n)+)/
      .exec(await helpText(''))![1]!
      .split('\n')
      .flatMap((line) => /^ {2}([a-z]+)/.exec(line)?.[1] ?? []);
    const known = new Set([
      ...COMMANDS.map(({ name }) => name.split(' ')[0]!),
      ...Object.keys(GROUPS),
    ]);
    expect(shown.sort()).to.deep.equal([...known].sort());
  });

  it('The help knows the commands of containers by all their names', async () => {
    for (const name of ['ps', 'ls', 'list'])
      expect(await helpText(`container ${name}`)).to.match(/^Usage: caisson container ps/);
    expect(await helpText('container')).to.match(/\n {2}rm +Remove containers/);
  });
});

describe('The registry of commands', () => {
  it('The registry has each name once', () => {
    const names = COMMANDS.flatMap(namesOf);
    expect(new Set(names).size).to.equal(names.length);
  });

  for (const command of COMMANDS) {
    it(`The implementation and the specification of ${command.name} can be loaded`, async () => {
      expect(await command.load()).to.be.a('function');
      const { name } = await command.spec();
      expect(name === command.name || name.startsWith(`${command.name} `), name).to.equal(true);
    });
  }

  it('The registry finds the commands of containers by all their names in the group', () => {
    for (const command of COMMANDS.filter(({ inContainerGroup }) => inContainerGroup === true))
      for (const name of [command.name, ...(command.aliases ?? [])])
        expect(findCommand(`container ${name}`), name).to.equal(command);
    for (const [name, command] of [
      ['remove', 'rm'],
      ['ls', 'ps'],
      ['list', 'ps'],
      ['prune', 'container prune'],
    ] as const)
      expect(findCommand(`container ${name}`)?.name).to.equal(command);
    for (const [name, command] of [
      ['list', 'network ls'],
      ['remove', 'network rm'],
      ['inspect', 'network inspect'],
    ] as const)
      expect(findCommand(`network ${name}`)?.name).to.equal(command);
    for (const name of [
      'container events',
      'container toString',
      'container',
      'ls',
      'toString',
      'network',
      'network ps',
    ])
      expect(findCommand(name), name).to.equal(undefined);
  });
});
