import type { StoreModel } from '../model.ts'
import type { Rule, RuleContext } from './rule.ts'

export const unreachableIdentity: Rule = {
  severity: 'warning',
  page: {
    title: 'Events come with an identity that never leads to a profile',
    checks:
      'The identity namespace of a Dataset of events and of a CampaignSource. One that is not the primary one leads to a profile only where the ProfileStore stitches (`mergePolicy.stitching: PrivateGraph`) and a Dataset of profiles brings that identity together with the primary one.',
    why: 'Each of these identities becomes a profile of its own, with its events and nothing else: no Segment that looks at attributes and events ever finds both.',
    source: 'Real-Time Customer Profile, merge policies overview; Convoke',
    bad: `
kind: Dataset
metadata: { name: till-receipts }
spec:
  identity: { namespace: Email, source: mail }
`,
    good: `
kind: ProfileStore
metadata: { name: readers }
spec:
  mergePolicy: { attributes: TimestampOrdered, stitching: PrivateGraph }
---
kind: Dataset
metadata: { name: till-receipts }
spec:
  identity: { namespace: Email, source: mail }
`,
  },
  check: {
    Dataset(dataset, { model, isWhole, report }) {
      const store = model.relations.storeOfDataset.get(dataset)
      const { record, identity } = dataset.spec
      if (store && record === 'Event' && identity) check(store, identity.namespace, { model, isWhole, report })
    },
    CampaignSource(source, { model, isWhole, report }) {
      const store = model.relations.source.get(source)?.store
      if (store) check(store, source.spec.identity.namespace, { model, isWhole, report })
    },
  },
}

function check(store: StoreModel, namespace: string, { model, isWhole, report }: Omit<RuleContext, 'strictPql'>): void {
  const { identities, mergePolicy } = store.resource.spec
  const primary = identities.find((identity) => identity.primary)
  const identity = identities.find((one) => one.namespace === namespace)
  if (!primary || !identity || identity === primary) return
  const path = ['spec', 'identity', 'namespace']
  const name = store.resource.name
  if (mergePolicy.stitching === 'None') {
    report({
      path,
      message: `\`${namespace}\` leads to no profile: \`${name}\` does not stitch, and its primary identity is \`${primary.namespace}\``,
      help: `Set \`mergePolicy.stitching: PrivateGraph\` on the ProfileStore, or map a field that holds the ${primary.namespace}.`,
      related: [{ resource: store.resource, path: ['spec', 'mergePolicy', 'stitching'], message: 'does not stitch' }],
    })
    return
  }
  const links = model.relations
    .datasetsOfStore(store)
    .some(({ spec }) => spec.record === 'Profile' && spec.mapping.some(({ target }) => target === identity.path))
  if (links || !isWhole('Dataset') || model.datasets.some((dataset) => dataset.store === null)) return
  report({
    path,
    message: `\`${namespace}\` leads to no profile: no Dataset of profiles of \`${name}\` maps \`${identity.path}\``,
    help: `Map \`${identity.path}\` in a Dataset of profiles, so that it comes together with the ${primary.namespace}.`,
    related: [
      {
        resource: store.resource,
        path: ['spec', 'identities', identities.indexOf(identity), 'path'],
        message: 'is in no mapping',
      },
    ],
  })
}
