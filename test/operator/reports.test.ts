// What is lost of a step that has ended, and what only cannot be read at this moment.
import { describe, expect, test } from 'vitest'
import { reportLinesOf, terminationMessageOf } from '#crds'
import { type Api, ApiError } from '../../operator/kernel/api.ts'
import { realClock } from '../../operator/kernel/clock.ts'
import { outcomeOf, podsSay } from '../../operator/reports.ts'
import { reportOf } from './player.ts'

const step = { step: 'evaluate', run: 'night', attempt: 1 } as const
const details = [{ segment: 'gold', members: 3 }]
const report = reportOf({ step: step.step, input: { run: step.run, attempt: step.attempt } as never }, details)
const pod = {
  metadata: { name: 'pod', creationTimestamp: '2026-12-01T02:00:00Z' },
  status: {
    containerStatuses: [
      { name: 'convoke', state: { terminated: { exitCode: 0, message: terminationMessageOf(report) } } },
    ],
  },
}
const refused = (status: number): Error => new ApiError(`a log: ${status}`, status)

describe('a log', () => {
  /** By what is answered, in turn, and after how many seconds each: what is read in the end, and how often it was asked for. */
  async function read(answers: readonly (readonly [seconds: number, answer: string | Error | null])[]) {
    let asked = 0
    let elapsedMs = 0
    const api = {
      list: async () => [pod],
      getText: async () => {
        const [, answer] = answers[asked++]!
        if (answer instanceof Error) throw answer
        return answer
      },
    } as unknown as Api // what a report is read by
    const own = { api, clock: { ...realClock, elapsed: () => elapsedMs }, unreadLogs: new Map<string, number>() }
    for (const [seconds] of answers) {
      elapsedMs = seconds * 1000
      const outcome = await outcomeOf(own, { namespace: 'shop', name: 'job', ...step }).catch(() => null)
      if (outcome === null) continue
      expect(own.unreadLogs.size).toBe(0)
      return { asked, details: outcome.kind === 'reported' ? outcome.details : outcome }
    }
    return { asked, details: 'again' }
  }
  const log = `${reportLinesOf(report).join('\n')}\n`
  const reset = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })

  test.each<readonly [string, Parameters<typeof read>[0], number, unknown]>([
    ['that is there is read', [[0, log]], 1, details],
    ['that is not there is lost', [[0, null]], 1, null],
    ['of a container that never was is lost', [[0, refused(400)]], 1, null],
    ['that nobody may read is lost', [[0, refused(403)]], 1, null],
    ['that is not whole is lost', [[0, log.slice(log.indexOf('\n') + 1)]], 1, null],
    [
      'is asked for again where the server is in haste',
      [
        [0, refused(429)],
        [1, log],
      ],
      2,
      details,
    ],
    [
      'is asked for again where the way is broken',
      [
        [0, reset],
        [59, refused(500)],
        [59.9, log],
      ],
      3,
      details,
    ],
    [
      'whose node does not answer for a minute is lost',
      [
        [0, refused(502)],
        [30, reset],
        [60, refused(502)],
      ],
      3,
      null,
    ],
  ])('%s', async (_, answers, asked, expected) => {
    expect(await read(answers)).toEqual({ asked, details: expected })
  })
})

describe('of a Job that has not ended', () => {
  const own = pod.status.containerStatuses[0]!
  const running = { state: { running: {} } }
  const over = { state: { terminated: { exitCode: 0 } } }
  test.each<readonly [string, readonly object[], 'reported' | undefined]>([
    ['a report counts where a sidecar keeps the Pod', [own, { name: 'mesh', ...running }], 'reported'],
    ['the end of a Pod that has said all is waited for', [own], undefined],
    ['so is that of one whose sidecar is over as well', [own, { name: 'mesh', ...over }], undefined],
    [
      'nothing is said while the step is at work',
      [
        { name: 'convoke', ...running },
        { name: 'mesh', ...running },
      ],
      undefined,
    ],
  ])('%s', async (_, containerStatuses, kind) => {
    const api = {
      list: async (path: string) =>
        path.endsWith('/events') ? [] : [{ ...pod, status: { phase: 'Running', containerStatuses } }],
      getText: async () => `${reportLinesOf(report).join('\n')}\n`,
    } as unknown as Api // what Pods and their logs are read by
    const reader = { api, clock: realClock, unreadLogs: new Map<string, number>() }
    const said = await podsSay(reader, { namespace: 'shop', name: 'job', ...step }, false)
    expect(said.outcome?.kind).toBe(kind)
  })
})
