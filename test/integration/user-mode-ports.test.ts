/**
 * `-p` with `--network pasta` and `slirp4netns`, of root's containers and of rootless ones: real servers in containers,
 * reached over the addresses of an outer network of the test's own.
 */
import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { userNamespaceSwitch } from '../../lib/host/user-namespaces.js';
import { ADDRESS, OuterNetwork, SERVER } from '../support/outer-network.js';
import {
  type CommandLineUser,
  refused,
  removeContainers,
  root,
  succeeded,
  unprivileged,
  untilLogged,
} from '../support/outer-users.js';
import { eventually } from '../support/outside.js';
import { skip } from '../support/skip.js';

const MODES = ['pasta', 'slirp4netns'] as const;

/** Answers over TCP on ports 80 to 82 with the port, and over UDP on port 53 with what it has got. */
const SERVE = `
  $| = 1;
  for my $port (80, 81, 82) {
    next if fork;
    my $s = IO::Socket::INET->new(LocalPort => $port, Listen => 5, ReuseAddr => 1) or die;
    while (my $c = $s->accept) { <$c>; print $c "inside $port\\n"; close $c }
  }
  my $u = IO::Socket::INET->new(LocalPort => 53, Proto => "udp") or die;
  select(undef, undef, undef, 0.05) while grep { !IO::Socket::INET->new(PeerAddr => "127.0.0.1:$_") } (80, 81, 82);
  print "ready\\n";
  while (defined $u->recv(my $text, 100)) { $u->send("answer to $text") }`;
const SERVING = ['perl', '-MIO::Socket::INET', '-e', SERVE];

const UDP =
  'my $s = IO::Socket::INET->new(PeerAddr => shift, LocalAddr => shift, Proto => "udp"); my $t; ' +
  'for (1 .. 20) { $s->send("hello"); my $r = ""; vec($r, fileno($s), 1) = 1; ' +
  'if (select($r, undef, undef, 0.5)) { $s->recv($t, 100) and last } } print $t';

describe('published ports of a network in user mode', function () {
  this.timeout(120_000);
  let outer: OuterNetwork;

  before(async function () {
    const missing = OuterNetwork.missing();
    if (missing !== undefined) skip(this, missing);
    outer = await OuterNetwork.make();
  });
  after(() => (outer as OuterNetwork | undefined)?.cleanUp());

  const tcp = (address: string, port: number) =>
    outer
      .run(
        'timeout',
        '20',
        'bash',
        '-c',
        'exec 3<>/dev/tcp/$0/$1 && echo hello >&3 && cat <&3',
        address,
        String(port),
      ) // prettier-ignore
      .catch(() => 'refused');
  /** From SERVER, as another machine would. */
  const udp = (address: string, port: number) =>
    outer.run('perl', '-MIO::Socket::INET', '-e', UDP, `${address}:${port}`, SERVER);

  for (const [whose, make] of Object.entries({
    'of root': root,
    'of an unprivileged user': unprivileged,
  }))
    describe(whose, () => {
      let user: CommandLineUser;

      before(async function () {
        const forbidden = make === root ? undefined : userNamespaceSwitch();
        if (forbidden !== undefined) skip(this, `${forbidden.name} forbids user namespaces`);
        user = await make(outer);
      });
      after(() => (user as CommandLineUser | undefined)?.cleanUp());
      afterEach(async () => {
        await removeContainers(user);
        await eventually(() => expect(outer.guests(), 'processes').to.deep.equal([]));
      });

      const ok = (...args: readonly string[]) => succeeded(user, args);
      const fails = (...args: readonly string[]) => refused(user, args);
      const serving = async (...flags: readonly string[]): Promise<string> => {
        const id = await ok('run', '-d', ...flags, 'host', ...SERVING);
        await ready(id, 1);
        return id;
      };
      /** A connection that is made before the container can be reached may hang for as long as the program in between likes. */
      const ready = (id: string, starts: number) =>
        untilLogged(user, id, Array.from({ length: starts }, () => 'ready').join('\n'));

      for (const mode of MODES)
        describe(mode, () => {
          before(function () {
            if (!existsSync(`/usr/bin/${mode}`)) skip(this, `${mode} is not installed`);
          });

          it('Published ports lead to the container, at all addresses of the host, while it runs', async () => {
            const id = await serving('--network', mode, '-p', '18080:80', '-p', '18053:53/udp');
            for (const address of [SERVER, ADDRESS, '127.0.0.1'])
              expect(await tcp(address, 18080), address).to.equal('inside 80\n');
            // What UDP lacks: docs/decisions/0013-network-in-user-mode.md.
            expect(await udp(SERVER, 18053)).to.equal('answer to hello');
            expect(await tcp(SERVER, 81)).to.equal('refused');
            expect(await ok('port', id)).to.equal(
              '53/udp -> 0.0.0.0:18053\n80/tcp -> 0.0.0.0:18080',
            );
            expect(await ok('ps', '--format', '{{.Ports}}')).to.equal(
              '0.0.0.0:18053->53/udp, 0.0.0.0:18080->80/tcp',
            );
            expect(await ok('ps', '-q', '--filter', 'publish=18080')).to.not.equal('');
            await ok('stop', '-t', '0', id);
            expect(await tcp(SERVER, 18080)).to.equal('refused');
            expect(await ok('ps', '-a', '--format', '{{.Ports}}')).to.equal('');
            await ok('start', id);
            await ready(id, 2);
            expect(await tcp(SERVER, 18080)).to.equal('inside 80\n');
          });

          it('A published port of one address is reached there alone; ranges lead to ranges', async () => {
            const one = ['-p', `${ADDRESS}:18090:80`, '-p', `${ADDRESS}:18091:53/udp`];
            const id = await serving(
              '--network',
              mode,
              ...one,
              '-p',
              '127.0.0.1:18080-18082:80-82',
            );
            expect(await tcp(ADDRESS, 18090)).to.equal('inside 80\n');
            expect(await udp(ADDRESS, 18091)).to.equal('answer to hello');
            expect(await tcp('127.0.0.1', 18090)).to.equal('refused');
            for (const at of [0, 1, 2])
              expect(await tcp('127.0.0.1', 18080 + at)).to.equal(`inside ${80 + at}\n`);
            expect(await tcp(ADDRESS, 18081)).to.equal('refused');
            expect(await ok('port', id, '81')).to.equal('127.0.0.1:18081');
          });

          it('A port of the host that is not given is a free one, and of a range the first free one', async () => {
            const flags = ['-p', '80', '-p', '18080-18082:81'];
            const [first, second] = [
              await serving('--network', mode, ...flags),
              await serving('--network', mode, ...flags),
            ];
            expect(await ok('port', first, '81')).to.equal('0.0.0.0:18080');
            expect(await ok('port', second, '81')).to.equal('0.0.0.0:18081');
            const chosen = await Promise.all(
              [first, second].map(async (id) => Number((await ok('port', id, '80')).split(':')[1])),
            );
            expect(new Set(chosen).size).to.equal(2);
            for (const port of chosen) expect(await tcp(SERVER, port)).to.equal('inside 80\n');
          });

          it('A published port that is taken is refused before the start, and free when its container is gone', async () => {
            const flags = ['--network', mode, '-p', '18080:80'];
            const id = await serving(...flags);
            const said = await fails('run', '-d', '--name', 'second', ...flags, 'host', ...SERVING);
            expect(said).to.include('Bind for 0.0.0.0:18080 failed: port is already allocated');
            expect(await ok('inspect', '-f', '{{.State.Status}}', 'second')).to.equal('created');
            await ok('rm', '-f', id);
            await ok('start', 'second');
            await ready('second', 1);
            expect(await tcp(SERVER, 18080)).to.equal('inside 80\n');
          });

          it('Published ports lead to the container again when its supervisor has restarted it', async () => {
            const id = await serving('--restart', 'always', '--network', mode, '-p', '18080:80');
            const pid = Number(await ok('inspect', '-f', '{{.State.Pid}}', id));
            process.kill(pid, 'SIGKILL');
            await ready(id, 2);
            expect(await ok('inspect', '-f', '{{.RestartCount}}', id)).to.equal('1');
            expect(await tcp(SERVER, 18080)).to.equal('inside 80\n');
            expect(await ok('port', id)).to.equal('80/tcp -> 0.0.0.0:18080');
          });

          it('A published port that the program cannot forward is refused before anything is made', async () => {
            const run = ['run', '--network', mode];
            expect(await fails(...run, '-p', '80:80', 'host', 'true')).to.match(
              /may not bind ports of the host below 1024[^]*ip_unprivileged_port_start=80/,
            );
            expect(await fails(...run, '-p', '18080:80/sctp', 'host', 'true')).to.include(
              `${mode} does not forward SCTP`,
            );
            expect(await fails(...run, '-p', '[::1]:18080:80', 'host', 'true')).to.include(
              'IPv6, which the network does not have',
            );
            expect(await ok('ps', '-aq')).to.equal('');
          });

          if (make === root)
            it('A published port below 1024 is possible with the users of the host', async () => {
              await serving('--userns', 'host', '--network', mode, '-p', '443:80');
              expect(await tcp(SERVER, 443)).to.equal('inside 80\n');
            });
        });

      it('A port that pasta would publish at two of several addresses is refused', async function () {
        if (!existsSync('/usr/bin/pasta')) skip(this, 'pasta is not installed');
        const ports = ['-p', '127.0.0.1:18080:80', '-p', `${ADDRESS}:18080:81`];
        const said = await fails('run', '--network', 'pasta', ...ports, 'host', 'true');
        expect(said).to.include('pasta publishes a port of the host at one address');
      });
    });
});
