import { corpus, judge } from '../test/faults/corpus.ts'

/** `bench faults [EVERY]`: faults put into every example, and what was reported of them, by class. */
export function run(args: readonly string[]): object {
  const classes = Map.groupBy(corpus(Number(args[0] ?? 1)), (fault) => fault.class)
  const rows = [...classes].map(([name, faults]) => {
    const verdicts = faults.map(judge)
    const count = (is: (verdict: (typeof verdicts)[number]) => boolean): number => verdicts.filter(is).length
    return [
      name,
      {
        injected: faults.length,
        reported: count((verdict) => verdict.reported),
        rightCode: count((verdict) => verdict.rightCode),
        spanHit: count((verdict) => verdict.spanHit),
        withoutExtraFinding: count((verdict) => verdict.extra === 0),
        atMostOneExtraFinding: count((verdict) => verdict.extra <= 1),
        safeFixOffered: count((verdict) => verdict.fixOffered),
        safeFixRestores: count((verdict) => verdict.fixRestores),
      },
    ] as const
  })
  return Object.fromEntries(rows)
}
