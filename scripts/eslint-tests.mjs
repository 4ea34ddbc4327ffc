// ESLint rules for test/: what CONTRIBUTING.md says of tests, as far as a program can see it.

/** Of `it(…)`, `cgroups.it(…)`, `it.only(…)`: `it`. */
function calledName({ callee }) {
  if (callee.type === 'Identifier') return callee.name;
  if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return undefined;
  const name = callee.property.name;
  return name === 'only' ? calledName({ callee: callee.object }) : name;
}

/** The text of a title up to its first placeholder, and whether there is one. */
function beginningOf(title) {
  if (title?.type === 'Literal' && typeof title.value === 'string')
    return { text: title.value, whole: true };
  if (title?.type === 'TemplateLiteral')
    return { text: title.quasis[0].value.cooked, whole: title.quasis.length === 1 };
  return undefined;
}

const titleIsASentence = {
  meta: {
    type: 'suggestion',
    schema: [],
    messages: {
      sentence:
        'The title of a test is a whole sentence: it begins with a capital, or with a code such as "A9: ", ' +
        'has a subject and a verb, and no full stop.',
    },
  },
  create: (context) => ({
    CallExpression(node) {
      if (calledName(node) !== 'it') return;
      const beginning = beginningOf(node.arguments[0]);
      if (beginning === undefined) return;
      const { text, whole } = beginning;
      const begins = /^([A-Z]\d+: \S|[A-Z]|$)/.test(text) && (text !== '' || !whole);
      const isWhole = !whole || (text.trim().split(/\s+/).length >= 3 && !text.endsWith('.'));
      if (!begins || !isWhole) context.report({ node: node.arguments[0], messageId: 'sentence' });
    },
  }),
};

const skipHasAReason = {
  meta: {
    type: 'suggestion',
    schema: [],
    messages: {
      reason: 'Skip with a reason: skip(this, …) or skipping(…) of test/support/skip.ts.',
    },
  },
  create: (context) => ({
    // Also where it is not called: `x ? it : it.skip`.
    MemberExpression(node) {
      if (node.property.name === 'skip') context.report({ node, messageId: 'reason' });
    },
  }),
};

const waitSaysWhy = {
  meta: {
    type: 'suggestion',
    schema: [],
    messages: {
      why: 'Wait for a state (eventually, holdsFor of test/support/outside.ts), or say in a comment why a time it is.',
    },
  },
  create: (context) => ({
    CallExpression(node) {
      // Of timers those that a promise waits for: others are limits.
      const name = calledName(node);
      if (name !== 'sleep' && (name !== 'setTimeout' || node.arguments[0]?.type !== 'Identifier'))
        return;
      const { sourceCode } = context;
      const { start, end } = node.loc;
      const says = sourceCode
        .getAllComments()
        .some(({ loc }) => loc.end.line === start.line - 1 || loc.start.line === end.line);
      if (!says) context.report({ node, messageId: 'why' });
    },
  }),
};

export const tests = {
  rules: {
    'skip-has-a-reason': skipHasAReason,
    'title-is-a-sentence': titleIsASentence,
    'wait-says-why': waitSaysWhy,
  },
};
