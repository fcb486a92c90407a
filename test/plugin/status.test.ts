// `convoke status` on a real API server; the statuses are written as the operator would.
import { beforeAll, describe, expect, test } from 'vitest'
import { openCluster } from '../api/convoke.ts'
import { conditions, openScene, type Scene } from './scene.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('status', () => {
  test('of what is in order is a table per kind, and says that nothing needs attention', async () => {
    const { convoke } = await openScene(cluster!)
    const { code, out, err } = await convoke(['status'])
    expect(out).toMatchInlineSnapshot(`
      "Namespace NAMESPACE, context test

      ✓ Nothing needs attention.

      ProfileStore  state  profiles     events  segments  evaluated  next batch  next streaming  last outcome
      ────────────  ─────  ────────  ─────────  ────────  ─────────  ──────────  ──────────────  ────────────
      readers       ready    48,210  1,302,455         3  5m ago     in 14h      now             succeeded

      Dataset        state  record   files    records  rejected  ingested
      ─────────────  ─────  ───────  ─────  ─────────  ────────  ─────────
      reader-cards   ready  profile     12     48,302         7  9h44m ago
      till-receipts  ready  event    3,801  1,302,455         0  4m ago

      Segment        state  members  entered  exited  latency  evaluated  activations
      ─────────────  ─────  ───────  ───────  ──────  ───────  ─────────  ───────────
      patrons        ready    1,204       12       3  5m       5m ago               1
      quiet-buyers   ready    8,031       40     210  24h      9h45m ago            1
      quiet-patrons  ready       96        1       0  24h      9h45m ago            1

      CampaignInstance  state  version  segments  held  destinations
      ────────────────  ─────  ───────  ────────  ────  ────────────
      letters           ready  8.7      3 of 50      0             1

      Destination  state  activations  delivered
      ───────────  ─────  ───────────  ─────────
      letter-box   ready            1  1h59m ago

      Activation  state  segments  held  last run  last outcome  next run
      ──────────  ─────  ────────  ────  ────────  ────────────  ────────
      win-back    ready         3     0  2h ago    succeeded     in 4h

      CampaignSource  state    rows  last run  last outcome  next run
      ──────────────  ─────  ──────  ────────  ────────────  ────────
      letter-logs     ready  91,200  30m ago   succeeded     in 30m
      "
    `)
    expect({ code, err }).toEqual({ code: 0, err: '' })
  })

  describe('where much is wrong', () => {
    let scene: Scene
    beforeAll(async () => {
      scene = await openScene(cluster!)
      await trouble(scene)
    })

    test('shows first what needs attention, with the next step', async () => {
      const { code, out } = await scene.convoke(['status'])
      expect(out).toMatchInlineSnapshot(`
        "Namespace NAMESPACE, context test

        ✗ ProfileStore/readers is stalled: MissingVolume (3h ago)
            There is no PersistentVolumeClaim readers-store; make it, or name another in
            spec.storage.volume.
        ✗ Segment/patrons does not pass: unknown-attribute (3h ago)
            \`club.levle\` is not a field of the profile at spec.expression, 1:1. Did you mean \`club.level\`?
            → convoke explain unknown-attribute
        ✗ Activation/win-back failed in import: DatabaseUnreachable (1h58m ago)
            letters-db:5432 refuses the connection; check that the database is up.
            → convoke logs act-win-back-29935320 -n NAMESPACE
            → convoke run --retry act-win-back-29935320 --wait -n NAMESPACE
        ! Activation/win-back missed 2 slots since it was made (14h ago)
        ! Activation/win-back holds \`quiet-buyers\` back (1h59m ago)
            71 % of 8,031 members would leave; the circuit breaker allows 50 %.
            → convoke approve win-back quiet-buyers -n NAMESPACE
        ! CampaignSource/letter-logs was due 20m ago, and no Run was made
            Is the operator running?

        ProfileStore  state    profiles     events  segments  evaluated  next batch  next streaming  last outcome
        ────────────  ───────  ────────  ─────────  ────────  ─────────  ──────────  ──────────────  ────────────
        readers       stalled    48,210  1,302,455         3  5m ago     in 14h      now             evaluate …

        Dataset        state  record   files    records  rejected  ingested
        ─────────────  ─────  ───────  ─────  ─────────  ────────  ─────────
        reader-cards   ready  profile     12     48,302         7  9h44m ago
        till-receipts  ready  event    3,801  1,302,455         0  4m ago

        Segment        state    members  entered  exited  latency  evaluated  activations
        ─────────────  ───────  ───────  ───────  ──────  ───────  ─────────  ───────────
        patrons        refused    1,204       12       3  5m       5m ago               1
        quiet-buyers   ready      8,031       40     210  24h      9h45m ago            1
        quiet-patrons  ready         96        1       0  24h      9h45m ago            1

        CampaignInstance  state  version  segments  held  destinations
        ────────────────  ─────  ───────  ────────  ────  ────────────
        letters           ready  8.7      3 of 50      0             1

        Destination  state  activations  delivered
        ───────────  ─────  ───────────  ─────────
        letter-box   ready            1  1h59m ago

        Activation  state  segments  held  last run  last outcome                 next run
        ──────────  ─────  ────────  ────  ────────  ───────────────────────────  ────────
        win-back    ready         3     2  2h ago    failed: DatabaseUnreachable  in 4h

        CampaignSource  state    rows  last run  last outcome  next run
        ──────────────  ─────  ──────  ────────  ────────────  ────────
        letter-logs     ready  91,200  30m ago   succeeded     20m ago

        Run                                target                trigger   slot    state    step      attempt  took
        ─────────────────────────────────  ────────────────────  ────────  ──────  ───────  ────────  ───────  ────
        pstore-readers-streaming-29935435  ProfileStore/readers  Schedule  5m ago  running  evaluate        1  4m
        "
      `)
      expect(code).toBe(1)
    })

    test('of one resource shows its conditions, its Segments and its Runs', async () => {
      const { out } = await scene.convoke(['status', 'act/win-back'])
      expect(out).toMatchInlineSnapshot(`
        "Namespace NAMESPACE, context test

        ✗ Activation/win-back failed in import: DatabaseUnreachable (1h58m ago)
            letters-db:5432 refuses the connection; check that the database is up.
            → convoke logs act-win-back-29935320 -n NAMESPACE
            → convoke run --retry act-win-back-29935320 --wait -n NAMESPACE
        ! Activation/win-back missed 2 slots since it was made (14h ago)
        ! Activation/win-back holds \`quiet-buyers\` back (1h59m ago)
            71 % of 8,031 members would leave; the circuit breaker allows 50 %.
            → convoke approve win-back quiet-buyers -n NAMESPACE

        Activation  state  segments  held  last run  last outcome                 next run
        ──────────  ─────  ────────  ────  ────────  ───────────────────────────  ────────
        win-back    ready         3     2  2h ago    failed: DatabaseUnreachable  in 4h

        Activation/win-back  is    reason            since
        ───────────────────  ────  ────────────────  ──────
        Ready                True  Ready             3h ago
        GuardrailsPassed     True  GuardrailsPassed  3h ago

        Segment        delivered  by the Run             held
        ─────────────  ─────────  ─────────────────────  ──────────────
        patrons        1h59m ago  act-win-back-29935320  CompileFailed
        quiet-buyers   1h59m ago  act-win-back-29935320  CircuitBreaker
        quiet-patrons  1h59m ago  act-win-back-29935320

        Run                    target               trigger   slot    state      step    took
        ─────────────────────  ───────────────────  ────────  ──────  ─────────  ──────  ────
        act-win-back-29935320  Activation/win-back  Schedule  2h ago  failed     import  1m
        act-win-back-29934960  Activation/win-back  Schedule  8h ago  succeeded  import  1m
        "
      `)
    })

    test('of one Run shows its steps', async () => {
      const { out } = await scene.convoke(['status', 'Run/act-win-back-29935320'])
      expect(out).toMatchInlineSnapshot(`
        "Namespace NAMESPACE, context test

        ✗ Activation/win-back failed in import: DatabaseUnreachable (1h58m ago)
            letters-db:5432 refuses the connection; check that the database is up.
            → convoke logs act-win-back-29935320 -n NAMESPACE
            → convoke run --retry act-win-back-29935320 --wait -n NAMESPACE
        ! Activation/win-back holds \`quiet-buyers\` back (1h59m ago)
            71 % of 8,031 members would leave; the circuit breaker allows 50 %.
            → convoke approve win-back quiet-buyers -n NAMESPACE

        Run                    target               trigger   slot    state   step    took
        ─────────────────────  ───────────────────  ────────  ──────  ──────  ──────  ────
        act-win-back-29935320  Activation/win-back  Schedule  2h ago  failed  import  1m

        Run/act-win-back-29935320  is     reason               since
        ─────────────────────────  ─────  ───────────────────  ─────────
        Succeeded                  False  DatabaseUnreachable  1h58m ago

        Succeeded
          import failed

        step    outcome    attempt  took  counts
        ──────  ─────────  ───────  ────  ───────────────────────────────────────────────────────────────────────────────────────────
        export  succeeded        1  30s   265 rows in 3 files
        import  failed           3  33s   DatabaseUnreachable: letters-db:5432 refuses the connection; check that the database is up.
        "
      `)
    })

    test('of some kinds leaves out the others', async () => {
      const { code, out } = await scene.convoke(['status', 'segments', 'CampaignInstance'])
      expect(out.match(/^\w+(?= +state)/gm)).toEqual(['Segment', 'CampaignInstance'])
      expect(out).toContain('Segment/patrons does not pass')
      expect(out).not.toContain('letter-logs')
      expect(code).toBe(1)
      expect((await scene.convoke(['status', 'Destination'])).code).toBe(0)
    })

    test('is a document for programs, with exact times', async () => {
      const { code, out } = await scene.convoke(['status', '-o', 'json'])
      const document = JSON.parse(out)
      expect(code).toBe(1)
      expect(document).toMatchObject({ context: 'test', namespace: 'NAMESPACE', at: '2026-12-01T12:00:00.000Z' })
      expect(document.attention[1]).toEqual({
        severity: 'error',
        resource: { kind: 'Segment', namespace: 'NAMESPACE', name: 'patrons' },
        run: null,
        what: 'does not pass: unknown-attribute',
        reason: 'unknown-attribute',
        message: expect.stringContaining('club.levle'),
        since: '2026-12-01T09:00:00Z',
        next: [['explain', 'unknown-attribute']],
      })
      expect(document.resources.Segment[1]).toEqual({
        namespace: 'NAMESPACE',
        name: 'quiet-buyers',
        state: 'ready',
        members: 8031,
        entered: 40,
        exited: 210,
        effectiveLatency: '24h',
        lastEvaluatedTime: '2026-12-01T02:15:00.000Z',
        activations: 1,
      })
      expect(document.resources.Run).toEqual([
        expect.objectContaining({ name: 'pstore-readers-streaming-29935435', state: 'running', step: 'evaluate' }),
      ])
    })

    test('of all namespaces says which is which', async () => {
      const { out } = await scene.convoke(['status', '-A', 'Segment'])
      expect(out).toMatch(/^All namespaces/)
      expect(out).toMatch(/^NAMESPACE +patrons +refused/m)
      expect(out).toMatch(/^✗ NAMESPACE Segment\/patrons does not pass/m)
    })
  })

  test('counts only the latest Run of a schedule: one that failed before it needs nobody', async () => {
    const { convoke, run, status } = await openScene(cluster!)
    for (const [name, scheduledTime, condition] of [
      ['first', '2026-12-01T04:00:00Z', ['Succeeded', 'False', 'DatabaseUnreachable']],
      ['second', '2026-12-01T10:00:00Z', ['Succeeded', 'True', 'Succeeded']],
    ] as const) {
      await run({ target: { kind: 'Activation', name: 'win-back' }, scheduledTime }, name)
      await status('Run', name, { observedGeneration: 1, conditions: conditions([condition]) })
    }
    expect((await convoke(['status'])).code).toBe(0)
    // A streaming evaluation that succeeded says nothing of the batch.
    for (const [name, evaluation, condition] of [
      ['batch', 'Batch', ['Succeeded', 'False', 'OutOfSpace', 'The volume is full.']],
      ['streaming', 'Streaming', ['Succeeded', 'True', 'Succeeded']],
    ] as const) {
      const scheduledTime = evaluation === 'Batch' ? '2026-12-01T02:15:00Z' : '2026-12-01T11:55:00Z'
      await run({ target: { kind: 'ProfileStore', name: 'readers' }, evaluation, scheduledTime }, name)
      await status('Run', name, { observedGeneration: 1, conditions: conditions([condition]) })
    }
    const { code, out } = await convoke(['status'])
    expect(code).toBe(1)
    expect(out.match(/^[✗!] .*/gm)).toEqual(['✗ ProfileStore/readers failed: OutOfSpace (3h ago)'])
  })

  test('says when nobody looks at what was applied', async () => {
    const { convoke, status } = await openScene(cluster!)
    await status('Segment', 'patrons', { observedGeneration: -1, conditions: null })
    const later = { now: () => new Date(Date.now() + 60_000) }
    const { out } = await convoke(['status', 'Segment'], later)
    expect(out).toContain(
      '! 1 resource waits for the operator\n    Segment/patrons. Is the operator running, and does it watch this namespace?\n',
    )
    expect(out).toMatch(/^patrons +unseen/m)
    const { out: atOnce } = await convoke(['status', 'Segment'], { now: () => new Date() })
    expect(atOnce).not.toContain('waits for the operator')
  })

  test.each([
    ['Segmnt', /There is no kind `Segmnt`\. Did you mean `Segment`\? One resource is KIND\/NAME\./],
    ['Segment/patron', /There is no Segment `patron` in namespace `NAMESPACE`\. Did you mean `patrons`\?/],
    ['Segment/', /`Segment\/` is not KIND\/NAME\./],
  ])('%s is said to be nothing, with the likely name', async (name, message) => {
    const { convoke } = await openScene(cluster!)
    expect(await convoke(['status', name])).toMatchObject({ code: 2, out: '', err: expect.stringMatching(message) })
  })

  test('of an empty namespace says where else to look', async () => {
    const namespace = await cluster!.namespace()
    const { convoke } = await openScene(cluster!)
    const { code, out } = await convoke(['status', '-n', namespace])
    expect(out).toContain('Nothing of Convoke is here. -A looks in every namespace.')
    expect(code).toBe(0)
  })

  test('that is watched is drawn over until interrupted, no higher than the terminal', async () => {
    const { convoke } = await openScene(cluster!)
    const abort = new AbortController()
    let drawn = ''
    const out = (text: string): void => {
      drawn += text
      abort.abort()
    }
    expect(
      await convoke(['status', '--watch'], { rows: 12, isTerminal: true, out, signal: abort.signal }),
    ).toMatchObject({ code: 0 })
    expect(drawn.startsWith('\x1b[H\x1b[2J')).toBe(true)
    expect(drawn.trimEnd().split('\n')).toHaveLength(11)
    expect(drawn).toMatch(/… \d+ more lines\n$/)
    expect(await convoke(['status', '--watch'])).toMatchObject({ code: 2, err: expect.stringContaining('terminal') })
  })

  test('is coloured where there are colours', async () => {
    const { convoke } = await openScene(cluster!)
    const { out } = await convoke(['status', 'Activation'], { colour: true })
    expect(out).toContain('\x1b[32m✓\x1b[0m Nothing needs attention.')
    expect(out).toContain('win-back    \x1b[32mready\x1b[0m         3')
  })
})

async function trouble({ status, run }: Scene): Promise<void> {
  await status('Segment', 'patrons', {
    conditions: conditions([
      ['Ready', 'False', 'CompileFailed', '1 error'],
      [
        'GuardrailsPassed',
        'False',
        'UnknownAttribute',
        '`club.levle` is not a field of the profile at spec.expression, 1:1. Did you mean `club.level`?',
      ],
    ]),
  })
  await status('ProfileStore', 'readers', {
    conditions: conditions([
      ['Ready', 'False', 'MissingVolume'],
      [
        'Stalled',
        'True',
        'MissingVolume',
        'There is no PersistentVolumeClaim readers-store; make it, or name another in spec.storage.volume.',
      ],
    ]),
  })
  await run(
    { target: { kind: 'Activation', name: 'win-back' }, scheduledTime: '2026-12-01T04:00:00Z' },
    'act-win-back-29934960',
  )
  await run(
    { target: { kind: 'Activation', name: 'win-back' }, scheduledTime: '2026-12-01T10:00:00Z' },
    'act-win-back-29935320',
  )
  await status('Run', 'act-win-back-29935320', {
    observedGeneration: 1,
    step: 'import',
    startedAt: '2026-12-01T10:00:01Z',
    finishedAt: '2026-12-01T10:01:05Z',
    conditions: conditions([['Succeeded', 'False', 'DatabaseUnreachable', 'import failed']], '2026-12-01T10:01:05Z'),
    steps: [
      {
        name: 'export',
        outcome: 'Succeeded',
        attempt: 1,
        startedAt: '2026-12-01T10:00:01Z',
        finishedAt: '2026-12-01T10:00:31Z',
        totals: { files: 3, rows: 265 },
      },
      {
        name: 'import',
        outcome: 'Failed',
        attempt: 3,
        startedAt: '2026-12-01T10:00:32Z',
        finishedAt: '2026-12-01T10:01:05Z',
        reason: 'DatabaseUnreachable',
        message: 'letters-db:5432 refuses the connection; check that the database is up.',
      },
    ],
  })
  await status('Run', 'act-win-back-29934960', {
    observedGeneration: 1,
    step: 'import',
    startedAt: '2026-12-01T04:00:01Z',
    finishedAt: '2026-12-01T04:01:05Z',
    conditions: conditions([['Succeeded', 'True', 'Succeeded']], '2026-12-01T04:01:05Z'),
  })
  await status('Activation', 'win-back', {
    held: [
      {
        segment: 'quiet-buyers',
        reason: 'CircuitBreaker',
        message: '71 % of 8,031 members would leave; the circuit breaker allows 50 %.',
        run: 'act-win-back-29935320',
        since: '2026-12-01T10:00:31Z',
      },
      { segment: 'patrons', reason: 'CompileFailed' },
    ],
    missedSlots: 2,
    lastMissedTime: '2026-11-30T22:00:00Z',
  })
  await run(
    {
      target: { kind: 'ProfileStore', name: 'readers' },
      evaluation: 'Streaming',
      scheduledTime: '2026-12-01T11:55:00Z',
    },
    'pstore-readers-streaming-29935435',
  )
  await status('Run', 'pstore-readers-streaming-29935435', {
    observedGeneration: 1,
    step: 'evaluate',
    attempt: 1,
    startedAt: '2026-12-01T11:55:01Z',
    conditions: conditions([['Succeeded', 'Unknown', 'Running', 'evaluate']], '2026-12-01T11:55:01Z'),
  })
  await status('CampaignSource', 'letter-logs', { nextScheduledTime: '2026-12-01T11:40:00Z' })
}
