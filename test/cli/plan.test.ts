import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { changePlan, compile } from '../../compiler/index.ts'
import { ensureTarget, startEmbeddedPostgres } from '../../jobs/index.ts'
import { convoke } from '../support/cli.ts'

const root = join(import.meta.dirname, '../..')
const minimal = join(root, 'examples/minimal')
const bundle = readFileSync(join(minimal, 'minimal.yaml'), 'utf8')
const of = (text: string) => compile([{ file: 'a.yaml', text }])
const planOf = (before: string, after: string) => changePlan(of(before), of(after))

/** The bundle without one document, told by a line in it. */
const without = (line: string): string =>
  bundle
    .split(/^---$/m)
    .filter((document) => !document.includes(line))
    .join('---')

describe('what changes', () => {
  test('the same resources: nothing, whatever the comments, order and file', () => {
    const shuffled = bundle.split(/^---$/m).reverse().join('\n---\n')
    expect(planOf(bundle, `# a comment\n${shuffled}`)).toMatchObject({ changes: [], breaking: [], segments: [] })
  })

  test.each([
    {
      title: 'a changed expression is a redefined Segment, and so is one that refers to it',
      before: `${bundle}\n---\napiVersion: convoke.dev/v1alpha1\nkind: Segment\nmetadata: {name: outer}\nspec: {profileStoreRef: {name: customers}, expression: 'inSegment("gold-members")'}\n`,
      change: (text: string) => text.replace('loyalty.tier = "gold"', 'loyalty.tier = "silver"'),
      changes: ['changed Segment gold-members spec.expression'],
      segments: ['redefined gold-members', 'redefined outer'],
    },
    {
      title: 'a changed name for people is a change, not a redefinition',
      before: bundle,
      change: (text: string) => text.replace(/displayName: .*/, 'displayName: Another'),
      changes: [expect.stringMatching(/^changed Segment .* spec\.displayName$/)],
      segments: [],
    },
    {
      title: 'a new Segment',
      before: without('name: gold-members'),
      change: () => bundle,
      changes: expect.arrayContaining(['added Segment gold-members ']),
      segments: ['added gold-members'],
    },
  ])('$title', ({ before, change, changes, segments }) => {
    const plan = planOf(before, change(before))
    expect(
      plan.changes.map(
        (each) => `${each.change} ${each.kind} ${each.name} ${each.fields.map((field) => field.path).join(',')}`,
      ),
    ).toEqual(changes)
    expect(plan.segments.map((each) => `${each.change} ${each.name}`)).toEqual(segments)
  })

  test.each([
    {
      title: 'a Segment that an Activation delivers goes',
      after: bundle.replace(
        /^kind: Segment\nmetadata:.*gold-members.*$/m,
        'kind: Segment\nmetadata: {name: golden-members}',
      ),
      message: /Campaign keeps its last list/,
    },
    { title: 'a schema field goes', after: bundle.replace(/^.*tier: ?\{.*\n/m, ''), message: /loses the field/ },
    {
      title: 'the storage moves',
      after: bundle.replace('claimName: profile-store', 'claimName: other-store'),
      message: /starts from nothing/,
    },
    {
      title: 'the reconciliation key changes',
      after: bundle.replace(/reconciliationKey: \[.*\]/, 'reconciliationKey: [email]'),
      message: /reconciles by email/,
    },
  ])('breaking: $title', ({ after, message }) => {
    expect(after).not.toBe(bundle)
    expect(
      planOf(bundle, after)
        .breaking.map((each) => each.message)
        .join('\n'),
    ).toMatch(message)
  })
})

describe('the command', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'convoke-plan-'))
  const volumes = join(scratch, 'volumes')
  const git = (...args: string[]) =>
    spawnSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.test', ...args], { cwd: scratch })
  let server: Awaited<ReturnType<typeof startEmbeddedPostgres>>

  beforeAll(async () => {
    cpSync(join(minimal, 'volumes'), volumes, { recursive: true })
    writeFileSync(join(scratch, 'bundle.yaml'), bundle)
    git('init', '-q')
    git('add', 'bundle.yaml')
    git('commit', '-qm', 'first')
    server = await startEmbeddedPostgres({ folder: join(scratch, 'postgres'), log: () => {} })
    const plan = of(bundle).plans.find((each) => each.import)!.import!
    await ensureTarget(server.url, plan, join(volumes, 'campaign', plan.instance, `${plan.target.table}.csv`))
    const run = convoke(
      [
        'run',
        'bundle.yaml',
        '--workdir',
        'work',
        '--volumes',
        'volumes',
        '--at',
        '2026-01-15T06:00:00Z',
        '--database',
        `production=${server.url}`,
      ],
      { cwd: scratch },
    )
    expect(run.code, run.err + run.out).toBe(0)
    writeFileSync(
      join(scratch, 'bundle.yaml'),
      bundle.replace(
        'loyalty.tier = "gold" and not (optOut = true)',
        'loyalty.tier.isNotNull() or loyalty.tier.isNull()',
      ),
    )
  })
  afterAll(async () => {
    await server?.stop()
    rmSync(scratch, { recursive: true, force: true })
  })

  const plan = (...more: string[]) => convoke(['plan', 'bundle.yaml', ...more], { cwd: scratch })

  test('against the last commit, with sizes from the store and what Campaign makes of those who enter', () => {
    const { code, out, err } = plan(
      '--volumes',
      'volumes',
      '--at',
      '2026-01-15T06:00:00Z',
      '--database',
      `production=${server.url}`,
      '-o',
      'json',
    )
    expect(code, err).toBe(0)
    const document = JSON.parse(out)
    // Eight customers; three were in. Of the five who enter, one is not in Campaign (C8 was a member already or is among them).
    const [audience] = document.audiences
    expect(audience).toMatchObject({ segment: 'gold-members', before: 3, after: 8, entered: 5, exited: 0 })
    expect(audience.campaign.production.unknown + audience.campaign.production.optedOut).toBeLessThanOrEqual(5)
  })

  test('with the work directory also what the circuit breaker would hold; a page shows it', () => {
    const places = ['--volumes', 'volumes', '--workdir', 'work', '--at', '2026-01-15T06:00:00Z']
    const { code, out, err } = plan(...places, '--report', 'plan.html', '-o', 'json')
    expect(code, err).toBe(0)
    const document = JSON.parse(out)
    expect(document.audiences[0]).toMatchObject({
      segment: 'gold-members',
      displayName: 'Gold members',
      change: 'redefined',
    })
    expect(document.audiences[0].deliveries[0]).toMatchObject({ activation: expect.any(String), isFirst: false })
    // Counted in the data of that day; every limit is told, that of the store among them.
    expect(document.stores).toMatchObject([{ name: 'customers', profiles: 8, evaluatedAt: '2026-01-15T06:00:00Z' }])
    expect(document.limits).toContainEqual(
      expect.objectContaining({ kind: 'ProfileStore', what: 'profile Datasets', used: 1, limit: 20 }),
    )
    expect(JSON.parse(plan('-o', 'json').out)).toMatchObject({
      stores: [],
      limits: expect.arrayContaining([expect.objectContaining({ what: 'profile Datasets' })]),
    })
    expect(readFileSync(join(scratch, 'plan.html'), 'utf8')).toContain('Decide before you merge')
  })

  test.each([
    { args: [], code: 0, out: '~ Segment gold-members' },
    { args: ['--detailed-exitcode'], code: 3, out: '1 to change' },
    { args: ['--against', 'bundle.yaml', '--detailed-exitcode'], code: 0, out: /^No changes\.\n$/ },
    { args: ['-o', 'markdown'], code: 0, out: '### Convoke plan' },
  ])('$args gives exit code $code', ({ args, code, out }) => {
    const result = plan(...args)
    expect(result.code).toBe(code)
    if (typeof out === 'string') expect(result.out).toContain(out)
    else expect(result.out).toMatch(out)
  })

  describe('a change of data', () => {
    const at = ['--volumes', 'volumes', '--workdir', 'work', '--at', '2026-01-15T06:00:00Z']
    const against = (change: (text: string) => string, ...more: string[]) => {
      writeFileSync(join(scratch, 'other.yaml'), change(bundle))
      writeFileSync(join(scratch, 'own.yaml'), bundle)
      return convoke(['plan', 'other.yaml', '--against', 'own.yaml', ...at, ...more], { cwd: scratch })
    }

    test('of a Dataset is taken in for trial: who would come and go, where they go, and what else they are in', () => {
      const { code, out, err } = against(
        (text) =>
          text.replace(
            '- { source: type, target: eventType }',
            '- { source: type, target: eventType, transform: { constant: purchase } }',
          ),
        '-o',
        'json',
      )
      expect(code, err).toBe(0)
      const document = JSON.parse(out)
      expect(document.changedStores).toMatchObject([{ name: 'customers' }])
      for (const audience of document.audiences) expect(audience).toMatchObject({ change: 'data' })
      expect(document.gaps).toEqual([])
    })

    test('whose column no file has says so', () => {
      const { out } = against((text) => text.replace('source: tier,', 'source: tierr,'))
      expect(out).toContain('it has no value any more for loyalty.tier')
      expect(out).toContain('(refused-file)')
    })

    test('of stitching is one as well', () => {
      const { code, out, err } = against(
        (text) => text.replace(/^( {2}identities:)/m, '  mergePolicy: { stitching: PrivateGraph }\n$1'),
        '-o',
        'json',
      )
      expect(code, err).toBe(0)
      expect(JSON.parse(out).gaps).toEqual([])
    })
  })

  test('--delivery: rows, files and rejects of the next deliveries, which nobody gets', () => {
    const { code, out, err } = plan(
      ...['--volumes', 'volumes', '--workdir', 'work', '--at', '2026-01-15T06:00:00Z'],
      ...['--database', `production=${server.url}`, '--delivery', '-o', 'json'],
    )
    expect(code, err).toBe(0)
    const { expected, audiences } = JSON.parse(out)
    const gold = expected.find((each: { segment: string }) => each.segment === 'gold-members')
    // Everybody is in it now: five come to three who were delivered, but for those who may not be sent.
    expect(gold).toMatchObject({ activation: 'newsletter', exited: 0, isFirst: false, held: null })
    expect(gold.realized + gold.leftOut).toBe(5)
    expect(gold.files).toMatchObject([{ rows: gold.realized }])
    expect(gold.rejects).toBeLessThanOrEqual(gold.realized)
    expect(audiences[0]).toMatchObject({ isLarge: true, overlaps: expect.any(Array) })
    expect(audiences[0].deliveries[0].latency).toMatch(/^\d+h/)
  })

  test('an unknown revision is wrong use', () => {
    expect(plan('--against', 'no-such-thing')).toMatchObject({ code: 2, out: '' })
  })
})
