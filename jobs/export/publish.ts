// Files and manifests in the landing zone, and delivered sets in the store.
import { createReadStream, createWriteStream, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip, gzipSync } from 'node:zlib'
import type { DeliveryManifest, Detail, ExportPlan } from '#crds'
import { sha256, sha256OfFile } from '../digest.ts'
import { identifier, literal } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import { headerLine } from './csv-line.ts'
import { commitDelivered, type DeliveredSet, deliveredSql } from './delivered-set.ts'
import { fileNameOf, manifestNameOf, statusColumn } from './file-names.ts'
import { baselineSql, batchesOf, currentSql } from './rows.ts'
import { type Active, canExit, type Delivery, type Segment, type Work } from './work.ts'

/**
 * What an earlier attempt of this run has published of a Segment; null: nothing. A Run of the same name with another plan is another Run.
 */
export async function publishedBefore(work: Work, segment: Segment): Promise<Detail | null> {
  const { context, plan, landing, engine, sets } = work
  const name = manifestNameOf(fileNameOf(plan, segment, context.input, 1))
  const manifest = await readManifest(work, name)
  if (manifest === null) return null
  if (manifest.activation !== plan.activation || manifest.segment !== segment.name) {
    throw new JobError(
      'InvalidPlan',
      `${name} in ${landing.place} is the Segment ${manifest.segment} of the Activation ${manifest.activation}, not ${segment.name} of ${plan.activation}. Add {activation} to the Destination's nameTemplate.`,
    )
  }
  if (manifest.run !== context.input.run || manifest.planDigest !== context.plan.digest) return null
  for (const file of manifest.files) if ((await landing.stat(file.name))?.bytes !== file.bytes) return null
  // Without its delivered set a later increment would have nothing to compare with: publish again.
  const set = sets.of(segment.name, manifest.run)
  if (set === null) return null
  const members =
    set.rows ?? Number((await engine.rows(`SELECT count(*) AS rows FROM (${deliveredSql(set, 'hash')})`))[0]?.['rows'])
  const { realized, exited, leftOut } = manifest.counts
  const { missingMandatory, duplicateKey, withoutConsent = 0 } = leftOut
  const { held } = manifest
  return {
    segment: segment.name,
    members: members + missingMandatory + duplicateKey + withoutConsent,
    realized,
    exited,
    backfill: manifest.backfill,
    manifest: name,
    files: manifest.files,
    counts: { ...leftOut, ...(held && { withdrawn: exited }) },
    ...(held && { ...held.detail, held: held.reason }),
  }
}

/** null where there is no such file, or where it is no delivery manifest. */
async function readManifest({ landing, listing, scratch }: Work, name: string): Promise<DeliveryManifest | null> {
  if (!(await listing.has(name))) return null
  const local = join(scratch, `${sha256(name)}.json`)
  if (!(await landing.get(name, local))) return null
  try {
    // Only this step writes this kind of file; its shape is the schema's.
    const found = JSON.parse(readFileSync(local, 'utf8')) as DeliveryManifest
    return found.kind === 'DeliveryManifest' ? found : null
  } catch {
    return null
  } finally {
    rmSync(local)
  }
}

/** The part of a held delivery that is made all the same: the exits of those who may no longer be sent. */
export function withdrawalOf(delivery: Delivery, because: string, plan: ExportPlan): Delivery {
  const detail = detailOf(delivery, plan)
  return { ...delivery, held: { because, detail }, complete: false, realized: 0, exited: delivery.withdrawn }
}

/**
 * The part of a held delivery that takes everybody off the list who has left, where only entries wait; null where nobody has left, or where
 * files cannot say so.
 */
export async function exitsOf({ engine, plan }: Work, delivery: Delivery, because: string): Promise<Delivery | null> {
  const { segment, baseline, exited } = delivery
  if (!canExit(plan) || baseline === null || exited === 0) return null
  await engine.run(`DELETE FROM changes WHERE segment = ${literal(segment.name)} AND status = 'realized'`)
  const detail = { ...detailOf(delivery, plan), realized: 0 }
  return { ...delivery, held: { because, detail }, onlyExits: true, withdrawn: exited, realized: 0 }
}

export function detailOf(
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

/** A file of a Segment, in the scratch folder. */
type Written = { readonly path: string; readonly rows: number; readonly bytes: number; readonly sha256: string }

/** How many Segments are published at the same time: mostly they wait for disks and services. */
const atOnce = 8

/**
 * Publishes what is to be delivered: the delivered set of all Segments, then of each Segment its files and its manifest. A manifest stands
 * for complete files and a baseline that exists. Ends with the first fault; the Segments that were at work then have their details as well.
 */
export async function publishAll(
  work: Work,
  deliveries: readonly Delivery[],
): Promise<{ readonly details: ReadonlyMap<string, Detail>; readonly fault: unknown }> {
  const { plan, context } = work
  const details = new Map<string, Detail>()
  const written = deliveries.filter((delivery) => {
    // A file without rows empties the audience of a deleted Segment. For other Segments nothing is written: the next file says more.
    const isNothing =
      plan.export === 'Incremental' && rowsOf(delivery) === 0 && !(delivery.departed && delivery.complete)
    if (isNothing) details.set(delivery.segment.name, detailOf(delivery, plan))
    return !isNothing
  })
  if (written.length === 0) return { details, fault: null }
  await writeDelivered(work, written)
  let done = details.size
  let fault: unknown = null
  const publishOne = async (delivery: Delivery, files: readonly Written[]): Promise<void> => {
    const { name } = delivery.segment
    context.ports.progress({ step: 'export', subject: name, done, total: deliveries.length, unit: 'segments' })
    try {
      details.set(name, await publish(work, delivery, files))
      done += 1
    } catch (error) {
      fault ??= error
      // Its manifest may be there or not; later Segments have none.
      details.set(name, { segment: name, counts: { uncertain: 1 } })
    }
  }
  for await (const group of filesOf(work, written)) {
    const waiting = [...group]
    const turns = Array.from({ length: Math.min(atOnce, waiting.length) }, async () => {
      for (let next = waiting.shift(); next && fault === null; next = waiting.shift()) await publishOne(...next)
    })
    await Promise.all(turns)
    if (fault !== null) break
  }
  return { details, fault }
}

async function publish(work: Work, delivery: Delivery, written: readonly Written[]): Promise<Detail> {
  const { context, plan, landing, scratch, membership } = work
  const { segment, held } = delivery
  const detail = detailOf(delivery, plan)
  const manifestName = manifestNameOf(fileNameOf(plan, segment, context.input, 1))
  const files = written.map(({ rows, bytes, sha256 }, part) => ({
    name: fileNameOf(plan, segment, context.input, part + 1),
    rows,
    bytes,
    sha256,
  }))
  const manifest: DeliveryManifest = {
    apiVersion: 'convoke.dev/v1alpha1',
    kind: 'DeliveryManifest',
    run: context.input.run,
    activation: plan.activation,
    segment: segment.name,
    planDigest: context.plan.digest,
    // Files of a held Segment name who leaves, never who stays.
    export: held === null ? plan.export : 'Incremental',
    backfill: held === null && detail.backfill === true,
    evaluatedAt: delivery.evaluatedAt,
    membershipVersion: membership.version,
    columns: [
      // A mapped column is a scalar, so its type is one word.
      ...plan.columns.map(({ target, source, type }) => ({ name: target, source, type: String(type) })),
      ...(plan.membershipStatus === 'Include' ? [{ name: statusColumn, source: statusColumn, type: 'string' }] : []),
    ],
    files,
    counts: { realized: delivery.realized, exited: delivery.exited, leftOut: delivery.leftOut },
    ...(held && { held: { reason: held.because, detail: wholeOf(held.detail) } }),
  }

  // A name without {timestamp} is used in every run: until the new files are complete, no manifest may describe them.
  const earlier = await readManifest(work, manifestName)
  if (earlier) await landing.remove(manifestName)
  for (const [index, { name }] of files.entries()) await landing.put(name, written[index]!.path)
  const kept = new Set(files.map(({ name }) => name))
  for (const { name } of earlier?.files ?? []) if (!kept.has(name)) await landing.remove(name)

  const manifestPath = join(scratch, `${segment.name}.manifest.json`)
  writeFileSync(manifestPath, JSON.stringify(manifest, null, 1) + '\n')
  await landing.put(manifestName, manifestPath)
  for (const path of [manifestPath, ...written.map((file) => file.path)]) rmSync(path)
  if (held === null) return { ...detail, manifest: manifestName, files }
  const counts = { ...delivery.leftOut, withdrawn: delivery.withdrawn }
  return { ...held.detail, held: held.because, counts, manifest: manifestName, files }
}

function wholeOf({ members = 0, entered = 0, exited = 0 }: Detail) {
  return { members, entered, exited }
}

function rowsOf({ realized, exited }: Delivery): number {
  return realized + exited
}

/** Writes the delivered set of all deliveries. */
async function writeDelivered(work: Work, deliveries: readonly Delivery[]): Promise<void> {
  const { engine, plan, root, key, context } = work
  const of = { root, activation: plan.activation, run: context.input.run }
  const baselines = new Map<Active, DeliveredSet>(
    deliveries.flatMap((each) => (each.baseline && !each.complete ? [[each, each.baseline]] : [])),
  )
  const keepsHash = plan.incrementalOn !== 'MembershipOrAttributes'
  const whole = deliveries.filter(({ held }) => held === null)
  const content = batchesOf(whole, ({ active, baselineSize }) => active + baselineSize).map((batch) => {
    const base = keepsHash ? baselineSql(work, batch, baselines) : ''
    const [joined, hash] =
      base === ''
        ? ['', 'c.hash']
        : [`LEFT JOIN (${base}) AS base USING (segment, ${key.list})`, 'coalesce(base.hash, c.hash) AS hash']
    return {
      segments: new Map(batch.map(({ segment, active }) => [segment.name, active])),
      sql: `SELECT segment, ${key.list}, c.p AS "$profile", ${hash} FROM (${currentSql(batch)}) AS c ${joined} ORDER BY segment, ${key.list}, c.p`,
    }
  })
  const withdrawn = batchesOf(
    deliveries.filter(({ held }) => held !== null),
    ({ baselineSize }) => baselineSize,
  ).map((batch) => ({
    segments: new Map(batch.map((each) => [each.segment.name, each.baselineSize - each.withdrawn])),
    sql: `SELECT segment, ${key.list}, "$profile", hash FROM (${baselineSql(work, batch, baselines)}) AS base
      ANTI JOIN (SELECT segment, ${key.list} FROM exits WHERE ${leavingSql(batch)}) AS out USING (segment, ${key.list}) ORDER BY segment, ${key.list}, "$profile"`,
  }))
  await commitDelivered(engine, of, key.definition, [...content, ...withdrawn])
}

/** How much text of files is held in memory at a time, in bytes. */
const textBytes = 16 * 1024 * 1024
const textSegments = 500

/** The files of all deliveries, group by group: small files of many Segments are made by one query, a large one by itself. */
async function* filesOf(
  work: Work,
  deliveries: readonly Delivery[],
): AsyncGenerator<readonly (readonly [Delivery, readonly Written[]])[]> {
  const { engine, plan } = work
  const { maxRows } = plan.destination.file
  const [row] = await engine.rows('SELECT coalesce(avg(strlen(line)), 0) AS bytes FROM rows')
  const textRows = Math.min(maxRows, Math.ceil(textBytes / (Number(row?.['bytes'] ?? 0) + 20)))
  const isSmall = (delivery: Delivery) => rowsOf(delivery) <= textRows && !(delivery.complete && delivery.isLarge)
  for (const complete of [true, false]) {
    const small = deliveries.filter((delivery) => delivery.complete === complete && isSmall(delivery))
    for (const batch of batchesOf(small, rowsOf, { rows: textRows, segments: textSegments }))
      yield smallFiles(work, batch)
  }
  for (const delivery of deliveries) {
    if (isSmall(delivery)) continue
    const rows = rowsOf(delivery)
    const files: Written[] = []
    for (let offset = 0; offset === 0 || offset < rows; offset += maxRows) {
      const path = await largeFile(work, delivery, offset)
      files.push({
        path,
        rows: Math.min(maxRows, rows - offset),
        bytes: statSync(path).size,
        sha256: await sha256OfFile(path),
      })
    }
    yield [[delivery, files]]
  }
}

/** SQL for a row of a file; `status`: SQL of its status. */
function rowSql({ membershipStatus, destination }: ExportPlan, status: string): string {
  return membershipStatus === 'Include' ? `line || ${literal(destination.file.delimiter)} || ${status}` : 'line'
}

/** Which exits of held deliveries are made: those of people who may no longer be sent, or all. */
function leavingSql(batch: readonly Delivery[]): string {
  const whole = batch.filter(({ onlyExits }) => onlyExits).map(({ segment }) => literal(segment.name))
  return whole.length === 0 ? 'withheld' : `withheld OR segment IN (${whole.join(', ')})`
}

/** SELECT of the rows of increments; of a held Segment only of those who may no longer be sent. */
function changesSql(batch: readonly Delivery[]): string {
  const names = (some: readonly Delivery[]) => some.map(({ segment }) => literal(segment.name)).join(', ')
  const held = batch.filter((each) => each.held !== null && !each.onlyExits)
  const some = held.length === 0 ? '' : `AND (withheld OR segment NOT IN (${names(held)}))`
  return `SELECT * FROM changes WHERE segment IN (${names(batch)}) ${some}`
}

/** The files of a batch, all of which are complete, or none. */
async function smallFiles(
  { engine, plan, key, scratch }: Work,
  batch: readonly Delivery[],
): Promise<readonly (readonly [Delivery, readonly Written[]])[]> {
  const select = batch[0]?.complete
    ? `SELECT segment, string_agg(${rowSql(plan, "'realized'")}, chr(10) ORDER BY n) AS text FROM (${currentSql(batch)}) GROUP BY segment`
    : `SELECT segment, string_agg(${rowSql(plan, 'status')}, chr(10) ORDER BY ${key.list}, p) AS text FROM (${changesSql(batch)}) GROUP BY segment`
  const texts = new Map((await engine.rows(select)).map((row) => [row['segment'], String(row['text'])]))
  const header = headerLine(plan)
  return batch.map((delivery) => {
    const { name } = delivery.segment
    const text = texts.get(name)
    const plain = Buffer.from(text === undefined ? `${header}\n` : `${header}\n${text}\n`)
    const isPlain = plan.destination.file.compression === 'None'
    const content = isPlain ? plain : gzipSync(plain)
    const path = join(scratch, `${name}.csv`)
    writeFileSync(path, content)
    return [delivery, [{ path, rows: rowsOf(delivery), bytes: content.length, sha256: sha256(content) }]]
  })
}

/** Writes one part of a Segment's file to the scratch folder, ordered by the key; returns its path. */
async function largeFile({ engine, plan, key, scratch }: Work, delivery: Delivery, offset: number): Promise<string> {
  const { maxRows, compression } = plan.destination.file
  const order = `ORDER BY ${key.list}, p`
  const isOrdered = delivery.isLarge && delivery.leftOut.duplicateKey === 0
  const select = delivery.complete
    ? // the table has this order already, and only a join would lose it.
      `SELECT ${rowSql(plan, "'realized'")} AS row FROM (${currentSql([delivery])}) ${isOrdered ? '' : 'ORDER BY n'}`
    : `SELECT ${rowSql(plan, 'status')} AS row FROM (${changesSql([delivery])}) ${order}`
  const path = join(scratch, `${delivery.segment.name}-${offset}.csv`)
  // The lines are quoted already; DuckDB writes them unchanged when it has no quote character.
  await engine.run(`COPY (SELECT row AS ${identifier(headerLine(plan))} FROM (${select} LIMIT ${maxRows} OFFSET ${offset}))
    TO ${literal(path)} (FORMAT csv, HEADER true, QUOTE '', ESCAPE '')`)
  if (compression === 'None') return path
  await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.gz`))
  rmSync(path)
  return `${path}.gz`
}
