import type { Rule } from './rule.ts'

export const unsupportedAudienceName: Rule = {
  severity: 'error',
  page: {
    title: 'Campaign does not take this audience name',
    checks: '`displayName` of a Segment and `file.nameTemplate` of a Destination: no `&`.',
    why: 'Audience names with special characters such as & are not supported: the list would not be created.',
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
      const at = displayName.indexOf('&')
      if (at < 0) return
      const value = displayName.replaceAll('&', 'and')
      report({
        path: ['spec', 'displayName'],
        range: { start: at, end: at + 1 },
        message: `Campaign takes no \`&\` in the name of an audience`,
        help: `Name it \`${value}\`, for example.`,
        fixes: [{ title: `Replace with \`${value}\``, safety: 'review', path: ['spec', 'displayName'], value }],
      })
    },
    Destination(destination, { report }) {
      const at = destination.spec.file.nameTemplate.indexOf('&')
      if (at < 0) return
      report({
        path: ['spec', 'file', 'nameTemplate'],
        range: { start: at, end: at + 1 },
        message: 'Campaign takes no `&` in the name of a file',
        help: 'Write something else in its place.',
      })
    },
  },
}
