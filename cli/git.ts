import { spawnSync } from 'node:child_process'
import { relative, resolve } from 'node:path'
import { decodeUtf8, type Source } from '#compiler'
import type { Io } from './command.ts'

/** The resources under these paths at a git revision; null where this is no repository, or the revision is unknown. */
export function readRevision(revision: string, paths: readonly string[], io: Io): Source[] | null {
  const git = (args: readonly string[], input?: string): Buffer | null => {
    const result = spawnSync('git', args, { cwd: io.cwd, input, maxBuffer: 1 << 30 })
    return result.status === 0 ? result.stdout : null
  }
  const top = git(['rev-parse', '--show-toplevel'])?.toString().trim()
  const commit = git(['rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`])
    ?.toString()
    .trim()
  if (!top || !commit) return null
  const listed = git([
    'ls-tree',
    '-r',
    '-z',
    '--name-only',
    '--full-name',
    commit,
    '--',
    ...paths.filter((path) => path !== '-'),
  ])
  const names = (listed?.toString() ?? '')
    .split('\0')
    .filter(
      (name) =>
        /\.(?:ya?ml|json)$/i.test(name) &&
        !name.split('/').some((part) => part.startsWith('.') || part === 'node_modules'),
    )
  const blobs =
    names.length === 0 ? null : git(['cat-file', '--batch'], names.map((name) => `${commit}:${name}\n`).join(''))
  if (!blobs) return []
  // Each blob is a header line `<object> blob <size>`, its bytes, and a line end.
  const sources: Source[] = []
  let at = 0
  for (const name of names) {
    const end = blobs.indexOf('\n', at)
    const size = Number(blobs.subarray(at, end).toString().split(' ')[2])
    const decoded = decodeUtf8(blobs.subarray(end + 1, end + 1 + size))
    at = end + 1 + size + 1
    if (decoded.kind === 'text') sources.push({ file: relative(io.cwd, resolve(top, name)), text: decoded.text })
  }
  return sources
}
