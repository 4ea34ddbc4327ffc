/** What a policy has refused a container of this process, when it has ended. */
import type { Binding } from '../../native/binding.js';
import type * as DeniedNames from '../../network/names/denied-names.js';
import type * as Denied from '../../network/policy/denied.js';
import type { PolicyReport } from '../../network/policy/denied.js';
import type { PolicyPlan } from '../../program/network-plan.js';
import {
  isOwnText,
  type OwnText,
  type OwnTexts,
  type Text,
  type WithOwnTexts,
} from '../../program/own-texts.js';

/**
 * What a container's policy has refused: called once, when it has ended and before anything of it is torn down.
 *
 * @param refused whether the resolver may have refused a name
 */
export type ReportPolicy = (refused: boolean) => Promise<PolicyReport>;

interface Asked {
  /** The dumps that tell, as the start has them. */
  readonly denied: WithOwnTexts<PolicyPlan['denied']>;
  readonly texts: OwnTexts | undefined;
  readonly refused: boolean;
}

/**
 * Asks before this call returns: the teardown, which begins then, removes what the firewall has of the container.
 *
 * @param nameThem adds the names, which the resolver knows. It is not asked if nothing was refused
 */
export function reportAtEnd(
  binding: Binding,
  { denied, texts, refused }: Asked,
  nameThem: (report: PolicyReport) => Promise<PolicyReport>,
): Promise<PolicyReport> {
  const at = Date.now();
  const answers = Object.values(denied).map(({ protocol, bytes }) =>
    binding.netlinkNow(protocol, bytesOf(bytes, texts)),
  );
  return decodeAll(
    answers.flatMap(({ errno, data }) => (errno === 0 ? [data] : [])),
    at,
  ).then((report) => (refused || report.denied.length > 0 ? nameThem(report) : report));
}

function bytesOf(bytes: Text | OwnText, texts: OwnTexts | undefined): Uint8Array {
  const own = isOwnText(bytes) ? texts?.textOf(bytes) : bytes;
  if (!(own instanceof Uint8Array)) throw new Error('a request has no bytes');
  return own;
}

/** The same with the names that the resolver knows. Without a resolver, as after it was killed, there are none. */
export async function withNames(
  directory: string,
  id: string,
  { denied }: PolicyReport,
): Promise<PolicyReport> {
  const [, { withHosts }] = await load();
  return { denied: await withHosts(directory, id, denied) };
}

type Modules = readonly [typeof Denied, typeof DeniedNames];

/** Loaded once: an import takes some hundred microseconds each time. */
let modules: Promise<Modules> | undefined;

function load(): Promise<Modules> {
  modules ??= Promise.all([
    import('../../network/policy/denied.js'),
    import('../../network/names/denied-names.js'),
  ]);
  return modules;
}

async function decodeAll(answers: readonly Buffer[], at: number): Promise<PolicyReport> {
  const [{ byTime, decodeDenied }] = await load();
  return { denied: answers.flatMap((answer) => decodeDenied(answer, at)).sort(byTime) };
}
