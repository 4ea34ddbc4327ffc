/** `caisson login` and `caisson logout`. */
import { login as logIn, logout as logOut, registryHost } from '../../image/registry/login.js';
import { parseCommandLine } from '../args/command-line.js';
import { UsageError } from '../args/usage-error.js';
import { LOGIN, LOGOUT } from '../flags/login-flags.js';
import { print } from '../report.js';
import { complain } from './each.js';
import { askTerminal } from '../terminal/question.js';

/** Bytes: identity tokens are long. */
const LONGEST_PASSWORD = 64 * 1024;

export async function login(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(LOGIN, args);
  const fromInput = line.has('password-stdin');
  let [username, password] = [line.value('username') ?? '', line.value('password') ?? ''];
  if (fromInput && line.value('password') !== undefined)
    throw misuse('--password and --password-stdin are mutually exclusive');
  if (fromInput && username === '') throw misuse('Must provide --username with --password-stdin');
  if (line.value('password') !== undefined)
    print(2, 'WARNING: Using --password via the CLI is insecure. Use --password-stdin.\n');
  try {
    const host = registryHost(line.args[0] ?? '');
    if (fromInput) password = await readInput();
    else if (username === '' || password === '') {
      if (!process.stdin.isTTY)
        throw misuse('Cannot perform an interactive login from a non TTY device');
      if (username === '') username = (await askTerminal('Username: ')).trim();
      if (password === '') password = await askTerminal('Password: ', true);
    }
    if (username === '' || password === '') throw misuse('Username and password must not be empty');
    const { file } = await logIn(host, { username, password });
    if (file !== undefined)
      print(2, `WARNING: Your credentials are stored unencrypted in '${file}'.\n`);
    print(1, 'Login Succeeded\n');
    return 0;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    await complain(error);
    return 1;
  }
}

export async function logout(args: readonly string[]): Promise<number> {
  const [server = ''] = parseCommandLine(LOGOUT, args).args;
  try {
    const host = registryHost(server);
    const had = await logOut(host);
    print(1, had ? `Removing login credentials for ${host}\n` : `Not logged in to ${host}\n`);
    return 0;
  } catch (error) {
    await complain(error);
    return 1;
  }
}

/** All of it, without the end of the last line. */
async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LONGEST_PASSWORD) throw misuse('the password of standard input is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

function misuse(message: string): UsageError {
  return new UsageError('ERR_INVALID_OPTION', message, LOGIN.name, 1);
}
