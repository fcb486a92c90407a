// How long an editor waits, among 10,000 resources: from a changed document to its findings, over the protocol.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEditor } from '../test/cli-tools/editor.ts'

const rounds = 200

/** Results in milliseconds. */
export async function run(args: readonly string[]): Promise<object> {
  const count = Number(args[0] ?? 10_000)
  const folder = mkdtempSync(join(tmpdir(), 'convoke-bench-lsp-'))
  try {
    writeFileSync(join(folder, 'bundle.yaml'), readFileSync(new URL('../test/fixtures/retail.yaml', import.meta.url)))
    for (let index = 0; index < count; index += 1) {
      const shelf = join(folder, String(index % 100))
      mkdirSync(shelf, { recursive: true })
      writeFileSync(join(shelf, `s${index}.yaml`), segment(index))
    }
    const started = performance.now()
    const editor = await startEditor(folder)
    const file = '7/s7.yaml'
    editor.open(file, segment(7))
    let first = 0
    const times: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      // Every other text has a fault, so that findings are published each time.
      const waited = editor.published(file)
      const begun = performance.now()
      editor.change(
        file,
        segment(7).replace('club.credits', round % 2 === 0 ? `clubb${round}.credits` : 'club.credits'),
      )
      await waited
      if (round === 0) first = performance.now() - started
      else times.push(performance.now() - begun)
    }
    await editor.close()
    times.sort((a, b) => a - b)
    const at = (share: number): number => Math.round(times[Math.floor(times.length * share)]! * 10) / 10
    return {
      resources: count + 11,
      firstCheckWithReading: Math.round(first),
      oneChange: { fastest: at(0), median: at(0.5), within90Percent: at(0.9) },
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function segment(index: number): string {
  return `apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata:
  name: s${index}
  labels: { team: t${index % 7} }
spec:
  profileStoreRef: { name: readers }
  displayName: Segment ${index}
  description: |
    A Segment among many,
    for measurements.
  expression: |
    ${
      index % 5 === 0
        ? `inSegment("s${index + 1}") or inSegment("s${index + 2}")`
        : `club.credits > ${index} and homeAddress.countryCode in ["DE", "AT"]\n    and xEvent[eventType = "purchase"].count() >= ${index % 9}`
    }
`
}
