// The same life, driven by `convoke run` and by the operator, ends the same: files, what Campaign is known to have, who is on its lists; and whoever
// drives, nobody is on a list who is not in, once troubles are over. LIFE_SEEDS=17,23 lives these alone. The long form is for `make soak`.
import { randomInt } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openClusterApart, transportOf } from '../operator/harness.ts'
import { openWorld, type World } from '../operator/world.ts'
import { patience, tries } from '../support/soak.ts'
import { inCluster, onLaptop } from './drivers.ts'
import { type Ended, scriptOf } from './script.ts'

process.env['GOGC'] = '400'
const cluster = await openClusterApart()
const own = process.env['LIFE_SEEDS']?.split(',').map(Number)
const fixed = Array.from({ length: tries(64, 500) }, (_, index) => index + 1)
// What is searched anew each time is soak's: a landing is judged by the same lives each time.
const fresh = Array.from({ length: tries(0, 8) }, () => randomInt(1_000, 1_000_000))
const seeds = own ?? [...fixed, ...fresh]
const atOnce = Number(process.env['LIVES_AT_ONCE'] ?? 12)
const tag = randomInt(1_000_000).toString(36)
/** After what the API server says of when things were made. */
const startMs = Math.floor(Date.now() / 86_400_000 + 2) * 86_400_000

const scripted = (seed: number) => scriptOf(seed, `twin-${seed}-${tag}`, startMs)

async function each(act: (seed: number) => Promise<readonly string[]>, together: number): Promise<readonly string[]> {
  const left = [...seeds]
  const failed: string[] = []
  const one = async (): Promise<void> => {
    for (let seed = left.shift(); seed !== undefined; seed = left.shift()) {
      const wrong = await act(seed).catch((error: Error) => [error.stack ?? error.message])
      if (wrong.length > 0) failed.push(`LIFE_SEEDS=${seed}:\n  ${wrong.join('\n  ')}`)
    }
  }
  await Promise.all(Array.from({ length: together }, one))
  return failed
}

function differences(a: Ended, b: Ended): readonly string[] {
  const lacking = (name: 'files' | 'lists' | 'baselines', one: Ended, other: Ended, who: string) =>
    one[name].filter((line) => !other[name].includes(line)).map((line) => `${who} alone, ${name}: ${line}`)
  return (['files', 'lists', 'baselines'] as const).flatMap((name) => [
    ...lacking(name, a, b, 'the laptop'),
    ...lacking(name, b, a, 'the cluster'),
  ])
}

const laptops = new Map<number, Ended>()

test('on a laptop nobody stays on a list who has left', { timeout: patience(900_000) }, async () => {
  console.log(`lives: ${fixed.length} fixed, fresh ${fresh.join(',')}`)
  const failed = await each(async (seed) => {
    const ended = await onLaptop(scripted(seed))
    laptops.set(seed, ended)
    return ended.wrong
  }, 4)
  expect(failed.join('\n')).toBe('')
})

describe.skipIf(cluster === null)('in a cluster', () => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(cluster!.kubeconfig, await transportOf(cluster!.kubeconfig))
  })
  afterAll(async () => {
    await world?.stop()
    await cluster?.stop()
  })

  test('it ends the same', { timeout: patience(3_600_000) }, async () => {
    const failed = await each(async (seed) => {
      const ended = await inCluster(world, scripted(seed))
      return [...ended.wrong, ...differences(laptops.get(seed) ?? (await onLaptop(scripted(seed))), ended)]
    }, atOnce)
    expect(failed.join('\n')).toBe('')
  })
})
