/** Names that Docker takes, and what a container with the host's network is told. */
import { appendFileSync, existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { expect } from 'chai';
import { type DetachedContainers, setUpDetached } from '../../support/detached.js';
import type { Workshop } from '../../support/workshop.js';
import { skip } from '../../support/skip.js';

describe('names and networks as with Docker', () => {
  let shop: Workshop;
  let detached: DetachedContainers;
  setUpDetached((made) => ({ shop, detached } = made));

  it('C3: a container with the host’s network has the host’s name, unless it is given another', async () => {
    const network = 'host';
    const show = 'hostname; cat /etc/hostname; echo $HOSTNAME';
    const three = (name: string) => [name, name, name].join('\n');
    expect(await shop.sh(show, { network })).to.equal(three(hostname()));
    expect(await shop.sh(show, { network, hostname: 'other' })).to.equal(three('other'));
    const container = await detached.start(['sleep', '1000'], { network });
    const { stdout } = await container.exec(['sh', '-c', show]);
    expect(stdout.trim()).to.equal(three(hostname()));
  });

  it('C3: every user of a container may listen on low ports and send ICMP echo requests', async function () {
    const settings = ['ip_unprivileged_port_start', 'ping_group_range']
      .map((name) => `/proc/sys/net/ipv4/${name}`)
      .join(' ');
    expect((await shop.sh(`cat ${settings}`)).replace('\t', ' ')).to.equal('0\n0 65535');
    const asked = { sysctls: { 'net.ipv4.ip_unprivileged_port_start': '80' } };
    expect((await shop.sh(`cat ${settings}`, asked)).split('\n')[0]).to.equal('80');
    const both = [
      'import socket',
      'socket.socket().bind(("127.0.0.1", 80))',
      'echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)',
      'echo.sendto(b"\\x08\\0\\0\\0\\0\\0\\0\\1", ("127.0.0.1", 0))',
      'print("both" if echo.recv(100)[0] == 0 else "no answer")',
    ].join('\n');
    // The machine's own, of which the image is made.
    if (!existsSync('/usr/bin/python3')) skip(this, 'python3 is not installed');
    const { stdout, stderr } = await shop.engine.run('host', ['python3', '-c', both], {
      user: '7',
      capDrop: ['ALL'],
    });
    expect(stdout, stderr).to.equal('both\n');
  });

  it('C3: resolv.conf has search, nameserver and options in this order', async () => {
    const text = await shop.sh('cat /etc/resolv.conf', {
      dnsOption: ['ndots:2'],
      dns: ['192.0.2.1', ' 192.0.2.2 '],
      dnsSearch: ['example.org'],
    });
    expect(text.split('\n')).to.deep.equal([
      'search example.org',
      'nameserver 192.0.2.1',
      'nameserver 192.0.2.2',
      'options ndots:2',
    ]);
  });

  it('C24: host names are what the kernel takes', async () => {
    for (const name of ['my_host', 'a.b_c', 'a'.repeat(64), 'ünï', 'a..b'])
      expect(await shop.sh('hostname', { hostname: name }), name).to.equal(name);
    expect(await shop.sh('cat /proc/sys/kernel/domainname', { domainname: 'a_b.c' })).to.equal(
      'a_b.c',
    );
    expect(await shop.sh('hostname', { hostname: '' })).to.match(/^[0-9a-f]{12}$/);
    for (const name of ['-a', 'a/b', 'a b', 'a\nb', 'a'.repeat(65), 'ü'.repeat(33)]) {
      const error = await shop.engine.run(shop.busybox, ['true'], { hostname: name }).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error, name).to.have.property('code', 'ERR_INVALID_OPTION');
    }
  });

  it('C24: users and groups have the names that stand in the files', async () => {
    const image = shop.copyOfBusybox('names');
    appendFileSync(
      shop.path('names/etc/passwd'),
      '1abc:x:7:8::/tmp:/bin/sh\nбоб:x:9:9::/:/bin/sh\n',
    );
    appendFileSync(shop.path('names/etc/group'), '2nd:x:77:\n');
    const show = 'id -u; id -G';
    expect(await shop.sh(show, { user: '1abc', groupAdd: ['2nd'] }, image)).to.equal('7\n8 77');
    expect(await shop.sh(show, { user: 'боб:2nd' }, image)).to.equal('9\n77');
  });
});
