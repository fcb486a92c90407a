import { activatedAttribute, attributeAt } from '../attribute-path.ts'
import { consentFaults } from '../consent.ts'
import { countries } from '../countries.ts'
import { formatFaults } from '../dataset-format.ts'
import { fileNameMacros, macrosOf } from '../file-name.ts'
import type { StoreModel } from '../model.ts'
import { recordColumnsOf } from '../record-columns.ts'
import type { Path, Resource } from '../resource.ts'
import { describe } from '../schema.ts'
import { alternatives, nearest } from '../suggest.ts'
import { transformFaults, transformSources } from '../transform.ts'
import type { Rule, RuleContext } from './rule.ts'

export const invalidValue: Rule = {
  severity: 'error',
  page: {
    title: 'A value is none that its field takes',
    checks:
      'Enumerations, patterns and bounds; and, across resources, identity namespaces, macros of file names, columns and attributes that are set twice.',
    why: 'The resource would be refused, or would do something else than it says.',
    source: 'Convoke',
    bad: `
kind: Segment
metadata: { name: patrons }
spec:
  evaluation: Stream
`,
    good: `
kind: Segment
metadata: { name: patrons }
spec:
  evaluation: Streaming
`,
  },
  check: {
    ProfileStore(resource, { model, report }) {
      const store = model.relations.store.get(resource)
      for (const fault of store ? consentFaults(store) : []) report(fault)
      for (const [index, { path }] of resource.spec.identities.entries()) {
        if (!store) break
        const attribute = attributeAt(store.types.profile, path)
        if (
          attribute.kind === 'unknown' ||
          (attribute.kind === 'scalar' && ['string', 'integer'].includes(attribute.type.kind))
        )
          continue
        report({
          path: ['spec', 'identities', index, 'path'],
          message: `An identity is text or an integer; \`${path}\` is ${describe(attribute.type)}`,
          help: 'Name an attribute that holds one identifier.',
        })
      }
      for (const [index, { path, normalize, defaultCountry }] of resource.spec.identities.entries()) {
        const attribute = store && attributeAt(store.types.profile, path)
        if (
          (normalize === 'Email' || normalize === 'Phone') &&
          attribute?.kind === 'scalar' &&
          attribute.type.kind === 'integer'
        )
          report({
            path: ['spec', 'identities', index, 'normalize'],
            message: `\`${normalize}\` normalises text; \`${path}\` is ${describe(attribute.type)}`,
            help: 'Remove the field: integers are compared as they are.',
          })
        if (defaultCountry !== undefined && !countries.has(defaultCountry)) reportCountry(index, defaultCountry, report)
      }
      repeated(
        resource.spec.identities.map(({ namespace }) => namespace),
        (index, namespace) => {
          report({
            path: ['spec', 'identities', index, 'namespace'],
            message: `Identity namespace \`${namespace}\` is there twice`,
            help: 'Remove one of the two, or give it a namespace of its own.',
          })
        },
      )
    },

    Dataset(dataset, { model, report }) {
      const { mapping, record, identity } = dataset.spec
      for (const { path, message, help } of formatFaults(dataset.spec))
        report({ path: ['spec', ...path], message, help })
      repeated(
        mapping.map(({ target }) => target),
        (index, target) => {
          report({
            path: ['spec', 'mapping', index, 'target'],
            message: `\`${target}\` is set twice`,
            help: 'Remove one of the two rows.',
          })
        },
      )
      for (const [index, { transform }] of mapping.entries()) reportTransform(index, transform, true, report)
      const store = model.relations.storeOfDataset.get(dataset)
      if (!store) return
      if (record === 'Event' && identity) reportNamespace(store, identity.namespace, report)
      const types = record === 'Event' ? store.types.event : store.types.profile
      for (const [index, { target }] of mapping.entries()) {
        const path = ['spec', 'mapping', index, 'target']
        const attribute = types && attributeAt(types, target)
        if (record === 'Event' && target === 'timestamp') {
          report({
            path,
            message: "An event's `timestamp` comes from the field named in `spec.timestamp`",
            help: `Remove this row; \`timestamp: ${dataset.spec.timestamp}\` says it already.`,
          })
        } else if (attribute?.kind === 'object') {
          report({
            path,
            message: `\`${target}\` is an object; a mapping sets its fields one by one`,
            help: `Map to ${alternatives([...attribute.type.fields.keys()].slice(0, 3).map((field) => `${target}.${field}`))}.`,
          })
        } else if ((attribute?.kind === 'array' || attribute?.kind === 'map') && attribute.path !== target) {
          report({
            path,
            message: `\`${attribute.path}\` is ${describe(attribute.type)}; a mapping sets it as a whole`,
            help: `Map to \`${attribute.path}\`.`,
          })
        }
      }
      for (const [index, { requiredColumns, uniqueIds, acceptedValues }] of (
        dataset.spec.expectations ?? []
      ).entries()) {
        const path = ['spec', 'expectations', index]
        for (const [at, source] of (requiredColumns?.columns ?? []).entries())
          reportColumn(dataset, [...path, 'requiredColumns', 'columns', at], source, report)
        for (const [at, source] of (uniqueIds?.columns ?? []).entries())
          reportColumn(dataset, [...path, 'uniqueIds', 'columns', at], source, report)
        if (acceptedValues) reportColumn(dataset, [...path, 'acceptedValues', 'column'], acceptedValues.column, report)
      }
      repeated(
        dataset.spec.expectations.map(({ name }) => name),
        (index, name) => {
          report({
            path: ['spec', 'expectations', index, 'name'],
            message: `There are two expectations \`${name}\``,
            help: 'Give one of the two another name.',
          })
        },
      )
    },

    CampaignInstance(instance, { report }) {
      const database = instance.spec.database?.postgreSQL
      if (database?.caSecretRef && database.sslMode === 'Disable')
        report({
          path: ['spec', 'database', 'postgreSQL', 'caSecretRef'],
          message: 'With `sslMode: Disable` no certificate is asked for',
          help: 'Remove the field, or choose `VerifyFull` or `Require`.',
        })
      repeated(
        instance.spec.targetMapping.columns.map(({ name }) => name),
        (index, name) => {
          report({
            path: ['spec', 'targetMapping', 'columns', index, 'name'],
            message: `Column \`${name}\` is there twice`,
            help: 'Remove one of the two.',
          })
        },
      )
    },

    Destination(destination, { report }) {
      const { nameTemplate } = destination.spec.file
      for (const { name, start, end } of macrosOf(nameTemplate)) {
        if (Object.hasOwn(fileNameMacros, name)) continue
        const near = nearest(name, Object.keys(fileNameMacros))
        report({
          path: ['spec', 'file', 'nameTemplate'],
          range: { start, end },
          message: `\`{${name}}\` is not a macro of file names`,
          help:
            near.length > 0
              ? `Did you mean ${alternatives(near.map((macro) => `{${macro}}`))}?`
              : `Macros are ${alternatives(Object.keys(fileNameMacros).map((macro) => `{${macro}}`))}.`,
          fixes: near.map((macro) => ({
            title: `Replace with \`{${macro}}\``,
            safety: near.length === 1 ? 'safe' : 'review',
            path: ['spec', 'file', 'nameTemplate'],
            value: `{${macro}}`,
            range: { start, end },
          })),
        })
      }
    },

    Activation(activation, { model, report }) {
      const types = model.relations.activation.get(activation)?.store?.types
      for (const [index, { transform }] of activation.spec.mapping.entries()) {
        reportTransform(index, transform, false, report)
        for (const { source, path } of types ? transformSources(transform) : []) {
          const attribute = activatedAttribute(types!, source) // there are types
          if (attribute.kind === 'scalar' || attribute.kind === 'unknown') continue
          report({
            path: ['spec', 'mapping', index, 'transform', ...path],
            message: `\`${source}\` is ${attribute.kind === 'event' ? 'of events' : describe(attribute.type)}; \`concat\` joins single values`,
            help: 'Name a scalar attribute of the profile.',
          })
        }
      }
      repeated(
        activation.spec.mapping.map(({ target }) => target),
        (index, target) => {
          report({
            path: ['spec', 'mapping', index, 'target'],
            message: `Column \`${target}\` is written twice`,
            help: 'Remove one of the two rows, or name another column.',
          })
        },
      )
    },

    CampaignSource(source, { model, report }) {
      const store = model.relations.source.get(source)?.store
      if (store) reportNamespace(store, source.spec.identity.namespace, report)
    },
  },
}

/** Calls `say` for every value that occurred before. */
function repeated(values: readonly string[], say: (index: number, value: string) => void): void {
  const seen = new Set<string>()
  for (const [index, value] of values.entries()) {
    if (seen.has(value)) say(index, value)
    seen.add(value)
  }
}

/** Codes that people write, with the ISO 3166-1 codes of these countries. */
const otherCodes: Readonly<Record<string, string>> = { UK: 'GB', EN: 'GB', EL: 'GR' }

function reportCountry(index: number, country: string, report: RuleContext['report']): void {
  const path = ['spec', 'identities', index, 'defaultCountry']
  const other = otherCodes[country]
  report({
    path,
    message: `\`${country}\` is no country of ISO 3166-1`,
    help: other ? `Did you mean \`${other}\`?` : 'Name the country by its two letters, for example DE, AT or US.',
    ...(other && {
      fixes: [{ title: `Replace with \`${other}\``, safety: 'review' as const, path, value: other }],
    }),
  })
}

/** `intoLists`: whether a value may become a list. */
function reportTransform(index: number, transform: unknown, intoLists: boolean, report: RuleContext['report']): void {
  for (const { path: within, message, help, near } of transformFaults(transform, intoLists)) {
    const path = ['spec', 'mapping', index, 'transform', ...within]
    report({
      path,
      message,
      help,
      fixes: near.map((value) => ({
        title: `Replace with \`${value}\``,
        safety: near.length === 1 ? ('safe' as const) : ('review' as const),
        path,
        value,
      })),
    })
  }
}

/** Reports a field that an expectation names and the Dataset does not read. */
function reportColumn(dataset: Resource<'Dataset'>, path: Path, source: string, report: RuleContext['report']): void {
  const columns = [...recordColumnsOf(dataset.spec).keys()]
  if (columns.includes(source)) return
  const near = nearest(source, columns)
  report({
    path,
    message: `This Dataset reads no field \`${source}\``,
    help: near.length > 0 ? `Did you mean ${alternatives(near)}?` : 'Map the field, or name one that is mapped.',
    fixes: near.map((name) => ({ title: `Replace with \`${name}\``, safety: 'review', path, value: name })),
  })
}

function reportNamespace(store: StoreModel, namespace: string, report: RuleContext['report']): void {
  const namespaces = store.resource.spec.identities.map((identity) => identity.namespace)
  if (namespaces.includes(namespace)) return
  const near = nearest(namespace, namespaces)
  const path = ['spec', 'identity', 'namespace']
  report({
    path,
    message: `\`${namespace}\` is not an identity namespace of ProfileStore \`${store.resource.name}\``,
    help: near.length > 0 ? `Did you mean ${alternatives(near)}?` : `Its namespaces are ${alternatives(namespaces)}.`,
    related: [{ resource: store.resource, path: ['spec', 'identities'], message: 'the namespaces there are' }],
    fixes: near.map((name) => ({ title: `Replace with \`${name}\``, safety: 'review', path, value: name })),
  })
}
