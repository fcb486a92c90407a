// What a run that was killed left in the scratch folder is swept by the next.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Io } from '../../cli/command.ts'
import { portsFor } from '../../cli/ports.ts'

test('folders of processes that are gone are removed; of those at work, and of others, none', () => {
  const parent = mkdtempSync(join(tmpdir(), 'convoke-scratch-'))
  const host = hostname().replaceAll(/[^A-Za-z0-9]/g, '')
  // A process that has ended.
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  const kept = [
    `convoke-${host}-${process.pid}-a`,
    `convoke-elsewhere-${pid}-a`,
    'convoke-old',
    'somebody',
    `convoke-${host}-x`,
  ]
  for (const name of [...kept, `convoke-${host}-${pid}-a`]) {
    mkdirSync(join(parent, name, 'evaluate-x'), { recursive: true })
    writeFileSync(join(parent, name, 'evaluate-x', 'spilled'), '')
  }
  const places = { volumes: '/', secrets: null, databases: new Map(), scratchParent: parent }
  const io = { now: () => new Date(), signal: new AbortController().signal } as unknown as Io
  {
    using ports = portsFor(places, io, () => {})
    expect(
      readdirSync(parent)
        .filter((name) => join(parent, name) !== ports.scratch)
        .sort(),
    ).toEqual(kept.sort())
  }
  expect(readdirSync(parent).sort()).toEqual(kept.sort())
  rmSync(parent, { recursive: true })
})
