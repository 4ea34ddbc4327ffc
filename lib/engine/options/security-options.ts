/** `--security-opt`. */
import { composeLabels, labelsFor, lookAtSelinux } from '../../host/selinux.js';
import { invalid, stringList, unsupported } from '../../base/check.js';

export type SeccompChoice =
  { readonly kind: 'default' | 'unconfined' } | { readonly kind: 'file'; readonly path: string };

export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  readonly seccomp: SeccompChoice;
  /** An AppArmor profile, or `unconfined`. Undefined: that of the process that starts it. */
  readonly apparmor: string | undefined;
  /** Parts of an SELinux label, such as `type:container_t`; none with `disable`. */
  readonly labels: readonly string[];
}

/** A name goes to the kernel in one write, which takes no more than a page. */
const MAX_PROFILE = 4000;

const DEFAULTS: SecurityOptions = Object.freeze({
  apparmor: undefined,
  labels: Object.freeze([]),
  noNewPrivileges: false,
  seccomp: Object.freeze({ kind: 'default' }),
});
const PRIVILEGED: SecurityOptions = Object.freeze({
  apparmor: undefined,
  labels: Object.freeze([]),
  noNewPrivileges: false,
  seccomp: Object.freeze({ kind: 'unconfined' }),
});

const LABEL = /^(?:disable|(?:user|role|type|filetype):[\w.-]+|level:[\w.:,-]+)$/;

const OTHERS = /^(?:credentialspec|systempaths|writable-cgroups|proc-opts|mask|unmask)(?:[=:]|$)/;

/** Docker's spellings; the separator is `=` or `:`. A privileged container has no filter unless one is named. */
export function normalizeSecurity(
  value: readonly string[] | undefined,
  privileged: boolean,
): SecurityOptions {
  const defaults = privileged ? PRIVILEGED : DEFAULTS;
  if (value === undefined) return defaults;
  let { apparmor, noNewPrivileges, seccomp } = defaults;
  let labels: string[] | undefined = [];
  for (const text of stringList('securityOpt', value)) {
    const [, name = '', setting] = /^([^=:]*)(?:[=:](.*))?$/s.exec(text) ?? [];
    if (name === 'no-new-privileges') {
      if (setting !== undefined && setting !== 'true' && setting !== 'false') {
        throw invalid('securityOpt', text, 'is not no-new-privileges[:true|false]');
      }
      noNewPrivileges = setting !== 'false';
    } else if (name === 'seccomp') {
      if (setting === undefined || setting === '')
        throw invalid('securityOpt', text, 'is not seccomp=FILE|unconfined');
      seccomp =
        setting === 'unconfined'
          ? { kind: 'unconfined' }
          : setting === 'builtin'
            ? { kind: 'default' }
            : { kind: 'file', path: setting };
    } else if (name === 'apparmor') {
      apparmor = profileName(text, setting);
    } else if (name === 'label') {
      if (!LABEL.test(setting ?? ''))
        throw invalid(
          'securityOpt',
          text,
          'is not a label',
          'disable, or one of user: role: type: level: filetype: with a value',
        );
      // As with Docker, nothing else counts beside "disable", whatever comes first.
      if (setting === 'disable') labels = undefined;
      else labels?.push(setting ?? '');
    } else if (OTHERS.test(text)) {
      throw unsupported('securityOpt', text, 'is a security option that caisson does not have yet');
    } else
      throw invalid(
        'securityOpt',
        text,
        'is not a security option',
        'no-new-privileges, seccomp=FILE|unconfined, apparmor=PROFILE|unconfined, label=PART:VALUE|disable',
      );
  }
  return { apparmor, labels: labels ?? [], noNewPrivileges, seccomp };
}

function profileName(text: string, name: string | undefined): string {
  if (name === undefined || !/^[^\x00-\x1f\x7f]+$/.test(name))
    throw invalid('securityOpt', text, 'is not apparmor=PROFILE|unconfined');
  if (Buffer.byteLength(name) > MAX_PROFILE)
    throw invalid('securityOpt', text, `names a profile of more than ${MAX_PROFILE} bytes`);
  return name;
}

/** The SELinux labels of an existing container, for `inspect`; undefined where it has none. */
export function selinuxLabelsOf(
  id: string,
  value: readonly string[] | undefined,
): { readonly process: string; readonly mount: string } | undefined {
  const { labels } = normalizeSecurity(value, false);
  if (labels.length === 0) return undefined;
  try {
    const composed = composeLabels(labels, lookAtSelinux());
    return composed && labelsFor(composed, id);
  } catch {
    return undefined; // the policy has changed
  }
}
