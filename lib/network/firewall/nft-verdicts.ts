/** Parts of rules that decide about a packet: where it goes on, what is answered, what is counted. */
import { attribute, be32, nested, text, u8 } from '../netlink/message.js';
import { NFTA } from './nft-messages.js';
import { expression, type Field, FIRST, loadAll, type RulePart } from './nft-expressions.js';

/** linux/netfilter/nf_tables.h: enum nft_verdicts. */
const CODES = { jump: -3, goto: -4, return: -5 } as const;
const LOOKUP = { set: 1, sourceRegister: 2, destinationRegister: 3 } as const;
const VERDICT_REGISTER = 0;
const REJECT = { type: 1, code: 2, reset: 1, unreachable: 2, prohibited: 3 } as const;
const DYNSET = { set: 1, operation: 3, keyRegister: 4, expression: 7, add: 0 } as const;

/** The attributes of a verdict, as data of an element or of an expression. */
export function verdictData(code: keyof typeof CODES, chain?: string): Buffer {
  return nested(
    NFTA.dataVerdict,
    attribute(NFTA.verdict.code, be32(CODES[code])),
    ...(chain === undefined ? [] : [attribute(NFTA.verdict.chain, text(chain))]),
  );
}

/** `jump` comes back when the chain has not decided, `goto` does not. */
export function toChain(how: 'jump' | 'goto', chain: string): RulePart {
  return { text: `${how} ${chain}`, expressions: [immediate(verdictData(how, chain))] };
}

/** Back to the rule after the jump. */
export function goBack(): RulePart {
  return { text: 'return', expressions: [immediate(verdictData('return'))] };
}

function immediate(data: Uint8Array): Buffer {
  return expression('immediate', attribute(1, be32(VERDICT_REGISTER)), nested(2, data));
}

/** What the map has for the key; nothing where it has none. */
export function byVerdictMap(fields: readonly Field[], map: string): RulePart {
  return {
    text: `${fields.map((field) => field.text).join(' . ')} vmap @${map}`,
    expressions: [
      ...loadAll(fields),
      expression(
        'lookup',
        attribute(LOOKUP.set, text(map)),
        attribute(LOOKUP.sourceRegister, be32(FIRST)),
        attribute(LOOKUP.destinationRegister, be32(VERDICT_REGISTER)),
      ),
    ],
  };
}

/** Of TCP, the only protocol that has one. */
export function rejectWithReset(): RulePart {
  return {
    text: 'reject with tcp reset',
    expressions: [expression('reject', attribute(REJECT.type, be32(REJECT.reset)), attribute(REJECT.code, u8(0)))], // prettier-ignore
  };
}

/** With the message of ICMP that an administrator does not allow it: code 13 (RFC 1812), and of ICMPv6 code 1 (RFC 4443). */
export function rejectAsProhibited(): RulePart {
  return {
    text: 'reject with icmpx admin-prohibited',
    expressions: [
      expression(
        'reject',
        attribute(REJECT.type, be32(REJECT.unreachable)),
        attribute(REJECT.code, u8(REJECT.prohibited)),
      ),
    ],
  };
}

/** Adds the key, if it is missing, with a counter of its own, and counts. The rule ends here if the set is full. */
export function countInSet(fields: readonly Field[], set: string): RulePart {
  return {
    text: `add @${set} { ${fields.map((field) => field.text).join(' . ')} counter }`,
    expressions: [
      ...loadAll(fields),
      expression(
        'dynset',
        attribute(DYNSET.set, text(set)),
        attribute(DYNSET.operation, be32(DYNSET.add)),
        attribute(DYNSET.keyRegister, be32(FIRST)),
        nested(DYNSET.expression, expression('counter')),
      ),
    ],
  };
}
