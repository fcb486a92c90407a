// `npm run bench -- queue`: microseconds for one key to pass through the work queue, its metrics included, by number of keys that wait.

import { realClock } from '../operator/kernel/clock.ts'
import { openRegistry } from '../operator/kernel/metrics-registry.ts'
import { openQueue } from '../operator/kernel/queue.ts'

/** Everything but the queue takes no time. */
async function passing(count: number, afterMs: (index: number) => number): Promise<number> {
  let left = count
  const over = Promise.withResolvers<void>()
  const queue = openQueue(
    { clock: realClock, metrics: openRegistry({}) },
    {
      name: 'bench',
      concurrency: 10,
      async handle() {
        left -= 1
        if (left === 0) over.resolve()
        return { kind: 'done' }
      },
      failed: ({ error }) => over.reject(error),
    },
  )
  const begun = process.cpuUsage()
  for (let index = 0; index < count; index += 1) queue.add(`namespace/name-${index}`, { afterMs: afterMs(index) })
  queue.start()
  await over.promise
  const { user, system } = process.cpuUsage(begun)
  await queue.drain(0)
  return Number(((user + system) / count).toFixed(2))
}

export async function run(): Promise<object> {
  await passing(10_000, () => 0)
  const rows: Record<string, number>[] = []
  for (const keys of [1000, 10_000, 100_000])
    rows.push({
      keys,
      readyUs: await passing(keys, () => 0),
      delayedUs: await passing(keys, (index) => 1 + ((index * 7919) % 1000)),
    })
  return { rows }
}
