import type { RunReport } from '#crds'

export type StepOutcome = {
  readonly step: RunReport['step']
  readonly outcome: RunReport['outcome']
  readonly target: string
  readonly seconds: number
  readonly totals: RunReport['totals']
  /** Why it failed; null where it did not. */
  readonly error: string | null
}

/** `✓ export   win-back   1.2 s  5,210 rows`: one step that ended. */
export function stepLine({ step, outcome, target, seconds, totals, error }: StepOutcome): string {
  const what = error === null ? countWords(totals) || 'nothing to do' : `${outcome}: ${error}`
  return `${outcome === 'Succeeded' ? '✓' : outcome === 'Held' ? '!' : '✗'} ${step.padEnd(8)} ${target.padEnd(24)} ${seconds.toFixed(1).padStart(5)} s  ${what}`
}

/** `12 files, 5,210 bad rows`; zeros are left out. */
export function countWords(counts: RunReport['totals']): string {
  return Object.entries(counts)
    .filter(([, value]) => value !== 0)
    .map(
      ([name, value]) =>
        `${value.toLocaleString('en')} ${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`,
    )
    .join(', ')
}
