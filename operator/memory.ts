// What Campaign is known to have of each Activation, and when it got it. No edit, deletion or restore of the Activation, and no limit of
// a status, can lose it: it lies in a ConfigMap per Activation that nobody owns.
// Invariant: `rememberBegun` is written before a Run delivers anything, `rememberSettled` before the Run counts as finished. A Run named
// in `atWork` that no longer exists therefore makes the baselines doubtful.
import { gunzipSync, gzipSync } from 'node:zlib'
import { type ActivationStatus, labels, managedBy } from '#crds'
import { type Baseline, inDoubt, isFinished } from '#protocol'
import { CopyBehindError, pathOf } from './caches.ts'
import type { Resource } from './definition.ts'
import { ApiError } from './kernel/api.ts'
import type { ApiObject } from './kernel/reflector.ts'
import type { Surroundings } from './surroundings.ts'

export type Memory = {
  readonly namespace: string
  readonly activation: string
  /** uid of the Activation that wrote it last. */
  readonly uid: string
  readonly instance: string
  readonly destination: string
  /** What Campaign has of each Segment, in order of Segment names. */
  readonly baselines: readonly Baseline[]
  /** For each Segment, its latest activation and the Run that made it. */
  readonly activated: Readonly<Record<string, { readonly run: string; readonly time: string }>>
  /** Runs that have begun to deliver and have not told yet what came of it. */
  readonly atWork: readonly string[]
}

/** Whose memory it is: the Activation, its instance and destination as they are now. */
export type Remembering = Pick<Memory, 'namespace' | 'activation' | 'uid' | 'instance' | 'destination'>

type Found = { readonly memory: Memory; readonly resourceVersion: string }
type Written = Omit<Memory, 'namespace' | 'activation'> & { readonly formatVersion: 1 }
type MemoryMap = ApiObject & {
  readonly data?: Readonly<Record<string, string>>
  readonly binaryData?: Readonly<Record<string, string>>
}

export const memorySelector = `${labels.managedBy}=${managedBy},${labels.memory}`
const [plainKey, packedKey] = ['delivered.json', 'delivered.json.gz'] as const
/** A longer text is packed: an object of the API server holds 1 MiB. */
const mostPlainBytes = 500_000

export function memoryName(activation: string): string {
  return `delivered-${activation}`
}

export function memoryPath(namespace: string | null, name?: string): string {
  return `/api/v1/${namespace === null ? '' : `namespaces/${namespace}/`}configmaps${name === undefined ? '' : `/${name}`}`
}

/** The memory that a ConfigMap holds; null where it cannot be read: then nothing is known, and the next file is a backfill. */
export function memoryFrom(object: ApiObject): Memory | null {
  const { metadata, data, binaryData } = object as MemoryMap
  const target = (metadata['labels'] as Readonly<Record<string, string>> | undefined)?.[labels.target]
  try {
    const packed = binaryData?.[packedKey]
    const text = packed === undefined ? data?.[plainKey] : gunzipSync(Buffer.from(packed, 'base64')).toString()
    const { formatVersion, ...written } = JSON.parse(text ?? '') as Written // only the operator writes what bears its label
    return formatVersion === 1 ? { ...written, namespace: metadata.namespace ?? '', activation: target ?? '' } : null
  } catch {
    return null
  }
}

/** What is remembered of an Activation, by the copies; its status counts where it is older than such memories. */
export function baselinesKnown(
  own: Surroundings,
  { namespace, name, uid, status }: Resource<'Activation'>,
): readonly Baseline[] {
  const memory = own.caches.memory(namespace, memoryName(name))
  const destination = own.caches.get('Activation', namespace, name)?.definition.spec.destinationRef.name
  if (!memory) return status.baselines ?? []
  return memory.uid === uid || memory.destination === destination ? memory.baselines : []
}

/** The memory as the API server has it now; null: there is none. */
async function liveMemory(own: Surroundings, of: Remembering): Promise<Found | 'unreadable' | null> {
  const object = await own.api.get<MemoryMap>(memoryPath(of.namespace, memoryName(of.activation)))
  if (!object) return null
  const memory = memoryFrom(object)
  return memory ? { memory, resourceVersion: object.metadata.resourceVersion } : 'unreadable'
}

/**
 * Whether Campaign still has what was delivered then: the same Campaign, by the same Activation or one that took over its name and
 * destination.
 */
function isContinued(memory: Memory, of: Remembering): boolean {
  return memory.instance === of.instance && (memory.uid === of.uid || memory.destination === of.destination)
}

/** What Campaign has, for the next increment to count from; `run` is the Run that asks. Baselines in doubt lead to a backfill. */
export async function deliveredTo(own: Surroundings, of: Remembering, run: string): Promise<readonly Baseline[]> {
  const found = await liveMemory(own, of)
  if (found === null) return statusBaselines(own, of)
  if (found === 'unreadable') return inDoubt(await statusBaselines(own, of))
  if (!isContinued(found.memory, of)) return []
  // Nobody knows what a Run did that is gone without a word, or that finished when its Activation had been made anew: everything is told anew.
  const isLost = (other: string): boolean => {
    const there = own.caches.get('Run', of.namespace, other)
    return other !== run && (there === null || isFinished(there))
  }
  return found.memory.atWork.some(isLost) ? inDoubt(found.memory.baselines) : found.memory.baselines
}

/** The baselines in the status of an Activation that an earlier operator served. */
async function statusBaselines(own: Surroundings, of: Remembering): Promise<readonly Baseline[]> {
  const live = await own.api.get<ApiObject & { readonly status?: ActivationStatus }>(
    pathOf('Activation', of.namespace, of.activation),
  )
  return (live?.metadata.uid === of.uid && live.status?.baselines) || []
}

/** Stored before the Run does anything: that it is at work, and which Segments it activates. */
export async function rememberBegun(
  own: Surroundings,
  of: Remembering,
  run: string,
  segments: readonly string[],
  time: string,
): Promise<void> {
  const baselines = await deliveredTo(own, of, run)
  await change(own, of, (before) => {
    const kept = before?.instance === of.instance ? before : null
    const isAlive = (other: string): boolean => own.caches.get('Run', of.namespace, other) !== null
    return {
      baselines,
      activated: { ...kept?.activated, ...Object.fromEntries(segments.map((segment) => [segment, { run, time }])) },
      atWork: [...new Set([...(kept?.atWork ?? []).filter(isAlive), run])],
    }
  })
}

/** Stored after the Run: what Campaign has then. Safe to repeat. */
export async function rememberSettled(
  own: Surroundings,
  of: Remembering,
  run: string,
  baselines: readonly Baseline[],
): Promise<void> {
  await change(own, of, (before) => ({
    baselines,
    activated: before?.activated ?? {},
    atWork: (before?.atWork ?? []).filter((other) => other !== run),
  }))
}

async function change(
  own: Surroundings,
  of: Remembering,
  next: (before: Memory | null) => Pick<Memory, 'baselines' | 'activated' | 'atWork'>,
): Promise<void> {
  const found = await liveMemory(own, of)
  const before = found === null || found === 'unreadable' ? null : found
  const { uid, instance, destination } = of
  const written: Written = { formatVersion: 1, uid, instance, destination, ...next(before?.memory ?? null) }
  const text = JSON.stringify(written, null, 1)
  const isPlain = Buffer.byteLength(text) <= mostPlainBytes
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: memoryName(of.activation),
      namespace: of.namespace,
      labels: { [labels.managedBy]: managedBy, [labels.memory]: 'delivered', [labels.target]: of.activation },
      ...(before && { resourceVersion: before.resourceVersion }),
    },
    data: isPlain ? { [plainKey]: text } : null,
    binaryData: isPlain ? null : { [packedKey]: gzipSync(text).toString('base64') },
  }
  const path = memoryPath(of.namespace, object.metadata.name)
  if (found !== null) return void (await own.api.patch(path, object, 'merge'))
  try {
    const { data, binaryData, ...rest } = object
    await own.api.create(memoryPath(of.namespace), { ...rest, ...(data ? { data } : { binaryData }) })
  } catch (error) {
    if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error
    throw new CopyBehindError(`Activation/${of.namespace}/${of.activation}`)
  }
}

/** null where the Activation's destination, and so its instance, is not known. */
export function rememberingOf(own: Surroundings, activation: Resource<'Activation'>): Remembering | null {
  const { namespace, name, uid, definition } = activation
  const destination = definition.spec.destinationRef.name
  const instance = own.caches.get('Destination', namespace, destination)?.definition.spec.campaignInstanceRef.name
  return instance === undefined ? null : { namespace, activation: name, uid, instance, destination }
}
