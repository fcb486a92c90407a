import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The programs of one cluster, each with a log of its name in the cluster's folder. */
export type Children = {
  readonly folder: string
  readonly start: (
    name: string,
    program: string,
    flags: Readonly<Record<string, string>>,
    environment?: Readonly<Record<string, string>>,
  ) => void
  /** As it was started, once the one before is gone. */
  readonly restart: (name: string) => Promise<void>
  /** Throws, if one of them has ended, which one and how. */
  readonly check: () => void
  /** The owner, who waits for a file, reads why; the folder stays until it ends. */
  readonly fail: (reason: unknown) => void
  /** At once and without asking: their data goes with them. */
  readonly end: () => Promise<void>
}

export function childrenIn(folder: string): Children {
  const children = new Map<string, ChildProcess>()
  const starts = new Map<string, () => void>()
  const running = (): ChildProcess[] =>
    [...children.values()].filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
  return {
    folder,
    start: (name, program, flags, environment = {}) => {
      const log = openSync(join(folder, `${name}.log`), 'w')
      const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)
      const env = { ...process.env, ...environment }
      const start = (): void => void children.set(name, spawn(program, args, { stdio: ['ignore', log, log], env }))
      starts.set(name, start)
      start()
    },
    restart: async (name) => {
      const child = children.get(name)!
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
      starts.get(name)!()
    },
    check: () => {
      for (const [name, { exitCode, signalCode }] of children)
        if (exitCode !== null || signalCode !== null) throw new Error(`${name} ended with ${exitCode ?? signalCode}`)
    },
    fail: (reason) => {
      const logs = [...children.keys()].map(
        (name) => `--- the end of ${name}.log:\n${tail(join(folder, `${name}.log`))}`,
      )
      publish(join(folder, 'failed.txt'), [String(reason), ...logs].join('\n'))
    },
    end: async () => {
      const left = running()
      const ended = Promise.all(left.map((child) => once(child, 'exit')))
      for (const child of left) child.kill('SIGKILL')
      await ended
    },
  }
}

/** Whole or not at all, for whoever waits for the file. */
export function publish(path: string, text: string): void {
  writeFileSync(`${path}.part`, text)
  renameSync(`${path}.part`, path)
}

function tail(path: string): string {
  return (read(path) ?? '').split('\n').slice(-30).join('\n')
}

/** Null where there is no such file. */
export function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
