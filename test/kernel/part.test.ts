import { expect, test } from 'vitest'
import { openPart } from '../../operator/kernel/part.ts'
import { virtualClock } from './virtual-clock.ts'

/** A part that opens when nothing is wrong. */
function scene() {
  const clock = virtualClock()
  const said: (string | null)[] = []
  const state = { wrong: null as string | null, tries: 0, isStopped: false }
  const open = async () => {
    state.tries += 1
    if (state.wrong !== null) throw new Error(state.wrong)
    return { stop: async () => void (state.isStopped = true) }
  }
  return {
    clock,
    said,
    state,
    part: () => openPart(clock, { againMs: 10_000, open, said: (reason) => said.push(reason) }),
  }
}

test('a part that opens is up at once', async () => {
  const { clock, said, state, part } = scene()
  const opened = await part()
  expect(opened.up()).not.toBeNull()
  await clock.advance(100_000)
  expect([said, state.tries]).toEqual([[null], 1])
  await opened.stop()
  expect([state.isStopped, opened.up()]).toEqual([true, null])
})

test('one that does not is tried again until it does, each reason is said once', async () => {
  const { clock, said, state, part } = scene()
  state.wrong = 'taken'
  const opened = await part()
  expect(opened.up()).toBeNull()
  await clock.advance(30_000)
  state.wrong = 'forbidden'
  await clock.advance(10_000)
  expect([said, state.tries]).toEqual([['taken', 'forbidden'], 5])
  state.wrong = null
  await clock.advance(10_000)
  expect(opened.up()).not.toBeNull()
  expect(said).toEqual(['taken', 'forbidden', null])
})

test('one that is stopped while it is down is not tried again', async () => {
  const { clock, state, part } = scene()
  state.wrong = 'taken'
  await (await part()).stop()
  await clock.advance(100_000)
  expect([state.tries, clock.waiting()]).toEqual([1, []])
})
