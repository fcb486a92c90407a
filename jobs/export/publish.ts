// Files and manifests in the landing zone, and delivered sets in the store.
import { createReadStream, createWriteStream, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { DeliveryManifest, Detail, ExportPlan } from '#crds'
import { sha256OfFile } from '../digest.ts'
import { fileLiteral, identifier, literal } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import type { LandingStore } from '../stores/index.ts'
import { headerLine } from './csv-line.ts'
import { commitDelivered, deliveredPath, pruneDelivered } from './delivered-set.ts'
import { fileNameOf, manifestNameOf, statusColumn } from './file-names.ts'
import type { Delivery, Segment, Work } from './work.ts'

/**
 * What an earlier attempt of this run has published of a Segment; null: nothing. A Run of the same name with another plan is another Run.
 */
export async function publishedBefore(
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
  // Without its delivered set a later increment would have nothing to compare with: publish again.
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

/** null where there is no such file, or where it is no delivery manifest. */
async function readManifest(landing: LandingStore, name: string, scratch: string): Promise<DeliveryManifest | null> {
  const local = join(scratch, 'manifest.json')
  if (!(await landing.get(name, local))) return null
  try {
    // Only this step writes this kind of file; its shape is the schema's.
    const found = JSON.parse(readFileSync(local, 'utf8')) as DeliveryManifest
    return found.kind === 'DeliveryManifest' ? found : null
  } catch {
    return null
  }
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

/** Publishes the files, then the delivered set, then the manifest: a manifest stands for complete files and a baseline that exists. */
export async function publish(work: Work, delivery: Delivery): Promise<Detail> {
  const { context, plan, engine, landing, root, scratch, key } = work
  const { segment, baseline } = delivery
  const detail = detailOf(delivery, plan)
  const rows = delivery.realized + delivery.exited
  // A file without rows empties the audience of a deleted Segment. For other Segments nothing is written: the next file says more.
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
      // A mapped column is a scalar, so its type is one word.
      ...plan.columns.map(({ target, source, type }) => ({ name: target, source, type: String(type) })),
      ...(plan.membershipStatus === 'Include' ? [{ name: statusColumn, source: statusColumn, type: 'string' }] : []),
    ],
    files,
    counts: { realized: delivery.realized, exited: delivery.exited, leftOut: delivery.leftOut },
  }

  // A name without {timestamp} is used in every run: until the new files are complete, no manifest may describe them.
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

/** Writes one part of a Segment's file to the scratch folder, ordered by the key; returns its path. */
async function writeFile({ engine, plan, key, scratch }: Work, delivery: Delivery, offset: number): Promise<string> {
  const { maxRows, compression, delimiter } = plan.destination.file
  const status = (sql: string) =>
    plan.membershipStatus === 'Include' ? `line || ${literal(delimiter)} || ${sql}` : 'line'
  const order = `ORDER BY ${key.list}, p`
  const select = delivery.complete
    ? // the table has this order already, and only a join would lose it.
      `SELECT ${status("'realized'")} AS row FROM ${delivery.current} ${delivery.leftOut.duplicateKey > 0 ? order : ''}`
    : `SELECT ${status('status')} AS row FROM changes WHERE segment = ${literal(delivery.segment.name)} ${order}`
  const path = join(scratch, `${delivery.segment.name}-${offset}.csv`)
  // The lines are quoted already; DuckDB writes them unchanged when it has no quote character.
  await engine.run(`COPY (SELECT row AS ${identifier(headerLine(plan))} FROM (${select} LIMIT ${maxRows} OFFSET ${offset}))
    TO ${literal(path)} (FORMAT csv, HEADER true, QUOTE '', ESCAPE '')`)
  if (compression === 'None') return path
  await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.gz`))
  rmSync(path)
  return `${path}.gz`
}
