import type { Column, Kind } from '#crds'
import type { LinkFinding } from './finding.ts'
import { type CheckedExpression, checkPql, locatePql, type Names, type SegmentNames } from './pql/check.ts'
import type { PqlFault } from './pql/fault.ts'
import type { Condition } from './pql/ir.ts'
import type { AnyResource, Path, Resource } from './resource.ts'
import { columnsOf, readUnionSchema, type UnionTypes, withTimestamp } from './schema.ts'
import { alternatives, nearest } from './suggest.ts'
import { unreachable } from './unreachable.ts'

/**
 * All resources with their references resolved and their expressions checked. References stay within a namespace. A resource whose
 * reference leads nowhere has null there: what needs it is left out, so that one fault is said once.
 */
export type Model = {
  readonly resources: readonly AnyResource[]
  readonly of: <K extends Kind>(kind: K) => readonly Resource<K>[]
  readonly stores: readonly StoreModel[]
  readonly segments: readonly SegmentModel[]
  readonly segmentNamed: (namespace: string, name: string) => SegmentModel | null
  readonly instances: readonly InstanceModel[]
  readonly destinations: readonly DestinationModel[]
  readonly activations: readonly ActivationModel[]
  readonly datasets: readonly { readonly resource: Resource<'Dataset'>; readonly store: StoreModel | null }[]
  readonly sources: readonly SourceModel[]
  readonly organizationOf: (
    resource: Resource<'ProfileStore'> | Resource<'CampaignInstance'>,
  ) => Resource<'Organization'> | null
}

export type StoreModel = {
  readonly resource: Resource<'ProfileStore'>
  readonly organization: Resource<'Organization'> | null
  readonly types: UnionTypes
  /** The schema has faults: names that do not resolve in it may be their consequence. */
  readonly faulty: boolean
  readonly profileColumns: readonly Column[]
  /** With `timestamp`; empty without an event schema. */
  readonly eventColumns: readonly Column[]
}

export type SegmentModel = {
  readonly resource: Resource<'Segment'>
  readonly store: StoreModel | null
  readonly checked: CheckedExpression | null
  /** Null when it does not compile, or when it is part of, or refers to, a cycle or a Segment that does not compile. */
  readonly condition: Condition | null
  /** Segments its expression refers to, resolved ones only. */
  readonly references: readonly string[]
}

export type InstanceModel = {
  readonly resource: Resource<'CampaignInstance'>
  readonly organization: Resource<'Organization'> | null
  readonly destinations: readonly DestinationModel[]
}

export type DestinationModel = {
  readonly resource: Resource<'Destination'>
  readonly instance: Resource<'CampaignInstance'> | null
}

export type ActivationModel = {
  readonly resource: Resource<'Activation'>
  readonly destination: Resource<'Destination'> | null
  readonly instance: Resource<'CampaignInstance'> | null
  /** In the order written, or by name where selected by labels. */
  readonly segments: readonly SegmentModel[]
  /** The store all its Segments belong to; null when there is none or more than one. */
  readonly store: StoreModel | null
}

export type SourceModel = {
  readonly resource: Resource<'CampaignSource'>
  readonly instance: Resource<'CampaignInstance'> | null
  readonly store: StoreModel | null
}

/**
 * Resolves references and checks expressions. `exists` tells of resources that were read but are not well-formed: a reference to one is
 * not an unresolved reference.
 */
export function linkModel(
  resources: readonly AnyResource[],
  exists: (kind: Kind, namespace: string, name: string) => boolean,
  report: (finding: LinkFinding) => void,
): Model {
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
    // The pattern's first prerequisite has a code of its own, and is said once for a namespace.
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
    exists,
    report,
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
  /** All that a selector can choose, and few others. */
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
    return {
      resource,
      destination,
      instance: instanceOf.get(destination) ?? null,
      segments: chosen,
      store: owners.length === 1 ? owners[0]! : null,
    }
  })

  return {
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
  }
}

function readStore(
  resource: Resource<'ProfileStore'>,
  organization: Resource<'Organization'> | null,
  report: (finding: LinkFinding) => void,
): StoreModel {
  const { profile, event, types } = readSchemas(resource)
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

const readBefore = new WeakMap<Resource<'ProfileStore'>, ReadSchemas>()
/** By namespace and name, with the schema as text. */
const readLast = new Map<string, { readonly text: string; readonly read: ReadSchemas }>()
const maxStores = 1000

/**
 * A store whose schema reads as before keeps its types, whatever else of it changed, so that expressions checked against them are not
 * checked again.
 */
function readSchemas(resource: Resource<'ProfileStore'>): ReadSchemas {
  const known = readBefore.get(resource)
  if (known) return known
  const { namespace, name, spec } = resource
  const text = JSON.stringify(spec.schema)
  const last = readLast.get(`${namespace}/${name}`)
  const read = last?.text === text ? last.read : schemasOf(spec.schema)
  if (readLast.size >= maxStores) readLast.clear()
  readLast.set(`${namespace}/${name}`, { text, read })
  readBefore.set(resource, read)
  return read
}

function schemasOf(schema: Resource<'ProfileStore'>['spec']['schema']): ReadSchemas {
  const profile = readUnionSchema(schema.profile, 'profile')
  const event = schema.event === undefined ? null : readUnionSchema(schema.event, 'event')
  return { profile, event, types: { profile: profile.type, event: event && withTimestamp(event.type) } }
}

const checkedBefore = new WeakMap<UnionTypes, Map<string, CheckedExpression>>()
const maxRemembered = 100_000

/** An expression is checked again only where it may refer to other Segments than before. */
export function checkedOnce(text: string, names: Names): CheckedExpression {
  let remembered = checkedBefore.get(names.types)
  if (!remembered) checkedBefore.set(names.types, (remembered = new Map()))
  const known = remembered.get(text)
  if (known && refersOnlyTo(names, known)) return known
  const checked = checkPql(text, names)
  if (remembered.size >= maxRemembered) remembered.clear()
  remembered.set(text, checked)
  return checked
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

const noLabels = {}

type Selector = Resource<'Activation'>['spec']['segmentSelector']

/** A Kubernetes label selector; all of its parts must fit. */
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

/** A SegmentModel while it is made. */
type Draft = { -readonly [Part in keyof SegmentModel]: SegmentModel[Part] }

function checkSegments(
  pairs: readonly Pick<SegmentModel, 'resource' | 'store'>[],
  exists: (kind: Kind, namespace: string, name: string) => boolean,
  report: (finding: LinkFinding) => void,
): Pick<Model, 'segments' | 'segmentNamed'> {
  const none: readonly Draft[] = []
  const noNames: readonly string[] = []
  const segments = pairs.map(
    ({ resource, store }): Draft => ({ resource, store, checked: null, condition: null, references: noNames }),
  )
  const segmentNamed = byName(segments, ({ resource }) => resource)
  const referred = ({ resource: { namespace }, references }: SegmentModel): readonly Draft[] =>
    references.length === 0 ? none : references.flatMap((name) => segmentNamed(namespace, name) ?? [])

  const namesIn = new Map<StoreModel, Names>()
  for (const segment of segments) {
    const { resource, store } = segment
    if (!store) continue
    let names = namesIn.get(store)
    if (!names)
      names = { types: store.types, segments: segmentNames({ segments, segmentNamed }, resource.namespace, store) }
    namesIn.set(store, names)
    const checked = checkedOnce(resource.spec.expression, names)
    segment.checked = checked
    for (const fault of checked.faults) {
      // A Segment that is there but broken, or a field lost to a faulty schema, is not the expression's fault.
      const name = resource.spec.expression.slice(fault.span.start, fault.span.end)
      const isBroken = exists('Segment', resource.namespace, name) && !segmentNamed(resource.namespace, name)
      if (fault.code === 'unresolved-reference' && isBroken) continue
      if (fault.code === 'unknown-attribute' && store.faulty) continue
      report(expressionFinding(fault, resource, ['spec', 'expression']))
    }
    const { segments: known } = names
    if (checked.references.length > 0)
      segment.references = checked.references.map(({ name }) => name).filter((name) => known.has(name))
  }

  const cyclic = new Set<SegmentModel>()
  for (const cycle of cyclesOf<SegmentModel>(
    segments.filter((segment) => segment.references.length > 0),
    referred,
  )) {
    for (const segment of cycle) cyclic.add(segment)
    const first = [...cycle].sort((a, b) => (a.resource.name < b.resource.name ? -1 : 1))[0]!
    const ordered = [...cycle.slice(cycle.indexOf(first)), ...cycle.slice(0, cycle.indexOf(first))]
    const next = ordered[1] ?? first
    report({
      code: 'segment-cycle',
      resource: first.resource,
      path: ['spec', 'expression'],
      range: referenceSpan(first.checked, next.resource.name),
      message: `Segment \`${first.resource.name}\` refers to itself${ordered.length > 1 ? `: ${[...ordered, first].map((model) => model.resource.name).join(' → ')}` : ''}`,
      help: 'Write the condition out in one of them instead of referring to the other.',
      related: ordered.slice(1).map((model, index) => ({
        resource: model.resource,
        path: ['spec', 'expression'],
        range: referenceSpan(model.checked, (ordered[index + 2] ?? first).resource.name),
        message: `\`${model.resource.name}\` refers to \`${(ordered[index + 2] ?? first).resource.name}\``,
      })),
    })
  }

  // A list that grows instead of recursion: chains of references may be long.
  const referring = new Map<Draft, Draft[]>()
  for (const segment of segments)
    for (const other of referred(segment)) {
      const known = referring.get(other)
      if (known) known.push(segment)
      else referring.set(other, [segment])
    }
  const unsound = new Set(segments.filter((segment) => !segment.checked?.condition || cyclic.has(segment)))
  for (const segment of unsound) for (const other of referring.get(segment) ?? []) unsound.add(other)
  for (const segment of segments) if (!unsound.has(segment)) segment.condition = segment.checked?.condition ?? null
  return { segments, segmentNamed }
}

/** Names of a namespace's Segments, of one store or (null) of any; looked up, not copied: there are thousands, and few are asked for. */
export function segmentNames(
  { segments, segmentNamed }: Pick<Model, 'segments' | 'segmentNamed'>,
  namespace: string,
  store: StoreModel | null,
): SegmentNames {
  const isOne = (segment: SegmentModel): boolean => store === null || segment.store === store
  let all: readonly string[] | null = null
  return {
    has: (name) => {
      const segment = segmentNamed(namespace, name)
      return segment !== null && isOne(segment)
    },
    [Symbol.iterator]: () => {
      all ??= segments
        .filter((segment) => segment.resource.namespace === namespace && isOne(segment))
        .map(({ resource }) => resource.name)
      return all[Symbol.iterator]()
    },
  }
}

/** A Segment's expression as a tree whose nodes have places; null without a store. */
export function locateExpression(
  { resource, store }: SegmentModel,
  model: Pick<Model, 'segments' | 'segmentNamed'>,
): ReturnType<typeof locatePql> | null {
  if (!store) return null
  const segments = segmentNames(model, resource.namespace, store)
  return locatePql(resource.spec.expression, { types: store.types, segments })
}

/** Finds by namespace and name, without a text made of both for each of thousands. */
function byName<T>(
  items: readonly T[],
  resourceOf: (item: T) => { readonly namespace: string; readonly name: string },
): (namespace: string, name: string) => T | null {
  const found = new Map<string, Map<string, T>>()
  for (const item of items) {
    const { namespace, name } = resourceOf(item)
    let own = found.get(namespace)
    if (!own) found.set(namespace, (own = new Map()))
    own.set(name, item)
  }
  return (namespace, name) => found.get(namespace)?.get(name) ?? null
}

/** A fault of the expression that stands at the path. */
export function expressionFinding(fault: PqlFault, resource: Resource, path: Path): LinkFinding {
  return {
    code: fault.code,
    resource,
    path,
    range: fault.span,
    message: fault.message,
    help: fault.help ?? '',
    ...(fault.why === undefined ? {} : { why: fault.why }),
    ...(fault.severity ? { severity: fault.severity } : {}),
    related: (fault.related ?? []).map((related) => ({
      resource,
      path,
      range: related.span,
      message: related.message,
    })),
    fixes: (fault.fixes ?? []).map((fix) => ({
      title: fix.title,
      safety: fix.safety,
      path,
      value: fix.text,
      range: fix.span,
    })),
  }
}

function referenceSpan(checked: CheckedExpression | null, name: string): { start: number; end: number } {
  return checked?.references.find((reference) => reference.name === name)?.span ?? { start: 0, end: 0 }
}

/** Each cycle once, as the nodes along it. A depth-first walk without recursion: chains of references may be long. */
function cyclesOf<T>(nodes: readonly T[], next: (node: T) => readonly T[]): T[][] {
  const done = new Set<T>()
  const cycles: T[][] = []
  for (const root of nodes) {
    if (done.has(root)) continue
    const path: T[] = [root]
    const pending: (readonly T[])[] = [next(root)]
    const positions: number[] = [0]
    while (path.length > 0) {
      const top = path.length - 1
      const following = pending[top]![positions[top]!]
      positions[top]! += 1
      if (following === undefined) {
        done.add(path.pop()!)
        pending.pop()
        positions.pop()
      } else if (path.includes(following)) {
        const cycle = path.slice(path.indexOf(following))
        if (!cycles.some((known) => known.length === cycle.length && known.every((node) => cycle.includes(node))))
          cycles.push(cycle)
      } else if (!done.has(following)) {
        path.push(following)
        pending.push(next(following))
        positions.push(0)
      }
    }
  }
  return cycles
}
