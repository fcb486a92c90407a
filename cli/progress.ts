import { visible } from '#compiler'
import type { Progress } from '#jobs'
import { count, duration } from '#views'
import type { Io } from './command.ts'
import { fitted } from './paint.ts'

export type ProgressLine = {
  readonly show: (progress: Progress) => void
  /** Prints a line that stays. */
  readonly say: (line: string) => void
  readonly clear: () => void
}

/** On a terminal one line that is drawn over; elsewhere only the lines that stay. */
export function progressLine(io: Io): ProgressLine {
  let drawn = false
  let last = 0
  let began = { work: '', done: 0, at: 0 }
  const clear = (): void => {
    if (drawn) io.err('\r\x1b[2K')
    drawn = false
  }
  return {
    clear,
    say: (line) => {
      clear()
      io.err(`${line}\n`)
    },
    show: (progress) => {
      if (!io.isTerminal) return
      const now = io.now().getTime()
      const work = `${progress.step}/${progress.unit}/${progress.total}`
      if (work !== began.work || progress.done < began.done) began = { work, done: progress.done, at: now }
      if (now - last < 80) return
      last = now
      const line = progressText(progress, progress.done - began.done, (now - began.at) / 1000)
      io.err(`\r\x1b[2K${fitted(line, Math.max(20, io.columns - 1))}`)
      drawn = true
    },
  }
}

/** Units in which the work is divided, which people do not count. */
const ownUnits = new Set(['buckets', 'starting'])

/** `ingest   orders ████░░░░ 42 % · 12,000 rows/s · 8 s left`; `done` and `seconds` count from when this work began. */
export function progressText({ step, subject, done, total, unit }: Progress, since: number, seconds: number): string {
  const isKnown = total !== null && total > 0
  const part = isKnown
    ? `${bar(done / total)} ${Math.floor((100 * done) / total)} %`
    : `${done === 0 ? '' : `${count(done)} `}${unit}`
  // The first moments allow no estimate.
  const isSteady = seconds >= 2 && since > 0
  const rate = isSteady && !ownUnits.has(unit) ? ` · ${count(Math.round(since / seconds))} ${unit}/s` : ''
  const left = isSteady && isKnown && done < total ? ` · ${duration(((total - done) * seconds) / since)} left` : ''
  return `${step.padEnd(8)} ${visible(subject)} ${part}${rate}${left}`
}

function bar(share: number): string {
  const width = 20
  const full = Math.max(0, Math.min(width, Math.round(share * width)))
  return '█'.repeat(full) + '░'.repeat(width - full)
}
