import { expect, test } from 'vitest'
import { ApiError, NotLeaderError } from '../../operator/kernel/api.ts'
import { type OwnWrites, ownWrites } from '../../operator/kernel/own-writes.ts'
import type { Version } from '../../operator/kernel/store.ts'
import { type VirtualClock, virtualClock } from './virtual-clock.ts'

type Scene = {
  readonly clock: VirtualClock
  readonly writes: OwnWrites
  readonly settled: string[]
  readonly asked: string[]
  /** What the API server has: an answer for each question, the last for all further ones. */
  readonly serverHas: (...answers: readonly (Version | null | Error)[]) => void
}

function scene(): Scene {
  const clock = virtualClock()
  const [settled, asked]: [string[], string[]] = [[], []]
  let answers: readonly (Version | null | Error)[] = []
  const writes = ownWrites(clock, {
    patienceMs: 5000,
    settled: (owner) => settled.push(`${owner}@${clock.elapsed()}`),
    async live(object) {
      asked.push(object)
      const [answer = null, ...rest] = answers
      if (rest.length > 0) answers = rest
      if (answer instanceof Error) throw answer
      return answer
    },
  })
  return { clock, writes, settled, asked, serverHas: (...list) => void (answers = list) }
}

const at = (resourceVersion: string, uid = 'u'): Version => ({ uid, resourceVersion })
const answering = (version: Version) => async () => ({ metadata: version })

test('the owner is held until the cache shows what was written, and no other owner is', async () => {
  const { clock, writes, settled, asked } = scene()
  await writes.write('run', 'job', answering(at('9')))
  expect([writes.holds('run'), writes.holds('other')]).toEqual([true, false])
  writes.seen('job', at('8'))
  writes.seen('other job', at('9'))
  expect(writes.holds('run')).toBe(true)
  await clock.advance(100)
  writes.seen('job', at('9'))
  expect(writes.holds('run')).toBe(false)
  expect(settled).toEqual(['run@100'])
  await clock.advance(60_000)
  expect(asked).toEqual([])
})

test('the owner is held while the write is under way, and not after it if the cache was faster than the answer', async () => {
  const { writes, settled } = scene()
  const writing = writes.write('run', 'job', async () => {
    expect(writes.holds('run')).toBe(true)
    writes.seen('job', at('9'))
    writes.seen('job', at('12'))
    return { metadata: at('9') }
  })
  await writing
  expect(writes.holds('run')).toBe(false)
  expect(settled).toEqual(['run@0'])
})

test('an owner of several writes is held until the last is shown', async () => {
  const { writes, settled } = scene()
  await writes.write('run', 'job', answering(at('1')))
  await writes.write('run', 'map', answering(at('2')))
  await writes.write('run', 'job', answering(at('3')))
  writes.seen('map', at('2'))
  writes.seen('job', at('1'))
  expect(settled).toEqual([])
  writes.seen('job', at('3'))
  expect(settled).toEqual(['run@0'])
})

test('news that an earlier object of the same name is gone releases nobody', async () => {
  const { writes, settled } = scene()
  await writes.write('run', 'job', async () => {
    writes.seen('job', null)
    return { metadata: at('6', 'new') }
  })
  writes.seen('job', null)
  expect(writes.holds('run')).toBe(true)
  writes.seen('job', at('6', 'new'))
  expect(settled).toEqual(['run@0'])
})

test.each<readonly [string, readonly (Version | null | Error)[], readonly string[]]>([
  ['has a version that the cache has shown', [at('7')], ['run@5000']],
  ['has it no more', [null], ['run@5000']],
  ['does not answer at first', [new Error('reset'), at('7')], ['run@10000']],
  ['has a version that the cache does not show', [at('8')], []],
  ['still has what was written', [at('6')], []],
])('a write that the cache never shows is asked for after 5 s; where the server %s', async (_, answers, expected) => {
  const { clock, writes, settled, asked, serverHas } = scene()
  serverHas(...answers)
  await writes.write('run', 'job', answering(at('6')))
  writes.seen('job', at('7'))
  await clock.advance(4999)
  expect(asked).toEqual([])
  await clock.advance(10_000)
  expect(settled).toEqual(expected)
  expect(writes.holds('run')).toBe(expected.length === 0)
})

test('the hold moves to what the server has now, and ends when the cache shows that', async () => {
  const { clock, writes, settled, serverHas } = scene()
  serverHas(at('2', 'another'))
  await writes.write('run', 'job', answering(at('6')))
  await clock.advance(6000)
  writes.seen('job', at('2', 'another'))
  expect(settled).toEqual(['run@6000'])
  await clock.advance(60_000)
  expect(clock.waiting()).toEqual([])
})

test.each<readonly [string, Version | null, readonly string[]]>([
  ['was not done', null, ['run@5000']],
  ['was done, which the cache shows', at('6'), ['run@5000']],
  ['was done, which the cache does not show', at('9'), []],
])('a write whose answer is lost holds the owner, and is asked for: it %s', async (_, answer, expected) => {
  const { clock, writes, settled, serverHas } = scene()
  serverHas(answer)
  const lost = writes.write('run', 'job', () => Promise.reject(new Error('ECONNRESET')))
  await expect(lost).rejects.toThrow('ECONNRESET')
  expect(writes.holds('run')).toBe(true)
  writes.seen('job', at('6'))
  await clock.advance(5000)
  expect(settled).toEqual(expected)
})

test('a failed write that changed nothing holds until it is known that the object is as the cache shows it', async () => {
  const { clock, writes, settled, serverHas } = scene()
  writes.seen('job', at('6'))
  serverHas(at('6'))
  const lost = writes.write('run', 'job', () => Promise.reject(new Error('ECONNRESET')))
  await expect(lost).rejects.toThrow('ECONNRESET')
  await clock.advance(5000)
  expect([settled, clock.waiting()]).toEqual([['run@5000'], []])
})

test('a write that changed nothing holds nobody when the cache shows the object already', async () => {
  const { writes, settled } = scene()
  writes.seen('job', at('6'))
  await writes.write('run', 'job', answering(at('6')))
  expect(settled).toEqual(['run@0'])
  // Gone, and made again by the write: what was shown before is no proof.
  writes.seen('job', null)
  await writes.write('run', 'job', answering(at('6')))
  expect(writes.holds('run')).toBe(true)
})

test.each<readonly [string, Error, boolean]>([
  ['refused holds nobody', new ApiError('conflict', 409), false],
  ['refused for its load holds nobody', new ApiError('slowly', 429), false],
  ['not sent holds nobody', new NotLeaderError('another leads'), false],
  ['met by a fault of the server holds: it may have been done', new ApiError('etcd is slow', 500), true],
])('a write that was %s, and the failure is the owner’s', async (_, error, holds) => {
  const { writes, settled } = scene()
  await expect(writes.write('run', 'job', () => Promise.reject(error))).rejects.toBe(error)
  expect([writes.holds('run'), settled]).toEqual([holds, []])
})

test('after stop nothing waits and nothing is called', async () => {
  const { clock, writes, settled, asked } = scene()
  await writes.write('run', 'job', answering(at('6')))
  writes.stop()
  writes.seen('job', at('6'))
  await clock.advance(60_000)
  expect([settled, asked, clock.waiting()]).toEqual([[], [], []])
})
