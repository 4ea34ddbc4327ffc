/** What a program in a container does to find out what it reaches: connections, one after the other. */

/** `tcp` and `udp` with a port; `icmp` is one echo request, over IPv4. */
export interface Probe {
  readonly by: 'tcp' | 'udp' | 'icmp';
  readonly to: string;
  readonly port?: number;
}

export interface Probed {
  /** What the server has said, or the code of the error; `timeout`. */
  readonly answer: string;
  /** Milliseconds. */
  readonly took: number;
}

/** Milliseconds without a sign, after which a packet counts as dropped. */
const PATIENCE = 3000;

/** One echo request of ICMP: Node has no such sockets. */
const PING = `
  use Socket;
  my ($to, $patience) = @ARGV;
  my $socket;
  socket($socket, AF_INET, SOCK_DGRAM, 1) && connect($socket, sockaddr_in(0, inet_aton($to))) or die $!;
  send($socket, pack('CCnnn', 8, 0, 0, 0, 1) . 'question', 0) or die $!;
  my $ready = '';
  vec($ready, fileno($socket), 1) = 1;
  if (!select($ready, undef, undef, $patience)) { print 'timeout' }
  elsif (defined recv($socket, my $answer, 100, 0)) { print 'echo' }
  else { print((grep { $!{$_} } keys %!)[0]) }`;

/** Written for a container: it has no file of this project. */
function probeAll(probes: readonly Probe[], patience: number, ping: string): void {
  const net = process.getBuiltinModule('node:net');
  const dgram = process.getBuiltinModule('node:dgram');
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const tcp = ({ to, port = 0 }: Probe) =>
    new Promise<string>((resolve) => {
      let text = '';
      const socket = net.connect({ host: to, port });
      const end = (answer: string) => (resolve(answer), socket.destroy());
      // A packet that is dropped has no other sign than that nothing happens.
      socket.setTimeout(patience, () => end('timeout'));
      socket.on('data', (bytes) => (text += bytes.toString()));
      socket.on('end', () => end(text));
      socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    });
  const udp = ({ to, port = 0 }: Probe) =>
    new Promise<string>((resolve) => {
      const socket = dgram.createSocket(to.includes(':') ? 'udp6' : 'udp4');
      const end = (answer: string) => (clearTimeout(timer), resolve(answer), socket.close());
      // As above.
      const timer = setTimeout(end, patience, 'timeout');
      socket.once('message', (bytes) => end(bytes.toString()));
      socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
      socket.connect(port, to, (error?: Error) => {
        if (error === undefined) socket.send('question');
      });
    });
  const icmp = ({ to }: Probe) =>
    Promise.resolve(String(spawnSync('perl', ['-e', ping, to, String(patience / 1000)]).stdout));
  void (async () => {
    const results: Probed[] = [];
    for (const probe of probes) {
      const began = performance.now();
      const answer = await { tcp, udp, icmp }[probe.by](probe);
      results.push({ answer, took: Math.round(performance.now() - began) });
    }
    process.stdout.write(JSON.stringify(results));
  })();
}

/** The command line that does it, and writes `Probed[]` as JSON. */
export function probing(...probes: readonly Probe[]): string[] {
  return [
    'node',
    '-e',
    `(${probeAll.toString()})(${JSON.stringify(probes)}, ${PATIENCE}, ${JSON.stringify(PING)})`,
  ];
}
