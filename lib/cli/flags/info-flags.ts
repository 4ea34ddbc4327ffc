/** `info`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const INFO: CommandSpec = {
  name: 'info',
  usage: '[OPTIONS]',
  description: 'Show what this machine can do for this user, and how to enable the rest',
  examples: [
    ['caisson info', 'also if no container can be started: it shows the reason'],
    [
      `caisson info -f '{{range .Abilities}}{{if not .available}}{{.name}}: {{.remedy}}{{"\\n"}}{{end}}{{end}}'`,
      'only what is missing',
    ],
  ],
  flags: [
    {
      long: 'format',
      short: 'f',
      value: 'template',
      completes: ['json'],
      help: 'Print as JSON, or by a template: {{.CgroupVersion}}',
    },
    HELP_FLAG,
  ],
  args: [0, 0],
};
