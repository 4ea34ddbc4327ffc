/** Networks that a running container of an unprivileged user is connected to, and disconnected from. */
import { expect } from 'chai';
import { eventually } from '../support/outside.js';
import { HOST, OTHER, pidsOf, RootlessGround, WEB } from '../support/rootless-ground.js';
import { skip } from '../support/skip.js';

const SLEEP = ['host', 'sleep', '1000'];
const SERVER = "require('net').createServer((socket) => socket.end('inside')).listen(80, '::')";
const ADDRESSES = `ip -o -4 address | awk '{ print $2, $4 }'`;

describe('Networks of a running container of an unprivileged user', function () {
  this.timeout(120_000);
  let ground: RootlessGround;
  const ok = (...args: readonly string[]) => ground.ok(...args);
  const inside = (id: string, script: string) => ok('exec', id, 'sh', '-c', script);

  before(async function () {
    const missing = RootlessGround.missing();
    if (missing !== undefined) skip(this, missing);
    ground = await RootlessGround.make();
  });
  after(() => (ground as RootlessGround | undefined)?.cleanUp());
  beforeEach(async () => {
    await ok('network', 'create', '--subnet', '10.71.0.0/24', 'web');
    await ok('network', 'create', '--subnet', '10.72.0.0/24', '--ipv6', '--subnet', 'fd00:72::/64', 'db'); // prettier-ignore
  });
  afterEach(() => ground.clear());

  const links = () => ground.inNetwork('ip', '-o', 'link');
  const tables = () => ground.inNetwork('nft', 'list', 'ruleset');
  const serving = async (...flags: readonly string[]) => {
    const id = await ok('run', '-d', ...flags, 'host', 'node', '-e', SERVER);
    const listening = () => inside(id, 'cat /proc/net/tcp6');
    await eventually(async () => expect(await listening()).to.include(':0050 '));
    return id;
  };
  const reach = async (id: string, to: string) =>
    (await ground.answers(id, { by: 'tcp', to, port: 80 }))[0];

  it('It is connected at once, found by its names there, and disconnected', async () => {
    const id = await ok('run', '-d', '--network', 'web', '--name', 'app', '--hostname', 'app', ...SLEEP); // prettier-ignore
    await serving('--network', 'db', '--name', 'other');
    await ok('network', 'connect', '--alias', 'data', '--ip', '10.72.0.50', 'db', 'app');
    expect(await inside(id, `${ADDRESSES}; grep app /etc/hosts`)).to.match(
      /^lo 127.0.0.1\/8\neth0 10.71.0.\d+\/24\neth1 10.72.0.50\/24\n10.71.0.\d+\tapp\n10.72.0.50\tapp\nfd00:72::\d+\tapp$/,
    );
    expect(await inside(id, 'cat /proc/sys/net/ipv6/conf/eth[01]/disable_ipv6')).to.equal('1\n0');
    expect(await inside(id, 'ip route show default')).to.include('via 10.72.0.1 dev eth1');
    expect(await reach('app', 'other')).to.equal('inside');
    expect(await inside('other', 'getent ahostsv4 app; getent ahostsv4 data')).to.match(/^10\.72\.0\.50 (?:.*\n)+10\.72\.0\.50 /); // prettier-ignore
    expect(await reach('app', WEB)).to.equal(`internet ${HOST}`);
    // The frame filter knows the interface.
    expect((await tables()).match(new RegExp(`"ve${id.slice(0, 12)}1"`, 'g'))).not.to.equal(null);

    await ok('network', 'disconnect', 'web', 'app');
    expect(await inside(id, ADDRESSES)).to.equal('lo 127.0.0.1/8\neth1 10.72.0.50/24');
    expect(await reach('app', 'other')).to.equal('inside');
    await ok('network', 'disconnect', 'db', 'app');
    expect(await inside(id, ADDRESSES)).to.equal('lo 127.0.0.1/8');
    expect(await links()).not.to.include(`ve${id.slice(0, 12)}`);
    expect(await tables()).not.to.include(`ve${id.slice(0, 12)}`);
    const again = await ok('run', '-d', '--network', 'db', '--ip', '10.72.0.50', ...SLEEP);
    expect(await reach(again, 'other')).to.equal('inside');
    await ok('network', 'connect', 'web', 'app');
    expect(await reach('app', WEB)).to.equal(`internet ${HOST}`);
  });

  it('The networks are those of a restart by its supervisor and of the next start, and nothing is left of them', async () => {
    const flags = ['--network', 'web', '--name', 'app', '--restart', 'always'];
    const id = await ok('run', '-d', ...flags, ...SLEEP);
    await serving('--network', 'db', '--name', 'other');
    await ok('network', 'connect', 'db', 'app');
    const pid = Number(await ok('inspect', '-f', '{{.State.Pid}}', id));
    process.kill(pid, 'SIGKILL');
    await eventually(async () =>
      expect(await ok('inspect', '-f', '{{.State.Pid}}', id)).not.to.be.oneOf(['0', String(pid)]),
    );
    await eventually(async () => expect(await reach('app', 'other')).to.equal('inside'));
    await ok('restart', '-t', '0', 'app');
    expect(await reach('app', 'other')).to.equal('inside');
    await ok('rm', '-f', 'app');
    expect(await links()).not.to.include(`ve${id.slice(0, 12)}`);
    expect(await tables()).not.to.include(`ve${id.slice(0, 12)}`);
    await ok('rm', '-f', 'other');
    await ok('network', 'rm', 'db');
  });

  it('A connect that is killed at any time is made again by the next one, and its addresses are free', async () => {
    const id = await ok('run', '-d', '--network', 'web', '--name', 'app', ...SLEEP);
    const connect = ['network', 'connect', '--ip', '10.72.0.50', 'db', 'app'];
    const began = performance.now();
    await ok(...connect);
    const took = performance.now() - began;
    await ok('network', 'disconnect', 'db', 'app');
    for (const part of [0.4, 0.55, 0.7, 0.85, 0.95]) {
      await ground.user.caisson(connect, `(sleep ${(part * took) / 1000}; kill -9 $$) &`);
      const { code } = await ground.tell(...connect);
      // 1: the first one had come to its end.
      expect(code).to.be.oneOf([0, 1]);
      expect(await inside(id, ADDRESSES)).to.include('eth1 10.72.0.50/24');
      await ok('network', 'disconnect', 'db', 'app');
      expect(await inside(id, ADDRESSES)).not.to.include('10.72');
    }
  });

  it('A policy holds in a network that is connected while its container runs, and is gone with the last one', async () => {
    await serving('--network', 'db', '--ip', '10.72.0.60');
    await serving('--network', 'db', '--ip', '10.72.0.61');
    const rules = ['--allow', WEB, '--allow', '10.72.0.60:80'];
    const id = await ok('run', '-d', '--network', 'web', ...rules, '--name', 'app', ...SLEEP);
    await ok('network', 'connect', 'db', 'app');
    const open = `internet ${HOST}`;
    expect(await reach('app', '10.72.0.60')).to.equal('inside');
    expect(await reach('app', '10.72.0.61')).to.equal('ECONNREFUSED');
    expect([await reach('app', WEB), await reach('app', OTHER)]).to.deep.equal([open, 'ECONNREFUSED']); // prettier-ignore
    await ok('network', 'disconnect', 'web', 'app');
    expect([await reach('app', WEB), await reach('app', OTHER)]).to.deep.equal([open, 'ECONNREFUSED']); // prettier-ignore
    expect(await reach('app', '10.72.0.61')).to.equal('ECONNREFUSED');
    await ok('network', 'disconnect', 'db', 'app');
    expect(await tables()).not.to.include(`policy-${id.slice(0, 12)}`);
    expect(pidsOf(/caisson-network/)).to.have.length(1);
  });
});
