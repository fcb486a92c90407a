// The way to the database: encrypted and verified unless one asks for less, and every fault told as what it is.
import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabasePlan, RunReport } from '#crds'
import { freePort } from '../stores/endpoints.ts'
import { csv, deliver, startDatabase, status, volumes } from './database.ts'
import { importPlan } from './plan.ts'

let database: Awaited<ReturnType<typeof startDatabase>>
let port: number
let folder: string

const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })

/** A CA, and of it a certificate for `localhost`, which the server of this name has. */
function makeCertificates(): void {
  for (const ca of ['ca', 'other'])
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      `${ca}.key`,
      '-out',
      `${ca}.crt`,
      '-subj',
      `/CN=${ca}`,
    )
  openssl(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    'server.key',
    '-out',
    'server.csr',
    '-subj',
    '/CN=localhost',
  )
  writeFileSync(join(folder, 'san'), 'subjectAltName=DNS:localhost')
  openssl(
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'ca.crt',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-extfile',
    'san',
    '-out',
    'server.crt',
  )
}

const text = (name: string) => readFileSync(join(folder, name), 'utf8')
const setting = async (statement: string) => {
  await database.admin.query(statement)
  await database.admin.query('SELECT pg_reload_conf()')
  // Told to the postmaster, which tells it to those it starts from then on.
  await new Promise((resolve) => setTimeout(resolve, 200))
}

beforeAll(async () => {
  database = await startDatabase()
  await database.reset()
  await database.admin.query(`CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.email = (SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()); RETURN new; END $$;
    CREATE TRIGGER stamp BEFORE UPDATE ON recipients FOR EACH ROW EXECUTE FUNCTION stamp()`)
  port = Number(new URL(database.url).port)
  folder = join(volumes, 'certificates')
  mkdirSync(folder)
  makeCertificates()
  const [[data]] = (await database.select('SHOW data_directory')) as [[string]]
  const { uid, gid } = statSync(data)
  for (const name of ['server.crt', 'server.key']) {
    writeFileSync(join(data, name), text(name), { mode: 0o600 })
    chownSync(join(data, name), uid, gid)
  }
  await setting('ALTER SYSTEM SET ssl = on')
})
afterAll(() => database.stop())

let runs = 0
const imported = async (
  plan: Partial<DatabasePlan>,
  secrets: Record<string, string> = {},
  url?: string,
): Promise<RunReport> => {
  const run = `act-offers-t${++runs}`
  deliver({ run, files: [csv(`external_id,name,${status}`, `P1,run ${runs},realized`)] })
  const place = { host: 'localhost', port, database: 'postgres', credentialsSecretRef: { name: 'db' }, ...plan }
  return database.run(importPlan({}, { database: place }), { run }, url, {
    volumes,
    secrets: { db: { username: 'campaign', password: 'campaign' }, ca: secrets },
    ...(url === undefined ? { databases: {} } : { databases: { production: url } }),
  })
}
/** Whether the newest import came over TLS; the recipient that it wrote says so. */
const isEncrypted = async () => {
  const [name, ssl] = (await database.recipient('P1', 'name, email'))!
  expect(name).toBe(`run ${runs}`)
  return ssl === 'true'
}
const ca = { caSecretRef: { name: 'ca' } }

describe('a server with a certificate of a CA of its own', () => {
  test.each<[string, Partial<DatabasePlan>, boolean, string]>([
    ['is verified against the CA', ca, true, 'localhost'],
    ['answers to Require', { sslMode: 'Require' }, true, 'localhost'],
    ['answers to Require with its CA under another name', { sslMode: 'Require', ...ca }, true, '127.0.0.1'],
    ['answers in clear where that is asked for', { sslMode: 'Disable' }, false, 'localhost'],
  ])('%s', async (_, plan, encrypted, host) => {
    const report = await imported({ ...plan, host }, { 'ca.crt': text('ca.crt') })
    expect(report.error).toBeUndefined()
    expect(await isEncrypted()).toBe(encrypted)
  })

  test.each<[string, Partial<DatabasePlan>, string | null, RegExp]>([
    ['of which nobody here knows', {}, null, /a CA that is not known here: .*caSecretRef/s],
    ['of another CA', ca, 'other.crt', /not of the CA in the Secret ca: .*who answers/s],
    ['of another CA, whatever its name', { sslMode: 'Require', ...ca }, 'other.crt', /not of the CA in the Secret ca/],
    [
      'for another name',
      { ...ca, host: '127.0.0.1' },
      'ca.crt',
      /certificate for DNS:localhost, not for 127\.0\.0\.1\..*sslMode: Require/s,
    ],
  ])('%s is not talked to', async (_, plan, certificate, said) => {
    const report = await imported(plan, certificate === null ? {} : { 'ca.crt': text(certificate) })
    expect(report.error).toMatchObject({
      reason: 'DatabaseRefused',
      retryable: false,
      message: expect.stringMatching(said),
    })
    expect(report.error?.message).not.toMatch(/password/)
  })

  test('is not asked where the CA is none', async () => {
    expect((await imported(ca, { 'ca.crt': 'letters' })).error).toMatchObject({
      reason: 'InvalidPlan',
      message: expect.stringContaining('ca.crt of the Secret ca holds no certificate in PEM'),
    })
  })

  test.each<[string, 'in' | RegExp]>([
    ['sslmode=disable', 'in'],
    ['sslmode=prefer', 'in'],
    ['sslmode=require', 'in'],
    ['sslmode=no-verify', 'in'],
    ['sslmode=verify-ca&sslrootcert=CA', 'in'],
    ['sslmode=verify-full&sslrootcert=CA', 'in'],
    ['', 'in'],
    ['sslmode=verify-full', /sslrootcert=FILE/],
    ['ssl=true', /sslrootcert=FILE/],
    ['sslmode=require&sslrootcert=OTHER', /not of the CA in \S+other\.crt/],
    ['sslmode=verify-full&sslrootcert=NOBODY', /names a file that cannot be read/],
    ['sslmode=verified', /sslmode=verified.*one of disable, allow/],
  ])('is reached by a URL with %j as it says', async (query, expected) => {
    const files = { CA: 'ca.crt', OTHER: 'other.crt', NOBODY: 'nobody.crt' }
    const said = query.replace(/=(CA|OTHER|NOBODY)$/, (_, name: keyof typeof files) => `=${join(folder, files[name])}`)
    const url = `postgresql://campaign:campaign@localhost:${port}/postgres${said === '' ? '' : `?${said}`}`
    const report = await imported({}, {}, url)
    if (expected === 'in') expect(report.error).toBeUndefined()
    else expect(report.error?.message).toMatch(expected)
    expect(report.error?.message ?? '').not.toContain('campaign:campaign')
  })
})

test('a server that takes logins over TLS only says so, not that the password is wrong', async () => {
  const [[file]] = (await database.select('SHOW hba_file')) as [[string]]
  const before = readFileSync(file, 'utf8')
  writeFileSync(file, `hostssl all campaign all scram-sha-256\nhost all campaign all reject\n${before}`)
  await setting('SELECT 1')
  const report = await imported({ sslMode: 'Disable' })
  const over = await imported(ca, { 'ca.crt': text('ca.crt') })
  writeFileSync(file, before)
  await setting('SELECT 1')
  expect(report.error).toMatchObject({
    reason: 'DatabaseRefused',
    message: expect.stringMatching(/takes this login over TLS only\. Set database\.postgreSQL\.sslMode: VerifyFull/),
  })
  expect(over.error).toBeUndefined()
})

describe('a server without TLS', () => {
  beforeAll(() => setting('ALTER SYSTEM SET ssl = off'))

  test('is told as such by default, and hears nothing but the question', async () => {
    const heard: Buffer[] = []
    const way = createServer((client) => {
      const server = connect(port, '127.0.0.1')
      client
        .on('data', (data) => heard.push(data))
        .pipe(server)
        .on('error', () => {})
      server.pipe(client).on('error', () => {})
    })
    const through = await freePort()
    await new Promise<void>((resolve) => way.listen(through, '127.0.0.1', resolve))
    const report = await imported({ port: through })
    way.close()
    expect(report.error).toMatchObject({
      reason: 'DatabaseRefused',
      message: expect.stringMatching(
        /has no TLS, and nothing is sent to it in clear\. .*sslMode: Disable in the CampaignInstance production/,
      ),
    })
    expect(Buffer.concat(heard)).toHaveLength(8)
  })

  test.each<[string, 'in' | RegExp]>([
    ['', 'in'],
    ['?sslmode=disable', 'in'],
    ['?sslmode=prefer', 'in'],
    ['?sslmode=allow', 'in'],
    ['?sslmode=require', /has no TLS.*sslmode=disable in the URL of the CampaignInstance production/],
    ['?sslmode=verify-full', /has no TLS/],
  ])('is reached on this machine by a URL that ends in %j as it says', async (query, expected) => {
    const report = await imported({}, {}, `postgresql://campaign:campaign@127.0.0.1:${port}/postgres${query}`)
    if (expected === 'in') expect(report.error).toBeUndefined()
    else expect(report.error?.message).toMatch(expected)
  })

  test('is reached where it is asked for', async () => {
    expect((await imported({ sslMode: 'Disable' })).error).toBeUndefined()
  })
})

test('a URL that leads elsewhere and says nothing is verified', async () => {
  const { wireOf } = await import('../../jobs/postgres/wire.ts')
  const at = (url: string) =>
    wireOf('production', { host: '', port: 1, database: '' }, {
      database: () => url,
    } as never).protection
  expect(at('postgres://u:p@db.example.test/campaign')).toBe('VerifyFull')
  for (const here of ['localhost', '127.0.0.1:5432', '[::1]', ''])
    expect(at(`postgres://u:p@${here}/campaign`)).toBe('Disable')
  expect(at(`postgres://u:p@/campaign?host=${encodeURIComponent(dirname('/run/postgresql/x'))}`)).toBe('Disable')
  expect(at('postgres://u:p@/campaign?host=db.example.test')).toBe('VerifyFull')
})
