/** docs/docker-parity.md, from one run. */
import type { Row } from './verdict.js';

export interface Versions {
  readonly caisson: string;
  readonly docker: string;
  readonly machine: string;
}

const VERDICTS = ['same', 'better', 'differs', 'missing'] as const;

export function report(rows: readonly Row[], versions: Versions): string {
  const lines = rows.reduce((sum, row) => sum + commands(row), 0);
  const counts = VERDICTS.map(
    (verdict) => `| ${verdict} | ${rows.filter((row) => row.verdict === verdict).length} |`,
  );
  const sections = [...new Set(rows.map(({ section }) => section))];
  return `# Docker's command lines in caisson

Written by \`scripts/docker-parity\`, which runs the same command lines with Docker and with caisson, with the same busybox
system, and compares the results: exit codes, standard output and standard error separately, and states. Ids, times,
process ids and the names of the engines are removed first; of error messages only the stream and the exit code are
compared.

\`same\` means equal results. \`better\` is an intended difference; \`differs\` is one that is not intended, or not yet
resolved; \`missing\` is refused with a message that names what is missing.

| verdict | cases |
|---|---|
${counts.join('\n')}

${rows.length} cases, ${lines} command lines, in one run. ${versions.caisson}; ${versions.docker}; ${versions.machine}.
In the command lines, \`$image\` is an image with Docker and \`--rootfs DIRECTORY\` with caisson, \`$c\` is a name, \`$n\` a name of a
network, \`$v\` of a volume, \`$t\` of an image, \`$r\` a registry, \`$base\` and \`$full\` are images that both have from one archive (the latter
with all that a configuration can say), \`$d\` a directory; \`get\` waits for a web server and prints its page.

${sections
  .map((section) =>
    table(
      section.title,
      rows.filter((row) => row.section === section),
    ),
  )
  .join('\n\n')}
`;
}

/** How often an engine is called: what a shell loop repeats counts once. */
function commands({ parityCase }: Row): number {
  return parityCase.steps.join('\n').match(/\bdocker \w/g)?.length ?? 0;
}

function table(title: string, rows: readonly Row[]): string {
  const lines = rows.map(
    ({ parityCase: { name, steps }, verdict, why }) =>
      `| ${cell(name)} | ${steps.map(code).join('<br>')} | ${verdict === 'same' ? verdict : `**${verdict}**: ${cell(why)}`} |`,
  );
  return `## ${title}\n\n| | command lines | verdict |\n|---|---|---|\n${lines.join('\n')}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '&lt;');
}

function code(text: string): string {
  const fence = text.includes('`') ? '``' : '`';
  return `${fence}${text.replaceAll('|', '\\|').replaceAll('\n', ' ')}${fence}`;
}
