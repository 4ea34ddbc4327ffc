/** What an ordinary user is told who needs a cgroup and has none. */

/** Undefined for root. */
export function delegationHint(): string | undefined {
  if (process.geteuid?.() === 0) return undefined;
  return (
    'cgroups of your own come with cgroup v2 and a systemd user session that has controllers delegated to it ' +
    '(Delegate=cpu cpuset io memory pids in user@.service), or from root'
  );
}
