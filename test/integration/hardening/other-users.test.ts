/** Another user of the machine, who may do what every user may. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { type DetachedContainers, supervisorOf, setUpDetached } from '../../support/detached.js';
import { needsRoot } from '../../support/needs.js';
import { eventually } from '../../support/outside.js';
import type { Workshop } from '../../support/workshop.js';

describe('other users of the machine', function () {
  this.timeout(60_000);
  let shop: Workshop;
  let detached: DetachedContainers;
  const processes = new Set<ChildProcess>();

  afterEach(async () => {
    for (const child of processes) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
    }
    processes.clear();
  });
  setUpDetached((made) => ({ shop, detached } = made));

  /** A program of the user nobody, once it has written something. */
  async function asNobody(script: string, args: readonly string[] = []): Promise<string> {
    const user = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const command = [process.execPath, '-e', script, ...args];
    const child = spawn('setpriv', [...user, ...command], { cwd: '/', stdio: 'pipe' });
    processes.add(child);
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await eventually(() => expect(said).to.match(/\n/));
    return said;
  }

  const { it: itAsRoot } = needsRoot('another user');

  itAsRoot('a socket of another user’s does not make a dead container look alive', async () => {
    const container = await detached.start('sleep 1000');
    const { id } = container;
    process.kill(await supervisorOf(container), 'SIGKILL');
    // What /proc/net/unix shows of it is what it would show of the container's supervisor.
    const said = await asNobody(
      `const fs = require('node:fs');
       const directory = fs.mkdtempSync('/tmp/caisson-forged-');
       const fd = fs.openSync(directory, 'r');
       process.on('exit', () => fs.rmSync(directory, { recursive: true }));
       require('node:net').createServer().listen('/proc/self/fd/' + fd + '/${id}', () => {
         fs.rmSync(directory, { recursive: true });
         console.log('listens');
       });`,
    );
    expect(said).to.equal('listens\n');
    expect(readFileSync('/proc/net/unix', 'utf8')).to.match(
      new RegExp(`/proc/self/fd/\\d+/${id}$`, 'm'),
    );
    const listed = (await shop.engine.list()).find(({ config }) => config.id === id);
    expect(listed?.status).to.equal('exited');
  });

  itAsRoot('nothing of a container of root’s can be read, reached or signalled', async () => {
    const container = await detached.start('echo secret; sleep 1000', { env: { SECRET: 'word' } });
    await container.waitFor({ log: 'secret' });
    const supervisor = await supervisorOf(container);
    const { pid } = (await container.inspect()).state;
    const of = (process: number) =>
      ['environ', 'fd/0', 'root/etc', 'cwd/.', 'exe', 'mem', 'ns/mnt', 'maps'].map(
        (name) => `/proc/${process}/${name}`,
      );
    const paths = [
      ...of(pid),
      ...of(supervisor),
      ...['config.json', 'state.json', 'json.log', 'upper'].map((name) =>
        detached.path(container, name),
      ),
      ...['events', 'locks', 'ids', 'supervisors'].map((name) => join(shop.directory, 'run', name)),
    ];
    const said = await asNobody(
      `const fs = require('node:fs');
       const done = [];
       const attempt = (what, act) => { try { act(); done.push(what); } catch {} };
       for (const path of ${JSON.stringify(paths)})
         for (const mode of ['r', 'r+'])
           attempt(mode + ' ' + path, () => fs.closeSync(fs.openSync(path, mode)));
       for (const pid of ${JSON.stringify([pid, supervisor, process.pid])})
         for (const signal of [0, 'SIGUSR1', 'SIGTERM'])
           attempt(signal + ' ' + pid, () => process.kill(pid, signal));
       const socket = require('node:net').connect(${JSON.stringify(
         join(shop.directory, 'run/supervisors', container.id),
       )});
       socket.on('connect', () => { done.push('connected'); console.log(JSON.stringify(done)); });
       socket.on('error', () => console.log(JSON.stringify(done)));`,
    );
    expect(JSON.parse(said)).to.deep.equal([]);
    expect((await container.inspect()).status).to.equal('running');
  });
});
