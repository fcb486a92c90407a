import type { Progress } from '#jobs'
import type { Io } from './command.ts'

export type ProgressLine = {
  readonly show: (progress: Progress) => void
  /** A line that stays. */
  readonly say: (line: string) => void
  readonly clear: () => void
}

/** On a terminal one line that is drawn over; elsewhere only what is said to stay. */
export function progressLine(io: Io): ProgressLine {
  let drawn = false
  let last = 0
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
      if (now - last < 80) return
      last = now
      const { step, subject, done, total, unit } = progress
      const part =
        total === null || total === 0
          ? `${done.toLocaleString('en')} ${unit}`
          : `${bar(done / total)} ${Math.floor((100 * done) / total)} %`
      const line = `${step.padEnd(8)} ${subject} ${part}`
      io.err(`\r\x1b[2K${line.slice(0, Math.max(20, io.columns - 1))}`)
      drawn = true
    },
  }
}

function bar(share: number): string {
  const width = 20
  const full = Math.max(0, Math.min(width, Math.round(share * width)))
  return '█'.repeat(full) + '░'.repeat(width - full)
}
