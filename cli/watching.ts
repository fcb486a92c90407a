import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { exitCodes, type Io, UsageError } from './command.ts'
import { readConfig, readSources } from './sources.ts'

const pollMilliseconds = 400

/** Works now, and again whenever a file that it reads changes, comes or goes, until interrupted. Failures are printed. */
export async function whileWatched(paths: readonly string[], io: Io, work: () => Promise<number>): Promise<number> {
  const read = paths.length > 0 ? paths : readConfig(io).paths
  if (read.includes('-')) throw new UsageError('Standard input is read once; --watch takes files and directories.')
  let seen: string | null = null
  while (!io.signal.aborted) {
    const now = stateOf(read, io)
    if (now !== seen) {
      seen = now
      if (io.rows !== null) io.out('\x1b[H\x1b[2J')
      try {
        await work()
      } catch (error) {
        if (!(error instanceof UsageError)) throw error
        io.err(`${error.message}\n`)
      }
      io.err(`${io.now().toISOString().slice(11, 19)} UTC: waiting for a change; Ctrl-C ends this.\n`)
    }
    await sleep(pollMilliseconds, undefined, { signal: io.signal }).catch(() => undefined)
  }
  return exitCodes.fine
}

/** A text of which files there are and when each was last written, to notice changes. */
function stateOf(paths: readonly string[], io: Io): string {
  try {
    return readSources(paths, io)
      .sources.map(({ file }) => {
        const { mtimeMs, size } = statSync(resolve(io.cwd, file), { throwIfNoEntry: false }) ?? { mtimeMs: 0, size: 0 }
        return `${file} ${mtimeMs} ${size}`
      })
      .join('\n')
  } catch (error) {
    // Somebody is writing the file at this moment, or has removed it.
    if (error instanceof UsageError) return error.message
    throw error
  }
}
