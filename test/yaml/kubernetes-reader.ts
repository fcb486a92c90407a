import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type KubernetesReading =
  | { readonly kind: 'value'; readonly json: string; readonly value: unknown }
  | { readonly kind: 'error'; readonly message: string }

/** Null where Go is missing: the reader of kubectl is a Go library. */
export const goVersion: string | null = versionOfGo()

/** Builds the reader once, then reads all texts in one process. */
export function kubernetesReader(): (texts: readonly string[]) => KubernetesReading[] {
  const binary = join(mkdtempSync(join(tmpdir(), 'kubernetes-yaml-')), 'read')
  execFileSync('go', ['build', '-o', binary, '.'], {
    cwd: join(import.meta.dirname, 'go'),
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return (texts) => {
    const input = texts.map((text) => `${JSON.stringify(text)}\n`).join('')
    const output = execFileSync(binary, { input, encoding: 'utf8', maxBuffer: 2 ** 30 })
    return output.trimEnd().split('\n').map(readingOf)
  }
}

function readingOf(line: string): KubernetesReading {
  // The program's two shapes.
  const answer = JSON.parse(line) as { readonly value?: unknown; readonly error?: string }
  if (answer.error !== undefined) return { kind: 'error', message: answer.error }
  return { kind: 'value', json: line.slice('{"value":'.length, -1), value: answer.value ?? null }
}

function versionOfGo(): string | null {
  const { status, stdout } = spawnSync('go', ['version'], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : null
}
