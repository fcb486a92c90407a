// Rows as broken software writes them: whatever they are, each is accepted or counted with a reason, and no file makes a step fail.
import { expect, test } from 'vitest'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { customers, inputOf, openWorkspace, orders, planOf } from './workspace.ts'

const rowsInAll = process.env['SOAK'] === '1' ? 50_000 : 5_000
const rowsPerFile = 125
const tolerance = { badRows: 100, maxShrink: 100 }

/** A sequence of numbers below 1 that a seed decides. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

const pieces = [
  '"',
  '""',
  ',',
  ';',
  '\t',
  '\\',
  "'",
  '\r',
  ' ',
  '\0',
  '\x1b',
  'ü',
  '🎯',
  '\xff',
  '{',
  '}',
  '[',
  ']',
  ':',
  'null',
  'NaN',
  '1e999',
  '-',
  '0',
  '7.0',
  '2026-02-30',
  'a'.repeat(300),
]

test.each([['CSV'], ['NDJSON']] as const)('%s', { timeout: 600_000 }, async (format) => {
  for (let file = 0; file < rowsInAll / 2 / rowsPerFile; file++) {
    const random = randomOf(file + 1)
    const of = (list: readonly string[]) => list[Math.floor(random() * list.length)] ?? ''
    const broken = (text: string) => {
      let changed = text
      for (let times = random() < 0.5 ? 0 : 1 + Math.floor(random() * 3); times > 0; times--) {
        const at = Math.floor(random() * (changed.length + 1))
        changed = changed.slice(0, at) + of(pieces) + changed.slice(at + (random() < 0.3 ? 1 : 0))
      }
      return changed.replaceAll('\n', '')
    }
    const lines = Array.from({ length: rowsPerFile }, (_, row) =>
      broken(
        format === 'CSV'
          ? `p${row},Ann ${row},1990-01-31,a${row}@x.test,${row},2026-01-01`
          : JSON.stringify({
              customer: `p${row}`,
              at: '2026-01-01T00:00:00Z',
              type: 'view',
              order: { total: row / 2 },
            }),
      ),
    )
    await using workspace = await openWorkspace()
    const head = format === 'CSV' ? 'id,first_name,birth_date,email,points,updated_at\n' : ''
    const text = `${head}${lines.join('\n')}\n`
    const name = format === 'CSV' ? 'customers/a.csv' : 'orders/a.ndjson'
    // Half of the files are bytes that are no UTF-8.
    workspace.land(name, Buffer.from(text, file % 2 === 0 ? 'utf8' : 'latin1'))
    const dataset = { ...(format === 'CSV' ? customers : orders), tolerance }
    const report = await ingest({
      plan: planOf([dataset]),
      input: inputOf('2026-01-10T00:00:00Z'),
      ports: workspace.ports,
    })
    const { totals } = report
    expect(report.error, `file ${file}`).toBeUndefined()
    const refused = report.details?.[0]?.refused?.[0]?.reason
    if (refused !== undefined && (totals['rowsRead'] ?? 0) === 0) {
      // Nothing of it was read: a quote that never closes makes one text of all that follows.
      expect(refused, `file ${file}`).toMatch(/a quote opens on line \d+ and does not close/)
      continue
    }
    const counted =
      (totals['accepted'] ?? 0) + (totals['badRows'] ?? 0) + (totals['oversize'] ?? 0) + (totals['rowsRefused'] ?? 0)
    expect(totals['rowsRead'], `file ${file}`).toBe(counted)
    const separate = text.slice(head.length).split(/\r\n|\n|\r/)
    const blank = format === 'CSV' ? /^$/ : /^[ \t]*$/
    if (format === 'NDJSON') {
      const own = text.split('\n').filter((line) => !/^[ \t\r]*$/.test(line))
      expect(counted, `file ${file}`).toBe(own.length)
    } else {
      // A good record may hold line breaks; none is lost, and none is made.
      const most = separate.filter((line) => !blank.test(line)).length
      expect(counted, `file ${file}`).toBeLessThanOrEqual(most)
      expect(counted, `file ${file}`).toBeGreaterThan(most - 60)
    }
  }
})
