import { copyFileSync, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ExportPlan, JobPlan, RunInput, RunReport, Step, StorePlan } from '#crds'
import { literal, openDuckDB } from './engines/duckdb.ts'
import type { Ports } from './ports.ts'
import { storeRootOf } from './profile-store.ts'
import { steps } from './steps.ts'

/** A store to try things in: what is done there changes nothing that others read. */
export type Trial = Disposable & {
  /** The store in its place of trial, for commands that look into stores; its claims are those of `ports`. */
  readonly store: StorePlan
  readonly ports: Ports
  /** Runs a step of a plan on it. An export writes its files into the trial too. */
  readonly run: (step: Step, plan: JobPlan, input: RunInput) => Promise<RunReport>
  /** Values of a column in the files that an export wrote. */
  readonly valuesIn: (
    report: RunReport,
    segment: string,
    plan: ExportPlan,
    column: string,
  ) => Promise<readonly string[]>
}

const claimName = 'convoke-trial'

/**
 * Opens a trial of a store: its files are linked, not copied, since no step ever changes a file in place. A store that has no data yet is
 * tried from nothing.
 */
export function openTrial(plan: StorePlan, ports: Ports): Trial {
  const folder = mkdtempSync(join(ports.scratch, 'trial-'))
  const root = storeRootOf(plan, ports)
  const place = join(folder, 'store')
  mkdirSync(place)
  if (existsSync(root)) linkTree(root, place)
  const store: StorePlan = { ...plan, volume: { claimName, path: 'store' } }
  const own: Ports = { ...ports, claim: (name) => (name === claimName ? folder : ports.claim(name)) }
  return {
    store,
    ports: own,
    run: (step, job, input) =>
      steps[step]({
        plan: {
          ...job,
          store,
          ...(job.export && {
            export: {
              ...job.export,
              destination: { ...job.export.destination, location: { volume: { claimName, path: 'files' } } },
            },
          }),
        },
        input,
        ports: own,
      }),
    valuesIn: async (report, segment, { destination: { file } }, column) => {
      const files = report.details?.find((each) => each.segment === segment)?.files ?? []
      if (files.length === 0) return []
      const names = files.map(({ name }) => literal(join(folder, 'files', name)))
      await using engine = await openDuckDB(store, own)
      const rows = await engine.rows(
        `SELECT DISTINCT "${column.replaceAll('"', '""')}" AS value FROM read_csv([${names.join(', ')}], header = true, all_varchar = true, quote = '"', escape = '"', delim = ${literal(file.delimiter)})`,
      )
      return rows.flatMap(({ value }) => (value === null ? [] : [String(value)]))
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Links each file of a folder, or copies it where links do not reach. Locks and what is being written are left out. */
function linkTree(from: string, to: string): void {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) {
      mkdirSync(target)
      linkTree(source, target)
    } else if (entry.isFile() && !/\.lock$|\.tmp/.test(entry.name)) {
      try {
        linkSync(source, target)
      } catch {
        copyFileSync(source, target)
      }
    }
  }
}
