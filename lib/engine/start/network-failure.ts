/** The errors of steps that make a container's network. */
import { CaissonError, type ErrorCode } from '../../base/errors.js';
import { hintForNetlink } from '../../network/netlink/request.js';
import type { NativeError } from '../../native/binding.js';
import { PHASES, type Step } from '../../program/instructions.js';

/** Of `port.bind` and `port.forward`. The object is the port, such as `0.0.0.0:80/tcp`; empty: it is none of them alone. */
export function portFailure(error: NativeError, errno: string, step: Step): CaissonError {
  const port = error.object.replace(/\/\w+$/, '');
  const inUse = errno === 'EADDRINUSE';
  const why = inUse ? 'port is already allocated' : `${error.call}: ${errno}`;
  return networkError(
    inUse ? 'ERR_PORT_IN_USE' : 'ERR_NETWORK_FAILED',
    port === ''
      ? `cannot start: its published ports cannot be forwarded: ${why}`
      : `cannot start: Bind for ${port} failed: ${why}`,
    error,
    errno,
    step,
    PORT_HINTS[errno],
  );
}

const PORT_HINTS: Readonly<Partial<Record<string, string>>> = {
  EADDRINUSE:
    'another container has published it, or a process of the host uses it (ss -lptun): choose another port, or none, ' +
    'which is a free one',
  EADDRNOTAVAIL: 'the host has no such address: ip address',
  EMFILE:
    'there are more published ports than descriptors: raise the hard limit of open files (ulimit -Hn), or publish fewer',
  EACCES: 'ports below 1024 need CAP_NET_BIND_SERVICE (net.ipv4.ip_unprivileged_port_start)',
};

/** Of `netlink.request`. The object is the message that was refused, and the kernel's reason. */
export function netlinkFailure(error: NativeError, errno: string, step: Step): CaissonError {
  return networkError(
    errno === 'EPERM' ? 'ERR_NO_PRIVILEGES' : 'ERR_NETWORK_FAILED',
    `cannot start: network: ${error.object}: ${errno}`,
    error,
    errno,
    step,
    hintForNetlink(step.numbers?.[0] === 12 ? 12 : 0, errno, error.object),
  );
}

/** Of `resolver.register` and `resolver.await`. The object is the resolver's directory. */
export function resolverFailure(error: NativeError, errno: string, step: Step): CaissonError {
  // It does not register what has ended.
  const ended = errno === 'ESRCH';
  return networkError(
    ended ? 'ERR_START_FAILED' : 'ERR_NETWORK_FAILED',
    `cannot start: the resolver of ${error.object}: ${error.call}: ${errno}`,
    error,
    errno,
    step,
    RESOLVER_HINTS[errno],
  );
}

const RESOLVER_HINTS: Readonly<Partial<Record<string, string>>> = {
  ESRCH: 'caisson-init was killed',
  ENOBUFS: 'one resolver has names for 1024 containers: use another runRoot',
  ETIMEDOUT: 'caisson-resolver does not answer: if it is stopped, continue it (kill -CONT)',
};

function networkError(
  code: ErrorCode,
  message: string,
  { phase, step: stepIndex, call }: NativeError,
  errno: string,
  { op }: Step,
  hint: string | undefined,
): CaissonError {
  return new CaissonError(code, message, {
    stage: PHASES[phase] ?? 'host',
    step: op,
    stepIndex,
    syscall: call,
    errno,
    hint,
  });
}
