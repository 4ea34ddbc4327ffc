/** `--security-opt`. */
import { invalid, stringList, unsupported } from './check.js';

export type SeccompChoice =
  { readonly kind: 'default' | 'unconfined' } | { readonly kind: 'file'; readonly path: string };

export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  readonly seccomp: SeccompChoice;
}

const DEFAULTS: SecurityOptions = Object.freeze({
  noNewPrivileges: false,
  seccomp: Object.freeze({ kind: 'default' }),
});
const PRIVILEGED: SecurityOptions = Object.freeze({
  noNewPrivileges: false,
  seccomp: Object.freeze({ kind: 'unconfined' }),
});

const OTHERS =
  /^(?:apparmor|label|credentialspec|systempaths|writable-cgroups|proc-opts|mask|unmask)(?:[=:]|$)/;

/** Docker's spellings; the separator is `=` or `:`. A privileged container has no filter unless one is named. */
export function normalizeSecurity(
  value: readonly string[] | undefined,
  privileged: boolean,
): SecurityOptions {
  const defaults = privileged ? PRIVILEGED : DEFAULTS;
  if (value === undefined) return defaults;
  let { noNewPrivileges, seccomp } = defaults;
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
    } else if (OTHERS.test(text)) {
      throw unsupported('securityOpt', text, 'is a security option that caisson does not have yet');
    } else
      throw invalid(
        'securityOpt',
        text,
        'is not a security option',
        'no-new-privileges, seccomp=FILE|unconfined',
      );
  }
  return { noNewPrivileges, seccomp };
}
