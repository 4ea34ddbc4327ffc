/** Hints for an unprivileged user that lacks a cgroup or a controller. */
import type { CgroupLayout } from '../layout.js';
import { missingBus, ownSession, type Session, sliceFor } from './systemd.js';

const DELEGATE = 'Delegate=cpu cpuset io memory pids';

export const OWN_CGROUPS =
  'cgroups of your own come with cgroup v2 and a systemd user session that has controllers delegated to it ' +
  `(${DELEGATE} in user@.service), or from root`;

/**
 * Delegation to the user's systemd, which looks for controllers when it starts: user@.service(5),
 * systemd.resource-control(5).
 */
export function delegateToUser(uid: number): string {
  const directory = '/etc/systemd/system/user@.service.d';
  return (
    `as root: mkdir -p ${directory}; printf '[Service]\\n${DELEGATE}\\n' ` +
    `>${directory}/delegate.conf; systemctl daemon-reload; then log out everywhere and in again, or, ending ` +
    `all that runs in it: systemctl restart user@${uid}`
  );
}

/** Why there is no cgroup that this user may write; undefined for root. */
export function delegationHint(
  layout: CgroupLayout,
  session: Session = ownSession(),
): string | undefined {
  if (session.uid === 0) return undefined;
  if (sliceFor(layout, undefined, session) !== undefined) return delegateToUser(session.uid);
  const bus = missingBus(layout, session);
  return bus === undefined ? OWN_CGROUPS : `${OWN_CGROUPS}; here: ${bus.hint}`;
}
