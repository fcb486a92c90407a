import { describe, expect, test } from 'vitest'
import { openReservations } from '../../operator/reservations.ts'

const [first, second, third] = ['Run/ns/first', 'Run/ns/second', 'Run/ns/third'] as const

describe('reservations', () => {
  test('one Run at a time has a thing, and whoever asked in vain is told of when it is free', () => {
    const { take, release } = openReservations()
    expect(take(first, ['store ns/a'])).toBe(null)
    expect(take(second, ['store ns/a'])).toBe(first)
    expect(take(third, ['store ns/b'])).toBe(null)
    expect(release(first)).toEqual([second])
    expect(release(first)).toEqual([])
    expect(take(second, ['store ns/a'])).toBe(null)
  })

  test('to ask again is harmless', () => {
    const { take, release } = openReservations()
    for (let times = 0; times < 3; times += 1) expect(take(first, ['a'])).toBe(null)
    for (let times = 0; times < 3; times += 1) expect(take(second, ['a'])).toBe(first)
    expect(release(first)).toEqual([second])
    expect(take(second, ['a'])).toBe(null)
  })

  test('all or nothing', () => {
    const { take } = openReservations()
    take(first, ['b'])
    expect(take(second, ['a', 'b'])).toBe(first)
    expect(take(third, ['a'])).toBe(null)
  })

  test('a Run that came to need other things gives back all it ever had', () => {
    const { take, release } = openReservations()
    take(first, ['store ns/a'])
    take(first, ['store ns/b'])
    take(first, [])
    release(first)
    expect(take(second, ['store ns/a', 'store ns/b'])).toBe(null)
  })

  test('a Run that needs nothing waits for nobody', () => {
    const { take, release } = openReservations()
    take(first, ['a'])
    expect(take(second, [])).toBe(null)
    expect(release(second)).toEqual([])
  })
})
