/** A password from the terminal, which does not show it. */
import { print } from '../report.js';
import { SignalError } from './command-signals.js';

const [INTERRUPT, END, BACKSPACE, DELETE] = ['\x03', '\x04', '\b', '\x7f'];

/** @throws SignalError for Ctrl-C */
export async function readPassword(question: string): Promise<string> {
  const { stdin } = process;
  print(1, question);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  try {
    return await new Promise<string>((resolve, reject) => {
      let text = '';
      const take = (chunk: string): void => {
        for (const character of chunk) {
          if (character === '\r' || character === '\n' || character === END) return finish();
          if (character === INTERRUPT) return finish(new SignalError('SIGINT'));
          text = character === BACKSPACE || character === DELETE ? text.slice(0, -1) : text + character; // prettier-ignore
        }
      };
      const finish = (error?: SignalError): void => {
        stdin.off('data', take);
        if (error === undefined) resolve(text);
        else reject(error);
      };
      stdin.on('data', take);
      stdin.once('end', () => finish());
    });
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    print(1, '\n');
  }
}
