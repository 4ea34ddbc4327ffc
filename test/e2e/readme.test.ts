/** Every command in the README works when it is pasted. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { userNamespaceSwitch } from '../../lib/host/user-namespaces.js';
import { defaultPaths } from '../../lib/engine/store/paths.js';
import { NetworkNamespace } from '../support/network-namespace.js';
import { type RunAs, UnprivilegedUser } from '../support/unprivileged-user.js';
import { OuterNetwork, SERVER } from '../support/outer-network.js';
import { DockerHub } from '../support/docker-hub.js';
import { codeBlocks } from '../support/markdown.js';
import { eventually } from '../support/outside.js';
import { skip } from '../support/skip.js';

const run = promisify(execFile);
const FETCH =
  'import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode(), end="")';

/** The commands of a section, or of all but those that are left out. */
function commandsOf(markdown: string, wanted: (heading: string) => boolean): string[] {
  return markdown
    .split(/^(?=## )/m)
    .filter((section) => wanted(/^## (.*)/.exec(section)?.[1] ?? ''))
    .flatMap((section) => codeBlocks(section, 'sh'))
    .flatMap((block) => block.trim().split('\n'));
}

/** As for one who pastes a command: the tests have another default network. */
const PASTED = { ...process.env, CAISSON_NETWORK: '' };

/** Files of networks: the subnet of one that was made in a network namespace of a test's own may be in use outside. */
function networks(): string[] {
  const { dataRoot } = defaultPaths();
  const path = join(dataRoot, 'networks');
  return existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : [];
}

/** What each command writes that an unprivileged user pastes; each succeeds. */
async function pastedBy(
  user: UnprivilegedUser,
  commands: readonly string[],
  options: RunAs,
): Promise<string[]> {
  const outputs: string[] = [];
  for (const command of commands) {
    const script = `cd '${user.directory}/package' && ${command}`;
    const { code, stdout, stderr } = await user.run(['sh', '-ec', script], options);
    expect(code, `${command}\n${stdout}${stderr}`).to.equal(0);
    outputs.push(stdout);
  }
  return outputs;
}

describe('README', () => {
  let readme: string;

  before(async () => {
    readme = await readFile('README.md', 'utf8');
  });

  it('The commands of README.md work', async function () {
    this.timeout(90_000);
    const commands = commandsOf(readme, (heading) => !heading.startsWith('Networks'));
    expect(commands).to.have.length.above(7);
    const outputs = new Map<string, string>();
    const before = networks();
    const machine = await NetworkNamespace.make();
    let hub: DockerHub | undefined;
    try {
      hub = await DockerHub.start(machine.within);
      const env = { ...PASTED, ...hub.env };
      const [program = '', ...args] = [...machine.within, 'sh', '-ec'];
      for (const command of commands) {
        const { stdout, stderr } = await run(program, [...args, command], { env });
        expect(stderr, command).to.not.include('WARNING');
        outputs.set(command, stdout);
      }
    } finally {
      await hub?.stop();
      await machine.end();
      for (const path of networks().filter((each) => !before.includes(each)))
        await rm(path, { recursive: true });
    }
    const of = (part: string) =>
      [...outputs].find(([command]) => command.includes(part))?.[1] ?? 'no such command';
    expect(of('rm -rf /bin')).to.equal('hello\n');
    expect(of('ls /').split('\n')).to.include.members(['bin', 'etc']);
    expect(of('explain run')).to.match(/clone3 caisson-init with new .*execve true/s);
    expect(of('-h box')).to.equal('box\nsh\n');
    expect(of('GREETING')).to.equal('hello\nnobody\n/tmp\n');
    expect(of('--read-only')).to.equal('/src/README.md\n');
    expect(of('wc -w')).to.equal('3\n');
    expect(of('uname')).to.match(/^Linux /);
    expect(of('diff readme-job').split('\n')).to.include('A /answer');
    expect(of('tar -xO')).to.equal('42\n');
    expect(of('cat /answer')).to.match(/^42\n.*\d\d:\d\d:\d\d/);
    expect(of('rmi').split('\n')).to.include.members([
      'Untagged: readme-job:done',
      'Untagged: busybox:latest',
    ]);
    expect(of('--rm readme-built')).to.equal('Linux\n');
    await rm('.cache/readme-root', { recursive: true, force: true });
  });

  it('The commands of README.md for rootless use work', async function () {
    this.timeout(60_000);
    if (userNamespaceSwitch() !== undefined || OuterNetwork.missing() !== undefined)
      skip(this, `${userNamespaceSwitch()?.name ?? OuterNetwork.missing()}`);
    const commands = commandsOf(readme, (heading) => heading === 'Rootless');
    expect(commands).to.have.length.above(2);
    const outer = await OuterNetwork.make();
    try {
      const user = await UnprivilegedUser.make(true);
      try {
        const env = { CAISSON_NETWORK: '' };
        const outputs = await pastedBy(user, commands, { env, within: outer.within });
        expect(outputs[0]).to.match(/^www-data\n\s*0\s+\d+\s+1\n\s*1\s+\d+\s+65536\n$/);
        expect(outputs[2]).to.match(/ www-data root .* file\n$/);
        // The user's network ends some seconds after its last container.
        await eventually(() => expect(outer.guests(), 'processes').to.deep.equal([]), 20_000);
        await user.expectNothing();
      } finally {
        await user.cleanUp();
      }
    } finally {
      await outer.cleanUp();
    }
  });

  it('The images, volumes and files of README.md work, for an unprivileged user', async function () {
    this.timeout(90_000);
    const off = userNamespaceSwitch();
    if (off !== undefined) skip(this, off.name);
    const commands = commandsOf(readme, (heading) => heading === 'Images, volumes and files');
    expect(commands).to.have.length.above(8);
    const hub = await DockerHub.start();
    try {
      const user = await UnprivilegedUser.make(true);
      try {
        const env = { ...hub.env, CAISSON_NETWORK: 'none' };
        const outputs = await pastedBy(user, commands, { env });
        expect(outputs[2]?.split('\n')).to.include('A /answer');
        expect(outputs[3]).to.equal('42\n');
        expect(outputs[5]).to.match(/^42\n.*\d\d:\d\d:\d\d/);
        expect(outputs.at(-2)).to.equal('Linux\n');
        await user.expectNothing();
      } finally {
        await user.cleanUp();
      }
    } finally {
      await hub.stop();
    }
  });

  it('The networks of containers of README.md work, in a network namespace of the test’s own', async function () {
    this.timeout(60_000);
    const commands = commandsOf(readme, (heading) => heading === 'Networks of containers');
    expect(commands).to.have.length(6);
    const { stdout } = await run('unshare', ['--net', 'sh', '-ec', commands.join('\n')]);
    const [network, container, found, status, ...removed] = stdout.trimEnd().split('\n');
    expect(network).to.match(/^[0-9a-f]{64}$/);
    expect(container).to.match(/^[0-9a-f]{64}$/);
    expect(found).to.match(/^172\.\d+\.0\.2 +readme-db$/);
    expect(status).to.equal('200');
    expect(removed).to.deep.equal(['readme-db', 'readme-net']);
  });

  it('The networks of README.md work, for an unprivileged user in a network of the test’s own', async function () {
    this.timeout(60_000);
    if (userNamespaceSwitch() !== undefined || OuterNetwork.missing() !== undefined)
      skip(this, `${userNamespaceSwitch()?.name ?? OuterNetwork.missing()}`);
    const commands = commandsOf(readme, (heading) => heading === 'Networks');
    expect(commands).to.have.length(4);
    const outer = await OuterNetwork.make();
    try {
      const user = await UnprivilegedUser.make(true);
      try {
        const run = async (command = '') =>
          (await pastedBy(user, [command], { within: outer.within }))[0];
        await run(commands[0]);
        const url = 'http://localhost:8080/etc/hostname';
        const page = await eventually(() => outer.run('python3', '-c', FETCH, url));
        expect(page).to.equal(await run('bin/caisson exec readme-web cat /etc/hostname'));
        expect(await run(commands[1])).to.match(/^80\/tcp -> .*:8080$/m);
        expect(await run(commands[2])).to.match(new RegExp(`^${SERVER} +example\\.org\n$`));
        await run(commands[3]);
        await user.expectNothing();
      } finally {
        await user.cleanUp();
      }
    } finally {
      await outer.cleanUp();
    }
  });
});
