// A life by a seed, for whoever drives Runs: a namespace, what is edited in it and when, when nobody is there, and what goes wrong in which step.
// The same for a laptop and a cluster; nothing in it hangs on how often something is tried.
import { createHash } from 'node:crypto'
import { openPlane, type Plane, type Trouble, type Work } from './plane.ts'

export type Made = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec: object
}

export type Instant = {
  readonly at: string
  /** What is written there from now on; null: what was before. */
  readonly edition: readonly Made[] | null
  /** Whether whoever drives dies at some write of its own. */
  readonly dies: { readonly write: number; readonly isDone: boolean } | null
}

export type Script = {
  readonly namespace: string
  /** The first is before every slot. */
  readonly instants: readonly Instant[]
  readonly plane: () => Plane
}

const hourMs = 3_600_000
const names = ['gold', 'silver', 'bronze', 'lead'] as const

/** `startMs`: midnight of the day on which it begins. */
export function scriptOf(seed: number, namespace: string, startMs: number): Script {
  const drawn = (...what: readonly (string | number)[]): number =>
    createHash('sha256')
      .update([seed, ...what].join(' '))
      .digest()
      .readUIntBE(0, 6) /
    2 ** 48
  const pick = <T>(of: readonly T[], ...what: readonly (string | number)[]): T =>
    of[Math.floor(drawn(...what) * of.length)]!
  const database = drawn('database') < 0.6
  const everyHours = pick([6, 12, 24], 'every')
  const isEdited = drawn('edited') < 0.6
  const days = 4
  const state = {
    tier: 1,
    isSuspended: false,
    isThere: new Set<string>(names),
  }
  const instants: Instant[] = [
    { at: text(startMs), edition: bundle(true), dies: null },
    { at: text(startMs), edition: bundle(false), dies: null },
  ]
  const slots = new Set<number>()
  for (let hour = 2; hour < days * 24; hour += 1)
    if (hour % 24 === 2 || (hour >= 3 && (hour - 3) % everyHours === 0)) slots.add(startMs + hour * hourMs)
  const outage = drawn('outage') < 0.6 ? Math.floor(drawn('outage at') * days * 24) : null
  const backMs =
    outage === null
      ? 0
      : Math.min(startMs + days * 24 * hourMs, startMs + (outage + 2 + Math.floor(drawn('outage for') * 30)) * hourMs) +
        20 * 60_000
  const isAway = (ms: number): boolean => outage !== null && ms >= startMs + outage * hourMs && ms < backMs
  const times = [...slots].filter((ms) => !isAway(ms))
  if (outage !== null) times.push(backMs)
  for (const ms of times.sort((a, b) => a - b)) {
    const place = ms - startMs
    const dies =
      drawn('dies', place) < 0.15
        ? { write: Math.floor(drawn('write', place) * 10), isDone: drawn('done', place) < 0.5 }
        : null
    instants.push({ at: text(ms), edition: null, dies })
    // Edits lie between the slots, where nothing waits.
    if (isEdited && drawn('edit', place) < 0.4)
      instants.push({ at: text(ms + 40 * 60_000), edition: edited(place), dies: null })
  }
  // All troubles are over then, and everything is as it should be after one more of each.
  instants.push({ at: text(startMs + (days * 24 + 1) * hourMs), edition: resumed(), dies: null })
  for (const hour of [2, 3, 26, 27, 50, 51])
    instants.push({ at: text(startMs + (days * 24 + hour) * hourMs), edition: null, dies: null })
  return { namespace, instants: withoutEqual(instants), plane }

  function edited(place: number): readonly Made[] {
    switch (pick(['expression', 'expression', 'suspend', 'delete'], 'what', place)) {
      case 'expression':
        state.tier += 1
        break
      case 'suspend':
        state.isSuspended = !state.isSuspended
        break
      case 'delete':
        if (drawn('lead', place) < 0.5) state.isThere.delete('lead')
        break
    }
    return bundle(false)
  }

  function resumed(): readonly Made[] {
    state.isSuspended = false
    return bundle(false)
  }

  function plane(): Plane {
    const times = new Map<string, number>()
    const overMs = startMs + days * 24 * hourMs
    return openPlane({
      membersOf: (segment, digest, now) => {
        const quarter = Math.floor(Date.parse(now) / (6 * hourMs))
        return Array.from({ length: 8 }, (_, index) => `P${index}`).filter(
          (person) => drawn('member', segment, digest, person, quarter) < 0.5,
        )
      },
      troubleOf(work) {
        const trouble = Date.parse(work.input.scheduledTime) >= overMs ? null : troubleAt(work)
        if (!trouble) return null
        const place = `${work.step} ${work.input.run}`
        const count = (times.get(place) ?? 0) + 1
        times.set(place, count)
        return count > trouble.times ? null : trouble
      },
    })
  }

  /** By the slot, the step and what it is for: the same at each attempt, until it is over or the next slot comes. */
  function troubleAt({ step, plan, input }: Work): (Trouble & { readonly times: number }) | null {
    const place = `${plan.target.kind} ${plan.target.name} ${step} ${Date.parse(input.scheduledTime) - startMs}`
    if (drawn('trouble', place) >= 0.2) return null
    const isLasting = drawn('lasting', place) < 0.4
    const segments = plan.export?.segments.map(({ name }) => name) ?? []
    // An edit makes another Run of a slot that has failed; a Run that is tried again keeps its plan in a cluster.
    const retryable = !isLasting || (!isEdited && drawn('retryable', place) < 0.5)
    // What no attempt mends nobody tries again in a cluster; whoever calls on a laptop does, and may find other members or another plan.
    const isPartial = retryable && !(isLasting && isEdited) && segments.length > 0 && drawn('partial', place) < 0.7
    return {
      times: isLasting ? Number.POSITIVE_INFINITY : 1 + Math.floor(drawn('times', place) * 2),
      retryable,
      // A laptop has one process for all: one that dies each time comes to nothing else.
      dies: !isLasting && drawn('silent', place) < 0.25,
      ...(isPartial && { at: pick(segments, 'segment', place), applied: drawn('applied', place) < 0.5 }),
    }
  }

  function bundle(isAsleep: boolean): readonly Made[] {
    const made = (kind: string, name: string, spec: object, isSuspended = false): Made => ({
      apiVersion: 'convoke.dev/v1alpha1',
      kind,
      metadata: { name, namespace, annotations: { 'convoke.dev/suspend': String(isAsleep || isSuspended) } },
      spec,
    })
    const retry = { retry: { limit: 40, backoff: '10m' } }
    const here = (wanted: readonly string[]) =>
      wanted.filter((name) => state.isThere.has(name)).map((name) => ({ name }))
    const activation = (name: string, schedule: object, segments: readonly string[]): Made =>
      made(
        'Activation',
        name,
        {
          destinationRef: { name: 'landing' },
          segmentRefs: here(segments),
          schedule,
          mapping: [{ source: 'customerId', target: 'external_id', deduplicationKey: true, mandatory: true }],
          ...retry,
        },
        name === 'every' && state.isSuspended,
      )
    return [
      made('Organization', 'shop', {
        imsOrgId: '1F2E3D4C5B6A79880A1B2C3D@AdobeOrg',
        entitlements: ['RealTimeCDP', 'Sources', 'Destinations'],
        productContexts: ['Campaign'],
      }),
      made('ProfileStore', 'retail', {
        organizationRef: { name: 'shop' },
        schema: {
          profile: { type: 'object', properties: { customerId: { type: 'string' }, points: { type: 'integer' } } },
        },
        identities: [{ namespace: 'CustomerId', path: 'customerId', primary: true }],
        evaluation: { batch: { schedule: '0 2 * * *', timeZone: 'Etc/UTC' } },
        storage: { volume: { claimName: 'data', path: 'retail' } },
        ...retry,
      }),
      made('Dataset', 'customers', {
        profileStoreRef: { name: 'retail' },
        record: 'Profile',
        format: 'CSV',
        location: { volume: { claimName: 'data', path: 'customers' } },
        timestamp: 'updated_at',
        mapping: ['customerId', 'points'].map((name) => ({ source: name, target: name })),
      }),
      ...names
        .filter((name) => state.isThere.has(name))
        .map((name, index) =>
          made('Segment', name, {
            profileStoreRef: { name: 'retail' },
            expression: `points > ${name === 'gold' ? 100 * state.tier : index}`,
            deletionPolicy: 'ExportExits',
          }),
        ),
      made('CampaignInstance', 'production', {
        organizationRef: { name: 'shop' },
        version: '8.7',
        organizationalUnits: ['shop'],
        ...(database && {
          database: { postgreSQL: { host: 'db', database: 'campaign', credentialsSecretRef: { name: 'db' } } },
        }),
        targetMapping: {
          table: 'recipients',
          columns: [{ name: 'external_id', type: 'Text' }],
          reconciliationKey: ['external_id'],
        },
      }),
      made('Destination', 'landing', {
        campaignInstanceRef: { name: 'production' },
        location: { volume: { claimName: 'data', path: 'audiences' } },
        file: { nameTemplate: '{activation}_{segment}_{timestamp}' },
      }),
      activation('every', { every: `${everyHours}h`, startAt: text(startMs + 3 * hourMs) }, ['gold', 'silver']),
      activation('nightly', { after: 'Evaluation' }, ['bronze', 'lead']),
    ]
  }
}

export function text(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}

/** An edition that says nothing new is none. */
function withoutEqual(instants: readonly Instant[]): readonly Instant[] {
  let before = ''
  return instants.map((instant) => {
    const said = instant.edition && JSON.stringify(instant.edition)
    if (said === null || said === before) return { ...instant, edition: null }
    before = said
    return instant
  })
}

/** What became of a life, to be compared. */
export type Ended = {
  readonly files: readonly string[]
  readonly lists: readonly string[]
  readonly baselines: readonly string[]
  /** What is not as it must be, whoever drives. */
  readonly wrong: readonly string[]
}

export function endedOf(
  { files, lists, members, wrong }: Plane,
  baselines: readonly { readonly activation: string; readonly segment: string; readonly run: string }[],
): Ended {
  const sorted = (texts: Iterable<string>): readonly string[] => [...texts].sort()
  const lasting = [...lists].flatMap(([place, list]) => {
    const [, segment] = place.split('/') as [string, string]
    const wanted = [...(members.get(segment) ?? [])].sort().join()
    const has = [...list].sort().join()
    return wanted === has ? [] : [`${place} has ${has}, and ${wanted} are in`]
  })
  return {
    files: sorted(
      [...files].map(([name, { run, from, rows }]) => `${name} of ${run} from ${from}: ${rows.join(', ')}`),
    ),
    lists: sorted([...lists].map(([place, list]) => `${place}: ${[...list].sort().join()}`)),
    baselines: sorted(baselines.map(({ activation, segment, run }) => `${activation}/${segment}: ${run}`)),
    wrong: [...wrong, ...lasting],
  }
}
