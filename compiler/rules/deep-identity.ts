import type { Rule } from './rule.ts'

export const deepIdentity: Rule = {
  severity: 'warning',
  page: {
    title: 'The primary identity lies more than 4 levels deep',
    checks: '`path` of the primary identity of a ProfileStore: at most 4 names.',
    why: 'Experience Platform recommends no primary identity that is nested more than 4 levels deep in the schema.',
    source:
      'Default guardrails for Real-Time Customer Profile data and segmentation, JSON depth for the primary ID field',
    bad: deep('crm.card.holder.number.value'),
    good: deep('crm.card.holder.number'),
  },
  check: {
    ProfileStore({ name, spec }, { report }) {
      const index = spec.identities.findIndex(({ primary }) => primary)
      const path = spec.identities[index]?.path ?? ''
      const levels = path.split('.').length
      if (levels <= most) return
      report({
        path: ['spec', 'identities', index, 'path'],
        message: `The primary identity of \`${name}\` lies ${levels} levels deep; ${most} are recommended at most`,
        help: 'Give it a field further up in the schema, and map the column to that.',
      })
    },
  },
}

const most = 4

function deep(path: string): string {
  const schema = path
    .split('.')
    .reduceRight((inner, name) => `{ type: object, properties: { ${name}: ${inner} } }`, '{ type: string }')
  return `
kind: ProfileStore
metadata: { name: members }
spec:
  schema:
    profile: ${schema}
  identities: [{ namespace: MemberId, path: ${path}, primary: true }]
  storage: { volume: { claimName: members } }
`
}
