// Whatever befalls requests, the operator, its Jobs and its clock: no slot is lost or run twice, and everything ends as it should. Each life is
// decided by its seed; FAULT_SEEDS=17,23 lives these alone and tells their stories. Those that end badly are told in .cache/lives.
import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openClusterApart, transportOf } from './harness.ts'
import { live } from './life.ts'
import { openWorld, type World } from './world.ts'

// So much is asked of the API server here that nobody else shall have to wait for it, and memory is cheaper than time.
process.env['GOGC'] = '400'
const cluster = await openClusterApart()
const stories = join(import.meta.dirname, '../../.cache/lives')
const tag = randomUUID().slice(0, 4)
const own = process.env['FAULT_SEEDS']?.split(',').map(Number)
const seedsTo = (count: number): readonly number[] => own ?? Array.from({ length: count }, (_, index) => index + 1)
const atOnce = Number(process.env['FAULT_AT_ONCE'] ?? 32)

describe.skipIf(cluster === null)('whatever befalls it', () => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(cluster!.kubeconfig, await transportOf(cluster!.kubeconfig))
  })
  afterAll(async () => {
    await world?.stop()
    await cluster?.stop()
  })

  test.each([
    ['direct', seedsTo(500)],
    ['proxy', seedsTo(12)],
  ] as const)('no Run is lost or doubled, and all comes to rest (%s)', { timeout: 1_800_000 }, async (way, seeds) => {
    const left = [...seeds]
    const failed: string[] = []
    let runs = 0
    const one = async (): Promise<void> => {
      for (let seed = left.shift(); seed !== undefined; seed = left.shift()) {
        const life = await live(world, seed, `life-${seed}-${way}-${tag}`, way)
        runs += life.runs
        if (own) console.log(`${life.story.join('\n')}\nseed ${seed}: ${life.wrong[0] ?? 'good'}`)
        if (life.wrong.length === 0) continue
        failed.push(`FAULT_SEEDS=${seed}, ${way}:\n  ${life.wrong.join('\n  ')}`)
        mkdirSync(stories, { recursive: true })
        writeFileSync(join(stories, `life-${seed}-${way}.txt`), `${[...life.wrong, ...life.story].join('\n')}\n`)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, one))
    expect(failed.join('\n')).toBe('')
    expect(runs).toBeGreaterThan(seeds.length)
  })
})
