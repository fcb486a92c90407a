import { type Kind, membershipPath } from '#crds'
import { byName } from './by-name.ts'
import type { LinkFinding } from './finding.ts'
import { checkSegments } from './link-segments.ts'
import type { ActivationModel, Model, Relations, SegmentModel, StoreModel } from './model.ts'
import { type CheckedExpression, checkPql, type Names } from './pql/check.ts'
import { Recent } from './recent.ts'
import { relationsOf } from './relations.ts'
import type { AnyResource, Path, Resource } from './resource.ts'
import { columnsOf, readUnionSchema, type UnionTypes, withTimestamp } from './schema.ts'
import { alternatives, nearest } from './suggest.ts'
import { unreachable } from './unreachable.ts'

/** What linking remembers from one compilation to the next: what the latest two compilations asked for. */
export type LinkMemory = {
  /** The schema that was read for each ProfileStore (`namespace/name`), with its text. */
  readonly schemas: Recent<string, { readonly text: string; readonly read: ReadSchemas }>
  /** Expressions that were checked, by the types they were checked against and by their text. */
  readonly expressions: Recent<UnionTypes, Recent<string, CheckedExpression>>
}

export function openLinkMemory(): LinkMemory {
  return { schemas: new Recent(), expressions: new Recent() }
}

/**
 * Resolves references and checks expressions. `exists` knows resources that were read but are not well-formed: a reference to such a
 * resource is not an unresolved one.
 */
export function linkModel(
  resources: readonly AnyResource[],
  exists: (kind: Kind, namespace: string, name: string) => boolean,
  report: (finding: LinkFinding) => void,
  memory: LinkMemory,
): Model {
  memory.schemas.turn()
  memory.expressions.turn()
  for (const checked of memory.expressions.values()) checked.turn()
  const check = checker(memory)
  const byKind = Map.groupBy(resources, (resource) => resource.kind)
  // A group holds only resources of its key's kind.
  const of = <K extends Kind>(kind: K): readonly Resource<K>[] =>
    (byKind.get(kind) ?? []) as unknown as readonly Resource<K>[]
  const indexes = new Map<Kind, (namespace: string, name: string) => Resource | null>()
  const find = <K extends Kind>(kind: K, namespace: string, name: string): Resource<K> | null => {
    const index =
      indexes.get(kind) ?? byName<Resource>(of(kind) as unknown as readonly Resource[], (resource) => resource)
    indexes.set(kind, index)
    return index(namespace, name) as Resource<K> | null // the index holds that kind
  }

  const withoutOrganization = new Set<string>()

  function resolve<K extends Kind>(from: Resource, path: Path, kind: K, name: string): Resource<K> | null {
    const found = find(kind, from.namespace, name)
    if (found) return found
    if (exists(kind, from.namespace, name)) return null
    const names = of(kind)
      .filter((candidate) => candidate.namespace === from.namespace)
      .map((candidate) => candidate.name)
    const near = nearest(name, names)
    const elsewhere = of(kind).find((candidate) => candidate.name === name)
    // The first prerequisite of the pattern has its own code, and is reported once for each namespace.
    const isPrerequisite = kind === 'Organization' && names.length === 0
    if (isPrerequisite && withoutOrganization.has(from.namespace)) return null
    if (isPrerequisite) withoutOrganization.add(from.namespace)
    report({
      code: isPrerequisite ? 'missing-organization' : 'unresolved-reference',
      resource: from,
      path,
      message: isPrerequisite
        ? `There is no Organization in namespace \`${from.namespace}\``
        : `There is no ${kind} \`${name}\` in namespace \`${from.namespace}\``,
      help: elsewhere
        ? `References stay within a namespace; that ${kind} is in \`${elsewhere.namespace}\`.`
        : near.length > 0
          ? `Did you mean ${alternatives(near)}?`
          : names.length > 0
            ? `There ${names.length === 1 ? 'is' : 'are'} ${alternatives(names.slice(0, 5))}. Name one of them, or add the ${kind}.`
            : `Add the ${kind}, or give its file to the command too.`,
      ...(elsewhere
        ? { related: [{ resource: elsewhere, path: ['metadata', 'name'], message: `the ${kind} of that name` }] }
        : {}),
      fixes: near.map((candidate) => ({
        title: `Replace with \`${candidate}\``,
        safety: 'review' as const,
        path,
        value: candidate,
      })),
    })
    return null
  }

  const organizationOf = (
    resource: Resource<'ProfileStore'> | Resource<'CampaignInstance'>,
  ): Resource<'Organization'> | null => find('Organization', resource.namespace, resource.spec.organizationRef.name)

  const stores = of('ProfileStore').map((resource) =>
    readStore(
      resource,
      resolve(resource, ['spec', 'organizationRef', 'name'], 'Organization', resource.spec.organizationRef.name),
      report,
      memory,
    ),
  )
  const storeModels = new Map(stores.map((store) => [store.resource, store]))
  const storeOf = (resource: Resource<'ProfileStore'> | null): StoreModel | null =>
    (resource && storeModels.get(resource)) ?? null
  const storeRef = (from: Resource<'Dataset'> | Resource<'Segment'> | Resource<'CampaignSource'>): StoreModel | null =>
    storeOf(resolve(from, ['spec', 'profileStoreRef', 'name'], 'ProfileStore', from.spec.profileStoreRef.name))

  const datasets = of('Dataset').map((resource) => ({ resource, store: storeRef(resource) }))
  const { segments, segmentNamed } = checkSegments(
    of('Segment').map((resource) => ({ resource, store: storeRef(resource) })),
    { exists, report, check },
  )
  const destinations = of('Destination').map((resource) => ({
    resource,
    instance: resolve(
      resource,
      ['spec', 'campaignInstanceRef', 'name'],
      'CampaignInstance',
      resource.spec.campaignInstanceRef.name,
    ),
  }))
  const destinationsOf = Map.groupBy(destinations, ({ instance }) => instance)
  const instanceOf = new Map<Resource | null, Resource<'CampaignInstance'> | null>(
    destinations.map(({ resource, instance }) => [resource, instance]),
  )
  const instances = of('CampaignInstance').map((resource) => ({
    resource,
    organization: resolve(
      resource,
      ['spec', 'organizationRef', 'name'],
      'Organization',
      resource.spec.organizationRef.name,
    ),
    destinations: destinationsOf.get(resource) ?? [],
  }))
  const sources = of('CampaignSource').map((resource) => ({
    resource,
    instance: resolve(
      resource,
      ['spec', 'campaignInstanceRef', 'name'],
      'CampaignInstance',
      resource.spec.campaignInstanceRef.name,
    ),
    store: storeRef(resource),
  }))

  const byLabel = new Map<string, ReadonlyMap<string | undefined, readonly SegmentModel[]>>()
  /** All Segments that a selector can choose, and few others. */
  const candidatesFor = (selector: Selector): readonly SegmentModel[] => {
    const [first] = Object.entries(selector?.matchLabels ?? {})
    if (!first) return segments
    const [key, value] = first
    const index = byLabel.get(key) ?? Map.groupBy(segments, ({ resource }) => resource.metadata.labels?.[key])
    byLabel.set(key, index)
    return index.get(value) ?? []
  }
  const activations = of('Activation').map((resource): ActivationModel => {
    const destination = resolve(
      resource,
      ['spec', 'destinationRef', 'name'],
      'Destination',
      resource.spec.destinationRef.name,
    )
    const chosen = segmentsOf(resource, { segmentNamed, candidatesFor, resolve, report })
    const owners = [...new Set(chosen.flatMap((segment) => (segment.store ? [segment.store] : [])))]
    if (owners.length > 1) {
      const other = chosen.find((segment) => segment.store === owners[1])!
      report({
        code: 'invalid-value',
        resource,
        path: resource.spec.segmentRefs
          ? [
              'spec',
              'segmentRefs',
              resource.spec.segmentRefs.findIndex((ref) => ref.name === other.resource.name),
              'name',
            ]
          : ['spec', 'segmentSelector'],
        message: `The Segments of one Activation belong to one ProfileStore; here are ${owners.map((store) => `\`${store.resource.name}\``).join(' and ')}`,
        help: 'Make one Activation for each ProfileStore.',
        related: [
          {
            resource: other.resource,
            path: ['spec', 'profileStoreRef', 'name'],
            message: `belongs to \`${owners[1]!.resource.name}\``,
          },
        ],
      })
    }
    const store = owners.length === 1 ? owners[0]! : null
    if (store) for (const finding of membershipFindings(resource, store, segmentNamed, exists)) report(finding)
    if (store && destination) reportChannel(resource, destination, store, report)
    return { resource, destination, instance: instanceOf.get(destination) ?? null, segments: chosen, store }
  })

  const parts = {
    resources,
    of,
    stores,
    segments,
    segmentNamed,
    instances,
    destinations,
    activations,
    datasets,
    sources,
    organizationOf,
    check,
  }
  let relations: Relations | null = null
  return {
    ...parts,
    get relations() {
      return (relations ??= relationsOf(parts))
    },
  }
}

/** Reports a Destination's channel that the consent of the store does not know: a typing error would let everybody through. */
function reportChannel(
  activation: Resource<'Activation'>,
  destination: Resource<'Destination'>,
  { resource: store }: StoreModel,
  report: (finding: LinkFinding) => void,
): void {
  const { channel } = destination.spec
  const { consent } = store.spec
  const channels = Object.keys(consent?.channels ?? {})
  if (channel === undefined || !consent || channels.includes(channel)) return
  const near = nearest(channel, channels)
  report({
    code: 'unresolved-reference',
    resource: activation,
    path: ['spec', 'destinationRef', 'name'],
    message: `Destination \`${destination.name}\` is of the channel \`${channel}\`, of which the consent of ProfileStore \`${store.name}\` says nothing`,
    help:
      near.length > 0
        ? `Did you mean ${alternatives(near)}?`
        : channels.length > 0
          ? `Its channels are ${alternatives(channels)}; name one of them, or add the channel to \`spec.consent.channels\`.`
          : 'Add the channel to `spec.consent.channels` of the store, or remove it from the Destination.',
    related: [
      { resource: destination, path: ['spec', 'channel'], message: 'the channel' },
      { resource: store, path: ['spec', 'consent'], message: 'what the store says of consent' },
    ],
  })
}

function readStore(
  resource: Resource<'ProfileStore'>,
  organization: Resource<'Organization'> | null,
  report: (finding: LinkFinding) => void,
  memory: LinkMemory,
): StoreModel {
  const { profile, event, types } = readSchemas(resource, memory)
  for (const [part, faults] of [
    ['profile', profile.faults],
    ['event', event?.faults ?? []],
  ] as const) {
    for (const fault of faults)
      report({
        code: fault.code,
        resource,
        path: ['spec', 'schema', part, ...fault.path],
        on: fault.code === 'unknown-field' ? 'key' : 'value',
        message: fault.message,
        help: fault.help,
      })
  }
  return {
    resource,
    organization,
    types,
    faulty: profile.faults.length + (event?.faults.length ?? 0) > 0,
    profileColumns: columnsOf(types.profile),
    eventColumns: types.event ? columnsOf(types.event) : [],
  }
}

type ReadSchemas = {
  readonly profile: ReturnType<typeof readUnionSchema>
  readonly event: ReturnType<typeof readUnionSchema> | null
  readonly types: UnionTypes
}

/**
 * The types of a store's schemas. A store whose schemas read as before keeps its types, whatever else changed, so that expressions
 * checked against them are not checked again.
 */
function readSchemas({ namespace, name, spec }: Resource<'ProfileStore'>, { schemas }: LinkMemory): ReadSchemas {
  const key = `${namespace}/${name}`
  const text = JSON.stringify(spec.schema)
  const known = schemas.get(key)
  if (known?.text === text) return known.read
  const profile = readUnionSchema(spec.schema.profile, 'profile')
  const event = spec.schema.event === undefined ? null : readUnionSchema(spec.schema.event, 'event')
  const read = { profile, event, types: { profile: profile.type, event: event && withTimestamp(event.type) } }
  schemas.set(key, { text, read })
  return read
}

/** Checks an expression; one that was checked before only where it may refer to other Segments now. */
function checker({ expressions }: LinkMemory): Model['check'] {
  return (text, names) => {
    const own = expressions.get(names.types) ?? new Recent<string, CheckedExpression>()
    expressions.set(names.types, own)
    const known = own.get(text)
    if (known && refersOnlyTo(names, known)) return known
    const checked = checkPql(text, names)
    own.set(text, checked)
    return checked
  }
}

function refersOnlyTo({ segments }: Names, { references, faults }: CheckedExpression): boolean {
  return (
    (references.length === 0 || references.every(({ name }) => segments.has(name))) &&
    (faults.length === 0 || faults.every(({ code }) => code !== 'unresolved-reference'))
  )
}

function segmentsOf(
  activation: Resource<'Activation'>,
  {
    segmentNamed,
    candidatesFor,
    resolve,
    report,
  }: Pick<Model, 'segmentNamed'> & {
    readonly candidatesFor: (selector: Selector) => readonly SegmentModel[]
    readonly resolve: (from: Resource, path: Path, kind: 'Segment', name: string) => Resource<'Segment'> | null
    readonly report: (finding: LinkFinding) => void
  },
): SegmentModel[] {
  const { segmentRefs, segmentSelector } = activation.spec
  if (segmentRefs) {
    const chosen = new Set<SegmentModel>()
    for (const [index, ref] of segmentRefs.entries()) {
      const path = ['spec', 'segmentRefs', index, 'name']
      const model = segmentNamed(activation.namespace, ref.name)
      if (!model) resolve(activation, path, 'Segment', ref.name)
      else if (chosen.has(model))
        report({
          code: 'invalid-value',
          resource: activation,
          path,
          message: `Segment \`${ref.name}\` is listed twice`,
          help: 'Remove one of the two.',
        })
      else chosen.add(model)
    }
    return [...chosen]
  }
  const isSelected = selects(segmentSelector)
  return candidatesFor(segmentSelector)
    .filter(
      ({ resource }) => resource.namespace === activation.namespace && isSelected(resource.metadata.labels ?? noLabels),
    )
    .sort((a, b) => (a.resource.name < b.resource.name ? -1 : 1))
}

/** Rows of a mapping that read the membership in a Segment which the store does not have. */
function membershipFindings(
  resource: Resource<'Activation'>,
  store: StoreModel,
  segmentNamed: Model['segmentNamed'],
  exists: (kind: Kind, namespace: string, name: string) => boolean,
): readonly LinkFinding[] {
  return resource.spec.mapping.flatMap(({ source }, index): readonly LinkFinding[] => {
    const name = membershipPath(source)?.segment
    if (name === undefined || store.types.profile.fields.has('segmentMembership')) return []
    const segment = segmentNamed(resource.namespace, name)
    if (segment ? segment.store === store : exists('Segment', resource.namespace, name)) return []
    const start = source.indexOf(name, 'segmentMembership'.length)
    return [
      {
        code: 'unresolved-reference',
        resource,
        path: ['spec', 'mapping', index, 'source'],
        range: { start, end: start + name.length },
        message: `There is no Segment \`${name}\` in this ProfileStore`,
        help: 'Name a Segment of the same namespace and ProfileStore, or add it.',
      },
    ]
  })
}

const noLabels = {}

type Selector = Resource<'Activation'>['spec']['segmentSelector']

/** Whether labels fit a Kubernetes label selector: all of its parts have to. */
function selects(selector: Selector): (labels: Readonly<Record<string, string>>) => boolean {
  const exact = Object.entries(selector?.matchLabels ?? {})
  const expressions = selector?.matchExpressions ?? []
  return (labels) =>
    exact.every(([key, value]) => labels[key] === value) &&
    expressions.every(({ key, operator, values = [] }) => {
      const value = labels[key]
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value)
        case 'NotIn':
          return value === undefined || !values.includes(value)
        case 'Exists':
          return value !== undefined
        case 'DoesNotExist':
          return value === undefined
        default:
          return unreachable(operator)
      }
    })
}
