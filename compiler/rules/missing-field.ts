import { alternatives } from '../suggest.ts'
import type { Rule } from './rule.ts'

export const missingField: Rule = {
  severity: 'error',
  page: {
    title: 'Something that is needed is not there',
    checks:
      'Required fields; and, across resources, an event schema where events are to be stored, the primary identity in every Dataset of profiles, a database where logs are to be read.',
    why: 'Without it the resource cannot do what it is for.',
    source: 'Convoke',
    bad: `
kind: Dataset
metadata: { name: reader-cards }
spec:
  mapping:
    - { source: given_name, target: person.name.firstName }
    - { source: mail, target: personalEmail.address }
`,
    good: `
kind: Dataset
metadata: { name: reader-cards }
spec:
  mapping:
    - { source: card, target: readerId }
    - { source: given_name, target: person.name.firstName }
    - { source: mail, target: personalEmail.address }
`,
  },
  check: {
    Dataset(dataset, { model, report }) {
      const store = model.relations.storeOfDataset.get(dataset)
      for (const [index, { deliverySize, uniqueIds }] of dataset.spec.expectations.entries()) {
        if (deliverySize && deliverySize.minPercent === undefined && deliverySize.maxPercent === undefined)
          report({
            path: ['spec', 'expectations', index, 'deliverySize'],
            on: 'key',
            message: '`deliverySize` has no limit',
            help: 'Add `minPercent`, `maxPercent` or both.',
          })
        if (uniqueIds && !uniqueIds.columns && dataset.spec.record === 'Event' && dataset.spec.eventId === undefined)
          report({
            path: ['spec', 'expectations', index, 'uniqueIds'],
            on: 'key',
            message: 'These events have no `eventId` that could be unique',
            help: 'Add `columns`, the fields that make up the id, or an `eventId` to the Dataset.',
          })
      }
      if (!store || store.faulty) return
      if (dataset.spec.record === 'Event') {
        if (store.types.event) return
        report({
          path: ['spec', 'record'],
          message: `ProfileStore \`${store.resource.name}\` has no event schema, so it cannot hold these events`,
          help: 'Add `schema.event` to the ProfileStore.',
          related: [
            { resource: store.resource, path: ['spec', 'schema'], on: 'key', message: 'describes profiles only' },
          ],
        })
        return
      }
      const identities = store.resource.spec.identities
      const index = identities.findIndex((identity) => identity.primary)
      const primary = identities[index]
      if (!primary || dataset.spec.mapping.some(({ target }) => target === primary.path)) return
      report({
        path: ['spec', 'mapping'],
        message: `No row of the mapping sets \`${primary.path}\`, the primary identity`,
        help: `Map the source field that says whose record it is to ${alternatives([primary.path])}.`,
        related: [
          { resource: store.resource, path: ['spec', 'identities', index, 'path'], message: 'names the profile' },
        ],
      })
    },
    CampaignSource(source, { model, report }) {
      const { store, instance } = model.relations.source.get(source) ?? {}
      if (store && !store.faulty && !store.types.event) {
        report({
          path: ['spec', 'profileStoreRef', 'name'],
          message: `ProfileStore \`${store.resource.name}\` has no event schema, so it cannot hold Campaign's logs`,
          help: 'Add `schema.event` to the ProfileStore.',
          related: [
            { resource: store.resource, path: ['spec', 'schema'], on: 'key', message: 'describes profiles only' },
          ],
        })
      }
      if (instance && !instance.spec.database) {
        report({
          path: ['spec', 'campaignInstanceRef', 'name'],
          message: `CampaignInstance \`${instance.name}\` has no \`database\` to read logs from`,
          help: 'Add `database` to the CampaignInstance.',
          related: [{ resource: instance, path: ['metadata', 'name'], message: 'without `database`' }],
        })
      }
    },
  },
}
