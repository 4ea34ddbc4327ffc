/** The names of what a policy has refused: the resolver knows them. */
import { CaissonError } from '../../base/errors.js';
import { byTime, type DeniedConnection } from '../policy/denied.js';
import { resolverReport } from './resolver-client.js';

/**
 * With the names of addresses that were opened by a name, and with names that were refused.
 *
 * @param directory of the resolver. If it does not answer, there are no names.
 */
export async function withHosts(
  directory: string,
  id: string,
  denied: readonly DeniedConnection[],
): Promise<DeniedConnection[]> {
  const report = await resolverReport(directory, id).catch((error: unknown) => {
    if (!(error instanceof CaissonError)) throw error;
    return undefined;
  });
  if (report === undefined) return [...denied];
  const hosts = new Map(report.opened.map(({ address, host }) => [address, host]));
  const names = report.denied.map(({ host, count, first }) => ({
    host,
    protocol: 'dns',
    count,
    first: first.toISOString(),
  }));
  const connections = denied.map((each) => {
    const host = each.address === undefined ? undefined : hosts.get(each.address);
    return host === undefined ? each : { host, ...each };
  });
  return [...connections, ...names].sort(byTime);
}
