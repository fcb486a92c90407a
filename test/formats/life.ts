// The life of one small store: a first evaluation that is delivered, two streaming ones, a later batch one; and how it goes on.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { compile } from '../../compiler/index.ts'
import type { JobPlan, RunInput, RunReport } from '../../crds/index.ts'
import { type Engine, openDuckDB } from '../../jobs/engines/duckdb.ts'
import { changesSql } from '../../jobs/memberships.ts'
import type { Ports } from '../../jobs/ports.ts'
import {
  type MembershipManifest,
  membersSql,
  readMembershipManifest,
  readMembershipVersion,
} from '../../jobs/profile-store.ts'
import { steps } from '../../jobs/steps.ts'

const file = join(import.meta.dirname, 'bundle.yaml')

function plansOf(): { readonly store: JobPlan; readonly activation: JobPlan } {
  const { plans, diagnostics } = compile([{ file, text: readFileSync(file, 'utf8') }])
  const planOf = (kind: string) => plans.find(({ target }) => target.kind === kind)
  const [store, activation] = [planOf('ProfileStore'), planOf('Activation')]
  if (!store || !activation) throw new Error(diagnostics.map(({ message }) => message).join('\n'))
  return { store, activation }
}

/** A folder with the claims `profile-store`, `landing` and `landing-zone`. */
export type House = AsyncDisposable & {
  readonly root: string
  readonly engine: Engine
  readonly land: (name: string, text: string) => void
  readonly ingest: (now: string, evaluation?: 'Batch' | 'Streaming') => Promise<RunReport>
  readonly evaluate: (now: string, evaluation?: 'Batch' | 'Streaming') => Promise<RunReport>
  /** Against what was delivered last. */
  readonly deliver: (now: string) => Promise<RunReport>
  /** The files of the landing zone by name, manifests left out. */
  readonly files: () => Readonly<Record<string, readonly string[]>>
}

/** `deliveredAt`: when all its Segments were delivered, by what is in the folder already. */
export async function openHouse(folder: string, deliveredAt: string | null = null): Promise<House> {
  const claims = ['profile-store', 'landing', 'landing-zone', 'scratch']
  for (const claim of claims) mkdirSync(join(folder, claim), { recursive: true })
  const ports: Ports = {
    now: () => new Date('2026-03-01T00:00:00Z'),
    claim: (name) => join(folder, name),
    secret: () => '',
    scratch: join(folder, 'scratch'),
    progress: () => {},
    database: () => null,
    signal: new AbortController().signal,
  }
  const plans = plansOf()
  const names = plans.activation.export!.segments.map(({ name }) => name)
  const runOf = (now: string) => `run-${now.slice(0, 16).replaceAll(/[^0-9]/g, '')}`
  const baselines: Record<string, string> = {}
  if (deliveredAt !== null) for (const name of names) baselines[name] = runOf(deliveredAt)
  const inputOf = (now: string, more: Partial<RunInput>): RunInput => ({
    run: runOf(now),
    scheduledTime: now,
    now,
    trigger: 'Schedule',
    ...more,
  })
  const engine = await openDuckDB(plans.store.store!, ports)
  const succeeded = async (running: Promise<RunReport>): Promise<RunReport> => {
    const report = await running
    if (report.outcome !== 'Succeeded') throw new Error(JSON.stringify(report.error))
    return report
  }
  const zone = join(folder, 'landing-zone')
  return {
    root: join(folder, 'profile-store', 'people'),
    engine,
    land: (name, text) => {
      const path = join(folder, 'landing', name)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text)
    },
    ingest: (now, evaluation = 'Batch') =>
      succeeded(steps.ingest({ plan: plans.store, input: inputOf(now, { evaluation }), ports })),
    evaluate: (now, evaluation = 'Batch') =>
      succeeded(steps.evaluate({ plan: plans.store, input: inputOf(now, { evaluation }), ports })),
    deliver: async (now) => {
      const input = inputOf(now, { baselines: { ...baselines } })
      const report = await succeeded(steps.export({ plan: plans.activation, input, ports }))
      for (const { segment, files = [] } of report.details ?? [])
        if (segment !== undefined && files.length > 0) baselines[segment] = input.run
      return report
    },
    files: () =>
      Object.fromEntries(
        readdirSync(zone)
          .filter((name) => name.endsWith('.csv'))
          .sort()
          .map((name) => [name, readFileSync(join(zone, name), 'utf8').trimEnd().split('\n')]),
      ),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}

const day = (n: number) => String(n).padStart(2, '0')
const customer = (n: number, points: number, updated: string) =>
  `c${n},${points},2026-02-${day(1 + (n % 20))},${updated}`
const customers = (rows: readonly string[]) => `id,points,joined,updated\n${rows.join('\n')}\n`
const order = (id: number, who: number, at: string, total: number) =>
  `${JSON.stringify({ id: `o${id}`, who: `c${who}`, at, type: 'purchase', total })}\n`
const numbers = Array.from({ length: 24 }, (_, n) => n)

export const days = {
  first: '2026-03-02T06:00:00Z',
  streaming: '2026-03-02T20:00:00Z',
  later: '2026-03-04T06:00:00Z',
  last: '2026-03-04T06:05:00Z',
  next: '2026-03-05T06:00:00Z',
} as const

export async function live(house: House): Promise<void> {
  house.land('customers/1.csv', customers(numbers.map((n) => customer(n, n * 5, '2026-02-25'))))
  const early = numbers.filter((n) => n % 3 === 0)
  house.land(
    'orders/1.ndjson',
    early.map((n) => order(n, n, `2026-03-01T${day(10 + (n % 10))}:00:00Z`, n * 10)).join(''),
  )
  await house.ingest(days.first)
  await house.evaluate(days.first)
  await house.deliver(days.first)
  house.land('orders/2.ndjson', order(100, 1, '2026-03-02T19:03:00Z', 80))
  await house.ingest(days.streaming, 'Streaming')
  await house.evaluate(days.streaming, 'Streaming')
  house.land('customers/2.csv', customers([customer(3, 90, '2026-03-03'), customer(20, 0, '2026-03-03')]))
  house.land('orders/3.ndjson', order(101, 2, '2026-03-03T12:00:00Z', 60) + order(102, 5, '2026-03-03T06:03:00Z', 10))
  await house.ingest(days.later)
  await house.evaluate(days.later)
  house.land('orders/4.ndjson', order(103, 7, '2026-03-04T06:04:00Z', 20))
  await house.ingest(days.last, 'Streaming')
  await house.evaluate(days.last, 'Streaming')
}

export type Told = {
  /** `segment profile [not ]since time`, as the store was left. */
  readonly members: readonly string[]
  /** `time segment change profile`, of all versions. */
  readonly history: readonly string[]
  /** What delivering it says against the first delivery. */
  readonly delivered: ReturnType<House['files']>
  /** The same a day later, when somebody new has come and somebody has bought. */
  readonly membersNext: readonly string[]
  readonly historyNext: readonly string[]
  readonly deliveredNext: ReturnType<House['files']>
}

/** Reads the store as it was left, delivers it, and goes on for a day. */
export async function tell(house: House): Promise<Told> {
  const [members, history] = [await membersOf(house), await historyOf(house)]
  await house.deliver(days.last)
  const delivered = house.files()
  house.land('customers/3.csv', customers([customer(30, 55, '2026-03-04'), customer(11, 1, '2026-03-04')]))
  house.land('orders/5.ndjson', order(104, 4, '2026-03-05T05:00:00Z', 70))
  await house.ingest(days.next)
  await house.evaluate(days.next)
  const [membersNext, historyNext] = [await membersOf(house), await historyOf(house)]
  await house.deliver(days.next)
  const deliveredNext = Object.fromEntries(Object.entries(house.files()).filter(([name]) => !(name in delivered)))
  return { members, history, delivered, membersNext, historyNext, deliveredNext }
}

async function membersOf({ root, engine }: House): Promise<readonly string[]> {
  const manifest = readMembershipManifest(root)!
  const names = manifest.segments.map(({ segment }) => segment)
  const selects = manifest.files.map((_, bucket) => membersSql(manifest, root, bucket, names))
  const rows = await engine.rows(
    `SELECT segment || ' ' || "$profile" || if(realized, '', ' not') || ' since ' || since AS line FROM (${selects.join(' UNION ALL ')}) ORDER BY line`,
  )
  return rows.map(({ line }) => String(line))
}

async function historyOf({ root, engine }: House): Promise<readonly string[]> {
  const lines: string[] = []
  const read = async (manifest: MembershipManifest) => {
    const changes = changesSql(manifest, root)
    if (changes === null) return
    const rows = await engine.rows(
      `SELECT "at" || ' ' || segment || ' ' || change || ' ' || "$profile" AS line FROM (${changes})`,
    )
    lines.push(...rows.map(({ line }) => String(line)))
  }
  const current = readMembershipManifest(root)!
  await read(current)
  // Versions of the first form hold their own changes.
  for (let before = current.previous; before !== null; ) {
    const manifest = readMembershipVersion(root, before)!
    if (manifest.log === undefined) await read(manifest)
    before = manifest.previous
  }
  return lines.sort()
}
