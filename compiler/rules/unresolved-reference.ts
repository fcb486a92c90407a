import type { Rule } from './rule.ts'

export const unresolvedReference: Rule = {
  severity: 'error',
  page: {
    title: 'A reference leads nowhere',
    checks:
      'Every `…Ref` and every `inSegment("…")`. References stay within a namespace; a Segment refers to Segments of its own ProfileStore.',
    why: 'What the resource needs is not there, so it cannot run.',
    source: 'Convoke',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  segmentRefs: [{ name: patrons }, { name: quiet-buyer }]
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  segmentRefs: [{ name: patrons }, { name: quiet-buyers }]
`,
  },
}
