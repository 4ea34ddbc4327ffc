import { expect } from 'chai';
import { failureOf } from '../../../../lib/engine/start/failure.js';
import type { Program, Step } from '../../../../lib/program/instructions.js';

describe('failureOf: the init that cannot take over the label of its program', () => {
  const hintFor = (label: Step) => {
    const container: Step[] = [{ op: 'init', numbers: [1] }, label, { op: 'exec' }];
    const program: Program = { slots: 0, host: [{ op: 'clone' }], container, teardown: [] };
    const error = { phase: 1, step: 0, errno: 13, call: 'write', object: 'a label' };
    return failureOf(error, program, ['true']).hint;
  };

  it('A9: the hint names what SELinux lacks for a program with an SELinux label', () => {
    const label = { op: 'label.set', texts: ['system_u:system_r:t:s0'], numbers: [1] } as const;
    expect(hintFor(label)).to.match(/dyntransition.*init: false/);
  });

  it('A9: the hint speaks of AppArmor for a program with a profile, also where the init has a memory of its own', () => {
    const hint = hintFor({ op: 'label.set', texts: ['a-profile'], numbers: [0] });
    expect(hint)
      .to.match(/AppArmor/)
      .and.not.match(/dyntransition/);
  });
});

describe('failureOf: the steps of a network', () => {
  const failure = (step: Step, errno: number, object: string, call = 'sendmsg') => {
    const program: Program = { slots: 0, host: [step], container: [], teardown: [] };
    return failureOf({ phase: 0, step: 0, errno, call, object }, program, ['true']);
  };

  it("A port in use is an error of its own, in Docker's words", () => {
    const step: Step = { op: 'port.bind', texts: ['0.0.0.0:80/tcp'] };
    const inUse = failure(step, 98, '0.0.0.0:80/tcp', 'bind');
    expect(inUse).to.include({ code: 'ERR_PORT_IN_USE', errno: 'EADDRINUSE', syscall: 'bind' });
    expect(inUse.message).to.include('Bind for 0.0.0.0:80 failed: port is already allocated');
    const elsewhere = failure(step, 99, '192.0.2.9:80/tcp', 'bind');
    expect(elsewhere.code).to.equal('ERR_NETWORK_FAILED');
    expect(elsewhere.hint).to.include('no such address');
  });

  it('A port that is taken between the look at it and the start of pasta or slirp4netns is in use', () => {
    const step: Step = { op: 'helper.start', texts: ['/usr/bin/pasta', ''] };
    const said = "Failed to bind any port for '-t 80:80', exiting";
    const error = failure(step, 5, said, 'exit');
    expect(error.code).to.equal('ERR_PORT_IN_USE');
    expect(error.message).to.include(`port is already allocated: ${said}`);
    expect(failure(step, 5, 'no such interface', 'exit').code).to.equal('ERR_NETWORK_FAILED');
  });

  it('A refused message is named, and a missing module of nf_tables', () => {
    const step: Step = { op: 'netlink.request', texts: ['x'], numbers: [12] };
    const rule = 'add rule inet caisson output fib daddr type local dnat ip to tcp dport map @x';
    const module = failure(step, 2, rule);
    expect(module).to.include({ code: 'ERR_NETWORK_FAILED', errno: 'ENOENT' });
    expect(module.message).to.include(`network: ${rule}`);
    expect(module.hint).to.include('modprobe -a nft_fib_inet nft_nat');
    expect(failure(step, 93, 'begin of nftables batch').hint).to.include('modprobe nf_tables');
    expect(failure({ ...step, numbers: [0] }, 2, 'link delete x').hint).to.equal(undefined);
    expect(failure(step, 1, 'add table inet caisson').code).to.equal('ERR_NO_PRIVILEGES');
  });

  it('A resolver that cannot be told is named, and what can be done', () => {
    const step: Step = { op: 'resolver.register', texts: ['/run/resolver', Uint8Array.of(1)] };
    const silent = failure(step, 110, '/run/resolver', 'ppoll');
    expect(silent).to.include({ code: 'ERR_NETWORK_FAILED', errno: 'ETIMEDOUT' });
    expect(silent.message).to.include('the resolver of /run/resolver');
    expect(silent.hint).to.include('caisson-resolver');
    expect(failure(step, 105, '/run/resolver', 'resolver').hint).to.include('1024 containers');
  });
});
