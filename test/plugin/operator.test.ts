// The command line beside the operator itself, on a real API server: each understands what the other writes. The test is the Job controller
// and the kubelet, and says what becomes of a step.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Detail, RunReport } from '#crds'
import { openCluster } from '../api/convoke.ts'
import { type Ended, convoke as inProcess } from '../cli-tools/command-line.ts'
import { minimal, withSpec } from '../operator/bundle.ts'
import {
  conditionOf,
  movableClock,
  type Operator,
  startOperator,
  transportOf,
  type Workshop,
  workshop,
} from '../operator/harness.ts'
import { type Player, play, reportOf, type Work } from '../operator/player.ts'

const cluster = await openCluster()
const hour = 3_600_000
const segments = ['big-spenders', 'gold-members', 'lapsed-buyers']

describe.skipIf(cluster === null)('beside the operator', { timeout: 60_000 }, () => {
  const clock = movableClock()
  let operator: Operator
  let shop: Workshop
  let player: Player
  /** What becomes of a step, where it is not simply done. */
  let otherwise: (work: Work) => Partial<RunReport> | null = () => null
  const done: Work[] = []

  beforeAll(async () => {
    const transport = await transportOf(cluster!.kubeconfig)
    shop = await workshop(cluster!, transport)
    player = await play(
      transport,
      (work) => {
        done.push(work)
        const more = otherwise(work)
        const details = more?.details ?? detailsOf(work)
        return { kind: 'report', report: reportOf(work, details, { totals: { segments: details.length }, ...more }) }
      },
      (namespace) => namespace === shop.namespace,
    )
    operator = await startOperator(transport, { clock, namespaces: [shop.namespace] })
    await shop.claims('profile-store', 'landing', 'landing-zone')
    // Nothing runs by itself in between, whatever the time of day.
    const quiet = withSpec('ProfileStore', 'customers', (spec) => ({
      ...spec,
      evaluation: { batch: { schedule: '0 2 29 2 *', timeZone: 'Etc/UTC' } },
    }))
    await shop.apply(...minimal().map((resource) => (resource.kind === 'ProfileStore' ? quiet : resource)))
    await shop.until(async () =>
      expect(conditionOf(await shop.get('Activation', 'newsletter'), 'Ready')).toMatchObject({ status: 'True' }),
    )
  })
  afterAll(async () => {
    await operator?.kill()
    await player?.stop()
  })

  const convoke = async (...argv: string[]): Promise<Ended> => {
    const [command = '', ...rest] = argv
    const place = ['--kubeconfig', cluster!.kubeconfig, '-n', shop.namespace]
    return inProcess(process.cwd(), [command, ...place, ...rest], { now: () => new Date(clock.now()) })
  }
  const nameIn = (out: string): string => /^Run\/(\S+)$/m.exec(out)![1]!

  test('what was just applied is seen and ready, and a store is run', async () => {
    const { code, out } = await convoke('status')
    expect(out).toContain('✓ Nothing needs attention.')
    expect(code).toBe(0)
    const ran = await convoke('run', 'ProfileStore/customers', '--wait')
    expect(ran.err.split('\n').map((line) => line.slice(0, 20))).toEqual([
      '✓ ingest   customers',
      '✓ evaluate customers',
      '',
    ])
    expect(ran.out).toMatch(/^Run\/(pstore-customers-batch-\S+)\n✓ \1 succeeded in \d+s?\.\n$/)
    expect(ran.code).toBe(0)
    expect((await convoke('status', 'Segment')).out).toMatch(/^gold-members +ready +10 +10 +0 /m)
  })

  test('a Run that fails says why, needs attention, and goes on from the step that failed', async () => {
    const error = { reason: 'DatabaseRefused', message: 'There is no table recipients.', retryable: false }
    otherwise = ({ step }) => (step === 'import' ? { outcome: 'Failed', error } : null)
    const ran = await convoke('run', 'newsletter', '--wait')
    expect(ran.code).toBe(1)
    expect(ran.err).toMatch(
      /✓ export {3}newsletter.*\n✗ import {3}newsletter .* Failed: DatabaseRefused: There is no table/,
    )
    const name = nameIn(ran.out)
    await shop.until(async () => {
      const { code, out } = await convoke('status')
      expect(code).toBe(1)
      expect(out.match(/^[✗!] .*/gm)).toEqual([
        expect.stringMatching(/^✗ Activation\/newsletter failed in import: DatabaseRefused/),
      ])
      expect(out).toContain(`→ convoke run --retry ${name} --wait -n ${shop.namespace}`)
    })
    otherwise = () => null
    const again = await convoke('run', '--retry', name, '--wait')
    expect(again).toMatchObject({ code: 0, err: expect.stringMatching(/^✓ import {3}newsletter[^\n]*\n$/) })
    await shop.until(async () => expect((await convoke('status')).code).toBe(0))
    expect(await convoke('run', '--retry', name)).toMatchObject({
      code: 2,
      err: expect.stringContaining('has succeeded'),
    })
  })

  test('a Run that has to wait says for what', async () => {
    const { code, err, out } = await convoke('run', 'newsletter', '--wait', '--timeout', '3s')
    expect(err).toMatch(/^· Pending: Waits until .*minActivationInterval.*\nNot finished within 3s; the Run goes on\./)
    expect(code).toBe(1)
    const name = nameIn(out)
    expect((await convoke('status')).out).toMatch(
      new RegExp(`^${name} +Activation/newsletter +Manual +\\S+ ?\\S* +pending`, 'm'),
    )
    clock.move(4 * hour)
    await shop.until(async () =>
      expect(conditionOf(await shop.get('Run', name), 'Succeeded')).toMatchObject({ status: 'True' }),
    )
  })

  test('Segments that are held are shown, and pass once they are approved', async () => {
    clock.move(4 * hour)
    const why = '71 % of 10 members would leave; the circuit breaker allows 50 %.'
    otherwise = (work) => {
      if (work.step !== 'export' || work.input.approved?.includes('gold-members')) return null
      const details = detailsOf(work).map((detail) =>
        detail.segment === 'gold-members' ? { segment: 'gold-members', members: 3, held: why } : detail,
      )
      return { outcome: 'Held', details }
    }
    const ran = await convoke('run', 'newsletter', '--wait')
    expect(ran.code).toBe(0)
    expect(ran.out).toContain('! Held back: gold-members.\n→ convoke approve newsletter gold-members')
    await shop.until(async () => {
      const { code, out } = await convoke('status')
      expect(out).toContain(`! Activation/newsletter holds \`gold-members\` back`)
      expect(out).toContain(why)
      expect(code).toBe(0)
    })
    clock.move(4 * hour)
    const approved = await convoke('approve', 'newsletter', 'gold-members', '--wait')
    expect(approved.code).toBe(0)
    expect(done.filter(({ step }) => step === 'export').at(-1)!.input.approved).toEqual(['gold-members'])
    await shop.until(async () => expect((await convoke('status')).out).toContain('✓ Nothing needs attention.'))

    const { out } = await convoke('logs', nameIn(approved.out))
    expect(out).toMatch(/^── export act-newsletter-/)
    expect(out).toMatch(/^gold-members +10 +10 +0/m)
    expect(out).toMatch(/^── import act-newsletter-/m)
  })
})

function detailsOf({ step }: Work): readonly Detail[] {
  switch (step) {
    case 'evaluate':
      return segments.map((segment) => ({ segment, members: 10, entered: 10, exited: 0 }))
    case 'export':
      return segments.map((segment) => ({ segment, members: 10, realized: 10, exited: 0, manifest: `${segment}.json` }))
    default:
      return []
  }
}
