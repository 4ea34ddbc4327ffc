import { expect } from 'chai';
import fc from 'fast-check';
import { CaissonError } from '../../../../lib/base/errors.js';
import { normalizePorts, type PortOption } from '../../../../lib/engine/options/ports.js';
import { bindingText } from '../../../../lib/network/firewall/port-bindings.js';

const of = (...ports: PortOption[]) => normalizePorts(ports);
const tcp = { containerPort: 80, protocol: 'tcp' } as const;

function refusal(...ports: PortOption[]): CaissonError {
  try {
    of(...ports);
  } catch (error) {
    if (error instanceof CaissonError) return error;
  }
  throw new Error('it was not refused');
}

describe('normalizePorts', () => {
  it("Docker's texts are read", () => {
    expect(normalizePorts(undefined)).to.deep.equal([]);
    expect(of('80')).to.deep.equal([tcp]);
    expect(of('8080:80')).to.deep.equal([{ hostPort: 8080, ...tcp }]);
    expect(of('0:80')).to.deep.equal([tcp]);
    expect(of(':80')).to.deep.equal([tcp]);
    expect(of('53:53/udp', '53:53/TCP')).to.deep.equal([
      { hostPort: 53, containerPort: 53, protocol: 'udp' },
      { hostPort: 53, containerPort: 53, protocol: 'tcp' },
    ]);
    expect(of('127.0.0.1:8080:80/sctp')).to.deep.equal([
      { hostIp: '127.0.0.1', hostPort: 8080, containerPort: 80, protocol: 'sctp' },
    ]);
    expect(of('127.0.0.1::80')).to.deep.equal([{ hostIp: '127.0.0.1', ...tcp }]);
    for (const address of ['[2001:DB8::0:1]', '2001:db8::1'])
      expect(of(`${address}:8080:80`)).to.deep.equal([
        { hostIp: '2001:db8::1', hostPort: 8080, ...tcp },
      ]);
    expect(of('[::]::80')).to.deep.equal([{ hostIp: '::', ...tcp }]);
    expect(of('[::ffff:10.0.0.1]::80')).to.deep.equal([{ hostIp: '10.0.0.1', ...tcp }]);
  });

  it('A range of container ports is as many bindings, a range of host ports for one is a choice', () => {
    expect(of('8000-8002:80-82')).to.deep.equal([
      { hostPort: 8000, containerPort: 80, protocol: 'tcp' },
      { hostPort: 8001, containerPort: 81, protocol: 'tcp' },
      { hostPort: 8002, containerPort: 82, protocol: 'tcp' },
    ]);
    expect(of('80-81')).to.deep.equal([tcp, { ...tcp, containerPort: 81 }]);
    expect(of('8000-8010:80')).to.deep.equal([{ hostPort: [8000, 8010], ...tcp }]);
    expect(of('80-80')).to.deep.equal([tcp]);
    expect(of('1-4096')).to.have.length(4096);
    expect(() => of('1-4097')).to.throw('4096 ports at most');
  });

  it('Objects are read', () => {
    expect(of({ containerPort: 80 })).to.deep.equal([tcp]);
    expect(
      of({ hostPort: 8080, containerPort: 80, protocol: 'udp', hostIp: '127.0.0.1' }),
    ).to.deep.equal([{ hostPort: 8080, containerPort: 80, protocol: 'udp', hostIp: '127.0.0.1' }]);
    expect(of({ hostPort: [8000, 8010], containerPort: 80 })).to.deep.equal([
      { hostPort: [8000, 8010], ...tcp },
    ]);
    expect(of({ hostPort: 0, containerPort: 80 })).to.deep.equal([tcp]);
  });

  it("What cannot be read is refused in Docker's words", () => {
    for (const [text, words] of [
      ['', 'no port specified: <empty>'],
      ['80:', 'no port specified: 80:<empty>'],
      ['80:/tcp', 'no port specified: 80:/tcp<empty>'],
      ['x', 'invalid containerPort: x'],
      ['80:0', 'invalid containerPort: 0'],
      ['80:65536', 'invalid containerPort: 65536'],
      ['82-80', 'invalid containerPort: 82-80'],
      ['80-81-82', 'invalid containerPort: 80-81-82'],
      ['-1:80', 'invalid hostPort: -1'],
      ['99999:80', 'invalid hostPort: 99999'],
      ['+80:80', 'invalid hostPort: +80'],
      ['0-5:80', 'invalid hostPort: 0-5'],
      ['80:80/icmp', 'invalid proto: icmp'],
      ['80:80/tcp/udp', 'invalid proto: tcp/udp'],
      ['80:80/constructor', 'invalid proto: constructor'],
      [
        '8000-8001:80-82',
        'invalid ranges specified for container and host Ports: 80-82 and 8000-8001',
      ],
      ['localhost:80:80', 'invalid IP address: localhost'],
      ['[::1:80:80', 'invalid IP address: [::1'],
      ['fe80::1%eth0:80:80', 'invalid IP address: fe80::1%eth0'],
      ['1.2.3:80:80', 'invalid IP address: 1.2.3'],
    ] as const) {
      const error = refusal(text);
      expect(error, text).to.include({ code: 'ERR_INVALID_OPTION', path: 'ports' });
      expect(error.message, text).to.match(/^ports: /);
      expect(error.message, text).to.include(`: ${words} (`);
    }
    expect(refusal('80:80', '80:81').code).to.equal('ERR_CONFLICTING_OPTIONS');
    expect(refusal('80:80', '127.0.0.1:80:81').message).to.include('published twice');
    expect(refusal('0.0.0.0:80:80', '127.0.0.1:80:81').message).to.include('published twice');
    expect(of('127.0.0.1:80:80', '127.0.0.2:80:80', '[::]:80:80', '80:80/udp')).to.have.length(4);
    expect(refusal('80:80', '80-81:80-81').message).to.include('published twice');
  });

  it('What is no port is refused before anything is read of it', () => {
    for (const value of [
      null,
      80,
      [],
      {},
      { containerPort: '8x' },
      { containerPort: 0 },
      { containerPort: 80, hostPort: [1] },
      { containerPort: 80, hostPort: [2, 1] },
      { containerPort: 80, hostPort: 'x' },
      { containerPort: 80, protocol: 6 },
      { containerPort: 80, hostIp: 1 },
    ] as unknown[])
      expect(refusal(value as PortOption).code, JSON.stringify(value)).to.equal(
        'ERR_INVALID_OPTION',
      );
    expect(() => normalizePorts('80' as unknown as PortOption[])).to.throw('is not an array');
  });

  it('A binding is the same when it is written and read again', () => {
    const port = fc.integer({ min: 1, max: 65_535 });
    const range = fc.tuple(port, port).filter(([first, last]) => first < last);
    fc.assert(
      fc.property(
        fc.record(
          {
            hostIp: fc.oneof(
              fc.ipV4(),
              fc.constantFrom('::', 'fd00::2', '2001:db8:0:1:1:1:1:1', '0.0.0.0'),
            ),
            hostPort: fc.oneof(port, range),
            containerPort: port,
            protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
          },
          { requiredKeys: ['containerPort', 'protocol'] },
        ),
        (binding) => {
          expect(of(bindingText(binding))).to.deep.equal([binding]);
          expect(of(binding)).to.deep.equal([binding]);
        },
      ),
    );
  });

  it('Any text is a list of valid bindings, or refused with a typed error', () => {
    const piece = fc.constantFrom(
      '80',
      '8000-8002',
      '0',
      ':',
      '/',
      'tcp',
      '-',
      '[',
      ']',
      '::',
      '127.0.0.1',
      'x',
      '',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 20 }),
          fc.array(piece, { maxLength: 9 }).map((all) => all.join('')),
        ),
        (text) => {
          try {
            for (const { containerPort, hostPort } of of(text)) {
              expect(containerPort).to.be.within(1, 65_535);
              for (const each of [hostPort ?? 1].flat()) expect(each).to.be.within(1, 65_535);
            }
          } catch (error) {
            expect(error).to.be.instanceOf(CaissonError);
          }
        },
      ),
    );
  });
});
