// The rows of all Segments in one pass over the store, and what changed against the baselines. The statements pass these temporary tables
// to each other, made in this order; `key` stands for the columns of `Key.list`:
//   rows     p, key, line, hash, fate, complete, words              a profile that is in any of the Segments, in the order of the key
//   losers   segment, p                                             profiles whose key another profile carries into the file
//   members  slot, n                                                rows (by rowid) of the Segments that are not large, in order
//   changes  segment, key, p, line, entered, status, withheld       rows of increments
//   exits    segment, key, p, withheld                              keys in the baseline that are no longer in the Segment
import { type ExportPlan, membershipPath } from '#crds'
import { type Engine, fileLiteral, identifier, literal } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import { maskOf, statusesSql, wordsOf } from '../memberships.ts'
import { bitSql, membershipRowsSql, membersSql, profilesSql, slotsPerWord } from '../profile-store.ts'
import { checkFiles } from '../store-files.ts'
import { cellSql, isTextColumn, lineSql, profileColumnsOf } from './csv-line.ts'
import { comparable, type DeliveredSet } from './delivered-set.ts'
import {
  type Active,
  type Baselines,
  canExit,
  canWithdraw,
  type Delivery,
  type Evaluated,
  type Key,
  type Segment,
  type Work,
} from './work.ts'

/** Makes the rows of all Segments in one pass over the buckets, and finds what changed against the baselines. */
export async function prepare(
  work: Work,
  open: readonly Evaluated[],
  leaving: readonly Segment[],
): Promise<readonly Delivery[]> {
  const { engine, key } = work
  await loadRows(work, open)
  await findDuplicates(work, open)
  const active = [...(await countActive(work, open)), ...leaving.map((segment) => gone(work, segment))]
  await engine.run(`CREATE TEMP TABLE changes (segment VARCHAR, ${columnsOf(key)}, p VARCHAR, line VARCHAR, entered BOOLEAN, status VARCHAR, withheld BOOLEAN);
    CREATE TEMP TABLE exits (segment VARCHAR, ${columnsOf(key)}, p VARCHAR, withheld BOOLEAN)`)
  const baselines = await baselinesOf(work, active)
  for (const batch of batchesOf(
    active.filter((entry) => baselines.has(entry)),
    (entry) => entry.active + baselines.get(entry)!.rows,
  ))
    await compare(work, batch, baselines)
  await renderExits(work)
  return countChanges(work, active, baselines)
}

/** A deleted Segment is known to be gone now, whenever the store was last evaluated. */
function gone({ plan, context }: Work, segment: Segment): Active {
  const leftOut = { missingMandatory: 0, duplicateKey: 0, ...(plan.consent && { withoutConsent: 0 }) }
  const { now } = context.input
  return { segment, departed: true, members: 0, evaluatedAt: now, slot: null, isLarge: false, active: 0, leftOut }
}

async function baselinesOf({ engine, sets, context, key }: Work, active: readonly Active[]): Promise<Baselines> {
  const runs = context.input.baselines ?? {}
  const found = active.flatMap((entry) => {
    const run = runs[entry.segment.name]
    const set = run === undefined ? null : sets.of(entry.segment.name, run)
    return set ? [[entry, set] as const] : []
  })
  return comparable(engine, new Map(found), key.definition)
}

function columnsOf(key: Key): string {
  return key.names.map((name) => `${name} VARCHAR`).join(', ')
}

/**
 * Whether a Segment is found by its bit whenever it is asked for, while the members of all others are found once: a look at all rows costs as
 * much as some thousand members and a share of the rows.
 */
function isLargeIn({ data }: Work): (entry: Evaluated) => boolean {
  const most = 7500 + data.profileCount / 300
  return ({ evaluated }) => evaluated.members > most
}

/** The bits of the Segments in each word that has any. */
function masksOf(segments: readonly Evaluated[]): ReadonlyMap<number, string> {
  const own = segments.map(({ evaluated }) => evaluated)
  return new Map(wordsOf(own).map((word) => [word, maskOf(own, word)]))
}

/**
 * Makes table `rows`: one row for each profile that is in any of the Segments, in the order of the key. `line` is the row as it stands in
 * a file, without status; `complete`: the profile may be sent, and nothing mandatory is missing; `fate` says which of the two is not so. A
 * line is made once per profile, not once for each of its Segments.
 * Table `listed` has slot and p of the members of Segments that are not large.
 */
async function loadRows(work: Work, open: readonly Evaluated[]): Promise<void> {
  const { engine, plan, data, membership, root, key, context } = work
  const isLarge = isLargeIn(work)
  const masks = masksOf(open)
  const listed = masksOf(open.filter((entry) => !isLarge(entry)))
  const words = [...masks.keys()].map((word) => `m${word}`)
  const inAny = [...masks].map(([word, mask]) => `m${word} & ${mask} <> 0`).join(' OR ') || 'false'
  const kept = [...masksOf(open.filter(isLarge)).keys()].map((word) => `m${word}`)
  const required = plan.columns.flatMap(({ mandatory, deduplicationKey }, index) =>
    mandatory || deduplicationKey ? [`c${index} IS NOT NULL`] : [],
  )
  const fate = `CASE WHEN withheld THEN 'withheld' WHEN ${required.join(' AND ') || 'true'} THEN 'complete' ELSE 'incomplete' END`
  await engine.run(
    `CREATE TEMP TABLE unsorted (p VARCHAR, ${columnsOf(key)}, line VARCHAR, fate VARCHAR${kept.map((word) => `, ${word} BIGINT`).join('')});
     CREATE TEMP TABLE listed (slot INTEGER, p VARCHAR)`,
  )
  for (let bucket = 0; bucket < membership.buckets; bucket++) {
    const members = membershipRowsSql(membership, root, bucket)
    if (members === null) continue
    const files = [membership.files, membership.changed ?? [], membership.log ?? [], data.profiles].flatMap(
      (some) => some[bucket] ?? [],
    )
    await checkFiles(root, files, data.checksums, membership.checksums)
    await reading(work, () =>
      engine.run(`CREATE TEMP TABLE bucket AS SELECT ${['"$profile" AS p', ...words].join(', ')} FROM (${members}) WHERE ${inAny};
        INSERT INTO unsorted
        SELECT p, ${keySql(key, (index) => `c${index}`, 'p')}, ${lineOf(plan, (index) => `c${index}`)},
          ${[fate, ...kept].join(', ')}
        FROM bucket JOIN (${cellsSql(work, bucket)}) AS c USING (p)`),
    )
    const bits = [...listed].map(
      ([word, mask]) =>
        `SELECT ${word * slotsPerWord} AS first, m${word} & ${mask} AS bits, rowid AS r FROM bucket WHERE m${word} & ${mask} <> 0`,
    )
    if (bits.length > 0)
      await engine.run(
        `INSERT INTO listed SELECT slot, p FROM (SELECT first + bit AS slot, r FROM (${bits.join(' UNION ALL ')}) AS words, (SELECT range::INTEGER AS bit FROM range(${slotsPerWord})) AS slots WHERE (bits >> bit) & 1 = 1) AS found JOIN bucket ON bucket.rowid = r`,
      )
    await engine.run('DROP TABLE bucket')
    context.ports.progress({
      step: 'export',
      subject: 'profiles',
      done: bucket + 1,
      total: membership.buckets,
      unit: 'buckets',
    })
  }
  await engine.run(
    `CREATE TEMP TABLE rows AS SELECT *, fate = 'complete' AS complete, md5_number_lower(line) AS hash FROM unsorted ORDER BY ${key.list}, p; DROP TABLE unsorted`,
  )
}

/** SELECT of p, the texts c0, c1, … of a bucket's profiles, and whether they may not be sent (`withheld`). */
function cellsSql({ plan, context, data, root, membership }: Work, bucket: number): string {
  const { columns: asked = [], withoutConsent = 'false' } = plan.consent ?? {}
  const columns = [...new Map([...profileColumnsOf(plan.columns), ...asked].map((each) => [each.path, each])).values()]
  const own = new Set(context.plan.store?.profile.map(({ path }) => path))
  const qualified = columns.filter(({ path }) => !own.has(path) && membershipPath(path) !== null)
  const profiles = profilesSql(
    data,
    root,
    bucket,
    columns.filter((column) => !qualified.includes(column)),
  )
  const cells = [
    ...plan.columns.map((column, index) => `${cellSql(column)} AS c${index}`),
    `${withoutConsent} AS withheld`,
  ].join(', ')
  if (qualified.length === 0) return `SELECT "$profile" AS p, ${cells} FROM (${profiles})`
  const paths = qualified.map(({ path }) => ({ path, ...membershipPath(path)! })) // asked before
  const names = [...new Set(paths.map(({ segment }) => segment))]
  const read = paths.map(({ path, segment, part }) => {
    const index = names.indexOf(segment)
    const status = `CASE WHEN s${index} IS NOT NULL THEN CASE WHEN r${index} THEN 'realized' ELSE 'exited' END END`
    return `${part === 'since' ? `s${index}` : status} AS ${identifier(path)}`
  })
  const memberships = `SELECT "$profile", ${read.join(', ')} FROM (${statusesSql(membership, root, bucket, names)})`
  return `SELECT "$profile" AS p, ${cells} FROM (${profiles}) LEFT JOIN (${memberships}) USING ("$profile")`
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
        JOIN (${membersSql(membership, root, bucket, segments, 'SELECT p AS "$profile" FROM shared')}) AS m ON m."$profile" = shared.p AND m.realized
        JOIN (${cellsSql(work, bucket)}) AS c ON c.p = shared.p`),
    )
  }
  await engine.run(`INSERT INTO losers SELECT segment, p FROM contenders
    QUALIFY row_number() OVER (PARTITION BY segment, ${key.list} ORDER BY since DESC NULLS LAST, cells, p) > 1; DROP TABLE contenders`)
}

/** SELECT of segment, n (the place in the order of the key) and the columns of `rows`: the rows that complete files of a batch have. */
export function currentSql(batch: readonly Active[]): string {
  const [first] = batch
  if (first?.isLarge && first.slot !== null) {
    const name = literal(first.segment.name)
    const winners =
      first.leftOut.duplicateKey > 0 ? `ANTI JOIN (SELECT p FROM losers WHERE segment = ${name}) USING (p)` : ''
    return `SELECT ${name} AS segment, rowid AS n, * FROM rows ${winners} WHERE complete AND ${bitSql(first.slot)}`
  }
  const listed = batch.flatMap(({ slot, segment }) => (slot === null ? [] : [{ slot, segment }]))
  if (listed.length === 0) return 'SELECT NULL::VARCHAR AS segment, rowid AS n, * FROM rows WHERE false'
  const slots = listed.map(({ slot }) => slot)
  return `SELECT named.segment, members.n, rows.* FROM members JOIN (VALUES ${namedSlots(listed)}) AS named (slot, segment) USING (slot)
    JOIN rows ON rows.rowid = members.n WHERE members.slot BETWEEN ${Math.min(...slots)} AND ${Math.max(...slots)}`
}

/** SELECT of segment, the key's columns, "$profile" and hash: what was delivered of a batch. */
export function baselineSql(
  { key }: Work,
  batch: readonly Active[],
  baselines: ReadonlyMap<Active, DeliveredSet>,
): string {
  const names = new Map<DeliveredSet['path'], string[]>()
  const selects: string[] = []
  for (const entry of batch) {
    const set = baselines.get(entry)
    if (!set) continue
    const name = literal(entry.segment.name)
    const some = names.get(set.path)
    if (set.segment === null)
      selects.push(
        `SELECT ${name} AS segment, ${key.list}, "$profile", hash FROM read_parquet(${fileLiteral(set.path)})`,
      )
    else if (some) some.push(name)
    else names.set(set.path, [name])
  }
  for (const [path, some] of names) {
    const sorted = [...some].sort()
    selects.push(
      `SELECT segment, ${key.list}, "$profile", hash FROM read_parquet(${fileLiteral(path)}) WHERE segment BETWEEN ${sorted[0]} AND ${sorted.at(-1)} AND segment IN (${sorted.join(', ')})`,
    )
  }
  return selects.join(' UNION ALL ')
}

/** Most rows and Segments that one statement takes. */
const batchLimits = { rows: 2_000_000, segments: 500 }

/** Batches of entries in their order: a large Segment is one of its own. `rowsOf`: how many rows an entry brings. */
export function batchesOf<Entry extends Active>(
  entries: readonly Entry[],
  rowsOf: (entry: Entry) => number,
  { rows: mostRows, segments: mostSegments } = batchLimits,
): readonly (readonly Entry[])[] {
  const batches: Entry[][] = []
  let open: Entry[] = []
  let rows = 0
  for (const entry of entries) {
    const own = rowsOf(entry)
    if (entry.isLarge) {
      batches.push([entry])
      continue
    }
    if (open.length > 0 && (open.length >= mostSegments || rows + own > mostRows)) {
      batches.push(open)
      open = []
      rows = 0
    }
    open.push(entry)
    rows += own
  }
  return open.length === 0 ? batches : [...batches, open]
}

/** Adds what differs from the baselines to `changes` and `exits`. */
async function compare(work: Work, batch: readonly Active[], baselines: Baselines): Promise<void> {
  const { engine, plan, key } = work
  const attributes = plan.incrementalOn === 'MembershipOrAttributes' && plan.export === 'Incremental'
  const [current, base] = [currentSql(batch), baselineSql(work, batch, baselines)]
  await engine.run(`INSERT INTO changes
      SELECT segment, ${key.list}, c.p, line, base.hash IS NULL, 'realized', false FROM (${current}) AS c
      LEFT JOIN (${base}) AS base USING (segment, ${key.list})
      WHERE base.hash IS NULL ${attributes ? 'OR base.hash <> c.hash' : ''};
    INSERT INTO exits
      SELECT segment, ${key.list}, "$profile", false FROM (${base}) AS base ANTI JOIN (${current}) AS c USING (segment, ${key.list})`)
}

/**
 * Says in `exits` who may not be sent, and adds the rows of exits to `changes`: the profile's values of today under the key that was
 * delivered; the key alone if the profile is gone or may not be sent.
 */
async function renderExits(work: Work): Promise<void> {
  const { engine, plan, key, data, context } = work
  if (!canExit(plan) && !plan.consent) return
  const [row] = await engine.rows('SELECT count(*) AS exits FROM exits')
  if (row?.['exits'] === 0) return
  const columns = plan.columns.map((_, index) => `c${index}`)
  await engine.run(`CREATE TEMP TABLE gone (p VARCHAR, ${columns.map((column) => `${column} VARCHAR`).join(', ')}, withheld BOOLEAN);
    CREATE TEMP TABLE leaving AS SELECT DISTINCT p FROM exits`)
  for (let bucket = 0; bucket < data.buckets; bucket++) {
    await reading(work, () =>
      engine.run(`INSERT INTO gone SELECT c.* FROM (${cellsSql(work, bucket)}) AS c SEMI JOIN leaving USING (p)`),
    )
  }
  if (plan.consent)
    await engine.run(`UPDATE exits SET withheld = true WHERE p IN (SELECT p FROM gone WHERE withheld);
      ${key.columns.length === 0 ? '' : `UPDATE gone SET ${columns.map((column) => `${column} = NULL`).join(', ')} WHERE withheld`}`)
  if (!canExit(plan) && !canWithdraw(plan, context.plan.import !== undefined)) return
  const line = lineOf(plan, (index) => (key.columns.includes(index) ? `k${key.columns.indexOf(index)}` : `c${index}`))
  // Without a key column, the row of a profile that is gone would not say whose it is.
  await engine.run(`INSERT INTO changes
    SELECT segment, ${key.list}, exits.p, ${line}, false, 'exited', exits.withheld FROM exits
    ${key.columns.length === 0 ? 'JOIN' : 'LEFT JOIN'} gone ON gone.p = exits.p`)
}

/** Makes table `members`, and counts the rows of each Segment. */
async function countActive(work: Work, open: readonly Evaluated[]): Promise<readonly Active[]> {
  const { engine, plan } = work
  const isLarge = isLargeIn(work)
  const lost = await perSegment(engine, 'SELECT segment, count(*) AS profiles FROM losers GROUP BY segment')
  const small = open.filter((entry) => !isLarge(entry))
  const losers =
    lost.size === 0 || small.length === 0
      ? ''
      : `ANTI JOIN (SELECT slot, p FROM losers JOIN (VALUES ${namedSlots(small.map(({ segment, evaluated }) => ({ segment, slot: evaluated.slot })))}) AS named (slot, segment) USING (segment)) USING (slot, p)`
  await engine.run(
    `CREATE TEMP TABLE members AS SELECT slot, rows.rowid AS n FROM listed ${losers} JOIN rows USING (p) WHERE complete ORDER BY slot, n`,
  )
  const counts = await engine.rows(
    'SELECT slot, fate, count(*) AS profiles FROM listed JOIN rows USING (p) GROUP BY ALL',
  )
  await engine.run('DROP TABLE listed')
  const counted = new Map(counts.map((row) => [`${row['slot']} ${row['fate']}`, Number(row['profiles'])]))

  const sums = open.map((entry) =>
    isLarge(entry) ? `, sum(${bitSql(entry.evaluated.slot)}::TINYINT) AS s${entry.evaluated.slot}` : '',
  )
  const summed = await engine.rows(`SELECT fate${sums.join('')} FROM rows GROUP BY fate`)
  const rowsOf = (slot: number, fate: 'complete' | 'incomplete' | 'withheld'): number =>
    counted.get(`${slot} ${fate}`) ?? Number(summed.find((row) => row['fate'] === fate)?.[`s${slot}`] ?? 0)
  return open.map((entry) => {
    const { segment, evaluated } = entry
    const { slot, members, evaluatedAt } = evaluated
    const duplicateKey = lost.count(segment.name, 'profiles')
    return {
      segment,
      departed: false,
      members,
      evaluatedAt,
      slot,
      isLarge: isLarge(entry),
      active: rowsOf(slot, 'complete') - duplicateKey,
      leftOut: {
        missingMandatory: rowsOf(slot, 'incomplete'),
        duplicateKey,
        ...(plan.consent && { withoutConsent: rowsOf(slot, 'withheld') }),
      },
    }
  })
}

/** Rows of VALUES with slot and name. */
function namedSlots(segments: readonly { readonly segment: Segment; readonly slot: number }[]): string {
  return segments.map(({ segment, slot }) => `(${slot}, ${literal(segment.name)})`).join(', ')
}

async function countChanges(
  { engine, plan }: Work,
  active: readonly Active[],
  baselines: Baselines,
): Promise<readonly Delivery[]> {
  const exits = await perSegment(
    engine,
    'SELECT segment, count(*) AS keys, count_if(withheld) AS withheld FROM exits GROUP BY segment',
  )
  const changes = await perSegment(
    engine,
    `SELECT segment, count(*) FILTER (entered) AS entered, count(*) FILTER (status = 'realized') AS realized,
      count(*) FILTER (status = 'exited') AS exited FROM changes GROUP BY segment`,
  )
  return active.map((entry) => {
    const { name } = entry.segment
    const baseline = baselines.get(entry) ?? null
    const complete = plan.export === 'Full' || baseline === null
    return {
      ...entry,
      baseline,
      baselineSize: baseline?.rows ?? 0,
      complete,
      entered: baseline === null ? entry.active : changes.count(name, 'entered'),
      left: exits.count(name, 'keys'),
      withdrawn: exits.count(name, 'withheld'),
      held: null,
      realized: complete ? entry.active : changes.count(name, 'realized'),
      exited: complete ? 0 : changes.count(name, 'exited'),
    }
  })
}

/** Counts of a query by its column `segment`; 0 for a Segment without a row. */
async function perSegment(
  engine: Engine,
  sql: string,
): Promise<{ readonly size: number; readonly count: (segment: string, of: string) => number }> {
  const rows = new Map((await engine.rows(sql)).map((row) => [row['segment'], row]))
  return { size: rows.size, count: (segment, of) => Number(rows.get(segment)?.[of] ?? 0) }
}
