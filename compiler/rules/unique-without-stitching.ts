import type { Rule } from './rule.ts'

export const uniqueWithoutStitching: Rule = {
  severity: 'warning',
  page: {
    title: 'A unique identity has nothing to keep apart',
    checks:
      'Whether a ProfileStore with `unique: true` on an identity stitches (`mergePolicy.stitching: PrivateGraph`).',
    why: 'Without stitching no two profiles become one, so there is nothing that the field would prevent.',
    source: 'Identity Service, identity graph linking rules',
    bad: `
kind: ProfileStore
metadata: { name: readers }
spec:
  identities:
    - { namespace: ReaderId, path: readerId, primary: true, unique: true }
    - { namespace: Email, path: personalEmail.address }
`,
    good: `
kind: ProfileStore
metadata: { name: readers }
spec:
  identities:
    - { namespace: ReaderId, path: readerId, primary: true, unique: true }
    - { namespace: Email, path: personalEmail.address }
  mergePolicy: { attributes: TimestampOrdered, stitching: PrivateGraph }
`,
  },
  check: {
    ProfileStore({ spec }, { report }) {
      const index = spec.identities.findIndex(({ unique }) => unique)
      if (index < 0 || spec.mergePolicy.stitching !== 'None') return
      report({
        path: ['spec', 'identities', index, 'unique'],
        message: '`unique` keeps people apart whom stitching would make one, and this ProfileStore does not stitch',
        help: 'Set `mergePolicy.stitching: PrivateGraph`, or remove `unique`.',
      })
    },
  },
}
