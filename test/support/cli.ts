// Runs the real command line in a child process: what a user gets, exit code and all.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const bin = join(import.meta.dirname, '../../bin/convoke')

export type Outcome = { readonly code: number; readonly out: string; readonly err: string }

export function convoke(
  args: readonly string[],
  options: { readonly cwd?: string; readonly stdin?: string | Buffer; readonly env?: Record<string, string> } = {},
): Outcome {
  const result = spawnSync(bin, args, {
    cwd: options.cwd ?? process.cwd(),
    input: options.stdin,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
  })
  return { code: result.status ?? -1, out: result.stdout, err: result.stderr }
}

/** A folder with these files, removed when disposed of. */
export function folderOf(files: Readonly<Record<string, string | Buffer>>): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'convoke-test-'))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), content)
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

export type Started = AsyncDisposable & {
  /** Both streams, so far. */
  readonly said: () => string
  /** Resolves when something is said that matches; rejects when the command ends before. */
  readonly until: (pattern: RegExp) => Promise<RegExpExecArray>
  readonly kill: (signal: NodeJS.Signals) => void
  /** The exit code, once it has ended. */
  readonly ended: Promise<number | null>
}

/** A command that goes on; ended when disposed of. */
export function convokeStarted(cwd: string, args: readonly string[]): Started {
  const child = spawn(bin, args, { cwd, env: { ...process.env, NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const heard = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part) => {
      said += part
      for (const hear of heard) hear()
    })
  const ended = once(child, 'close').then(([code]): number | null => code)
  return {
    said: () => said,
    kill: (signal) => void child.kill(signal),
    ended,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const hear = (): void => {
          const found = pattern.exec(said)
          if (!found) return
          heard.delete(hear)
          resolve(found)
        }
        heard.add(hear)
        void ended.then((code) => reject(new Error(`It ended with ${code} and never said ${pattern}:\n${said}`)))
        hear()
      }),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
