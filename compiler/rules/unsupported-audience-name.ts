import type { Rule } from './rule.ts'

export const unsupportedAudienceName: Rule = {
  severity: 'error',
  page: {
    title: 'Campaign does not take this audience name',
    checks:
      '`displayName` of a Segment and `file.nameTemplate` of a Destination: none of ``& / \\ # < > " ? * | : ; = ~ ^ ` [ ] { }`` (in a template braces stand around macros), and no control characters.',
    why: 'Audience names with special characters such as & are not supported: the list would not be created. The page gives & as an example; the others are those that XML, addresses and file names have a use for.',
    source: 'Adobe Campaign Managed Cloud Services connection, guardrails',
    bad: `
kind: Segment
metadata: { name: patrons }
spec:
  displayName: Patrons & friends
`,
    good: `
kind: Segment
metadata: { name: patrons }
spec:
  displayName: Patrons and friends
`,
  },
  check: {
    Segment(segment, { report }) {
      const { displayName } = segment.spec
      const found = special.exec(displayName)
      if (!found) return
      const value = displayName
        .replace(/\s*&\s*/g, ' and ')
        .replace(/</g, ' under ')
        .replace(/>/g, ' over ')
        .replace(/[/\\|]/g, '-')
        .replace(specials, ' ')
        .replace(/\s+/g, ' ')
        .trim()
      report({
        path: ['spec', 'displayName'],
        range: { start: found.index, end: found.index + 1 },
        message: `Campaign takes no ${named(found[0])} in the name of an audience`,
        help: value === '' ? 'Name it in letters and digits.' : `Name it \`${value}\`, for example.`,
        fixes:
          value === ''
            ? []
            : [{ title: `Replace with \`${value}\``, safety: 'review', path: ['spec', 'displayName'], value }],
      })
    },
    Destination(destination, { report }) {
      // Macros keep their places; faults of theirs are another rule's.
      const plain = destination.spec.file.nameTemplate.replace(/\{[^{}]*\}/g, (macro) => 'x'.repeat(macro.length))
      const found = special.exec(plain)
      if (!found) return
      report({
        path: ['spec', 'file', 'nameTemplate'],
        range: { start: found.index, end: found.index + 1 },
        message: `Campaign takes no ${named(found[0])} in the name of a file`,
        help: 'Write something else in its place.',
      })
    },
  },
}

/** Signs that mean something in XML, addresses, SQL or file names. */
const special = /[&/\\#<>"?*|:;=~^`[\]{}\x00-\x1f\x7f]/
const specials = new RegExp(special, 'g')

function named(character: string): string {
  return character < ' ' || character === '\x7f'
    ? 'control character'
    : character === '`'
      ? 'backtick'
      : `\`${character}\``
}
