/** The capabilities of Docker's containers that are given no others. */
export const DOCKER_CAPABILITIES: ReadonlySet<string> = new Set(
  (
    'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE ' +
    'SYS_CHROOT KILL AUDIT_WRITE'
  )
    .split(' ')
    .map((name) => `CAP_${name}`),
);
