import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { DeliveryManifest, Detail, ExportPlan, RunReport } from '#crds'
import { canonicalJson, sha256OfFile } from '../digest.ts'
import { type Engine, fileLiteral, identifier, literal, openDuckDB } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import {
  bitSql,
  type DataManifest,
  type MembershipManifest,
  type MembershipSegment,
  membershipRowsSql,
  membersSql,
  profilesSql,
  readDataManifest,
  readMembershipManifest,
  slotsPerWord,
  storeRootOf,
} from '../profile-store.ts'
import { faultOf, runStep, type StepContext, type StepResult } from '../step.ts'
import { checkFiles } from '../store-files.ts'
import { type LandingStore, openLandingStore } from '../stores/index.ts'
import { cellSql, headerLine, isTextColumn, lineSql, profileColumnsOf } from './csv-line.ts'
import { commitDelivered, deliveredPath, pruneDelivered, readableBaseline } from './delivered-set.ts'
import { departedOf } from './departed.ts'
import { fileNameOf, manifestNameOf, statusColumn } from './file-names.ts'

/**
 * Delivers an Activation's Segments: data files first, the delivery manifest last, per Segment. What this run has published before
 * stays as it is, so a repeated run only does what is missing.
 */
export function exportSegments(context: StepContext): Promise<RunReport> {
  return runStep('export', context, () => deliver(context))
}

type Segment = ExportPlan['segments'][number]

/** Everything the phases share. */
type Work = {
  readonly context: StepContext
  readonly plan: ExportPlan
  readonly engine: Engine
  readonly landing: LandingStore
  readonly root: string
  readonly data: DataManifest
  readonly membership: MembershipManifest
  readonly scratch: string
  readonly key: Key
}

/** The deduplication key, or the profile id where the mapping has none. */
type Key = {
  /** Indexes into the plan's columns; empty: the profile id. */
  readonly columns: readonly number[]
  /** `k0, k1`: the key's columns in every relation here. */
  readonly list: string
  readonly names: readonly string[]
  /** Says what the key is made of. */
  readonly definition: string
}

type Evaluated = { readonly segment: Segment; readonly evaluated: MembershipSegment }

/** What is to be known of a Segment before anything is compared. */
type Active = {
  readonly segment: Segment
  readonly departed: boolean
  readonly members: number
  readonly evaluatedAt: string
  /** SQL of the rows that a complete file holds, and their number. */
  readonly current: string
  readonly active: number
  readonly leftOut: DeliveryManifest['counts']['leftOut']
}

/** A Segment to deliver. */
type Delivery = Active & {
  /** The acknowledged delivered set's file; null: backfill. */
  readonly baseline: string | null
  readonly baselineSize: number
  /** The file holds every active member, not the changes against the baseline. */
  readonly complete: boolean
  /** Keys that the baseline does not have, and keys that only the baseline has. */
  readonly entered: number
  readonly left: number
  /** Rows of this file. */
  readonly realized: number
  readonly exited: number
}

async function deliver(context: StepContext): Promise<StepResult> {
  const { plan: job, input, ports } = context
  const plan = job.export
  if (!plan || !job.store)
    throw new JobError('InvalidPlan', 'The plan has no export part. Compile the Activation again.')
  const root = storeRootOf(job.store, ports)
  const [data, membership] = [readDataManifest(root), readMembershipManifest(root)]
  if (!data || !membership) {
    throw new JobError(
      'NotEvaluated',
      `The ProfileStore ${job.store.name} has no membership yet. Run its evaluation first.`,
    )
  }
  const landing = await openLandingStore(plan.destination.location, ports)
  const scratch = mkdtempSync(join(ports.scratch, 'export-'))
  try {
    await using engine = await openDuckDB(job.store, ports)
    await engine.run('SET preserve_insertion_order = true')
    const work = { context, plan, engine, landing, root, scratch, key: keyOf(plan), ...aligned(data, membership) }
    const details = new Map<string, Detail>()
    const warnings: { code?: string; message: string }[] = []
    const open: Evaluated[] = []
    const departed = departedOf(plan, input)
    const leaving: Segment[] = []
    for (const segment of departed) {
      const before = await publishedBefore(work, segment)
      details.set(segment.name, { ...(before ?? nobodyIn(segment)), departed: true })
      if (!before && canExit(plan) && input.baselines?.[segment.name] !== undefined) leaving.push(segment)
    }
    for (const segment of plan.segments) {
      const before = await publishedBefore(work, segment)
      if (before) {
        details.set(segment.name, before)
        continue
      }
      const evaluated = membership.segments.find((candidate) => candidate.segment === segment.name)
      if (evaluated) open.push({ segment, evaluated })
      else {
        details.set(segment.name, { segment: segment.name })
        warnings.push({
          code: 'NotEvaluated',
          message: `The Segment ${segment.name} is not in membership version ${membership.version} yet; the next run after its evaluation delivers it.`,
        })
      }
    }
    if (plan.segments.length > 0 && warnings.length === plan.segments.length && leaving.length === 0) {
      throw new JobError(
        'NotEvaluated',
        `No Segment of the Activation ${plan.activation} is in membership version ${membership.version}. Run the ProfileStore's evaluation first.`,
      )
    }
    const deliveries = open.length + leaving.length === 0 ? [] : await prepare(work, open, leaving)
    for (const [index, delivery] of deliveries.entries()) {
      const { segment } = delivery
      if (delivery.departed && delivery.baseline === null)
        warnings.push({
          code: 'LostBaseline',
          message: `What was delivered of the Segment ${segment.name}, which is deleted, cannot be compared with any more: its last file has no rows and empties the audience without naming who leaves.`,
        })
      ports.progress({ step: 'export', subject: segment.name, done: index, total: deliveries.length, unit: 'segments' })
      const held = input.approved?.includes(segment.name) ? null : heldBecause(plan, delivery)
      if (held === null) {
        try {
          details.set(segment.name, await publish(work, delivery))
        } catch (error) {
          // Its manifest may be there, or not; those after it are not.
          details.set(segment.name, { segment: segment.name, counts: { uncertain: 1 } })
          const told = [...plan.segments, ...departed].map(({ name }) => details.get(name) ?? { segment: name })
          return { totals: totalsOf(told), details: told, warnings, fault: faultOf(error) }
        }
      } else {
        details.set(segment.name, { ...detailOf(delivery, plan), held })
        warnings.push({
          code: 'Held',
          message: `The Segment ${segment.name} is held: ${held} Approve it, or wait for the next evaluation.`,
        })
      }
    }
    const ordered = [...plan.segments, ...departed].map(({ name }) => details.get(name)!)
    return {
      totals: totalsOf(ordered),
      details: ordered,
      warnings,
      ...(ordered.some(({ held }) => held !== undefined) && { outcome: 'Held' as const }),
    }
  } finally {
    await landing.close()
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Only increments with a status can say that somebody leaves. */
function canExit(plan: ExportPlan): boolean {
  return plan.export === 'Incremental' && plan.membershipStatus === 'Include'
}

function nobodyIn({ name }: Segment): Detail {
  return { segment: name, members: 0, entered: 0, realized: 0, exited: 0, backfill: false }
}

/** A store whose data and membership were written with different bucket counts is joined as one bucket. */
function aligned(data: DataManifest, membership: MembershipManifest) {
  if (data.buckets === membership.buckets) return { data, membership }
  return {
    data: { ...data, buckets: 1, profiles: [data.profiles.flat()] },
    membership: {
      ...membership,
      buckets: 1,
      files: [membership.files.flat()],
      changed: [(membership.changed ?? []).flat()],
    },
  }
}

function keyOf(plan: ExportPlan): Key {
  const columns = plan.columns.flatMap(({ deduplicationKey }, index) => (deduplicationKey ? [index] : []))
  const names = columns.length === 0 ? ['k0'] : columns.map((_, index) => `k${index}`)
  const definition = canonicalJson(
    columns.map((index) => [plan.columns[index]!.target, plan.columns[index]!.source, plan.columns[index]!.transform]),
  )
  return { columns, names, list: names.join(', '), definition }
}

/** What an earlier attempt of this run has published of a Segment, or null. A Run of the same name with another plan is another Run. */
async function publishedBefore(
  { context, plan, landing, scratch, engine, root }: Work,
  segment: Segment,
): Promise<Detail | null> {
  const name = manifestNameOf(fileNameOf(plan, segment, context.input, 1))
  const manifest = await readManifest(landing, name, scratch)
  if (manifest === null) return null
  if (manifest.activation !== plan.activation || manifest.segment !== segment.name) {
    throw new JobError(
      'InvalidPlan',
      `${name} in ${landing.place} is the Segment ${manifest.segment} of the Activation ${manifest.activation}, not ${segment.name} of ${plan.activation}. Add {activation} to the Destination's nameTemplate.`,
    )
  }
  if (manifest.run !== context.input.run || manifest.planDigest !== context.plan.digest) return null
  for (const file of manifest.files) if ((await landing.stat(file.name))?.bytes !== file.bytes) return null
  const delivered = deliveredPath(root, plan.activation, segment.name, manifest.run)
  const [row] = await engine
    .rows(`SELECT count(*) AS members FROM read_parquet(${fileLiteral(delivered)})`)
    .catch(() => [])
  // Without its delivered set a later increment would have nothing to compare with.
  if (!row) return null
  const { realized, exited, leftOut } = manifest.counts
  return {
    segment: segment.name,
    members: Number(row['members']) + leftOut.missingMandatory + leftOut.duplicateKey,
    realized,
    exited,
    backfill: manifest.backfill,
    manifest: name,
    files: manifest.files,
    counts: leftOut,
  }
}

/** null where there is no such file or it is no delivery manifest. */
async function readManifest(landing: LandingStore, name: string, scratch: string): Promise<DeliveryManifest | null> {
  const local = join(scratch, 'manifest.json')
  if (!(await landing.get(name, local))) return null
  try {
    // Only what this step writes has this kind; its shape is the schema's.
    const found = JSON.parse(readFileSync(local, 'utf8')) as DeliveryManifest
    return found.kind === 'DeliveryManifest' ? found : null
  } catch {
    return null
  }
}

/** Rows of all Segments in one pass over the buckets, and what changed against the baselines. */
async function prepare(
  work: Work,
  open: readonly Evaluated[],
  leaving: readonly Segment[],
): Promise<readonly Delivery[]> {
  const { engine, plan, context, root, key } = work
  await loadRows(work, open)
  await findDuplicates(work, open)
  const active = [
    ...(await countActive(work, open)),
    ...leaving.map((segment) => ({
      segment,
      departed: true,
      members: 0,
      // That it is gone is known now, whenever the store was evaluated last.
      evaluatedAt: context.input.now,
      current: '(SELECT * FROM rows WHERE false)',
      active: 0,
      leftOut: { missingMandatory: 0, duplicateKey: 0 },
    })),
  ]
  await engine.run(`CREATE TEMP TABLE changes (segment VARCHAR, ${columnsOf(key)}, p VARCHAR, line VARCHAR, entered BOOLEAN, status VARCHAR);
    CREATE TEMP TABLE exits (segment VARCHAR, ${columnsOf(key)}, p VARCHAR)`)
  const baselines = new Map<string, string>()
  for (const entry of active) {
    const { name } = entry.segment
    const run = context.input.baselines?.[name]
    const baseline =
      run === undefined
        ? null
        : await readableBaseline(engine, deliveredPath(root, plan.activation, name, run), key.definition)
    if (baseline === null) continue
    baselines.set(name, baseline)
    await compare(work, entry, baseline)
  }
  await renderExits(work)
  return countChanges(work, active, baselines)
}

function columnsOf(key: Key): string {
  return key.names.map((name) => `${name} VARCHAR`).join(', ')
}

/**
 * Table `rows`: p, the key, line (the row as it stands in a file, without status), hash, complete (nothing mandatory is missing), and
 * the membership words; one row per profile that is in any of the Segments, in the order of the key. A line is made once per profile,
 * not once per Segment it is in.
 */
async function loadRows(work: Work, open: readonly Evaluated[]): Promise<void> {
  const { engine, plan, data, membership, root, key, context } = work
  const masks = new Map<number, bigint>()
  for (const {
    evaluated: { slot },
  } of open) {
    const word = Math.floor(slot / slotsPerWord)
    masks.set(word, (masks.get(word) ?? 0n) | (1n << BigInt(slot % slotsPerWord)))
  }
  const words = [...masks.keys()].map((word) => `m${word}`)
  const inAny = [...masks].map(([word, mask]) => `m${word} & ${mask} <> 0`).join(' OR ') || 'false'
  const required = plan.columns.flatMap(({ mandatory, deduplicationKey }, index) =>
    mandatory || deduplicationKey ? [`c${index} IS NOT NULL`] : [],
  )
  await engine.run(
    `CREATE TEMP TABLE unsorted (p VARCHAR, ${columnsOf(key)}, line VARCHAR, complete BOOLEAN${words.map((word) => `, ${word} BIGINT`).join('')})`,
  )
  for (let bucket = 0; bucket < membership.buckets; bucket++) {
    const members = membershipRowsSql(membership, root, bucket)
    if (members === null) continue
    const files = [membership.files, membership.changed ?? [], data.profiles].flatMap((some) => some[bucket] ?? [])
    await checkFiles(root, files, data.checksums, membership.checksums)
    await reading(work, () =>
      engine.run(`INSERT INTO unsorted
        SELECT p, ${keySql(key, (index) => `c${index}`, 'p')}, ${lineOf(plan, (index) => `c${index}`)},
          ${[required.join(' AND ') || 'true', ...words].join(', ')}
        FROM (SELECT ${['"$profile" AS p', ...words].join(', ')} FROM (${members}) WHERE ${inAny}) AS m
        JOIN (${cellsSql(work, bucket)}) AS c USING (p)`),
    )
    context.ports.progress({
      step: 'export',
      subject: 'profiles',
      done: bucket + 1,
      total: membership.buckets,
      unit: 'buckets',
    })
  }
  await engine.run(
    `CREATE TEMP TABLE rows AS SELECT *, md5_number_lower(line) AS hash FROM unsorted ORDER BY ${key.list}, p; DROP TABLE unsorted`,
  )
}

/** SELECT of p and the texts c0, c1, … of a bucket's profiles. */
function cellsSql({ plan, data, root }: Work, bucket: number): string {
  return `SELECT "$profile" AS p, ${plan.columns.map((column, index) => `${cellSql(column)} AS c${index}`).join(', ')} FROM (${profilesSql(data, root, bucket, profileColumnsOf(plan.columns))})`
}

/** SQL for a row without status, from SQL for the text of each column. */
function lineOf({ columns, destination }: ExportPlan, cell: (column: number) => string): string {
  return lineSql(
    columns.map((column, index) => ({ sql: cell(index), isText: isTextColumn(column) })),
    destination.file,
  )
}

/** The key's columns as SQL: cells of a row, or the profile id. */
function keySql(key: Key, cell: (column: number) => string, profile: string): string {
  return key.columns.length === 0
    ? `${profile} AS k0`
    : key.columns.map((column, index) => `${cell(column)} AS k${index}`).join(', ')
}

/** Files of a version disappear when a newer one has been committed and cleaned up meanwhile. */
async function reading<T>({ root }: Work, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Error && /No files found|No such file|Cannot open file/i.test(error.message)) {
      throw new JobError(
        'StoreBusy',
        `The data under ${root} was replaced while it was read. Run the step again.`,
        error,
      )
    }
    throw error
  }
}

/** Table `losers`: per Segment the profiles whose key another profile carries into the file: latest qualification first, then smallest row. */
async function findDuplicates(work: Work, open: readonly Evaluated[]): Promise<void> {
  const { engine, plan, key, membership, root } = work
  const segments = open.map(({ segment }) => segment.name)
  await engine.run(`CREATE TEMP TABLE losers (segment VARCHAR, p VARCHAR);
    CREATE TEMP TABLE shared AS SELECT p, ${key.list} FROM rows JOIN (SELECT ${key.list} FROM rows WHERE complete GROUP BY ALL HAVING count(*) > 1) USING (${key.list}) WHERE complete`)
  const [row] = await engine.rows('SELECT count(*) AS profiles FROM shared')
  if (row?.['profiles'] === 0) return
  await engine.run(
    `CREATE TEMP TABLE contenders (segment VARCHAR, p VARCHAR, ${columnsOf(key)}, since TIMESTAMP, cells VARCHAR[])`,
  )
  const cells = plan.columns.map((_, index) => `coalesce(c${index}, '')`).join(', ')
  for (let bucket = 0; bucket < membership.buckets; bucket++) {
    await reading(work, () =>
      engine.run(`INSERT INTO contenders
        SELECT m.segment, shared.p, ${key.list}, m.since, [${cells}] FROM shared
        JOIN (${membersSql(membership, root, bucket, segments)}) AS m ON m."$profile" = shared.p AND m.realized
        JOIN (${cellsSql(work, bucket)}) AS c ON c.p = shared.p`),
    )
  }
  await engine.run(`INSERT INTO losers SELECT segment, p FROM contenders
    QUALIFY row_number() OVER (PARTITION BY segment, ${key.list} ORDER BY since DESC NULLS LAST, cells, p) > 1; DROP TABLE contenders`)
}

function currentSql({ segment, evaluated }: Evaluated, duplicateKey: number): string {
  const winners =
    duplicateKey > 0 ? `ANTI JOIN (SELECT p FROM losers WHERE segment = ${literal(segment.name)}) USING (p)` : ''
  return `(SELECT * FROM rows ${winners} WHERE complete AND ${bitSql(evaluated.slot)})`
}

/** Adds what differs from the baseline to `changes` and `exits`. */
async function compare({ engine, plan, key }: Work, entry: Active, baseline: string): Promise<void> {
  const attributes = plan.incrementalOn === 'MembershipOrAttributes' && plan.export === 'Incremental'
  const name = literal(entry.segment.name)
  const base = `read_parquet(${fileLiteral(baseline)})`
  await engine.run(`INSERT INTO changes
      SELECT ${name}, ${key.list}, c.p, line, base.hash IS NULL, 'realized' FROM ${entry.current} AS c
      LEFT JOIN (SELECT ${key.list}, hash FROM ${base}) AS base USING (${key.list})
      WHERE base.hash IS NULL ${attributes ? 'OR base.hash <> c.hash' : ''};
    INSERT INTO exits
      SELECT ${name}, ${key.list}, "$profile" FROM ${base} ANTI JOIN ${entry.current} AS c USING (${key.list})`)
}

/** Adds the rows of exits to `changes`: the profile's values of today under the key that was delivered; only the key if it vanished. */
async function renderExits(work: Work): Promise<void> {
  const { engine, plan, key, data } = work
  if (!canExit(plan)) return
  const [row] = await engine.rows('SELECT count(*) AS exits FROM exits')
  if (row?.['exits'] === 0) return
  const columns = plan.columns.map((_, index) => `c${index}`)
  await engine.run(`CREATE TEMP TABLE gone (p VARCHAR, ${columns.map((column) => `${column} VARCHAR`).join(', ')});
    CREATE TEMP TABLE leaving AS SELECT DISTINCT p FROM exits`)
  for (let bucket = 0; bucket < data.buckets; bucket++) {
    await reading(work, () =>
      engine.run(`INSERT INTO gone SELECT c.* FROM (${cellsSql(work, bucket)}) AS c SEMI JOIN leaving USING (p)`),
    )
  }
  const line = lineOf(plan, (index) => (key.columns.includes(index) ? `k${key.columns.indexOf(index)}` : `c${index}`))
  // Without a key column nothing in the row of a vanished profile would say whose it is.
  await engine.run(`INSERT INTO changes
    SELECT segment, ${key.list}, exits.p, ${line}, false, 'exited' FROM exits
    ${key.columns.length === 0 ? 'JOIN' : 'LEFT JOIN'} gone ON gone.p = exits.p`)
}

async function countActive({ engine }: Work, open: readonly Evaluated[]): Promise<readonly Active[]> {
  const losers = await perSegment(engine, 'SELECT segment, count(*) AS profiles FROM losers GROUP BY segment')
  const sums = open.map(({ evaluated: { slot } }, index) => `, sum(${bitSql(slot)}::TINYINT) AS s${index}`)
  const rows = await engine.rows(`SELECT complete${sums.join('')} FROM rows GROUP BY complete`)
  const [complete, incomplete] = [true, false].map((value) => rows.find((row) => row['complete'] === value))
  return open.map((entry, index) => {
    const duplicateKey = losers(entry.segment.name, 'profiles')
    const missingMandatory = Number(incomplete?.[`s${index}`] ?? 0)
    return {
      segment: entry.segment,
      departed: false,
      members: entry.evaluated.members,
      evaluatedAt: entry.evaluated.evaluatedAt,
      current: currentSql(entry, duplicateKey),
      active: Number(complete?.[`s${index}`] ?? 0) - duplicateKey,
      leftOut: { missingMandatory, duplicateKey },
    }
  })
}

async function countChanges(
  { engine, plan }: Work,
  active: readonly Active[],
  baselines: ReadonlyMap<string, string>,
): Promise<readonly Delivery[]> {
  const exits = await perSegment(engine, 'SELECT segment, count(*) AS keys FROM exits GROUP BY segment')
  const changes = await perSegment(
    engine,
    `SELECT segment, count(*) FILTER (entered) AS entered, count(*) FILTER (status = 'realized') AS realized,
      count(*) FILTER (status = 'exited') AS exited FROM changes GROUP BY segment`,
  )
  const deliveries: Delivery[] = []
  for (const entry of active) {
    const { name } = entry.segment
    const baseline = baselines.get(name) ?? null
    const [base] =
      baseline === null ? [] : await engine.rows(`SELECT count(*) AS keys FROM read_parquet(${fileLiteral(baseline)})`)
    const complete = plan.export === 'Full' || baseline === null
    deliveries.push({
      ...entry,
      baseline,
      baselineSize: Number(base?.['keys'] ?? 0),
      complete,
      entered: baseline === null ? entry.active : changes(name, 'entered'),
      left: exits(name, 'keys'),
      realized: complete ? entry.active : changes(name, 'realized'),
      exited: complete ? 0 : changes(name, 'exited'),
    })
  }
  return deliveries
}

/** A query's counts by its column `segment`; 0 for a Segment that has no row. */
async function perSegment(engine: Engine, sql: string): Promise<(segment: string, count: string) => number> {
  const rows = new Map((await engine.rows(sql)).map((row) => [row['segment'], row]))
  return (segment, count) => Number(rows.get(segment)?.[count] ?? 0)
}

/** Why the circuit breaker holds a delivery, as a sentence; null where it lets it pass, as always a backfill and a Segment that is gone. */
function heldBecause(
  { circuitBreaker: breaker }: ExportPlan,
  { departed, baseline, baselineSize, active, entered, left }: Delivery,
): string | null {
  if (!breaker || departed || baseline === null || baselineSize === 0) return null
  if (active === 0 && !breaker.allowEmpty) return `nobody is in it any more, after ${baselineSize} delivered members.`
  const over = (count: number, limit: number | undefined) => limit !== undefined && (count * 100) / baselineSize > limit
  const percent = (count: number) => `${Math.round((count * 1000) / baselineSize) / 10}%`
  if (over(entered, breaker.maxEnteredPercent)) {
    return `${entered} would enter, ${percent(entered)} of the ${baselineSize} delivered members; the limit is ${breaker.maxEnteredPercent}%.`
  }
  if (over(left, breaker.maxExitedPercent)) {
    return `${left} would leave, ${percent(left)} of the ${baselineSize} delivered members; the limit is ${breaker.maxExitedPercent}%.`
  }
  return null
}

function detailOf(
  { segment, departed, members, entered, realized, exited, complete, leftOut }: Delivery,
  plan: ExportPlan,
): Detail {
  return {
    segment: segment.name,
    members,
    entered,
    realized,
    exited,
    backfill: complete && plan.export === 'Incremental',
    ...(departed && { departed }),
    counts: { ...leftOut },
  }
}

/** Files, then the delivered set, then the manifest: a manifest stands for files that are complete and a baseline that exists. */
async function publish(work: Work, delivery: Delivery): Promise<Detail> {
  const { context, plan, engine, landing, root, scratch, key } = work
  const { segment, baseline } = delivery
  const detail = detailOf(delivery, plan)
  const rows = delivery.realized + delivery.exited
  // A file without rows empties the audience of a Segment that is gone; of others the next one says more.
  if (plan.export === 'Incremental' && rows === 0 && !(delivery.departed && delivery.complete)) return detail

  const first = fileNameOf(plan, segment, context.input, 1)
  const manifestName = manifestNameOf(first)
  const files: DeliveryManifest['files'] = []
  const { maxRows } = plan.destination.file
  const parts: string[] = []
  for (let offset = 0; offset === 0 || offset < rows; offset += maxRows) {
    const path = await writeFile(work, delivery, offset)
    const name = fileNameOf(plan, segment, context.input, parts.length + 1)
    files.push({
      name,
      rows: Math.min(maxRows, rows - offset),
      bytes: statSync(path).size,
      sha256: await sha256OfFile(path),
    })
    parts.push(path)
  }
  const manifest: DeliveryManifest = {
    apiVersion: 'convoke.dev/v1alpha1',
    kind: 'DeliveryManifest',
    run: context.input.run,
    activation: plan.activation,
    segment: segment.name,
    planDigest: context.plan.digest,
    export: plan.export,
    backfill: detail.backfill === true,
    evaluatedAt: delivery.evaluatedAt,
    membershipVersion: work.membership.version,
    columns: [
      // A mapped column is a scalar, so its type is a word.
      ...plan.columns.map(({ target, source, type }) => ({ name: target, source, type: String(type) })),
      ...(plan.membershipStatus === 'Include' ? [{ name: statusColumn, source: statusColumn, type: 'string' }] : []),
    ],
    files,
    counts: { realized: delivery.realized, exited: delivery.exited, leftOut: delivery.leftOut },
  }

  // A name without {timestamp} is used again and again: until the new files are complete, no manifest may speak of them.
  const earlier = await readManifest(landing, manifestName, scratch)
  if (earlier) await landing.remove(manifestName)
  for (const [index, { name }] of files.entries()) await landing.put(name, parts[index]!)
  const kept = new Set(files.map(({ name }) => name))
  for (const { name } of earlier?.files ?? []) if (!kept.has(name)) await landing.remove(name)

  const delivered = deliveredPath(root, plan.activation, segment.name, context.input.run)
  const attributes = plan.incrementalOn === 'MembershipOrAttributes'
  const definition = `${literal(key.definition)} AS keys`
  await commitDelivered(
    engine,
    delivered,
    delivery.complete || baseline === null
      ? `SELECT ${definition}, ${key.list}, p AS "$profile", hash FROM ${delivery.current} ORDER BY ${key.list}, p`
      : `SELECT ${definition}, ${key.list}, p AS "$profile", ${attributes ? 'c.hash' : 'coalesce(base.hash, c.hash) AS hash'} FROM ${delivery.current} AS c
         LEFT JOIN (SELECT ${key.list}, hash FROM read_parquet(${fileLiteral(baseline)})) AS base USING (${key.list}) ORDER BY ${key.list}, p`,
  )
  const manifestPath = join(scratch, 'manifest.json')
  writeFileSync(manifestPath, JSON.stringify(manifest, null, 1) + '\n')
  await landing.put(manifestName, manifestPath)
  for (const path of parts) rmSync(path)
  if (baseline !== null) pruneDelivered(delivered, baseline)
  return { ...detail, manifest: manifestName, files }
}

/** Writes one part of a Segment's file to the scratch folder, in the order of the key; returns its path. */
async function writeFile({ engine, plan, key, scratch }: Work, delivery: Delivery, offset: number): Promise<string> {
  const { maxRows, compression, delimiter } = plan.destination.file
  const status = (sql: string) =>
    plan.membershipStatus === 'Include' ? `line || ${literal(delimiter)} || ${sql}` : 'line'
  const order = `ORDER BY ${key.list}, p`
  const select = delivery.complete
    ? // The table already has this order, which only a join would lose.
      `SELECT ${status("'realized'")} AS row FROM ${delivery.current} ${delivery.leftOut.duplicateKey > 0 ? order : ''}`
    : `SELECT ${status('status')} AS row FROM changes WHERE segment = ${literal(delivery.segment.name)} ${order}`
  const path = join(scratch, `${delivery.segment.name}-${offset}.csv`)
  // The lines are complete as they are; without a quote character DuckDB writes them so.
  await engine.run(`COPY (SELECT row AS ${identifier(headerLine(plan))} FROM (${select} LIMIT ${maxRows} OFFSET ${offset}))
    TO ${literal(path)} (FORMAT csv, HEADER true, QUOTE '', ESCAPE '')`)
  if (compression === 'None') return path
  await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.gz`))
  rmSync(path)
  return `${path}.gz`
}

function totalsOf(details: readonly Detail[]): Record<string, number> {
  const sum = (of: (detail: Detail) => number | undefined) =>
    details.reduce((total, detail) => total + (of(detail) ?? 0), 0)
  const delivered = details.filter(({ held }) => held === undefined)
  return {
    segments: details.length,
    held: details.length - delivered.length,
    files: sum(({ files }) => files?.length),
    rows: sum(({ files }) => files?.reduce((total, { rows }) => total + rows, 0)),
    bytes: sum(({ files }) => files?.reduce((total, { bytes }) => total + bytes, 0)),
    realized: delivered.reduce((total, { realized }) => total + (realized ?? 0), 0),
    exited: delivered.reduce((total, { exited }) => total + (exited ?? 0), 0),
    missingMandatory: sum(({ counts }) => counts?.['missingMandatory']),
    duplicateKey: sum(({ counts }) => counts?.['duplicateKey']),
  }
}
