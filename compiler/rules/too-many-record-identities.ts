import type { Rule } from './rule.ts'

export const tooManyRecordIdentities: Rule = {
  severity: 'error',
  page: {
    title: 'A record has more than 20 identities',
    checks: 'Identities of the ProfileStore that one Dataset maps: at most 20.',
    why: 'Identity Service takes no record with more.',
    source: 'Guardrails for Identity Service',
    bad: example(21),
    good: example(20),
  },
  check: {
    Dataset(dataset, { model, report }) {
      const store = model.relations.storeOfDataset.get(dataset)
      const identities = new Set(store?.resource.spec.identities.map(({ path }) => path))
      const mapped = dataset.spec.mapping.flatMap(({ target }, index) => (identities.has(target) ? [index] : []))
      const beyond = mapped[limit]
      if (beyond === undefined) return
      report({
        path: ['spec', 'mapping', beyond, 'target'],
        message: `\`${dataset.name}\` maps ${mapped.length} identities, the limit is ${limit}`,
        help: 'Bring some of them in by a Dataset of their own.',
      })
    },
  },
}

const limit = 20

function example(identities: number): string {
  const names = Array.from({ length: identities }, (_, index) => `id${index + 1}`)
  return `
kind: ProfileStore
metadata: { name: members }
spec:
  schema:
    profile: { type: object, properties: { ${names.map((name) => `${name}: { type: string }`).join(', ')} } }
  identities: [${names.map((name, index) => `{ namespace: N${index + 1}, path: ${name}, primary: ${index === 0} }`).join(', ')}]
  storage: { volume: { claimName: members } }
---
kind: Dataset
metadata: { name: members }
spec:
  profileStoreRef: { name: members }
  record: Profile
  mapping: [${names.map((name) => `{ source: ${name}, target: ${name} }`).join(', ')}]
`
}
