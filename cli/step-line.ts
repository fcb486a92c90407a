import { visible } from '#compiler'
import type { RunReport } from '#crds'
import { duration, stepWords } from '#views'
import { padded } from './paint.ts'

export type StepOutcome = {
  readonly step: RunReport['step']
  readonly outcome: RunReport['outcome']
  readonly target: string
  readonly seconds: number
  readonly totals: RunReport['totals']
  /** Why it failed; null where it did not. */
  readonly error: string | null
}

/** The line for a step that ended: `✓ export   win-back   1.2 s  5,210 rows in 3 files`. */
export function stepLine({ step, outcome, target, seconds, totals, error }: StepOutcome): string {
  const what = error === null ? stepWords({ step, totals }) : `${outcome}: ${visible(error)}`
  const mark = outcome === 'Succeeded' ? '✓' : outcome === 'Held' ? '!' : '✗'
  return `${mark} ${step.padEnd(8)} ${padded(visible(target), 20)} ${duration(seconds).padStart(7)}  ${what}`
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
