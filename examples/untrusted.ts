// Runs untrusted code: no network, no files of the host, and limits on everything.
import { Engine } from 'caisson';

const code = `
import os, urllib.request
print('I am', os.uname().nodename, 'and my processes are', sorted(p for p in os.listdir('/proc') if p.isdigit()))
try:
    urllib.request.urlopen('http://203.0.113.1/', timeout=1)
except Exception as error:
    print('network:', error)
try:
    open('/etc/shadow')
except Exception as error:
    print('secrets:', error)
hog = bytearray(1 << 30)
`;

await using engine = await Engine.open();
const result = await engine.run('host', ['python3', '-u', '-c', code], {
  memory: '64m',
  cpus: 0.5,
  pidsLimit: 32,
  timeout: 10_000,
  maxOutput: '1m',
});
process.stdout.write(result.stdout);
const { exitCode, oomKilled, timedOut, outputTruncated } = result;
console.log({ exitCode, oomKilled, timedOut, outputTruncated });
