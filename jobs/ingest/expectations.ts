import { type DatasetPlan, type Detail, type ExpectationPlan, parseDurationSeconds } from '#crds'
import { digestOf } from '../digest.ts'
import { type Engine, identifier, literal, timestampLiteral } from '../engines/duckdb.ts'
import { shaped } from '../merge/records.ts'
import type { Delivery, SourceState } from '../profile-store.ts'

export type Finding = NonNullable<Detail['expectations']>[number]

/** How many deliveries of a Dataset are remembered: as many as a size may be compared with, and the latest. */
const remembered = 101

/**
 * What a Dataset expects of its data at an instant, in its order, and the state with the deliveries and looks that this adds. `found` is
 * the state after the ingest, `before` the one before it. The content of a delivery is looked at once, and again where the expectation
 * has changed; ages are at the instant. Expectations that cannot be judged yet are left out.
 */
export async function expected(
  engine: Engine,
  root: string,
  dataset: DatasetPlan,
  { deliveries: _, expectations: __, ...found }: SourceState,
  before: SourceState | undefined,
  now: string,
): Promise<{ readonly findings: readonly Finding[]; readonly state: SourceState }> {
  const files = Object.values(found.files)
  const latest = files.reduce((most, { taken = 0 }) => Math.max(most, taken), 0)
  const records = files.filter(({ taken }) => taken === latest).flatMap((file) => file.records)
  const known = before?.deliveries ?? []
  const delivery =
    latest === 0 || known.at(-1)?.taken === latest
      ? null
      : {
          taken: latest,
          at: now,
          rows: files.reduce((sum, { taken, counts }) => sum + (taken === latest ? (counts['accepted'] ?? 0) : 0), 0),
          newest: await newestOf(engine, root, dataset, records, now),
        }
  const deliveries = [...known, ...(delivery ? [delivery] : [])].slice(-remembered)
  const findings: Finding[] = []
  const looks: Record<string, NonNullable<SourceState['expectations']>[string]> = {}
  for (const expectation of dataset.expectations ?? []) {
    const { name, severity } = expectation
    let look = await aged(engine, root, dataset, expectation, deliveries, found, now)
    if (look === null && deliveries.length > 0) {
      const digest = digestOf({ expectation, latest })
      const seen = before?.expectations?.[name]
      const fresh =
        seen?.digest === digest ? seen : await lookedAt(engine, root, dataset, expectation, deliveries, records)
      look = fresh && { met: fresh.met, message: fresh.message }
      if (look) looks[name] = { digest, ...look }
    }
    if (look) findings.push({ name, severity, ...look })
  }
  return {
    findings,
    state: {
      ...found,
      ...(deliveries.length > 0 && { deliveries }),
      ...(Object.keys(looks).length > 0 && { expectations: looks }),
    },
  }
}

type Look = { readonly met: boolean; readonly message: string }

/** The result of an expectation about an age; null for other expectations. */
async function aged(
  engine: Engine,
  root: string,
  dataset: DatasetPlan,
  { freshness }: ExpectationPlan,
  deliveries: readonly Delivery[],
  { files }: SourceState,
  now: string,
): Promise<Look | null> {
  if (!freshness) return null
  const { maxAge, of } = freshness
  const times = deliveries.flatMap(({ at, newest }) => (of === 'Deliveries' ? [at] : newest === null ? [] : [newest]))
  // What an earlier version of convoke took in is not among the deliveries.
  const records =
    deliveries.length === 0 && of === 'Records' ? Object.values(files).flatMap((file) => file.records) : []
  const latest = times.sort().at(-1) ?? (await newestOf(engine, root, dataset, records, now))
  const what = of === 'Deliveries' ? 'the latest file' : 'the newest record'
  if (latest === null) {
    if (of === 'Deliveries' && Object.keys(files).length > 0) return null
    return { met: false, message: `nothing has come yet; ${what} may be ${maxAge} old` }
  }
  const seconds = (Date.parse(now) - Date.parse(latest)) / 1000
  const came = of === 'Deliveries' ? 'was taken in at' : 'is of'
  return {
    met: seconds <= (parseDurationSeconds(maxAge) ?? 0),
    message: `${what} ${came} ${latest}, ${ageText(seconds)} before this Run; ${maxAge} are allowed`,
  }
}

/** A look at the content of the latest delivery in these record files; null where there is nothing to compare it with. */
async function lookedAt(
  engine: Engine,
  root: string,
  dataset: DatasetPlan,
  { deliverySize, requiredColumns, uniqueIds, acceptedValues }: ExpectationPlan,
  deliveries: readonly Delivery[],
  records: readonly string[],
): Promise<Look | null> {
  if (deliverySize) return sizeLook(deliverySize, deliveries)
  const one = async (select: string) => (await engine.rows(select))[0] ?? {}
  if (requiredColumns) {
    const { columns, minPercent } = requiredColumns
    const counts = columns.map(({ column }, index) => `count(${identifier(column)}) AS c${index}`)
    const row = await one(
      `SELECT count(*) AS rows, ${counts.join(', ')} FROM ${texts(root, dataset, records, columns)}`,
    )
    const rows = Number(row['rows'])
    const lacking = columns
      .map(({ source }, index) => ({ source, filled: Number(row[`c${index}`]) }))
      .filter(({ filled }) => filled * 100 < rows * minPercent)
    const named = lacking.map(
      ({ source, filled }) => `${source} in ${countText(rows - filled)} of ${countText(rows)} records`,
    )
    const wanted = minPercent === 100 ? 'none may be missing' : `${minPercent}% of them have to have one`
    return {
      met: lacking.length === 0,
      message:
        lacking.length === 0
          ? `the required fields have their values in ${countText(rows)} records`
          : `there is no value for ${named.join(', ')}; ${wanted}`,
    }
  }
  if (uniqueIds) {
    const { columns } = uniqueIds
    const names = columns.map(({ column }) => identifier(column))
    const filled = names.map((name) => `${name} IS NOT NULL`).join(' AND ')
    const row = await one(
      `SELECT count(*) AS ids, coalesce(sum(rows), 0) AS rows FROM (SELECT count(*) AS rows
        FROM ${texts(root, dataset, records, columns)} WHERE ${filled} GROUP BY ${names.join(', ')} HAVING count(*) > 1)`,
    )
    const [ids, rows] = [Number(row['ids']), Number(row['rows'])]
    const what = columns.map(({ source }) => source).join(', ')
    return {
      met: ids === 0,
      message:
        ids === 0
          ? `no two records have the same ${what}`
          : `${countText(ids)} values of ${what} stand in ${countText(rows)} records; each is expected once`,
    }
  }
  if (acceptedValues) {
    const { column, values, minPercent } = acceptedValues
    const name = identifier(column.column)
    const isNumber = ['integer', 'number'].includes(
      String(dataset.mapping.find(({ target }) => target === column.column)?.type),
    )
    const numbers = isNumber ? values.filter((value) => value.trim() !== '' && Number.isFinite(Number(value))) : []
    const accepted = [
      `${name} IN (${values.map(literal).join(', ')})`,
      ...(numbers.length > 0 ? [`try_cast(${name} AS DOUBLE) IN (${numbers.map(Number).join(', ')})`] : []),
    ].join(' OR ')
    const row = await one(
      `SELECT count(${name}) AS rows, count_if(${accepted}) AS accepted FROM ${texts(root, dataset, records, [column])}`,
    )
    const rows = Number(row['rows'])
    const others = rows - Number(row['accepted'])
    const wanted = minPercent === 100 ? '' : `; ${minPercent}% have to be`
    return {
      met: Number(row['accepted']) * 100 >= rows * minPercent,
      message:
        others === 0
          ? `all ${countText(rows)} values of ${column.source} are accepted ones`
          : `${countText(others)} of ${countText(rows)} values of ${column.source} are none of the ${values.length} accepted ones${wanted}`,
    }
  }
  return null
}

function sizeLook(
  { deliveries: count, minPercent, maxPercent }: NonNullable<ExpectationPlan['deliverySize']>,
  deliveries: readonly Delivery[],
): Look | null {
  const rows = deliveries.at(-1)?.rows ?? 0
  const earlier = deliveries.slice(-1 - count, -1).map((one) => one.rows)
  if (earlier.length === 0) return null
  const usual = medianOf(earlier)
  const limits = [
    ...(minPercent === undefined ? [] : [{ ok: rows * 100 >= usual * minPercent, text: `at least ${minPercent}%` }]),
    ...(maxPercent === undefined ? [] : [{ ok: rows * 100 <= usual * maxPercent, text: `at most ${maxPercent}%` }]),
  ]
  const before = earlier.length === 1 ? 'the one before had' : `the median of the ${earlier.length} before is`
  return {
    met: limits.every(({ ok }) => ok),
    message: `the latest delivery has ${countText(rows)} records, ${before} ${countText(usual)}; ${limits.map(({ text }) => text).join(' and ')} of that is expected`,
  }
}

function medianOf(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2 // never empty
}

/** The latest time of records that is not after an instant. */
async function newestOf(
  engine: Engine,
  root: string,
  { record }: DatasetPlan,
  records: readonly string[],
  now: string,
): Promise<string | null> {
  if (records.length === 0) return null
  const time = record === 'Event' ? '"timestamp"' : '"$time"'
  const [row] = await engine.rows(
    `SELECT max(${time}) FILTER (${time} <= ${timestampLiteral(now)}) AS newest FROM ${shaped(root, records, [], time)}`,
  )
  return row?.['newest'] instanceof Date ? row['newest'].toISOString() : null
}

/** SELECT of records, with these columns as text. */
function texts(
  root: string,
  dataset: DatasetPlan,
  records: readonly string[],
  columns: readonly { readonly column: string }[],
): string {
  const names = [...new Set(columns.map(({ column }) => column))]
  const isOwn = (name: string) => name.startsWith('$') || (dataset.record === 'Event' && name === 'timestamp')
  const mapped = names.filter((name) => !isOwn(name)).map((path) => ({ path, type: 'string' as const }))
  const own = names.filter(isOwn).map((name) => `${identifier(name)}::VARCHAR AS ${identifier(name)}`)
  return shaped(root, records, mapped, own.join(', '))
}

function ageText(seconds: number): string {
  const hours = Math.floor(seconds / 3600)
  return hours >= 1 ? `${hours} h` : `${Math.floor(seconds / 60)} min`
}

function countText(count: number): string {
  return count.toLocaleString('en')
}
