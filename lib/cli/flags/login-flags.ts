/** `login` and `logout`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const LOGIN: CommandSpec = {
  name: 'login',
  usage: '[OPTIONS] [SERVER]',
  description: 'Authenticate to a registry',
  examples: [
    ['caisson login registry.example', 'asks for the user name and the password'],
    ['caisson login -u user --password-stdin registry.example < token', 'for scripts'],
  ],
  flags: [
    { long: 'username', short: 'u', value: 'name', help: 'User name' },
    {
      long: 'password',
      short: 'p',
      value: 'word',
      help: 'Password or token; other users of this machine can see it',
    },
    { long: 'password-stdin', help: 'Read the password from standard input' },
    HELP_FLAG,
  ],
  args: [0, 1],
};

export const LOGOUT: CommandSpec = {
  name: 'logout',
  usage: '[SERVER]',
  description: 'Remove the credentials for a registry',
  examples: [['caisson logout registry.example', 'those of one registry']],
  flags: [HELP_FLAG],
  args: [0, 1],
};
