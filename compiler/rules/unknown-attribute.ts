import { activatedAttribute, attributeAt, suggestPaths, type Unknown } from '../attribute-path.ts'
import { everyRule } from '../consent.ts'
import type { StoreModel } from '../model.ts'
import type { Path } from '../resource.ts'
import { describe, type ObjectType, type Type } from '../schema.ts'
import { alternatives } from '../suggest.ts'
import { transformGivesText, transformSources, transformSteps } from '../transform.ts'
import type { Rule, RuleContext } from './rule.ts'
import { columnTypesOf } from './target-type-mismatch.ts'

export const unknownAttribute: Rule = {
  severity: 'error',
  page: {
    title: 'The union schema has no such attribute',
    checks:
      'Paths in expressions, in mappings of Datasets, Activations and CampaignSources, and in the identities and the consent of a ProfileStore.',
    why: 'The value would always be absent.',
    source: 'Profile Query Language overview; XDM union schemas',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }
    - { source: personalMail.address, target: email }
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }
    - { source: personalEmail.address, target: email }
`,
  },
  check: {
    ProfileStore(resource, { model, report }) {
      const store = model.relations.store.get(resource)
      if (!store || store.faulty) return
      for (const [index, { path }] of resource.spec.identities.entries()) {
        reportUnknown(
          store,
          store.types.profile,
          path,
          ['spec', 'identities', index, 'path'],
          (type) => type.kind === 'string' || type.kind === 'integer',
          report,
        )
      }
      for (const { rule, path } of everyRule(store))
        reportUnknown(
          store,
          store.types.profile,
          rule.path,
          [...path, 'path'],
          (type) => ['string', 'boolean', 'integer'].includes(type.kind),
          report,
        )
    },
    Dataset(dataset, { model, report }) {
      const store = model.relations.storeOfDataset.get(dataset)
      const types = dataset.spec.record === 'Event' ? store?.types.event : store?.types.profile
      if (!store || store.faulty || !types) return
      for (const [index, { target }] of dataset.spec.mapping.entries())
        reportUnknown(
          store,
          types,
          target,
          ['spec', 'mapping', index, 'target'],
          (type) => type.kind !== 'object',
          report,
        )
    },
    Activation(resource, { model, report }) {
      const activation = model.relations.activation.get(resource)
      for (const { index, source, target, attribute } of model.relations.attributesOf(activation)) {
        if (attribute.kind !== 'unknown' || !activation?.store) continue
        const path = ['spec', 'mapping', index, 'source']
        if (/^segmentMembership\b/.test(source)) {
          report({
            path,
            message: `\`${source}\` is not an attribute: the status column comes by itself`,
            help: 'Remove this row and set `membershipStatus: Include`; of one Segment there are `segmentMembership.get("ups").get("NAME").status` and `.lastQualificationTime`.',
          })
          continue
        }
        const column = activation.instance?.spec.targetMapping.columns.find(({ name }) => name === target)
        const isText = transformGivesText(transformSteps(resource.spec.mapping[index]?.transform)) === true
        const accepts = (type: Type): boolean => {
          const columnTypes = columnTypesOf(type, isText)
          return column ? columnTypes.includes(column.type) : columnTypes.length > 0
        }
        reportMatch(activation.store, activation.store.types.profile, source, attribute, path, accepts, report)
      }
      if (!activation?.store) return
      for (const [index, { transform }] of resource.spec.mapping.entries())
        for (const { source, path } of transformSources(transform)) {
          const attribute = activatedAttribute(activation.store.types, source)
          if (attribute.kind !== 'unknown') continue
          const at = ['spec', 'mapping', index, 'transform', ...path]
          const isScalar = (type: Type): boolean => columnTypesOf(type, false).length > 0
          reportMatch(activation.store, activation.store.types.profile, source, attribute, at, isScalar, report)
        }
    },
    CampaignSource(source, { model, report }) {
      const store = model.relations.source.get(source)?.store
      if (!store?.types.event || store.faulty) return
      for (const [table, { mapping }] of source.spec.tables.entries()) {
        for (const [index, { target }] of mapping.entries())
          reportUnknown(
            store,
            store.types.event,
            target,
            ['spec', 'tables', table, 'mapping', index, 'target'],
            (type) => type.kind !== 'object',
            report,
          )
      }
    },
  },
}

function reportUnknown(
  store: StoreModel,
  types: ObjectType,
  text: string,
  path: Path,
  accepts: (type: Type) => boolean,
  report: RuleContext['report'],
): void {
  const attribute = attributeAt(types, text)
  if (attribute.kind === 'unknown') reportMatch(store, types, text, attribute, path, accepts, report)
}

function reportMatch(
  store: StoreModel,
  types: ObjectType,
  text: string,
  unknown: Unknown,
  path: Path,
  accepts: (type: Type) => boolean,
  report: RuleContext['report'],
): void {
  const part = types === store.types.event ? 'event' : 'profile'
  const candidates = suggestPaths(types, text, unknown, accepts)
  const other = part === 'event' ? store.types.profile : store.types.event
  const isElsewhere = other !== null && attributeAt(other, text).kind !== 'unknown'
  const { name, owner, ownerType, range } = unknown
  report({
    path,
    range,
    message:
      ownerType.kind !== 'object'
        ? `\`${owner}\` is ${describe(ownerType)}, it has no field \`${name}\``
        : owner === ''
          ? `\`${name}\` is not an attribute of the ${part} schema`
          : `\`${name}\` is not a field of \`${owner}\``,
    help:
      candidates.length > 0
        ? `Did you mean ${alternatives(candidates)}?`
        : isElsewhere
          ? `The ${part === 'event' ? 'profile' : 'event'} schema has \`${text}\`; here ${part === 'event' ? 'events' : 'profiles'} are meant.`
          : ownerType.kind === 'object'
            ? `There are ${alternatives([...ownerType.fields.keys()].slice(0, 8))}.`
            : `Write \`${owner}\`.`,
    related: [
      {
        resource: store.resource,
        path: [
          'spec',
          'schema',
          part,
          ...owner.split('.').flatMap((step) => (step === '' ? [] : ['properties', step])),
        ],
        on: 'key',
        message: owner === '' ? 'the attributes there are' : `what \`${owner}\` is`,
      },
    ],
    fixes: candidates.map((candidate) => ({
      title: `Replace with \`${candidate}\``,
      safety: candidates.length === 1 ? 'safe' : 'review',
      path,
      value: candidate,
    })),
  })
}
