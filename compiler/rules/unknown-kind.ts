import type { Rule } from './rule.ts'

export const unknownKind: Rule = {
  severity: 'error',
  page: {
    title: 'There is no such kind',
    checks: '`kind` and `apiVersion` of resources of the group convoke.dev. Resources of other groups are passed over.',
    why: 'The API server would refuse it.',
    source: 'Convoke',
    bad: `
apiVersion: convoke.dev/v1alpha1
kind: Segmant
metadata: { name: newcomers }
spec:
  profileStoreRef: { name: readers }
  expression: club.credits = 0
`,
    good: `
apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: { name: newcomers }
spec:
  profileStoreRef: { name: readers }
  expression: club.credits = 0
`,
  },
}
