// Runs the real command line in a child process: what a user gets, exit code and all.
import { spawnSync } from 'node:child_process'
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
