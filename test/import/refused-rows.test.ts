import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { csv, deliver, rejects, startDatabase, status } from './database.ts'
import { importPlan } from './plan.ts'

let database: Awaited<ReturnType<typeof startDatabase>>
beforeAll(async () => {
  database = await startDatabase()
})
afterAll(() => database.stop())
beforeEach(() => database.reset())

const trigger = (body: string, when = 'BEFORE UPDATE') => `
  CREATE OR REPLACE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} RETURN new; END $$;
  CREATE TRIGGER judge ${when} ON recipients FOR EACH ROW EXECUTE FUNCTION judge();`
const raising = (state: string) =>
  trigger(`IF new.name = 'Two' THEN RAISE EXCEPTION 'not this one' USING ERRCODE = '${state}'; END IF;`)

describe('one row that the database refuses is rejected, and the others are loaded', () => {
  test.each<[string, string, RegExp]>([
    ['a check', `ALTER TABLE recipients ADD CHECK (name <> 'Two')`, /recipients_name_check/],
    [
      'a domain that takes no null',
      `CREATE DOMAIN mail AS varchar(40) NOT NULL; ALTER TABLE recipients ALTER email TYPE mail`,
      /email may not be empty/,
    ],
    [
      'a domain with a rule',
      `CREATE DOMAIN given AS text CHECK (value <> 'Two'); ALTER TABLE recipients ALTER name TYPE given`,
      /name: 'Two' is no given/,
    ],
    [
      'a domain whose rule fails',
      `CREATE FUNCTION strict(value text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN IF value = 'Two' THEN RAISE EXCEPTION 'never %', value; END IF; RETURN true; END $$;
       CREATE DOMAIN strictly AS text CHECK (strict(value)); ALTER TABLE recipients ALTER name TYPE strictly`,
      /never Two/,
    ],
    [
      'a unique index',
      `UPDATE recipients SET name = 'Two' WHERE external_id = 'P6'; CREATE UNIQUE INDEX ON recipients (name)`,
      /recipients_name_idx/,
    ],
    [
      'a unique key that is looked at with the commit',
      `UPDATE recipients SET name = 'Two' WHERE external_id = 'P6'; ALTER TABLE recipients ADD UNIQUE (name) DEFERRABLE INITIALLY DEFERRED`,
      /recipients_name_key/,
    ],
    [
      'a foreign key that is looked at with the commit',
      `CREATE TABLE names (name text PRIMARY KEY); INSERT INTO names SELECT name FROM recipients UNION VALUES ('One'), ('Three');
       ALTER TABLE recipients ADD FOREIGN KEY (name) REFERENCES names DEFERRABLE INITIALLY DEFERRED`,
      /foreign key constraint/,
    ],
    [
      'a constraint trigger at the commit',
      `${trigger(`IF new.name = 'Two' THEN RAISE EXCEPTION 'too late'; END IF;`).replace('CREATE TRIGGER judge BEFORE UPDATE ON recipients', 'CREATE CONSTRAINT TRIGGER judge AFTER UPDATE ON recipients DEFERRABLE INITIALLY DEFERRED')}`,
      /too late/,
    ],
    ['a trigger', raising('P0001'), /the database refused it: not this one/],
    ['a trigger with a state of its own', raising('U0001'), /the database refused it: not this one/],
    ['a trigger that says it is not supported', raising('0A000'), /not this one/],
    ['a trigger that says it lacks a privilege', raising('42501'), /not this one/],
    ['a trigger that blames the row in words of the schema', raising('42704'), /not this one/],
    ['a trigger that blames the state of something', raising('55000'), /not this one/],
    ['a trigger that keeps the row', trigger(`IF new.name = 'Two' THEN RETURN NULL; END IF;`), /left it as it was/],
    [
      'row security',
      `ALTER TABLE recipients ENABLE ROW LEVEL SECURITY; CREATE POLICY everybody ON recipients FOR SELECT USING (true);
       CREATE POLICY part ON recipients FOR UPDATE USING (true) WITH CHECK (name <> 'Two')`,
      /row-level security policy/,
    ],
    [
      'row security that hides it from updates',
      `ALTER TABLE recipients ENABLE ROW LEVEL SECURITY; CREATE POLICY everybody ON recipients FOR SELECT USING (true);
       CREATE POLICY part ON recipients FOR UPDATE USING (external_id <> 'P2')`,
      /left it as it was/,
    ],
    [
      'an index that takes no such long value',
      `CREATE FUNCTION noise(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT CASE name WHEN 'Two' THEN (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 400) n) ELSE name END $$;
       CREATE INDEX ON recipients (noise(name))`,
      /index row requires/,
    ],
  ])('%s', async (_, prepare, reason) => {
    await database.admin.query(prepare)
    const rows = ['P1,one@example.test,One,realized', 'P2,,Two,realized', 'P3,three@example.test,Three,realized']
    deliver({ files: [csv(`external_id,email,name,${status}`, ...rows)] })
    const report = await database.run()
    expect(report.error).toBeUndefined()
    expect(report.totals).toMatchObject({ rowsRead: 3, updated: 2, unchanged: 0, rejected: 1, added: 2 })
    expect(rejects().split('\n')[1]).toMatch(/^3,/)
    expect(rejects()).toMatch(reason)
    expect(await database.members()).toEqual(['P1', 'P3'])
    expect(await database.recipient('P2', 'name')).toEqual(['Name 2'])
  })
})

test('of two deliveries that are loaded together, a row that is refused is missed in its own alone', async () => {
  await database.admin.query(raising('P0001'))
  deliver({ files: [csv(`external_id,name,${status}`, 'P1,One,realized', 'P2,Two,realized')] })
  deliver({ segment: 'silver', files: [csv(`external_id,name,${status}`, 'P1,One,realized', 'P3,Three,realized')] })
  const report = await database.run()
  expect(report.totals).toMatchObject({ rowsRead: 4, updated: 2, unchanged: 1, rejected: 1, added: 3 })
  expect([await database.members(), await database.members('silver')]).toEqual([['P1'], ['P1', 'P3']])
})

test('of a recipient in two deliveries that are loaded together the last has the last word', async () => {
  deliver({ files: [csv(`external_id,name,${status}`, 'P1,First,realized', 'P2,Same,realized')] })
  deliver({ segment: 'silver', files: [csv(`external_id,name,${status}`, 'P1,Last,realized', 'P2,Same,realized')] })
  const report = await database.run()
  expect(report.totals).toMatchObject({ rowsRead: 4, updated: 2, unchanged: 2, added: 4 })
  expect(await database.recipient('P1', 'name')).toEqual(['Last'])
})

test('a row for whose value another one makes room is loaded', async () => {
  await database.admin.query(
    `UPDATE recipients SET name = 'Two' WHERE external_id = 'P3'; CREATE UNIQUE INDEX ON recipients (name)`,
  )
  deliver({ files: [csv(`external_id,name,${status}`, 'P1,One,realized', 'P2,Two,realized', 'P3,Three,realized')] })
  expect((await database.run()).totals).toMatchObject({ updated: 3, rejected: 0 })
})

test.each([
  ['a trigger that is broken', trigger('PERFORM nobody_wrote_this();'), /nobody_wrote_this/],
  [
    'a trigger that may not write where it wants to',
    `CREATE TABLE audit (n integer); ${trigger('INSERT INTO audit VALUES (1);')}`,
    /permission denied for table audit/,
  ],
])('%s refuses every row, and is a fault of the table: nothing is rejected for it', async (_, prepare, said) => {
  await database.admin.query(prepare)
  deliver({ files: [csv(`external_id,name,${status}`, 'P1,One,realized', 'P2,Two,realized')] })
  const report = await database.run()
  await database.admin.query('DROP TABLE IF EXISTS audit')
  expect(report.error).toMatchObject({ reason: 'DatabaseRefused', message: expect.stringMatching(said) })
  expect(await database.select('SELECT * FROM convoke.import_ledger')).toEqual([])
})

test('half of many rows refused are rejected, each with its line, at a cost that grows with the rows', async () => {
  const rows = 4_000
  await database.admin.query(
    `INSERT INTO recipients (external_id, points) SELECT 'R' || n, 0 FROM generate_series(1, ${rows}) n`,
  )
  const lines = Array.from({ length: rows }, (_, n) => `R${n + 1},${n % 2 === 0 ? 5 : 1_000_001}`)
  deliver({ files: [csv('external_id,points', ...lines)] })
  const report = await database.run()
  expect(report.totals).toMatchObject({ rowsRead: rows, updated: rows / 2, rejected: rows / 2, added: rows / 2 })
  const refused = rejects().trimEnd().split('\n').slice(1)
  expect(refused.map((line) => Number(line.split(',')[0]))).toEqual(
    Array.from({ length: rows / 2 }, (_, n) => 2 * n + 3),
  )
})

describe("Campaign's own columns", () => {
  test('take flags as 1 and 0, and nulls as their default', async () => {
    await database.admin.query(`ALTER TABLE recipients ALTER points SET NOT NULL, ALTER points SET DEFAULT 0, DROP vip, ADD vip smallint NOT NULL DEFAULT 0,
      ADD blocked smallint, ADD tier text NOT NULL DEFAULT 'it''s (none)', ADD score2 numeric NOT NULL DEFAULT -1.5`)
    deliver({
      files: [
        csv(
          `external_id,points,vip,blocked,tier,score2,${status}`,
          'P1,7,true,false,gold,2,realized',
          'P2,,,,,,realized',
          'P3,3,false,true,,,realized',
        ),
      ],
    })
    const columns = ['vip', 'blocked'].map((name) => ({ name, type: 'Boolean' as const }))
    expect((await database.run(importPlan({ columns }))).totals).toMatchObject({ updated: 3, rejected: 0 })
    const read = (key: string) => database.recipient(key, 'points, vip, blocked, tier, score2::text')
    expect(await read('P1')).toEqual([7, 1, 0, 'gold', '2'])
    expect(await read('P2')).toEqual([0, 0, null, "it's (none)", '-1.5'])
    expect(await read('P3')).toEqual([3, 0, 1, "it's (none)", '-1.5'])
    deliver({ run: 'act-offers-2', files: [csv(`external_id,points,vip,${status}`, 'P1,7,true,realized')] })
    expect((await database.run(importPlan({ columns }), { run: 'act-offers-2' })).totals).toMatchObject({
      updated: 0,
      unchanged: 1,
    })
  })

  test.each([
    ['json', '{"a": 1}'],
    ['json[]', '{1,2}'],
    ['xml', '<a/>'],
    ['point', '(1,2)'],
    ['box', '(1,1),(0,0)'],
    ['text COLLATE blind', 'ANN'],
    ['int4range', '[1,3)'],
    ['uuid', '4d3cbd09-6d41-4bd4-9c4c-2b3f3c2a4f10'],
    ['bytea', '\\x00ff'],
    ['interval', '1 day'],
    ['jsonb', '{"a": 1}'],
    ['mood', 'ok'],
  ])('of the type %s are written once', async (type, value) => {
    await database.admin.query(`DROP TYPE IF EXISTS mood CASCADE; CREATE TYPE mood AS ENUM ('bad', 'ok');
      CREATE COLLATION IF NOT EXISTS blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false); ALTER TABLE recipients ADD x ${type}`)
    if (type.startsWith('text')) await database.admin.query(`UPDATE recipients SET x = 'ann'`)
    const cell = `"${value.replaceAll('"', '""')}"`
    for (const [run, updated] of [
      ['act-offers-1', 1],
      ['act-offers-2', 0],
    ] as const) {
      deliver({ run, files: [csv(`external_id,x,${status}`, `P1,${cell},realized`)] })
      expect((await database.run(importPlan(), { run })).totals).toMatchObject({ updated, rejected: 0 })
    }
    expect(await database.recipient('P1', 'x::text')).toEqual([value])
  })

  test('that are computed are named', async () => {
    await database.admin.query(`ALTER TABLE recipients ADD upper_name text GENERATED ALWAYS AS (upper(name)) STORED`)
    deliver({ files: [csv(`external_id,upper_name,${status}`, 'P1,X,realized')] })
    expect((await database.run()).error).toMatchObject({
      reason: 'DatabaseRefused',
      message: expect.stringContaining('the generated column upper_name of public.recipients'),
    })
  })
})
