import type { Rule } from './rule.ts'

export const tooManyRowsPerFile: Rule = {
  severity: 'error',
  page: {
    title: 'Files may hold more than 5 million rows',
    checks: '`file.maxRows` of a Destination: at most 5,000,000, its default.',
    why: 'Experience Platform splits files at 5 million rows; whoever loads them, and their size limits, are made for that.',
    source: 'Default guardrails for activation data, rows per file',
    bad: `
kind: Destination
metadata: { name: letter-box }
spec:
  file: { maxRows: 5000001 }
`,
    good: `
kind: Destination
metadata: { name: letter-box }
spec:
  file: { maxRows: 5000000 }
`,
  },
  check: {
    Destination({ spec }, { report }) {
      const { maxRows } = spec.file
      if (maxRows <= most) return
      const path = ['spec', 'file', 'maxRows']
      report({
        path,
        message: `${maxRows} rows a file are too many: the limit is ${most}`,
        help: `Write ${most} or less; longer audiences are split into several files.`,
        fixes: [{ title: `Replace with ${most}`, safety: 'review', path, value: String(most) }],
      })
    },
  },
}

const most = 5_000_000
