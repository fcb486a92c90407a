import type { Clock } from './clock.ts'

/** A part of the process that the rest can do without. */
export type Part<T> = {
  /** The part; null while it is down. */
  readonly up: () => T | null
  readonly stop: () => Promise<void>
}

export type PartOptions<T> = {
  /** How long after a failed attempt the next one begins, until the part is up. */
  readonly againMs: number
  readonly open: () => Promise<T>
  /** Told once of each reason why the part is down, and with null when it is up. */
  readonly said: (reason: string | null) => void
}

/** Opens a part, again and again until it succeeds. Resolves after the first attempt, whatever came of it. */
export async function openPart<T extends { readonly stop: () => Promise<void> }>(
  clock: Clock,
  { againMs, open, said }: PartOptions<T>,
): Promise<Part<T>> {
  let part: T | null = null
  let reason: string | null = null
  let isStopped = false
  let cancel = (): void => {}
  let attempt = tried()
  await attempt
  return {
    up: () => part,
    async stop() {
      isStopped = true
      cancel()
      await attempt
      await part?.stop()
      part = null
    },
  }

  async function tried(): Promise<void> {
    try {
      part = await open()
      reason = null
      said(null)
    } catch (error) {
      const now = error instanceof Error ? error.message : String(error)
      if (now !== reason) said(now)
      reason = now
      if (!isStopped)
        cancel = clock.after(againMs, () => {
          attempt = tried()
        })
    }
  }
}
