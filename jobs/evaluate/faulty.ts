// A Segment that the engine cannot evaluate does not stop the others: it is found and left out.
import { type Engine, identifier } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import { faultOf } from '../step.ts'
import { partOfQuery } from './part-of-query.ts'

/** Segments that the query fails for, each with the engine's message. */
class FaultySegments extends Error {
  readonly segments: ReadonlyMap<string, string>

  constructor(segments: ReadonlyMap<string, string>, cause: unknown) {
    super('Segments cannot be evaluated.', { cause })
    this.segments = segments
  }
}

/** More faulty Segments than this mean that no single Segment is at fault. */
const mostFaulty = 50

/** Does the work again without the Segments that it blames, until it blames none. */
export async function withoutFaulty<T extends object>(
  work: (failed: ReadonlyMap<string, string>) => Promise<T>,
): Promise<T & { readonly failed: ReadonlyMap<string, string> }> {
  const failed = new Map<string, string>()
  for (;;) {
    try {
      return { ...(await work(failed)), failed }
    } catch (error) {
      if (!(error instanceof FaultySegments)) throw error
      if (failed.size + error.segments.size > mostFaulty) throw error.cause
      for (const [segment, message] of error.segments) failed.set(segment, message)
    }
  }
}

/**
 * Runs `run`, which evaluates these Segments by the query. Where the engine refuses the query, each half of the Segments is tried by its
 * part of the query, down to single ones, and the faulty ones are thrown as FaultySegments. Throws the engine's error unchanged where the
 * surroundings failed, where the query fails even without a Segment, or where no single Segment fails.
 */
export async function blaming(
  engine: Engine,
  query: string,
  segments: readonly string[],
  run: () => Promise<void>,
): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (!isOfQuery(error) || segments.length === 0) throw error
    const faulty = new Map<string, string>()
    if ((await faultIn(engine, query, [])) === null) await blame(engine, query, segments, faulty)
    throw faulty.size > 0 ? new FaultySegments(faulty, error) : error
  }
}

async function blame(
  engine: Engine,
  query: string,
  segments: readonly string[],
  faulty: Map<string, string>,
): Promise<void> {
  if (faulty.size > mostFaulty) return
  const fault = await faultIn(engine, query, segments)
  if (fault === null) return
  const [only] = segments
  if (segments.length === 1) return void faulty.set(only!, fault)
  const half = Math.ceil(segments.length / 2)
  await blame(engine, query, segments.slice(0, half), faulty)
  await blame(engine, query, segments.slice(half), faulty)
}

/** The engine's message when it takes and computes only the part of the query for these Segments; null: it succeeds. */
async function faultIn(engine: Engine, query: string, segments: readonly string[]): Promise<string | null> {
  const columns = segments.map((segment) => `count_if(${identifier(segment)})`)
  try {
    await engine.rows(
      `SELECT count("$profile")${columns.map((column) => `, ${column}`).join('')} FROM (${partOfQuery(query, segments)})`,
    )
    return null
  } catch (error) {
    if (!isOfQuery(error)) throw error
    const text = error instanceof Error ? error.message : String(error)
    return text.split('\n')[0]?.slice(0, 300) ?? ''
  }
}

/** Whether an error is the query's: not an interruption, nor a lack of memory or disk. */
export function isOfQuery(error: unknown): boolean {
  return !(error instanceof JobError) && faultOf(error).reason === 'InternalError'
}
