import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type pg from 'pg'
import { from, to } from 'pg-copy-streams'
import {
  type DeliveryManifest,
  type Detail,
  type ImportPlan,
  parseDurationSeconds,
  type RunReport,
  validatorOf,
} from '#crds'
import { sha256OfFile } from '../digest.ts'
import { interrupted, JobError } from '../errors.ts'
import { departedOf } from '../export/departed.ts'
import { fileNameOf, manifestNameOf, rejectsNameOf } from '../export/file-names.ts'
import { connect, databaseFault, name, placeOf } from '../postgres/connection.ts'
import { runStep, type StepContext, type StepResult } from '../step.ts'
import { type LandingStore, openLandingStore } from '../stores/index.ts'
import { numberedRecords } from './numbered-records.ts'
import { ensureOwnSchema } from './own-schema.ts'
import { readTargetTable, type TargetColumn, type TargetTable } from './target-table.ts'

/**
 * Loads this run's delivered files into Campaign's table: update only, by the reconciliation key, one transaction per delivery
 * manifest. What the ledger knows is not done again and reported as it was.
 *
 * - A null in the file empties the column (Campaign's own default); a row that exits changes no column, only the list.
 * - The list holds who is in the audience: an exit removes the row. A file with every active member (Full, or a backfill) replaces it.
 * - The first row of a recipient counts, a realized one before an exited one; the others are rejected.
 */
export function importFiles(context: StepContext): Promise<RunReport> {
  return runStep('import', context, () => importAll(context))
}

type Work = {
  readonly context: StepContext
  readonly plan: ImportPlan
  readonly landing: LandingStore
  readonly client: pg.Client
  readonly scratch: string
  readonly format: { readonly delimiter: string; readonly nullValue: string }
}

async function importAll(context: StepContext): Promise<StepResult> {
  const { plan: job, ports } = context
  const plan = job.import
  if (!plan) throw new JobError('InvalidPlan', 'The plan has no import part: its CampaignInstance has no database.')
  const landing = await openLandingStore(plan.location, ports)
  const scratch = mkdtempSync(join(ports.scratch, 'import-'))
  const place = placeOf(plan.instance, plan.database, ports)
  let client: pg.Client | null = null
  try {
    const manifests = await manifestsOf(context, landing, scratch)
    if (manifests.length === 0) return { totals: totalsOf([]), details: [] }
    client = await connect(plan.instance, plan.database, ports)
    const open = client
    // Staging lies in temporary tables, and joins go over whole files.
    await open.query(`SET temp_buffers = '128MB'; SET work_mem = '128MB'`)
    await ensureOwnSchema(open).catch(async (error: unknown) => {
      throw databaseFault(error, place, `CREATE SCHEMA convoke AUTHORIZATION ${open.user};`)
    })
    const work = {
      context,
      plan,
      landing,
      client: open,
      scratch,
      format: job.export?.destination.file ?? { delimiter: ',', nullValue: '' },
    }
    const details: Detail[] = []
    let fault: JobError | undefined
    for (const [index, [manifestName, manifest]] of manifests.entries()) {
      ports.progress({
        step: 'import',
        subject: manifest.segment,
        done: index,
        total: manifests.length,
        unit: 'segments',
      })
      try {
        details.push(...(await importManifest(work, manifestName, manifest)))
      } catch (thrown) {
        const isUnknown = thrown instanceof UnknownCommit
        if (isUnknown) details.push({ segment: manifest.segment, manifest: manifestName, counts: { uncertain: 1 } })
        const error = isUnknown ? thrown.cause : thrown
        const grant = `GRANT SELECT, UPDATE ON ${name(plan.target.schema, plan.target.table)} TO ${open.user};`
        const found = databaseFault(error, place, grant)
        fault ??= found
        // A bad file says nothing about the next one; anything else would happen again.
        if (!fileFaults.has(found.reason)) break
      }
    }
    return { totals: totalsOf(details), details, ...(fault && { fault }) }
  } finally {
    await client?.end().catch(() => {})
    await landing.close()
    rmSync(scratch, { recursive: true, force: true })
  }
}

const fileFaults: ReadonlySet<string> = new Set(['ChecksumMismatch', 'RetentionExceeded', 'UnreadableFile'])

/** This run's manifests: by their names where the plan tells them, else by looking at every manifest there is. */
async function manifestsOf(
  { plan, input }: StepContext,
  landing: LandingStore,
  scratch: string,
): Promise<readonly (readonly [string, DeliveryManifest])[]> {
  const exported = plan.export
  const names = exported
    ? [...exported.segments, ...departedOf(exported, input)].map((segment) =>
        manifestNameOf(fileNameOf(exported, segment, input, 1)),
      )
    : (await landing.list('')).filter((candidate) => candidate.endsWith('.manifest.json'))
  const found: (readonly [string, DeliveryManifest])[] = []
  for (const candidate of names) {
    const path = join(scratch, 'manifest.json')
    if (!(await landing.get(candidate, path))) continue
    const manifest = parsedManifest(readFileSync(path, 'utf8'), candidate, landing)
    if (manifest.run === input.run) found.push([candidate, manifest])
  }
  return found
}

function parsedManifest(text: string, fileName: string, landing: LandingStore): DeliveryManifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new JobError('UnreadableFile', `${fileName} in ${landing.place} is no JSON. Run the export again.`, error)
  }
  const faults = validatorOf('DeliveryManifest')(value)
  if (faults.length > 0)
    throw new JobError(
      'UnreadableFile',
      `${fileName} in ${landing.place} is no delivery manifest: ${faults[0]!.message}. Run the export again.`,
    )
  // The validator has just said so.
  return value as DeliveryManifest
}

/** All files of one Segment, in one transaction. */
async function importManifest(
  work: Work,
  manifestName: string,
  manifest: DeliveryManifest,
): Promise<readonly Detail[]> {
  const { client, context, plan } = work
  await client.query('BEGIN')
  try {
    // One import of an audience at a time: its list is compared and then written.
    await client.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`convoke:${manifest.segment}`])
    const before = await importedBefore(work, manifestName, manifest)
    if (before) return before
    await refuseOld(work, manifestName, manifest)
    const paths = await downloaded(work, manifest)
    const target = await readTargetTable(client, plan, manifest)
    await stage(work, manifest, paths)
    await judge(work, target)
    const updated = await update(work, target)
    const list = plan.syncType === 'Audience' ? await updateList(work, manifest, target) : { added: 0, removed: 0 }
    const details = await detailsOf(work, manifest, manifestName, updated, list)
    await writeRejects(work, manifest, details)
    for (const { name: file, sha256, rows } of manifest.files) {
      await client.query('INSERT INTO convoke.import_ledger (run, file, sha256, rows) VALUES ($1, $2, $3, $4)', [
        manifest.run,
        file,
        sha256,
        rows,
      ])
    }
    await client.query('INSERT INTO convoke.import_results (run, manifest, details) VALUES ($1, $2, $3)', [
      manifest.run,
      manifestName,
      JSON.stringify(details),
    ])
    if (context.ports.signal.aborted) throw interrupted()
    await client.query('COMMIT').catch((error: unknown) => {
      throw isAnswer(error) ? error : new UnknownCommit('no answer to COMMIT', { cause: error })
    })
    return details
  } finally {
    // After COMMIT there is nothing to roll back.
    await client.query('ROLLBACK').catch(() => {})
  }
}

/** The database may have done it and could not say so any more. */
class UnknownCommit extends Error {}

/** Whether the database has said no; classes 08 and 57 say that it was cut short. */
function isAnswer(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return /^[0-9A-Z]{5}$/.test(code) && !/^(08|57)/.test(code)
}

/** What the ledger says about these files, or null; the same name with other content is refused. */
async function importedBefore(
  { client, landing }: Work,
  manifestName: string,
  manifest: DeliveryManifest,
): Promise<readonly Detail[] | null> {
  const { rows: ledger } = await client.query<{ file: string; sha256: string }>(
    'SELECT file, sha256 FROM convoke.import_ledger WHERE run = $1 AND file = ANY($2)',
    [manifest.run, manifest.files.map((file) => file.name)],
  )
  if (ledger.length === 0) return null
  const other = manifest.files.find((file) => ledger.find((row) => row.file === file.name)?.sha256 !== file.sha256)
  if (other) {
    throw new JobError(
      'ChecksumMismatch',
      `${other.name} in ${landing.place} was imported in the run ${manifest.run} with other content. Deliver it in a run of its own.`,
    )
  }
  const { rows } = await client.query<{ details: Detail[] }>(
    'SELECT details FROM convoke.import_results WHERE run = $1 AND manifest = $2',
    [manifest.run, manifestName],
  )
  return rows[0]?.details ?? []
}

/** The file's own age, and the age of what it says, since either clock may be the one that stood still. */
async function refuseOld(
  { context, plan, landing }: Work,
  manifestName: string,
  manifest: DeliveryManifest,
): Promise<void> {
  const { ports, input } = context
  const seconds = parseDurationSeconds(plan.retention)
  if (seconds === null) throw new JobError('InvalidPlan', `The retention ${plan.retention} is no duration like 168h.`)
  const written = await landing.stat(manifestName)
  const refuse = (ageMs: number, says: (hours: number) => string, next: string): void => {
    if (ageMs <= seconds * 1000) return
    const said = says(Math.floor(ageMs / 3_600_000))
    throw new JobError(
      'RetentionExceeded',
      `${manifestName} in ${landing.place} is ${said}; the landing zone keeps files for ${plan.retention}. ${next}`,
    )
  }
  if (written)
    refuse(
      ports.now().getTime() - written.modifiedAt.getTime(),
      (hours) => `${hours} h old`,
      'Run the Activation again.',
    )
  refuse(
    new Date(input.now).getTime() - new Date(manifest.evaluatedAt).getTime(),
    (hours) => `of an evaluation ${hours} h ago`,
    'Evaluate its ProfileStore, then run the Activation again.',
  )
}

/** Local copies of the files, each checked against the manifest. */
async function downloaded({ landing, scratch }: Work, manifest: DeliveryManifest): Promise<readonly string[]> {
  const paths: string[] = []
  for (const file of manifest.files) {
    const path = join(scratch, `file-${paths.length}`)
    const differs = (how: string) =>
      new JobError(
        'ChecksumMismatch',
        `${file.name} in ${landing.place} ${how}. Nothing of it was imported; run the Activation again.`,
      )
    if (!(await landing.get(file.name, path))) throw differs('is gone, although its manifest names it')
    const bytes = statSync(path).size
    if (bytes !== file.bytes) throw differs(`has ${bytes} bytes; its manifest says ${file.bytes}`)
    const digest = await sha256OfFile(path)
    if (digest !== file.sha256) throw differs(`has the SHA-256 ${digest}; its manifest says ${file.sha256}`)
    paths.push(path)
  }
  return paths
}

/** Table `staging`: every record as text, with its file and line. */
async function stage(
  { client, format, landing }: Work,
  manifest: DeliveryManifest,
  paths: readonly string[],
): Promise<void> {
  const columns = manifest.columns.map((_, index) => `c${index} text`).join(', ')
  await client.query(`CREATE TEMP TABLE staging (file integer, line bigint, fault text, ${columns}) ON COMMIT DROP`)
  const options = `FORMAT csv, DELIMITER ${text(format.delimiter)}, NULL ${text(format.nullValue)}`
  for (const [index, path] of paths.entries()) {
    const file = manifest.files[index]!.name
    try {
      const copy = client.query(from(`COPY staging FROM STDIN (${options})`))
      const content = createReadStream(path, { highWaterMark: 1 << 20 })
      const records = numberedRecords(index, format.delimiter)
      await (file.endsWith('.gz') ? pipeline(content, createGunzip(), records, copy) : pipeline(content, records, copy))
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      if (!/^22|^Z_/.test(code)) throw error
      const where = error instanceof Error && 'where' in error ? `, ${String(error.where)}` : ''
      throw new JobError(
        'UnreadableFile',
        `${file} in ${landing.place} is not the CSV that its manifest describes: ${(error as Error).message}${where}.`,
        error,
      )
    }
  }
}

/** Table `loaded`: the records as values of the target's types (k: key, v: written), or a reason not to load them. */
async function judge({ client, plan }: Work, target: TargetTable): Promise<void> {
  const { keys, columns, status } = target
  const exited = status === null ? 'false' : `coalesce(${status} = 'exited', false)`
  const described = (column: TargetColumn) => text(`${column.name}: `)
  const reasons = [
    `WHEN nullif(fault, '') IS NOT NULL THEN fault`,
    ...(status === null
      ? []
      : [
          `WHEN ${status} IS NULL OR ${status} NOT IN ('realized', 'exited') THEN 'segmentMembership.status is neither realized nor exited'`,
        ]),
    ...keys.map((key) => `WHEN coalesce(${key.staged}, '') = '' THEN ${text(`no value for the key ${key.name}`)}`),
    ...columns
      .filter(({ isKey, written }) => isKey || written)
      .flatMap((column) => {
        const matters = column.isKey ? '' : `NOT ${exited} AND `
        return [
          ...(column.valid === 'true'
            ? []
            : [
                `WHEN ${matters}${column.staged} IS NOT NULL AND NOT ${column.valid} THEN ${described(column)} || quote_literal(left(${column.staged}, 100)) || ${text(` is no ${column.type}`)}`,
              ]),
          ...(column.required
            ? [`WHEN ${matters}${column.staged} IS NULL THEN ${text(`${column.name} may not be empty`)}`]
            : []),
        ]
      }),
  ]
  const values = [
    ...keys.map((key, index) => `CASE WHEN reason IS NULL THEN ${key.staged}::${key.type} END AS k${index}`),
    ...columns
      .filter(({ written }) => written)
      .map(
        (column, index) =>
          `CASE WHEN reason IS NULL AND NOT exited THEN ${column.staged}::${column.type} END AS v${index}`,
      ),
  ]
  // OFFSET 0 keeps the planner from judging every record once per column.
  await client.query(`CREATE TEMP TABLE loaded ON COMMIT DROP AS
    SELECT file, line, exited, reason, ${values.join(', ')} FROM (SELECT *, ${exited} AS exited, CASE ${reasons.join(' ')} END AS reason FROM staging OFFSET 0) AS judged`)
  await client.query('ANALYZE loaded')

  const key = keys.map((_, index) => `k${index}`).join(', ')
  const same = keys.map((column, index) => `t.${name(column.name)} = l.k${index}`).join(' AND ')
  const { rows: repeated } = await client.query(
    `SELECT 1 FROM loaded WHERE reason IS NULL GROUP BY ${key} HAVING count(*) > 1 LIMIT 1`,
  )
  if (repeated.length > 0) {
    await client.query(`UPDATE loaded l SET reason = 'the same key as line ' || first.line FROM (
        SELECT ctid, first_value(line) OVER w AS line, row_number() OVER w AS number FROM loaded WHERE reason IS NULL
        WINDOW w AS (PARTITION BY ${key} ORDER BY exited, file, line)) AS first
      WHERE first.ctid = l.ctid AND first.number > 1`)
  }
  const table = text(`${plan.target.schema}.${plan.target.table}`)
  await client.query(`UPDATE loaded l SET reason = 'no row of ' || ${table} || ' has this key'
    WHERE reason IS NULL AND NOT exited AND NOT EXISTS (SELECT 1 FROM ${target.name} t WHERE ${same})`)
  if (!target.uniqueKey) {
    await client.query(`UPDATE loaded l SET reason = several.number || ' rows of ' || ${table} || ' have this key' FROM (
        SELECT l.ctid, count(*) AS number FROM loaded l JOIN ${target.name} t ON ${same} WHERE l.reason IS NULL AND NOT l.exited GROUP BY l.ctid HAVING count(*) > 1) AS several
      WHERE several.ctid = l.ctid`)
  }
}

/** Updates what differs; returns the updated rows per file. A row that a constraint or trigger refuses is rejected by itself. */
async function update({ client }: Work, target: TargetTable): Promise<ReadonlyMap<number, number>> {
  const written = target.columns.filter((column) => column.written)
  const updated = new Map<number, number>()
  if (written.length === 0) return updated
  const statement = (range: string) => `WITH done AS (
      UPDATE ${target.name} t SET ${written.map((column, index) => `${name(column.name)} = l.v${index}`).join(', ')} FROM loaded l
      WHERE ${target.keys.map((column, index) => `t.${name(column.name)} = l.k${index}`).join(' AND ')} AND l.reason IS NULL AND NOT l.exited ${range}
        AND (${written.map((column, index) => `t.${name(column.name)} IS DISTINCT FROM l.v${index}`).join(' OR ')})
      RETURNING l.file)
    SELECT file, count(*)::integer AS rows FROM done GROUP BY file`

  /** Halves a range until the refused rows stand alone. */
  const attempt = async (range: { readonly low: number; readonly high: number } | null): Promise<void> => {
    await client.query('SAVEPOINT part')
    try {
      const { rows } = await client.query<{ file: number; rows: number }>(
        statement(range ? `AND l.number BETWEEN ${range.low} AND ${range.high}` : ''),
      )
      for (const row of rows) updated.set(row.file, (updated.get(row.file) ?? 0) + row.rows)
      await client.query('RELEASE SAVEPOINT part')
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      // Integrity, data, or an exception that a trigger raised.
      if (!/^(22|23|P0001)/.test(code)) throw error
      await client.query('ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part')
      if (range === null) {
        await client.query('ALTER TABLE loaded ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY')
        const { rows } = await client.query<{ number: number }>(
          'SELECT coalesce(max(number), 0)::integer AS number FROM loaded',
        )
        await attempt({ low: 1, high: rows[0]!.number })
      } else if (range.low === range.high) {
        await client.query('UPDATE loaded SET reason = $1 WHERE number = $2', [
          `the database refused it: ${(error as Error).message}`,
          range.low,
        ])
      } else {
        const middle = Math.floor((range.low + range.high) / 2)
        await attempt({ low: range.low, high: middle })
        await attempt({ low: middle + 1, high: range.high })
      }
    }
  }
  await attempt(null)
  return updated
}

/** Brings the audience's list up to date. */
async function updateList(
  { client }: Work,
  manifest: DeliveryManifest,
  { keys }: TargetTable,
): Promise<{ readonly added: number; readonly removed: number }> {
  const key = `jsonb_build_array(${keys.map((_, index) => `k${index}`).join(', ')})`
  const complete = manifest.export === 'Full' || manifest.backfill
  const removed = await client.query(
    complete
      ? `DELETE FROM convoke.audience_members m WHERE segment = $1
           AND NOT EXISTS (SELECT 1 FROM loaded WHERE reason IS NULL AND NOT exited AND ${key} = m.recipient_key)`
      : `DELETE FROM convoke.audience_members m USING loaded WHERE segment = $1 AND reason IS NULL AND exited AND ${key} = m.recipient_key`,
    [manifest.segment],
  )
  const added = await client.query(
    `INSERT INTO convoke.audience_members (segment, recipient_key, status, since, run)
     SELECT $1, ${key}, 'realized', $2, $3 FROM loaded WHERE reason IS NULL AND NOT exited
       AND NOT EXISTS (SELECT 1 FROM convoke.audience_members m WHERE m.segment = $1 AND m.recipient_key = ${key})`,
    [manifest.segment, manifest.evaluatedAt, manifest.run],
  )
  return { added: added.rowCount ?? 0, removed: removed.rowCount ?? 0 }
}

/** One entry per file; what happened to the list stands with the first. */
async function detailsOf(
  { client, context: { plan, input } }: Work,
  manifest: DeliveryManifest,
  manifestName: string,
  updated: ReadonlyMap<number, number>,
  list: { readonly added: number; readonly removed: number },
): Promise<readonly Detail[]> {
  const { rows } = await client.query<{ file: number; read: number; rejected: number; exited: number }>(
    `SELECT file, count(*)::integer AS read, count(reason)::integer AS rejected, (count(*) FILTER (WHERE exited AND reason IS NULL))::integer AS exited FROM loaded GROUP BY file`,
  )
  const departed = departedOf(plan.export ?? { segments: [] }, input).some(
    ({ name: gone }) => gone === manifest.segment,
  )
  return manifest.files.map(({ name: file }, index) => {
    const { read, rejected, exited } = rows.find((row) => row.file === index) ?? { read: 0, rejected: 0, exited: 0 }
    const changed = updated.get(index) ?? 0
    return {
      segment: manifest.segment,
      file,
      manifest: manifestName,
      ...(departed && { departed }),
      counts: {
        rowsRead: read,
        updated: changed,
        unchanged: read - rejected - exited - changed,
        rejected,
        exited,
        added: index === 0 ? list.added : 0,
        removed: index === 0 ? list.removed : 0,
      },
    }
  })
}

/** A rejects file for every file with rejected rows; one left by an earlier attempt is emptied, never deleted. */
async function writeRejects(
  { client, landing, scratch, format }: Work,
  manifest: DeliveryManifest,
  details: readonly Detail[],
): Promise<void> {
  for (const [index, { name: file }] of manifest.files.entries()) {
    const rejects = rejectsNameOf(file)
    if (details[index]?.counts?.['rejected'] === 0 && (await landing.stat(rejects)) === null) continue
    const columns = manifest.columns.map((column, position) => `s.c${position} AS ${name(column.name)}`).join(', ')
    const copy = client.query(
      to(`COPY (SELECT l.line, l.reason, ${columns} FROM loaded l JOIN staging s USING (file, line) WHERE l.reason IS NOT NULL AND l.file = ${index} ORDER BY l.line)
        TO STDOUT (FORMAT csv, HEADER true, DELIMITER ${text(format.delimiter)}, NULL ${text(format.nullValue)})`),
    )
    const path = join(scratch, 'rejects.csv')
    await pipeline(copy, createWriteStream(path))
    await landing.put(rejects, path)
  }
}

function totalsOf(details: readonly Detail[]): Record<string, number> {
  const counts = ['rowsRead', 'updated', 'unchanged', 'rejected', 'exited', 'added', 'removed']
  const sum = (count: string) => details.reduce((total, detail) => total + (detail.counts?.[count] ?? 0), 0)
  return { files: details.length, ...Object.fromEntries(counts.map((count) => [count, sum(count)])) }
}

/** A text as a literal, whatever it holds. */
function text(value: string): string {
  return value.includes('\\')
    ? `E'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
    : `'${value.replaceAll("'", "''")}'`
}
