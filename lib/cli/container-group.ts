/** `caisson container VERB`, and other names of commands. */

const VERBS: ReadonlySet<string> = new Set(
  (
    'attach create exec inspect kill logs pause port ps rename restart rm run start stats stop top unpause ' +
    'update wait'
  ).split(' '),
);

const ALIASES: Readonly<Record<string, string | undefined>> = {
  ls: 'ps',
  list: 'ps',
  remove: 'rm',
  prune: 'container prune',
};

/** The command that `container VERB` is, by the name of its spec. Undefined: there is none. */
export function containerCommand(verb: string): string | undefined {
  if (VERBS.has(verb)) return verb;
  return Object.hasOwn(ALIASES, verb) ? ALIASES[verb] : undefined;
}
