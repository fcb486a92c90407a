import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Io } from '../../cli/command.ts'
import { main } from '../../cli/main.ts'

export type Ended = { readonly code: number; readonly out: string; readonly err: string }

/** A folder of the test's own with these files, removed when the test ends. */
export function folderOf(files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'convoke-cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  return folder
}

/** Runs `convoke …` in this process, in a folder, and gives what it said. */
export async function convoke(cwd: string, argv: readonly string[], io: Partial<Io> = {}): Promise<Ended> {
  let out = ''
  let err = ''
  const code = await main(argv, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    document: (text) => void (out += text),
    program: 'convoke',
    isTerminal: false,
    columns: 100,
    rows: null,
    colour: false,
    env: {},
    cwd,
    readStdin: () => Buffer.from(''),
    ask: null,
    now: () => new Date('2026-11-24T00:00:00Z'),
    signal: new AbortController().signal,
    ...io,
  })
  return { code, out, err }
}
