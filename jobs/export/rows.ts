// The rows of all Segments in one pass over the store, and what changed against the baselines. The statements pass these temporary tables
// to each other, made in this order; `key` stands for the columns of `Key.list`:
//   rows     p, key, line, hash, complete, membership words         a profile that is in any of the Segments, in the order of the key
//   losers   segment, p                                             profiles whose key another profile carries into the file
//   changes  segment, key, p, line, entered, status                 rows of increments
//   exits    segment, key, p                                        keys in the baseline that are no longer in the Segment
import { type ExportPlan, membershipPath } from '#crds'
import { type Engine, fileLiteral, identifier, literal } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import { bitSql, membershipRowsSql, membersSql, profilesSql, slotsPerWord } from '../profile-store.ts'
import { checkFiles } from '../store-files.ts'
import { cellSql, isTextColumn, lineSql, profileColumnsOf } from './csv-line.ts'
import { deliveredPath, readableBaseline } from './delivered-set.ts'
import { type Active, canExit, type Delivery, type Evaluated, type Key, type Segment, type Work } from './work.ts'

/** Makes the rows of all Segments in one pass over the buckets, and finds what changed against the baselines. */
export async function prepare(
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
      // A deleted Segment is known to be gone now, whenever the store was last evaluated.
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
 * Makes table `rows`: one row for each profile that is in any of the Segments, in the order of the key. `line` is the row as it stands in
 * a file, without status; `complete`: nothing mandatory is missing. A line is made once per profile, not once for each of its Segments.
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
function cellsSql({ plan, context, data, root, membership }: Work, bucket: number): string {
  const columns = profileColumnsOf(plan.columns)
  const own = new Set(context.plan.store?.profile.map(({ path }) => path))
  const qualified = columns.filter(({ path }) => !own.has(path) && membershipPath(path) !== null)
  const profiles = profilesSql(
    data,
    root,
    bucket,
    columns.filter((column) => !qualified.includes(column)),
  )
  const cells = plan.columns.map((column, index) => `${cellSql(column)} AS c${index}`).join(', ')
  const rows = qualified.length === 0 ? null : membershipRowsSql(membership, root, bucket)
  if (qualified.length === 0) return `SELECT "$profile" AS p, ${cells} FROM (${profiles})`
  const read = qualified.map(({ path }) => `${rows ? qualifiedSql(membership, path) : 'NULL'} AS ${identifier(path)}`)
  const memberships = `SELECT "$profile", ${read.join(', ')} FROM (${rows ?? 'SELECT NULL::VARCHAR AS "$profile" WHERE false'})`
  return `SELECT "$profile" AS p, ${cells} FROM (${profiles}) LEFT JOIN (${memberships}) USING ("$profile")`
}

/** SQL over a membership row for what a path reads of a Segment's membership: null for a Segment that was never evaluated. */
function qualifiedSql({ segments }: Work['membership'], path: string): string {
  const { segment, part } = membershipPath(path)! // asked before
  const known = segments.find((each) => each.segment === segment)
  if (part === 'since') return known ? `t${known.slot}` : 'NULL::TIMESTAMP'
  return known
    ? `CASE WHEN t${known.slot} IS NOT NULL THEN CASE WHEN ${bitSql(known.slot)} THEN 'realized' ELSE 'exited' END END`
    : 'NULL::VARCHAR'
}

/** SQL for a row without status; `cell` gives SQL for the text of a column. */
function lineOf({ columns, destination }: ExportPlan, cell: (column: number) => string): string {
  return lineSql(
    columns.map((column, index) => ({ sql: cell(index), isText: isTextColumn(column) })),
    destination.file,
  )
}

/** SQL for the key's columns: cells of a row, or the profile id. */
function keySql(key: Key, cell: (column: number) => string, profile: string): string {
  return key.columns.length === 0
    ? `${profile} AS k0`
    : key.columns.map((column, index) => `${cell(column)} AS k${index}`).join(', ')
}

/** Runs `work`. A file that is gone means that a newer version was committed, and this one cleaned up, meanwhile. */
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

/**
 * Makes table `losers`. Of profiles with the same key in a Segment the one that qualified last stays, then the one with the smallest row.
 */
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

/**
 * Adds the rows of exits to `changes`: the profile's values of today under the key that was delivered; the key alone if the profile is
 * gone.
 */
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
  // Without a key column, the row of a profile that is gone would not say whose it is.
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

/** Counts of a query by its column `segment`; 0 for a Segment without a row. */
async function perSegment(engine: Engine, sql: string): Promise<(segment: string, count: string) => number> {
  const rows = new Map((await engine.rows(sql)).map((row) => [row['segment'], row]))
  return (segment, count) => Number(rows.get(segment)?.[count] ?? 0)
}
