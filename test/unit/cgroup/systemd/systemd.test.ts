import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { delegationHint } from '../../../../lib/cgroup/systemd/delegation.js';
import { detectCgroups } from '../../../../lib/cgroup/detect.js';
import { cgroupLocation } from '../../../../lib/cgroup/parent.js';
import { cgroupPath, cgroupDirectories, scopePath } from '../../../../lib/cgroup/cgroup-paths.js';
import { planCgroups } from '../../../../lib/cgroup/limits/plan.js';
import { Systemd } from '../../../../lib/cgroup/systemd/scope.js';
import {
  busAddress,
  type CgroupDriver,
  scopeProperties,
  type Session,
  sliceFor,
} from '../../../../lib/cgroup/systemd/systemd.js';
import { compileTeardown } from '../../../../lib/program/compile.js';
import { hybrid, type Machine, readersOf, systemdV2 } from '../../../support/cgroup-machines.js';
import { expectError } from '../../support/expect-error.js';

const id = '4f'.repeat(32);
const SCOPE = `/system.slice/caisson-${id}.scope`;

/** A machine with systemd and both buses. */
const root: Session = {
  uid: 0,
  env: {},
  exists: (path) =>
    ['/run/systemd/system', '/run/dbus/system_bus_socket', '/run/user/1000/bus'].includes(path),
  read: (path) => (path === '/proc/1/cgroup' ? '0::/init.scope\n' : undefined),
};
const user: Session = { ...root, uid: 1000, env: { XDG_RUNTIME_DIR: '/run/user/1000' } };

async function slice(machine: Machine, session: Session, driver?: CgroupDriver) {
  return sliceFor(await detectCgroups(readersOf(machine)), driver, session);
}

describe('systemd: the bus that is asked', () => {
  it('The system’s systemd is asked for root, and the user’s own for all others', async () => {
    expect(await slice(systemdV2, root)).to.equal('/system.slice');
    expect(await slice(systemdV2, user)).to.equal(
      '/user.slice/user-1000.slice/user@1000.service/user.slice',
    );
  });

  it('A scope is made below the cgroup of the first process of systemd', async () => {
    const inside = { ...root, read: () => '0::/docker/4f/init.scope\n' };
    expect(await slice(systemdV2, inside)).to.equal('/docker/4f/system.slice');
    expect(await slice(systemdV2, { ...root, read: () => undefined })).to.equal('/system.slice');
  });

  it('Systemd is not asked where cgroupfs is wanted', async () => {
    expect(await slice(systemdV2, root, 'cgroupfs')).to.equal(undefined);
  });

  const obstacles: [string, Machine, Session, RegExp][] = [
    ['v1 has controllers', hybrid, root, /cgroup v1.*systemd\.unified_cgroup_hierarchy=1/],
    [
      'systemd is not the init',
      systemdV2,
      { ...root, exists: (path) => path !== '/run/systemd/system' && root.exists(path) },
      /\/run\/systemd\/system is missing/,
    ],
    [
      'root is that of a user namespace below',
      systemdV2,
      { ...root, foreign: true },
      /that of a user namespace.*cgroupfs/,
    ],
    [
      'root has no bus',
      systemdV2,
      { ...root, exists: (path) => path === '/run/systemd/system' },
      /no bus at unix:path=\/run\/dbus\/system_bus_socket.*start dbus/,
    ],
    [
      'the user has no bus',
      systemdV2,
      { ...user, uid: 1001, env: {} },
      /no bus at unix:path=\/run\/user\/1001\/bus.*loginctl enable-linger 1001/,
    ],
    [
      'the user has a systemd, and no bus',
      systemdV2,
      { ...user, exists: (path) => !path.endsWith('/bus') },
      /no bus at unix:path=\/run\/user\/1000\/bus.*dbus-user-session/,
    ],
  ];
  for (const [what, machine, session, text] of obstacles) {
    it(`Systemd is not asked ${what}, and an error says so where it was demanded`, async () => {
      expect(await slice(machine, session)).to.equal(undefined);
      const layout = await detectCgroups(readersOf(machine));
      expectError(() => sliceFor(layout, 'systemd', session), 'ERR_SYSTEMD', text);
    });
  }

  it('The error for a user without cgroups names what gives them', async () => {
    const hint = async (machine: Machine, session: Session) =>
      delegationHint(await detectCgroups(readersOf(machine)), session);
    expect(await hint(systemdV2, root)).to.equal(undefined);
    expect(await hint(systemdV2, user)).to.match(/delegate\.conf; systemctl daemon-reload/);
    const away = { ...user, uid: 1001, env: {} };
    expect(await hint(systemdV2, away)).to.match(/; here: log in.*loginctl enable-linger 1001$/);
    expect(await hint(hybrid, away)).to.match(/or from root$/);
  });

  it('Systemd is asked at the address in the environment, if there is one', () => {
    const DBUS_SESSION_BUS_ADDRESS = 'unix:path=/tmp/session';
    expect(busAddress({ ...user, env: { DBUS_SESSION_BUS_ADDRESS } })).to.equal(
      DBUS_SESSION_BUS_ADDRESS,
    );
    expect(busAddress({ ...user, env: {} })).to.equal('unix:path=/run/user/1000/bus');
    expect(busAddress({ ...root, env: { DBUS_SESSION_BUS_ADDRESS } })).to.equal(
      'unix:path=/run/dbus/system_bus_socket',
    );
    const DBUS_SYSTEM_BUS_ADDRESS = 'unix:abstract=system';
    expect(busAddress({ ...root, env: { DBUS_SYSTEM_BUS_ADDRESS } })).to.equal(
      DBUS_SYSTEM_BUS_ADDRESS,
    );
  });

  it('A bus that does not answer is an error that names the bus and the remedy', async () => {
    const env = { DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/nowhere/bus' };
    const error = await Systemd.open({ ...root, env }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.include({ code: 'ERR_SYSTEMD', path: 'unix:path=/nowhere/bus' });
    expect((error as Error).message).to.match(/ENOENT.*start dbus/);
  });

  it('A bus that accepts no connection does not block the call', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'caisson-bus-'));
    const path = join(directory, 'bus');
    // Authentication in the D-Bus specification: what else the client might try is refused, too.
    const server = createServer((socket) => {
      socket.on('data', () => socket.write('REJECTED EXTERNAL\r\n')).on('error', () => undefined);
    });
    await once(server.listen(path), 'listening');
    try {
      const env = { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${path}` };
      const error = await Systemd.open({ ...root, env }).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).to.include({ code: 'ERR_SYSTEMD', path: `unix:path=${path}` });
    } finally {
      server.close();
      rmSync(directory, { recursive: true });
    }
    await once(server, 'close');
  });
});

describe('systemd: scopes', () => {
  it('Scopes have a name and a path that follow from the id', () => {
    expect(scopePath(id, '/system.slice')).to.equal(SCOPE);
    expect(cgroupPath(id, { cgroupSlice: '/system.slice' })).to.equal(`${SCOPE}/container`);
    expect(cgroupPath(id, {})).to.equal(`/caisson/${id}`);
  });

  it('Scopes are in a slice of one’s own choice, whose name has a part for each level', () => {
    const own = '/user.slice/user-7.slice/user@7.service';
    const chosen = (slice: string, wanted: unknown) => cgroupLocation(slice, wanted).cgroupSlice;
    expect(chosen('/system.slice', undefined)).to.equal('/system.slice');
    expect(chosen('/system.slice', 'batch.slice')).to.equal('/batch.slice');
    expect(chosen('/system.slice', 'a-b-c.slice')).to.equal('/a.slice/a-b.slice/a-b-c.slice');
    expect(chosen(`${own}/user.slice`, 'a-b.slice')).to.equal(`${own}/a.slice/a-b.slice`);
    for (const bad of ['batch', '/batch.slice', '-.slice', 'a--b.slice', 'a-.slice', 'x.scope', 5])
      expectError(() => cgroupLocation('/system.slice', bad), 'ERR_INVALID_OPTION', /NAME\.slice/);
  });

  it('Scopes are asked for with their slice, delegation and the supervisor', () => {
    const properties = scopeProperties(id, '/a.slice/user.slice', 'name', 4711);
    expect(properties).to.deep.equal([
      ['Description', 's', 'caisson container name (4f4f4f4f4f4f)'],
      ['Slice', 's', 'user.slice'],
      ['Delegate', 'b', true],
      ['TasksMax', 't', 0xffff_ffff_ffff_ffffn],
      ['CollectMode', 's', 'inactive-or-failed'],
      ['PIDs', 'au', [4711]],
    ]);
  });

  it('Scopes have the weights of the container’s cgroup, which count among scopes', () => {
    const weights = (file: string, value: string) =>
      scopeProperties(id, '/system.slice', 'name', 1, [{ file, value }]).slice(6);
    expect(weights('cpu.weight', '59')).to.deep.equal([['CPUWeight', 't', 59n]]);
    expect(weights('io.weight', 'default 4950')).to.deep.equal([['IOWeight', 't', 4950n]]);
    expect(weights('io.bfq.weight', 'default 1000')).to.deep.equal([['IOWeight', 't', 10_000n]]);
    expect(weights('io.bfq.weight', 'default 10')).to.deep.equal([['IOWeight', 't', 10n]]);
    // Of one device; no weight.
    expect(weights('io.weight', '8:0 4950')).to.deep.equal([]);
    expect(weights('memory.max', '4096')).to.deep.equal([]);
  });

  it('Scopes hand controllers on to the container’s cgroup, which is all that is made and removed', async () => {
    const layout = await detectCgroups(readersOf(systemdV2));
    const plan = planCgroups(
      layout,
      id,
      { pids: { limit: 5 } },
      { location: { cgroupSlice: '/system.slice' } },
    );
    expect(plan.placements).to.have.length(1);
    const [placement] = plan.placements;
    expect(placement).to.deep.include({
      base: `/sys/fs/cgroup${SCOPE}`,
      baseWrites: [{ file: 'cgroup.subtree_control', value: '+cpu +io +memory +pids' }],
      parentWrites: [],
      dir: `/sys/fs/cgroup${SCOPE}/container`,
      writes: [{ file: 'pids.max', value: '5' }],
    });
    expect(placement).not.to.have.property('parent');
    expect(compileTeardown(plan, undefined).teardown).to.deep.equal([
      { op: 'cgroup.remove', texts: [`/sys/fs/cgroup${SCOPE}/container`] },
    ]);
    expect(
      cgroupDirectories(layout, id, { cgroupSlice: '/system.slice' }).map(({ dir }) => dir),
    ).to.deep.equal([`/sys/fs/cgroup${SCOPE}/container`]);
  });
});
