// `convoke run` and `convoke approve` on a real API server; the test is the operator.
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { annotations, type Run } from '#crds'
import { kubeconfigWith, openCluster } from '../api/convoke.ts'
import { conditions, openScene, type Scene } from './scene.ts'

const cluster = await openCluster()

const running = { observedGeneration: 1, attempt: 1, startedAt: '2026-12-01T12:00:01Z' }
const unfinished = conditions([['Succeeded', 'Unknown', 'Running']])
const exported = {
  name: 'export',
  outcome: 'Succeeded',
  attempt: 1,
  startedAt: '2026-12-01T12:00:01Z',
  finishedAt: '2026-12-01T12:00:13Z',
  totals: { files: 3, rows: 265, missingMandatory: 0 },
}
const imported = {
  ...exported,
  name: 'import',
  finishedAt: '2026-12-01T12:00:20Z',
  totals: { updated: 261, rejected: 4 },
}

describe.skipIf(cluster === null)('run', () => {
  test('makes a manual Run for the second it is asked for, and says its name', async () => {
    const { convoke, get } = await openScene(cluster!)
    const activation = await get('Activation', 'win-back')
    const { code, out, err } = await convoke(['run', 'win-back'], { now: () => new Date('2026-12-01T12:00:00.700Z') })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const [, name] = /^Run\/(act-win-back-29935440-[0-9a-f]{8})\n$/.exec(out)!
    expect((await get('Run', name!)).spec).toEqual({
      target: { kind: 'Activation', name: 'win-back', uid: activation.metadata.uid },
      scheduledTime: '2026-12-01T12:00:00Z',
      trigger: 'Manual',
    })
  })

  test('makes another each time', async () => {
    const { convoke, list } = await openScene(cluster!)
    const made = [await convoke(['run', 'act/win-back']), await convoke(['run', 'Activation/win-back'])]
    expect(new Set(made.map(({ out }) => out)).size).toBe(2)
    expect(await list('Run')).toHaveLength(2)
  })

  test.each([
    [['ProfileStore/readers'], 'pstore-readers-batch-', { evaluation: 'Batch' }],
    [['pstore/readers', '--evaluation', 'Streaming'], 'pstore-readers-streaming-', { evaluation: 'Streaming' }],
    [['campaignsources/letter-logs'], 'csrc-letter-logs-', {}],
  ])('%j runs that target', async (args, name, spec) => {
    const { convoke, list } = await openScene(cluster!)
    expect((await convoke(['run', ...args])).code).toBe(0)
    const [made] = await list('Run')
    expect(made!.metadata.name.startsWith(name)).toBe(true)
    expect(made!.spec).toMatchObject(spec)
    expect('evaluation' in made!.spec).toBe('evaluation' in spec)
  })

  test('waits, tells what the steps do, and ends as the Run does', async () => {
    const scene = await openScene(cluster!)
    const ended = scene.convoke(['run', 'win-back', '--wait'])
    const name = await theRun(scene)
    const held = 'Activated 2h ago; the shortest interval is 3h.'
    await scene.status('Run', name, { ...running, conditions: conditions([['Succeeded', 'Unknown', 'Pending', held]]) })
    await sleep(700)
    await scene.status('Run', name, {
      ...running,
      step: 'import',
      conditions: unfinished,
      steps: [exported, { name: 'import' }],
    })
    await sleep(700)
    await scene.status('Run', name, {
      ...running,
      finishedAt: '2026-12-01T12:00:20Z',
      conditions: conditions([['Succeeded', 'True', 'Succeeded']]),
      steps: [exported, imported],
      segments: [
        { segment: 'patrons', members: 1204, realized: 12, exited: 3, manifest: 'm.json', acknowledged: true },
        {
          segment: 'quiet-buyers',
          members: 8031,
          realized: 8031,
          exited: 0,
          backfill: true,
          manifest: 'n.json',
          acknowledged: true,
        },
        { segment: 'quiet-patrons', members: 96, realized: 0, exited: 0 },
      ],
    })
    const { code, out, err } = await ended
    expect(err).toMatchInlineSnapshot(`
      "· Pending: Activated 2h ago; the shortest interval is 3h.
      ✓ export   win-back                12 s  265 rows in 3 files
      ✓ import   win-back                19 s  261 updated, 4 rejected
      "
    `)
    expect(out.replaceAll(name, 'RUN')).toMatchInlineSnapshot(`
      "Run/RUN
      Segment        members  realized  exited  delivery
      ─────────────  ───────  ────────  ──────  ─────────────────────────
      patrons          1,204        12       3  acknowledged
      quiet-buyers     8,031     8,031       0  acknowledged, all members
      quiet-patrons       96         0       0  no change

      ✓ RUN succeeded in 19s.
      "
    `)
    expect(code).toBe(0)
  })

  test('that waits for a Run that fails says why, and ends with 1', async () => {
    const scene = await openScene(cluster!)
    const ended = scene.convoke(['run', 'win-back', '--wait'])
    const name = await theRun(scene)
    await scene.status('Run', name, {
      ...running,
      finishedAt: '2026-12-01T12:00:20Z',
      steps: [
        exported,
        {
          ...imported,
          outcome: 'Failed',
          reason: 'DatabaseUnreachable',
          message: 'letters-db refuses the connection.',
        },
      ],
      conditions: conditions([
        ['Succeeded', 'False', 'DatabaseUnreachable', 'import: letters-db refuses the connection.'],
      ]),
    })
    const { code, out, err } = await ended
    expect(err).toContain('✗ import   win-back                19 s  Failed: DatabaseUnreachable: letters-db refuses')
    expect(out.replaceAll(name, 'RUN')).toMatchInlineSnapshot(`
      "Run/RUN
      ✗ RUN failed in 19s: DatabaseUnreachable: import: letters-db refuses the connection.
      → convoke logs RUN -n NAMESPACE
      → convoke run --retry RUN --wait -n NAMESPACE
      "
    `)
    expect(code).toBe(1)
  })

  test('that waits gives the finished Run to programs', async () => {
    const scene = await openScene(cluster!)
    const ended = scene.convoke(['run', 'win-back', '--wait', '-o', 'json'])
    const name = await theRun(scene)
    await scene.status('Run', name, { ...running, conditions: conditions([['Succeeded', 'True', 'Held']]) })
    const run: Run = JSON.parse((await ended).out)
    expect([run.metadata.name, run.status?.conditions?.[0]?.reason]).toEqual([name, 'Held'])
  })

  test('waits no longer than asked, and the Run goes on', async () => {
    const { convoke, list } = await openScene(cluster!)
    const clock = { now: () => new Date() }
    const { code, err } = await convoke(['run', 'win-back', '--wait', '--timeout', '1s'], clock)
    const [run] = await list('Run')
    expect(err).toBe(
      `Not finished within 1s; the Run goes on. \`convoke status Run/${run!.metadata.name} -n NAMESPACE\` shows it.\n`,
    )
    expect(code).toBe(1)
  })

  test('that waits for a Run that is deleted says so', async () => {
    const scene = await openScene(cluster!)
    const ended = scene.convoke(['run', 'win-back', '--wait'])
    const name = await theRun(scene)
    const path = `/apis/convoke.dev/v1alpha1/namespaces/${scene.namespace}/runs/${name}`
    await cluster!.api('DELETE', path)
    expect(await ended).toMatchObject({ code: 2, err: expect.stringContaining(`The Run \`${name}\` was deleted`) })
  })

  test.each([
    [['win-bak'], /There is no Activation `win-bak` in namespace `NAMESPACE`\. Did you mean `win-back`\?/],
    [['readers'], /There is no Activation `readers` in namespace `NAMESPACE`\. There is ProfileStore\/readers\./],
    [['Segment/patrons'], /A Segment is not run; there are ProfileStore, Activation, CampaignSource\./],
    [['win-back', '--evaluation', 'Streaming'], /--evaluation is for a ProfileStore/],
    [['win-back', '--timeout', '5m'], /--timeout is for --wait/],
    [['win-back', '--wait', '--timeout', 'soon'], /--timeout takes a duration like 90s or 2h, not `soon`/],
    [['win-back', 'other'], /Name one Activation/],
    [[], /Name one Activation, .* files are run on this machine with --workdir DIR and --volumes DIR\./],
    [['examples/minimal'], /`examples\/minimal` is a path: to run it on this machine, give --workdir DIR/],
    [
      ['examples/minimal', '--workdir', '.', '--wait'],
      /--workdir runs files on this machine, --\w+ a target in the cluster/,
    ],
  ])('%j is refused, and nothing is made', async (args, message) => {
    const { convoke, list } = await openScene(cluster!)
    expect(await convoke(['run', ...args])).toMatchObject({ code: 2, out: '', err: expect.stringMatching(message) })
    expect(await list('Run')).toEqual([])
  })
})

describe.skipIf(cluster === null)('run --retry', () => {
  const failed = {
    ...running,
    steps: [exported, { ...imported, outcome: 'Failed', reason: 'DatabaseUnreachable' }],
    conditions: conditions([['Succeeded', 'False', 'DatabaseUnreachable']]),
  }

  test('asks for another attempt, waits for the answer, and tells only what is new', async () => {
    const scene = await openScene(cluster!)
    await scene.run(
      { target: { kind: 'Activation', name: 'win-back' }, scheduledTime: '2026-12-01T10:00:00Z' },
      'failed',
    )
    await scene.status('Run', 'failed', failed)
    const ended = scene.convoke(['run', '--retry', 'failed', '--wait'])
    const requestedAt = await until(
      async () => (await scene.get('Run', 'failed')).metadata.annotations?.[annotations.requestedAt],
    )
    expect(requestedAt).toBe('2026-12-01T12:00:00.000Z')
    // Still as it failed: that is not the answer.
    await sleep(1200)
    await scene.status('Run', 'failed', {
      lastHandledRequestedAt: requestedAt,
      attempt: 2,
      finishedAt: '2026-12-01T12:00:20Z',
      steps: [exported, { ...imported, attempt: 2 }],
      conditions: conditions([['Succeeded', 'True', 'Succeeded']]),
    })
    const { code, out, err } = await ended
    expect(err).toBe('✓ import   win-back                19 s  261 updated, 4 rejected\n')
    expect(out).toBe('Run/failed\n✓ failed succeeded in 19s.\n')
    expect(code).toBe(0)
  })

  test('that the operator only takes note of says that nothing was tried', async () => {
    const scene = await openScene(cluster!)
    const target = { kind: 'Activation', name: 'win-back' } as const
    await scene.run({ target, scheduledTime: '2026-12-01T10:00:00Z' }, 'failed')
    await scene.status('Run', 'failed', { ...failed, finishedAt: '2026-12-01T10:01:00Z' })
    const ended = scene.convoke(['run', '--retry', 'failed', '--wait'])
    const requestedAt = await until(
      async () => (await scene.get('Run', 'failed')).metadata.annotations?.[annotations.requestedAt],
    )
    await scene.status('Run', 'failed', { lastHandledRequestedAt: requestedAt })
    expect(await ended).toMatchObject({
      code: 2,
      err: expect.stringMatching(
        /The operator did not try `failed` again.*`convoke run Activation\/win-back -n NAMESPACE`/,
      ),
    })
  })

  test.each([
    [
      'replaced',
      { conditions: conditions([['Succeeded', 'False', 'Replaced']]), steps: [exported] },
      /No step of the Run `replaced` failed \(Replaced\); `convoke run Activation\/win-back` makes a new one/,
    ],
    [
      'succeeded',
      { conditions: conditions([['Succeeded', 'True', 'Succeeded']]) },
      /has succeeded; there is nothing to retry\. `convoke run Activation\/win-back` makes a new one/,
    ],
    ['running', { ...running, conditions: unfinished }, /is not finished \(running\); only a failed one is retried/],
    ['unseen', {}, /is not finished \(unseen\)/],
  ])('one that is %s is not retried', async (name, status, message) => {
    const { convoke, get, run, status: write } = await openScene(cluster!)
    await run({ target: { kind: 'Activation', name: 'win-back' }, scheduledTime: '2026-12-01T10:00:00Z' }, name)
    await write('Run', name, status)
    expect(await convoke(['run', '--retry', name])).toMatchObject({ code: 2, err: expect.stringMatching(message) })
    expect((await get('Run', name)).metadata.annotations).toBeUndefined()
    expect(await convoke(['run', '--retry', `${name}x`])).toMatchObject({
      code: 2,
      err: expect.stringContaining(`Did you mean \`${name}\`?`),
    })
  })
})

describe.skipIf(cluster === null)('approve', () => {
  const held = [
    { segment: 'patrons', reason: 'CircuitBreaker', message: '71 % would leave.' },
    { segment: 'quiet-buyers', reason: 'CircuitBreaker' },
    {
      segment: 'quiet-patrons',
      reason: 'TooManySegments',
      message: 'The CampaignInstance letters is at its limit of 50.',
    },
  ]
  const approvedIn = async (args: readonly string[]): Promise<readonly string[] | undefined> => {
    const { convoke, list, status } = await openScene(cluster!)
    await status('Activation', 'win-back', { held })
    expect(await convoke(['approve', ...args])).toMatchObject({ code: 0, err: '' })
    const [run] = await list('Run')
    expect(run!.spec).toMatchObject({ target: { kind: 'Activation', name: 'win-back' }, trigger: 'Manual' })
    return run!.spec.approved
  }

  test.each([
    [['win-back', 'patrons'], ['patrons']],
    [
      ['Activation/win-back', 'patrons', 'Segment/quiet-buyers', 'patrons'],
      ['patrons', 'quiet-buyers'],
    ],
    [
      ['win-back', '--all'],
      ['patrons', 'quiet-buyers'],
    ],
    [['win-back', 'other', '--force'], ['other']],
  ])('%j makes a Run that lets these pass', async (args, approved) => {
    expect(await approvedIn(args)).toEqual(approved)
  })

  test.each([
    [
      ['win-back', 'patron'],
      /`patron` is not held\. Held: patrons, quiet-buyers\. Did you mean `patrons`\? --force approves it all the same\./,
    ],
    [
      ['win-back', 'quiet-patrons'],
      /not delivered for another reason, TooManySegments, which no approval lifts: The CampaignInstance letters/,
    ],
    [['win-back'], /Name an Activation, and its held Segments or --all\./],
    [['win-back', 'patrons', '--all'], /Name an Activation, and its held Segments or --all\./],
    [['ProfileStore/readers', 'patrons'], /Only an Activation holds Segments, not a ProfileStore\./],
  ])('%j is refused', async (args, message) => {
    const { convoke, list, status } = await openScene(cluster!)
    await status('Activation', 'win-back', { held })
    expect(await convoke(['approve', ...args])).toMatchObject({ code: 2, err: expect.stringMatching(message) })
    expect(await list('Run')).toEqual([])
  })

  test('of all where nothing is held makes no Run', async () => {
    const { convoke, list } = await openScene(cluster!)
    expect(await convoke(['approve', 'win-back', '--all'])).toEqual({
      code: 0,
      out: '',
      err: 'The circuit breaker holds nothing of win-back.\n',
    })
    expect(await list('Run')).toEqual([])
  })
})

test.skipIf(cluster === null)('who may not make Runs is told which right is missing', async () => {
  const { convoke } = await openScene(cluster!)
  const { code, err } = await convoke(['run', 'win-back', '--kubeconfig', stranger()])
  expect(code).toBe(2)
  expect(err).toMatch(/Ask for the right to get activations\.convoke\.dev in the namespace NAMESPACE\.\n$/)
})

function stranger(): string {
  return kubeconfigWith(cluster!, ({ users }) => {
    for (const each of users) each.user = { ...each.user, as: 'nobody' }
  })
}

/** Name of the only Run, once it is made. */
async function theRun({ list }: Scene): Promise<string> {
  return until(async () => (await list('Run'))[0]?.metadata.name)
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  while (true) {
    const found = await look()
    if (found !== undefined) return found
    await sleep(50)
  }
}
