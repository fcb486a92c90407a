// `convoke run` in this process, on a data plane in memory.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compile } from '#compiler'
import type { Io } from '../../cli/command.ts'
import { type Done, runDue, type Steps } from '../../cli/run.ts'
import { openWorkDirectory, type WorkDirectory, type WorkState } from '../../cli/work-directory.ts'
import type { Plane } from './plane.ts'

export type Laptop = Disposable & {
  readonly path: string
  /** What `convoke run --at` does with these resources. Rejects with Killed where the process dies. */
  readonly call: (yaml: string, at: string) => Promise<Done>
  readonly state: () => WorkState
  /** From now on the process dies at the n-th write of what it remembers from now, before it or after it; null: it does not. */
  readonly dieAt: (death: { readonly write: number; readonly isDone: boolean } | null) => void
}

export function openLaptop(plane: Plane): Laptop {
  const path = mkdtempSync(join(tmpdir(), 'convoke-laptop-'))
  let death: { write: number; isDone: boolean } | null = null
  const perform = async (step: keyof Steps, context: Parameters<Steps['ingest']>[0]) =>
    plane.perform({ step, plan: context.plan, input: context.input })
  const steps = Object.fromEntries(
    (['ingest', 'extract', 'evaluate', 'export', 'import'] as const).map((step) => [
      step,
      (context: Parameters<Steps['ingest']>[0]) => perform(step, context),
    ]),
  ) as Steps
  return {
    path,
    async call(yaml, at) {
      const compilation = compile([{ file: 'bundle.yaml', text: yaml }], { verifyFixes: false })
      const [error] = compilation.diagnostics.filter(({ severity }) => severity === 'error')
      if (error) throw new Error(`${error.code}: ${error.message}`)
      const now = new Date(at)
      using work = mortal(openWorkDirectory(path, () => new Date()))
      return await runDue(compilation, now, work, places, databases, ioAt(now), line, steps)
    },
    state() {
      using work = openWorkDirectory(path, () => new Date())
      return work.state()
    },
    dieAt: (next) => void (death = next && { ...next }),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }

  /** Whoever dies writes nothing more, and leaves its lock to whoever finds out that it is dead. */
  function mortal(work: WorkDirectory): WorkDirectory {
    return {
      ...work,
      update(change) {
        if (death !== null && --death.write < 0) {
          const { isDone } = death
          death = null
          if (isDone) work.update(change)
          throw new Error('killed at a write')
        }
        work.update(change)
      },
      [Symbol.dispose]: () => work[Symbol.dispose](),
    }
  }
}

const places = { volumes: tmpdir(), secrets: null, databases: new Map(), scratchParent: null }
const databases = {
  urls: new Map(),
  open: async () => {},
  isThere: () => false,
  [Symbol.asyncDispose]: async () => {},
}
const line = { show: () => {}, say: () => {}, clear: () => {} }

function ioAt(now: Date): Io {
  return {
    program: 'convoke',
    out: () => {},
    err: () => {},
    document: () => {},
    isTerminal: false,
    columns: 80,
    rows: null,
    colour: false,
    env: {},
    cwd: tmpdir(),
    readStdin: () => Buffer.alloc(0),
    ask: null,
    now: () => now,
    signal: new AbortController().signal,
  }
}
