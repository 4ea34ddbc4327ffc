/** What a policy has refused a container of this process, when it has ended. */
import type { Binding } from '../../native/binding.js';
import type { PolicyReport } from '../../network/policy/denied.js';
import type { PolicyPlan } from '../../program/network-plan.js';

/**
 * Asks before this call returns: the teardown, which begins then, removes what the firewall has of the container.
 *
 * @param nameThem adds the names, which the resolver knows
 */
export function reportAtEnd(
  binding: Binding,
  { denied }: PolicyPlan,
  nameThem: (report: PolicyReport) => Promise<PolicyReport>,
): Promise<PolicyReport> {
  const at = Date.now();
  const answers = Object.values(denied).map(({ protocol, bytes }) =>
    binding.netlinkNow(protocol, bytes),
  );
  return decodeAll(
    answers.flatMap(({ errno, data }) => (errno === 0 ? [data] : [])),
    at,
  ).then(nameThem);
}

/** The same with the names that the resolver knows. Without a resolver, as after it was killed, there are none. */
export async function withNames(
  directory: string,
  id: string,
  { denied }: PolicyReport,
): Promise<PolicyReport> {
  const { withHosts } = await import('../../network/names/denied-names.js');
  return { denied: await withHosts(directory, id, denied) };
}

async function decodeAll(answers: readonly Buffer[], at: number): Promise<PolicyReport> {
  const { byTime, decodeDenied } = await import('../../network/policy/denied.js');
  return { denied: answers.flatMap((answer) => decodeDenied(answer, at)).sort(byTime) };
}
