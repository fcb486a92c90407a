import { join } from 'node:path'
import type { ImportPlan, StorePlan } from '#crds'
import { literal, openDuckDB } from '../engines/duckdb.ts'
import { rejectsNameOf } from '../export/file-names.ts'
import type { Ports } from '../ports.ts'
import { openLandingStore } from '../stores/index.ts'

/** The rejected rows of one file: the reasons, and how many rows each has. A reason names columns, never a value. */
export type Rejects = { readonly file: string; readonly reasons: ReadonlyMap<string, number> }

/** Why rows of these files were rejected, as read from their rejects files; a file without one is left out. */
export async function rejectsOf(
  store: Pick<StorePlan, 'engine'>,
  { location }: Pick<ImportPlan, 'location'>,
  { files, delimiter }: { readonly files: readonly string[]; readonly delimiter: string },
  ports: Ports,
): Promise<readonly Rejects[]> {
  if (files.length === 0) return []
  const landing = await openLandingStore(location, ports)
  const found: Rejects[] = []
  try {
    await using engine = await openDuckDB(store, ports)
    for (const [index, file] of files.entries()) {
      const path = join(ports.scratch, `rejects-${index}.csv`)
      if (!(await landing.get(rejectsNameOf(file), path))) continue
      const rows = await engine
        .rows(
          `SELECT reason, count(*) AS rows FROM read_csv(${literal(path)}, header = true, all_varchar = true, quote = '"', escape = '"', delim = ${literal(delimiter)}, null_padding = true) GROUP BY reason ORDER BY rows DESC`,
        )
        // Somebody else's file with that name.
        .catch(() => [])
      const reasons = new Map<string, number>()
      for (const row of rows) {
        const reason = withoutValues(String(row['reason'] ?? ''))
        reasons.set(reason, (reasons.get(reason) ?? 0) + Number(row['rows']))
      }
      found.push({ file, reasons })
    }
  } finally {
    await landing.close()
  }
  return found
}

/** The reason without the value: `email: 'x@y' is no boolean` → `email is no boolean`. */
function withoutValues(reason: string): string {
  return reason
    .replace(/^the same key as line \d+$/, 'the same key as an earlier line')
    .replace(/^\d+ rows of (.*) have this key$/, 'several rows of $1 have this key')
    .replace(/^(the database refused it): .*$/s, '$1')
    .replace(/^(.*?): E?'.*' is no ([a-z ()0-9,]+)$/s, '$1 is no $2')
}
