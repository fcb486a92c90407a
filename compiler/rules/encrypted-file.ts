import type { Rule } from './rule.ts'

export const encryptedFile: Rule = {
  severity: 'error',
  page: {
    title: 'Files would be encrypted',
    checks: '`file.encryption` of a Destination is None.',
    why: 'File encryption is not supported: Campaign could not read the files.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails',
    bad: `
kind: Destination
metadata: { name: letter-box }
spec:
  file: { encryption: PGP }
`,
    good: `
kind: Destination
metadata: { name: letter-box }
spec:
  file: { encryption: None }
`,
  },
  check: {
    Destination(destination, { report }) {
      const { encryption } = destination.spec.file
      if (encryption === 'None') return
      report({
        path: ['spec', 'file', 'encryption'],
        message: `\`encryption: ${encryption}\` is not supported; Campaign reads plain files`,
        help: 'Write `None`, and encrypt the landing zone itself and the way there.',
        fixes: [
          { title: 'Replace with `None`', safety: 'review', path: ['spec', 'file', 'encryption'], value: 'None' },
        ],
      })
    },
  },
}
